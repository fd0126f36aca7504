#include "fabric/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "far/log.h"

// The device of a context and what all its lanes share: protection domain, completion queues, the shared receive queue and its buffers. The device is opened anew for each context
// instead of borrowing the connection manager's handle, which all threads of the process share: so its asynchronous events are this context's own.

#define SOFT_ROCE 0xffffffU // a vendor's number
#define SLAB_LANES 8U       // a server adds receive buffers for so many lanes at once

static size_t buffer_size(const struct verbs *verbs)
{
	return (VERBS_BUFFER_FRONT + (size_t)verbs_wire_size(verbs->base.options.message_size) + 63) & ~(size_t)63;
}

// Why memory could not be registered. Locked memory is the limit that users meet.
static void explain(size_t length, int code, char *text, size_t size)
{
	struct rlimit limit = {0};

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if ((code == ENOMEM || code == EPERM || code == EAGAIN) && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < (64ULL << 30))
		snprintf(text, size,
		        "the device cannot register %zu MiB: %s: only %llu KiB may be locked (ulimit -l), %zu KiB and some more are "
		        "needed: raise "
		        "memlock in /etc/security/limits.conf or LimitMEMLOCK= of the service",
		        length >> 20, strerror(code), (unsigned long long)limit.rlim_cur >> 10, length >> 10);
	else
		snprintf(text, size, "the device cannot register %zu KiB of memory: %s", length >> 10, strerror(code));
}

struct ibv_mr *verbs_register(struct verbs *verbs, void *base, size_t length, int access, struct fabric_error *error)
{
	struct ibv_mr *mr = ibv_reg_mr(verbs->pd, base, length, access);
	char text[sizeof(error->text)];
	int code = errno;

	if (mr)
		return mr;
	explain(length, code, text, sizeof(text));
	if (error)
		memcpy(error->text, text, sizeof(text));
	else
		log_error("rdma: %s", text);
	errno = code;
	return NULL;
}

static struct ibv_context *open_like(const struct ibv_context *like)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	const char *name = ibv_get_device_name(like->device);
	struct ibv_context *context = NULL;

	for (int i = 0; list && list[i] && !context; i++)
		if (strcmp(ibv_get_device_name(list[i]), name) == 0)
			context = ibv_open_device(list[i]);
	if (list)
		ibv_free_device_list(list);
	return context;
}

static int check_port(struct verbs *verbs, uint8_t port, struct fabric_error *error)
{
	const char *name = ibv_get_device_name(verbs->context->device);
	struct ibv_port_attr attributes;

	if (ibv_query_device(verbs->context, &verbs->attributes) || ibv_query_port(verbs->context, port, &attributes)) {
		snprintf(error->text, sizeof(error->text), "device %s does not tell what port %u can do", name, port);
		return -EIO;
	}
	if (attributes.state != IBV_PORT_ACTIVE) {
		snprintf(error->text, sizeof(error->text),
		        "the link of device %s port %u is down (state %s): check cable, switch and `ibv_devinfo`", name, port,
		        ibv_port_state_str(attributes.state));
		return -ENETDOWN;
	}
	verbs->message_max = attributes.max_msg_sz ? attributes.max_msg_sz : 1U << 20;
	verbs->has_windows = verbs->attributes.device_cap_flags & IBV_DEVICE_MEM_WINDOW_TYPE_2B;
	verbs->has_loose_windows = verbs->attributes.vendor_id == SOFT_ROCE;
	if (verbs->attributes.vendor_id == SOFT_ROCE)
		verbs->base.caps.wait.spin_max_ns = VERBS_SPIN_SOFT_NS;
	verbs->base.wait.limits = verbs->base.caps.wait;
	verbs->base.caps.has_atomics = verbs->attributes.atomic_cap != IBV_ATOMIC_NONE;
	verbs->base.caps.are_atomics_coherent = verbs->attributes.atomic_cap == IBV_ATOMIC_GLOB;
	return 0;
}

static int make_shared(struct verbs *verbs)
{
	struct ibv_srq_init_attr receives = {.attr = {.max_sge = 1}};
	int limit = verbs->attributes.max_srq_wr;

	verbs->receives_max = verbs->is_server ? VERBS_RECEIVES : VERBS_RECEIVES_CLIENT;
	if (limit > 0 && verbs->receives_max > (uint32_t)limit)
		verbs->receives_max = (uint32_t)limit;
	receives.attr.max_wr = verbs->receives_max;
	verbs->pd = ibv_alloc_pd(verbs->context);
	verbs->completions = ibv_create_comp_channel(verbs->context);
	if (!verbs->pd || !verbs->completions)
		return -errno;
	verbs->srq = ibv_create_srq(verbs->pd, &receives);
	if (!verbs->srq)
		return -errno;
	if (verbs_watch(verbs, verbs->completions->fd, VERBS_WATCH_COMPLETIONS))
		return -errno;
	return verbs_watch(verbs, verbs->context->async_fd, VERBS_WATCH_DEVICE);
}

static int attach_regions(struct verbs *verbs, struct fabric_error *error)
{
	int result = 0;

	for (struct verbs_region *region = verbs->regions; region && !result; region = region->next)
		result = verbs_region_attach(verbs, region, error);
	return result;
}

