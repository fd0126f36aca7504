// client/queue.c and its kinds of operations, against a server that can be held: order, depth, the descriptor, results, and an end in the midst. test_queue_lost.c is about servers that go away; tests/integration/libfar_queue.c goes for
// many operations, sizes and threads.
#include "queued.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define LARGE (300U << 10) // more than a message

// Bytes that tell a value by its number.
static char *value_new(size_t length, size_t number)
{
	char *bytes = malloc(length + 1);

	assert_non_null(bytes);
	memset(bytes, (int)('a' + number % 26), length);
	return bytes;
}

static void check_value(const char *bytes, size_t length, size_t number)
{
	for (size_t i = 0; i < length; i++)
		assert_int_equal(bytes[i], 'a' + number % 26);
}

// --- order ---

static void test_queue__completions_come_in_the_order_of_the_calls(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 16);
	char *large = value_new(LARGE, 0), *into = value_new(LARGE, 1), byte;
	struct far_stat stat;
	uint64_t ttl_ms;
	size_t i = 0;

	served_apart_hold(&queued->apart);
	assert_int_equal(queued_put(queue, "large", large, LARGE, 0), 0);
	assert_int_equal(queued_put(queue, "small", "b", 1, 1), 0);
	assert_int_equal(queued_get_into(queue, "small", &byte, 1, 2), 0);
	assert_int_equal(queued_get_into(queue, "large", into, LARGE, 3), 0);
	assert_int_equal(far_queue_stat(queue, "large", 5, &stat, (void *)4), 0);
	assert_int_equal(queued_get(queue, "small", 5), 0);
	assert_int_equal(far_queue_expire(queue, "small", 5, 60000, (void *)6), 0);
	assert_int_equal(queued_get(queue, "large", 7), 0);
	assert_int_equal(far_queue_ttl(queue, "small", 5, &ttl_ms, (void *)8), 0);
	assert_int_equal(queued_delete(queue, "small", 9), 0);
	assert_int_equal(queued_get_into(queue, "small", &byte, 1, 10), 0);
	far_queue_submit(queue);
	assert_int_equal(far_queue_poll(queue, &(struct far_completion){0}, 1), 0);
	served_apart_go_on(&queued->apart);
	for (; i < 11; i++) {
		struct far_completion completion = queued_take(queue, i);

		assert_int_equal(completion.result, i == 10 ? -ENOENT : 0);
		assert_int_equal(completion.size, i == 2 || i == 5 ? 1 : i == 3 || i == 7 ? LARGE : 0);
		if (i == 7)
			check_value(completion.value, LARGE, 0);
		assert_true((i == 5 || i == 7) == (completion.value != NULL));
		free(completion.value);
	}
	queued_expect_empty(queue);
	assert_int_equal(byte, 'b');
	assert_int_equal(stat.size, LARGE);
	assert_in_range(ttl_ms, 1, 60000);
	check_value(into, LARGE, 0);
	free(large);
	free(into);
	far_queue_free(queue);
}

// Operation `number` of three on each of three keys in turn: a put, and gets into new memory and the caller's. No key is put anew while gets of it are under way: those of large values may see that.
#define TURN_DEPTH 5
struct turn {
	char *values[TURN_DEPTH], *into[3];
};

static const size_t turn_sizes[] = {0, 1, 1500, LARGE, 64, 9000, 7};

static void begin_turn(struct turn *turn, far_queue *queue, size_t number)
{
	static const char *const keys[] = {"a", "b", "c"};
	size_t which = number / 3;
	int error;

	if (number % 3 == 0)
		error = queued_put(queue, keys[which % 3], turn->values[which % TURN_DEPTH], turn_sizes[which % 7], number);
	else if (number % 3 == 1)
		error = queued_get(queue, keys[which % 3], number);
	else
		error = queued_get_into(queue, keys[which % 3], turn->into[which % 3], LARGE, number);
	assert_int_equal(error, 0);
}

static void take_turn(struct turn *turn, far_queue *queue, size_t number)
{
	struct far_completion completion = queued_take(queue, number);
	const char *bytes = number % 3 == 1 ? completion.value : turn->into[number / 3 % 3];

	assert_int_equal(completion.result, 0);
	if (number % 3 > 0) {
		assert_int_equal(completion.size, turn_sizes[number / 3 % 7]);
		check_value(bytes, completion.size, number / 3 % TURN_DEPTH);
	}
	free(completion.value);
}

