#include "fabric/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "far/cleanup.h"
#include "far/clock.h"
#include "far/log.h"

// The server's side of the beginning: a socket in the file system, and greetings on it. A greeting is a connection that has not said a valid hello; it is
// served when its socket has something, never waited for, and dropped at its time limit or when SHM_GREETINGS_MAX younger ones came: whatever
// connects and stays silent, or talks rubbish, costs a descriptor for a while and nothing else.

#define SHM_BACKLOG 128
#define SHM_GREETINGS_MAX 64U
#define SHM_GREETING_NS 5000000000ULL

static int shm_listen_fail(struct fabric_error *error, const char *path, int result, const char *what)
{
	snprintf(error->text, sizeof(error->text), "socket %s: %s", path, what);
	return result;
}

static bool shm_socket_is_stale(const char *path)
{
	CLEANUP(close) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un name = {.sun_family = AF_UNIX};

	strcpy(name.sun_path, path);
	return fd >= 0 && connect(fd, (const struct sockaddr *)&name, sizeof(name)) < 0 && errno == ECONNREFUSED;
}

// Binds, over a socket that a dead process left. The folder is locked meanwhile: two servers that start at once do not remove each other's.
static int shm_listen_bind(int fd, const char *path, const char *folder, struct fabric_error *error)
{
	CLEANUP(close) int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct stat found;

	if (lock < 0)
		return shm_listen_fail(error, path, -errno, "its folder cannot be opened");
	flock(lock, LOCK_EX);
	strcpy(name.sun_path, path);
	if (lstat(path, &found) == 0) {
		if (!S_ISSOCK(found.st_mode))
			return shm_listen_fail(error, path, -EADDRINUSE, "exists and is not a socket; choose another path");
		if (!shm_socket_is_stale(path))
			return shm_listen_fail(error, path, -EADDRINUSE, "another process listens on it");
		unlink(path);
	}
	if (bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0)
		return shm_listen_fail(error, path, -errno, strerror(errno));
	return 0;
}

static int shm_listen_open(struct shm_listener *listener, struct fabric_error *error)
{
	char copy[sizeof(listener->path)];
	struct stat made;
	char *folder;
	int result;

	strcpy(copy, listener->path);
	folder = dirname(copy);
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return shm_listen_fail(error, listener->path, -errno, "its folder cannot be made");
	listener->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->socket < 0)
		return shm_listen_fail(error, listener->path, -errno, strerror(errno));
	fchmod(listener->socket, 0600); // before bind: the file has this mode from its first moment
	result = shm_listen_bind(listener->socket, listener->path, folder, error);
	if (result < 0)
		return result;
	if (stat(listener->path, &made) == 0) {
		listener->device = made.st_dev;
		listener->inode = made.st_ino;
	}
	if (listen(listener->socket, SHM_BACKLOG) < 0)
		return shm_listen_fail(error, listener->path, -errno, strerror(errno));
	return 0;
}

int shm_listen(struct fabric *base, const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error)
{
	struct shm_fabric *fabric = shm_fabric_of(base);
	struct shm_listener *listener = calloc(1, sizeof(*listener));
	int result;

	if (!listener)
		return -ENOMEM;
	listener->source = SHM_SOURCE_LISTENER;
	listener->socket = -1;
	strcpy(listener->path, address->path);
	result = shm_listen_open(listener, error);
	if (result == 0)
		result = shm_watch(fabric, listener->socket, &listener->source);
	if (result < 0) {
		shm_listener_free(listener);
		return result;
	}
	listener->next = fabric->listeners;
	fabric->listeners = listener;
	if (bound)
		*bound = *address;
	return 0;
}

void shm_listener_free(struct shm_listener *listener)
{
	struct stat found;

	if (listener->inode && stat(listener->path, &found) == 0 && found.st_dev == listener->device && found.st_ino == listener->inode)
		unlink(listener->path);
	if (listener->socket >= 0)
		close(listener->socket);
	free(listener);
}

static int shm_greeting_new(struct shm_fabric *fabric, int socket)
{
	struct shm_greeting *greeting = calloc(1, sizeof(*greeting));
	struct shm_greeting **last = &fabric->greetings;
	int result;

	if (!greeting)
		return -ENOMEM;
	greeting->source = SHM_SOURCE_GREETING;
	greeting->socket = socket;
	greeting->deadline_ns = clock_now_ns() + SHM_GREETING_NS;
	result = shm_watch(fabric, socket, &greeting->source);
	if (result < 0) {
		free(greeting);
		return result;
	}
	if (fabric->greeting_count >= SHM_GREETINGS_MAX)
		fabric->greetings->deadline_ns = 0;
	while (*last)
		last = &(*last)->next;
	*last = greeting;
	fabric->greeting_count++;
	return 0;
}

