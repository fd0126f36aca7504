// Looking at records one-sidedly, where a location is not known yet: attributes by id, and what the index leads to.
#ifndef CLIENT_LOOK_H
#define CLIENT_LOOK_H

#include "client/session.h"

#define LOOK_BEHIND (FAR_NAME_MAX + 1 + FAR_INLINE_MAX) // a name and an inline value

// A record of one piece (R6), in the lane's own memory until its next look or fetch.
struct look {
	uint64_t before; // the word in front of all else
	struct far_record record;
	char behind[LOOK_BEHIND]; // what follows the fixed part, as much as was asked for
	uint64_t word;
	uint64_t version;
	uint64_t size;
	uint64_t epoch;
	uint64_t probing;
};

// The pool's header and one bucket with what led there, as they were one behind the other.
struct look_bucket {
	uint64_t slots[8]; // struct far_bucket
	uint64_t chunk;
	struct far_pool_header header;
};

// Fetches the record at a pool offset. 1: it is of one piece; 0: it is being changed, or lies outside of the pool; or a negative errno (-EIO: the connection is gone). Cost: one
// round trip, or loads.
int look_at(struct far_lane *lane, uint64_t offset, uint32_t behind, const struct look **look);

// Fetches 8 bytes, a bucket (offset 0: none) and the header, in the order bucket, 8 bytes, header. 1, 0 (outside), or a negative errno.
int look_at_bucket(struct far_lane *lane, uint64_t bucket, uint64_t entry, const struct look_bucket **look);

#endif
