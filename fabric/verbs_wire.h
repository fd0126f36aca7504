// What two processes say to each other on a queue pair besides their messages, and when they connect. Little-endian, as both ends of the memory they share must be anyway.
//
// A message is its header, the owner's bytes, and records that the provider adds behind them: which regions the peer may reach from now on, and by which key of the device. So a
// region is known to the peer before the first message that can name it, and costs no message of its own.
#ifndef FABRIC_VERBS_WIRE_H
#define FABRIC_VERBS_WIRE_H

#include <assert.h>
#include <stdint.h>

#define VERBS_MAGIC 0x56726146U // "FarV"
#define VERBS_VERSION 1U
#define VERBS_RECORDS 16U // behind one message
#define VERBS_REFUSAL 120U

// The private data of a connection's request and of its acceptance. A request of version 0 asks only whether a FarFS server is there: it is refused with a text.
struct verbs_hello {
	uint32_t magic;
	uint32_t version;
	uint32_t message_size;
	uint32_t credits; // messages that the other side may send before it gets any back
};

// The private data of a refusal.
struct verbs_refusal {
	uint32_t magic;
	uint32_t version;
	char text[VERBS_REFUSAL]; // ends with NUL
};

// The exchange over a socket, where there is no connection manager: the client's request, then the server's answer or its refusal, then nothing: the socket stays open as long as the lane.
// The client's first message on the queue pair, a VERBS_CONTROL, shows the server that it got the answer, and its acknowledgement shows the client that the two devices reach each other.
enum verbs_letter { VERBS_REQUEST = 1, VERBS_ACCEPTANCE, VERBS_REFUSAL_LETTER };

struct verbs_letter_head {
	uint32_t magic;
	uint32_t version;
	uint32_t length; // with this
	uint32_t kind;   // enum verbs_letter
};

struct verbs_exchange {
	struct verbs_letter_head head;
	struct verbs_hello hello;
	uint32_t qp_number; // 24 bits
	uint32_t psn;       // 24 bits: of the first packet that this side sends
	uint8_t gid[16];
	uint16_t lid;         // InfiniBand only
	uint8_t mtu;          // enum ibv_mtu
	uint8_t link_layer;   // IBV_LINK_LAYER_*
	uint8_t gid_type;     // enum ibv_gid_type
	uint8_t reads_taken;  // reads and atomics that this side works on at once
	uint8_t reads_posted; // and that it posts at once
	uint8_t unused;
};

struct verbs_refusal_letter {
	struct verbs_letter_head head;
	struct verbs_refusal refusal;
};

enum verbs_kind {
	VERBS_MESSAGE = 1, // the owner's
	VERBS_CONTROL,     // only credits and records
	VERBS_ASK,         // wants an answer, with the records that wait
	VERBS_ANSWER,
	VERBS_BYE, // the last one: the lane has ended in order
};

struct verbs_header {
	uint32_t length; // of the owner's bytes
	uint16_t credits;
	uint8_t records;
	uint8_t kind; // enum verbs_kind
};

enum verbs_record_kind { VERBS_REGION_IS = 1, VERBS_REGION_WAS };

// The peer's region `rkey` is at `base` for the device, by its key.
struct verbs_record {
	uint64_t rkey;
	uint64_t base;
	uint64_t length;
	uint32_t key;
	uint32_t kind; // enum verbs_record_kind
};

static_assert(sizeof(struct verbs_hello) == 16, "fits the 56 bytes of a request");
static_assert(sizeof(struct verbs_refusal) == 128, "fits the 148 bytes of a refusal");
static_assert(sizeof(struct verbs_exchange) == 64, "wire size");
static_assert(sizeof(struct verbs_refusal_letter) == 144, "wire size");
static_assert(sizeof(struct verbs_header) == 8, "keeps messages aligned");
static_assert(sizeof(struct verbs_record) == 32, "wire size");

// Where the records are, from the header on.
static inline uint32_t verbs_records_offset(uint32_t length)
{
	return (uint32_t)sizeof(struct verbs_header) + ((length + 7U) & ~7U);
}

// The most that one message takes on the wire.
static inline uint32_t verbs_wire_size(uint32_t message_size)
{
	return verbs_records_offset(message_size) + VERBS_RECORDS * (uint32_t)sizeof(struct verbs_record);
}

#endif
