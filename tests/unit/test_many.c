// Requests of many keys (server/handle_many.c): each item has its own result, and a message that does not add up changes nothing.
#include <stdio.h>
#include <stdlib.h>

#include "served_one.h"
#include "server/lookups.h"
#include "server/space.h"
#include "testing.h"

#define ITEMS 40

// A message in the making: items, and what stands behind them.
struct batch {
	struct far_many_item items[ITEMS];
	uint32_t count;
	char behind[8192];
	uint32_t behind_length;
};

static void append(struct batch *batch, const void *bytes, size_t length)
{
	memcpy(batch->behind + batch->behind_length, bytes, length);
	batch->behind_length += (uint32_t)length;
}

static void add_get(struct batch *batch, const char *key, uint32_t length)
{
	batch->items[batch->count++] = (struct far_many_item){.length = length, .key_length = (uint16_t)strlen(key)};
	append(batch, key, strlen(key));
}

static struct far_many_item *add_put(struct batch *batch, const char *key, const char *value)
{
	struct far_many_item *item = &batch->items[batch->count++];

	*item = (struct far_many_item){.length = (uint32_t)strlen(value), .key_length = (uint16_t)strlen(key)};
	append(batch, key, strlen(key));
	append(batch, value, strlen(value));
	return item;
}

static int send(unsigned op, const struct batch *batch)
{
	struct far_many_request request = {.count = batch->count, .mode = 0644};
	struct served_parts parts = {batch->items, batch->count * (uint32_t)sizeof(batch->items[0]), batch->behind, batch->behind_length};

	return served_call(client, op, 0, &request, sizeof(request), parts);
}

static const struct far_many_result *result(uint32_t number)
{
	const struct far_many_reply *reply = (const struct far_many_reply *)client->reply;

	assert_true(number < reply->count);
	return (const struct far_many_result *)(reply + 1) + number;
}

// The bytes of all eager gets, one behind the other.
static const char *bytes(void)
{
	const struct far_many_reply *reply = (const struct far_many_reply *)client->reply;

	return (const char *)((const struct far_many_result *)(reply + 1) + reply->count);
}

static void test_gets_have_each_its_own_result(void **state)
{
	struct batch batch = {.count = 0};

	(void)state;
	assert_int_equal(served_put(client, "a", "first", 5), FAR_STATUS_OK);
	assert_int_equal(served_put(client, "d/b", "second", 6), FAR_STATUS_OK);
	add_get(&batch, "a", 100);
	add_get(&batch, "missing", 100);
	add_get(&batch, "d", 100);
	add_get(&batch, "d/../a", 100);
	add_get(&batch, "a/below", 100);
	add_get(&batch, "d/b", 3);
	assert_int_equal(send(FAR_OP_GET_MANY, &batch), FAR_STATUS_OK);
	assert_int_equal(result(0)->status, FAR_STATUS_OK);
	assert_int_equal(result(0)->length, 5);
	assert_int_equal(result(0)->how, FAR_GET_EAGER);
	assert_int_equal(result(0)->location.version, 1);
	assert_int_equal(result(1)->status, FAR_STATUS_NOT_FOUND);
	assert_int_equal(result(1)->length, 0);
	assert_int_equal(result(2)->status, FAR_STATUS_IS_DIRECTORY);
	assert_int_equal(result(3)->status, FAR_STATUS_INVALID);
	assert_int_equal(result(4)->status, FAR_STATUS_NOT_DIRECTORY);
	assert_int_equal(result(5)->status, FAR_STATUS_OK);
	assert_int_equal(result(5)->length, 3);
	assert_int_equal(result(5)->location.size, 6);
	assert_memory_equal(bytes(), "firstsec", 8);
}

