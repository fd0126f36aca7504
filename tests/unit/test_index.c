#include "tests/unit/testing.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/index.h"
#include "server/record.h"

static struct pool *pool;
static struct index *names;

static void open_pool(uint64_t length)
{
	struct pool_options options = {.length = length, .hugepages = POOL_HUGEPAGES_NEVER};
	char reason[256];

	assert_int_equal(pool_open(&options, &pool, reason), 0);
	assert_int_equal(index_new(pool, &names), 0);
}

static void close_pool(void)
{
	index_free(names);
	pool_close(pool);
}

static struct far_span name_of(unsigned number, char text[32])
{
	return (struct far_span){text, (uint32_t)snprintf(text, 32, "name-%u", number)};
}

static uint64_t new_record(uint64_t parent, struct far_span name)
{
	uint64_t offset = record_new(pool, parent, name, 0);

	if (offset)
		record_at(pool, offset)->name_hash = (uint32_t)index_hash(names, parent, name);
	return offset;
}

static uint64_t names_counter(void)
{
	return atomic_load(&pool_header(pool)->names);
}

static void test_index_settle__names_are_unsettled_from_the_first_change_on(void **state)
{
	uint64_t before;
	uint64_t record;

	(void)state;
	open_pool(FAR_POOL_MIN);
	record = new_record(1, (struct far_span){"a", 1});
	before = names_counter();
	assert_true(FAR_NAMES_ARE_SETTLED(before));
	assert_int_equal(index_insert(names, record), 0);
	assert_false(FAR_NAMES_ARE_SETTLED(names_counter()));
	index_remove(names, record); // of the same operation
	assert_false(FAR_NAMES_ARE_SETTLED(names_counter()));
	index_settle(names);
	assert_true(FAR_NAMES_ARE_SETTLED(names_counter()));
	assert_int_not_equal(names_counter(), before);
	before = names_counter();
	index_settle(names); // nothing was changed
	assert_int_equal(names_counter(), before);
	close_pool();
}

static void test_index_find__tells_parents_and_names_apart(void **state)
{
	struct far_span name = {"a", 1};
	uint64_t one;
	uint64_t two;

	(void)state;
	open_pool(FAR_POOL_MIN);
	one = new_record(1, name);
	two = new_record(2, name);
	assert_int_equal(index_insert(names, one), 0);
	assert_int_equal(index_insert(names, two), 0);
	assert_int_equal(index_find(names, 1, name), one);
	assert_int_equal(index_find(names, 2, name), two);
	assert_int_equal(index_find(names, 3, name), 0);
	assert_int_equal(index_find(names, 1, (struct far_span){"b", 1}), 0);
	index_remove(names, one);
	assert_int_equal(index_find(names, 1, name), 0);
	assert_int_equal(index_find(names, 2, name), two);
	close_pool();
}

static void test_index__grows_and_shrinks_and_loses_nothing(void **state)
{
	enum { COUNT = 200000 };
	static uint64_t records[COUNT];
	uint64_t free_at_start;
	char text[32];

	(void)state;
	open_pool(128ULL << 20);
	free_at_start = pool_free_bytes(pool);
	for (unsigned i = 0; i < COUNT; i++) {
		records[i] = new_record(i % 7, name_of(i, text));
		assert_int_equal(index_insert(names, records[i]), 0);
	}
	assert_int_equal(index_count(names), COUNT);
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(index_find(names, i % 7, name_of(i, text)), records[i]);
	for (unsigned i = 0; i < COUNT; i += 2)
		index_remove(names, records[i]);
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(index_find(names, i % 7, name_of(i, text)), i % 2 ? records[i] : 0);
	for (unsigned i = 1; i < COUNT; i += 2)
		index_remove(names, records[i]);
	for (unsigned i = 0; i < COUNT; i++)
		pool_record_free(pool, records[i], record_size(record_at(pool, records[i])));
	assert_int_equal(pool_free_bytes(pool), free_at_start);
	close_pool();
}

static void test_index_insert__full_pool_changes_nothing(void **state)
{
	enum { COUNT = 60000 };
	static uint64_t records[COUNT];
	unsigned made = 0;
	char text[32];

	(void)state;
	open_pool(FAR_POOL_MIN);
	while (pool_pages_alloc(pool, 64))
		;
	while (made < COUNT) {
		records[made] = new_record(1, name_of(made, text));
		if (!records[made] || index_insert(names, records[made]))
			break;
		made++;
	}
	assert_true(made > 100 && made < COUNT);
	for (unsigned i = 0; i < made; i++)
		assert_int_equal(index_find(names, 1, name_of(i, text)), records[i]);
	for (unsigned i = 0; i < made; i++)
		index_remove(names, records[i]);
	assert_int_equal(index_count(names), 0);
	close_pool();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_index_settle__names_are_unsettled_from_the_first_change_on),
	        cmocka_unit_test(test_index_find__tells_parents_and_names_apart),
	        cmocka_unit_test(test_index__grows_and_shrinks_and_loses_nothing),
	        cmocka_unit_test(test_index_insert__full_pool_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
