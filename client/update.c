#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "client/error.h"
#include "client/put.h"
#include "far/clock.h"

// Changes that depend on the value: compare-and-swap that tells what is there instead, and read-modify-write made of it. Who loses gets the current value with the refusal, so another attempt is one round trip.

// Who loses again and again waits, at random up to a bound that doubles, so that of many at one key each gets its turn.
#define PAUSE_FIRST_NS 20000U
#define PAUSE_MOST_NS 5000000U

// What is there under the key; NULL and version 0: nothing.
static int read_current(far_session *session, struct far_span key, struct put_target *target)
{
	size_t length = 0;
	int error = far_get(session, key.bytes, key.length, &target->current, &length, &target->version);

	if (error == -ENOENT) {
		target->current = NULL;
		target->version = 0;
		error = 0;
	}
	target->current_length = length;
	return error;
}

// One attempt. -ECANCELED: target has what is there.
static int swap(far_session *session, const char *what, const void *value, size_t length, struct put_target *target)
{
	int error;

	target->is_conditional = true;
	target->wants_current = true;
	error = put_call(session, what, value, length, target);
	if (error == -ECANCELED && target->version && !target->current)
		error = read_current(session, target->key, target);
	else
		return error;
	return error ? error : error_of_key(-ECANCELED, what, target->key.bytes, target->key.length);
}

int far_cas_current(far_session *session, const void *key, size_t key_length, const void *value, size_t length, uint64_t expected,
        uint64_t *version, void **current, size_t *current_length)
{
	struct put_target target = {.key = put_key(key, key_length), .expected = expected};
	int error = swap(session, "compare-and-swap", value, length, &target);

	*current = NULL;
	*current_length = 0;
	if ((!error || error == -ECANCELED) && version)
		*version = target.version;
	if (error != -ECANCELED) {
		free(target.current);
		return error;
	}
	*current = target.current;
	*current_length = target.current_length;
	return error;
}

static void pause_at_random(unsigned lost, uint64_t *random)
{
	uint64_t most = lost < 8 ? (uint64_t)PAUSE_FIRST_NS << lost : PAUSE_MOST_NS;
	struct timespec pause;

	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	most = most < PAUSE_MOST_NS ? most : PAUSE_MOST_NS;
	pause = (struct timespec){.tv_nsec = (long)(*random % most)};
	nanosleep(&pause, NULL);
}

struct update {
	far_session *session;
	far_change *change;
	void *context;
	const struct far_put_options *options;
};

// One attempt on what `target` has read. 1: it is left as it is.
static int attempt(const struct update *update, struct put_target *target)
{
	struct put_target next = {.key = target->key};
	const void *changed = NULL;
	size_t length = 0;
	int error = update->change(update->context, target->current, target->current_length, target->version, &changed, &length);

	if (error)
		return error < 0 ? error : 1;
	error = put_take_options(update->options, &next);
	if (error)
		return error;
	next.expected = target->version;
	error = swap(update->session, "update", changed, length, &next);
	free(target->current);
	*target = next;
	return error;
}

static int update_until(const struct update *update, struct put_target *target)
{
	uint64_t begun_ns = clock_now_ns();
	uint64_t limit_ns = (uint64_t)update->session->timeout_ms * 1000000U;
	uint64_t random = begun_ns ^ (uint64_t)(uintptr_t)target; // never 0: the clock is not where the stack is
	int error;

	for (unsigned lost = 0;; lost++) {
		error = attempt(update, target);
		if (error != -ECANCELED)
			return error;
		if (clock_now_ns() - begun_ns > limit_ns)
			return error_set(-ETIMEDOUT, "update: others changed the value faster for %d ms", update->session->timeout_ms);
		if (lost > 0)
			pause_at_random(lost, &random);
	}
}

int far_update(far_session *session, const void *key, size_t key_length, far_change *change, void *context,
        const struct far_put_options *options, uint64_t *version)
{
	struct update update = {session, change, context, options};
	struct put_target target = {.key = put_key(key, key_length)};
	int error = put_take_options(options, &target);

	if (error)
		return error;
	if (target.is_conditional)
		return error_set(-EINVAL, "update: it is conditional by itself");
	error = read_current(session, target.key, &target);
	if (!error)
		error = update_until(&update, &target);
	free(target.current);
	if (error < 0)
		return error;
	if (version)
		*version = target.version;
	return 0;
}