// More keys than are looked ahead for at once, of folders that come and go meanwhile, and some that are none.
static void test_keys_of_many_folders_are_found_each(void **state)
{
	static const char *const folders[] = {"", "d/", "d/e/", "missing/", "//", "f/"};
	const unsigned count = sizeof(folders) / sizeof(folders[0]);
	struct batch puts = {.count = 0}, gets = {.count = 0};
	const char *found;
	char key[32];

	(void)state;
	assert_int_equal(served_put(client, "f", "a file", 6), FAR_STATUS_OK);
	for (unsigned i = 0; i < LOOKUPS_FROM; i++) {
		snprintf(key, sizeof(key), "many/%u", i);
		assert_int_equal(served_put(client, key, "", 0), FAR_STATUS_OK);
	}
	for (unsigned i = 0; i < ITEMS; i++) {
		snprintf(key, sizeof(key), "%sk%u", folders[i / 3 % count], i);
		if (i / 3 % count != 3)
			add_put(&puts, key, key);
		add_get(&gets, key, sizeof(key));
	}
	assert_int_equal(send(FAR_OP_PUT_MANY, &puts), FAR_STATUS_OK);
	assert_int_equal(send(FAR_OP_GET_MANY, &gets), FAR_STATUS_OK);
	found = bytes();
	for (unsigned i = 0; i < ITEMS; i++) {
		static const uint16_t expected[] = {
		        FAR_STATUS_OK, FAR_STATUS_OK, FAR_STATUS_OK, FAR_STATUS_NOT_FOUND, FAR_STATUS_INVALID, FAR_STATUS_NOT_DIRECTORY};
		int length = snprintf(key, sizeof(key), "%sk%u", folders[i / 3 % count], i);

		assert_int_equal(result(i)->status, expected[i / 3 % count]);
		if (result(i)->status)
			continue;
		assert_int_equal(result(i)->length, length);
		assert_memory_equal(found, key, (size_t)length);
		found += length;
	}
}

static void test_value_without_room_in_the_reply_is_located(void **state)
{
	static const char value[6000];
	struct batch batch = {.count = 0};

	(void)state;
	assert_int_equal(served_put(client, "large", value, sizeof(value)), FAR_STATUS_OK);
	assert_int_equal(served_put(client, "small", "s", 1), FAR_STATUS_OK);
	add_get(&batch, "large", UINT32_MAX);
	add_get(&batch, "large", UINT32_MAX);
	add_get(&batch, "small", 8);
	assert_int_equal(send(FAR_OP_GET_MANY, &batch), FAR_STATUS_OK);
	assert_int_equal(result(0)->how, FAR_GET_EAGER);
	assert_int_equal(result(1)->how, FAR_GET_LOCATED);
	assert_int_equal(result(1)->length, 0);
	assert_int_equal(result(1)->location.extents, 1);
	assert_int_equal(result(1)->location.size, sizeof(value));
	assert_int_equal(result(2)->how, FAR_GET_EAGER);
	assert_int_equal(bytes()[6000], 's');
}

static void test_puts_have_each_its_own_result_and_happen_in_order(void **state)
{
	struct batch batch = {.count = 0};
	struct far_many_item *item;

	(void)state;
	add_put(&batch, "d/a", "one");
	add_put(&batch, "", "no key");
	add_put(&batch, "d/a", "two");
	add_put(&batch, "d", "a directory");
	item = add_put(&batch, "d/a", "three");
	item->flags = FAR_PUT_EXPECT_VERSION;
	item->expected = 1;
	item = add_put(&batch, "d/a", "four");
	item->flags = FAR_PUT_EXPECT_VERSION;
	item->expected = 2;
	item = add_put(&batch, "absent", "five");
	item->flags = FAR_PUT_EXPECT_VERSION;
	item->expected = 9;
	item = add_put(&batch, "t", "six");
	item->flags = FAR_PUT_HAS_TTL;
	assert_int_equal(send(FAR_OP_PUT_MANY, &batch), FAR_STATUS_OK);
	assert_int_equal(result(0)->status, FAR_STATUS_OK);
	assert_int_equal(result(1)->status, FAR_STATUS_INVALID);
	assert_int_equal(result(2)->status, FAR_STATUS_OK);
	assert_int_equal(result(2)->location.version, 2);
	assert_int_equal(result(3)->status, FAR_STATUS_IS_DIRECTORY);
	assert_int_equal(result(4)->status, FAR_STATUS_VERSION);
	assert_int_equal(result(4)->location.version, 2);
	assert_int_equal(result(5)->status, FAR_STATUS_OK);
	assert_int_equal(result(5)->location.version, 3);
	assert_int_equal(result(6)->status, FAR_STATUS_VERSION);
	assert_int_equal(result(6)->location.version, 0);
	assert_int_equal(result(7)->status, FAR_STATUS_INVALID); // a time to live of 0
	assert_int_equal(served_get(client, "t", 0), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_get(client, "d/a", 0), FAR_STATUS_OK);
	assert_int_equal(((const struct far_get_reply *)client->reply)->length, 4);
}

