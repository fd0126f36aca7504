#include "tests/unit/testing.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "client/fetch.h"

// A pool in plain memory, as a mapped one looks to a client.
#define POOL (1U << 20)
#define RECORD 4096U

static struct far_session session;
static struct far_lane lane = {.session = &session, .pool_length = POOL};
static char *pool;
static const struct far_wire_extent extents[] = {{0, 8192, 4096}, {8192, 65536, 4096}};
static const struct located whole = {
        .id = 77, .record = RECORD, .word = 257, .version = 5, .epoch = 9, .size = 14000, .end = 14000, .extents = extents, .count = 2};

static struct far_record *record(void)
{
	return (struct far_record *)(pool + RECORD);
}

static struct far_pool_header *header(void)
{
	return (struct far_pool_header *)pool;
}

static int set_up(void **state)
{
	(void)state;
	pool = aligned_alloc(4096, POOL);
	memset(pool, 'x', POOL); // what nothing leads to
	memset(pool + 8192, 'a', 4096);
	memset(pool + 65536, 'b', 4096);
	atomic_store_explicit(&record()->word, 257, memory_order_relaxed);
	atomic_store_explicit(&record()->version, 5, memory_order_relaxed);
	record()->id = 77;
	atomic_store_explicit(&header()->location_epoch, 9, memory_order_relaxed);
	lane.pool.loads = pool;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(pool);
	return 0;
}

static void expect_bytes(const char *bytes, size_t length, char byte)
{
	for (size_t i = 0; i < length; i++)
		assert_int_equal(bytes[i], byte);
}

static void test_fetch__puts_extents_and_holes_together(void **state)
{
	char bytes[14000];

	(void)state;
	assert_int_equal(fetch(&lane, &whole, FETCH_VALUE, bytes, 0, sizeof(bytes)), 1);
	expect_bytes(bytes, 4096, 'a');
	expect_bytes(bytes + 4096, 4096, 0);
	expect_bytes(bytes + 8192, 4096, 'b');
	expect_bytes(bytes + 12288, 14000 - 12288, 0);
}

static void test_fetch__begins_and_ends_anywhere(void **state)
{
	static const struct {
		uint64_t offset, length;
		size_t a, zeros, b, end;
	} cases[] = {
	        {4000, 8192, 96, 4096, 4000, 0},
	        {4096, 10, 0, 10, 0, 0},
	        {8190, 4, 0, 2, 2, 0},
	        {12287, 3, 0, 0, 1, 2},
	        {13000, 1000, 0, 1000, 0, 0},
	        {100, 1, 1, 0, 0, 0},
	};
	char bytes[14001];

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *at = bytes;

		memset(bytes, '?', sizeof(bytes));
		assert_int_equal(fetch(&lane, &whole, FETCH_VALUE, bytes, cases[i].offset, cases[i].length), 1);
		expect_bytes(at, cases[i].a, 'a');
		expect_bytes(at += cases[i].a, cases[i].zeros, 0);
		expect_bytes(at += cases[i].zeros, cases[i].b, 'b');
		expect_bytes(at += cases[i].b, cases[i].end, 0);
		assert_int_equal(bytes[cases[i].length], '?');
	}
}

static void test_fetch__an_empty_range_is_checked_too(void **state)
{
	(void)state;
	assert_int_equal(fetch(&lane, &whole, FETCH_VALUE, NULL, 0, 0), 1);
	atomic_store_explicit(&record()->word, 513, memory_order_relaxed);
	assert_int_equal(fetch(&lane, &whole, FETCH_VALUE, NULL, 0, 0), 0);
}

static void test_fetch__another_word_or_object_makes_it_void(void **state)
{
	char bytes[8];

	(void)state;
	atomic_store_explicit(&record()->word, 513, memory_order_relaxed);
	assert_int_equal(fetch(&lane, &whole, FETCH_VALUE, bytes, 0, 8), 0);
	assert_int_equal(fetch(&lane, &whole, FETCH_FILE, bytes, 0, 8), 0);
	atomic_store_explicit(&record()->word, 257, memory_order_relaxed);
	record()->id = 78;
	assert_int_equal(fetch(&lane, &whole, FETCH_VALUE, bytes, 0, 8), 0);
	assert_int_equal(fetch(&lane, &whole, FETCH_FILE, bytes, 0, 8), 0);
}

static void test_fetch__another_epoch_voids_what_a_directory_leads_to(void **state)
{
	char bytes[8];

	(void)state;
	assert_int_equal(fetch(&lane, &whole, FETCH_PATH, bytes, 0, 8), 1);
	atomic_store_explicit(&header()->location_epoch, 10, memory_order_relaxed);
	assert_int_equal(fetch(&lane, &whole, FETCH_PATH, bytes, 0, 8), 0);
	assert_int_equal(fetch(&lane, &whole, FETCH_VALUE, bytes, 0, 8), 1);
	assert_int_equal(fetch(&lane, &whole, FETCH_FILE, bytes, 0, 8), 1);
}

static void test_fetch__another_version_voids_a_value_but_not_a_file(void **state)
{
	char bytes[8];

	(void)state;
	atomic_store_explicit(&record()->version, 6, memory_order_relaxed);
	assert_int_equal(fetch(&lane, &whole, FETCH_VALUE, bytes, 0, 8), 0);
	assert_int_equal(fetch(&lane, &whole, FETCH_FILE, bytes, 0, 8), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        TEST(test_fetch__puts_extents_and_holes_together),
	        TEST(test_fetch__begins_and_ends_anywhere),
	        TEST(test_fetch__an_empty_range_is_checked_too),
	        TEST(test_fetch__another_word_or_object_makes_it_void),
	        TEST(test_fetch__another_epoch_voids_what_a_directory_leads_to),
	        TEST(test_fetch__another_version_voids_a_value_but_not_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