// Round and round, with a depth that is no power of two, small and large, taken one or some at a time.
static void test_queue__places_are_used_again_and_again(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, TURN_DEPTH);
	struct turn turn;

	for (size_t i = 0; i < TURN_DEPTH; i++)
		turn.values[i] = value_new(LARGE, i);
	for (size_t i = 0; i < 3; i++)
		turn.into[i] = value_new(LARGE, 0);
	for (size_t begun = 0, taken = 0; taken < 120;) {
		while (begun < 120 && begun - taken < TURN_DEPTH)
			begin_turn(&turn, queue, begun++);
		do
			take_turn(&turn, queue, taken++);
		while (taken % 4 && taken < begun);
	}
	queued_expect_empty(queue);
	for (size_t i = 0; i < TURN_DEPTH; i++)
		free(turn.values[i]);
	for (size_t i = 0; i < 3; i++)
		free(turn.into[i]);
	far_queue_free(queue);
}

// --- depth ---

static void test_queue__one_more_than_depth_is_refused_and_not_begun(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 3);
	struct far_completion completions[4];
	struct far_stat stat;

	served_apart_hold(&queued->apart);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(queued_put(queue, "key", "value", 5, i), 0);
	assert_int_equal(queued_delete(queue, "key", 3), -EAGAIN);
	assert_non_null(strstr(far_last_error(), "3 operations"));
	served_apart_go_on(&queued->apart);
	assert_int_equal(queued_take(queue, 0).result, 0);
	assert_int_equal(far_queue_stat(queue, "key", 3, &stat, (void *)3), 0); // there is room for one
	assert_int_equal(queued_delete(queue, "key", 4), -EAGAIN);              // done, but not taken, counts, too
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(queued_take(queue, i).result, 0);
	assert_int_equal(far_queue_wait(queue, completions, 4, QUEUED_MS), 0);
	assert_int_equal(stat.size, 5);
	far_queue_free(queue);
}

// --- the descriptor ---

static bool is_readable(far_queue *queue, int timeout_ms)
{
	return poll(&(struct pollfd){.fd = far_queue_fd(queue), .events = POLLIN}, 1, timeout_ms) == 1;
}

// Until it sleeps well: wake-ups for nothing end.
static void arm_until_quiet(far_queue *queue)
{
	for (int turns = 0; far_queue_arm(queue) || is_readable(queue, 0); turns++) {
		assert_in_range(turns, 0, 100);
		assert_int_equal(far_queue_poll(queue, &(struct far_completion){0}, 1), 0);
	}
}

// As a program's loop does: poll(2) where armed.
static struct far_completion take_by_descriptor(far_queue *queue)
{
	struct far_completion completion;

	while (far_queue_poll(queue, &completion, 1) == 0)
		if (far_queue_arm(queue) == 0)
			assert_true(is_readable(queue, QUEUED_MS));
	return completion;
}

static void test_queue_arm__descriptor_is_quiet_until_something_has_come(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 8);
	struct far_stat stat;

	arm_until_quiet(queue);
	for (int round = 0; round < 3; round++) {
		served_apart_hold(&queued->apart);
		for (size_t i = 0; i < 8; i++)
			assert_int_equal(far_queue_stat(queue, "", 0, &stat, (void *)i), 0);
		arm_until_quiet(queue);
		served_apart_go_on(&queued->apart);
		assert_true(is_readable(queue, QUEUED_MS));
		assert_true(is_readable(queue, 0)); // until it is polled
		for (size_t i = 0; i < 8; i++) {
			struct far_completion completion = take_by_descriptor(queue);

			assert_int_equal((size_t)completion.context, i);
			assert_int_equal(completion.result, 0);
		}
		arm_until_quiet(queue);
	}
	far_queue_free(queue);
}

static void test_queue_arm__says_so_where_completions_are_left(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 8);
	struct far_stat stat;

	for (size_t i = 0; i < 8; i++)
		assert_int_equal(far_queue_stat(queue, "", 0, &stat, (void *)i), 0);
	for (size_t i = 0; i < 8; i++) // neighbours came meanwhile, and nothing will wake for them once more
		assert_int_equal((size_t)take_by_descriptor(queue).context, i);
	arm_until_quiet(queue);
	far_queue_free(queue);
}

