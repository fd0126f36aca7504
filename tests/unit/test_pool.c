#include "tests/unit/testing.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "server/pool.h"

// server/pool.c, pages.c and block.c.

static struct pool *new_pool(uint64_t length)
{
	struct pool_options options = {.length = length, .hugepages = POOL_HUGEPAGES_NEVER};
	char reason[256] = "";
	struct pool *pool = NULL;

	assert_int_equal(pool_open(&options, &pool, reason), 0);
	return pool;
}

static void test_pool_open__too_small_is_refused_with_a_reason(void **state)
{
	struct pool_options options = {.length = 4096};
	struct pool *pool = NULL;
	char reason[256] = "";

	(void)state;
	assert_int_equal(pool_open(&options, &pool, reason), -EINVAL);
	assert_non_null(strstr(reason, "4096"));
	assert_non_null(strstr(reason, "--pool"));
}

static void test_pool_open__larger_than_memory_is_refused(void **state)
{
	struct pool_options options = {.length = 8ULL << 40};
	struct pool *pool = NULL;
	char reason[256] = "";

	(void)state;
	assert_int_equal(pool_open(&options, &pool, reason), -ENOMEM);
	assert_non_null(strstr(reason, "memory available"));
}

static void test_pool_open__memory_cannot_be_mapped_writable_again(void **state)
{
	struct pool *pool = new_pool(FAR_POOL_MIN);

	(void)state;
	assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, pool_fd(pool), 0), MAP_FAILED);
	void *readable = mmap(NULL, 4096, PROT_READ, MAP_SHARED, pool_fd(pool), 0);
	assert_ptr_not_equal(readable, MAP_FAILED);
	assert_int_equal(((struct far_pool_header *)readable)->magic, FAR_POOL_MAGIC);
	munmap(readable, 4096);
	pool_close(pool);
}

static void test_pool_open__segments_follow_the_pools_length(void **state)
{
	struct pool *small = new_pool(FAR_POOL_MIN);
	struct pool *large = new_pool(4ULL << 30);

	(void)state;
	assert_int_equal(pool_segment_shift(small), 21);
	assert_int_equal(pool_segment_shift(large), 23);
	pool_close(large);
	pool_close(small);
}

static void test_pool_pages_alloc__full_pool_returns_none_and_recovers(void **state)
{
	struct pool *pool = new_pool(FAR_POOL_MIN);
	uint64_t free_at_start = pool_free_bytes(pool);
	uint32_t pages[4096];
	uint32_t count = 0;
	uint32_t page;

	(void)state;
	while ((page = pool_pages_alloc(pool, 1)) != 0)
		pages[count++] = page;
	assert_int_equal(count, 2047); // 8 MiB less the header's page
	assert_int_equal(pool_free_bytes(pool), 0);
	assert_int_equal(pool_room_bytes(pool), 0);
	assert_false(pool_may_have_slab(pool));
	assert_int_equal(pool_pages_alloc(pool, 2), 0);
	for (uint32_t i = 0; i < count; i++)
		pool_pages_free(pool, pages[i], 1);
	assert_int_equal(pool_free_bytes(pool), free_at_start);
	assert_int_not_equal(pool_pages_alloc(pool, 512), 0);
	pool_close(pool);
}

static void test_pool_pages_alloc_most__gives_the_longest_run_that_is_left(void **state)
{
	struct pool *pool = new_pool(FAR_POOL_MIN);
	uint32_t run[4];
	uint32_t got = 0;

	(void)state;
	run[0] = pool_pages_alloc(pool, 511); // beside the header
	for (int i = 1; i < 4; i++)
		run[i] = pool_pages_alloc(pool, 512);
	pool_pages_free(pool, run[2] + 100, 7);
	pool_pages_free(pool, run[3] + 5, 30);
	assert_int_equal(pool_pages_alloc_most(pool, 256, 40, &got), 0);
	assert_int_equal(pool_pages_alloc_most(pool, 256, 2, &got), run[3] + 5);
	assert_int_equal(got, 30);
	assert_int_equal(pool_pages_alloc_most(pool, 4, 1, &got), run[2] + 100);
	assert_int_equal(got, 4);
	pool_close(pool);
}

