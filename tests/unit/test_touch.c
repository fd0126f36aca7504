// server/handle_file.c, FAR_OP_TOUCH: access times move by the rule of access_time.h, whatever a client says.
#include "far/access_time.h"
#include "far/layout.h"
#include "served_one.h"
#include "server/record.h"
#include "testing.h"

#define SECOND 1000000000LL
#define DAY (86400 * SECOND)

static struct far_attr file;
static struct far_record *record;

static int set_up(void **state)
{
	served_one_set_up(state);
	assert_int_equal(served_create(client, FAR_ROOT_ID, "file", 0100644, &file), FAR_STATUS_OK);
	record = record_by_id(server->pool, file.id);
	return 0;
}

static int touch(unsigned flags, const uint64_t *ids, uint32_t count)
{
	struct far_touch_request request = {.count = count};

	return served_call(client, FAR_OP_TOUCH, flags, &request, sizeof(request),
	        (struct served_parts){ids, count * (uint32_t)sizeof(*ids), NULL, 0});
}

static void set_times(int64_t atime_ns, int64_t mtime_ns, int64_t ctime_ns)
{
	record->atime_ns = atime_ns;
	record->mtime_ns = mtime_ns;
	record->ctime_ns = ctime_ns;
}

static void expect_moved(unsigned flags, bool is_moved)
{
	int64_t before = record->atime_ns;

	assert_int_equal(touch(flags, &file.id, 1), -1);
	assert_int_equal(record->atime_ns != before, is_moved);
	if (is_moved)
		assert_int_equal(record->atime_ns, server_now(server));
}

static void test_rule__is_due_if_not_ahead_of_both_times_or_a_day_old(void **state)
{
	(void)state;
	assert_true(far_access_time_is_due(10, 10, 9, 11));
	assert_true(far_access_time_is_due(10, 9, 10, 11));
	assert_false(far_access_time_is_due(10, 9, 9, 11));
	assert_false(far_access_time_is_due(10, 9, 9, 9 + DAY));
	assert_true(far_access_time_is_due(10, 9, 9, 10 + DAY));
	assert_true(far_access_time_is_due(INT64_MIN, INT64_MIN, INT64_MIN, 1));
	assert_false(far_access_time_is_due(INT64_MAX, 0, 0, 2000000000 * SECOND));
}

static void test_touch__moves_what_is_due_and_nothing_else(void **state)
{
	uint64_t word = atomic_load(&record->word);
	uint64_t version = atomic_load(&record->version);

	(void)state;
	set_times(5, 6, 4);
	expect_moved(0, true);
	set_times(5, 4, 6);
	expect_moved(0, true);
	assert_int_equal(record->mtime_ns, 4);
	assert_int_equal(record->ctime_ns, 6);
	assert_int_equal(atomic_load(&record->word), word);
	assert_int_equal(atomic_load(&record->version), version);
}

static void test_touch__leaves_what_is_not_due_unless_told_so(void **state)
{
	int64_t now = server_now(server);

	(void)state;
	set_times(now - SECOND, now - 2 * SECOND, now - 2 * SECOND);
	expect_moved(0, false);
	expect_moved(FAR_TOUCH_ALWAYS, true);
	set_times(now + 1000 * SECOND, now, now);
	expect_moved(0, false);
}

static void test_touch__moves_what_is_a_day_old(void **state)
{
	int64_t now = server_now(server);

	(void)state;
	set_times(now - DAY + 60 * SECOND, 1, 1);
	expect_moved(0, false);
	set_times(now - DAY, 1, 1);
	expect_moved(0, true);
}

static void test_touch__takes_many_and_passes_over_what_is_gone(void **state)
{
	uint64_t ids[] = {UINT64_MAX, 0, FAR_ROOT_ID, 1ULL << 40, file.id};

	(void)state;
	set_times(1, 2, 2);
	server->root->atime_ns = 1;
	assert_int_equal(touch(0, ids, 5), -1);
	assert_true(record->atime_ns > 2);
	assert_true(server->root->atime_ns > 2);
	assert_int_equal(touch(0, NULL, 0), -1);
	assert_false(client->lane.is_closing);
}

static void test_touch__malformed_closes_the_lane_without_a_reply(void **state)
{
	static const uint32_t counts[] = {0, 2, 1U << 29, UINT32_MAX};
	struct far_touch_request request = {0};
	const struct served_parts parts = {&file.id, sizeof(file.id), NULL, 0};

	(void)state;
	set_times(1, 2, 2);
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		request.count = counts[i];
		assert_int_equal(served_call(client, FAR_OP_TOUCH, 0, &request, sizeof(request), parts), -1);
		assert_true(client->lane.is_closing);
		client->lane.is_closing = false;
	}
	assert_int_equal(record->atime_ns, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, served_one_tear_down)
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_rule__is_due_if_not_ahead_of_both_times_or_a_day_old),
	        TEST(test_touch__moves_what_is_due_and_nothing_else),
	        TEST(test_touch__leaves_what_is_not_due_unless_told_so),
	        TEST(test_touch__moves_what_is_a_day_old),
	        TEST(test_touch__takes_many_and_passes_over_what_is_gone),
	        TEST(test_touch__malformed_closes_the_lane_without_a_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
