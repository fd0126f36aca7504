// Counters by the public calls: adds and swaps of many processes are all there, and who reads, with and without asking, sees each one that was answered before.
#include "tests/integration/libfar_testing.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES 4

static int add(far_session *session, const char *key, int64_t delta, int64_t *value)
{
	return far_counter_add(session, key, strlen(key), delta, NULL, value);
}

static int add_with(far_session *session, const char *key, int64_t delta, struct far_counter_options options, int64_t *value)
{
	options.size = sizeof(options);
	return far_counter_add(session, key, strlen(key), delta, &options, value);
}

static void expect_count(far_session *session, const char *key, int64_t expected)
{
	int64_t value = expected - 1;

	assert_ok(far_counter_get(session, key, strlen(key), &value));
	assert_int_equal(value, expected);
}

static void test_counter_is_8_bytes_for_everybody_else(void **state)
{
	static const unsigned char bytes[8] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct sessions *sessions = *state;
	int64_t value, previous;
	size_t length;
	void *got;

	assert_ok(add(sessions->ours, "d/k", -2, &value));
	assert_int_equal(value, -2);
	assert_ok(far_get(sessions->other, "d/k", 3, &got, &length, NULL));
	assert_int_equal(length, 8);
	assert_memory_equal(got, bytes, 8);
	free(got);
	assert_ok(put_text(sessions->other, "d/k", "\x05\x01\x01\x01\x01\x01\x01\x01"));
	assert_ok(add(sessions->ours, "d/k", 1, &value));
	assert_int_equal(value, 0x0101010101010106);
	assert_ok(far_counter_set(sessions->ours, "d/k", 3, 7, NULL, &previous));
	assert_int_equal(previous, 0x0101010101010106);
	expect_count(sessions->other, "d/k", 7);
	delete_tree(sessions->ours, "d");
}

// What was remembered of the value before is not believed after.
static void test_get_sees_each_change_at_once(void **state)
{
	struct sessions *sessions = *state;
	struct far_statistics before, after;
	int64_t value;

	for (int i = 1; i <= 100; i++) {
		assert_ok(add(sessions->ours, "k", 1, NULL));
		expect_count(sessions->other, "k", i);
		expect_count(sessions->ours, "k", i);
	}
	before = statistics_of(sessions->other);
	for (int i = 0; i < 100; i++)
		expect_count(sessions->other, "k", 100);
	after = statistics_of(sessions->other);
	assert_int_equal(after.requests, before.requests);
	assert_int_equal(after.one_sided - before.one_sided, 100);
	assert_ok(far_counter_set(sessions->ours, "k", 1, 0, NULL, &value));
	expect_count(sessions->other, "k", 0);
	assert_ok(delete_key(sessions->ours, "k"));
	assert_int_equal(far_counter_get(sessions->other, "k", 1, &value), -ENOENT);
}

static void test_change_is_one_request_and_raises_the_version(void **state)
{
	struct sessions *sessions = *state;
	uint64_t requests = statistics_of(sessions->ours).requests;
	struct far_stat stat;
	uint64_t version;

	assert_ok(add(sessions->ours, "d/k", 1, NULL));
	assert_ok(far_stat(sessions->other, "d/k", 3, &stat));
	assert_ok(add(sessions->ours, "d/k", 1, NULL));
	assert_ok(far_counter_cas(sessions->ours, "d/k", 3, 2, 5, NULL));
	assert_ok(far_counter_set(sessions->ours, "d/k", 3, 6, NULL, NULL));
	assert_int_equal(statistics_of(sessions->ours).requests - requests, 4);
	// Who knew the version before loses.
	assert_int_equal(far_cas(sessions->other, "d/k", 3, "12345678", 8, stat.version, &version), -ECANCELED);
	assert_int_equal(version, stat.version + 3);
	delete_tree(sessions->ours, "d");
}

static void test_swap_tells_what_is_there(void **state)
{
	struct sessions *sessions = *state;
	int64_t current = 77;

	assert_int_equal(far_counter_cas(sessions->ours, "k", 1, 0, 1, &current), -ENOENT);
	assert_ok(add(sessions->ours, "k", 5, NULL));
	assert_int_equal(far_counter_cas(sessions->other, "k", 1, 4, 9, &current), -ECANCELED);
	assert_non_null(strstr(far_last_error(), "not the expected value"));
	assert_int_equal(current, 5);
	assert_ok(far_counter_cas(sessions->other, "k", 1, 5, 9, &current));
	assert_int_equal(current, 5);
	expect_count(sessions->ours, "k", 9);
	assert_ok(delete_key(sessions->ours, "k"));
}

