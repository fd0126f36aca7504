#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/locate.h"
#include "client/put.h"

// Counters: values of 8 bytes. What changes them is a request, for the server's thread is what makes it atomic with all other changes; reading one is a get.

#define MODE_DEFAULT 0644

// What a call asks for. `previous` and `value` (may be NULL) get the counter's before and behind the change; with -ECANCELED both are what it has.
struct counter {
	const char *what; // the call, for its text
	struct far_span key;
	struct far_counter_request message;
	uint16_t flags; // enum far_counter_flag
	int64_t *previous, *value;
};

static int change(struct far_lane *lane, struct counter *counter)
{
	const struct far_counter_reply *answer;
	struct call request = {
	        .op = FAR_OP_COUNTER,
	        .flags = counter->flags,
	        .is_change = true,
	        .message = &counter->message,
	        .length = sizeof(counter->message),
	        .parts = {counter->key},
	};
	struct reply reply;
	int error;

	counter->message.mode = MODE_DEFAULT;
	counter->message.key_length = (uint16_t)counter->key.length;
	locate_drop_key(lane, locate_hash_key(lane, counter->key.bytes, counter->key.length));
	error = call(lane, &request, sizeof(*answer), &reply);
	answer = (const struct far_counter_reply *)reply.message;
	if (!error || (error == -ECANCELED && answer && reply.length >= sizeof(*answer))) {
		if (counter->previous)
			*counter->previous = answer->previous;
		if (counter->value)
			*counter->value = answer->value;
	}
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

// -EINVAL, with a text.
static int take_options(const struct far_counter_options *options, struct counter *counter)
{
	struct far_counter_options all = {0};

	if (options)
		memcpy(&all, options, options->size < sizeof(all) ? options->size : sizeof(all));
	if (all.flags & ~(unsigned)FAR_NO_CREATE)
		return error_set(-EINVAL, "%s: unknown flags 0x%x", counter->what, all.flags);
	if (all.flags & FAR_NO_CREATE && (all.initial || all.ttl_ms))
		return error_set(-EINVAL, "%s: initial value and time to live are a new counter's, and none is to be made", counter->what);
	counter->flags |= all.flags & FAR_NO_CREATE ? 0 : FAR_COUNTER_CREATE;
	counter->message.initial = all.initial;
	counter->message.ttl_ms = all.ttl_ms;
	return all.ttl_ms ? error_of_ttl(all.ttl_ms) : 0;
}

int far_counter_add(
        far_session *session, const void *key, size_t key_length, int64_t delta, const struct far_counter_options *options, int64_t *value)
{
	struct counter counter = {.what = "add", .key = put_key(key, key_length), .message.operand = delta, .value = value};
	int error = take_options(options, &counter);

	return error ? error : change_counter(session, &counter);
}

int far_counter_set(far_session *session, const void *key, size_t key_length, int64_t value, const struct far_counter_options *options,
        int64_t *previous)
{
	struct counter counter = {
	        .what = "set", .key = put_key(key, key_length), .message.operand = value, .flags = FAR_COUNTER_SET, .previous = previous};
	int error = take_options(options, &counter);

	return error ? error : change_counter(session, &counter);
}

int far_counter_cas(far_session *session, const void *key, size_t key_length, int64_t expected, int64_t desired, int64_t *current)
{
	struct counter counter = {.what = "compare-and-swap",
	        .key = put_key(key, key_length),
	        .message = {.operand = desired, .expected = expected},
	        .flags = FAR_COUNTER_CAS,
	        .previous = current};

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
