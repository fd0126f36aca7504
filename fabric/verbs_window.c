#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/verbs.h"
#include "far/clock.h"
#include "far/log.h"

// What each lane's peer may reach: memory windows of type 2B, which belong to one queue pair, and the records that tell the peer of them. Binding is a work request ahead of the message
// that tells of it. Revoking waits for the device to say that it is done; where that takes long because the peer is gone, the queue pair's end revokes all that was bound to it.
//
// A window's device key is used again after 256 bindings, by the same lane only: a peer that keeps old keys can reach nothing but what it was granted since.

#define REVOKE_NS 500000000U // a lost packet is sent again after 268 ms (verbs_cm.c)

int verbs_tell(struct verbs_lane *lane, struct verbs_record record)
{
	if (record.kind == VERBS_REGION_WAS) {
		// What the peer was not told of yet need not be taken back.
		for (uint32_t i = 0; i < lane->record_count; i++) {
			if (lane->records[i].rkey == record.rkey) {
				lane->record_count--;
				memmove(&lane->records[i], &lane->records[i + 1], (lane->record_count - i) * sizeof(record));
				return 0;
			}
		}
	}
	if (lane->record_count == VERBS_RECORDS_WAITING)
		return -EAGAIN;
	lane->records[lane->record_count++] = record;
	return 0;
}

static struct verbs_window *window_get(struct verbs_lane *lane)
{
	struct verbs_window *window = lane->spare_windows;

	if (window) {
		lane->spare_windows = window->next_of_lane;
		return window;
	}
	window = calloc(1, sizeof(*window));
	if (!window)
		return NULL;
	window->lane = lane;
	window->mw = ibv_alloc_mw(lane->device->pd, IBV_MW_TYPE_2);
	if (!window->mw) {
		free(window);
		return NULL;
	}
	return window;
}

static void window_bind(struct verbs_lane *lane, struct verbs_window *window, struct verbs_region *region)
{
	const struct ibv_sge none = {0};
	const struct verbs_work work = {.slot = VERBS_SLOTS};
	struct ibv_send_wr *request = verbs_work_add(lane, IBV_WR_BIND_MW, &none, &work, false);
	uint64_t front = verbs_sealed_part(region);

	window->key = ibv_inc_rkey(window->mw->rkey);
	request->bind_mw.mw = window->mw;
	request->bind_mw.rkey = window->key;
	request->bind_mw.bind_info = (struct ibv_mw_bind_info){
	        .mr = region->attachments[lane->device->index].memory->mr,
	        .addr = (uintptr_t)region->base.memory.base + front,
	        .length = region->base.memory.length - front,
	        .mw_access_flags = (unsigned)verbs_access(region->base.rights),
	};
	window->region = region;
	window->next_of_region = region->windows;
	region->windows = window;
	window->next_of_lane = lane->windows;
	lane->windows = window;
}

int verbs_region_expose(struct verbs_lane *lane, struct verbs_region *region)
{
	const struct verbs_attachment *attachment = &region->attachments[lane->device->index];
	struct verbs_record record = {.rkey = region->base.rkey,
	        .base = (uintptr_t)region->base.memory.base,
	        .length = region->base.memory.length,
	        .kind = VERBS_REGION_IS};
	struct verbs_window *window;

	if (!attachment->is_windowed) {
		record.key = attachment->memory->mr->rkey;
		return verbs_tell(lane, record);
	}
	if (lane->record_count == VERBS_RECORDS_WAITING || !verbs_has_work_room(lane, 1, lane->depths.windows))
		return -EAGAIN;
	window = window_get(lane);
	if (!window)
		return -ENOMEM;
	window_bind(lane, window, region);
	record.key = window->key;
	return verbs_tell(lane, record);
}

static void unlink_window(struct verbs_window *window)
{
	struct verbs_window **link = &window->region->windows;

	while (*link != window)
		link = &(*link)->next_of_region;
	*link = window->next_of_region;
	for (link = &window->lane->windows; *link != window;)
		link = &(*link)->next_of_lane;
	*link = window->next_of_lane;
}