// Random runs against an owner array: nothing overlaps, nothing crosses a segment, all comes back.
static void test_pool_pages__random_runs_never_overlap(void **state)
{
	struct pool *pool = new_pool(16ULL << 20);
	uint64_t free_at_start = pool_free_bytes(pool);
	struct {
		uint32_t page, pages;
	} runs[300] = {0};
	static uint8_t is_taken[4096];
	uint64_t seed = 42;

	(void)state;
	for (int step = 0; step < 50000; step++) {
		unsigned i = (unsigned)(test_random(&seed) % 300);

		if (runs[i].pages == 0) {
			uint32_t pages = 1 + (uint32_t)(test_random(&seed) % (step % 3 ? 8 : 200));

			runs[i].page = pool_pages_alloc(pool, pages);
			runs[i].pages = runs[i].page ? pages : 0;
			assert_int_equal(runs[i].page >> 9, (runs[i].page + (runs[i].pages ? runs[i].pages - 1 : 0)) >> 9);
			for (uint32_t p = 0; p < runs[i].pages; p++)
				assert_int_equal(is_taken[runs[i].page + p]++, 0);
		} else {
			uint32_t part = 1 + (uint32_t)(test_random(&seed) % runs[i].pages);

			pool_pages_free(pool, runs[i].page, part);
			for (uint32_t p = 0; p < part; p++)
				is_taken[runs[i].page + p] = 0;
			runs[i].page += part;
			runs[i].pages -= part;
		}
	}
	for (unsigned i = 0; i < 300; i++)
		if (runs[i].pages)
			pool_pages_free(pool, runs[i].page, runs[i].pages);
	assert_int_equal(pool_free_bytes(pool), free_at_start);
	pool_close(pool);
}

static void test_pool_block_round__is_fine_for_small_and_an_eighth_for_large(void **state)
{
	(void)state;
	assert_int_equal(pool_block_round(1), 16);
	assert_int_equal(pool_block_round(208), 208);
	assert_int_equal(pool_block_round(209), 224);
	assert_int_equal(pool_block_round(512), 512);
	assert_int_equal(pool_block_round(513), 576);
	assert_int_equal(pool_block_round(1024), 1024);
	assert_int_equal(pool_block_round(1025), 1152);
	assert_int_equal(pool_block_round(4000), 4096);
	assert_int_equal(pool_block_round(4096), 4096);
}

static void test_pool_block__random_blocks_keep_their_bytes(void **state)
{
	struct pool *pool = new_pool(FAR_POOL_MIN);
	uint64_t free_at_start = pool_free_bytes(pool);
	struct {
		uint64_t offset;
		uint32_t size;
	} blocks[1000] = {0};
	uint64_t seed = 7;

	(void)state;
	for (int step = 0; step < 100000; step++) {
		unsigned i = (unsigned)(test_random(&seed) % 1000);

		if (blocks[i].offset == 0) {
			blocks[i].size = 1 + (uint32_t)(test_random(&seed) % FAR_BLOCK_MAX);
			blocks[i].offset = pool_block_alloc(pool, blocks[i].size);
			if (blocks[i].offset)
				memset(pool_at(pool, blocks[i].offset), (int)(i & 0xff), blocks[i].size);
		} else {
			const unsigned char *bytes = pool_at(pool, blocks[i].offset);

			assert_int_equal(blocks[i].offset % FAR_GRANULE, 0);
			assert_int_equal(bytes[0], i & 0xff);
			assert_int_equal(bytes[blocks[i].size - 1], i & 0xff);
			pool_block_free(pool, blocks[i].offset, blocks[i].size);
			blocks[i].offset = 0;
		}
	}
	for (unsigned i = 0; i < 1000; i++)
		if (blocks[i].offset)
			pool_block_free(pool, blocks[i].offset, blocks[i].size);
	assert_int_equal(pool_free_bytes(pool), free_at_start);
	pool_close(pool);
}

static void test_pool_record_exists__knows_starts_of_records_only(void **state)
{
	struct pool *pool = new_pool(FAR_POOL_MIN);
	uint64_t record = pool_record_alloc(pool, 208);
	uint64_t block = pool_block_alloc(pool, 208);

	(void)state;
	assert_true(pool_record_exists(pool, record));
	assert_false(pool_record_exists(pool, record + 16));
	assert_false(pool_record_exists(pool, record + 208)); // never handed out
	assert_false(pool_record_exists(pool, block));
	assert_false(pool_record_exists(pool, 0));
	assert_false(pool_record_exists(pool, pool_length(pool) + 4096));
	pool_close(pool);
}

