// Appends and ranges of a queue: they happen in their order, whole, and each tells what it made.
#include "queued.h"

#include <errno.h>
#include <stdlib.h>

static int append(far_queue *queue, const char *key, const void *bytes, size_t length, size_t number)
{
	return far_queue_append(queue, key, strlen(key), bytes, length, (void *)number);
}

static int put_range(far_queue *queue, const char *key, const void *bytes, size_t length, uint64_t offset, size_t number)
{
	return far_queue_put_range(queue, key, strlen(key), bytes, length, offset, FAR_CREATE, (void *)number);
}

static char *bytes_new(size_t length)
{
	char *bytes = malloc(length);
	uint64_t seed = 7;

	assert_non_null(bytes);
	for (size_t i = 0; i < length; i++)
		bytes[i] = (char)test_random(&seed);
	return bytes;
}

static void expect_bytes(far_session *session, const char *key, const void *bytes, size_t length)
{
	size_t size = 0;
	void *got;

	assert_int_equal(far_get(session, key, strlen(key), &got, &size, NULL), 0);
	assert_int_equal(size, length);
	assert_int_equal(memcmp(got, bytes, length), 0);
	free(got);
}

// Of all ways to travel, more together than a lane has grants for, and with gets between them.
static void test_queue_append__pieces_stand_in_the_order_of_the_calls(void **state)
{
	static const size_t pieces[] = {5, 0, 500, 4000, 9000, 1 << 20, 1, 2 << 20, 100000, 2 << 20, 1500000, 8000, 2 << 20, 77};
	enum { COUNT = sizeof(pieces) / sizeof(pieces[0]), ALL = 10 << 20 };
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 2 * COUNT);
	char *bytes = bytes_new(ALL);
	struct far_stat stats[COUNT];
	uint64_t length = 0, version = 0;

	for (size_t i = 0; i < COUNT; length += pieces[i++]) {
		assert_int_equal(append(queue, "d/log", bytes + length, pieces[i], 2 * i), 0);
		assert_int_equal(far_queue_stat(queue, "d/log", 5, &stats[i], (void *)(2 * i + 1)), 0);
	}
	length = 0;
	for (size_t i = 0; i < COUNT; i++) {
		struct far_completion completion = queued_take(queue, 2 * i);

		length += pieces[i];
		assert_int_equal(completion.result, 0);
		assert_int_equal(completion.size, length);
		assert_true(pieces[i] ? completion.version > version : completion.version == version);
		version = completion.version;
		assert_int_equal(queued_take(queue, 2 * i + 1).result, 0);
		assert_int_equal(stats[i].size, length);
		assert_int_equal(stats[i].version, version);
	}
	queued_expect_empty(queue);
	expect_bytes(queued->session, "d/log", bytes, length);
	free(bytes);
	far_queue_free(queue);
}

// Two at once, with records of both ways to travel: each record is whole, and each queue's stand in their order.
static void test_queue_append__records_of_two_queues_are_whole(void **state)
{
	enum { RECORDS = 40, SHORT = 40, LONG = 20000 };
	struct queued *queued = *state;
	far_queue *queues[2] = {queued_new(queued->session, RECORDS), queued_new(queued->session, RECORDS)};
	char *records[2][RECORDS], *log;
	size_t next[2] = {0, 0}, size, at = 0;
	void *got;

	for (size_t i = 0; i < RECORDS; i++) {
		for (size_t q = 0; q < 2; q++) {
			records[q][i] = malloc(LONG);
			assert_non_null(records[q][i]);
			memset(records[q][i], (int)('A' + 32 * q + i % 26), LONG);
			assert_int_equal(append(queues[q], "log", records[q][i], i % 3 ? SHORT : LONG, i), 0);
			far_queue_submit(queues[q]);
		}
	}
	for (size_t q = 0; q < 2; q++)
		for (size_t i = 0; i < RECORDS; i++)
			assert_int_equal(queued_take(queues[q], i).result, 0);
	assert_int_equal(far_get(queued->session, "log", 3, &got, &size, NULL), 0);
	for (log = got; at < size;) {
		size_t q = log[at] >= 'a', length = next[q] % 3 ? SHORT : LONG;

		assert_true(next[q] < RECORDS && length <= size - at);
		assert_int_equal(memcmp(log + at, records[q][next[q]], length), 0);
		next[q]++;
		at += length;
	}
	assert_int_equal(next[0] + next[1], 2 * RECORDS);
	free(got);
	for (size_t q = 0; q < 2; q++) {
		for (size_t i = 0; i < RECORDS; i++)
			free(records[q][i]);
		far_queue_free(queues[q]);
	}
}

