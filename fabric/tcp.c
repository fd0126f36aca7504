#include "fabric/tcp.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

// The tcp provider's table, and its contexts: the ring, the events, poll and arm.

// Whether loads of memory that another thread changes are seen in their order, also where the kernel copies pieces of a message: what readers of our memory rely on (layout.h R4).
#ifdef __x86_64__
#define HAS_ORDERED_LOADS true
#else
#define HAS_ORDERED_LOADS false
#endif

#define RING_ENTRIES 256U
#define RING_ENTRIES_CLIENT 16U

void tcp_event(struct tcp *tcp, struct fabric_event event)
{
	tcp->events[(tcp->event_first + tcp->event_count++) % TCP_EVENTS] = event;
}

void tcp_close_lane(struct tcp_lane *lane, int status)
{
	if (lane->is_closed)
		return;
	lane->is_closed = true;
	lane->closed_status = status;
	if (lane->has_hello) // its owner knows of it; the event room for this is always kept
		tcp_event(tcp_of(lane->base.fabric), (struct fabric_event){.kind = FABRIC_CLOSED, .lane = &lane->base, .status = status});
}

struct io_uring_sqe *tcp_sqe(struct tcp *tcp)
{
	struct io_uring_sqe *sqe;

	while ((sqe = io_uring_get_sqe(&tcp->ring)) == NULL)
		io_uring_submit(&tcp->ring);
	return sqe;
}

// The ring's own descriptor does not wake a poller when completions wait to be run by this thread (DEFER_TASKRUN); a registered eventfd does. Edge-triggered,
// so that nobody has to read it.
static int watch_ring(struct tcp *tcp)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int result;

	tcp->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (tcp->wake_fd < 0 || epoll_ctl(tcp->epoll_fd, EPOLL_CTL_ADD, tcp->wake_fd, &event) < 0)
		return -errno;
	result = io_uring_register_eventfd(&tcp->ring, tcp->wake_fd);
	if (result == 0)
		io_uring_cq_eventfd_toggle(&tcp->ring, false);
	return result;
}

int tcp_open_ring(struct tcp *tcp, bool is_server, struct fabric_error *error)
{
	// A server's thread asks for its completions when it polls, instead of being interrupted (6.1; 5.19 has the older flag alone). A client's lane may change threads.
	static const unsigned flags[] = {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, 0};
	int result = -EINVAL;

	if (tcp->has_ring)
		return tcp->is_server == is_server ? 0 : -EINVAL;
	for (unsigned i = is_server ? 0 : 1; i < 3 && result == -EINVAL; i++)
		result = io_uring_queue_init(is_server ? RING_ENTRIES : RING_ENTRIES_CLIENT, &tcp->ring, flags[i]);
	if (result == 0) {
		tcp->has_ring = true;
		tcp->is_server = is_server;
		if (is_server)
			result = watch_ring(tcp);
	}
	if (result)
		snprintf(error->text, sizeof(error->text),
		        "cannot set up io_uring: %s: tcp needs Linux 5.19 with io_uring allowed (kernel.io_uring_disabled)",
		        strerror(-result));
	return result;
}

static int tcp_open(const struct fabric_options *options, struct fabric **out, struct fabric_error *error)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));

	(void)options;
	if (!tcp)
		return -ENOMEM;
	tcp->base.caps = (struct fabric_caps){.has_atomics = true,
	        .are_atomics_coherent = true,
	        .is_registration_cheap = true,
	        .is_best_blocked_in = true,
	        .has_shared_listeners = HAS_ORDERED_LOADS,
	        .inline_max = TCP_COPY_MAX};
	tcp->wake_fd = -1;
	tcp->inbox = -1;
	tcp->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (tcp->epoll_fd < 0) {
		int result = -errno;

		snprintf(error->text, sizeof(error->text), "cannot make an epoll descriptor: %s", strerror(errno));
		free(tcp);
		return result;
	}
	*out = &tcp->base;
	return 0;
}

void tcp_operation_ended(struct tcp_lane *lane)
{
	if (lane->is_gone && lane->in_ring == 0)
		tcp_lane_free(lane);
	else if (!lane->has_hello && lane->is_closed && lane->in_ring == 0)
		tcp_disconnect(&lane->base);
}

