// Bytes for the end of a key's value, or for an offset, made ready for whoever sends them: a call that waits, or a queue. One request each, so that they land whole.
#ifndef CLIENT_PUT_RANGE_H
#define CLIENT_PUT_RANGE_H

#include "client/put.h"

struct put_range {
	const char *what; // the call, for its text
	struct far_span key;
	const void *bytes;
	uint64_t length;
	uint64_t offset;
	uint16_t flags; // enum far_put_range_flag
};

// A request, which points into this and to what the range points to.
struct put_range_request {
	struct far_put_range_request message;
	struct put_ranges ranges;
	struct call call;
};

// What a caller asks for, checked; flags: FAR_CREATE or 0. 0, or a negative errno with a text.
int put_range_append(struct put_range *range, struct far_span key, const void *bytes, uint64_t length);
int put_range_at(struct put_range *range, struct far_span key, const void *bytes, uint64_t length, uint64_t offset, unsigned flags);

// Whether the bytes travel in the request. Else they stand in grants.
bool put_range_is_small(const struct far_lane *lane, const struct put_range *range);

// Asks for grants that have room for bytes which are not small; nothing may be under way. 0, -ENOSPC, or -EIO: the connection has ended.
int put_range_gather(struct far_lane *lane, const struct put_range *range);

// The request, with the bytes in grants, which have to have room (put_granted), if they are not small: it has to be sent on this very connection then. What was remembered of the key is forgotten. Or a negative errno.
int put_range_make(struct far_lane *lane, const struct put_range *range, struct put_range_request *request);

// Takes the reply (error: what it was received with). *size and *version (may be NULL) get the value's. Returns the range's result.
int put_range_take(
        struct far_lane *lane, const struct put_range *range, int error, const struct reply *reply, uint64_t *size, uint64_t *version);

#endif