static void free_window(struct verbs_window *window)
{
	ibv_dealloc_mw(window->mw);
	free(window);
}

void verbs_windows_free(struct verbs_lane *lane)
{
	while (lane->windows) {
		struct verbs_window *window = lane->windows;

		unlink_window(window);
		free_window(window);
	}
	while (lane->spare_windows) {
		struct verbs_window *window = lane->spare_windows;

		lane->spare_windows = window->next_of_lane;
		free_window(window);
	}
}

// Waits until the lane's requests up to this one are done. False: the lane has ended instead.
static bool wait_done(struct verbs_lane *lane, uint64_t position)
{
	uint64_t deadline_ns = clock_now_ns() + REVOKE_NS;

	while (lane->state != VERBS_CLOSED && lane->done < position) {
		verbs_queue_drain(lane->queue);
		if (lane->done < position && clock_now_ns() > deadline_ns) {
			log_debug("rdma: the device does not revoke in time: the lane ends peer=%s", lane->base.peer);
			verbs_close_lane(lane, -ETIMEDOUT);
		}
	}
	return lane->state != VERBS_CLOSED;
}

static void close_window(struct verbs_window *window)
{
	const struct ibv_sge none = {0};
	const struct verbs_work work = {.slot = VERBS_SLOTS};
	struct verbs_lane *lane = window->lane;
	bool is_done = false;

	if (lane->state != VERBS_CLOSED && verbs_has_work_room(lane, 1, lane->depths.queue)) {
		struct ibv_send_wr *request = verbs_work_add(lane, IBV_WR_LOCAL_INV, &none, &work, true);

		request->invalidate_rkey = window->key;
		is_done = verbs_ring(lane) == 0 && wait_done(lane, lane->posted);
	}
	unlink_window(window);
	if (!is_done) { // as sure, but the kernel has to do it
		free_window(window);
		return;
	}
	window->next_of_lane = lane->spare_windows;
	lane->spare_windows = window;
}

void verbs_region_revoke(struct verbs *verbs, struct verbs_region *region)
{
	struct verbs_record record = {.rkey = region->base.rkey, .kind = VERBS_REGION_WAS};

	if (!region->base.rights)
		return;
	for (struct verbs_lane *lane = verbs->lanes; lane; lane = lane->next) {
		if (region->attachments[lane->device->index].is_windowed || !verbs_is_open(lane))
			continue;
		if (region->base.scope == 0 || region->base.scope == lane->bound_scope)
			verbs_tell(lane, record);
	}
	while (region->windows) {
		struct verbs_lane *lane = region->windows->lane;

		close_window(region->windows);
		verbs_tell(lane, record);
	}
}

static void leave_scope(struct verbs *verbs, struct verbs_lane *lane)
{
	for (struct verbs_region *region = verbs->regions; region; region = region->next) {
		struct verbs_window *window = region->windows;

		if (region->base.scope == 0 || region->base.scope != lane->bound_scope)
			continue;
		while (window && window->lane != lane)
			window = window->next_of_region;
		if (window)
			close_window(window);
		verbs_tell(lane, (struct verbs_record){.rkey = region->base.rkey, .kind = VERBS_REGION_WAS});
	}
}

void verbs_scope_sync(struct verbs_lane *lane, bool is_new)
{
	struct verbs *verbs = verbs_of(lane->base.fabric);
	uint64_t scope = lane->base.scope;

	if (!is_new && lane->bound_scope == scope)
		return;
	if (lane->bound_scope)
		leave_scope(verbs, lane);
	lane->bound_scope = scope;
	for (struct verbs_region *region = verbs->regions; region && verbs_is_open(lane); region = region->next) {
		bool is_due = is_new ? region->base.scope == 0 || region->base.scope == scope : scope && region->base.scope == scope;

		if (region->base.rights && is_due && verbs_region_expose(lane, region))
			log_warning(
			        "rdma: more regions than a lane's queue holds: its peer cannot reach them all peer=%s", lane->base.peer);
	}
}