static void test_queue_put_range__bytes_land_where_they_should(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 8);
	char *large = bytes_new(300000), first[6] = "------", later[6] = "------";

	assert_int_equal(put_range(queue, "d/k", "abc", 3, 2, 0), 0);
	assert_int_equal(queued_get_into(queue, "d/k", first, 6, 1), 0);
	assert_int_equal(put_range(queue, "d/k", large, 300000, 5, 2), 0);
	assert_int_equal(put_range(queue, "d/k", "XY", 2, 1, 3), 0);
	assert_int_equal(queued_get_into(queue, "d/k", later, 5, 4), 0);
	assert_int_equal(append(queue, "d/k", "end", 3, 5), 0);
	for (size_t i = 0; i < 6; i++) {
		struct far_completion completion = queued_take(queue, i);

		assert_int_equal(completion.result, 0);
		assert_int_equal(completion.size, i < 2 ? 5 : i < 5 ? 300005 : 300008);
	}
	assert_memory_equal(first, "\0\0abc-", 6);
	assert_memory_equal(later, "\0XYbc-", 6);
	assert_int_equal(far_get_into(queued->session, "d/k", 3, first, 6, 5, NULL, NULL), 6);
	assert_memory_equal(first, large, 6);
	assert_int_equal(far_get_into(queued->session, "d/k", 3, first, 6, 300002, NULL, NULL), 6);
	assert_memory_equal(first, large + 299997, 3);
	assert_memory_equal(first + 3, "end", 3);
	free(large);
	far_queue_free(queue);
}

static void test_queue_put_range__each_has_its_own_error(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 8);
	static const int expected[] = {-ENOENT, 0, -EISDIR, -ENOTDIR, -EFBIG, 0};
	char *bytes = bytes_new((2 << 20) + 1);

	assert_int_equal(append(queue, "k", bytes, (2 << 20) + 1, 0), -EFBIG);
	assert_int_equal(append(queue, "k", NULL, 1, 0), -EINVAL);
	assert_int_equal(append(queue, "a//b", "x", 1, 0), -EINVAL);
	assert_int_equal(append(queue, "", "x", 1, 0), -EINVAL);
	assert_int_equal(far_queue_put_range(queue, "k", 1, "x", 1, 0, 1U << 20, NULL), -EINVAL);
	assert_non_null(strstr(far_last_error(), "0x100000"));
	queued_expect_empty(queue);
	assert_int_equal(far_queue_put_range(queue, "k", 1, "x", 1, 0, 0, (void *)0), 0); // is not to be made
	assert_int_equal(append(queue, "d/k", "value", 5, 1), 0);
	assert_int_equal(append(queue, "d", "x", 1, 2), 0);
	assert_int_equal(append(queue, "d/k/below", bytes, 100000, 3), 0);
	assert_int_equal(put_range(queue, "d/k", "x", 1, UINT64_MAX, 4), 0);
	assert_int_equal(append(queue, "d/k", NULL, 0, 5), 0);
	for (size_t i = 0; i < 6; i++) {
		struct far_completion completion = queued_take(queue, i);

		assert_int_equal(completion.result, expected[i]);
		assert_int_equal(completion.size, expected[i] ? 0 : 5);
	}
	expect_bytes(queued->session, "d/k", "value", 5);
	free(bytes);
	far_queue_free(queue);
}

// Some find room; each that does not is refused whole, and those behind it have their turn.
static void test_queue_append__full_pool_refuses_what_finds_no_room(void **state)
{
	enum { COUNT = 20 };
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, COUNT);
	char *bytes = bytes_new(1 << 20);
	uint64_t size = 0;
	unsigned stored = 0;

	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(append(queue, "log", bytes, i % 2 ? 1 << 20 : 100, i), 0);
	for (size_t i = 0; i < COUNT; i++) {
		struct far_completion completion = queued_take(queue, i);

		assert_true(completion.result == 0 || completion.result == -ENOSPC);
		if (completion.result == 0) {
			size += i % 2 ? 1 << 20 : 100;
			assert_int_equal(completion.size, size);
			stored++;
		}
	}
	assert_in_range(stored, 1, COUNT - 1);
	queued_expect_empty(queue);
	assert_int_equal(far_get_into(queued->session, "log", 3, bytes, 0, 0, &size, NULL), 0);
	assert_int_equal(size % (1 << 20) % 100, 0);
	free(bytes);
	far_queue_free(queue);
}

// --- gets ---

#define VALUE (3U << 20)

// Asks for a range and says what came of it: as many bytes as there are, and nothing behind them.
static void expect_range(far_queue *queue, const char *bytes, uint64_t offset, size_t room)
{
	size_t length = offset >= VALUE ? 0 : room < VALUE - offset ? room : VALUE - offset;
	char *buffer = malloc(room + 1);
	struct far_completion completion;

	assert_non_null(buffer);
	memset(buffer, 0x55, room + 1);
	assert_int_equal(far_queue_get_range(queue, "d/k", 3, buffer, room, offset, (void *)7), 0);
	completion = queued_take(queue, 7);
	assert_int_equal(completion.result, 0);
	assert_int_equal(completion.size, VALUE);
	assert_true(completion.version > 0);
	assert_null(completion.value);
	assert_int_equal(memcmp(buffer, bytes + (length ? offset : 0), length), 0);
	for (size_t i = length; i <= room; i++)
		assert_int_equal(buffer[i], 0x55);
	free(buffer);
}

