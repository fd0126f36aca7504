// Storing under a key, one value: what put, publish, put-many and counter have in common (handle_kv.c). Writer thread only.
#ifndef SERVER_PUT_H
#define SERVER_PUT_H

#include <assert.h>
#include <stddef.h>

#include "server/request.h"

// What is to become the key's value: bytes (inline if they fit the record), or a value built already.
struct new_value {
	struct far_span bytes;
	struct far_record *built; // NULL: the bytes
	uint64_t ttl_ms;          // with FAR_PUT_HAS_TTL
};

// Finds or makes the place of a checked key and puts the value there, as request->flags, and `expected` and `mode` of request->message (a struct far_put_request), say. Fills request->reply, a struct far_change_reply with room
// for an extent behind it. A built value is used up only on success. -ECANCELED: the reply tells the current version; others as a put.
int put_store(struct request *request, struct far_span key, const struct new_value *new);

// The reply to a put, as put_store fills it.
struct put_answer {
	struct far_change_reply reply;
	struct far_wire_extent extent;
};
static_assert(offsetof(struct put_answer, extent) == sizeof(struct far_change_reply), "as behind a reply");

// The same on behalf of a request of another kind: `put` has the flags in its header, and what else a put's message says.
int put_store_for(const struct request *request, const struct far_put_request *put, struct far_span key, const struct new_value *new,
        struct put_answer *answer);

#endif
