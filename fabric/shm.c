#include "fabric/shm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "far/clock.h"

// Provider shm: two processes of one host, bytes move through shared memory. This file is the context: progress, waking and sleeping.
//
// The tour: shm_listen.c and shm_connect.c make a lane, which is a socket and a memfd (shm_wire.h); shm_lane.c places two rings in it (shm_ring.c).
// Messages are frames in the rings. What a client posts beyond messages is in shm_post.c, what the server does about it in shm_respond.c; the
// memory that this is about in shm_region.c (ours) and shm_import.c (theirs). Rare things travel as notes on the socket (shm_socket.c), whose
// end is also how the death of the peer shows.
//
// A poll looks at the hot lanes only: those with traffic of late. A cold lane has asked its peer for a wake-up, which arrives through
// epoll and makes it hot again. So a thousand idle lanes cost a poll nothing, and going to sleep is making every lane cold. Up to
// SHM_HOT_ALWAYS lanes stay hot while the thread is awake: their peers are spared the system call of a wake-up.

#define SHM_HOT_ALWAYS 8U            // looking at as many heads costs about what one epoll_wait does
#define SHM_POLLS_PER_CHECK 64U      // polls between two looks at epoll: a few microseconds of polling
#define SHM_POLLS_PER_EPOCH 1024U    // polls between two looks at the clock
#define SHM_EPOCH_NS 1000000U        // a lane without traffic for longer than this is made cold
#define SHM_WAKEUPS_UNREAD 64U       // packets that may gather in a lane's socket, far fewer than it holds
#define SHM_EVENTS_PER_LANE 16       // in one poll: lanes take turns
#define SHM_BYTES_PER_LANE (1 << 20) // copied for one lane in one poll

