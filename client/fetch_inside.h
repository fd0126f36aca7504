// What fetch.c and fetch_posted.c share.
#ifndef CLIENT_FETCH_INSIDE_H
#define CLIENT_FETCH_INSIDE_H

#include "client/fetch.h"

// What a record says of itself after its value was fetched, and the pool's epoch if the rule asks for it.
struct fetch_found {
	uint64_t word;
	uint64_t version;
	uint64_t id;
	uint64_t epoch;
};

bool fetch_is_as_located(const struct located *located, enum fetch_rule rule, const struct fetch_found *found);

// Goes through the pieces of a range: stored ones are handed to `stored`, holes become zeros.
typedef int fetch_piece(struct far_lane *lane, char *to, uint64_t pool_offset, uint64_t length);
int fetch_each_piece(
        struct far_lane *lane, const struct located *located, char *buffer, uint64_t offset, uint64_t length, fetch_piece *stored);

// As fetch, by posted reads.
int fetch_posted(
        struct far_lane *lane, const struct located *located, enum fetch_rule rule, char *buffer, uint64_t offset, uint64_t length);

int fetch_parts_posted(struct far_lane *lane, const struct fetch_part *parts, unsigned count);

#endif