static void test_puts_to_full_pool_fail_one_by_one(void **state)
{
	struct batch batch = {.count = 0};
	uint32_t pages;

	(void)state;
	assert_int_equal(served_put(client, "old", "value", 5), FAR_STATUS_OK);
	while (pool_pages_alloc_most(server->pool, 512, 1, &pages))
		;
	for (int i = 0; i < 60; i++) {
		static const char value[900] = {1};
		char key[16];

		snprintf(key, sizeof(key), "fill%d", i);
		if (served_put(client, key, value, sizeof(value)) != FAR_STATUS_OK)
			break;
	}
	add_put(&batch, "old", "other");
	for (int i = 0; i < 5; i++) {
		static char value[1001];
		char key[16];

		memset(value, 'v', 1000);
		snprintf(key, sizeof(key), "new%d", i);
		add_put(&batch, key, value);
	}
	assert_int_equal(send(FAR_OP_PUT_MANY, &batch), FAR_STATUS_OK);
	assert_int_equal(result(0)->status, FAR_STATUS_OK); // fits where the old one is
	assert_int_equal(result(5)->status, FAR_STATUS_NO_SPACE);
	assert_int_equal(served_get(client, "new4", 0), FAR_STATUS_NOT_FOUND);
}

// What does not add up ends the lane, and nothing of it is carried out.
static void expect_refused(unsigned op, const struct batch *batch)
{
	assert_int_equal(send(op, batch), FAR_STATUS_PROTOCOL);
	assert_true(client->lane.is_closing);
	served_leave(client);
	client = served_join(server);
	assert_int_equal(served_get(client, "a", 0), FAR_STATUS_NOT_FOUND);
}

static void test_message_that_does_not_add_up_changes_nothing(void **state)
{
	struct batch good = {.count = 0}, bad;

	(void)state;
	add_put(&good, "a", "one");
	add_put(&good, "b", "two");
	bad = good;
	bad.items[1].length++;
	expect_refused(FAR_OP_PUT_MANY, &bad);
	bad = good;
	bad.items[1].length = UINT32_MAX;
	expect_refused(FAR_OP_PUT_MANY, &bad);
	bad = good;
	bad.items[1].key_length = UINT16_MAX;
	expect_refused(FAR_OP_PUT_MANY, &bad);
	bad = good;
	bad.items[1].flags = FAR_PUT_RANGES;
	expect_refused(FAR_OP_PUT_MANY, &bad);
	bad = good;
	bad.behind_length--;
	expect_refused(FAR_OP_PUT_MANY, &bad);
	bad = good;
	bad.items[0].flags = 1;
	bad.behind_length = 2;
	expect_refused(FAR_OP_GET_MANY, &bad);
}

static void test_more_items_than_a_reply_holds_are_refused(void **state)
{
	struct {
		struct far_many_request request;
		struct far_many_item items[100];
		char keys[100];
	} message = {.request = {.header = {FAR_OP_GET_MANY, 0, 0, 1}, .count = 100}};
	const struct far_reply *reply = (const struct far_reply *)client->reply;
	uint32_t length = sizeof(message.request) + sizeof(message.items) + sizeof(message.keys);

	(void)state;
	for (int i = 0; i < 100; i++)
		message.items[i].key_length = 1;
	memset(message.keys, 'k', sizeof(message.keys));
	message.request.header.length = length;
	memcpy(client->message, &message, length);
	served_raw(client, client->message, length);
	assert_int_equal(reply->status, FAR_STATUS_INVALID);
	// A count beyond what is there.
	message.request.count = UINT32_MAX;
	memcpy(client->message, &message, length);
	served_raw(client, client->message, length);
	assert_int_equal(reply->status, FAR_STATUS_PROTOCOL);
}

static void test_no_items_are_no_error(void **state)
{
	struct batch batch = {.count = 0};

	(void)state;
	assert_int_equal(send(FAR_OP_GET_MANY, &batch), FAR_STATUS_OK);
	assert_int_equal(send(FAR_OP_PUT_MANY, &batch), FAR_STATUS_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_gets_have_each_its_own_result, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_keys_of_many_folders_are_found_each, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_value_without_room_in_the_reply_is_located, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_puts_have_each_its_own_result_and_happen_in_order, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_puts_to_full_pool_fail_one_by_one, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_message_that_does_not_add_up_changes_nothing, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_more_items_than_a_reply_holds_are_refused, served_one_set_up, served_one_tear_down),
	        cmocka_unit_test_setup_teardown(test_no_items_are_no_error, served_one_set_up, served_one_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
