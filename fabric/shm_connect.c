#include "fabric/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "far/cleanup.h"
#include "far/clock.h"

// The client's side of the beginning: connect, say hello, map the memory that comes with the welcome, make its own regions known.

#define SHM_RETRY_NS 1000000L // between tries while the server's backlog is full

static int shm_connect_fail(struct fabric_error *error, const char *path, int result, const char *what)
{
	snprintf(error->text, sizeof(error->text), "socket %s: %s", path, what);
	return result;
}

static int shm_connect_explain(struct fabric_error *error, const char *path, int result)
{
	switch (result) {
	case -ENOENT:
		return shm_connect_fail(error, path, result, "does not exist; is the server running?");
	case -ECONNREFUSED:
		return shm_connect_fail(error, path, result, "no server answers on it; start one");
	case -EACCES:
	case -EPERM:
		return shm_connect_fail(error, path, -EACCES, "may be used by its owner only");
	case -ETIMEDOUT:
		return shm_connect_fail(error, path, result, "the server did not answer in time");
	case -EPROTOTYPE:
	case -EPROTO:
	case -ENOTSOCK:
		return shm_connect_fail(error, path, -EPROTO, "what answers there is not a FarFS server");
	case -EPROTONOSUPPORT:
		return shm_connect_fail(
		        error, path, result, "the server speaks another version of the shm protocol; use the same release on both sides");
	default:
		return shm_connect_fail(error, path, result, strerror(-result));
	}
}

static int shm_connect_socket(const char *path, uint64_t deadline_ns)
{
	const struct timespec pause = {.tv_nsec = SHM_RETRY_NS};
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int result = 0;

	if (fd < 0)
		return -errno;
	strcpy(name.sun_path, path);
	while (connect(fd, (const struct sockaddr *)&name, sizeof(name)) < 0) {
		result = -errno;
		if (result != -EAGAIN && result != -EINTR)
			break;
		if (clock_now_ns() >= deadline_ns) {
			result = -ETIMEDOUT;
			break;
		}
		nanosleep(&pause, NULL);
		result = 0;
	}
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

// In a folder that others can write to, anybody may have put the socket there: only our own user's or root's server gets our bytes.
static int shm_connect_check_owner(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return -errno;
	return geteuid() == 0 || peer.uid == 0 || peer.uid == geteuid() ? 0 : -EACCES;
}

static int shm_connect_await(int fd, uint64_t deadline_ns, struct shm_note *welcome, int *memory)
{
	for (;;) {
		struct pollfd descriptor = {.fd = fd, .events = POLLIN};
		uint64_t now_ns;
		int result = shm_note_receive(fd, welcome, memory);

		if (result == 1)
			return 0;
		if (result == 0)
			continue; // a wake-up
		if (result != -EAGAIN)
			return result;
		now_ns = clock_now_ns();
		if (now_ns >= deadline_ns)
			return -ETIMEDOUT;
		poll(&descriptor, 1, (int)((deadline_ns - now_ns) / 1000000U) + 1);
	}
}

static int shm_connect_check(const struct shm_fabric *fabric, const struct shm_note *welcome, int memory)
{
	struct stat found;

	if (welcome->kind != SHM_NOTE_WELCOME)
		return -EPROTO;
	if (welcome->status < 0)
		return welcome->status;
	if (welcome->version != SHM_VERSION)
		return -EPROTONOSUPPORT;
	if (welcome->message_size < FAR_MESSAGE_SIZE_MIN || welcome->message_size > fabric->base.options.message_size)
		return -EPROTO;
	if (memory < 0 || welcome->ring_size != shm_ring_size(welcome->message_size))
		return -EPROTO;
	if (fstat(memory, &found) < 0 || (uint64_t)found.st_size < shm_lane_memory_size(welcome->message_size))
		return -EPROTO;
	return (fcntl(memory, F_GET_SEALS) & F_SEAL_SHRINK) ? 0 : -EPROTO;
}

static int shm_connect_greet(struct shm_fabric *fabric, int fd, uint64_t deadline_ns, struct shm_lane **lane)
{
	struct shm_note hello = {.magic = SHM_MAGIC, .version = SHM_VERSION, .kind = SHM_NOTE_HELLO};
	struct shm_note welcome;
	CLEANUP(close) int memory = -1;
	int result = shm_connect_check_owner(fd);

	hello.message_size = fabric->base.options.message_size;
	if (result == 0)
		result = shm_note_send(fd, &hello, -1);
	if (result == 0)
		result = shm_connect_await(fd, deadline_ns, &welcome, &memory);
	if (result == 0)
		result = shm_connect_check(fabric, &welcome, memory);
	if (result == 0)
		result = shm_lane_new(fabric, fd, memory, welcome.message_size, false, lane);
	return result;
}

int shm_connect(
        struct fabric *base, const struct fabric_address *address, int timeout_ms, struct fabric_lane **out, struct fabric_error *error)
{
	struct shm_fabric *fabric = shm_fabric_of(base);
	uint64_t deadline_ns = clock_now_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000U;
	struct shm_lane *lane = NULL;
	int fd = shm_connect_socket(address->path, deadline_ns);
	int result = fd;

	if (fd < 0)
		return shm_connect_explain(error, address->path, result);
	result = shm_connect_greet(fabric, fd, deadline_ns, &lane);
	if (result < 0) {
		close(fd);
		return shm_connect_explain(error, address->path, result);
	}
	result = shm_watch(fabric, fd, &lane->source);
	if (result == 0)
		result = shm_lane_tell_regions(lane);
	if (result < 0) {
		shm_lane_free(lane);
		return shm_connect_explain(error, address->path, result);
	}
	*out = &lane->base;
	return 0;
}