static void test_options_are_a_new_counters(void **state)
{
	struct sessions *sessions = *state;
	uint64_t ttl_ms = 0;
	int64_t value;

	assert_int_equal(add_with(sessions->ours, "k", 1, (struct far_counter_options){.flags = FAR_NO_CREATE}, NULL), -ENOENT);
	expect_absent(sessions->ours, "k");
	assert_ok(add_with(sessions->ours, "k", 1, (struct far_counter_options){.initial = 100, .ttl_ms = 60000}, &value));
	assert_int_equal(value, 101);
	assert_ok(far_ttl(sessions->ours, "k", 1, &ttl_ms));
	assert_in_range(ttl_ms, 30000, 60000);
	assert_ok(far_persist(sessions->ours, "k", 1));
	assert_ok(add_with(sessions->ours, "k", 1, (struct far_counter_options){.initial = 100, .ttl_ms = 60000}, &value));
	assert_int_equal(value, 102);
	assert_int_equal(far_ttl(sessions->ours, "k", 1, &ttl_ms), -ENODATA);
	assert_ok(add_with(sessions->other, "k", 1, (struct far_counter_options){.flags = FAR_NO_CREATE}, &value));
	assert_int_equal(value, 103);
	assert_ok(delete_key(sessions->ours, "k"));
}

static void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

// A limit of so many a time: the counter begins anew with the next time.
static void test_counter_ends_with_its_time_to_live(void **state)
{
	struct far_counter_options options = {.ttl_ms = 500};
	struct sessions *sessions = *state;
	int64_t value = 0, last = 0;
	int again = 0;

	for (int i = 0; i < 3000 && again < 2; i++) {
		assert_ok(add_with(sessions->ours, "k", 1, options, &value));
		assert_true(value == last + 1 || value == 1);
		again += last > 0 && value == 1;
		last = value;
		sleep_ms(5);
	}
	assert_int_equal(again, 2);
	sleep_ms(510);
	assert_int_equal(far_counter_get(sessions->other, "k", 1, &value), -ENOENT);
	assert_int_equal(far_counter_cas(sessions->other, "k", 1, last, 0, &value), -ENOENT);
}

static void test_what_cannot_be_is_refused_with_a_text(void **state)
{
	struct sessions *sessions = *state;
	far_session *ours = sessions->ours;
	int64_t value = 77;
	char long_key[5000];

	memset(long_key, 'k', sizeof(long_key));
	assert_ok(put_text(ours, "d/text", "1234567"));
	assert_int_equal(add(ours, "d/text", 1, &value), -EINVAL);
	assert_non_null(strstr(far_last_error(), "add d/text: no counter: a counter is a value of exactly 8 bytes"));
	assert_int_equal(far_counter_cas(ours, "d/text", 6, 0, 1, &value), -EINVAL);
	assert_int_equal(far_counter_set(ours, "d/text", 6, 1, NULL, &value), -EINVAL);
	assert_int_equal(far_counter_get(ours, "d/text", 6, &value), -EINVAL);
	assert_int_equal(add(ours, "d", 1, &value), -EISDIR);
	assert_int_equal(far_counter_get(ours, "d", 1, &value), -EISDIR);
	assert_int_equal(add(ours, "d/text/k", 1, &value), -ENOTDIR);
	assert_int_equal(add(ours, "", 1, &value), -EINVAL);
	assert_int_equal(add(ours, "a//b", 1, &value), -EINVAL);
	assert_int_equal(far_counter_add(ours, long_key, sizeof(long_key), 1, NULL, &value), -ENAMETOOLONG);
	assert_int_equal(add_with(ours, "k", 1, (struct far_counter_options){.flags = 2}, &value), -EINVAL);
	assert_non_null(strstr(far_last_error(), "unknown flags 0x2"));
	assert_int_equal(add_with(ours, "k", 1, (struct far_counter_options){.ttl_ms = UINT64_MAX}, &value), -EINVAL);
	assert_int_equal(add_with(ours, "k", 1, (struct far_counter_options){.flags = FAR_NO_CREATE, .initial = 1}, &value), -EINVAL);
	expect_absent(ours, "k");
	expect_text(ours, "d/text", "1234567");
	assert_ok(add(ours, "d/k", INT64_MAX, &value));
	assert_int_equal(add(ours, "d/k", 1, &value), -EOVERFLOW);
	assert_non_null(strstr(far_last_error(), "range of 64 bits"));
	assert_int_equal(value, INT64_MAX);
	expect_count(ours, "d/k", INT64_MAX);
	delete_tree(ours, "d");
}

// --- several processes ---

// What they share: the highest sum that an add has answered, and how many of them have ended.
static struct shared {
	_Atomic int64_t answered;
	_Atomic int ended;
} * shared;

// Each begins with a session of its own; their exit statuses say whether all went well.
static int run_processes(const char *address, int (*body)(far_session *session, size_t count, int number), size_t count)
{
	int failed = 0;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	fflush(stdout);
	for (int i = 0; i < PROCESSES; i++) {
		far_session *session;
		int result;

		if (fork() != 0)
			continue;
		result = far_connect(address, NULL, &session) || body(session, count, i);
		atomic_fetch_add(&shared->ended, 1);
		_exit(result);
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		wait(&status);
		failed += status != 0;
	}
	munmap(shared, sizeof(*shared));
	return failed;
}

static int add_many(far_session *session, size_t count, int number)
{
	int64_t last = 0, value;

	(void)number;
	for (size_t i = 0; i < count; i++) {
		if (add(session, "sum", 1, &value) || value <= last)
			return 1;
		last = value;
		// What is read behind the add has it.
		if (i % 16 == 0 && (far_counter_get(session, "sum", 3, &value) || value < last))
			return 1;
	}
	return 0;
}

