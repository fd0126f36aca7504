// Changes of counters, made for whoever sends them: a call that waits, or a queue.
#ifndef CLIENT_COUNTER_H
#define CLIENT_COUNTER_H

#include "client/key_request.h"
#include "far.h"

// What a change asks for beside the key, checked.
struct counter_change {
	struct far_counter_request message;
	uint16_t flags; // enum far_counter_flag
};

// options may be NULL. 0, or -EINVAL with a text.
int counter_change_add(struct counter_change *change, int64_t delta, const struct far_counter_options *options);
int counter_change_set(struct counter_change *change, int64_t value, const struct far_counter_options *options);
void counter_change_cas(struct counter_change *change, int64_t expected, int64_t desired);

void key_request_counter(struct key_request *request, struct far_span key, const struct counter_change *change);

// What a reply received with `error` says of the counter, changed or not; NULL: nothing.
const struct far_counter_reply *counter_reply(int error, const struct reply *reply);

#endif