int shm_watch(struct shm_fabric *fabric, int fd, enum shm_source *source)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = source};

	return epoll_ctl(fabric->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int shm_open(const struct fabric_options *options, struct fabric **out, struct fabric_error *error)
{
	struct shm_fabric *fabric = calloc(1, sizeof(*fabric));

	if (!fabric)
		return -ENOMEM;
	fabric->base.caps = (struct fabric_caps){
	        .is_one_sided = true,
	        .has_loads = true,
	        .has_atomics = true,
	        .are_atomics_coherent = true,
	        .is_registered_only = true,
	        .inline_max = options->message_size,
	};
	fabric->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (fabric->epoll < 0) {
		int result = -errno;

		snprintf(error->text, sizeof(error->text), "epoll_create1: %s", strerror(errno));
		free(fabric);
		return result;
	}
	*out = &fabric->base;
	return 0;
}

static void shm_close(struct fabric *base)
{
	struct shm_fabric *fabric = shm_fabric_of(base);

	while (fabric->lane_count > 0)
		fabric_disconnect(&fabric->lanes[fabric->lane_count - 1]->base);
	while (fabric->greetings)
		shm_greeting_free(fabric, fabric->greetings);
	while (fabric->listeners) {
		struct shm_listener *listener = fabric->listeners;

		fabric->listeners = listener->next;
		shm_listener_free(listener);
	}
	shm_regions_free(fabric);
	close(fabric->epoll);
	free(fabric->lanes);
	free(fabric->hot);
	free(fabric);
}

// --- hot and cold ---

void shm_lane_heat(struct shm_lane *lane)
{
	struct shm_fabric *fabric = shm_lane_fabric(lane);

	lane->epoch = fabric->epoch;
	if (lane->is_hot)
		return;
	lane->is_hot = true;
	lane->hot_index = fabric->hot_count;
	fabric->hot[fabric->hot_count++] = lane;
	atomic_store_explicit(&lane->in.shared->sleeps, 0, memory_order_relaxed); // late, it costs the peer a needless wake-up
}

static void shm_lane_cool(struct shm_lane *lane)
{
	struct shm_fabric *fabric = shm_lane_fabric(lane);

	lane->is_hot = false;
	fabric->hot[lane->hot_index] = fabric->hot[--fabric->hot_count];
	fabric->hot[lane->hot_index]->hot_index = lane->hot_index;
}

// Notes are published like frames: counted in shared memory, beside the head. A client gets notes as answers only.
// Returns how many of them have not been taken.
static int32_t shm_lane_notes(const struct shm_lane *lane)
{
	if (!lane->is_server)
		return 0;
	// Acquire pairs with shm_lane_tell: a note that is counted is in the socket. Below 0: one that was found there is not counted yet.
	return (int32_t)(atomic_load_explicit(&lane->in.shared->notes, memory_order_acquire) - lane->notes);
}

static bool shm_lane_has_notes(const struct shm_lane *lane)
{
	return shm_lane_notes(lane) > 0;
}

static bool shm_lane_may_close(const struct shm_lane *lane)
{
	return !lane->is_sharing || lane->is_peer_gone;
}

// Whether polling this lane would do something. What is in a ring whose messages the owner holds all does not count: nothing happens before a release.
static bool shm_lane_is_due(const struct shm_lane *lane)
{
	switch (lane->state) {
	case SHM_OPEN:
		if (!lane->is_announced || shm_lane_has_notes(lane) || shm_pending_is_complete(lane))
			return true;
		return shm_ring_can_hold(&lane->in) && shm_ring_has_more(&lane->in);
	case SHM_DRAINING:
		return shm_ring_can_hold(&lane->in) || !shm_ring_has_more(&lane->in);
	case SHM_ENDED:
		return shm_lane_may_close(lane);
	default:
		return false;
	}
}

// A lane must stay hot while something is left that no wake-up will tell of.
static bool shm_lane_must_stay_hot(const struct shm_lane *lane)
{
	return shm_lane_is_due(lane) || lane->out.published != lane->out.head || !shm_ring_can_hold(&lane->in);
}

static void shm_lane_ask_for_wakeup(struct shm_lane *lane)
{
	atomic_store_explicit(&lane->in.shared->sleeps, 1, memory_order_relaxed);
	lane->wakeups++;
}

// Makes cold what had no traffic for an epoch. The order of the steps is Dekker's, see shm_ring.c.
static void shm_cool_idle(struct shm_fabric *fabric)
{
	for (unsigned i = fabric->hot_count; i-- > 0 && fabric->hot_count > SHM_HOT_ALWAYS;) {
		struct shm_lane *lane = fabric->hot[i];

		if (fabric->epoch - lane->epoch < 2 || shm_lane_must_stay_hot(lane))
			continue;
		shm_lane_ask_for_wakeup(lane);
		atomic_thread_fence(memory_order_seq_cst);
		if (!shm_lane_must_stay_hot(lane))
			shm_lane_cool(lane);
	}
}

static void shm_next_epoch(struct shm_fabric *fabric)
{
	uint64_t now_ns = clock_now_ns();

	if (now_ns - fabric->epoch_ns < SHM_EPOCH_NS)
		return;
	fabric->epoch_ns = now_ns;
	fabric->epoch++;
	shm_greetings_expire(fabric, now_ns);
	shm_cool_idle(fabric);
}

// --- progress ---

void shm_lane_end(struct shm_lane *lane, int status)
{
	if (lane->state == SHM_ENDED || lane->state == SHM_REPORTED)
		return;
	lane->state = SHM_ENDED;
	lane->end_status = status;
	if (lane->is_server) // release: the client reads it when it finds the socket shut
		atomic_store_explicit(&lane->control->end_status, status, memory_order_release);
	// One that shares our memory must let go before it counts as closed: its end of the socket tells, so ours stays open for that.
	shutdown(lane->socket, lane->is_sharing ? SHUT_WR : SHUT_RDWR);
	shm_lane_heat(lane);
}

// The peer is gone and all it sent was delivered.
static void shm_lane_drained(struct shm_lane *lane)
{
	int status = lane->is_server ? 0 : atomic_load_explicit(&lane->control->end_status, memory_order_acquire);

	shm_lane_end(lane, status < 0 ? status : -ECONNRESET);
}

static void shm_lane_take_event(struct shm_lane *lane, uint32_t happened)
{
	bool is_end = happened & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);

	shm_lane_heat(lane);
	lane->is_peer_gone |= is_end;
	// A packet that only woke us stays in the socket until many have gathered: reading each would cost a system call a message.
	if (is_end || lane->wakeups >= SHM_WAKEUPS_UNREAD)
		shm_lane_read_socket(lane);
	if (is_end && lane->state == SHM_OPEN)
		lane->state = SHM_DRAINING;
}

static void shm_check_epoll(struct shm_fabric *fabric)
{
	struct epoll_event happened[64];
	int count = epoll_wait(fabric->epoll, happened, 64, 0);

	for (int i = 0; i < count; i++) {
		enum shm_source *source = happened[i].data.ptr;

		if (*source == SHM_SOURCE_LANE)
			shm_lane_take_event((struct shm_lane *)((char *)source - offsetof(struct shm_lane, source)), happened[i].events);
		else if (*source == SHM_SOURCE_LISTENER)
			shm_listener_accept(fabric, (struct shm_listener *)(void *)source);
		else
			shm_greeting_continue(fabric, (struct shm_greeting *)(void *)source);
	}
	for (struct shm_listener *listener = fabric->listeners; listener; listener = listener->next)
		if (listener->is_stalled)
			shm_listener_accept(fabric, listener);
	if (fabric->greetings && (count > 0 || fabric->is_armed))
		shm_greetings_expire(fabric, clock_now_ns());
}

