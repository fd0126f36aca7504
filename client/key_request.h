// Requests about one key that carry no value, made for whoever sends them: a call that waits, or a queue.
#ifndef CLIENT_KEY_REQUEST_H
#define CLIENT_KEY_REQUEST_H

#include "client/call.h"

// The call points into it.
struct key_request {
	struct call call;
	union {
		struct far_counter_request counter; // counter.h
		struct far_delete_request delete;
		struct far_expire_request expire;
		struct far_key_request key;
	} message;
};

// *expected: only this version; NULL: any. (change.c)
void key_request_delete(struct key_request *request, struct far_span key, const uint64_t *expected);
// What a reply with -ECANCELED says: the current version, 0 if it does not.
uint64_t key_reply_version(const struct reply *reply);

// (stat.c)
void key_request_stat(struct key_request *request, struct far_span key);

// ttl_ms 0: takes the time to live away. (expiry.c)
void key_request_expire(struct key_request *request, struct far_span key, uint64_t ttl_ms);
void key_request_ttl(struct key_request *request, struct far_span key);

#endif
