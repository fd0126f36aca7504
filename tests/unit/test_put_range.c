// Appends and ranges by key (server/handle_range.c), what a lost compare-and-swap tells, and gets of what is newer: by requests as they come off the wire.
#include <stdio.h>
#include <stdlib.h>

#include "served_one.h"
#include "server/space.h"
#include "testing.h"

static int put_range(const char *key, const void *bytes, uint32_t length, uint64_t offset, unsigned flags)
{
	struct far_put_range_request request = {.offset = offset, .length = length, .mode = 0644, .key_length = (uint16_t)strlen(key)};
	struct served_parts parts = {key, (uint32_t)strlen(key), bytes, length};

	return served_call(client, FAR_OP_PUT_RANGE, flags, &request, sizeof(request), parts);
}

static int append(const char *key, const void *bytes, uint32_t length)
{
	return put_range(key, bytes, length, 0, FAR_PUT_RANGE_APPEND | FAR_PUT_RANGE_CREATE);
}

static const struct far_write_reply *written(void)
{
	return (const struct far_write_reply *)client->reply;
}

static void check_value(const char *key, const void *bytes, uint64_t length)
{
	char *value = malloc(length + 1);

	assert_non_null(value);
	assert_int_equal(served_get(client, key, 0), FAR_STATUS_OK);
	assert_int_equal(((const struct far_get_reply *)client->reply)->location.size, length);
	served_value(client, 0, value);
	assert_memory_equal(value, bytes, length);
	free(value);
}

static void test_append_tells_where_and_how_long(void **state)
{
	(void)state;
	assert_int_equal(append("d/k", "abc", 3), FAR_STATUS_OK);
	assert_int_equal(written()->offset, 0);
	assert_int_equal(written()->size, 3);
	assert_int_equal(written()->version, 1);
	assert_int_equal(append("d/k", "de", 2), FAR_STATUS_OK);
	assert_int_equal(written()->offset, 3);
	assert_int_equal(written()->size, 5);
	assert_int_equal(written()->version, 2);
	check_value("d/k", "abcde", 5);
}

// Who remembers a version of the key before must not take the new one for it.
static void test_key_that_was_deleted_goes_on_above_its_versions(void **state)
{
	(void)state;
	assert_int_equal(append("k", "abc", 3), FAR_STATUS_OK);
	assert_int_equal(append("k", "abc", 3), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "k"), FAR_STATUS_OK);
	assert_int_equal(append("k", "abc", 3), FAR_STATUS_OK);
	assert_int_equal(written()->version, 3);
	assert_int_equal(served_delete(client, "k"), FAR_STATUS_OK);
	assert_int_equal(put_range("k", "abc", 3, 0, FAR_PUT_RANGE_CREATE), FAR_STATUS_OK);
	assert_int_equal(written()->version, 4);
}

static void test_granted_bytes_are_appended(void **state)
{
	char bytes[9000];
	struct far_put_range_request request = {.length = sizeof(bytes), .mode = 0644, .key_length = 1, .ranges = 1};
	struct served_parts parts = {"k", 1, NULL, sizeof(struct far_range)};
	struct far_range range;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(append("k", "abc", 3), FAR_STATUS_OK);
	range = served_fill(client, bytes, sizeof(bytes));
	parts.second = &range;
	assert_int_equal(
	        served_call(client, FAR_OP_PUT_RANGE, FAR_PUT_RANGE_APPEND | FAR_PUT_RANGE_GRANTED, &request, sizeof(request), parts),
	        FAR_STATUS_OK);
	assert_int_equal(written()->offset, 3);
	assert_int_equal(written()->size, 9003);
	// The same range again is used up.
	assert_int_not_equal(
	        served_call(client, FAR_OP_PUT_RANGE, FAR_PUT_RANGE_APPEND | FAR_PUT_RANGE_GRANTED, &request, sizeof(request), parts),
	        FAR_STATUS_OK);
}

// Whatever there is not enough memory for, nothing of it happens.
static void test_full_pool_takes_all_or_nothing(void **state)
{
	char bytes[8000], before[5000];
	uint32_t page, spare = 0, pages;
	struct far_attr attr;

	(void)state;
	memset(before, 'a', sizeof(before));
	memset(bytes, 'b', sizeof(bytes));
	assert_int_equal(append("k", before, sizeof(before)), FAR_STATUS_OK);
	assert_int_equal(append("small", "abc", 3), FAR_STATUS_OK);
	while ((page = pool_pages_alloc_most(server->pool, 512, 1, &pages)) != 0)
		spare = page;
	// One page is there, two are wanted.
	pool_pages_free(server->pool, spare, 1);
	assert_int_equal(append("k", bytes, sizeof(bytes)), FAR_STATUS_NO_SPACE);
	check_value("k", before, sizeof(before));
	assert_int_equal(put_range("k", bytes, sizeof(bytes), 100000, 0), FAR_STATUS_NO_SPACE);
	check_value("k", before, sizeof(before));
	assert_int_equal(append("small", bytes, sizeof(bytes)), FAR_STATUS_NO_SPACE);
	check_value("small", "abc", 3);
	assert_int_equal(append("new/key", bytes, sizeof(bytes)), FAR_STATUS_NO_SPACE);
	assert_int_equal(served_stat(client, "new", &attr), FAR_STATUS_NOT_FOUND);
}

