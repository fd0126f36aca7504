// Frames of the tcp provider: what goes over the stream. A frame is a header of 32 bytes and, by its type, a payload. The first frame each side sends is a HELLO.
// docs/protocol.md tells the rules of the conversation.
#ifndef FABRIC_TCP_FRAME_H
#define FABRIC_TCP_FRAME_H

#include <assert.h>
#include <stdint.h>

#define TCP_MAGIC 0x31504346U // "FCP1", in every frame: a stream out of step, or of another protocol, shows at once

enum tcp_frame_type {
	TCP_HELLO = 1,         // rkey: message size, offset: depth, length: protocol version
	TCP_SEND = 2,          // payload: a message
	TCP_READ = 3,          // rkey, offset, length
	TCP_READ_REPLY = 4,    // payload: the bytes
	TCP_WRITE = 5,         // rkey, offset; payload: the bytes
	TCP_COMPARE_SWAP = 6,  // rkey, offset; payload: expected, desired
	TCP_FETCH_ADD = 7,     // rkey, offset; payload: addend
	TCP_ATOMIC_REPLY = 8,  // offset: the old value
	TCP_NAK = 9,           // offset: errno; the lane is dead
	TCP_WRITE_ASKING = 10, // as TCP_WRITE, and to be answered
	TCP_WRITE_DONE = 11,   // the bytes are in place
	TCP_FRAME_TYPES,
};

#define TCP_PROTOCOL_VERSION 1U

struct tcp_frame {
	uint32_t magic;
	uint32_t type; // enum tcp_frame_type
	uint64_t rkey;
	uint64_t offset;
	uint64_t length; // of the payload; TCP_READ: of the bytes asked for
};
static_assert(sizeof(struct tcp_frame) == 32, "wire");

// Checks a header by itself. `message_size` bounds messages. 0, or -EPROTO.
int tcp_frame_check(const struct tcp_frame *frame, uint32_t message_size);

// The bytes that follow the header in the stream.
uint64_t tcp_frame_payload(const struct tcp_frame *frame);

#endif
