#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabric/verbs.h"
#include "fabric/verbs_connection.h"
#include "far/clock.h"
#include "far/log.h"

// Lanes: their queue pairs, and how they end. A lane that its owner ends says goodbye behind all it had sent, and ends once the device has sent that; whatever else goes wrong ends it at once.

// The most inline bytes that the device takes: drivers refuse what is too much.
static int make_queue_pair(struct verbs_lane *lane)
{
	struct ibv_qp_init_attr attributes = {
	        .qp_context = lane,
	        .send_cq = lane->queue->cq,
	        .recv_cq = lane->queue->cq,
	        .srq = lane->device->srq,
	        .cap = {.max_send_wr = lane->depths.queue, .max_send_sge = 1, .max_inline_data = VERBS_INLINE},
	        .qp_type = IBV_QPT_RC,
	};

	lane->qp = ibv_create_qp(lane->device->pd, &attributes);
	while (!lane->qp && attributes.cap.max_inline_data > 0) {
		attributes.cap.max_inline_data = attributes.cap.max_inline_data > 32 ? attributes.cap.max_inline_data / 2 : 0;
		lane->qp = ibv_create_qp(lane->device->pd, &attributes);
	}
	if (!lane->qp)
		return errno ? -errno : -ENOMEM;
	lane->inline_max = attributes.cap.max_inline_data < VERBS_INLINE ? attributes.cap.max_inline_data : VERBS_INLINE;
	lane->base.fabric->caps.inline_max = lane->inline_max;
	return 0;
}

static int make_slots(struct verbs_lane *lane)
{
	size_t length;

	lane->slot_size = (verbs_wire_size(lane->base.fabric->options.message_size) + 63U) & ~63U;
	length = ((size_t)lane->slot_size * VERBS_SLOTS + 4095) & ~(size_t)4095;
	lane->slots = aligned_alloc(4096, length);
	if (!lane->slots)
		return -ENOMEM;
	lane->slots_mr = verbs_register(lane->device, lane->slots, length, 0, NULL);
	if (!lane->slots_mr)
		return -errno;
	for (uint8_t i = 0; i < VERBS_SLOTS; i++)
		lane->free_slots[lane->free_count++] = i;
	lane->reserved_slot = VERBS_SLOTS;
	return 0;
}

static struct verbs_lane **bucket_of(const struct verbs_device *device, uint32_t number)
{
	return (struct verbs_lane **)(uintptr_t)&device->buckets[number % VERBS_BUCKETS];
}

static void link_lane(struct verbs *verbs, struct verbs_lane *lane)
{
	struct verbs_lane **bucket = bucket_of(lane->device, lane->qp->qp_num);

	lane->next = verbs->lanes;
	if (lane->next)
		lane->next->link = &lane->next;
	lane->link = &verbs->lanes;
	verbs->lanes = lane;
	lane->next_in_bucket = *bucket;
	*bucket = lane;
	verbs->lane_count++;
	lane->device->lane_count++;
}

static void unlink_lane(struct verbs *verbs, struct verbs_lane *lane)
{
	struct verbs_lane **bucket;

	if (!lane->link)
		return;
	*lane->link = lane->next;
	if (lane->next)
		lane->next->link = lane->link;
	for (bucket = bucket_of(lane->device, lane->qp->qp_num); *bucket != lane;)
		bucket = &(*bucket)->next_in_bucket;
	*bucket = lane->next_in_bucket;
	verbs->lane_count--;
	lane->device->lane_count--;
}

struct verbs_lane *verbs_lane_find(const struct verbs_device *device, uint32_t qp_number)
{
	struct verbs_lane *lane = *bucket_of(device, qp_number);

	while (lane && lane->qp->qp_num != qp_number)
		lane = lane->next_in_bucket;
	return lane;
}

int verbs_lane_new(struct verbs_device *device, const struct fabric_rdma *rdma, bool is_client, struct verbs_lane **out)
{
	struct verbs *verbs = device->verbs;
	struct verbs_lane *lane = calloc(1, sizeof(*lane));
	int result;

	if (!lane)
		return -ENOMEM;
	lane->base.fabric = &verbs->base;
	lane->device = device;
	lane->base.message_size = verbs->base.options.message_size;
	lane->is_client = is_client;
	lane->socket = -1;
	lane->begun_ns = clock_now_ns();
	lane->depths = verbs_depths_of(device, rdma);
	result = verbs_events_grow(verbs, verbs->lane_count + 1);
	if (!result)
		result = make_slots(lane);
	if (!result) {
		lane->queue = verbs_queue_get(device);
		result = lane->queue ? make_queue_pair(lane) : -ENOMEM;
	}
	if (!result)
		result = verbs_receives_promise(device, lane->depths.credits);
	if (result) {
		verbs_lane_free(lane);
		return result;
	}
	link_lane(verbs, lane);
	verbs->handshakes++;
	*out = lane;
	return 0;
}