// Takes one completion off the ring.
static void complete(struct tcp *tcp, const struct io_uring_cqe *cqe)
{
	enum tcp_operation operation = (enum tcp_operation)(cqe->user_data & ((1U << TCP_OP_BITS) - 1));
	uint64_t subject = cqe->user_data >> TCP_OP_BITS << TCP_OP_BITS;
	struct tcp_lane *lane = (struct tcp_lane *)(uintptr_t)subject;

	switch (operation) {
	case TCP_OP_ACCEPT:
		tcp_accepted(tcp, (unsigned)(subject >> TCP_OP_BITS), cqe->res, cqe->flags);
		return;
	case TCP_OP_TIMER:
		tcp_timer(tcp);
		return;
	case TCP_OP_RECEIVE:
		lane->in_ring--;
		lane->has_more = cqe->flags & IORING_CQE_F_SOCK_NONEMPTY;
		tcp_received(lane, cqe->res);
		tcp_receive_arm(lane);
		break;
	case TCP_OP_SEND:
		lane->in_ring--;
		tcp_sent_late(lane);
		tcp_sent(lane, cqe->res);
		tcp_flush(&lane->base);
		break;
	case TCP_OP_INBOX:
		tcp_take_inbox(tcp);
		return;
	case TCP_OP_WAKE:
		tcp->is_watching = false;
		return;
	default:
		return;
	}
	tcp_operation_ended(lane);
}

// Immediate sends that were submitted have failed if a completion says so, else succeeded.
static void settle_sends(struct tcp *tcp)
{
	struct io_uring_cqe *cqe;
	unsigned head;

	if (!tcp->immediate || io_uring_sq_ready(&tcp->ring) > 0)
		return;
	io_uring_for_each_cqe(&tcp->ring, head, cqe) if ((cqe->user_data & ((1U << TCP_OP_BITS) - 1)) == TCP_OP_SEND)
	        tcp_sent_late((struct tcp_lane *)(uintptr_t)(cqe->user_data & ~(uint64_t)TCP_OP_SEND));
	tcp_sent_immediately(tcp);
}

static void reap(struct tcp *tcp)
{
	struct io_uring_cqe *cqe;

	settle_sends(tcp);
	while (tcp_has_event_room(tcp) && io_uring_peek_cqe(&tcp->ring, &cqe) == 0) {
		struct io_uring_cqe copy = *cqe;

		io_uring_cqe_seen(&tcp->ring, cqe);
		complete(tcp, &copy);
	}
}

