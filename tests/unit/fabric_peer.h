// The other process of the fabric's conformance tests: a server with some regions that does what messages tell it.
#ifndef TESTS_FABRIC_PEER_H
#define TESTS_FABRIC_PEER_H

#include <stdint.h>
#include <sys/types.h>

#include "fabric/fabric.h"

enum peer_region {
	PEER_OPEN,     // read and write, of PEER_REGION_LENGTH
	PEER_READONLY, // read
	PEER_SCOPED,   // read and write, scope PEER_SCOPE
	PEER_SEALED,   // write; its first PEER_SEALED_LENGTH bytes are sealed
	PEER_ATOMIC,   // read and atomic
	PEER_REGIONS,
};

#define PEER_REGION_LENGTH (9U << 20)
#define PEER_SMALL_LENGTH 65536U
#define PEER_SEALED_LENGTH 4096U
#define PEER_SCOPE 7U

enum peer_command {
	PEER_ECHO = 1,   // the same message back
	PEER_DESCRIBE,   // struct peer_description back
	PEER_SET_SCOPE,  // argument: the lane's scope
	PEER_FILL,       // region, offset, length, seed: fills with the pattern
	PEER_CHECK,      // region, offset, length, seed: value 1 back if the pattern is there
	PEER_PUSH,       // rkey, offset, length, seed: writes the pattern into the client's region, then answers
	PEER_PULL,       // rkey, offset, length, seed: reads the client's region, value 1 back if the pattern is there
	PEER_SLEEP,      // argument: ms in which it does not poll; no answer
	PEER_STREAM,     // argument: sends so many messages, numbered in `value`, of growing length; no other answer
	PEER_COUNT,      // argument: nothing back, but counted; PEER_COUNTED tells
	PEER_COUNTED,    // value: messages counted, in order; UINT64_MAX if one was out of order
	PEER_CPU,        // value: CPU time used, ns
	PEER_SECTION,    // value: fabric_read_section of the lane
	PEER_UNREGISTER, // region
	PEER_DISCONNECT, // ends the lane; no answer
	PEER_SHUT,       // fabric_shut; no answer
	PEER_DIE,        // SIGKILL; no answer
	PEER_LANES,      // value: lanes open
	PEER_HOLD,       // keeps the next `argument` messages unreleased until another PEER_HOLD
};

struct peer_message {
	uint32_t command;
	uint32_t region;
	uint64_t argument;
	uint64_t rkey;
	uint64_t offset;
	uint64_t length;
	uint64_t seed;
	uint64_t value;
};

struct peer_description {
	struct peer_message message;
	uint64_t rkeys[PEER_REGIONS];
};

struct peer {
	pid_t pid;
	struct fabric_address address;
	char folder[64]; // of the socket, removed by peer_stop
};

// Byte number i of a pattern. Differs in every position and seed, so that shifted or stale bytes show.
static inline uint8_t peer_pattern(uint64_t seed, uint64_t i)
{
	uint64_t mixed = (seed + 1) * 0x9E3779B97F4A7C15ULL + (i >> 3) * 0xD1B54A32D192ED03ULL;

	return (uint8_t)((mixed ^ mixed >> 29) >> (8 * (i & 7)));
}

void peer_fill(void *memory, uint64_t length, uint64_t seed);
bool peer_check(const void *memory, uint64_t length, uint64_t seed);

// The provider of that name: "rdma-socket" is rdma with connect=socket.
const char *peer_provider(const char *name);

// Forks a server process of this provider and waits until it listens. 0, or -1.
int peer_start(struct peer *peer, const char *provider);

// The same for one that listens at this address of the host.
int peer_start_at(struct peer *peer, const char *provider, const char *host);

// The same for one that shares its memory (fabric_options.is_sharing).
int peer_start_sharing(struct peer *peer, const char *provider);

// Kills it, if it still runs.
void peer_stop(struct peer *peer);

#endif