static void set_error_state(struct verbs_lane *lane)
{
	struct ibv_qp_attr attributes = {.qp_state = IBV_QPS_ERR};

	if (lane->qp)
		ibv_modify_qp(lane->qp, &attributes, IBV_QP_STATE);
}

static void hang_up(struct verbs_lane *lane)
{
	if (lane->is_disconnected)
		return;
	lane->is_disconnected = true;
	if (lane->id)
		rdma_disconnect(lane->id);
	if (lane->socket >= 0) { // closing takes it out of the epoll set; a child of this process may hold it, too
		shutdown(lane->socket, SHUT_RDWR);
		close(lane->socket);
		lane->socket = -1;
	}
}

void verbs_lane_free(struct verbs_lane *lane)
{
	struct verbs *verbs = verbs_of(lane->base.fabric);
	bool was_linked = lane->link != NULL;

	if (lane->handshake)
		verbs_handshake_end(verbs, lane->handshake);
	if (lane->state == VERBS_CONNECTING && was_linked)
		verbs->handshakes--;
	if (lane->state == VERBS_CLOSED && lane->is_gone)
		verbs->ended--;
	verbs_buffers_reclaim(lane);
	verbs_events_forget(verbs, lane);
	verbs_forget_dirty(lane);
	if (was_linked && lane->state != VERBS_CLOSED && lane->state != VERBS_CONNECTING) {
		set_error_state(lane);
		hang_up(lane);
	}
	unlink_lane(verbs, lane);
	verbs_windows_free(lane); // they hold the queue pair
	if (lane->qp) {
		ibv_destroy_qp(lane->qp);
		// What it had completed must not be taken for another's with its number.
		verbs_queue_drain(lane->queue);
	}
	if (lane->queue)
		lane->queue->lanes--;
	if (was_linked)
		lane->device->receives_promised -= lane->depths.credits;
	if (lane->slots_mr)
		ibv_dereg_mr(lane->slots_mr);
	free(lane->slots);
	if (lane->id)
		rdma_destroy_id(lane->id);
	if (lane->socket >= 0)
		close(lane->socket);
	free(lane);
}

void verbs_close_lane(struct verbs_lane *lane, int status)
{
	struct verbs *verbs = verbs_of(lane->base.fabric);

	if (lane->state == VERBS_CLOSED)
		return;
	if (lane->state == VERBS_CONNECTING)
		verbs->handshakes--;
	lane->state = VERBS_CLOSED;
	lane->chained = 0;
	set_error_state(lane);
	hang_up(lane);
	if (lane->is_known && !lane->is_gone) {
		verbs_event(verbs, (struct fabric_event){.kind = FABRIC_CLOSED, .lane = &lane->base, .status = status});
		return;
	}
	if (lane->is_client && !lane->is_known) // still being connected: fabric_connect frees it
		return;
	lane->is_gone = true;
	verbs->ended++;
}

void verbs_lane_hung_up(struct verbs_lane *lane)
{
	// What had come before is in the queue by now.
	verbs_queue_drain(lane->queue);
	verbs_close_lane(lane, -ECONNRESET);
}

void verbs_lanes_sweep(struct verbs *verbs)
{
	struct verbs_lane *next;

	if (verbs->ended == 0)
		return;
	for (struct verbs_lane *lane = verbs->lanes; lane; lane = next) {
		next = lane->next;
		if (lane->is_gone && lane->state == VERBS_CLOSED)
			verbs_lane_free(lane);
	}
}

// The goodbye goes out behind all that was sent. Its completion ends the lane (verbs_poll.c); without credit for it the end has to do.
static bool say_goodbye(struct verbs_lane *lane)
{
	if (lane->state != VERBS_OPEN || !verbs_send_control(lane, VERBS_BYE))
		return false;
	lane->state = VERBS_ENDING;
	return verbs_ring(lane) == 0;
}

void verbs_disconnect(struct fabric_lane *base)
{
	struct verbs_lane *lane = verbs_lane_of(base);
	struct verbs *verbs = verbs_of(base->fabric);

	verbs_events_forget(verbs, lane);
	verbs_buffers_reclaim(lane);
	if (lane->state == VERBS_CLOSED || (!say_goodbye(lane) && lane->state != VERBS_ENDING)) {
		verbs_lane_free(lane);
		return;
	}
	lane->is_gone = true;
}

void verbs_shut(struct fabric_lane *base)
{
	struct verbs_lane *lane = verbs_lane_of(base);

	if (lane->state == VERBS_OPEN && !say_goodbye(lane))
		verbs_close_lane(lane, 0);
}
