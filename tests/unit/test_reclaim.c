#include "tests/unit/testing.h"

#include "server/reclaim.h"

static struct pool *pool;
static struct reclaim *reclaim;
static uint64_t open_section; // odd while one is open

static int sections(void *context, struct reclaim_section *out, int count)
{
	(void)context;
	if (!(open_section & 1))
		return 0;
	if (count > 0)
		out[0] = (struct reclaim_section){1, open_section};
	return 1;
}

static bool is_over(void *context, const struct reclaim_section *section)
{
	(void)context;
	return section->snapshot != open_section;
}

static int set_up(void **state)
{
	struct pool_options options = {.length = FAR_POOL_MIN, .hugepages = POOL_HUGEPAGES_NEVER};
	struct reclaim_readers readers = {NULL, sections, is_over};
	char reason[256];

	(void)state;
	open_section = 0;
	assert_int_equal(pool_open(&options, &pool, reason), 0);
	return reclaim_new(pool, &readers, &reclaim);
}

static int tear_down(void **state)
{
	(void)state;
	reclaim_free(reclaim);
	pool_close(pool);
	return 0;
}

static void test_reclaim_run__gives_back_at_once_without_readers(void **state)
{
	uint64_t before = pool_free_bytes(pool);
	uint32_t page = pool_pages_alloc(pool, 10);

	(void)state;
	reclaim_pages(reclaim, page, 10);
	assert_int_equal(reclaim_bytes(reclaim), 40960);
	assert_false(reclaim_run(reclaim));
	assert_int_equal(reclaim_bytes(reclaim), 0);
	assert_int_equal(pool_free_bytes(pool), before);
}

static void test_reclaim_run__waits_for_a_section_that_was_open(void **state)
{
	uint64_t before = pool_free_bytes(pool);
	uint32_t page = pool_pages_alloc(pool, 10);

	(void)state;
	open_section = 7;
	reclaim_pages(reclaim, page, 10);
	assert_true(reclaim_run(reclaim));
	assert_true(reclaim_run(reclaim));
	assert_int_equal(pool_free_bytes(pool), before - 40960);
	open_section = 9; // another one, begun later
	assert_false(reclaim_run(reclaim));
	assert_int_equal(pool_free_bytes(pool), before);
}

static void test_reclaim_run__waits_for_transfers_in_any_order(void **state)
{
	uint64_t before = pool_free_bytes(pool);
	uint32_t page = pool_pages_alloc(pool, 1);
	uint64_t tickets[200];

	(void)state;
	for (int i = 0; i < 200; i++)
		tickets[i] = reclaim_transfer_begin(reclaim);
	reclaim_pages(reclaim, page, 1);
	assert_true(reclaim_run(reclaim));
	uint64_t later = reclaim_transfer_begin(reclaim);
	for (int i = 199; i > 0; i--)
		reclaim_transfer_end(reclaim, tickets[i]);
	assert_true(reclaim_run(reclaim));
	reclaim_transfer_end(reclaim, tickets[0]);
	assert_false(reclaim_run(reclaim));
	assert_int_equal(pool_free_bytes(pool), before);
	reclaim_transfer_end(reclaim, later);
}

static void test_reclaim__many_pieces_while_a_section_is_open_all_come_back(void **state)
{
	uint64_t before = pool_free_bytes(pool);

	(void)state;
	open_section = 1;
	for (int i = 0; i < 20000; i++) {
		uint64_t block = pool_block_alloc(pool, 64);

		assert_int_not_equal(block, 0);
		reclaim_block(reclaim, block, 64);
	}
	assert_true(reclaim_run(reclaim));
	open_section = 2;
	assert_false(reclaim_run(reclaim));
	assert_int_equal(pool_free_bytes(pool), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_reclaim_run__gives_back_at_once_without_readers, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_reclaim_run__waits_for_a_section_that_was_open, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_reclaim_run__waits_for_transfers_in_any_order, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_reclaim__many_pieces_while_a_section_is_open_all_come_back, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