static void test_pool_record__memory_stays_records_until_it_is_trimmed(void **state)
{
	struct pool *pool = new_pool(FAR_POOL_MIN);
	uint64_t free_at_start = pool_free_bytes(pool);
	uint64_t record = pool_record_alloc(pool, 208);
	struct far_record *content = pool_at(pool, record);
	uint64_t epoch = atomic_load(&pool_header(pool)->location_epoch);

	(void)state;
	assert_int_equal(atomic_load(&content->word), 0);
	atomic_store(&content->word, 0x1234500);
	pool_record_free(pool, record, 208);
	assert_true(pool_record_exists(pool, record));
	assert_int_equal(pool_free_bytes(pool), free_at_start);
	assert_int_equal(pool_record_alloc(pool, 208), record);
	assert_int_equal(atomic_load(&content->word), 0x1234500);
	pool_record_free(pool, record, 208);
	pool_records_trim(pool);
	assert_false(pool_record_exists(pool, record));
	assert_int_equal(atomic_load(&pool_header(pool)->location_epoch), epoch + 1);
	assert_int_equal(pool_free_bytes(pool), free_at_start);
	pool_close(pool);
}

static void test_pool_room_bytes__counts_what_is_left_in_slabs(void **state)
{
	struct pool *pool = new_pool(FAR_POOL_MIN);
	uint64_t room_at_start = pool_room_bytes(pool);
	uint64_t record, block;

	(void)state;
	assert_int_equal(room_at_start, pool_free_bytes(pool));
	record = pool_record_alloc(pool, 208);
	block = pool_block_alloc(pool, 100);
	assert_int_equal(pool_room_bytes(pool), room_at_start - 208 - 112);
	while (pool_pages_alloc(pool, 1) != 0)
		continue;
	assert_false(pool_may_have_slab(pool));
	assert_in_range(pool_room_bytes(pool), 1, 2 * 64 * 1024);
	pool_record_free(pool, record, 208);
	assert_true(pool_may_have_slab(pool)); // of records, empty
	pool_block_free(pool, block, 100);
	assert_in_range(pool_room_bytes(pool), 2 * 64 * 1024, 2 * 64 * 1024);
	pool_close(pool);
}

static void test_pool_pages_alloc__takes_empty_record_slabs_before_it_says_full(void **state)
{
	struct pool *pool = new_pool(FAR_POOL_MIN);
	uint64_t records[64];

	(void)state;
	for (int i = 0; i < 64; i++)
		records[i] = pool_record_alloc(pool, 4096);
	for (int i = 0; i < 64; i++)
		pool_record_free(pool, records[i], 4096);
	for (int i = 0; i < 4; i++)
		assert_int_not_equal(pool_pages_alloc(pool, i < 3 ? 512 : 511), 0);
	pool_close(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_pool_open__too_small_is_refused_with_a_reason),
	        cmocka_unit_test(test_pool_open__larger_than_memory_is_refused),
	        cmocka_unit_test(test_pool_open__memory_cannot_be_mapped_writable_again),
	        cmocka_unit_test(test_pool_open__segments_follow_the_pools_length),
	        cmocka_unit_test(test_pool_pages_alloc__full_pool_returns_none_and_recovers),
	        cmocka_unit_test(test_pool_pages_alloc_most__gives_the_longest_run_that_is_left),
	        cmocka_unit_test(test_pool_pages__random_runs_never_overlap),
	        cmocka_unit_test(test_pool_block_round__is_fine_for_small_and_an_eighth_for_large),
	        cmocka_unit_test(test_pool_block__random_blocks_keep_their_bytes),
	        cmocka_unit_test(test_pool_record_exists__knows_starts_of_records_only),
	        cmocka_unit_test(test_pool_record__memory_stays_records_until_it_is_trimmed),
	        cmocka_unit_test(test_pool_room_bytes__counts_what_is_left_in_slabs),
	        cmocka_unit_test(test_pool_pages_alloc__takes_empty_record_slabs_before_it_says_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
