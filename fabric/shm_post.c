#include "fabric/shm.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

// Posting operations. A client's read is a load from its map, done at once unless a write or an atomic before it is still under way; its writes
// and atomics are frames in the ring, executed by the server's thread (shm_respond.c), which counts them: the n-th is complete when the
// count is above n. A server's operations on a client's regions are done at once in its own map of them.

// Writes up to this part of a message travel in the ring: cheaper than two touches of the client's buffer by another CPU, and the ring
// still holds many.
#define SHM_INLINE_PART 2U

static struct shm_pending *shm_pending_add(struct shm_lane *lane, enum shm_pending_kind kind, uint64_t context)
{
	unsigned index = (lane->pending_first + lane->pending_count++) % FAR_LANE_DEPTH;

	lane->pending[index] = (struct shm_pending){.kind = kind, .context = context};
	shm_lane_heat(lane);
	return &lane->pending[index];
}

// Whether one more operation may be posted.
static int shm_post_check(const struct shm_lane *lane)
{
	assert(lane->is_server || lane->base.reserved == 0); // the frame would lie where the message is being built
	if (lane->state != SHM_OPEN)
		return -ECONNRESET;
	return lane->pending_count < lane->base.fabric->options.depth ? 0 : -EAGAIN;
}

// The operation was done within the post.
static int shm_post_done(struct shm_lane *lane, uint64_t context)
{
	if (context)
		shm_pending_add(lane, SHM_PENDING_DONE, context);
	return 0;
}

static int shm_post_refuse(struct shm_lane *lane)
{
	shm_lane_end(lane, -EACCES);
	return -EACCES;
}

static void shm_fetch(void *local, const void *loads, uint64_t length)
{
	memcpy(local, loads, length);
	// What is read next was not read before these bytes (layout.h R4).
	atomic_thread_fence(memory_order_acquire);
}

int shm_post_read(struct fabric_lane *base, void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context)
{
	struct shm_lane *lane = shm_lane_of(base);
	const struct shm_import *import;
	const unsigned char *loads;
	struct shm_pending *pending;
	int result = shm_post_check(lane);

	if (result < 0)
		return result;
	if (lane->is_server) {
		loads = shm_peer_memory(lane, rkey, offset, length, FABRIC_REMOTE_READ);
	} else {
		import = shm_import_find(lane, rkey);
		loads = import && import->loads && length <= import->length && offset <= import->length - length ? import->loads + offset
		                                                                                                 : NULL;
	}
	if (!loads)
		return shm_post_refuse(lane);
	if (lane->pending_count == 0 || lane->is_server) {
		shm_fetch(local, loads, length);
		return shm_post_done(lane, context);
	}
	pending = shm_pending_add(lane, SHM_PENDING_READ, context);
	pending->local = local;
	pending->loads = loads;
	pending->length = length;
	return 0;
}

// Puts an operation into the ring, with `length` bytes behind it.
static int shm_post_frame(struct shm_lane *lane, enum shm_frame_kind kind, const struct shm_operation *operation, const void *bytes,
        uint32_t length, uint64_t context, uint64_t *result)
{
	struct shm_pending *pending;
	void *body;
	int room = shm_ring_reserve(&lane->out, (uint32_t)sizeof(*operation) + length, &body);

	if (room < 0)
		shm_lane_end(lane, room);
	if (room <= 0)
		return room < 0 ? room : -EAGAIN;
	memcpy(body, operation, sizeof(*operation));
	if (length > 0)
		memcpy((unsigned char *)body + sizeof(*operation), bytes, length);
	shm_ring_commit(&lane->out, kind, (uint32_t)sizeof(*operation) + length);
	pending = shm_pending_add(lane, SHM_PENDING_REMOTE, context);
	pending->number = lane->operations++;
	pending->local = result;
	return 0;
}

static int shm_post_push(struct shm_lane *lane, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context)
{
	unsigned char *target = shm_peer_memory(lane, rkey, offset, length, FABRIC_REMOTE_WRITE);

	if (!target)
		return shm_post_refuse(lane);
	memcpy(target, local, length); // ordered before later messages by the release in shm_ring_publish
	return shm_post_done(lane, context);
}

