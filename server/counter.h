// Counters: regular objects whose value is exactly 8 bytes, an int64_t, little-endian. Nothing else marks them: what is stored there by a put or a write of so many bytes is one, wherever its bytes are (in the
// record, a block, a page, or a hole). Writer thread only.
#ifndef SERVER_COUNTER_H
#define SERVER_COUNTER_H

#include <stdbool.h>

#include "server/server.h"

bool counter_is(const struct far_record *object);

// The value of an object that is a counter.
int64_t counter_get(const struct server *server, const struct far_record *object);

// Stores a value in an object that is a counter, or has no bytes and becomes one: version + 1, and the times of a change. -ENOSPC changes nothing.
int counter_set(struct server *server, struct far_record *object, int64_t value);

#endif