// Replies that one call took off the connection are not forgotten by the next wait.
static void test_queue_arm__taken_replies_are_not_slept_over(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 8);
	struct far_stat stat;

	assert_int_equal(far_queue_stat(queue, "", 0, &stat, (void *)0), 0);
	assert_int_equal(far_queue_wait(queue, NULL, 0, QUEUED_MS), 0); // takes none
	while (far_queue_arm(queue) == 0)
		assert_int_equal(far_queue_poll(queue, NULL, 0), 0);
	assert_int_equal(far_queue_arm(queue), 1);
	assert_int_equal(queued_take(queue, 0).result, 0);
	queued_expect_empty(queue);
	far_queue_free(queue);
}

// --- results ---

static void test_queue__each_has_its_own_error(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 16);
	static const int expected[] = {-ENOENT, -ENOENT, -ENOENT, -ENOENT, -ENOENT, 0, -ENOTDIR, 0, 0, -EISDIR, 0};
	char into[3] = "---";
	struct far_stat stat;
	uint64_t ttl_ms;

	assert_int_equal(queued_get(queue, "none", 0), 0);
	assert_int_equal(queued_get_into(queue, "none", into, 3, 1), 0);
	assert_int_equal(far_queue_stat(queue, "none", 4, &stat, (void *)2), 0);
	assert_int_equal(queued_delete(queue, "none", 3), 0);
	assert_int_equal(far_queue_ttl(queue, "none", 4, &ttl_ms, (void *)4), 0);
	assert_int_equal(queued_put(queue, "d/key", "value", 5, 5), 0);
	assert_int_equal(queued_put(queue, "d/key/below", "value", 5, 6), 0);
	assert_int_equal(queued_get_into(queue, "d/key", into, 2, 7), 0); // too little room
	assert_int_equal(queued_get_into(queue, "d/key", NULL, 0, 8), 0);
	assert_int_equal(queued_put(queue, "d", "value", 5, 9), 0);
	assert_int_equal(queued_delete(queue, "d/key", 10), 0);
	for (size_t i = 0; i < 11; i++) {
		struct far_completion completion = queued_take(queue, i);

		assert_int_equal(completion.result, expected[i]);
		assert_null(completion.value);
		assert_int_equal(completion.size, i == 7 || i == 8 ? 5 : 0);
	}
	assert_memory_equal(into, "va-", 3);
	far_queue_free(queue);
}

static void test_queue__wrong_arguments_begin_nothing(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 2);
	struct far_stat stat;
	char key[4097], byte;
	uint64_t ttl_ms;

	memset(key, 'k', sizeof(key));
	assert_int_equal(far_queue_get(queue, key, 256, NULL), -ENAMETOOLONG);
	for (size_t i = 100; i < sizeof(key); i += 100)
		key[i] = '/';
	assert_int_equal(far_queue_get(queue, key, 4096, NULL), -ENAMETOOLONG);
	assert_int_equal(far_queue_get_into(queue, key, 4096, &byte, 1, NULL), -ENAMETOOLONG);
	assert_int_equal(far_queue_put(queue, key, 4096, "v", 1, NULL, NULL), -ENAMETOOLONG);
	assert_int_equal(far_queue_delete(queue, key, 4096, NULL), -ENAMETOOLONG);
	assert_int_equal(far_queue_stat(queue, key, SIZE_MAX, &stat, NULL), -ENAMETOOLONG);
	assert_int_equal(far_queue_ttl(queue, key, 4096, &ttl_ms, NULL), -ENAMETOOLONG);
	assert_int_equal(far_queue_put(queue, "", 0, "v", 1, NULL, NULL), -EINVAL);
	assert_int_equal(far_queue_put(queue, "k", 1, NULL, 1, NULL, NULL), -EINVAL);
	assert_int_equal(far_queue_get_into(queue, "k", 1, NULL, 1, NULL), -EINVAL);
	queued_expect_empty(queue);
	assert_int_equal(far_queue_get(queue, key, 4095, (void *)0), 0); // the longest that goes
	assert_int_equal(far_queue_put(queue, key, 4095, "v", 1, NULL, (void *)1), 0);
	assert_int_equal(queued_take(queue, 0).result, -ENOENT);
	assert_int_equal(queued_take(queue, 1).result, 0);
	far_queue_free(queue);
}

