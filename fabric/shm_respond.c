#include "fabric/shm.h"

#include <errno.h>
#include <string.h>

// The server's side of a client's operations: what a NIC does for an RDMA write. Runs on the server's thread when it polls. The frame is a copy in
// private memory; rkey, scope, rights, bounds and the sealed part are checked here, against the server's own table, before a byte moves.

static unsigned char *shm_respond_target(struct shm_lane *lane, const struct shm_operation *operation, unsigned right)
{
	const struct shm_region *region = shm_region_find(shm_lane_fabric(lane), operation->rkey, lane->base.scope);
	uint64_t length = operation->length;

	if (!region || !(region->base.rights & right) || length > region->base.memory.length)
		return NULL;
	if (operation->offset > region->base.memory.length - length || operation->offset < region->base.sealed)
		return NULL;
	return (unsigned char *)region->base.memory.base + operation->offset;
}

static int64_t shm_respond_write(struct shm_lane *lane, const struct shm_operation *operation)
{
	unsigned char *target = shm_respond_target(lane, operation, FABRIC_REMOTE_WRITE);
	const unsigned char *source = shm_peer_memory(lane, operation->operand[0], operation->operand[1], operation->length, 0);

	if (!target || !source)
		return -EACCES;
	memcpy(target, source, operation->length);
	return (int64_t)operation->length;
}

static int64_t shm_respond_write_inline(
        struct shm_lane *lane, const struct shm_operation *operation, const unsigned char *bytes, uint32_t length)
{
	unsigned char *target = shm_respond_target(lane, operation, FABRIC_REMOTE_WRITE);

	if (operation->length != length)
		return -EPROTO;
	if (!target)
		return -EACCES;
	memcpy(target, bytes, length);
	return length;
}

static int64_t shm_respond_atomic(struct shm_lane *lane, uint32_t kind, const struct shm_operation *operation)
{
	uint64_t *cell = (uint64_t *)(void *)shm_respond_target(lane, operation, FABRIC_REMOTE_ATOMIC);
	uint64_t old = operation->operand[0];

	if (!cell || operation->length != 8 || (uintptr_t)cell % 8)
		return -EACCES;
	if (kind == SHM_FRAME_FETCH_ADD)
		old = __atomic_fetch_add(cell, operation->operand[0], __ATOMIC_SEQ_CST);
	else
		__atomic_compare_exchange_n(cell, &old, operation->operand[1], false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	lane->control->results[lane->operations % FAR_LANE_DEPTH] = old;
	return 8;
}

int64_t shm_respond(struct shm_lane *lane, const struct shm_frame *frame, const void *body)
{
	struct shm_operation operation;
	int64_t result = -EPROTO;
	uint32_t behind;

	if (frame->length < sizeof(operation))
		return -EPROTO;
	memcpy(&operation, body, sizeof(operation)); // once: the client may change it meanwhile
	__asm__ volatile("" : : "r"(&operation) : "memory");
	behind = frame->length - (uint32_t)sizeof(operation);
	if (operation.length == 0)
		return -EPROTO;
	if (frame->kind == SHM_FRAME_WRITE && behind == 0)
		result = shm_respond_write(lane, &operation);
	else if (frame->kind == SHM_FRAME_WRITE_INLINE)
		result = shm_respond_write_inline(lane, &operation, (const unsigned char *)body + sizeof(operation), behind);
	else if ((frame->kind == SHM_FRAME_COMPARE_SWAP || frame->kind == SHM_FRAME_FETCH_ADD) && behind == 0)
		result = shm_respond_atomic(lane, frame->kind, &operation);
	if (result >= 0) {
		lane->operations++;
		lane->base.fabric->served++;
	}
	return result;
}
