#include "fabric/tcp_frame.h"

#include <errno.h>

#include "far/limits.h"

// The decoder: all that is known of a frame before regions are looked at.

// Payloads by type: the only length allowed, or UINT64_MAX = any (bounded by the region that it goes to or comes from).
static const uint64_t payload_length[TCP_FRAME_TYPES] = {
        [TCP_HELLO] = TCP_PROTOCOL_VERSION, // the version stands in the length
        [TCP_SEND] = UINT64_MAX,
        [TCP_READ] = UINT64_MAX,
        [TCP_READ_REPLY] = UINT64_MAX,
        [TCP_WRITE] = UINT64_MAX,
        [TCP_COMPARE_SWAP] = 16,
        [TCP_FETCH_ADD] = 8,
        [TCP_ATOMIC_REPLY] = 0,
        [TCP_NAK] = 0,
        [TCP_WRITE_ASKING] = UINT64_MAX,
        [TCP_WRITE_DONE] = 0,
};

int tcp_frame_check(const struct tcp_frame *frame, uint32_t message_size)
{
	if (frame->magic != TCP_MAGIC || frame->type == 0 || frame->type >= TCP_FRAME_TYPES)
		return -EPROTO;
	if (payload_length[frame->type] != UINT64_MAX)
		return frame->length == payload_length[frame->type] ? 0 : -EPROTO;
	if (frame->length == 0 || (frame->type == TCP_SEND && frame->length > message_size))
		return -EPROTO;
	return 0;
}

uint64_t tcp_frame_payload(const struct tcp_frame *frame)
{
	return frame->type == TCP_READ || frame->type == TCP_HELLO ? 0 : frame->length;
}