static bool has_task_work(struct tcp *tcp)
{
	return atomic_load_explicit((_Atomic unsigned *)tcp->ring.sq.kflags, memory_order_relaxed) &
	       (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static void poll_server(struct tcp *tcp)
{
	struct epoll_event event;

	if (tcp->is_armed) {
		io_uring_cq_eventfd_toggle(&tcp->ring, false);
		epoll_wait(tcp->epoll_fd, &event, 1, 0); // takes the edge
		tcp->is_armed = false;
	}
	reap(tcp); // tcp_block may have brought some
	if (tcp->event_count > 0)
		return;
	tcp_prepare_lanes(tcp);
	if (io_uring_sq_ready(&tcp->ring) > 0)
		io_uring_submit_and_get_events(&tcp->ring);
	else if (has_task_work(tcp))
		io_uring_get_events(&tcp->ring);
	reap(tcp);
}

static void poll_client(struct tcp *tcp)
{
	for (struct tcp_lane *lane = tcp->lanes; lane; lane = lane->next) {
		tcp_parse(lane);
		tcp_flush(&lane->base);
		while (tcp_receive_now(lane) && lane->payload_left > 0 && !lane->is_closed)
			;
	}
	// Who polls again at once keeps no CPU from threads that have requests to send: with those, the server has more to do at a time.
	if (tcp->event_count == 0)
		sched_yield();
}

static int take_events(struct tcp *tcp, struct fabric_event *events, int count)
{
	int taken = 0;

	while (taken < count && tcp->event_count > 0) {
		events[taken++] = tcp->events[tcp->event_first];
		tcp->event_first = (tcp->event_first + 1) % TCP_EVENTS;
		tcp->event_count--;
	}
	return taken;
}

static int tcp_poll(struct fabric *fabric, struct fabric_event *events, int count)
{
	struct tcp *tcp = tcp_of(fabric);

	if (tcp->event_count == 0 && tcp->has_ring) {
		if (tcp->is_server)
			poll_server(tcp);
		else
			poll_client(tcp);
	}
	return take_events(tcp, events, count);
}

static int tcp_fd(const struct fabric *fabric)
{
	return tcp_of(fabric)->epoll_fd;
}

// A client that could not send all waits for room in the socket, too.
static void watch_room(struct tcp *tcp, struct tcp_lane *lane)
{
	bool is_wanted = tcp_has_output(lane);
	struct epoll_event event = {.events = EPOLLIN | (is_wanted ? EPOLLOUT : 0), .data.ptr = lane};

	if (is_wanted == lane->is_writable_wanted)
		return;
	epoll_ctl(tcp->epoll_fd, EPOLL_CTL_MOD, lane->socket, &event);
	lane->is_writable_wanted = is_wanted;
}

// Sends, goes on with what was received before messages were released, and waits for the rest. Returns 1 if there is something to poll for, or room again.
static int arm_client(struct tcp *tcp)
{
	bool has_room = false;

	for (struct tcp_lane *lane = tcp->lanes; lane; lane = lane->next) {
		bool had_output = tcp_has_output(lane);

		if (lane->is_stalled)
			tcp_parse(lane);
		tcp_flush(&lane->base);
		has_room |= had_output && !tcp_has_output(lane);
		watch_room(tcp, lane);
	}
	return has_room || tcp->event_count > 0;
}

static int tcp_arm(struct fabric *fabric)
{
	struct tcp *tcp = tcp_of(fabric);

	if (tcp->event_count > 0)
		return 1;
	if (!tcp->is_server)
		return arm_client(tcp);
	io_uring_cq_eventfd_toggle(&tcp->ring, true);
	tcp->is_armed = true;
	// What completes behind this is signalled; what completed before is seen below. The fence orders the two.
	atomic_thread_fence(memory_order_seq_cst);
	tcp_prepare_lanes(tcp);
	if (io_uring_sq_ready(&tcp->ring) > 0)
		io_uring_submit(&tcp->ring);
	return tcp->event_count > 0 || io_uring_cq_ready(&tcp->ring) > 0 || has_task_work(tcp) || tcp_is_room_due(tcp);
}

// Operations under way point into lanes: they are ended and reaped before anything is freed.
static void drain(struct tcp *tcp)
{
	struct __kernel_timespec limit = {.tv_nsec = 100000000};
	struct io_uring_cqe *cqe;

	while (tcp->gone) {
		if (io_uring_submit_and_wait_timeout(&tcp->ring, &cqe, 1, &limit, NULL) < 0)
			break;
		reap(tcp);
		tcp->event_count = 0;
	}
}

static void tcp_close(struct fabric *fabric)
{
	struct tcp *tcp = tcp_of(fabric);

	tcp->is_closing = true; // who connects now is turned away
	while (tcp->lanes)
		tcp_disconnect(&tcp->lanes->base);
	for (unsigned i = 0; i < tcp->listener_count; i++)
		close(tcp->listeners[i]);
	if (tcp->has_ring) {
		drain(tcp);
		io_uring_queue_exit(&tcp->ring);
	}
	tcp_close_boxes(tcp);
	for (uint32_t i = 0; i < tcp->region_count; i++)
		free(tcp->regions[i]);
	free(tcp->regions);
	if (tcp->wake_fd >= 0)
		close(tcp->wake_fd);
	close(tcp->epoll_fd);
	free(tcp);
}

static void tcp_shut(struct fabric_lane *base)
{
	tcp_flush(base);
	tcp_close_lane(tcp_lane_of(base), 0);
}

const struct fabric_provider fabric_tcp = {
        .name = "tcp",
        .open = tcp_open,
        .close = tcp_close,
        .listen = tcp_listen,
        .share_listeners = tcp_share_listeners,
        .connect = tcp_connect,
        .disconnect = tcp_disconnect,
        .shut = tcp_shut,
        .add_region = tcp_add_region,
        .remove_region = tcp_remove_region,
        .import = tcp_import,
        .send_reserve = tcp_send_reserve,
        .send = tcp_send,
        .post_read = tcp_post_read,
        .post_write = tcp_post_write,
        .post_compare_swap = tcp_post_compare_swap,
        .post_fetch_add = tcp_post_fetch_add,
        .flush = tcp_flush,
        .poll = tcp_poll,
        .receive_release = tcp_receive_release,
        .fd = tcp_fd,
        .arm = tcp_arm,
        .block = tcp_block,
};
