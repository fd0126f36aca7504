#include "client/counter.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/locate.h"
#include "client/put.h"

// Counters: values of 8 bytes. What changes them is a request, for the server's thread is what makes it atomic with all other changes; reading one is a get.

// What a call asks for. `previous` and `value` (may be NULL) get the counter's before and behind the change; with -ECANCELED both are what it has.
struct counter {
	const char *what; // the call, for its text
	struct far_span key;
	struct counter_change change;
	int64_t *previous, *value;
};

// --- requests ---

static int make(struct counter_change *change, const char *what, const struct far_counter_options *options)
{
	struct far_counter_options all = {0};

	if (options)
		memcpy(&all, options, options->size < sizeof(all) ? options->size : sizeof(all));
	if (all.flags & ~(unsigned)FAR_NO_CREATE)
		return error_set(-EINVAL, "%s: unknown flags 0x%x", what, all.flags);
	if (all.flags & FAR_NO_CREATE && (all.initial || all.ttl_ms))
		return error_set(-EINVAL, "%s: initial value and time to live are a new counter's, and none is to be made", what);
	change->flags |= all.flags & FAR_NO_CREATE ? 0 : FAR_COUNTER_CREATE;
	change->message.initial = all.initial;
	change->message.ttl_ms = all.ttl_ms;
	return all.ttl_ms ? error_of_ttl(all.ttl_ms) : 0;
}

int counter_change_add(struct counter_change *change, int64_t delta, const struct far_counter_options *options)
{
	*change = (struct counter_change){.message.operand = delta};
	return make(change, "add", options);
}

int counter_change_set(struct counter_change *change, int64_t value, const struct far_counter_options *options)
{
	*change = (struct counter_change){.message.operand = value, .flags = FAR_COUNTER_SET};
	return make(change, "set", options);
}

void counter_change_cas(struct counter_change *change, int64_t expected, int64_t desired)
{
	*change = (struct counter_change){.message = {.operand = desired, .expected = expected}, .flags = FAR_COUNTER_CAS};
}

void key_request_counter(struct key_request *request, struct far_span key, const struct counter_change *change)
{
	request->message.counter = change->message;
	request->message.counter.mode = PUT_MODE;
	request->message.counter.key_length = (uint16_t)key.length;
	request->call = (struct call){
	        .op = FAR_OP_COUNTER,
	        .flags = change->flags,
	        .is_change = true,
	        .message = &request->message,
	        .length = sizeof(request->message.counter),
	        .parts = {key},
	};
}

const struct far_counter_reply *counter_reply(int error, const struct reply *reply)
{
	bool is_told = (error == 0 || error == -ECANCELED) && reply->message && reply->length >= sizeof(struct far_counter_reply);

	return is_told ? (const struct far_counter_reply *)reply->message : NULL;
}

// --- calls ---

static int change(struct far_lane *lane, struct counter *counter)
{
	const struct far_counter_reply *answer;
	struct key_request request;
	struct reply reply;
	int error;

	key_request_counter(&request, counter->key, &counter->change);
	locate_drop_key(lane, locate_hash_key(lane, counter->key.bytes, counter->key.length));
	error = call(lane, &request.call, sizeof(*answer), &reply);
	answer = counter_reply(error, &reply);
	if (answer && counter->previous)
		*counter->previous = answer->previous;
	if (answer && counter->value)
		*counter->value = answer->value;
	reply_release(lane, &reply);
	return error;
}

static int error_of_counter(int error, const char *what, struct far_span key)
{
	if (error == -EINVAL)
		return error_because(error, what, key.bytes, key.length, "no counter: a counter is a value of exactly 8 bytes");
	if (error == -ECANCELED)
		return error_because(error, what, key.bytes, key.length, "the counter has not the expected value");
	return error_of_key(error, what, key.bytes, key.length);
}

static int change_counter(far_session *session, struct counter *counter)
{
	struct far_lane *lane;
	int error = far_key_check(counter->key.bytes, counter->key.length);

	if (error)
		return error_of_key(error, counter->what, counter->key.bytes, counter->key.length);
	error = lane_acquire(session, &lane);
	if (error)
		return error;
	error = change(lane, counter);
	lane_release(lane);
	return error_of_counter(error, counter->what, counter->key);
}

int far_counter_add(
        far_session *session, const void *key, size_t key_length, int64_t delta, const struct far_counter_options *options, int64_t *value)
{
	struct counter counter = {.what = "add", .key = put_key(key, key_length), .value = value};
	int error = counter_change_add(&counter.change, delta, options);

	return error ? error : change_counter(session, &counter);
}

int far_counter_set(far_session *session, const void *key, size_t key_length, int64_t value, const struct far_counter_options *options,
        int64_t *previous)
{
	struct counter counter = {.what = "set", .key = put_key(key, key_length), .previous = previous};
	int error = counter_change_set(&counter.change, value, options);

	return error ? error : change_counter(session, &counter);
}

int far_counter_cas(far_session *session, const void *key, size_t key_length, int64_t expected, int64_t desired, int64_t *current)
{
	struct counter counter = {.what = "compare-and-swap", .key = put_key(key, key_length), .previous = current};

	counter_change_cas(&counter.change, expected, desired);
	return change_counter(session, &counter);
}

int far_counter_get(far_session *session, const void *key, size_t key_length, int64_t *value)
{
	uint64_t size;
	int64_t cell;
	ssize_t got = far_get_into(session, key, key_length, &cell, sizeof(cell), 0, &size, NULL);

	if (got < 0)
		return (int)got;
	if (size != sizeof(cell))
		return error_of_counter(-EINVAL, "get", put_key(key, key_length));
	*value = cell;
	return 0;
}
