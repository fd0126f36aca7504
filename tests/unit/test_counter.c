// Counters (server/handle_counter.c) by requests as they come off the wire: sums, swaps, what they refuse, and values that lie anywhere.
#include <stdio.h>
#include <sys/stat.h>

#include "served_one.h"
#include "server/namespace.h"
#include "server/record.h"
#include "server/space.h"
#include "testing.h"

static int call_counter(const char *key, unsigned flags, struct far_counter_request request)
{
	request.key_length = (uint16_t)strlen(key);
	return served_call(
	        client, FAR_OP_COUNTER, flags, &request, sizeof(request), (struct served_parts){key, request.key_length, NULL, 0});
}

static int add(const char *key, int64_t operand)
{
	return call_counter(key, FAR_COUNTER_CREATE, (struct far_counter_request){.operand = operand, .mode = 0644});
}

static int swap(const char *key, int64_t expected, int64_t operand)
{
	return call_counter(key, FAR_COUNTER_CAS, (struct far_counter_request){.operand = operand, .expected = expected});
}

static const struct far_counter_reply *counted(void)
{
	return (const struct far_counter_reply *)client->reply;
}

static void check_bytes(const char *key, int64_t value)
{
	int64_t bytes;

	assert_int_equal(served_get(client, key, 0), FAR_STATUS_OK);
	assert_int_equal(((const struct far_get_reply *)client->reply)->location.size, sizeof(bytes));
	served_value(client, 0, &bytes);
	assert_int_equal(bytes, value);
}

static struct far_record *record_of(const char *key)
{
	struct far_record *object;

	assert_int_equal(namespace_resolve(server, (struct far_span){key, (uint32_t)strlen(key)}, &object), 0);
	return object;
}

static void test_missing_counter_is_made_and_begins_with_0(void **state)
{
	struct far_attr attr;

	(void)state;
	assert_int_equal(add("d/k", 5), FAR_STATUS_OK);
	assert_int_equal(counted()->value, 5);
	assert_int_equal(counted()->previous, 0);
	assert_int_equal(counted()->version, 1);
	assert_int_equal(served_stat(client, "d/k", &attr), FAR_STATUS_OK);
	assert_int_equal(attr.mode, S_IFREG | 0644);
	check_bytes("d/k", 5);
}

static void test_each_change_raises_the_version(void **state)
{
	(void)state;
	assert_int_equal(add("k", 5), FAR_STATUS_OK);
	assert_int_equal(add("k", -7), FAR_STATUS_OK);
	assert_int_equal(counted()->value, -2);
	assert_int_equal(counted()->previous, 5);
	assert_int_equal(counted()->version, 2);
	assert_int_equal(call_counter("k", FAR_COUNTER_SET, (struct far_counter_request){.operand = 40}), FAR_STATUS_OK);
	assert_int_equal(counted()->previous, -2);
	assert_int_equal(counted()->version, 3);
	assert_int_equal(swap("k", 40, 41), FAR_STATUS_OK);
	assert_int_equal(counted()->previous, 40);
	assert_int_equal(counted()->version, 4);
	check_bytes("k", 41);
}

static void test_change_moves_the_times(void **state)
{
	struct far_attr before, after;

	(void)state;
	assert_int_equal(add("k", 1), FAR_STATUS_OK);
	assert_int_equal(served_stat(client, "k", &before), FAR_STATUS_OK);
	assert_int_equal(add("k", 1), FAR_STATUS_OK);
	assert_int_equal(served_stat(client, "k", &after), FAR_STATUS_OK);
	assert_true(after.ctime_ns > before.ctime_ns);
	assert_int_equal(after.mtime_ns, after.ctime_ns);
}

static void test_initial_value_is_what_is_added_to(void **state)
{
	struct far_counter_request request = {.operand = 2, .initial = 100, .mode = 0644};

	(void)state;
	assert_int_equal(call_counter("k", FAR_COUNTER_CREATE, request), FAR_STATUS_OK);
	assert_int_equal(counted()->value, 102);
	assert_int_equal(counted()->previous, 100);
	assert_int_equal(call_counter("k", FAR_COUNTER_CREATE, request), FAR_STATUS_OK);
	assert_int_equal(counted()->value, 104);
}

static void test_swap_of_another_value_changes_nothing_and_tells_it(void **state)
{
	(void)state;
	assert_int_equal(add("k", 5), FAR_STATUS_OK);
	assert_int_equal(swap("k", 4, 9), FAR_STATUS_VERSION);
	assert_int_equal(counted()->previous, 5);
	assert_int_equal(counted()->value, 5);
	assert_int_equal(counted()->version, 1);
	check_bytes("k", 5);
}

