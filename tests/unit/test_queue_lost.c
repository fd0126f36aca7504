// Queues whose server goes away, hangs, or comes back: each operation has one completion, none is lost, and no change is made twice. tests/integration/test_reconnect.c does so with the programs.
#include "queued.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define LARGE (300U << 10) // more than a message
#define DEPTH 200U         // more than the 32 messages that are under way at once

static char large[LARGE];
static struct far_stat stats[DEPTH];
static char bytes[DEPTH][8];

enum { PUT, PUT_LARGE, DELETE, GET, GET_INTO, GET_LARGE, STAT, KINDS };

static bool is_change(size_t kind)
{
	return kind < GET;
}

// Operation `number` of one kind, on a key of its own: no warm get is loaded, for nothing is remembered of it.
static void begin(far_queue *queue, size_t kind, size_t number)
{
	static char keys[DEPTH][8];
	char *key = keys[number];
	int error = -1;

	snprintf(key, sizeof(keys[number]), "k%zu", number);
	switch (kind) {
	case PUT:
		error = queued_put(queue, key, "value", 5, number);
		break;
	case PUT_LARGE:
		error = queued_put(queue, key, large, number % 20 ? 9000 : LARGE, number);
		break;
	case DELETE:
		error = queued_delete(queue, key, number);
		break;
	case GET:
		error = queued_get(queue, key, number);
		break;
	case GET_INTO:
		error = queued_get_into(queue, key, bytes[number], sizeof(bytes[number]), number);
		break;
	case GET_LARGE:
		error = queued_get_into(queue, key, large, sizeof(large), number);
		break;
	case STAT:
		error = far_queue_stat(queue, key, strlen(key), &stats[number], (void *)number);
		break;
	}
	assert_int_equal(error, 0);
}

// A lane that has found the server away looks for it again only after a while.
static far_queue *new_once_reachable(far_session *session, unsigned depth)
{
	far_queue *queue = NULL;
	int error;

	do
		error = far_queue_new(session, depth, &queue);
	while (error == -ENOTCONN);
	assert_int_equal(error, 0);
	return queue;
}

// All of one kind, or all kinds in turn. The server does not look at any of them.
static far_queue *fill_while_held(struct queued *queued, size_t kind)
{
	far_queue *queue = new_once_reachable(queued->session, DEPTH);

	served_apart_hold(&queued->apart);
	for (size_t i = 0; i < DEPTH; i++)
		begin(queue, kind == KINDS ? i % KINDS : kind, i);
	far_queue_submit(queue);
	assert_int_equal(far_queue_poll(queue, &(struct far_completion){0}, 1), 0);
	return queue;
}

static void test_queue__server_that_goes_ends_each_once(void **state)
{
	for (size_t kind = 0; kind <= KINDS; kind++) {
		struct queued *queued = *state;
		far_queue *queue = fill_while_held(queued, kind);

		served_apart_kill(&queued->apart);
		for (size_t i = 0; i < DEPTH; i++) {
			struct far_completion completion = queued_take(queue, i);
			bool is_sent_change = completion.result == -EIO;

			assert_true(is_sent_change || completion.result == -ENOTCONN);
			assert_true(!is_sent_change || is_change(kind == KINDS ? i % KINDS : kind));
			assert_null(completion.value);
			assert_int_equal(completion.version, 0);
		}
		queued_expect_empty(queue);
		far_queue_free(queue);
		served_apart_start_again(&queued->apart);
	}
}

// What had left is -EIO and what had not is -ENOTCONN: the first of them, and the others.
static void test_queue__only_changes_that_had_left_are_in_doubt(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = fill_while_held(queued, DELETE);
	size_t doubtful = 0;

	served_apart_kill(&queued->apart);
	for (size_t i = 0; i < DEPTH; i++) {
		int result = queued_take(queue, i).result;

		if (result == -EIO && doubtful == i)
			doubtful++;
		else
			assert_int_equal(result, -ENOTCONN);
	}
	assert_in_range(doubtful, 1, 32);
	far_queue_free(queue);
}

// Taken one at a time through the descriptor's own waits, and at once.
static void test_queue_poll__finds_all_that_a_lost_server_ended(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = fill_while_held(queued, KINDS);
	struct far_completion completions[DEPTH];
	unsigned taken = 0;

	served_apart_kill(&queued->apart);
	while (taken < DEPTH) {
		unsigned more = far_queue_poll(queue, completions + taken, taken % 3 + 1);

		for (unsigned i = taken; i < taken + more; i++)
			assert_int_equal((size_t)completions[i].context, i);
		taken += more;
	}
	queued_expect_empty(queue);
	far_queue_free(queue);
}

static void test_queue_free__of_a_server_that_is_gone(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = fill_while_held(queued, KINDS);

	served_apart_kill(&queued->apart);
	far_queue_free(queue); // nobody has looked since
	assert_int_equal(far_queue_new(queued->session, 1, &queue), -ENOTCONN);
	served_apart_start_again(&queued->apart);
	queue = new_once_reachable(queued->session, 1);
	assert_int_equal(queued_delete(queue, "key", 0), 0);
	assert_int_equal(queued_take(queue, 0).result, -ENOENT);
	far_queue_free(queue);
}

