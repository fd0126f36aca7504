// Counters of a queue: changes that build on each other. Each tells what it found, in order, and is never made twice.
#include "queued.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static int add(far_queue *queue, const char *key, int64_t delta, int64_t *value, size_t number)
{
	return far_queue_counter_add(queue, key, strlen(key), delta, NULL, value, (void *)number);
}

static int swap(far_queue *queue, const char *key, int64_t expected, int64_t desired, int64_t *current, size_t number)
{
	return far_queue_counter_cas(queue, key, strlen(key), expected, desired, current, (void *)number);
}

static void expect_count(far_session *session, const char *key, int64_t expected)
{
	int64_t value = expected - 1;

	assert_int_equal(far_counter_get(session, key, strlen(key), &value), 0);
	assert_int_equal(value, expected);
}

// All under way at once, on one key: each builds on the one before it.
static void test_queue_counter__changes_of_one_key_follow_each_other(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 16);
	int64_t sums[8], swapped = 77, missed = 77, previous = 77, cell = 77;
	uint64_t version = 0;

	served_apart_hold(&queued->apart);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(add(queue, "d/k", (int64_t)i - 2, &sums[i], i), 0);
	assert_int_equal(swap(queue, "d/k", 12, 100, &swapped, 8), 0);
	assert_int_equal(swap(queue, "d/k", 12, 200, &missed, 9), 0);
	assert_int_equal(far_queue_counter_set(queue, "d/k", 3, -5, NULL, &previous, (void *)10), 0);
	assert_int_equal(queued_get_into(queue, "d/k", &cell, sizeof(cell), 11), 0);
	assert_int_equal(add(queue, "d/k", 1, NULL, 12), 0);
	assert_int_equal(swap(queue, "d/k", 5, 6, NULL, 13), 0);
	far_queue_submit(queue);
	served_apart_go_on(&queued->apart);
	for (size_t i = 0; i < 14; i++) {
		struct far_completion completion = queued_take(queue, i);

		assert_int_equal(completion.result, i == 9 || i == 13 ? -ECANCELED : 0);
		assert_int_equal(completion.size, i == 11 ? 8 : 0);
		assert_true(completion.version == version + (i != 9 && i != 11 && i != 13) || i == 0);
		version = completion.version;
	}
	for (int64_t i = 0, sum = 0; i < 8; i++)
		assert_int_equal(sums[i], sum += i - 2);
	assert_int_equal(swapped, 12);
	assert_int_equal(missed, 100);
	assert_int_equal(previous, 100);
	assert_int_equal(cell, -5);
	expect_count(queued->session, "d/k", -4);
	far_queue_free(queue);
}

// Nor is what was remembered of the value, or what a get of it brings meanwhile, believed behind a change.
static void test_queue_counter__gets_see_what_was_changed_before_them(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 4);

	for (int64_t i = 1; i <= 50; i++) {
		int64_t before = 0, behind = 0;

		if (i > 1)
			assert_int_equal(queued_get_into(queue, "k", &before, sizeof(before), 0), 0);
		assert_int_equal(add(queue, "k", 1, NULL, 1), 0);
		if (i % 2)
			far_queue_submit(queue);
		assert_int_equal(queued_get_into(queue, "k", &behind, sizeof(behind), 2), 0);
		for (size_t number = i > 1 ? 0 : 1; number < 3; number++)
			assert_int_equal(queued_take(queue, number).result, 0);
		assert_int_equal(before, i - 1);
		assert_int_equal(behind, i);
	}
	far_queue_free(queue);
}

