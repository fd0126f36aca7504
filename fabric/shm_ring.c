#include "fabric/shm_ring.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

// The producer waits for nothing but room; the consumer for nothing but frames. Each asks to be woken by a flag that the other looks at behind a
// full fence. That is Dekker's pattern, used in two places: (publish head; fence; look at `sleeps`) against (set `sleeps`; fence; look at
// head) in shm_arm, and (give tail back; fence; look at `is_starved`) against (set `is_starved`; fence; look at tail) in shm_ring_find_room. At least one
// of the two sides sees the other's store, so no wake-up is lost.

// Looks at the consumer's progress. What makes no sense was not written by our code.
static int shm_ring_read_tail(struct shm_ring_out *ring)
{
	// Acquire pairs with the release in shm_ring_return: the consumer's last access to the bytes is over before they are written again.
	uint64_t tail = atomic_load_explicit(&ring->shared->tail, memory_order_acquire);

	if (ring->head - tail > ring->size || tail - ring->tail > ring->head - ring->tail || tail % SHM_LINE)
		return -EPROTO;
	ring->tail = tail;
	return 0;
}

static bool shm_ring_has_room(const struct shm_ring_out *ring, uint64_t bytes)
{
	return ring->head - ring->tail + bytes <= ring->size;
}

static int shm_ring_find_room(struct shm_ring_out *ring, uint64_t bytes)
{
	int result = shm_ring_read_tail(ring);

	if (result < 0 || shm_ring_has_room(ring, bytes))
		return result < 0 ? result : 1;
	atomic_store_explicit(&ring->shared->is_starved, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst); // see above
	result = shm_ring_read_tail(ring);
	if (result < 0)
		return result;
	return shm_ring_has_room(ring, bytes);
}

static void shm_ring_put_header(struct shm_ring_out *ring, enum shm_frame_kind kind, uint32_t length)
{
	struct shm_frame frame = {.kind = kind, .length = length};

	memcpy(ring->bytes + (ring->head & (ring->size - 1)), &frame, sizeof(frame));
	ring->head += shm_frame_span(length);
}

int shm_ring_reserve(struct shm_ring_out *ring, uint32_t length, void **body)
{
	uint64_t span = shm_frame_span(length);
	uint64_t to_end = ring->size - (ring->head & (ring->size - 1));
	uint64_t pad = span > to_end ? to_end : 0;

	if (!shm_ring_has_room(ring, pad + span)) {
		int result = shm_ring_find_room(ring, pad + span);

		if (result <= 0)
			return result;
	}
	if (pad)
		shm_ring_put_header(ring, SHM_FRAME_PAD, (uint32_t)(pad - sizeof(struct shm_frame)));
	*body = ring->bytes + (ring->head & (ring->size - 1)) + sizeof(struct shm_frame);
	return 1;
}

void shm_ring_commit(struct shm_ring_out *ring, enum shm_frame_kind kind, uint32_t length)
{
	shm_ring_put_header(ring, kind, length);
}

bool shm_direction_must_wake(struct shm_direction *shared)
{
	atomic_thread_fence(memory_order_seq_cst); // see above
	if (!atomic_load_explicit(&shared->sleeps, memory_order_relaxed))
		return false;
	return atomic_exchange_explicit(&shared->sleeps, 0, memory_order_relaxed) != 0;
}

bool shm_ring_publish(struct shm_ring_out *ring)
{
	if (ring->published == ring->head)
		return false;
	ring->published = ring->head;
	// Release pairs with the acquire in shm_ring_next: frames, pushed bytes and notes are there before the head that covers them.
	atomic_store_explicit(&ring->shared->head, ring->head, memory_order_release);
	return shm_direction_must_wake(ring->shared);
}

static int shm_ring_read_head(struct shm_ring_in *ring)
{
	uint64_t head = atomic_load_explicit(&ring->shared->head, memory_order_acquire); // pairs with shm_ring_publish
	uint64_t room = ring->size - (ring->position - ring->tail);

	if (head - ring->position > room || head % SHM_LINE)
		return -EPROTO;
	ring->head = head;
	return 0;
}

int shm_ring_next(struct shm_ring_in *ring, struct shm_frame *frame, void **body)
{
	uint64_t offset = ring->position & (ring->size - 1);
	uint64_t span;

	if (ring->head == ring->position) {
		int result = shm_ring_read_head(ring);

		if (result < 0 || ring->head == ring->position)
			return result;
	}
	memcpy(frame, ring->bytes + offset, sizeof(*frame)); // once: the producer may change it meanwhile
	// The compiler must not go back to shared memory for what was copied.
	__asm__ volatile("" : : "r"(frame) : "memory");
	span = shm_frame_span(frame->length);
	if (span > ring->head - ring->position || offset + span > ring->size)
		return -EPROTO;
	*body = ring->bytes + offset + sizeof(*frame);
	return 1;
}

// Everything before the first held message, or before the position, is no longer used.
static void shm_ring_advance_tail(struct shm_ring_in *ring)
{
	while (ring->held_count > 0 && ring->held[ring->held_first].is_released) {
		ring->held_first = (ring->held_first + 1) % FAR_LANE_DEPTH;
		ring->held_count--;
	}
	ring->tail = ring->held_count > 0 ? ring->held[ring->held_first].position : ring->position;
}

void shm_ring_skip(struct shm_ring_in *ring, const struct shm_frame *frame)
{
	ring->position += shm_frame_span(frame->length);
	shm_ring_advance_tail(ring);
}

void *shm_ring_hold(struct shm_ring_in *ring, const struct shm_frame *frame, void *body)
{
	struct shm_held *held = &ring->held[(ring->held_first + ring->held_count) % FAR_LANE_DEPTH];
	void *message = body;

	assert(ring->held_count < FAR_LANE_DEPTH);
	if (ring->copy) {
		message = ring->copy + ((unsigned char *)body - ring->bytes);
		memcpy(message, body, frame->length);
	}
	*held = (struct shm_held){.position = ring->position};
	ring->held_count++;
	ring->position += shm_frame_span(frame->length);
	return message;
}

void shm_ring_release(struct shm_ring_in *ring, const void *message)
{
	const unsigned char *base = ring->copy ? ring->copy : ring->bytes;
	uint64_t offset = (uint64_t)((const unsigned char *)message - base) - sizeof(struct shm_frame);

	for (unsigned i = 0; i < ring->held_count; i++) {
		struct shm_held *held = &ring->held[(ring->held_first + i) % FAR_LANE_DEPTH];

		if ((held->position & (ring->size - 1)) == offset && !held->is_released) {
			held->is_released = true;
			shm_ring_advance_tail(ring);
			return;
		}
	}
	assert(false && "released message is held");
}

bool shm_ring_return(struct shm_ring_in *ring)
{
	struct shm_direction *shared = ring->shared;

	if (ring->returned == ring->tail)
		return false;
	ring->returned = ring->tail;
	// Release pairs with shm_ring_read_tail.
	atomic_store_explicit(&shared->tail, ring->tail, memory_order_release);
	// A starved producer saw more than two thirds of the ring not given back (a frame and its padding take less than a third). All that passes
	// here before it gets going again: a look once in a quarter is enough, and the fence is not paid by each message.
	if (ring->tail - ring->looked < ring->size / 4)
		return false;
	ring->looked = ring->tail;
	atomic_thread_fence(memory_order_seq_cst); // see above
	if (!atomic_load_explicit(&shared->is_starved, memory_order_relaxed))
		return false;
	return atomic_exchange_explicit(&shared->is_starved, 0, memory_order_relaxed) != 0;
}
