// One get on a lane that the caller holds (get.c).
#ifndef CLIENT_GET_H
#define CLIENT_GET_H

#include <string.h>

#include "client/fetch.h"
#include "far/key.h"

// What must be as it was for bytes fetched by a key's location to count.
static inline enum fetch_rule get_rule(const void *key, size_t length)
{
	return memchr(key, '/', length) ? FETCH_PATH : FETCH_VALUE;
}

// Fetches the first `length` bytes of a checked key's value, or as many as it has, as far_get_into.
int get_front(struct far_lane *lane, struct far_span key, void *buffer, uint64_t length, uint64_t *size, uint64_t *version);

#endif