// Questions are asked once more; changes that had left are not made again, the others are made on the new server.
static void test_queue__server_that_is_back_answers_what_is_left(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = fill_while_held(queued, KINDS);
	size_t doubtful = 0;

	served_apart_kill(&queued->apart);
	served_apart_start_again(&queued->apart);
	queued_wait_until_reachable(queued->session);
	for (size_t i = 0; i < DEPTH; i++) {
		int result = queued_take(queue, i).result;

		if (result == -EIO) {
			assert_true(is_change(i % KINDS));
			doubtful++;
		} else {
			assert_int_equal(result, i % KINDS == PUT || i % KINDS == PUT_LARGE ? 0 : -ENOENT);
		}
	}
	assert_in_range(doubtful, 1, DEPTH / 2);
	queued_expect_empty(queue);
	far_queue_free(queue);
}

// Wherever it is with asking again when the server goes once more.
static void test_queue__server_that_goes_twice_ends_each_once(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = fill_while_held(queued, STAT);

	served_apart_kill(&queued->apart);
	served_apart_start_again(&queued->apart);
	queued_wait_until_reachable(queued->session);
	far_queue_submit(queue);
	served_apart_kill(&queued->apart);
	for (size_t i = 0; i < DEPTH; i++) {
		int result = queued_take(queue, i).result;

		assert_true(result == -EIO || result == -ENOTCONN || result == -ENOENT);
	}
	queued_expect_empty(queue);
	far_queue_free(queue);
}

// --- a server that hangs ---

static far_session *connect_impatient(struct queued *queued)
{
	const struct far_options options = {.size = sizeof(options), .timeout_ms = 2000};
	far_session *session = NULL;

	assert_int_equal(far_connect(queued->apart.address, &options, &session), 0);
	return session;
}

static void test_queue__time_limit_ends_what_is_under_way(void **state)
{
	struct queued *queued = *state;
	struct queued impatient = {.apart = queued->apart, .session = connect_impatient(queued)};
	far_queue *queue = fill_while_held(&impatient, KINDS);
	size_t late = 0;

	for (size_t i = 0; i < DEPTH; i++) {
		int result = queued_take(queue, i).result;

		// What had not left finds no server.
		assert_true(result == -ETIMEDOUT || result == -ENOTCONN);
		late += result == -ETIMEDOUT;
	}
	assert_in_range(late, 1, DEPTH);
	queued_expect_empty(queue);
	served_apart_go_on(&queued->apart);
	for (int result = -ENOTCONN; result;) { // as soon as it answers in time
		assert_int_equal(queued_put(queue, "key", "value", 5, 0), 0);
		result = queued_take(queue, 0).result;
		assert_true(result == 0 || result == -ENOTCONN || result == -ETIMEDOUT);
	}
	far_queue_free(queue);
	far_close(impatient.session);
}

// Who waits by other means finds it by polling.
static void test_queue_poll__notices_a_time_that_is_over(void **state)
{
	struct queued *queued = *state;
	far_session *session = connect_impatient(queued);
	far_queue *queue = queued_new(session, 4);
	struct far_completion completion;

	served_apart_hold(&queued->apart);
	assert_int_equal(queued_delete(queue, "key", 7), 0);
	while (far_queue_poll(queue, &completion, 1) == 0)
		;
	assert_int_equal((size_t)completion.context, 7);
	assert_int_equal(completion.result, -ETIMEDOUT);
	queued_expect_empty(queue);
	far_queue_free(queue);
	far_close(session);
}

// Each of two has its own connection: the one that nobody hurt goes on.
static void test_queue__time_limit_is_the_sessions_own(void **state)
{
	struct queued *queued = *state;
	far_session *session = connect_impatient(queued);
	far_queue *impatient = queued_new(session, 4), *patient = queued_new(queued->session, 4);

	served_apart_hold(&queued->apart);
	assert_int_equal(queued_put(impatient, "a", "value", 5, 0), 0);
	assert_int_equal(queued_put(patient, "b", "value", 5, 1), 0);
	far_queue_submit(patient);
	assert_int_equal(queued_take(impatient, 0).result, -ETIMEDOUT);
	assert_int_equal(far_queue_poll(patient, &(struct far_completion){0}, 1), 0);
	served_apart_go_on(&queued->apart);
	assert_int_equal(queued_take(patient, 1).result, 0);
	far_queue_free(impatient);
	far_queue_free(patient);
	far_close(session);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	        QUEUED(test_queue__server_that_goes_ends_each_once),
	        QUEUED(test_queue__only_changes_that_had_left_are_in_doubt),
	        QUEUED(test_queue_poll__finds_all_that_a_lost_server_ended),
	        QUEUED(test_queue_free__of_a_server_that_is_gone),
	        QUEUED(test_queue__server_that_is_back_answers_what_is_left),
	        QUEUED(test_queue__server_that_goes_twice_ends_each_once),
	        QUEUED(test_queue__time_limit_ends_what_is_under_way),
	        QUEUED(test_queue_poll__notices_a_time_that_is_over),
	        QUEUED(test_queue__time_limit_is_the_sessions_own),
	};

	return queued_main(argc, argv, tests);
}
