#include "tests/unit/testing.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "server/extent_map.h"
#include "server/record.h"

// The model: which pool page stands behind each file page, 0 = a hole.
enum { FILE_PAGES = 20000 };
static uint32_t model[FILE_PAGES];
static struct pool *pool;
static struct far_record record;

static int set_up(void **state)
{
	struct pool_options options = {.length = 64ULL << 20, .hugepages = POOL_HUGEPAGES_NEVER};
	char reason[256];

	(void)state;
	memset(model, 0, sizeof(model));
	memset(&record, 0, sizeof(record));
	return pool_open(&options, &pool, reason);
}

static int tear_down(void **state)
{
	(void)state;
	pool_close(pool);
	return 0;
}

static void release(void *context, uint32_t pool_page, uint32_t pages)
{
	(void)context;
	pool_pages_free(pool, pool_page, pages);
}

static void check_against_model(void)
{
	struct far_extent extent = {0};
	uint32_t pages = 0;
	uint32_t next = 0;
	uint64_t extents = 0;

	while (extent_map_find(pool, &record, next, &extent)) {
		for (uint32_t page = next; page < extent.file_page; page++)
			assert_int_equal(model[page], 0);
		for (uint32_t i = 0; i < extent.pages; i++)
			assert_int_equal(model[extent.file_page + i], extent.pool_page + i);
		next = extent.file_page + extent.pages;
		pages += extent.pages;
		extents++;
	}
	for (uint32_t page = next; page < FILE_PAGES; page++)
		assert_int_equal(model[page], 0);
	assert_int_equal(record.u.value.pages, pages);
	assert_int_equal(extent_map_count(pool, &record), extents);
}

static void insert_run(uint32_t file_page, uint32_t pages)
{
	uint32_t pool_page;
	uint32_t fits = 0;

	while (fits < pages && file_page + fits < FILE_PAGES && model[file_page + fits] == 0)
		fits++;
	pool_page = fits ? pool_pages_alloc(pool, fits) : 0;
	if (!pool_page)
		return;
	if (extent_map_insert(pool, &record, (struct far_extent){file_page, pool_page, fits, 0})) {
		pool_pages_free(pool, pool_page, fits);
		return;
	}
	for (uint32_t i = 0; i < fits; i++)
		model[file_page + i] = pool_page + i;
}

static void remove_run(uint32_t file_page, uint32_t pages)
{
	if (extent_map_remove(pool, &record, file_page, pages, release, NULL))
		return;
	for (uint32_t i = file_page; i < FILE_PAGES && i - file_page < pages; i++)
		model[i] = 0;
}

static void test_extent_map_insert__pages_in_a_row_make_one_extent(void **state)
{
	uint32_t page = pool_pages_alloc(pool, 100);

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(extent_map_insert(pool, &record, (struct far_extent){i, page + i, 1, 0}), 0);
	assert_int_equal(record.value_kind, FAR_VALUE_EXTENT);
	assert_int_equal(extent_map_count(pool, &record), 1);
	assert_int_equal(record.u.value.pages, 100);
}

static void test_extent_map_remove__to_the_end_gives_everything_back(void **state)
{
	uint64_t free_at_start = pool_free_bytes(pool);

	(void)state;
	for (uint32_t page = 0; page < 12000; page += 2)
		insert_run(page, 1);
	assert_true(extent_map_count(pool, &record) == 6000);
	check_against_model();
	remove_run(0, UINT32_MAX);
	assert_int_equal(record.value_kind, FAR_VALUE_EMPTY);
	assert_int_equal(pool_free_bytes(pool), free_at_start);
}

static void test_extent_map__random_changes_agree_with_the_model(void **state)
{
	uint64_t free_at_start = pool_free_bytes(pool);
	uint64_t seed = 5;

	(void)state;
	for (int step = 0; step < 20000; step++) {
		uint32_t page = (uint32_t)(test_random(&seed) % FILE_PAGES);
		uint32_t pages = 1 + (uint32_t)(test_random(&seed) % (step % 100 ? 8 : 300));

		if (test_random(&seed) % 3)
			insert_run(page, pages);
		else
			remove_run(page, step % 5000 == 4999 ? UINT32_MAX : pages);
		if (step % 200 == 0)
			check_against_model();
	}
	check_against_model();
	remove_run(0, UINT32_MAX);
	assert_int_equal(pool_free_bytes(pool), free_at_start);
}

static void test_extent_map__full_pool_changes_nothing(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (uint32_t page = 0; page < 4000; page += 2)
		insert_run(page, 1);
	while (pool_pages_alloc(pool, 1))
		;
	while (pool_block_alloc(pool, 4096))
		;
	for (int step = 0; step < 3000; step++) {
		uint32_t page = (uint32_t)(test_random(&seed) % 4000);

		if (step % 2)
			remove_run(page, 1 + (uint32_t)(test_random(&seed) % 4));
		else
			insert_run(page, 1);
		if (step % 100 == 0)
			check_against_model();
	}
	check_against_model();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_extent_map_insert__pages_in_a_row_make_one_extent, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_extent_map_remove__to_the_end_gives_everything_back, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_extent_map__random_changes_agree_with_the_model, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_extent_map__full_pool_changes_nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