// The smallest pool: those that find room are stored, the others are refused, and what is asked between them is answered.
static void test_queue__full_pool_refuses_what_finds_no_room(void **state)
{
	enum { PUTS = 24 };
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 2 * PUTS);
	char *large = value_new(1U << 20, 0), keys[PUTS][8];
	unsigned stored = 0, refused = 0;
	struct far_stat stats[PUTS];

	for (size_t i = 0; i < PUTS; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
		assert_int_equal(queued_put(queue, keys[i], large, i % 4 ? 1U << 20 : 10, 2 * i), 0);
		assert_int_equal(far_queue_stat(queue, keys[i], strlen(keys[i]), &stats[i], (void *)(2 * i + 1)), 0);
	}
	for (size_t i = 0; i < PUTS; i++) {
		int put = queued_take(queue, 2 * i).result, stat = queued_take(queue, 2 * i + 1).result;

		assert_true(put == 0 || put == -ENOSPC);
		assert_int_equal(stat, put ? -ENOENT : 0);
		if (put == 0)
			assert_int_equal(stats[i].size, i % 4 ? 1U << 20 : 10);
		stored += put == 0;
		refused += put == -ENOSPC;
	}
	assert_in_range(stored, 1, PUTS - 1);
	assert_in_range(refused, 1, PUTS - 1);
	queued_expect_empty(queue);
	free(large);
	far_queue_free(queue);
}

// --- waiting ---

static void test_queue_wait__a_time_that_is_over_loses_nothing(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 4);
	struct far_completion completions[4];

	served_apart_hold(&queued->apart);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(queued_put(queue, "key", "value", 5, i), 0);
	assert_int_equal(far_queue_wait(queue, completions, 4, 30), 0);
	assert_int_equal(far_queue_wait(queue, completions, 4, 0), 0);
	assert_int_equal(far_queue_poll(queue, completions, 4), 0);
	served_apart_go_on(&queued->apart);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(queued_take(queue, i).result, 0);
	queued_expect_empty(queue);
	far_queue_free(queue);
}

// --- an end in the midst ---

static bool is_there(far_session *session, const char *key)
{
	struct far_stat stat;
	int error = far_stat(session, key, strlen(key), &stat);

	assert_true(error == 0 || error == -ENOENT);
	return error == 0;
}

static void test_queue_free__what_was_not_submitted_does_not_happen(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 4);

	assert_int_equal(queued_put(queue, "key", "value", 5, 0), 0);
	assert_int_equal(queued_get(queue, "key", 1), 0);
	far_queue_free(queue);
	assert_false(is_there(queued->session, "key"));
}

// The server holds what was sent: the memory lent is freed before it goes on, which sanitizers watch.
static void test_queue_free__ends_at_once_with_all_kinds_under_way(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 64), *other = queued_new(queued->session, 4);
	char *large = value_new(LARGE, 0), *into = value_new(LARGE, 1), *key = strdup("key");
	struct far_stat *stat = malloc(sizeof(*stat));
	uint64_t *ttl_ms = malloc(sizeof(*ttl_ms));

	assert_true(key && stat && ttl_ms);
	assert_int_equal(far_put(queued->session, "key", 3, large, LARGE, NULL), 0);
	served_apart_hold(&queued->apart);
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(queued_get_into(queue, key, into, LARGE, 0), 0);
		assert_int_equal(queued_get(queue, key, 0), 0);
		assert_int_equal(queued_put(queue, key, large, i % 2 ? LARGE : 10, 0), 0);
		assert_int_equal(far_queue_stat(queue, key, 3, stat, NULL), 0);
		assert_int_equal(far_queue_ttl(queue, key, 3, ttl_ms, NULL), 0);
	}
	assert_int_equal(queued_put(other, "other", "value", 5, 0), 0);
	far_queue_submit(queue);
	far_queue_submit(other);
	far_queue_free(queue);
	free(large);
	free(into);
	free(key);
	free(stat);
	free(ttl_ms);
	served_apart_go_on(&queued->apart);
	assert_int_equal(queued_take(other, 0).result, 0); // its neighbour's end is none of its
	far_queue_free(other);
	queue = queued_new(queued->session, 2); // on the lane that was given back
	assert_int_equal(queued_put(queue, "key", "value", 5, 0), 0);
	assert_int_equal(queued_take(queue, 0).result, 0);
	far_queue_free(queue);
}

