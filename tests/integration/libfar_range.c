// Appends and ranges by key: whole or not at all, whoever else appends or reads meanwhile.
#include "tests/integration/libfar_testing.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int append(far_session *session, const char *key, const void *bytes, size_t length, uint64_t *size)
{
	return far_append(session, key, strlen(key), bytes, length, size, NULL);
}

static int put_range(far_session *session, const char *key, const void *bytes, size_t length, uint64_t offset, unsigned flags)
{
	return far_put_range(session, key, strlen(key), bytes, length, offset, flags, NULL, NULL);
}

// A value that grows through all ways of storing, by pieces of all ways of travelling.
static void test_appends_add_up(void **state)
{
	static const size_t pieces[] = {5, 0, 500, 1000, 4000, 9000, 100000, 1, 1048577, 2097152, 4096};
	struct sessions *sessions = *state;
	char *bytes = malloc(5 << 20);
	uint64_t size = 0, length = 0, version = 0;

	assert_non_null(bytes);
	pattern_fill(bytes, 5 << 20, 0, 1);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		uint64_t before = version;

		assert_ok(far_append(sessions->ours, "d/log", 5, bytes + length, pieces[i], &size, &version));
		length += pieces[i];
		assert_int_equal(size, length);
		assert_true(pieces[i] == 0 ? version == before : version > before);
	}
	memset(bytes, 0, 5 << 20);
	assert_int_equal(far_get_into(sessions->other, "d/log", 5, bytes, 5 << 20, 0, &size, NULL), length);
	pattern_check(bytes, length, 0, 1);
	free(bytes);
	delete_tree(sessions->ours, "d");
}

static void test_ranges_land_where_they_should(void **state)
{
	struct sessions *sessions = *state;
	char bytes[12000], *large = malloc(2 << 20);
	uint64_t size, version, made;

	assert_non_null(large);
	assert_int_equal(put_range(sessions->ours, "d/k", "abc", 3, 2, 0), -ENOENT);
	expect_absent(sessions->ours, "d");
	assert_ok(put_range(sessions->ours, "d/k", "abc", 3, 2, FAR_CREATE));
	assert_int_equal(far_get_into(sessions->other, "d/k", 3, bytes, sizeof(bytes), 0, NULL, &made), 5);
	assert_memory_equal(bytes, "\0\0abc", 5);
	assert_ok(far_put_range(sessions->ours, "d/k", 3, "XY", 2, 1, 0, &size, &version));
	assert_int_equal(size, 5);
	assert_int_equal(version, made + 1);
	assert_ok(put_range(sessions->ours, "d/k", "end", 3, 10000, FAR_CREATE));
	assert_int_equal(far_get_into(sessions->other, "d/k", 3, bytes, sizeof(bytes), 0, NULL, NULL), 10003);
	assert_memory_equal(bytes, "\0XYbc\0", 6);
	assert_memory_equal(bytes + 9999, "\0end", 4);
	pattern_fill(large, 2 << 20, 0, 3);
	assert_ok(put_range(sessions->ours, "d/k", large, 2 << 20, 4096, 0));
	assert_int_equal(far_get_into(sessions->other, "d/k", 3, bytes, 4096, 0, &size, NULL), 4096);
	assert_memory_equal(bytes, "\0XYbc\0", 6);
	assert_int_equal(size, 4096 + (2 << 20));
	memset(large, 0, 2 << 20);
	assert_int_equal(far_get_into(sessions->other, "d/k", 3, large, 2 << 20, 4096, NULL, NULL), 2 << 20);
	pattern_check(large, 2 << 20, 0, 3);
	// Where there was nothing, far behind the begin.
	assert_ok(put_range(sessions->ours, "d/sparse", large, 100000, 1ULL << 40, FAR_CREATE));
	assert_int_equal(far_get_into(sessions->other, "d/sparse", 8, bytes, sizeof(bytes), 1ULL << 40, &size, NULL), sizeof(bytes));
	pattern_check(bytes, sizeof(bytes), 0, 3);
	assert_int_equal(size, (1ULL << 40) + 100000);
	free(large);
	delete_tree(sessions->ours, "d");
}