static void test_adds_of_processes_are_all_there(void **state)
{
	struct sessions *sessions = *state;
	size_t count = fewer(10000);

	assert_int_equal(run_processes(sessions->address, add_many, count), 0);
	expect_count(sessions->ours, "sum", (int64_t)count * PROCESSES);
	assert_ok(delete_key(sessions->ours, "sum"));
}

static void tell_answered(int64_t value)
{
	int64_t before = atomic_load(&shared->answered);

	while (before < value && !atomic_compare_exchange_weak(&shared->answered, &before, value))
		;
}

// Half of them add, the others read as long as those do. A read has at least what had been answered before it began, and not less than the last one.
static int add_or_watch(far_session *session, size_t count, int number)
{
	int64_t last = 0, value, answered;

	for (size_t i = 0; number % 2 == 0 && i < count; i++) {
		if (add(session, "sum", 1, &value))
			return 1;
		tell_answered(value);
		if (i % 64 == 0)
			sleep_ms(1); // so that what readers know of the place is good for some of their reads
	}
	while (number % 2 == 1 && atomic_load(&shared->ended) < PROCESSES / 2) {
		answered = atomic_load(&shared->answered);
		if (far_counter_get(session, "sum", 3, &value) || value < answered || value < last)
			return 1;
		last = value;
	}
	return 0;
}

static void test_read_has_all_adds_answered_before(void **state)
{
	struct sessions *sessions = *state;
	size_t count = fewer(10000);

	assert_ok(far_counter_set(sessions->ours, "sum", 3, 0, NULL, NULL));
	assert_int_equal(run_processes(sessions->address, add_or_watch, count), 0);
	expect_count(sessions->ours, "sum", (int64_t)count * PROCESSES / 2);
	assert_ok(delete_key(sessions->ours, "sum"));
}

static int swap_many(far_session *session, size_t count, int number)
{
	(void)number;
	for (size_t i = 0; i < count; i++) {
		int64_t value;
		int error = far_counter_get(session, "sum", 3, &value);

		while (!error) {
			error = far_counter_cas(session, "sum", 3, value, value + 3, &value);
			if (error != -ECANCELED)
				break;
			error = 0;
		}
		if (error)
			return 1;
	}
	return 0;
}

static void test_swaps_of_processes_are_all_there(void **state)
{
	struct sessions *sessions = *state;
	size_t count = fewer(2000);

	assert_ok(far_counter_set(sessions->ours, "sum", 3, 0, NULL, NULL));
	assert_int_equal(run_processes(sessions->address, swap_many, count), 0);
	expect_count(sessions->ours, "sum", (int64_t)count * PROCESSES * 3);
	assert_ok(delete_key(sessions->ours, "sum"));
}

// Many under way at once, of which each tells its own sum; and as many requests as changes.
static void test_adds_of_a_queue_are_all_there(void **state)
{
	enum { DEPTH = 64 };
	struct sessions *sessions = *state;
	size_t count = fewer(2000) / DEPTH * DEPTH, taken = 0;
	int64_t sums[DEPTH];
	uint64_t requests;
	far_queue *queue;

	assert_ok(far_queue_new(sessions->ours, DEPTH, &queue));
	requests = statistics_of(sessions->ours).requests;
	while (taken < count) {
		struct far_completion completion;

		for (size_t i = 0; i < DEPTH; i++)
			assert_ok(far_queue_counter_add(queue, "sum", 3, 2, NULL, &sums[i], NULL));
		for (size_t i = 0; i < DEPTH; i++) {
			assert_int_equal(far_queue_wait(queue, &completion, 1, 60000), 1);
			assert_int_equal(completion.result, 0);
			assert_int_equal(sums[i], 2 * ++taken);
		}
	}
	assert_int_equal(statistics_of(sessions->ours).requests - requests, count);
	expect_count(sessions->other, "sum", 2 * (int64_t)count);
	far_queue_free(queue);
	assert_ok(delete_key(sessions->ours, "sum"));
}

const struct CMUnitTest libfar_counters[] = {
        cmocka_unit_test(test_counter_is_8_bytes_for_everybody_else),
        cmocka_unit_test(test_get_sees_each_change_at_once),
        cmocka_unit_test(test_change_is_one_request_and_raises_the_version),
        cmocka_unit_test(test_swap_tells_what_is_there),
        cmocka_unit_test(test_options_are_a_new_counters),
        cmocka_unit_test(test_counter_ends_with_its_time_to_live),
        cmocka_unit_test(test_what_cannot_be_is_refused_with_a_text),
        cmocka_unit_test(test_adds_of_processes_are_all_there),
        cmocka_unit_test(test_read_has_all_adds_answered_before),
        cmocka_unit_test(test_swaps_of_processes_are_all_there),
        cmocka_unit_test(test_adds_of_a_queue_are_all_there),
};
const size_t libfar_counters_count = sizeof(libfar_counters) / sizeof(libfar_counters[0]);
