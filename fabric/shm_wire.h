// What two processes share over shm: the memory of a lane and the notes on its socket. Both sides run on one host, but they may be builds of
// different days: SHM_VERSION is raised with every change here. Sizes and offsets are asserted.
//
// A lane's memory is one memfd that the server makes: the control page, then the ring to the server, then the ring to the client. Positions in a
// ring are byte counts since the lane began; a frame lies at position modulo size, never wraps, and begins at a multiple of a cache line.
#ifndef FABRIC_SHM_WIRE_H
#define FABRIC_SHM_WIRE_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "far/limits.h"

#define SHM_MAGIC 0x31304d4853524146ULL // "FARSHM01"
#define SHM_VERSION 1U
#define SHM_LINE 64U
#define SHM_CONTROL_SIZE FAR_PAGE_SIZE
#define SHM_RING_MESSAGES 8U // a ring holds at least 6 of the largest messages; small ones share that room

// One direction. Each word has a cache line of its own: the two sides write different ones.
struct shm_direction {
	_Alignas(SHM_LINE) _Atomic uint64_t head;   // producer: bytes published
	_Atomic uint32_t notes;                     // client: notes sent so far that count (see shm_note); published with head
	_Alignas(SHM_LINE) _Atomic uint64_t tail;   // consumer: bytes given back
	_Atomic uint32_t is_starved;                // producer: found no room, wake me at the next bytes given back
	_Alignas(SHM_LINE) _Atomic uint32_t sleeps; // consumer: wake me at the next bytes published
};
static_assert(sizeof(struct shm_direction) == 192, "shared between builds");

struct shm_control {
	struct shm_direction to_server;
	struct shm_direction to_client;
	_Alignas(SHM_LINE) _Atomic uint64_t read_section; // client
	_Alignas(SHM_LINE) _Atomic uint64_t operations;   // server: how many of the client's posted operations are done
	_Atomic int32_t end_status;                       // server: why it ended the lane, 0 while it has not
	_Alignas(SHM_LINE)
	        uint64_t results[FAR_LANE_DEPTH]; // server: old value of atomic number n at n % depth, valid once `operations` is above n
};
static_assert(offsetof(struct shm_control, read_section) == 384, "shared between builds");
static_assert(sizeof(struct shm_control) <= SHM_CONTROL_SIZE, "one page");

enum shm_frame_kind {
	SHM_FRAME_PAD = 1,      // nothing, up to the ring's end
	SHM_FRAME_MESSAGE,      // a message
	SHM_FRAME_WRITE,        // shm_operation; the bytes are in the client's region `source`
	SHM_FRAME_WRITE_INLINE, // shm_operation; the bytes follow
	SHM_FRAME_COMPARE_SWAP, // shm_operation
	SHM_FRAME_FETCH_ADD,    // shm_operation
};

struct shm_frame {
	uint32_t kind;
	uint32_t length; // of what follows
	uint64_t reserved;
};
static_assert(sizeof(struct shm_frame) == 16, "shared between builds");

struct shm_operation {
	uint64_t rkey; // of the server's region
	uint64_t offset;
	uint64_t length;
	uint64_t operand[2]; // write: {source rkey, source offset}; compare-and-swap: {expected, desired}; fetch-and-add: {addend, 0}
};
static_assert(sizeof(struct shm_frame) + sizeof(struct shm_operation) <= SHM_LINE, "an operation is one cache line");

// Notes are packets on the lane's socket (SOCK_SEQPACKET). A packet of one byte is a wake-up and nothing else.
enum shm_note_kind {
	SHM_NOTE_HELLO = 1,     // client's first: magic, version, message_size
	SHM_NOTE_WELCOME,       // server's answer: status, message_size as agreed, length of a ring; with the lane's memfd
	SHM_NOTE_REGION_ADD,    // client, counted: a region of its own; with its memfd
	SHM_NOTE_REGION_REMOVE, // client, counted: answered once no access goes on
	SHM_NOTE_IMPORT,        // client, counted: asks for the server's region `rkey` of at least `length`
	SHM_NOTE_ANSWER,        // server: status; to an import with rights, fd_offset, and the memfd where loads are allowed
};

#define SHM_RIGHT_STORES 0x100U // beside enum fabric_right in an answer: the memfd may be mapped writable

struct shm_note {
	uint64_t magic;
	uint32_t version;
	uint32_t kind;
	int32_t status;
	uint32_t rights;
	uint32_t message_size;
	uint32_t ring_size;
	uint64_t rkey;
	uint64_t length;
	uint64_t fd_offset;
};
static_assert(sizeof(struct shm_note) == 56, "shared between builds");

#endif
