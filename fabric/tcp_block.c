#include <errno.h>
#include <poll.h>

#include "fabric/tcp.h"

// Blocking in the ring: what waits to be sent, the next receives and the wait are one system call.

void tcp_prepare_lanes(struct tcp *tcp)
{
	bool has_stalled = tcp->has_stalled;

	tcp->has_stalled = false;
	for (struct tcp_lane *lane = has_stalled ? tcp->lanes : NULL; lane; lane = lane->next) {
		if (lane->is_stalled && !lane->is_closed)
			tcp_parse(lane);
		tcp_receive_arm(lane);
	}
	while (tcp->unsent) {
		struct tcp_lane *lane = tcp->unsent;

		tcp->unsent = lane->next_unsent;
		lane->is_unsent = false;
		tcp_flush(&lane->base);
	}
}

static struct __kernel_timespec *limit_of(uint64_t timeout_ns, struct __kernel_timespec *limit)
{
	*limit =
	        (struct __kernel_timespec){.tv_sec = (int64_t)(timeout_ns / 1000000000U), .tv_nsec = (long long)(timeout_ns % 1000000000U)};
	return timeout_ns == UINT64_MAX ? NULL : limit;
}

// More gathered behind a send than was there when it began.
static bool has_output_behind_sends(const struct tcp *tcp)
{
	for (const struct tcp_lane *lane = tcp->immediate; lane; lane = lane->next_immediate)
		if (lane->batches[lane->filling].piece_count > 0)
			return true;
	return false;
}

// Sends that succeed at once wake nobody. Who waits for the room that they leave has to look.
bool tcp_is_room_due(struct tcp *tcp)
{
	bool is_wanted = tcp->has_stalled || tcp->is_room_wanted || has_output_behind_sends(tcp);

	tcp->is_room_wanted = false;
	return is_wanted && tcp->immediate;
}

static int block_server(struct tcp *tcp, int wake_fd, uint64_t timeout_ns)
{
	struct __kernel_timespec limit;
	struct io_uring_cqe *cqe;
	int result;

	tcp_prepare_lanes(tcp);
	if (tcp->event_count > 0)
		return 1;
	if (wake_fd != tcp->epoll_fd && !tcp->is_watching) {
		struct io_uring_sqe *sqe = tcp_sqe(tcp);

		io_uring_prep_poll_add(sqe, wake_fd, POLLIN);
		io_uring_sqe_set_data64(sqe, TCP_OP_WAKE);
		tcp->is_watching = true;
	}
	if (tcp_is_room_due(tcp)) {
		result = io_uring_submit_and_get_events(&tcp->ring);
		return result < 0 && result != -EINTR && result != -EAGAIN && result != -EBUSY ? result : 1;
	}
	result = io_uring_submit_and_wait_timeout(&tcp->ring, &cqe, 1, limit_of(timeout_ns, &limit), NULL);
	if (result == -ETIME)
		return 0;
	return result < 0 && result != -EINTR && result != -EAGAIN ? result : 1;
}

// --- a client's lane ---

static void complete(struct tcp_lane *lane, const struct io_uring_cqe *cqe)
{
	if (cqe->user_data == tcp_tag(lane, TCP_OP_SEND))
		tcp_sent(lane, cqe->res);
	else if (cqe->user_data == tcp_tag(lane, TCP_OP_RECEIVE))
		tcp_receive_end(lane, cqe->res);
}

// Takes the completions that are there off the ring; returns how many.
static unsigned reap(struct tcp_lane *lane)
{
	struct tcp *tcp = tcp_of(lane->base.fabric);
	struct io_uring_cqe *cqe;
	unsigned count = 0;

	for (; io_uring_peek_cqe(&tcp->ring, &cqe) == 0; count++) {
		struct io_uring_cqe copy = *cqe;

		io_uring_cqe_seen(&tcp->ring, cqe);
		complete(lane, &copy);
	}
	return count;
}

// Ends what is under way.
static void cancel(struct tcp_lane *lane, unsigned pending)
{
	struct tcp *tcp = tcp_of(lane->base.fabric);
	struct io_uring_sqe *sqe = tcp_sqe(tcp);

	io_uring_prep_cancel(sqe, NULL, IORING_ASYNC_CANCEL_ANY);
	io_uring_sqe_set_data64(sqe, TCP_OP_CANCEL);
	pending++;
	while (pending > 0) {
		io_uring_submit_and_wait(&tcp->ring, pending);
		pending -= reap(lane);
	}
}

// Sends what waits, and then receives what comes. A send that the socket does not take whole cancels the receive (MSG_WAITALL makes it a failed link), and is waited for otherwise.
static int exchange(struct tcp_lane *lane, uint64_t timeout_ns)
{
	struct tcp *tcp = tcp_of(lane->base.fabric);
	struct __kernel_timespec limit;
	struct io_uring_cqe *cqe;
	unsigned pending = 0;
	int result;

	if (tcp_has_output(lane)) {
		tcp_send_begin(lane, MSG_DONTWAIT | MSG_WAITALL)->flags |= IOSQE_IO_LINK;
		pending++;
	}
	pending += tcp_receive_begin(lane, 0);
	result = io_uring_submit_and_wait_timeout(&tcp->ring, &cqe, pending, limit_of(timeout_ns, &limit), NULL);
	pending -= reap(lane);
	if (pending > 0)
		cancel(lane, pending);
	if (tcp_has_output(lane) && !lane->is_closed && result != -ETIME)
		return fabric_block_armed(&tcp->base, tcp->epoll_fd, timeout_ns);
	return result != -ETIME;
}

int tcp_block(struct fabric *fabric, int wake_fd, uint64_t timeout_ns)
{
	struct tcp *tcp = tcp_of(fabric);
	struct tcp_lane *lane = tcp->lanes;

	if (tcp->event_count > 0)
		return 1;
	if (tcp->is_server && tcp->has_ring)
		return block_server(tcp, wake_fd, timeout_ns);
	if (!lane || lane->next || lane->is_closed || lane->is_stalled || wake_fd != tcp->epoll_fd)
		return fabric_block_armed(fabric, wake_fd, timeout_ns);
	return exchange(lane, timeout_ns);
}