static void test_sum_beyond_the_range_is_refused(void **state)
{
	struct far_counter_request request = {.operand = 1, .initial = INT64_MAX, .mode = 0644};
	struct far_attr attr;

	(void)state;
	assert_int_equal(add("k", INT64_MAX), FAR_STATUS_OK);
	assert_int_equal(add("k", 1), FAR_STATUS_OVERFLOW);
	check_bytes("k", INT64_MAX);
	assert_int_equal(swap("k", INT64_MAX, INT64_MIN), FAR_STATUS_OK);
	assert_int_equal(add("k", -1), FAR_STATUS_OVERFLOW);
	check_bytes("k", INT64_MIN);
	assert_int_equal(add("k", INT64_MAX), FAR_STATUS_OK);
	assert_int_equal(counted()->value, -1);
	assert_int_equal(call_counter("d/new", FAR_COUNTER_CREATE, request), FAR_STATUS_OVERFLOW);
	assert_int_equal(served_stat(client, "d", &attr), FAR_STATUS_NOT_FOUND);
}

static void test_what_is_no_counter_is_refused(void **state)
{
	struct far_attr attr;

	(void)state;
	assert_int_equal(served_put(client, "d/seven", "1234567", 7), FAR_STATUS_OK);
	assert_int_equal(served_put(client, "nine", "123456789", 9), FAR_STATUS_OK);
	assert_int_equal(served_put(client, "empty", "", 0), FAR_STATUS_OK);
	assert_int_equal(served_symlink(client, FAR_ROOT_ID, "symlink", "12345678", &attr), FAR_STATUS_OK);
	assert_int_equal(served_create(client, FAR_ROOT_ID, "fifo", S_IFIFO | 0644, &attr), FAR_STATUS_OK);
	assert_int_equal(add("d/seven", 1), FAR_STATUS_INVALID);
	assert_int_equal(add("nine", 1), FAR_STATUS_INVALID);
	assert_int_equal(swap("nine", 0, 1), FAR_STATUS_INVALID);
	assert_int_equal(add("empty", 1), FAR_STATUS_INVALID);
	assert_int_equal(add("fifo", 1), FAR_STATUS_INVALID);
	assert_int_equal(add("symlink", 1), FAR_STATUS_LOOP);
	assert_int_equal(add("d", 1), FAR_STATUS_IS_DIRECTORY);
	assert_int_equal(add("nine/k", 1), FAR_STATUS_NOT_DIRECTORY);
	assert_int_equal(served_stat(client, "d/seven", &attr), FAR_STATUS_OK);
	assert_int_equal(attr.version, 1);
}

static void test_missing_key_stays_missing_unless_it_is_to_be_made(void **state)
{
	struct far_attr attr;

	(void)state;
	assert_int_equal(swap("d/k", 0, 1), FAR_STATUS_NOT_FOUND);
	assert_int_equal(call_counter("d/k", 0, (struct far_counter_request){.operand = 1}), FAR_STATUS_NOT_FOUND);
	assert_int_equal(call_counter("d/k", FAR_COUNTER_SET, (struct far_counter_request){.operand = 1}), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_stat(client, "d", &attr), FAR_STATUS_NOT_FOUND);
}

static void test_request_that_makes_no_sense_is_refused(void **state)
{
	(void)state;
	assert_int_equal(add("", 1), FAR_STATUS_INVALID);
	assert_int_equal(add("a//b", 1), FAR_STATUS_INVALID);
	assert_int_equal(add("k", 1), FAR_STATUS_OK);
	assert_int_equal(call_counter("k", FAR_COUNTER_CAS | FAR_COUNTER_CREATE, (struct far_counter_request){0}), FAR_STATUS_INVALID);
	assert_int_equal(call_counter("k", FAR_COUNTER_CAS | FAR_COUNTER_SET, (struct far_counter_request){0}), FAR_STATUS_INVALID);
	assert_int_equal(
	        call_counter("new", FAR_COUNTER_CREATE, (struct far_counter_request){.ttl_ms = FAR_TTL_MAX_MS + 1}), FAR_STATUS_INVALID);
	check_bytes("k", 1);
}

static void test_key_length_that_is_not_there_ends_the_lane(void **state)
{
	struct far_counter_request request = {.operand = 1, .key_length = 2};

	(void)state;
	assert_int_equal(served_call(client, FAR_OP_COUNTER, 0, &request, sizeof(request), (struct served_parts){"k", 1, NULL, 0}),
	        FAR_STATUS_PROTOCOL);
	assert_true(client->lane.is_closing);
}