static void test_what_cannot_be_is_refused(void **state)
{
	struct far_attr attr;

	(void)state;
	assert_int_equal(append("d/k", "abc", 3), FAR_STATUS_OK);
	assert_int_equal(put_range("none", "x", 1, 0, 0), FAR_STATUS_NOT_FOUND);
	assert_int_equal(append("d", "x", 1), FAR_STATUS_IS_DIRECTORY);
	assert_int_equal(append("d/k/e", "x", 1), FAR_STATUS_NOT_DIRECTORY);
	assert_int_equal(append("", "x", 1), FAR_STATUS_INVALID);
	assert_int_equal(put_range("d/k", "x", 1, 5, FAR_PUT_RANGE_APPEND), FAR_STATUS_INVALID);
	assert_int_equal(put_range("d/k", "x", 1, UINT64_MAX, 0), FAR_STATUS_TOO_BIG);
	assert_int_equal(put_range("d/k", "x", 1, FAR_FILE_MAX, 0), FAR_STATUS_TOO_BIG);
	assert_int_equal(put_range("a/b", "x", 1, UINT64_MAX, FAR_PUT_RANGE_CREATE), FAR_STATUS_TOO_BIG);
	assert_int_equal(served_stat(client, "a", &attr), FAR_STATUS_NOT_FOUND);
	check_value("d/k", "abc", 3);
}

static void test_lost_swap_tells_the_value(void **state)
{
	struct far_put_request request = {.expected = 9, .value_length = 1, .key_length = 1};
	struct served_parts parts = {"k", 1, "x", 1};
	const struct far_change_reply *reply = (const struct far_change_reply *)client->reply;
	unsigned flags = FAR_PUT_EXPECT_VERSION | FAR_PUT_TELL_CURRENT;

	(void)state;
	assert_int_equal(served_call(client, FAR_OP_PUT, flags, &request, sizeof(request), parts), FAR_STATUS_VERSION);
	assert_int_equal(reply->location.version, 0);
	assert_int_equal(served_put(client, "k", "value", 5), FAR_STATUS_OK);
	assert_int_equal(served_call(client, FAR_OP_PUT, flags, &request, sizeof(request), parts), FAR_STATUS_VERSION);
	assert_int_equal(reply->location.version, 1);
	assert_int_equal(reply->location.size, 5);
	assert_memory_equal(reply + 1, "value", 5);
}

static void test_get_if_newer_brings_nothing_that_is_known(void **state)
{
	struct far_get_request request = {.length = UINT64_MAX, .key_length = 1};
	const struct far_get_reply *reply = (const struct far_get_reply *)client->reply;
	uint64_t known = 1;
	struct served_parts parts = {&known, sizeof(known), "k", 1};

	(void)state;
	assert_int_equal(served_put(client, "k", "value", 5), FAR_STATUS_OK);
	assert_int_equal(served_call(client, FAR_OP_GET, FAR_GET_IF_NEWER, &request, sizeof(request), parts), FAR_STATUS_OK);
	assert_int_equal(reply->how, FAR_GET_SAME);
	assert_int_equal(reply->length, 0);
	known = 2;
	assert_int_equal(served_call(client, FAR_OP_GET, FAR_GET_IF_NEWER, &request, sizeof(request), parts), FAR_STATUS_OK);
	assert_int_equal(reply->how, FAR_GET_EAGER);
	assert_int_equal(reply->length, 5);
	// Without the version in front of the key the message does not add up.
	parts = (struct served_parts){"k", 1, NULL, 0};
	assert_int_equal(served_call(client, FAR_OP_GET, FAR_GET_IF_NEWER, &request, sizeof(request), parts), FAR_STATUS_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_append_tells_where_and_how_long, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_key_that_was_deleted_goes_on_above_its_versions, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_granted_bytes_are_appended, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_full_pool_takes_all_or_nothing, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_what_cannot_be_is_refused, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_lost_swap_tells_the_value, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_get_if_newer_brings_nothing_that_is_known, served_one_set_up, served_one_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