static void test_what_cannot_be_is_refused(void **state)
{
	struct sessions *sessions = *state;
	char *bytes = calloc(1, (2 << 20) + 1);
	uint64_t size = 77;

	assert_non_null(bytes);
	assert_ok(put_text(sessions->ours, "d/k", "value"));
	assert_int_equal(append(sessions->ours, "d/k", bytes, (2 << 20) + 1, &size), -EFBIG);
	assert_non_null(strstr(far_last_error(), "2097153 bytes at once"));
	assert_int_equal(append(sessions->ours, "d", "x", 1, &size), -EISDIR);
	assert_int_equal(append(sessions->ours, "d/k/below", "x", 1, &size), -ENOTDIR);
	assert_int_equal(append(sessions->ours, "a//b", "x", 1, &size), -EINVAL);
	assert_int_equal(put_range(sessions->ours, "d/k", "x", 1, UINT64_MAX, 0), -EFBIG);
	assert_int_equal(put_range(sessions->ours, "d/new", "x", 1, 16ULL << 40, FAR_CREATE), -EFBIG);
	expect_absent(sessions->ours, "d/new");
	assert_int_equal(put_range(sessions->ours, "d/k", "x", 1, 0, 1U << 20), -EINVAL);
	assert_int_equal(size, 77);
	expect_text(sessions->other, "d/k", "value");
	free(bytes);
	delete_tree(sessions->ours, "d");
}

static void test_append_leaves_the_time_to_live(void **state)
{
	struct sessions *sessions = *state;
	uint64_t ttl_ms;

	assert_ok(append(sessions->ours, "k", "a", 1, NULL));
	assert_ok(far_expire(sessions->ours, "k", 1, 60000));
	assert_ok(append(sessions->ours, "k", "b", 1, NULL));
	assert_ok(far_ttl(sessions->ours, "k", 1, &ttl_ms));
	expect_text(sessions->other, "k", "ab");
	assert_ok(delete_key(sessions->ours, "k"));
}

// Each thread's records say whose they are and how many came before: in the log each thread's stand in order, none is missing or torn.
#define THREADS 4
#define RECORDS 300
#define RECORD 100

struct appender {
	far_session *session;
	unsigned number;
	_Atomic int error;
};

static void fill_record(char record[RECORD], unsigned number, size_t count)
{
	snprintf(record, RECORD, "%02u %08zu ", number, count);
	memset(record + 12, 'a' + (int)number, RECORD - 13);
	record[RECORD - 1] = '\n';
}

static void *append_records(void *argument)
{
	struct appender *appender = argument;
	char record[RECORD];

	for (size_t i = 0; i < fewer(RECORDS) && !appender->error; i++) {
		fill_record(record, appender->number, i);
		appender->error = append(appender->session, "log", record, RECORD, NULL);
	}
	return NULL;
}

// The same with many under way.
static void *append_records_by_queue(void *argument)
{
	enum { DEPTH = 20 };
	struct appender *appender = argument;
	char records[DEPTH][RECORD];
	size_t begun = 0, taken = 0;
	far_queue *queue;

	appender->error = far_queue_new(appender->session, DEPTH, &queue);
	if (appender->error)
		return NULL;
	while (taken < fewer(RECORDS) && !appender->error) {
		struct far_completion completion;

		for (; begun < fewer(RECORDS) && begun - taken < DEPTH && !appender->error; begun++) {
			fill_record(records[begun % DEPTH], appender->number, begun);
			appender->error = far_queue_append(queue, "log", 3, records[begun % DEPTH], RECORD, NULL);
		}
		if (far_queue_wait(queue, &completion, 1, 60000) != 1)
			appender->error = -ETIMEDOUT;
		else if (completion.result)
			appender->error = completion.result;
		taken++;
	}
	far_queue_free(queue);
	return NULL;
}

