#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "fabric/verbs.h"
#include "fabric/verbs_connection.h"
#include "far/log.h"

// Progress: completions become events. A lane's completions come in the order of its work requests, and one that was asked for stands for all before it.
//
// While polling, the connection manager and the device's own events are looked at only now and then, for each look is a system call; behind an arm at once, for they can be what woke us.

#define BATCH 32
#define LOOK_EVERY 64U // polls
#define LOOKS 16U      // of one turn: others have to go on, too

void verbs_event(struct verbs *verbs, struct fabric_event event)
{
	verbs->events[(verbs->event_first + verbs->event_count++) & (verbs->event_room - 1)] = event;
}

// A lane can have its credits' worth of messages, an event for each work request, its beginning and its end.
int verbs_events_grow(struct verbs *verbs, uint32_t lanes)
{
	uint32_t needed = lanes * (VERBS_QUEUE + VERBS_CREDITS + 2);
	uint32_t room = verbs->event_room ? verbs->event_room : 512;
	struct fabric_event *events;

	while (room < needed)
		room *= 2;
	if (room == verbs->event_room)
		return 0;
	events = calloc(room, sizeof(*events));
	if (!events)
		return -ENOMEM;
	for (uint32_t i = 0; i < verbs->event_count; i++)
		events[i] = verbs->events[(verbs->event_first + i) & (verbs->event_room - 1)];
	free(verbs->events);
	verbs->events = events;
	verbs->event_first = 0;
	verbs->event_room = room;
	return 0;
}

void verbs_events_forget(struct verbs *verbs, const struct verbs_lane *lane)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < verbs->event_count; i++) {
		struct fabric_event event = verbs->events[(verbs->event_first + i) & (verbs->event_room - 1)];

		if (event.lane != &lane->base)
			verbs->events[(verbs->event_first + kept++) & (verbs->event_room - 1)] = event;
	}
	verbs->event_count = kept;
}

// The status of a lane whose work request failed.
static int status_of(enum ibv_wc_status status)
{
	switch (status) {
	case IBV_WC_REM_ACCESS_ERR:
	case IBV_WC_REM_INV_REQ_ERR:
		return -EACCES;
	case IBV_WC_RETRY_EXC_ERR:
	case IBV_WC_RESP_TIMEOUT_ERR:
		return -ETIMEDOUT;
	case IBV_WC_RNR_RETRY_EXC_ERR:
		return -ENOBUFS;
	case IBV_WC_WR_FLUSH_ERR:
		return -ECONNRESET;
	case IBV_WC_LOC_LEN_ERR:
	case IBV_WC_LOC_PROT_ERR:
		return -EFAULT;
	default:
		return -EIO;
	}
}

static void work_done(struct verbs_lane *lane, uint64_t position)
{
	struct verbs *verbs = verbs_of(lane->base.fabric);
	bool was_bye = false;

	while (lane->done <= position) {
		const struct verbs_work *work = &lane->works[lane->done++ % VERBS_QUEUE];

		if (work->slot != VERBS_SLOTS)
			lane->free_slots[lane->free_count++] = work->slot;
		lane->operations -= work->is_operation;
		was_bye |= work->is_bye;
		if (work->context && lane->state == VERBS_OPEN)
			verbs_event(verbs, (struct fabric_event){.kind = FABRIC_DONE, .lane = &lane->base, .context = work->context});
	}
	if (was_bye)
		verbs_close_lane(lane, 0);
}

static void complete(struct verbs_device *device, const struct ibv_wc *completion)
{
	struct verbs_lane *lane = verbs_lane_find(device, completion->qp_num);

	if (!verbs_is_work(completion->wr_id)) {
		struct verbs_buffer *buffer = (struct verbs_buffer *)(uintptr_t)completion->wr_id;

		if (completion->status == IBV_WC_SUCCESS) {
			verbs_received(device, lane, buffer, completion->byte_len);
			return;
		}
		verbs_receive_post(device, buffer);
	}
	if (!lane || lane->state == VERBS_CLOSED)
		return;
	if (completion->status == IBV_WC_SUCCESS) {
		work_done(lane, verbs_work_position(completion->wr_id));
		return;
	}
	log_debug("rdma: a work request failed: %s peer=%s", ibv_wc_status_str(completion->status), lane->base.peer);
	verbs_close_lane(lane, status_of(completion->status));
}

static int queue_poll(struct verbs_queue *queue)
{
	struct ibv_wc completions[BATCH];
	int count = ibv_poll_cq(queue->cq, BATCH, completions);

	for (int i = 0; i < count; i++)
		complete(queue->device, &completions[i]);
	if (count < 0)
		log_error("rdma: a completion queue is broken: %s", strerror(-count));
	if (count > 0)
		fabric_tally(&queue->device->verbs->base.tallies.completions, (uint64_t)count);
	return count < 0 ? 0 : count;
}

void verbs_queue_drain(struct verbs_queue *queue)
{
	while (queue_poll(queue) == BATCH)
		;
}

int verbs_progress(struct verbs *verbs)
{
	int count = 0;

	for (unsigned i = 0; i < VERBS_DEVICES; i++) {
		struct verbs_device *device = verbs->devices[i];

		for (struct verbs_queue *queue = device ? device->queues : NULL; queue; queue = queue->next)
			if (queue->lanes > 0)
				count += queue_poll(queue);
	}
	return count;
}