// Takes the notes that have come. Frames behind a note wait for it: a region that a message names is known before the message is seen.
// Returns 1 to go on, 0 to let others have their turn first, or a negative errno.
static int shm_lane_take_notes(struct shm_lane *lane)
{
	int32_t notes = shm_lane_notes(lane);
	uint32_t taken = lane->notes;
	bool is_empty;

	if (lane->state != SHM_OPEN || notes <= 0)
		return 1;
	is_empty = shm_lane_read_socket(lane);
	if (lane->state > SHM_DRAINING)
		return 0;
	if (lane->notes - taken >= (uint32_t)notes)
		return 1;              // those counted since the look above are none of the frames' before it
	return is_empty ? -EPROTO : 0; // counted, but not sent
}

static void shm_lane_hand_over(struct shm_lane *lane, const struct shm_frame *frame, void *body, struct fabric_event *event)
{
	*event = (struct fabric_event){.kind = FABRIC_RECEIVED, .lane = &lane->base, .length = frame->length};
	event->message = shm_ring_hold(&lane->in, frame, body);
}

// Takes frames from the ring. Returns the number of events or a negative errno that ends the lane.
static int shm_lane_receive(struct shm_lane *lane, struct fabric_event *events, int count)
{
	int64_t copied = 0;
	int found = 0;
	int noted = shm_lane_take_notes(lane);

	if (noted <= 0)
		return noted;
	while (found < count && copied < SHM_BYTES_PER_LANE && shm_ring_can_hold(&lane->in)) {
		struct shm_frame frame;
		void *body;
		int64_t moved = 0;
		int result = shm_ring_next(&lane->in, &frame, &body);

		if (result <= 0)
			return result < 0 ? result : found;
		noted = shm_lane_take_notes(lane); // after the look at the head, which covers them
		if (noted <= 0)
			return noted < 0 ? noted : found;
		lane->epoch = shm_lane_fabric(lane)->epoch;
		if (frame.kind == SHM_FRAME_MESSAGE) {
			if (frame.length == 0 || frame.length > lane->base.message_size)
				return -EPROTO;
			shm_lane_hand_over(lane, &frame, body, &events[found++]);
			continue;
		}
		if (frame.kind != SHM_FRAME_PAD)
			moved = lane->is_server ? shm_respond(lane, &frame, body) : -EPROTO;
		if (moved < 0)
			return (int)moved;
		copied += moved;
		shm_ring_skip(&lane->in, &frame);
	}
	return found;
}

// Tells the client how many of its operations are done.
static bool shm_lane_tell_operations(struct shm_lane *lane)
{
	if (!lane->is_server || lane->operations == lane->operations_told)
		return false;
	lane->operations_told = lane->operations;
	// Release pairs with shm_operations_done.
	atomic_store_explicit(&lane->control->operations, lane->operations, memory_order_release);
	return shm_direction_must_wake(lane->out.shared);
}

static void shm_lane_flush(struct shm_lane *lane)
{
	bool must_wake = shm_ring_publish(&lane->out);

	must_wake |= shm_lane_tell_operations(lane);
	must_wake |= shm_ring_return(&lane->in);
	if (must_wake)
		shm_wake(lane->socket);
}

static int shm_lane_poll(struct shm_lane *lane, struct fabric_event *events, int count)
{
	int found = 0;

	if (!lane->is_announced) {
		lane->is_announced = true;
		events[found++] = (struct fabric_event){.kind = FABRIC_ACCEPTED, .lane = &lane->base};
	}
	if (lane->state <= SHM_DRAINING && lane->pending_count > 0)
		found += shm_pending_complete(lane, events + found, count - found);
	if (lane->state <= SHM_DRAINING) {
		bool is_last = lane->state == SHM_DRAINING; // before the look at the ring: what the peer sent, it sent before it went
		int result = shm_lane_receive(lane, events + found, count - found);

		if (result < 0)
			shm_lane_end(lane, result);
		else
			found += result;
		shm_lane_flush(lane);
		if (is_last && lane->state == SHM_DRAINING && !shm_ring_has_more(&lane->in))
			shm_lane_drained(lane);
	}
	if (lane->state == SHM_ENDED && found < count && shm_lane_may_close(lane)) {
		lane->state = SHM_REPORTED;
		events[found++] = (struct fabric_event){.kind = FABRIC_CLOSED, .lane = &lane->base, .status = lane->end_status};
	}
	return found;
}

// After a sleep all lanes are cold. With few of them it is cheaper to look at each than to have the peers ring for each.
static void shm_awake(struct shm_fabric *fabric)
{
	if (fabric->lane_count <= SHM_HOT_ALWAYS)
		for (unsigned i = 0; i < fabric->lane_count; i++)
			shm_lane_heat(fabric->lanes[i]);
	shm_check_epoll(fabric);
	fabric->is_armed = false;
}

