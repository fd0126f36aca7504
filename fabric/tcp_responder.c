#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "fabric/tcp.h"

// The far side's "NIC": requests on registered memory, answered inside poll and never seen by the owner's handlers.

static int respond_read(struct tcp_lane *lane, const struct tcp_frame *frame)
{
	struct tcp_frame reply = {.magic = TCP_MAGIC, .type = TCP_READ_REPLY, .length = frame->length};
	const char *bytes = tcp_reach(lane, frame->rkey, frame->offset, frame->length, FABRIC_REMOTE_READ);

	// The bytes are loaded behind those of reads ahead (layout.h R4): another thread may be changing them.
	atomic_thread_fence(memory_order_acquire);
	return bytes ? tcp_put_frame(lane, &reply, bytes, true, 0) : -EACCES;
}

static int respond_atomic(struct tcp_lane *lane, const struct tcp_frame *frame, const uint64_t *operands)
{
	struct tcp_frame reply = {.magic = TCP_MAGIC, .type = TCP_ATOMIC_REPLY};
	char *bytes = tcp_reach(lane, frame->rkey, frame->offset, sizeof(uint64_t), FABRIC_REMOTE_ATOMIC);
	_Atomic uint64_t *cell = (_Atomic uint64_t *)(void *)bytes;

	if (!bytes || frame->offset % sizeof(uint64_t))
		return -EACCES;
	if (!tcp_has_output_room(lane))
		return -EAGAIN;
	// Sequentially consistent, as one cell's atomics of all lanes and of the owner have to agree on one order.
	if (frame->type == TCP_FETCH_ADD) {
		reply.offset = atomic_fetch_add_explicit(cell, operands[0], memory_order_seq_cst);
	} else {
		reply.offset = operands[0];
		atomic_compare_exchange_strong_explicit(cell, &reply.offset, operands[1], memory_order_seq_cst, memory_order_seq_cst);
	}
	return tcp_put_frame(lane, &reply, NULL, false, 0);
}

int tcp_respond(struct tcp_lane *lane, const struct tcp_frame *frame, const uint64_t *operands)
{
	int error = frame->type == TCP_READ ? respond_read(lane, frame) : respond_atomic(lane, frame, operands);

	lane->base.fabric->served += error == 0;
	return error;
}