int verbs_watch(struct verbs *verbs, int fd, enum verbs_watched what, void *whose)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uintptr_t)whose | what};
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return epoll_ctl(verbs->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

// Takes one wake-up that was asked for. If there are more, the descriptor stays readable.
static void take_wakeup(const struct verbs_device *device)
{
	struct ibv_cq *cq;
	void *queue;

	if (ibv_get_cq_event(device->completions, &cq, &queue))
		return;
	ibv_ack_cq_events(cq, 1);
	((struct verbs_queue *)queue)->is_armed = false;
}

static void take_device_events(struct verbs_device *device)
{
	struct ibv_async_event event;

	while (ibv_get_async_event(device->context, &event) == 0) {
		const char *what = ibv_event_type_str(event.event_type);
		struct verbs_lane *lane = NULL;
		bool is_fatal = event.event_type == IBV_EVENT_DEVICE_FATAL;

		switch (event.event_type) {
		case IBV_EVENT_QP_FATAL:
		case IBV_EVENT_QP_REQ_ERR:
		case IBV_EVENT_QP_ACCESS_ERR:
			lane = event.element.qp->qp_context;
			break;
		case IBV_EVENT_PORT_ERR:
		case IBV_EVENT_PORT_ACTIVE:
			device->is_link_down = event.event_type == IBV_EVENT_PORT_ERR;
			break;
		default:
			break;
		}
		ibv_ack_async_event(&event);
		log_debug("rdma: device event: %s device=%s", what, device->name);
		device->is_broken |= is_fatal;
		if (lane)
			verbs_close_lane(lane, -ECONNRESET);
		for (lane = device->verbs->lanes; is_fatal && lane; lane = lane->next)
			if (lane->device == device)
				verbs_close_lane(lane, -EIO);
	}
}

// What is rare.
static void look_around(struct verbs *verbs)
{
	struct epoll_event ready;

	verbs->is_armed = false;
	// One at a time: taking one can free what another would be about. A wake-up is most often all there is; if not, the descriptor stays readable.
	for (unsigned i = 0; i < LOOKS && epoll_wait(verbs->epoll_fd, &ready, 1, 0) == 1; i++) {
		void *whose = (void *)(uintptr_t)(ready.data.u64 & ~(uint64_t)VERBS_WATCH_MASK);

		switch ((enum verbs_watched)(ready.data.u64 & VERBS_WATCH_MASK)) {
		case VERBS_WATCH_CM:
			while (verbs_cm_poll(verbs))
				;
			break;
		case VERBS_WATCH_COMPLETIONS:
			take_wakeup(whose);
			return;
		case VERBS_WATCH_PROBE:
			verbs_probe_lanes(verbs);
			break;
		case VERBS_WATCH_DEVICE:
			take_device_events(whose);
			break;
		case VERBS_WATCH_LISTENER:
			verbs_socket_accept(verbs, whose);
			break;
		case VERBS_WATCH_HANDSHAKE:
			verbs_handshake_look(verbs, whose);
			break;
		case VERBS_WATCH_LANE:
			verbs_lifeline_look(whose);
			break;
		case VERBS_WATCH_TIMER:
			verbs_handshakes_expire(verbs);
			break;
		}
	}
}

static int take_events(struct verbs *verbs, struct fabric_event *events, int count)
{
	int taken = 0;

	while (taken < count && verbs->event_count > 0) {
		events[taken++] = verbs->events[verbs->event_first];
		verbs->event_first = (verbs->event_first + 1) & (verbs->event_room - 1);
		verbs->event_count--;
	}
	return taken;
}

int verbs_poll(struct fabric *fabric, struct fabric_event *events, int count)
{
	struct verbs *verbs = verbs_of(fabric);

	if (verbs->event_count == 0) {
		verbs_flush_dirty(verbs);
		verbs_progress(verbs);
		if (verbs->is_armed || ++verbs->polls % LOOK_EVERY == 0)
			look_around(verbs);
		verbs_flush_dirty(verbs);
		verbs_lanes_sweep(verbs);
	}
	return take_events(verbs, events, count);
}

static void arm_queues(struct verbs_device *device)
{
	for (struct verbs_queue *queue = device->queues; queue; queue = queue->next)
		if (!queue->is_armed && queue->lanes > 0)
			queue->is_armed = ibv_req_notify_cq(queue->cq, 0) == 0;
}

int verbs_arm(struct fabric *fabric)
{
	struct verbs *verbs = verbs_of(fabric);
	int count;

	if (verbs->event_count > 0)
		return 1;
	verbs_flush_dirty(verbs);
	for (unsigned i = 0; i < VERBS_DEVICES; i++)
		if (verbs->devices[i])
			arm_queues(verbs->devices[i]);
	verbs->is_armed = true;
	// What completes behind the request wakes us; what completed before it is found here. Any completion counts: it can have brought room for a message.
	count = verbs_progress(verbs);
	verbs_flush_dirty(verbs);
	return count > 0 || verbs->event_count > 0;
}