int shm_post_write(struct fabric_lane *base, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context)
{
	struct shm_lane *lane = shm_lane_of(base);
	struct shm_operation operation = {.rkey = rkey, .offset = offset, .length = length};
	const struct shm_region *source;
	int result = shm_post_check(lane);

	if (result < 0)
		return result;
	if (lane->is_server)
		return shm_post_push(lane, local, rkey, offset, length, context);
	if (length <= base->message_size / SHM_INLINE_PART)
		return shm_post_frame(lane, SHM_FRAME_WRITE_INLINE, &operation, local, (uint32_t)length, context, NULL);
	source = shm_region_of_memory(shm_lane_fabric(lane), local, length);
	if (!source)
		return -EINVAL;
	operation.operand[0] = source->base.rkey;
	operation.operand[1] = (uint64_t)((uintptr_t)local - (uintptr_t)source->base.memory.base);
	return shm_post_frame(lane, SHM_FRAME_WRITE, &operation, NULL, 0, context, NULL);
}

int shm_post_compare_swap(
        struct fabric_lane *base, uint64_t *old, uint64_t rkey, uint64_t offset, uint64_t expected, uint64_t desired, uint64_t context)
{
	struct shm_lane *lane = shm_lane_of(base);
	struct shm_operation operation = {.rkey = rkey, .offset = offset, .length = 8, .operand = {expected, desired}};
	uint64_t *cell;
	int result = shm_post_check(lane);

	if (result < 0)
		return result;
	if (!lane->is_server)
		return shm_post_frame(lane, SHM_FRAME_COMPARE_SWAP, &operation, NULL, 0, context, old);
	cell = (uint64_t *)(void *)shm_peer_memory(lane, rkey, offset, 8, FABRIC_REMOTE_ATOMIC);
	if (!cell)
		return shm_post_refuse(lane);
	__atomic_compare_exchange_n(cell, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	*old = expected;
	return shm_post_done(lane, context);
}

int shm_post_fetch_add(struct fabric_lane *base, uint64_t *old, uint64_t rkey, uint64_t offset, uint64_t addend, uint64_t context)
{
	struct shm_lane *lane = shm_lane_of(base);
	struct shm_operation operation = {.rkey = rkey, .offset = offset, .length = 8, .operand = {addend, 0}};
	uint64_t *cell;
	int result = shm_post_check(lane);

	if (result < 0)
		return result;
	if (!lane->is_server)
		return shm_post_frame(lane, SHM_FRAME_FETCH_ADD, &operation, NULL, 0, context, old);
	cell = (uint64_t *)(void *)shm_peer_memory(lane, rkey, offset, 8, FABRIC_REMOTE_ATOMIC);
	if (!cell)
		return shm_post_refuse(lane);
	*old = __atomic_fetch_add(cell, addend, __ATOMIC_SEQ_CST);
	return shm_post_done(lane, context);
}

// Acquire pairs with shm_lane_tell_operations: results and placed bytes are there.
static uint64_t shm_operations_done(const struct shm_lane *lane)
{
	return atomic_load_explicit(&lane->control->operations, memory_order_acquire);
}

bool shm_pending_is_complete(const struct shm_lane *lane)
{
	const struct shm_pending *first = &lane->pending[lane->pending_first];

	return lane->pending_count > 0 && (first->kind != SHM_PENDING_REMOTE || shm_operations_done(lane) > first->number);
}

static void shm_pending_finish(const struct shm_lane *lane, const struct shm_pending *pending)
{
	if (pending->kind == SHM_PENDING_READ)
		shm_fetch(pending->local, pending->loads, pending->length);
	else if (pending->kind == SHM_PENDING_REMOTE && pending->local)
		memcpy(pending->local, &lane->control->results[pending->number % FAR_LANE_DEPTH], sizeof(uint64_t));
}

int shm_pending_complete(struct shm_lane *lane, struct fabric_event *events, int count)
{
	int found = 0;

	while (found < count && shm_pending_is_complete(lane)) {
		const struct shm_pending *pending = &lane->pending[lane->pending_first];

		shm_pending_finish(lane, pending);
		if (pending->context)
			events[found++] = (struct fabric_event){.kind = FABRIC_DONE, .lane = &lane->base, .context = pending->context};
		lane->pending_first = (lane->pending_first + 1) % FAR_LANE_DEPTH;
		lane->pending_count--;
	}
	return found;
}
