// server/operations.c: what is malformed ends the lane with one reply, and the server lives on.
#include <stdio.h>

#include "served_one.h"
#include "testing.h"

static void expect_refused(const void *message, uint32_t length)
{
	const struct far_reply *reply = (const struct far_reply *)client->reply;

	assert_int_equal(served_raw(client, message, length), sizeof(*reply));
	assert_int_equal(reply->status, FAR_STATUS_PROTOCOL);
	assert_true(client->lane.is_closing);
	client->lane.is_closing = false;
}

static void test_dispatch__every_op_of_the_contract_is_there(void **state)
{
	static const unsigned ops[] = {FAR_OP_HELLO, FAR_OP_PING, FAR_OP_STATFS, FAR_OP_FORGET, FAR_OP_GET, FAR_OP_PUT, FAR_OP_DELETE,
	        FAR_OP_STAT, FAR_OP_RENAME, FAR_OP_MKDIR, FAR_OP_LIST, FAR_OP_UPLOAD, FAR_OP_PUBLISH, FAR_OP_LOOKUP, FAR_OP_GETATTR,
	        FAR_OP_SETATTR, FAR_OP_CREATE, FAR_OP_LINK, FAR_OP_UNLINK, FAR_OP_RMDIR, FAR_OP_RENAME_AT, FAR_OP_READDIR, FAR_OP_READ,
	        FAR_OP_WRITE, FAR_OP_READLINK, FAR_OP_EXTENTS, FAR_OP_WINDOW, FAR_OP_TMPFILE, FAR_OP_HOLD, FAR_OP_TOUCH};

	(void)state;
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		assert_non_null(operations_find(ops[i]));
	assert_null(operations_find(0));
	assert_null(operations_find(FAR_OP_LIMIT));
	assert_null(operations_find(65535));
}

static void test_dispatch__wrong_lengths_are_refused(void **state)
{
	struct far_request ping = {.op = FAR_OP_PING, .length = sizeof(ping)};

	(void)state;
	expect_refused(&ping, 0);
	expect_refused(&ping, sizeof(ping) - 1);
	ping.length = sizeof(ping) + 1;
	expect_refused(&ping, sizeof(ping));
	ping.length = sizeof(ping);
	assert_int_equal(served_raw(client, &ping, sizeof(ping)), sizeof(struct far_reply));
	assert_false(client->lane.is_closing);
}

static void test_dispatch__unknown_op_and_flags_are_refused(void **state)
{
	struct far_request request = {.op = 63, .length = sizeof(request)};

	(void)state;
	expect_refused(&request, sizeof(request));
	request.op = 64;
	expect_refused(&request, sizeof(request));
	request.op = FAR_OP_PING;
	request.flags = 2;
	expect_refused(&request, sizeof(request));
}

static void test_dispatch__variable_parts_must_fill_the_message_exactly(void **state)
{
	struct far_put_request put = {.header = {FAR_OP_PUT, 0, sizeof(put) + 4, 1}, .value_length = 3, .key_length = 1};
	struct far_get_request get = {.header = {FAR_OP_GET, 0, sizeof(get) + 4, 1}, .key_length = 5};
	struct far_write_request write = {.header = {FAR_OP_WRITE, FAR_WRITE_RANGES, sizeof(write) + 16, 1}, .id = 1, .ranges = UINT32_MAX};
	_Alignas(8) uint8_t message[256] = {0};

	(void)state;
	put.value_length = UINT64_MAX;
	memcpy(message, &put, sizeof(put));
	expect_refused(message, sizeof(put) + 4);
	put.value_length = 4;
	memcpy(message, &put, sizeof(put));
	expect_refused(message, sizeof(put) + 4);
	memcpy(message, &get, sizeof(get));
	expect_refused(message, sizeof(get) + 4);
	memcpy(message, &write, sizeof(write));
	served_raw(client, message, sizeof(write) + 16);
	assert_int_not_equal(((const struct far_reply *)client->reply)->status, FAR_STATUS_OK);
}

static void test_dispatch__before_hello_nothing_else_is_answered(void **state)
{
	struct far_request ping = {.op = FAR_OP_PING, .length = sizeof(ping)};
	struct served_lane *joined = client;

	(void)state;
	client = served_connect(server, false);
	expect_refused(&ping, sizeof(ping));
	served_leave(client);
	client = joined;
}

static void test_dispatch__second_hello_is_refused(void **state)
{
	struct far_hello_request hello = {
	        .header = {FAR_OP_HELLO, 0, sizeof(hello), 1}, .magic = FAR_WIRE_MAGIC, .wire_version = FAR_WIRE_VERSION};

	(void)state;
	expect_refused(&hello, sizeof(hello));
}