void shm_greeting_free(struct shm_fabric *fabric, struct shm_greeting *greeting)
{
	struct shm_greeting **link = &fabric->greetings;

	while (*link != greeting)
		link = &(*link)->next;
	*link = greeting->next;
	fabric->greeting_count--;
	if (greeting->socket >= 0) {
		epoll_ctl(fabric->epoll, EPOLL_CTL_DEL, greeting->socket, NULL);
		close(greeting->socket);
	}
	free(greeting);
}

void shm_greetings_expire(struct shm_fabric *fabric, uint64_t now_ns)
{
	while (fabric->greetings && fabric->greetings->deadline_ns <= now_ns)
		shm_greeting_free(fabric, fabric->greetings);
}

void shm_listener_accept(struct shm_fabric *fabric, struct shm_listener *listener)
{
	listener->is_stalled = false;
	// Bounded: a flood of connections does not keep this thread here.
	for (unsigned i = 0; i < 2 * SHM_BACKLOG; i++) {
		int socket = accept4(listener->socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (socket < 0) {
			listener->is_stalled = errno != EAGAIN && errno != ECONNABORTED;
			return;
		}
		if (shm_greeting_new(fabric, socket) < 0)
			close(socket);
	}
	listener->is_stalled = true; // edge-triggered: the rest would not be reported again
}

// The lane's memory: sealed, so that no side can take it away from under the other.
static int shm_lane_memory_new(uint32_t message_size)
{
	int fd = memfd_create("farfs-lane", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)shm_lane_memory_size(message_size)) < 0 ||
	        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int result = -errno;

		close(fd);
		return result;
	}
	return fd;
}

static int shm_greeting_check(const struct shm_note *hello)
{
	if (hello->kind != SHM_NOTE_HELLO)
		return -EPROTO;
	if (hello->version != SHM_VERSION)
		return -EPROTONOSUPPORT;
	if (hello->message_size < FAR_MESSAGE_SIZE_MIN || hello->message_size > FAR_MESSAGE_SIZE_MAX || hello->message_size % 8)
		return -EPROTO;
	return 0;
}

// The hello is valid: makes the lane and answers. On success the socket belongs to the lane.
static int shm_greeting_welcome(struct shm_fabric *fabric, int socket, const struct shm_note *hello)
{
	struct shm_note welcome = {.magic = SHM_MAGIC, .version = SHM_VERSION, .kind = SHM_NOTE_WELCOME};
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
	CLEANUP(close) int memory = -1;
	struct shm_lane *lane;
	int result;

	welcome.message_size = fabric->base.options.message_size;
	if (hello->message_size < welcome.message_size)
		welcome.message_size = hello->message_size;
	welcome.ring_size = shm_ring_size(welcome.message_size);
	memory = shm_lane_memory_new(welcome.message_size);
	if (memory < 0)
		return memory;
	result = shm_lane_new(fabric, socket, memory, welcome.message_size, true, &lane);
	if (result < 0)
		return result;
	event.data.ptr = &lane->source;
	epoll_ctl(fabric->epoll, EPOLL_CTL_MOD, socket, &event);
	result = shm_note_send(socket, &welcome, memory);
	if (result < 0)
		shm_lane_end(lane, result); // its owner hears ACCEPTED and CLOSED
	return 0;
}

static void shm_greeting_refuse(int socket, int status)
{
	struct shm_note refusal = {.magic = SHM_MAGIC, .version = SHM_VERSION, .kind = SHM_NOTE_WELCOME, .status = status};

	shm_note_send(socket, &refusal, -1);
	log_debug("shm: connection refused reason=%s", strerror(-status));
}

void shm_greeting_continue(struct shm_fabric *fabric, struct shm_greeting *greeting)
{
	struct shm_note hello;
	int fd;
	int result = shm_note_receive(greeting->socket, &hello, &fd);

	if (result == -EAGAIN)
		return;
	if (fd >= 0)
		close(fd);
	if (result == 1)
		result = shm_greeting_check(&hello);
	else if (result == 0)
		result = -EPROTO;
	if (result == 0)
		result = shm_greeting_welcome(fabric, greeting->socket, &hello);
	if (result == 0)
		greeting->socket = -1; // the lane's now
	else if (result != -ECONNRESET)
		shm_greeting_refuse(greeting->socket, result);
	shm_greeting_free(fabric, greeting);
}