// However it came to its place, it is changed there.
static void test_value_may_lie_anywhere(void **state)
{
	char name[FAR_NAME_MAX + 1] = {0};
	struct far_attr attr;
	char page[FAR_PAGE_SIZE * 3] = {7};

	(void)state;
	// A hole.
	assert_int_equal(served_create(client, FAR_ROOT_ID, "hole", S_IFREG | 0644, &attr), FAR_STATUS_OK);
	assert_int_equal(served_truncate(client, attr.id, 8), FAR_STATUS_OK);
	assert_int_equal(record_of("hole")->value_kind, FAR_VALUE_EMPTY);
	assert_int_equal(add("hole", 3), FAR_STATUS_OK);
	assert_int_equal(counted()->previous, 0);
	check_bytes("hole", 3);
	// What is left of pages.
	assert_int_equal(served_put(client, "page", page, sizeof(page) / 2), FAR_STATUS_OK);
	assert_int_equal(served_lookup(client, FAR_ROOT_ID, "page", &attr), FAR_STATUS_OK);
	assert_int_equal(served_truncate(client, attr.id, 8), FAR_STATUS_OK);
	assert_true(record_of("page")->value_kind >= FAR_VALUE_EXTENT);
	assert_int_equal(add("page", 3), FAR_STATUS_OK);
	assert_int_equal(counted()->previous, 7);
	check_bytes("page", 10);
	// A block, for the name has left no room in the record.
	memset(name, 'n', FAR_NAME_MAX);
	assert_int_equal(served_create(client, FAR_ROOT_ID, name, S_IFREG | 0644, &attr), FAR_STATUS_OK);
	assert_int_equal(served_write(client, attr.id, 0, page, 1200, 0), FAR_STATUS_OK);
	assert_int_equal(served_truncate(client, attr.id, 8), FAR_STATUS_OK);
	assert_int_equal(record_of(name)->value_kind, FAR_VALUE_BLOCK);
	assert_int_equal(add(name, 3), FAR_STATUS_OK);
	check_bytes(name, 10);
}

// Whoever read the location before has to notice: word and version are others.
static void test_what_was_located_before_is_void(void **state)
{
	uint64_t word, version;

	(void)state;
	assert_int_equal(add("k", 1), FAR_STATUS_OK);
	word = atomic_load(&record_of("k")->word);
	version = atomic_load(&record_of("k")->version);
	assert_int_equal(add("k", 1), FAR_STATUS_OK);
	assert_true(atomic_load(&record_of("k")->word) > word);
	assert_int_equal(FAR_WORD_STATE(atomic_load(&record_of("k")->word)), FAR_RECORD_LIVE);
	assert_int_equal(atomic_load(&record_of("k")->version), version + 1);
}

static void test_full_pool_adds_and_makes_none(void **state)
{
	uint32_t pages;
	struct far_attr attr;

	(void)state;
	assert_int_equal(add("k", 1), FAR_STATUS_OK);
	while (pool_pages_alloc_most(server->pool, 512, 1, &pages) != 0)
		;
	assert_int_equal(add("k", 1), FAR_STATUS_OK);
	check_bytes("k", 2);
	for (int i = 0; i < 10000; i++) {
		char key[32];
		int status;

		snprintf(key, sizeof(key), "new/%d", i);
		status = add(key, 1);
		if (status == FAR_STATUS_OK)
			continue;
		assert_int_equal(status, FAR_STATUS_NO_SPACE);
		assert_int_equal(served_stat(client, key, &attr), FAR_STATUS_NOT_FOUND);
		return;
	}
	fail_msg("the pool was not full");
}

// --- times to live ---

static uint64_t clock_ns = 5000000000;

static uint64_t test_clock(void)
{
	return clock_ns;
}

static void test_time_to_live_is_a_new_counters_alone(void **state)
{
	struct far_counter_request request = {.operand = 1, .ttl_ms = 1000, .mode = 0644};

	(void)state;
	server->monotonic_ns = test_clock;
	assert_int_equal(call_counter("k", FAR_COUNTER_CREATE, request), FAR_STATUS_OK);
	clock_ns += 600000000;
	assert_int_equal(call_counter("k", FAR_COUNTER_CREATE, request), FAR_STATUS_OK);
	assert_int_equal(counted()->value, 2);
	clock_ns += 500000000;
	assert_int_equal(swap("k", 2, 3), FAR_STATUS_NOT_FOUND);
	assert_int_equal(call_counter("k", FAR_COUNTER_CREATE, request), FAR_STATUS_OK);
	assert_int_equal(counted()->value, 1);
	assert_int_equal(counted()->version, 3); // above those of the one that was there before
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_missing_counter_is_made_and_begins_with_0, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_each_change_raises_the_version, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_change_moves_the_times, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_initial_value_is_what_is_added_to, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_swap_of_another_value_changes_nothing_and_tells_it, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_sum_beyond_the_range_is_refused, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_what_is_no_counter_is_refused, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_missing_key_stays_missing_unless_it_is_to_be_made, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_request_that_makes_no_sense_is_refused, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_key_length_that_is_not_there_ends_the_lane, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_value_may_lie_anywhere, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_what_was_located_before_is_void, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_full_pool_adds_and_makes_none, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_time_to_live_is_a_new_counters_alone, served_one_set_up, served_one_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
