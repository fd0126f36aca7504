#include <errno.h>
#include <string.h>

#include "fabric/verbs.h"

// Work requests: the chain of a lane, and the one-sided operations in it. The peer's device checks every access; only an rkey that the peer never told of ends the lane already here,
// because there is no key of the device to send for it.

struct ibv_send_wr *verbs_work_add(
        struct verbs_lane *lane, enum ibv_wr_opcode opcode, const struct ibv_sge *piece, const struct verbs_work *work, bool is_signalled)
{
	struct ibv_send_wr *request;
	struct ibv_sge *sge;

	if (lane->chained == VERBS_CHAIN)
		verbs_ring(lane);
	request = &lane->chain[lane->chained];
	sge = &lane->sges[lane->chained++];
	lane->works[lane->posted % VERBS_QUEUE] = *work;
	*sge = *piece;
	*request = (struct ibv_send_wr){
	        .wr_id = verbs_work_id(lane->posted++), .sg_list = sge, .num_sge = piece->length > 0, .opcode = opcode};
	if (is_signalled || ++lane->unsignalled == VERBS_SIGNAL_EVERY) {
		request->send_flags = IBV_SEND_SIGNALED;
		lane->unsignalled = 0;
	}
	verbs_mark_dirty(lane);
	return request;
}

// A window is known to the driver by the key it had before; only when the binding is posted has it the new one.
static void take_window_keys(const struct verbs_lane *lane, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (lane->chain[i].opcode == IBV_WR_BIND_MW)
			lane->chain[i].bind_mw.mw->rkey = lane->chain[i].bind_mw.rkey;
}

int verbs_ring(struct verbs_lane *lane)
{
	uint32_t count = lane->chained;
	struct ibv_send_wr *refused;
	int code;

	if (count == 0)
		return 0;
	for (uint32_t i = 0; i + 1 < count; i++)
		lane->chain[i].next = &lane->chain[i + 1];
	lane->chain[count - 1].next = NULL;
	lane->chained = 0;
	fabric_tally(&lane->base.fabric->tallies.doorbells, 1);
	code = ibv_post_send(lane->qp, lane->chain, &refused);
	if (code == 0) {
		take_window_keys(lane, count);
		return 0;
	}
	verbs_close_lane(lane, -code);
	return -code;
}

// What one operation is made of: local memory, the peer's, and how.
struct operation {
	enum ibv_wr_opcode opcode;
	char *local;
	uint64_t rkey;
	uint64_t offset;
	uint64_t length;
	uint64_t context;
	uint64_t operands[2];
};

static int check(
        struct verbs_lane *lane, const struct operation *operation, uint32_t pieces, uint32_t *lkey, const struct verbs_remote **remote)
{
	if (!verbs_is_open(lane))
		return -ENOTCONN;
	if (pieces > VERBS_PIECES || verbs_local_key(lane->device, operation->local, operation->length, lkey))
		return -EINVAL;
	if (lane->operations >= lane->depths.operations || !verbs_has_work_room(lane, pieces, lane->depths.posts))
		return -EAGAIN;
	*remote = verbs_remote_find(lane, operation->rkey);
	if (*remote)
		return 0;
	verbs_close_lane(lane, -EACCES);
	return -EACCES;
}

// What is longer than the device's messages goes by several requests; the last one stands for all.
static int post(struct verbs_lane *lane, const struct operation *operation)
{
	uint64_t most = lane->device->message_max;
	uint64_t count = (operation->length + most - 1) / most;
	const struct verbs_remote *remote;
	uint64_t done = 0;
	uint32_t lkey;
	int result = check(lane, operation, count > VERBS_PIECES ? VERBS_PIECES + 1 : (uint32_t)count, &lkey, &remote);

	if (result)
		return result;
	while (done < operation->length) {
		uint64_t length = operation->length - done < most ? operation->length - done : most;
		bool is_last = done + length == operation->length;
		struct ibv_sge piece = {.addr = (uintptr_t)operation->local + done, .length = (uint32_t)length, .lkey = lkey};
		struct verbs_work work = {.context = is_last ? operation->context : 0, .slot = VERBS_SLOTS, .is_operation = is_last};
		struct ibv_send_wr *request = verbs_work_add(lane, operation->opcode, &piece, &work, work.context != 0);

		// An offset that wraps around leads below the region, where the device refuses it like any other.
		if (operation->opcode == IBV_WR_RDMA_READ || operation->opcode == IBV_WR_RDMA_WRITE) {
			request->wr.rdma.remote_addr = remote->base + operation->offset + done;
			request->wr.rdma.rkey = remote->key;
			if (operation->opcode == IBV_WR_RDMA_WRITE && length <= lane->inline_max)
				request->send_flags |= IBV_SEND_INLINE;
		} else {
			request->wr.atomic.remote_addr = remote->base + operation->offset;
			request->wr.atomic.rkey = remote->key;
			request->wr.atomic.compare_add = operation->operands[0];
			request->wr.atomic.swap = operation->operands[1];
		}
		done += length;
	}
	lane->operations++;
	return 0;
}

int verbs_post_read(struct fabric_lane *lane, void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context)
{
	return post(verbs_lane_of(lane), &(struct operation){IBV_WR_RDMA_READ, local, rkey, offset, length, context, {0}});
}

int verbs_post_write(struct fabric_lane *lane, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context)
{
	char *from = (char *)(uintptr_t)local;

	return post(verbs_lane_of(lane), &(struct operation){IBV_WR_RDMA_WRITE, from, rkey, offset, length, context, {0}});
}

static int post_atomic(struct verbs_lane *lane, const struct operation *operation)
{
	return lane->base.fabric->caps.has_atomics ? post(lane, operation) : -ENOTSUP;
}

int verbs_post_compare_swap(
        struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t expected, uint64_t desired, uint64_t context)
{
	struct operation operation = {IBV_WR_ATOMIC_CMP_AND_SWP, (char *)result, rkey, offset, 8, context, {expected, desired}};

	return post_atomic(verbs_lane_of(lane), &operation);
}

int verbs_post_fetch_add(struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t addend, uint64_t context)
{
	struct operation operation = {IBV_WR_ATOMIC_FETCH_AND_ADD, (char *)result, rkey, offset, 8, context, {addend, 0}};

	return post_atomic(verbs_lane_of(lane), &operation);
}
