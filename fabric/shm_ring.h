// Message rings: single producer, single consumer, variable frames (shm_wire.h). The server's side trusts nothing in them: every value is loaded once
// and checked before use, and what a client sent is copied out before anybody looks at it.
// Each struct belongs to the thread of its fabric.
#ifndef FABRIC_SHM_RING_H
#define FABRIC_SHM_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "fabric/shm_wire.h"

struct shm_ring_out {
	unsigned char *bytes;
	struct shm_direction *shared;
	uint64_t size;      // a power of two
	uint64_t head;      // where the next frame goes
	uint64_t published; // what the consumer was told
	uint64_t tail;      // last seen
};

// A message that the owner has not released yet. Those released out of turn wait for the ones before them.
struct shm_held {
	uint64_t position;
	bool is_released;
};

struct shm_ring_in {
	unsigned char *bytes;
	unsigned char *copy; // private memory of the same size for the consumer that must not trust the producer, else NULL
	struct shm_direction *shared;
	uint64_t size;
	uint64_t position; // the next frame
	uint64_t head;     // last seen and checked
	uint64_t tail;     // no longer used
	uint64_t returned; // tail as the producer was told
	uint64_t looked;   // tail at the last look for a starving producer
	unsigned held_first;
	unsigned held_count;
	struct shm_held held[FAR_LANE_DEPTH];
};

static inline uint64_t shm_frame_span(uint64_t length)
{
	return (sizeof(struct shm_frame) + length + SHM_LINE - 1) & ~(uint64_t)(SHM_LINE - 1);
}

// Room for a frame with `length` bytes behind its header: returns 1 and the place behind the header, 0 if there is no room now (the consumer will
// wake this side when there is), or -EPROTO.
int shm_ring_reserve(struct shm_ring_out *ring, uint32_t length, void **body);

// Ends the reservation: a frame of this kind and true length. Seen by the consumer once published.
void shm_ring_commit(struct shm_ring_out *ring, enum shm_frame_kind kind, uint32_t length);

// Publishes the frames committed. Returns whether the consumer must be woken.
bool shm_ring_publish(struct shm_ring_out *ring);

// Whether the consumer of this direction must be woken for something that was published by other means.
bool shm_direction_must_wake(struct shm_direction *shared);

// The next frame: returns 1 with a checked header and its body in shared memory, 0 if there is none, or -EPROTO.
// Skipped or held before the next call.
int shm_ring_next(struct shm_ring_in *ring, struct shm_frame *frame, void **body);

// The frame has been dealt with.
void shm_ring_skip(struct shm_ring_in *ring, const struct shm_frame *frame);

// The frame is a message: returns where the owner may read it until shm_ring_release. There must be room (shm_ring_can_hold).
void *shm_ring_hold(struct shm_ring_in *ring, const struct shm_frame *frame, void *body);

static inline bool shm_ring_can_hold(const struct shm_ring_in *ring)
{
	return ring->held_count < FAR_LANE_DEPTH;
}

// Gives a message back.
void shm_ring_release(struct shm_ring_in *ring, const void *message);

// Tells the producer how far bytes were given back. Returns whether it must be woken.
bool shm_ring_return(struct shm_ring_in *ring);

// Whether the consumer would find something. Also after asking to be woken: see shm_arm.
static inline bool shm_ring_has_more(const struct shm_ring_in *ring)
{
	return atomic_load_explicit(&ring->shared->head, memory_order_acquire) != ring->position;
}

#endif
