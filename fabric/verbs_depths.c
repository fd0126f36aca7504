#include "fabric/verbs.h"
#include "far/log.h"

// How deep queues are: as was asked for (depth= and receives= of an address, fabric_options.depth), as far as the device goes. One number, the operations under way, decides the sizes of all
// of a lane's queues, so that memory follows: its queue pair, what the peer may send, and the receive buffers behind that.

#define QUEUE_PER_OPERATION 4U // messages, windows, and operations that take several requests
#define QUEUE_MIN 64U          // four times the pieces of the longest operation
#define CREDITS_MIN 3U         // of which one stays reserved (verbs_send.c)

static uint32_t clamp(uint32_t wanted, uint32_t least, uint32_t most)
{
	return wanted < least ? least : wanted > most ? most : wanted;
}

struct verbs_depths verbs_depths_choose(const struct ibv_device_attr *device, uint32_t wanted)
{
	uint32_t limit = device->max_qp_wr > 0 ? (uint32_t)device->max_qp_wr : VERBS_QUEUE;
	struct verbs_depths depths = {.queue = clamp(wanted * QUEUE_PER_OPERATION, QUEUE_MIN, VERBS_QUEUE)};

	depths.queue = clamp(depths.queue, 1, limit);
	depths.posts = depths.queue * 5 / 8;
	depths.windows = depths.queue * 13 / 16;
	depths.operations = clamp(wanted, 1, depths.posts);
	depths.credits = clamp(wanted + 1, CREDITS_MIN, VERBS_CREDITS);
	// More than one: else two sides would give each other the credit of giving back for ever. And less than the peer has, or it would wait for ever.
	depths.return_at = clamp(VERBS_CREDITS_RETURN, 2, depths.credits - 1);
	return depths;
}

uint32_t verbs_depths_receives(const struct ibv_device_attr *device, uint32_t wanted, bool is_server)
{
	uint32_t limit = device->max_srq_wr > 0 ? (uint32_t)device->max_srq_wr : UINT32_MAX;

	if (wanted == 0)
		wanted = is_server ? VERBS_RECEIVES : VERBS_RECEIVES_CLIENT;
	return wanted < limit ? wanted : limit;
}

struct verbs_depths verbs_depths_of(struct verbs_device *device, const struct fabric_rdma *rdma)
{
	uint32_t wanted = rdma->depth ? rdma->depth : device->verbs->base.options.depth;
	struct verbs_depths depths = verbs_depths_choose(&device->attributes, wanted);

	if (depths.operations < wanted && !device->is_limit_told) {
		device->is_limit_told = true;
		log_info(
		        "rdma: the device limits the depth of lanes device=%s depth=%u wanted=%u", device->name, depths.operations, wanted);
	}
	return depths;
}