static int shm_poll(struct fabric *base, struct fabric_event *events, int count)
{
	struct shm_fabric *fabric = shm_fabric_of(base);
	unsigned lanes;
	int found = 0;

	fabric->polls++;
	if (fabric->is_armed)
		shm_awake(fabric);
	else if (fabric->polls % SHM_POLLS_PER_CHECK == 0)
		shm_check_epoll(fabric);
	if (fabric->polls % SHM_POLLS_PER_EPOCH == 0)
		shm_next_epoch(fabric);
	lanes = fabric->hot_count;
	if (lanes > 1)
		fabric->turn++;
	for (unsigned i = 0; i < lanes && found < count; i++) {
		struct shm_lane *lane = fabric->hot[(fabric->turn + i) % lanes];
		int room = count - found < SHM_EVENTS_PER_LANE ? count - found : SHM_EVENTS_PER_LANE;

		found += shm_lane_poll(lane, events + found, room);
	}
	return found;
}

static int shm_arm(struct fabric *base)
{
	struct shm_fabric *fabric = shm_fabric_of(base);
	bool is_due = false;

	for (unsigned i = 0; i < fabric->hot_count; i++) {
		shm_lane_flush(fabric->hot[i]);
		shm_lane_ask_for_wakeup(fabric->hot[i]);
	}
	atomic_thread_fence(memory_order_seq_cst); // Dekker's, see shm_ring.c
	for (unsigned i = fabric->hot_count; i-- > 0;) {
		struct shm_lane *lane = fabric->hot[i];

		is_due |= shm_lane_is_due(lane);
		if (!shm_lane_must_stay_hot(lane))
			shm_lane_cool(lane);
	}
	fabric->is_armed = true;
	return is_due;
}

static int shm_fd(const struct fabric *base)
{
	return ((const struct shm_fabric *)base)->epoll;
}

// --- lanes ---

static void shm_disconnect(struct fabric_lane *base)
{
	struct shm_lane *lane = shm_lane_of(base);

	if (lane->state == SHM_OPEN)
		shm_lane_flush(lane); // what was sent is in the ring: the peer drains it
	shm_lane_free(lane);
}

static void shm_shut(struct fabric_lane *base)
{
	struct shm_lane *lane = shm_lane_of(base);

	if (lane->state == SHM_OPEN)
		shm_lane_flush(lane);
	shm_lane_end(lane, 0);
}

static void *shm_send_reserve(struct fabric_lane *base, uint32_t length)
{
	struct shm_lane *lane = shm_lane_of(base);
	void *body;
	int result;

	if (lane->state != SHM_OPEN)
		return NULL;
	result = shm_ring_reserve(&lane->out, length, &body);
	if (result == 1)
		return body;
	if (result < 0) {
		shm_lane_end(lane, result);
		return NULL;
	}
	shm_lane_flush(lane); // room comes only from what the peer has seen
	// The wake-up that shm_ring_reserve asked for. A socket full of unread ones would swallow the one that matters.
	if (++lane->wakeups >= SHM_WAKEUPS_UNREAD)
		shm_lane_read_socket(lane);
	return NULL;
}

static int shm_send(struct fabric_lane *base, uint32_t length)
{
	struct shm_lane *lane = shm_lane_of(base);

	if (lane->state != SHM_OPEN)
		return -ECONNRESET;
	shm_ring_commit(&lane->out, SHM_FRAME_MESSAGE, length);
	shm_lane_heat(lane);
	return 0;
}

static int shm_flush(struct fabric_lane *base)
{
	struct shm_lane *lane = shm_lane_of(base);

	if (lane->state != SHM_OPEN)
		return -ECONNRESET;
	shm_lane_flush(lane);
	return 0;
}

static void shm_receive_release(struct fabric_lane *base, const void *message)
{
	struct shm_lane *lane = shm_lane_of(base);

	shm_ring_release(&lane->in, message);
	if (lane->state == SHM_OPEN && shm_ring_return(&lane->in))
		shm_wake(lane->socket);
}

const struct fabric_provider fabric_shm = {
        .name = "shm",
        .open = shm_open,
        .close = shm_close,
        .listen = shm_listen,
        .share_listeners = fabric_share_nothing,
        .connect = shm_connect,
        .disconnect = shm_disconnect,
        .shut = shm_shut,
        .add_region = shm_add_region,
        .remove_region = shm_remove_region,
        .import = shm_import,
        .send_reserve = shm_send_reserve,
        .send = shm_send,
        .post_read = shm_post_read,
        .post_write = shm_post_write,
        .post_compare_swap = shm_post_compare_swap,
        .post_fetch_add = shm_post_fetch_add,
        .flush = shm_flush,
        .poll = shm_poll,
        .receive_release = shm_receive_release,
        .fd = shm_fd,
        .arm = shm_arm,
        .block = fabric_block_armed,
};