static void test_queue_counter__each_has_its_own_error(void **state)
{
	const struct far_counter_options there = {.size = sizeof(there), .flags = FAR_NO_CREATE};
	struct far_counter_options ten = {.size = sizeof(ten), .initial = 10, .ttl_ms = 60000};
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 16);
	static const int expected[] = {-ENOENT, -ENOENT, 0, 0, -EOVERFLOW, 0, -EINVAL, -EINVAL, 0};
	int64_t value = 77, untouched = 77;
	uint64_t ttl_ms;

	assert_int_equal(far_queue_counter_add(queue, "none", 4, 1, &there, &untouched, (void *)0), 0);
	assert_int_equal(swap(queue, "none", 0, 1, &untouched, 1), 0);
	assert_int_equal(far_queue_counter_add(queue, "k", 1, 1, &ten, &value, (void *)2), 0);
	ten.initial = 99; // it is not looked at any more
	assert_int_equal(far_queue_counter_set(queue, "k", 1, INT64_MAX, NULL, NULL, (void *)3), 0);
	assert_int_equal(add(queue, "k", 1, &untouched, 4), 0);
	assert_int_equal(queued_put(queue, "text", "no counter", 10, 5), 0);
	assert_int_equal(add(queue, "text", 1, &untouched, 6), 0);
	assert_int_equal(swap(queue, "text", 0, 1, &untouched, 7), 0);
	assert_int_equal(far_queue_ttl(queue, "k", 1, &ttl_ms, (void *)8), 0);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(queued_take(queue, i).result, expected[i]);
	assert_int_equal(value, 11);
	assert_int_equal(untouched, 77);
	assert_in_range(ttl_ms, 1, 60000);
	expect_count(queued->session, "k", INT64_MAX);
	far_queue_free(queue);
}

static void test_queue_counter__wrong_arguments_begin_nothing(void **state)
{
	const struct far_counter_options unknown = {.size = sizeof(unknown), .flags = 1U << 20};
	const struct far_counter_options none_made = {.size = sizeof(none_made), .flags = FAR_NO_CREATE, .initial = 1};
	const struct far_counter_options too_long = {.size = sizeof(too_long), .ttl_ms = UINT64_MAX};
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 1);

	assert_int_equal(far_queue_counter_add(queue, "k", 1, 1, &unknown, NULL, NULL), -EINVAL);
	assert_int_equal(far_queue_counter_set(queue, "k", 1, 1, &none_made, NULL, NULL), -EINVAL);
	assert_int_equal(far_queue_counter_add(queue, "k", 1, 1, &too_long, NULL, NULL), -EINVAL);
	assert_int_equal(far_queue_counter_cas(queue, "", 0, 0, 1, NULL, NULL), -EINVAL);
	assert_int_equal(add(queue, "a//b", 1, NULL, 0), -EINVAL);
	assert_non_null(strstr(far_last_error(), "add a//b"));
	queued_expect_empty(queue);
	assert_int_equal(add(queue, "k", 1, NULL, 0), 0);
	assert_int_equal(add(queue, "k", 1, NULL, 1), -EAGAIN);
	assert_int_equal(queued_take(queue, 0).result, 0);
	expect_count(queued->session, "k", 1);
	far_queue_free(queue);
}

// What had left is in doubt, and is not made again; what had not is made on the server that is back.
static void test_queue_counter__changes_under_way_are_not_made_twice(void **state)
{
	enum { DEPTH = 100 };
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, DEPTH);
	int64_t made = 0;

	served_apart_hold(&queued->apart);
	for (size_t i = 0; i < DEPTH; i++)
		assert_int_equal(add(queue, "k", 1, NULL, i), 0);
	far_queue_submit(queue);
	served_apart_kill(&queued->apart);
	served_apart_start_again(&queued->apart);
	queued_wait_until_reachable(queued->session);
	for (size_t i = 0; i < DEPTH; i++) {
		int result = queued_take(queue, i).result;

		assert_true(result == 0 || (result == -EIO && made == 0));
		made += result == 0;
	}
	assert_in_range(made, DEPTH - 32, DEPTH - 1);
	expect_count(queued->session, "k", made);
	far_queue_free(queue);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	        QUEUED(test_queue_counter__changes_of_one_key_follow_each_other),
	        QUEUED(test_queue_counter__gets_see_what_was_changed_before_them),
	        QUEUED(test_queue_counter__each_has_its_own_error),
	        QUEUED(test_queue_counter__wrong_arguments_begin_nothing),
	        QUEUED(test_queue_counter__changes_under_way_are_not_made_twice),
	};

	return queued_main(argc, argv, tests);
}
