#include "fabric/verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "far/log.h"

// What the lanes of a device share: completion queues, the shared receive queue and its buffers.

#define SLAB_LANES 8U // a server adds receive buffers for so many lanes at once

static size_t buffer_size(const struct verbs_device *device)
{
	return (VERBS_BUFFER_FRONT + (size_t)verbs_wire_size(device->verbs->base.options.message_size) + 63) & ~(size_t)63;
}

struct verbs_queue *verbs_queue_get(struct verbs_device *device)
{
	unsigned per_lane = VERBS_QUEUE + VERBS_CREDITS;
	struct verbs_queue *queue = device->queues;
	unsigned limit = (unsigned)device->attributes.max_cqe / per_lane;

	while (queue && queue->lanes == queue->room)
		queue = queue->next;
	if (!queue) {
		queue = calloc(1, sizeof(*queue));
		if (!queue)
			return NULL;
		queue->device = device;
		queue->room = device->verbs->is_server ? VERBS_LANES_PER_QUEUE : device->lane_count + 1;
		if (queue->room > VERBS_LANES_PER_QUEUE)
			queue->room = VERBS_LANES_PER_QUEUE;
		if (limit > 0 && queue->room > limit)
			queue->room = limit;
		queue->cq = ibv_create_cq(device->context, (int)(queue->room * per_lane), queue, device->completions, 0);
		if (!queue->cq) {
			free(queue);
			return NULL;
		}
		queue->next = device->queues;
		device->queues = queue;
	}
	queue->lanes++;
	return queue;
}

void verbs_receive_post(struct verbs_device *device, struct verbs_buffer *buffer)
{
	struct ibv_sge piece = {.addr = (uintptr_t)&buffer->header,
	        .length = verbs_wire_size(device->verbs->base.options.message_size),
	        .lkey = buffer->lkey};
	struct ibv_recv_wr receive = {.wr_id = (uintptr_t)buffer, .sg_list = &piece, .num_sge = 1};
	struct ibv_recv_wr *refused;
	int code = ibv_post_srq_recv(device->srq, &receive, &refused);

	if (code) // the queue holds every buffer there is: only a broken device comes here
		log_error("rdma: a receive was refused: %s", strerror(code));
}

static int slab_add(struct verbs_device *device, uint32_t count)
{
	size_t size = buffer_size(device);
	struct verbs_slab *slab = calloc(1, sizeof(*slab));

	if (!slab)
		return -ENOMEM;
	slab->buffers = aligned_alloc(4096, (size * count + 4095) & ~(size_t)4095);
	slab->mr = slab->buffers ? verbs_register(device, slab->buffers, size * count, IBV_ACCESS_LOCAL_WRITE, NULL) : NULL;
	if (!slab->mr) {
		free(slab->buffers);
		free(slab);
		return -ENOMEM;
	}
	slab->next = device->slabs;
	device->slabs = slab;
	for (uint32_t i = 0; i < count; i++) {
		struct verbs_buffer *buffer = (struct verbs_buffer *)(slab->buffers + size * i);

		*buffer = (struct verbs_buffer){.lkey = slab->mr->lkey};
		verbs_receive_post(device, buffer);
	}
	device->receives += count;
	return 0;
}

int verbs_receives_promise(struct verbs_device *device, uint32_t promised)
{
	uint32_t needed = device->receives_promised + promised;
	uint32_t count = VERBS_CREDITS * (device->verbs->is_server ? SLAB_LANES : 1);
	int result = 0;

	if (needed > device->receives_max)
		return -ENOSPC;
	if (needed > device->receives) {
		if (count > device->receives_max - device->receives)
			count = device->receives_max - device->receives;
		result = slab_add(device, count);
	}
	if (result == 0)
		device->receives_promised = needed;
	return result;
}

void verbs_queues_free(struct verbs_device *device)
{
	while (device->queues) {
		struct verbs_queue *queue = device->queues;

		device->queues = queue->next;
		ibv_destroy_cq(queue->cq);
		free(queue);
	}
}

void verbs_receives_free(struct verbs_device *device)
{
	while (device->slabs) {
		struct verbs_slab *slab = device->slabs;

		device->slabs = slab->next;
		ibv_dereg_mr(slab->mr);
		free(slab->buffers);
		free(slab);
	}
	device->receives = 0;
	device->receives_promised = 0;
}
