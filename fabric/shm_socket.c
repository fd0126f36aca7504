#include "fabric/shm.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "far/clock.h"

// Notes between the two sides of a lane, over its socket: rare things that need a descriptor or an answer. The socket is also how a sleeper is woken
// (a packet of one byte) and how the end of the peer shows. Sending never blocks: the server must not wait for a client that does not read.

#define SHM_ANSWER_MS 5000     // a server that takes longer is taken for dead
#define SHM_PACKETS_AT_ONCE 64 // of one lane, before the others get their turn

int shm_note_send(int socket, const struct shm_note *note, int fd)
{
	struct iovec bytes = {(void *)(uintptr_t)note, sizeof(*note)};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr packet = {.msg_iov = &bytes, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *header;

		packet.msg_control = control;
		packet.msg_controllen = sizeof(control);
		header = CMSG_FIRSTHDR(&packet);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
	}
	return sendmsg(socket, &packet, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

// Takes the descriptor out of a packet. There is room for one: the kernel closes what does not fit.
static int shm_note_descriptor(struct msghdr *packet)
{
	int fd = -1;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(packet); header; header = CMSG_NXTHDR(packet, header))
		if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

int shm_note_receive(int socket, struct shm_note *note, int *fd)
{
	struct iovec bytes = {note, sizeof(*note)};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct msghdr packet = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t length = recvmsg(socket, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*fd = -1;
	if (length < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	*fd = shm_note_descriptor(&packet);
	if (length == sizeof(*note) && !(packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && note->magic == SHM_MAGIC)
		return 1;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	if (length == 0)
		return -ECONNRESET;
	return length == 1 ? 0 : -EPROTO;
}

void shm_wake(int socket)
{
	// EAGAIN: the peer has packets to read, so it will wake anyway. Other errors: the lane's end is noticed where it is looked for.
	(void)!send(socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int shm_lane_take(struct shm_lane *lane)
{
	struct shm_note note;
	int fd;
	int result = shm_note_receive(lane->socket, &note, &fd);

	if (result <= 0)
		return result;
	if (lane->is_server)
		return shm_take_note(lane, &note, fd);
	if (fd >= 0)
		close(fd);
	return -EPROTO; // a client gets notes as answers only
}

bool shm_lane_read_socket(struct shm_lane *lane)
{
	if (lane->state != SHM_OPEN)
		return true;
	for (int i = 0; i < SHM_PACKETS_AT_ONCE; i++) {
		int result = shm_lane_take(lane);

		if (result == -EAGAIN) {
			lane->wakeups = 0;
			return true;
		}
		if (result == -ECONNRESET || result == -EPIPE) {
			lane->state = SHM_DRAINING;
			shm_lane_heat(lane);
			return true;
		}
		if (result < 0) {
			shm_lane_end(lane, result);
			return true;
		}
	}
	return false;
}

int shm_lane_tell(struct shm_lane *lane, const struct shm_note *note, int fd)
{
	struct pollfd descriptor = {.fd = lane->socket, .events = POLLOUT};
	int result = shm_note_send(lane->socket, note, fd);

	if (result == -EAGAIN && poll(&descriptor, 1, SHM_ANSWER_MS) == 1) // only a client is here, and set-up may wait
		result = shm_note_send(lane->socket, note, fd);
	if (result < 0)
		return result;
	lane->notes++;
	// Release pairs with shm_lane_has_notes. The next published head covers it, and the server looks at the head first: what the client sends
	// later is not handled before this note.
	atomic_store_explicit(&lane->out.shared->notes, lane->notes, memory_order_release);
	if (shm_direction_must_wake(lane->out.shared))
		shm_wake(lane->socket);
	return 0;
}

// Waits for an answer; wake-ups may come before it.
static int shm_lane_await(struct shm_lane *lane, struct shm_note *answer, int *fd)
{
	uint64_t deadline_ns = clock_now_ns() + SHM_ANSWER_MS * 1000000ULL;
	struct pollfd descriptor = {.fd = lane->socket, .events = POLLIN};

	for (;;) {
		int result = shm_note_receive(lane->socket, answer, fd);

		if (result == 1 && answer->kind == SHM_NOTE_ANSWER)
			return 0;
		if (result == 1) {
			if (*fd >= 0)
				close(*fd);
			return -EPROTO;
		}
		if (result < 0 && result != -EAGAIN)
			return result;
		if (result == -EAGAIN) {
			if (clock_now_ns() >= deadline_ns)
				return -ETIMEDOUT;
			poll(&descriptor, 1, 100);
		}
	}
}

int shm_lane_ask(struct shm_lane *lane, const struct shm_note *question, struct shm_note *answer, int *fd)
{
	int result;

	if (lane->state != SHM_OPEN)
		return -ECONNRESET;
	result = shm_lane_tell(lane, question, -1);
	if (result == 0)
		result = shm_lane_await(lane, answer, fd);
	if (result < 0)
		shm_lane_end(lane, result);
	return result;
}