static void test_queue_free__values_that_nobody_took_are_freed(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 8);

	assert_int_equal(far_put(queued->session, "key", 3, "value", 5, NULL), 0);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(queued_get(queue, "key", i), 0);
	free(queued_take(queue, 0).value); // the others have come with it, or not
	far_queue_free(queue);
}

// --- several queues, several threads ---

static void test_queues_of_one_session_do_not_mix(void **state)
{
	struct queued *queued = *state;
	far_queue *queues[2] = {queued_new(queued->session, 8), queued_new(queued->session, 8)};
	char bytes[2][8];

	assert_true(far_queue_fd(queues[0]) != far_queue_fd(queues[1]));
	for (size_t i = 0; i < 8; i++)
		for (size_t q = 0; q < 2; q++)
			assert_int_equal(queued_put(queues[q], q ? "b" : "a", q ? "bbb" : "aaa", 3, 100 * q + i), 0);
	for (size_t q = 2; q-- > 0;)
		for (size_t i = 0; i < 8; i++)
			assert_int_equal(queued_take(queues[q], 100 * q + i).result, 0);
	for (size_t q = 0; q < 2; q++)
		assert_int_equal(queued_get_into(queues[q], q ? "a" : "b", bytes[q], 3, q), 0); // each the other's
	for (size_t q = 0; q < 2; q++) {
		assert_int_equal(queued_take(queues[q], q).result, 0);
		assert_memory_equal(bytes[q], q ? "aaa" : "bbb", 3);
		queued_expect_empty(queues[q]);
	}
	far_queue_free(queues[0]);
	assert_int_equal(queued_put(queues[1], "a", "c", 1, 0), 0);
	assert_int_equal(queued_take(queues[1], 0).result, 0);
	far_queue_free(queues[1]);
}

struct handed {
	far_queue *queue;
	int results[3];
};

// Takes what another thread began, adds more, and ends the queue. No asserts: they end the wrong thread.
static void *go_on_with(void *context)
{
	struct handed *handed = context;
	struct far_completion completion;

	for (int i = 0; i < 3; i++) {
		handed->results[i] = -EAGAIN;
		if (far_queue_wait(handed->queue, &completion, 1, QUEUED_MS) == 1)
			handed->results[i] = completion.result;
		queued_put(handed->queue, "key", "value", 5, 0);
	}
	far_queue_submit(handed->queue);
	far_queue_free(handed->queue);
	return NULL;
}

static void test_queue__goes_on_in_another_thread(void **state)
{
	struct queued *queued = *state;
	struct handed handed = {.queue = queued_new(queued->session, 8)};
	pthread_t thread;

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(queued_put(handed.queue, "key", "value", 5, i), 0);
	far_queue_submit(handed.queue);
	assert_int_equal(pthread_create(&thread, NULL, go_on_with, &handed), 0);
	assert_int_equal(far_ping(queued->session), 0); // the session is everybody's meanwhile
	pthread_join(thread, NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(handed.results[i], 0);
	handed.queue = queued_new(queued->session, 8); // on the lane that the thread gave back
	assert_int_equal(queued_put(handed.queue, "key", "value", 5, 7), 0);
	assert_int_equal(queued_take(handed.queue, 7).result, 0);
	far_queue_free(handed.queue);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	        QUEUED(test_queue__completions_come_in_the_order_of_the_calls),
	        QUEUED(test_queue__places_are_used_again_and_again),
	        QUEUED(test_queue__one_more_than_depth_is_refused_and_not_begun),
	        QUEUED(test_queue_arm__descriptor_is_quiet_until_something_has_come),
	        QUEUED(test_queue_arm__says_so_where_completions_are_left),
	        QUEUED(test_queue_arm__taken_replies_are_not_slept_over),
	        QUEUED(test_queue__each_has_its_own_error),
	        QUEUED(test_queue__wrong_arguments_begin_nothing),
	        QUEUED_SMALL(test_queue__full_pool_refuses_what_finds_no_room),
	        QUEUED(test_queue_wait__a_time_that_is_over_loses_nothing),
	        QUEUED(test_queue_free__what_was_not_submitted_does_not_happen),
	        QUEUED(test_queue_free__ends_at_once_with_all_kinds_under_way),
	        QUEUED(test_queue_free__values_that_nobody_took_are_freed),
	        QUEUED(test_queues_of_one_session_do_not_mix),
	        QUEUED(test_queue__goes_on_in_another_thread),
	};

	return queued_main(argc, argv, tests);
}
