#include "tests/unit/testing.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "server/directory.h"
#include "server/record.h"

static struct pool *pool;
static uint64_t free_at_start;
static struct far_record *directory;

static uint64_t new_entry(void)
{
	return record_new(pool, 1, (struct far_span){"entry", 5}, 0);
}

static void drop_entry(uint64_t entry)
{
	directory_remove(pool, directory, entry);
	pool_record_free(pool, entry, record_size(record_at(pool, entry)));
}

static int set_up(void **state)
{
	struct pool_options options = {.length = 256ULL << 20, .hugepages = POOL_HUGEPAGES_NEVER};
	char reason[256];

	(void)state;
	assert_int_equal(pool_open(&options, &pool, reason), 0);
	free_at_start = pool_free_bytes(pool);
	directory = record_at(pool, record_new(pool, 1, (struct far_span){"d", 1}, 0));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(directory->u.directory.tree, 0);
	assert_int_equal(atomic_load(&directory->size), 0);
	pool_record_free(pool, record_offset(pool, directory), record_size(directory));
	assert_int_equal(pool_free_bytes(pool), free_at_start);
	pool_close(pool);
	return 0;
}

static void test_directory_next__goes_through_entries_in_order_of_insertion(void **state)
{
	uint64_t entries[100];
	uint64_t cookie = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		entries[i] = new_entry();
		assert_int_equal(directory_insert(pool, directory, entries[i]), 0);
	}
	for (int i = 0; i < 100; i++) {
		uint64_t entry = directory_next(pool, directory, cookie);

		assert_int_equal(entry, entries[i]);
		cookie = record_at(pool, entry)->cookie;
	}
	assert_int_equal(directory_next(pool, directory, cookie), 0);
	assert_int_equal(directory_next(pool, directory, UINT64_MAX), 0);
	for (int i = 0; i < 100; i++)
		drop_entry(entries[i]);
}

static void test_directory_next__each_survivor_once_while_others_go(void **state)
{
	enum { COUNT = 100000 };
	static uint64_t entries[COUNT];
	uint64_t cookie = 0;
	uint64_t entry;
	int seen = 0;

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		entries[i] = new_entry();
		assert_int_equal(directory_insert(pool, directory, entries[i]), 0);
	}
	assert_int_equal(atomic_load(&directory->size), COUNT);
	// Every third is removed as the walk goes on, some before and some behind it.
	for (int next = 0; (entry = directory_next(pool, directory, cookie)) != 0;) {
		uint64_t here = record_at(pool, entry)->cookie;

		assert_true(here > cookie);
		cookie = here;
		if (here % 3 != 0)
			seen++;
		for (int i = 0; i < 2 && next < COUNT; i++, next++)
			if ((next + 1) % 3 == 0)
				drop_entry(entries[next]);
	}
	assert_int_equal(seen, COUNT - COUNT / 3);
	for (int i = 0; i < COUNT; i++)
		if ((i + 1) % 3 != 0)
			drop_entry(entries[i]);
}

static void test_directory_insert__churn_in_a_small_directory_uses_no_more_memory(void **state)
{
	uint64_t stays = new_entry();
	uint64_t free_before;

	(void)state;
	directory_insert(pool, directory, stays);
	free_before = pool_free_bytes(pool);
	for (int i = 0; i < 300000; i++) {
		uint64_t entry = new_entry();

		assert_int_equal(directory_insert(pool, directory, entry), 0);
		assert_int_equal(directory_next(pool, directory, record_at(pool, stays)->cookie), entry);
		drop_entry(entry);
	}
	assert_true(free_before - pool_free_bytes(pool) <= 2 * 65536);
	drop_entry(stays);
}

static void test_directory_replace__keeps_the_place(void **state)
{
	uint64_t a = new_entry();
	uint64_t b = new_entry();
	uint64_t other = new_entry();

	(void)state;
	directory_insert(pool, directory, a);
	directory_insert(pool, directory, b);
	directory_replace(pool, directory, a, other);
	assert_int_equal(directory_next(pool, directory, 0), other);
	assert_int_equal(directory_next(pool, directory, record_at(pool, other)->cookie), b);
	pool_record_free(pool, a, record_size(record_at(pool, a)));
	drop_entry(other);
	drop_entry(b);
}

static void test_directory__random_changes_agree_with_an_array(void **state)
{
	enum { COUNT = 3000 };
	static uint64_t entries[COUNT];
	uint64_t seed = 99;

	(void)state;
	for (int step = 0; step < 200000; step++) {
		unsigned i = (unsigned)(test_random(&seed) % COUNT);

		if (entries[i]) {
			uint64_t cookie = record_at(pool, entries[i])->cookie;

			assert_int_equal(directory_next(pool, directory, cookie - 1), entries[i]);
			drop_entry(entries[i]);
			entries[i] = 0;
		} else if (test_random(&seed) % 3 == 0) {
			entries[i] = new_entry();
			assert_int_equal(directory_insert(pool, directory, entries[i]), 0);
		}
	}
	for (unsigned i = 0; i < COUNT; i++)
		if (entries[i])
			drop_entry(entries[i]);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        WITH_DIRECTORY(test_directory_next__goes_through_entries_in_order_of_insertion),
	        WITH_DIRECTORY(test_directory_next__each_survivor_once_while_others_go),
	        WITH_DIRECTORY(test_directory_insert__churn_in_a_small_directory_uses_no_more_memory),
	        WITH_DIRECTORY(test_directory_replace__keeps_the_place),
	        WITH_DIRECTORY(test_directory__random_changes_agree_with_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