// Asked for, and known where it is.
static void test_queue_get_range__brings_what_there_is(void **state)
{
	static const size_t rooms[] = {1, 100, 5000, 300000, VALUE, VALUE + 1000};
	static const uint64_t offsets[] = {0, 1, 4096, 1000003, VALUE - 1, VALUE, 5ULL << 40, UINT64_MAX};
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 4);
	char *bytes = bytes_new(VALUE);

	assert_int_equal(far_put(queued->session, "d/k", 3, bytes, VALUE, NULL), 0);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		for (size_t j = 0; j < sizeof(rooms) / sizeof(rooms[0]); j++)
			expect_range(queue, bytes, offsets[i], rooms[j]);
	assert_int_equal(far_queue_get_range(queue, "d/k", 3, NULL, 0, 5, (void *)0), 0);
	assert_int_equal(queued_take(queue, 0).size, VALUE);
	free(bytes);
	far_queue_free(queue);
}

// Ranges of one value beside each other, behind a change of it, and in front of another.
static void test_queue_get_range__sees_what_was_changed_before_it(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 8);
	char front[2], back[2], behind[2];

	for (int round = 0; round < 30; round++) {
		char text[] = {(char)('a' + round % 26), 'x', 'y', (char)('z' - round % 26)};

		assert_int_equal(put_range(queue, "k", text, 4, 0, 0), 0);
		if (round % 2)
			far_queue_submit(queue);
		assert_int_equal(far_queue_get_range(queue, "k", 1, front, 2, 0, (void *)1), 0);
		assert_int_equal(far_queue_get_range(queue, "k", 1, back, 2, 2, (void *)2), 0);
		assert_int_equal(put_range(queue, "k", "!!", 2, 2, 3), 0);
		assert_int_equal(far_queue_get_range(queue, "k", 1, behind, 2, 2, (void *)4), 0);
		for (size_t i = 0; i < 5; i++)
			assert_int_equal(queued_take(queue, i).result, 0);
		assert_memory_equal(front, text, 2);
		assert_memory_equal(back, text + 2, 2);
		assert_memory_equal(behind, "!!", 2);
	}
	far_queue_free(queue);
}

static void test_queue_get_range__each_has_its_own_error(void **state)
{
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, 2);
	char byte;

	assert_int_equal(far_queue_get_range(queue, "k", 1, NULL, 1, 0, NULL), -EINVAL);
	assert_int_equal(far_queue_get_range(queue, "", 0, &byte, 1, 0, NULL), -EINVAL);
	queued_expect_empty(queue);
	assert_int_equal(far_put(queued->session, "d/k", 3, "value", 5, NULL), 0);
	assert_int_equal(far_queue_get_range(queue, "none", 4, &byte, 1, 3, (void *)0), 0);
	assert_int_equal(far_queue_get_range(queue, "d", 1, &byte, 1, 3, (void *)1), 0);
	assert_int_equal(far_queue_get_range(queue, "d/k", 3, &byte, 1, 3, NULL), -EAGAIN);
	assert_int_equal(queued_take(queue, 0).result, -ENOENT);
	assert_int_equal(queued_take(queue, 1).result, -EISDIR);
	far_queue_free(queue);
}

// --- a server that goes ---

static void test_queue_append__server_that_goes_ends_each_once(void **state)
{
	enum { DEPTH = 60 };
	struct queued *queued = *state;
	far_queue *queue = queued_new(queued->session, DEPTH);
	char *bytes = bytes_new(200000);

	served_apart_hold(&queued->apart);
	for (size_t i = 0; i < DEPTH; i++)
		assert_int_equal(append(queue, "log", bytes, i % 3 ? 10 : 200000, i), 0);
	far_queue_submit(queue);
	served_apart_kill(&queued->apart);
	for (size_t i = 0; i < DEPTH; i++) {
		struct far_completion completion = queued_take(queue, i);

		assert_true(completion.result == -EIO || completion.result == -ENOTCONN);
		assert_int_equal(completion.size, 0);
		assert_int_equal(completion.version, 0);
	}
	queued_expect_empty(queue);
	free(bytes);
	far_queue_free(queue);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	        QUEUED(test_queue_append__pieces_stand_in_the_order_of_the_calls),
	        QUEUED(test_queue_append__records_of_two_queues_are_whole),
	        QUEUED(test_queue_put_range__bytes_land_where_they_should),
	        QUEUED(test_queue_put_range__each_has_its_own_error),
	        QUEUED_SMALL(test_queue_append__full_pool_refuses_what_finds_no_room),
	        QUEUED(test_queue_get_range__brings_what_there_is),
	        QUEUED(test_queue_get_range__sees_what_was_changed_before_it),
	        QUEUED(test_queue_get_range__each_has_its_own_error),
	        QUEUED(test_queue_append__server_that_goes_ends_each_once),
	};

	return queued_main(argc, argv, tests);
}