static void check_records(const char *log, size_t length)
{
	unsigned next[THREADS] = {0};

	assert_int_equal(length % RECORD, 0);
	for (size_t at = 0; at < length; at += RECORD) {
		unsigned number, count;

		assert_int_equal(sscanf(log + at, "%02u %08u ", &number, &count), 2);
		assert_true(number < THREADS);
		assert_int_equal(count, next[number]++);
		for (size_t i = 12; i < RECORD - 1; i++)
			assert_int_equal(log[at + i], 'a' + (int)number);
		assert_int_equal(log[at + RECORD - 1], '\n');
	}
}

static void test_appends_of_many_are_whole_and_readers_see_whole_ones(void **state)
{
	struct sessions *sessions = *state;
	size_t all = THREADS * fewer(RECORDS) * RECORD;
	struct appender appenders[THREADS];
	pthread_t threads[THREADS];
	size_t length = 0;
	void *log;

	assert_ok(append(sessions->ours, "log", "", 0, NULL));
	for (unsigned i = 0; i < THREADS; i++) {
		appenders[i] = (struct appender){i % 2 ? sessions->ours : sessions->other, i, 0};
		assert_int_equal(
		        pthread_create(&threads[i], NULL, i < THREADS / 2 ? append_records : append_records_by_queue, &appenders[i]), 0);
	}
	while (length < all) {
		int error = far_get(sessions->other, "log", 3, &log, &length, NULL);

		assert_ok(error);
		check_records(log, length);
		free(log);
		for (unsigned i = 0; i < THREADS; i++)
			assert_int_equal(appenders[i].error, 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(length, all);
	assert_ok(delete_key(sessions->ours, "log"));
}

// Pieces of a large value, all under way at once; where it is known, the second time.
static void test_pieces_come_together_by_a_queue(void **state)
{
	enum { PIECES = 40, LENGTH = 70001 };
	struct sessions *sessions = *state;
	size_t size = (size_t)PIECES * LENGTH - 1000;
	char *bytes = malloc((size_t)PIECES * LENGTH);
	far_queue *queue;

	assert_non_null(bytes);
	pattern_fill(bytes, size, 0, 5);
	assert_ok(far_put(sessions->ours, "d/k", 3, bytes, size, NULL));
	assert_ok(far_queue_new(sessions->other, PIECES, &queue));
	for (int again = 0; again < 2; again++) {
		memset(bytes, 0, (size_t)PIECES * LENGTH);
		for (size_t i = PIECES; i-- > 0;)
			assert_ok(far_queue_get_range(queue, "d/k", 3, bytes + i * LENGTH, LENGTH, i * LENGTH, NULL));
		for (size_t i = 0; i < PIECES; i++) {
			struct far_completion completion;

			assert_int_equal(far_queue_wait(queue, &completion, 1, 60000), 1);
			assert_int_equal(completion.result, 0);
			assert_int_equal(completion.size, size);
		}
		pattern_check(bytes, size, 0, 5);
		for (size_t i = size; i < (size_t)PIECES * LENGTH; i++)
			assert_int_equal(bytes[i], 0);
	}
	far_queue_free(queue);
	free(bytes);
	delete_tree(sessions->ours, "d");
}

const struct CMUnitTest libfar_range[] = {
        cmocka_unit_test(test_appends_add_up),
        cmocka_unit_test(test_ranges_land_where_they_should),
        cmocka_unit_test(test_what_cannot_be_is_refused),
        cmocka_unit_test(test_append_leaves_the_time_to_live),
        cmocka_unit_test(test_appends_of_many_are_whole_and_readers_see_whole_ones),
        cmocka_unit_test(test_pieces_come_together_by_a_queue),
};
const size_t libfar_range_count = sizeof(libfar_range) / sizeof(libfar_range[0]);