int verbs_device_open(struct verbs *verbs, struct ibv_context *like, uint8_t port, struct fabric_error *error)
{
	const char *name = ibv_get_device_name(like->device);
	int result;

	if (verbs->context && strcmp(ibv_get_device_name(verbs->context->device), name) == 0)
		return 0;
	if (verbs->context && (verbs->lanes || verbs->listener_count)) {
		snprintf(error->text, sizeof(error->text),
		        "the route leads through device %s, but %s is in use: listen on addresses of one device", name,
		        ibv_get_device_name(verbs->context->device));
		return -EXDEV;
	}
	verbs_device_close(verbs);
	verbs->context = open_like(like);
	if (!verbs->context) {
		result = errno ? -errno : -ENODEV;
		snprintf(error->text, sizeof(error->text), "cannot open the RDMA device %s: %s", name, strerror(-result));
		return result;
	}
	result = check_port(verbs, port, error);
	if (result == 0) {
		result = make_shared(verbs);
		if (result)
			snprintf(error->text, sizeof(error->text),
			        "device %s refuses its queues: %s: too little locked memory? (ulimit -l)", name, strerror(-result));
	}
	if (result == 0)
		result = attach_regions(verbs, error);
	if (result) {
		verbs_device_close(verbs);
		return result;
	}
	log_info("rdma: device chosen by the route device=%s port=%u windows=%s atomics=%s", name, port, verbs->has_windows ? "2B" : "none",
	        verbs->attributes.atomic_cap == IBV_ATOMIC_NONE ? "none" : "yes");
	return 0;
}

static void free_queues(struct verbs *verbs)
{
	while (verbs->queues) {
		struct verbs_queue *queue = verbs->queues;

		verbs->queues = queue->next;
		ibv_destroy_cq(queue->cq);
		free(queue);
	}
}

static void free_slabs(struct verbs *verbs)
{
	while (verbs->slabs) {
		struct verbs_slab *slab = verbs->slabs;

		verbs->slabs = slab->next;
		ibv_dereg_mr(slab->mr);
		free(slab->buffers);
		free(slab);
	}
	verbs->receives = 0;
	verbs->receives_promised = 0;
}

void verbs_device_close(struct verbs *verbs)
{
	if (!verbs->context)
		return;
	for (struct verbs_region *region = verbs->regions; region; region = region->next)
		verbs_region_detach(verbs, region);
	free_queues(verbs);
	if (verbs->srq)
		ibv_destroy_srq(verbs->srq);
	free_slabs(verbs);
	if (verbs->completions)
		ibv_destroy_comp_channel(verbs->completions);
	if (verbs->pd)
		ibv_dealloc_pd(verbs->pd);
	ibv_close_device(verbs->context);
	verbs->context = NULL;
	verbs->srq = NULL;
	verbs->completions = NULL;
	verbs->pd = NULL;
}

struct verbs_queue *verbs_queue_get(struct verbs *verbs)
{
	unsigned per_lane = VERBS_QUEUE + VERBS_CREDITS;
	struct verbs_queue *queue = verbs->queues;
	unsigned limit = (unsigned)verbs->attributes.max_cqe / per_lane;

	while (queue && queue->lanes == queue->room)
		queue = queue->next;
	if (!queue) {
		queue = calloc(1, sizeof(*queue));
		if (!queue)
			return NULL;
		queue->room = verbs->is_server ? VERBS_LANES_PER_QUEUE : verbs->lane_count + 1;
		if (queue->room > VERBS_LANES_PER_QUEUE)
			queue->room = VERBS_LANES_PER_QUEUE;
		if (limit > 0 && queue->room > limit)
			queue->room = limit;
		queue->cq = ibv_create_cq(verbs->context, (int)(queue->room * per_lane), queue, verbs->completions, 0);
		if (!queue->cq) {
			free(queue);
			return NULL;
		}
		queue->next = verbs->queues;
		verbs->queues = queue;
	}
	queue->lanes++;
	return queue;
}

void verbs_receive_post(struct verbs *verbs, struct verbs_buffer *buffer)
{
	struct ibv_sge piece = {
	        .addr = (uintptr_t)&buffer->header, .length = verbs_wire_size(verbs->base.options.message_size), .lkey = buffer->lkey};
	struct ibv_recv_wr receive = {.wr_id = (uintptr_t)buffer, .sg_list = &piece, .num_sge = 1};
	struct ibv_recv_wr *refused;
	int code = ibv_post_srq_recv(verbs->srq, &receive, &refused);

	if (code) // the queue holds every buffer there is: only a broken device comes here
		log_error("rdma: a receive was refused: %s", strerror(code));
}

static int slab_add(struct verbs *verbs, uint32_t count)
{
	size_t size = buffer_size(verbs);
	struct verbs_slab *slab = calloc(1, sizeof(*slab));

	if (!slab)
		return -ENOMEM;
	slab->buffers = aligned_alloc(4096, (size * count + 4095) & ~(size_t)4095);
	slab->mr = slab->buffers ? verbs_register(verbs, slab->buffers, size * count, IBV_ACCESS_LOCAL_WRITE, NULL) : NULL;
	if (!slab->mr) {
		free(slab->buffers);
		free(slab);
		return -ENOMEM;
	}
	slab->next = verbs->slabs;
	verbs->slabs = slab;
	for (uint32_t i = 0; i < count; i++) {
		struct verbs_buffer *buffer = (struct verbs_buffer *)(slab->buffers + size * i);

		*buffer = (struct verbs_buffer){.lkey = slab->mr->lkey};
		verbs_receive_post(verbs, buffer);
	}
	verbs->receives += count;
	return 0;
}

int verbs_receives_promise(struct verbs *verbs)
{
	uint32_t needed = verbs->receives_promised + VERBS_CREDITS;
	uint32_t count = VERBS_CREDITS * (verbs->is_server ? SLAB_LANES : 1);
	int result = 0;

	if (needed > verbs->receives_max)
		return -ENOSPC;
	if (needed > verbs->receives) {
		if (count > verbs->receives_max - verbs->receives)
			count = verbs->receives_max - verbs->receives;
		result = slab_add(verbs, count);
	}
	if (result == 0)
		verbs->receives_promised = needed;
	return result;
}
