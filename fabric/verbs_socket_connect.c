#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabric/verbs_connection.h"
#include "fabric/verbs_gid.h"
#include "far/cleanup.h"
#include "far/clock.h"

// Connecting over a socket: request, answer, and a question on the new queue pair, for only that shows that the two devices reach each other.

#define PROVE_NS 3000000000ULL // the device gives up after two seconds

static int wait_for(int fd, short what, uint64_t deadline_ns)
{
	for (;;) {
		struct pollfd descriptor = {.fd = fd, .events = what};
		uint64_t now_ns = clock_now_ns();
		int ready = poll(&descriptor, 1, now_ns < deadline_ns ? (int)((deadline_ns - now_ns) / 1000000) + 1 : 0);

		if (ready > 0)
			return 0;
		if (ready == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int connect_socket(int fd, const struct verbs_target *target)
{
	socklen_t length = sizeof(int);
	int code = 0, result;

	if (connect(fd, target->peer, target->peer_length) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	result = wait_for(fd, POLLOUT, target->deadline_ns);
	if (!result && getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) < 0)
		code = errno;
	return result ? result : -code;
}

static int open_socket(const struct verbs_target *target)
{
	int fd = socket(target->peer->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int result = fd < 0 ? -errno : connect_socket(fd, target);

	if (!result)
		return fd;
	if (fd >= 0)
		close(fd);
	return result;
}

static int receive(int fd, void *bytes, size_t length, uint64_t deadline_ns)
{
	size_t done = 0;

	while (done < length) {
		int result = wait_for(fd, POLLIN, deadline_ns);
		ssize_t got;

		if (result)
			return result;
		got = recv(fd, (char *)bytes + done, length - done, MSG_DONTWAIT);
		if (got == 0)
			return -EPROTO;
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		done += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

static int say_fault(const char *fault, struct fabric_error *error)
{
	snprintf(error->text, sizeof(error->text), "what listens there is not what was looked for: %s", fault);
	return -EPROTO;
}

static int receive_answer(int fd, struct verbs_exchange *theirs, uint64_t deadline_ns, struct fabric_error *error)
{
	struct verbs_refusal refusal;
	int result = receive(fd, &theirs->head, sizeof(theirs->head), deadline_ns);
	const char *fault;

	if (result == -EPROTO)
		return say_fault("it hangs up", error);
	if (result)
		return result;
	if (theirs->head.magic == VERBS_MAGIC && theirs->head.kind == VERBS_REFUSAL_LETTER &&
	        theirs->head.length == sizeof(struct verbs_refusal_letter)) {
		result = receive(fd, &refusal, sizeof(refusal), deadline_ns);
		return result ? result : verbs_take_refusal(&refusal, sizeof(refusal), error);
	}
	fault = verbs_letter_fault(&theirs->head, VERBS_ACCEPTANCE);
	if (fault)
		return say_fault(fault, error);
	result = receive(fd, &theirs->hello, sizeof(*theirs) - sizeof(theirs->head), deadline_ns);
	if (result)
		return result;
	fault = verbs_exchange_fault(theirs);
	return fault ? say_fault(fault, error) : 0;
}

static int not_reached(const struct verbs_lane *lane, const struct verbs_exchange *theirs, struct fabric_error *error)
{
	struct ibv_gid_entry gid = verbs_exchange_gid(theirs);
	char mine_text[80], theirs_text[80];

	snprintf(error->text, sizeof(error->text),
	        "device %.32s (GID %u = %.50s) does not reach the server's (%.50s): choose others by device=, port=, gid=",
	        lane->device->name, lane->way.gid.gid_index, verbs_gid_format(&lane->way.gid, mine_text),
	        verbs_gid_format(&gid, theirs_text));
	return -EHOSTUNREACH;
}

static int exchange(struct verbs_lane *lane, int fd, uint64_t deadline_ns, struct verbs_exchange *theirs, struct fabric_error *error)
{
	struct verbs_exchange mine = verbs_exchange_of(lane, VERBS_REQUEST, NULL);
	int result;

	if (send(fd, &mine, sizeof(mine), MSG_NOSIGNAL) != sizeof(mine))
		return errno ? -errno : -EIO;
	result = receive_answer(fd, theirs, deadline_ns, error);
	if (result)
		return result;
	verbs_take_hello(lane, &theirs->hello);
	return verbs_exchange_move(lane, &mine, theirs) ? not_reached(lane, theirs, error) : 0;
}

static int connect_lane(struct verbs_lane *lane, int *fd, uint64_t deadline_ns, struct fabric_error *error)
{
	uint64_t prove_ns = clock_now_ns() + PROVE_NS;
	struct verbs_exchange theirs;
	int result = exchange(lane, *fd, deadline_ns, &theirs, error);

	if (!result)
		result = verbs_lifeline_take(lane, *fd);
	if (result)
		return result;
	*fd = -1;
	verbs_lane_connected(verbs_of(lane->base.fabric), lane);
	return verbs_ask(lane, deadline_ns < prove_ns ? deadline_ns : prove_ns) ? 0 : not_reached(lane, &theirs, error);
}

int verbs_socket_connect(struct verbs *verbs, const struct verbs_target *target, struct verbs_lane **out, struct fabric_error *error)
{
	const struct fabric_rdma *rdma = &target->address->rdma;
	CLEANUP(close) int fd = open_socket(target);
	struct verbs_device *device;
	struct verbs_lane *lane;
	int result = fd < 0 ? fd : verbs_device_get(verbs, target->way->device, target->way->port, rdma, &device, error);

	if (!result)
		result = verbs_lane_new(device, rdma, true, &lane);
	if (result)
		return result;
	lane->way = *target->way;
	verbs_name_peer(lane, target->peer);
	result = connect_lane(lane, &fd, target->deadline_ns, error);
	if (result) {
		verbs_lane_free(lane);
		return result;
	}
	*out = lane;
	return 0;
}