static void test_dispatch__malformed_forget_has_no_reply(void **state)
{
	struct far_forget_request forget = {.header = {FAR_OP_FORGET, 0, sizeof(forget), 1}, .count = 9};

	(void)state;
	assert_int_equal(served_raw(client, &forget, sizeof(forget)), 0);
	assert_true(client->lane.is_closing);
}

static void test_dispatch__wrong_ids_are_stale(void **state)
{
	static const uint64_t ids[] = {0, 2, 16, UINT64_MAX, 1ULL << 40, (1ULL << 40) | 256};

	(void)state;
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		assert_int_equal(served_getattr(client, ids[i], NULL), FAR_STATUS_STALE);
		assert_int_equal(served_hold(client, ids[i], 0, NULL), FAR_STATUS_STALE);
		assert_int_equal(served_hold(client, ids[i], FAR_HOLD_PARENT, NULL), FAR_STATUS_STALE);
		assert_int_equal(served_read(client, ids[i], 0, 1, 0), FAR_STATUS_STALE);
		assert_int_equal(served_lookup(client, ids[i], "x", NULL), FAR_STATUS_STALE);
	}
}

static void test_dispatch__largest_list_fits_the_message(void **state)
{
	struct far_list_request request = {.id = FAR_ROOT_ID, .bytes_max = UINT32_MAX};
	char key[256];

	(void)state;
	memset(key, 'k', sizeof(key));
	for (unsigned i = 0; i < 60; i++) {
		snprintf(key + 200, 50, "%u", i);
		assert_int_equal(served_put(client, key, "v", 1), FAR_STATUS_OK);
	}
	assert_int_equal(
	        served_call(client, FAR_OP_READDIR, FAR_LIST_HOLD, &request, sizeof(request), (struct served_parts){0}), FAR_STATUS_OK);
	assert_true(((const struct far_list_reply *)client->reply)->count > 20);
	assert_false(((const struct far_list_reply *)client->reply)->is_end);
}

static void test_dispatch__busy_server_says_so_in_every_reply(void **state)
{
	const struct far_reply *reply = (const struct far_reply *)client->reply;

	(void)state;
	assert_int_equal(served_put(client, "key", "value", 5), FAR_STATUS_OK);
	assert_false(reply->flags & FAR_REPLY_BUSY);
	server_set_busy(server, true);
	assert_int_equal(served_get(client, "key", 0), FAR_STATUS_OK);
	assert_true(reply->flags & FAR_REPLY_BUSY);
	assert_int_equal(served_get(client, "none", 0), FAR_STATUS_NOT_FOUND);
	assert_true(reply->flags & FAR_REPLY_BUSY);
	server_set_busy(server, false);
	assert_int_equal(served_get(client, "key", 0), FAR_STATUS_OK);
	assert_false(reply->flags & FAR_REPLY_BUSY);
}

static void test_lookup__brings_the_location_without_the_value_if_asked_so(void **state)
{
	struct far_lookup_request request = {.parent = FAR_ROOT_ID, .name_length = 3};
	const struct far_entry_reply *reply = (const struct far_entry_reply *)client->reply;
	struct served_parts name = {"key", 3, NULL, 0};

	(void)state;
	assert_int_equal(served_put(client, "key", "value", 5), FAR_STATUS_OK);
	assert_int_equal(
	        served_call(client, FAR_OP_LOOKUP, FAR_GET_LOCATE | FAR_GET_NO_VALUE, &request, sizeof(request), name), FAR_STATUS_OK);
	assert_int_equal(reply->has_value, 0);
	assert_int_equal(reply->value_length, 0);
	assert_int_equal(reply->location.extents, 1);
	assert_int_equal(reply->location.size, 5);
	assert_int_equal(served_call(client, FAR_OP_LOOKUP, FAR_GET_LOCATE, &request, sizeof(request), name), FAR_STATUS_OK);
	assert_int_equal(reply->has_value, 1);
	served_forget(client, reply->attr.id, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, served_one_set_up, served_one_tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(test_dispatch__every_op_of_the_contract_is_there),
	        TEST(test_dispatch__wrong_lengths_are_refused),
	        TEST(test_dispatch__unknown_op_and_flags_are_refused),
	        TEST(test_dispatch__variable_parts_must_fill_the_message_exactly),
	        TEST(test_dispatch__before_hello_nothing_else_is_answered),
	        TEST(test_dispatch__second_hello_is_refused),
	        TEST(test_dispatch__malformed_forget_has_no_reply),
	        TEST(test_dispatch__wrong_ids_are_stale),
	        TEST(test_dispatch__largest_list_fits_the_message),
	        TEST(test_dispatch__busy_server_says_so_in_every_reply),
	        TEST(test_lookup__brings_the_location_without_the_value_if_asked_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
