// server/session.c, holds.c, grant.c and lane.c through requests: hello, lanes, grants, holds, uploads, and what comes back when lanes end.
#include <stdio.h>
#include <stdlib.h>

#include "served.h"
#include "server/space.h"
#include "testing.h"

static struct server *server;
static uint64_t free_bytes; // without any session

static int set_up(void **state)
{
	(void)state;
	server = served_open(32U << 20);
	free_bytes = space_free_bytes(server);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	server_settle(server);
	assert_int_equal(space_free_bytes(server), free_bytes);
	assert_int_equal(server->granted_pages, 0);
	assert_int_equal(server->session_count, 0);
	served_close(server);
	return 0;
}

static struct far_hello_request hello(void)
{
	return (struct far_hello_request){.magic = FAR_WIRE_MAGIC, .wire_version = FAR_WIRE_VERSION, .client = "test"};
}

static int say_hello(struct served_lane *client, struct far_hello_request request)
{
	return served_call(client, FAR_OP_HELLO, 0, &request, sizeof(request), (struct served_parts){0});
}

static void test_hello__second_lane_joins_by_secret(void **state)
{
	struct served_lane *first = served_connect(server, false);
	struct served_lane *second = served_connect(server, false);
	const struct far_hello_reply *reply = (const struct far_hello_reply *)first->reply;
	struct far_hello_request request = hello();

	(void)state;
	assert_int_equal(say_hello(first, request), FAR_STATUS_OK);
	assert_int_equal(reply->wire_version, FAR_WIRE_VERSION);
	assert_true(reply->eager_limit >= 4096 && reply->eager_limit < FAR_MESSAGE_SIZE_DEFAULT);
	assert_true(first->granted == 1);
	request.session = reply->session;
	request.secret[0] = reply->secret[0];
	request.secret[1] = reply->secret[1] ^ 1;
	assert_int_equal(say_hello(second, request), FAR_STATUS_NO_SESSION);
	request.secret[1] ^= 1;
	assert_int_equal(say_hello(second, request), FAR_STATUS_OK);
	assert_ptr_equal(first->lane.session, second->lane.session);
	served_leave(first);
	assert_int_equal(server->session_count, 1);
	served_leave(second);
}

static void test_hello__ended_session_is_not_known(void **state)
{
	struct served_lane *client = served_join(server);
	const struct far_hello_reply *reply = (const struct far_hello_reply *)client->reply;
	struct far_hello_request request = hello();

	(void)state;
	request.session = reply->session;
	memcpy(request.secret, reply->secret, sizeof(request.secret));
	served_leave(client);
	client = served_connect(server, false);
	assert_int_equal(say_hello(client, request), FAR_STATUS_NO_SESSION);
	served_leave(client);
}

static void test_hello__another_wire_version_is_told_ours(void **state)
{
	struct served_lane *client = served_connect(server, false);
	struct far_hello_request request = hello();

	(void)state;
	request.wire_version = 99;
	assert_int_equal(served_call(client, FAR_OP_HELLO, 0, &request, 64, (struct served_parts){0}), FAR_STATUS_WIRE_VERSION);
	assert_int_equal(((const struct far_hello_reply *)client->reply)->wire_version, FAR_WIRE_VERSION);
	served_leave(client);
}

static void test_hello__limits_of_lanes_and_sessions(void **state)
{
	struct served_lane *lanes[FAR_LANES_PER_SESSION + 1];
	struct served_lane **sessions = calloc(FAR_SESSIONS_MAX, sizeof(*sessions));
	struct far_hello_request request = hello();

	(void)state;
	lanes[0] = served_join(server);
	request.session = ((const struct far_hello_reply *)lanes[0]->reply)->session;
	memcpy(request.secret, ((const struct far_hello_reply *)lanes[0]->reply)->secret, sizeof(request.secret));
	for (unsigned i = 1; i < FAR_LANES_PER_SESSION; i++) {
		lanes[i] = served_connect(server, false);
		assert_int_equal(say_hello(lanes[i], request), FAR_STATUS_OK);
	}
	lanes[FAR_LANES_PER_SESSION] = served_connect(server, false);
	assert_int_equal(say_hello(lanes[FAR_LANES_PER_SESSION], request), FAR_STATUS_TOO_MANY);
	for (unsigned i = 1; i < FAR_SESSIONS_MAX; i++)
		sessions[i] = served_join(server);
	assert_int_equal(say_hello(lanes[FAR_LANES_PER_SESSION], hello()), FAR_STATUS_TOO_MANY);
	for (unsigned i = 1; i < FAR_SESSIONS_MAX; i++)
		served_leave(sessions[i]);
	for (unsigned i = 0; i <= FAR_LANES_PER_SESSION; i++)
		served_leave(lanes[i]);
	free(sessions);
}

static int put_range(struct served_lane *client, const char *key, const struct far_range *ranges, uint16_t count)
{
	struct far_put_request put = {.mode = 0644, .key_length = (uint16_t)strlen(key), .ranges = count};

	for (uint16_t i = 0; i < count; i++)
		put.value_length += ranges[i].length;
	return served_call(client, FAR_OP_PUT, FAR_PUT_RANGES, &put, sizeof(put),
	        (struct served_parts){key, (uint32_t)strlen(key), ranges, count * (uint32_t)sizeof(*ranges)});
}

static void test_put_ranges__value_is_the_granted_memory(void **state)
{
	struct served_lane *client = served_join(server);
	uint8_t bytes[20000], got[20000];
	struct far_range range;

	(void)state;
	memset(bytes, 'v', sizeof(bytes));
	range = served_fill(client, bytes, sizeof(bytes));
	assert_int_equal(put_range(client, "d/k", &range, 1), FAR_STATUS_OK);
	assert_int_equal(((const struct far_change_reply *)client->reply)->location.extents, 1);
	served_get(client, "d/k", FAR_GET_NO_VALUE);
	served_value(client, 0, got);
	assert_memory_equal(got, bytes, sizeof(bytes));
	served_delete(client, "d/k");
	served_delete(client, "d");
	served_leave(client);
}

static void test_put_ranges__wrong_ranges_are_refused_and_change_nothing(void **state)
{
	struct served_lane *client = served_join(server);
	uint32_t id = client->grant.id;
	uint32_t length = client->grant.length;
	const struct far_range wrong[] = {
	        {id + 1, 0, 100, 0},
	        {id, 100, 100, 0},
	        {id, 0, 0, 0},
	        {id, length, 1, 0},
	        {id, length - 4096, 4097, 0},
	        {id, 0, UINT32_MAX, 0},
	        {id, UINT32_MAX & ~4095U, 4096, 0},
	};
	struct far_range good = {id, 4096, 4096, 0};
	struct far_range twice[2] = {{id, 8192, 4096, 0}, {id, 8192, 4096, 0}};

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(put_range(client, "k", &wrong[i], 1), FAR_STATUS_INVALID);
	assert_int_equal(put_range(client, "k", &good, 1), FAR_STATUS_OK);
	assert_int_equal(put_range(client, "l", &good, 1), FAR_STATUS_INVALID);
	assert_int_equal(put_range(client, "l", twice, 2), FAR_STATUS_INVALID);
	assert_int_equal(served_stat(client, "l", NULL), FAR_STATUS_NOT_FOUND);
	assert_false(client->lane.is_closing);
	served_delete(client, "k");
	served_leave(client);
}

static void test_grant__another_follows_when_one_is_used_up(void **state)
{
	struct served_lane *client = served_join(server);
	uint8_t *bytes = calloc(1, FAR_GRANT_SIZE);
	char key[16];

	(void)state;
	for (int i = 0; i < 5; i++) {
		uint32_t length = client->grant.length;
		uint32_t granted = client->granted;
		struct far_range range = served_fill(client, bytes, length);

		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(put_range(client, key, &range, 1), FAR_STATUS_OK);
		assert_true(client->granted > granted);
		assert_true(client->lane.grants.count <= FAR_GRANTS_PER_LANE);
	}
	assert_true(client->revoked > 0);
	for (int i = 0; i < 5; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		served_delete(client, key);
	}
	free(bytes);
	served_leave(client);
}

static void test_grant__more_are_given_to_a_lane_that_asks(void **state)
{
	struct served_lane *client = served_join(server);
	struct far_request ping;

	(void)state;
	for (unsigned count = 1; count <= FAR_GRANTS_PER_LANE + 1; count++) {
		assert_int_equal(client->granted, count < FAR_GRANTS_PER_LANE ? count : FAR_GRANTS_PER_LANE);
		assert_int_equal(served_call(client, FAR_OP_PING, 0, &ping, sizeof(ping), (struct served_parts){0}), FAR_STATUS_OK);
		assert_int_equal(client->granted, count < FAR_GRANTS_PER_LANE ? count : FAR_GRANTS_PER_LANE);
		served_call(client, FAR_OP_PING, FAR_PING_WANT_GRANT, &ping, sizeof(ping), (struct served_parts){0});
	}
	assert_int_equal(client->lane.grants.count, FAR_GRANTS_PER_LANE);
	served_leave(client);
}

static void test_grant__asking_and_using_up_never_make_more_than_the_most(void **state)
{
	struct served_lane *client = served_join(server);
	uint8_t *bytes = calloc(1, FAR_GRANT_SIZE);
	struct far_request ping;
	struct far_range range;

	(void)state;
	for (unsigned count = 1; count < 3; count++)
		served_call(client, FAR_OP_PING, FAR_PING_WANT_GRANT, &ping, sizeof(ping), (struct served_parts){0});
	assert_int_equal(client->lane.grants.count, 3);
	range = served_fill(client, bytes, client->grant.length);
	assert_int_equal(put_range(client, "k", &range, 1), FAR_STATUS_OK);
	for (unsigned i = 0; i < 10; i++) {
		served_call(client, FAR_OP_PING, 0, &ping, sizeof(ping), (struct served_parts){0});
		assert_true(client->lane.grants.count <= FAR_GRANTS_PER_LANE);
	}
	served_delete(client, "k");
	free(bytes);
	served_leave(client);
}

static void test_grant__filled_but_not_committed_comes_back_with_the_lane(void **state)
{
	struct served_lane *client = served_join(server);
	uint8_t bytes[10000] = {1};

	(void)state;
	served_fill(client, bytes, sizeof(bytes));
	served_leave(client);
}

static void test_upload__becomes_the_keys_value_at_once(void **state)
{
	struct served_lane *client = served_join(server);
	struct far_upload_request upload = {0};
	struct far_put_request publish = {.mode = 0640, .key_length = 3};
	uint8_t bytes[8000], got[20000];

	(void)state;
	memset(bytes, 'u', sizeof(bytes));
	for (unsigned length = 20; length <= 16000; length += 7990) {
		assert_int_equal(served_call(client, FAR_OP_UPLOAD, 0, &upload, sizeof(upload), (struct served_parts){0}), FAR_STATUS_OK);
		publish.upload = ((const struct far_attr_reply *)client->reply)->attr.id;
		for (unsigned at = 0; at < length; at += 8000)
			served_write(client, publish.upload, at, bytes, length - at < 8000 ? length - at : 8000, 0);
		assert_int_equal(
		        served_call(client, FAR_OP_PUBLISH, 0, &publish, sizeof(publish), (struct served_parts){"d/k", 3, NULL, 0}),
		        FAR_STATUS_OK);
		assert_int_equal(served_getattr(client, publish.upload, NULL), FAR_STATUS_STALE);
		served_get(client, "d/k", FAR_GET_NO_VALUE);
		assert_int_equal(((const struct far_get_reply *)client->reply)->length, length);
		served_value(client, 0, got);
		assert_memory_equal(got, bytes, length < 8000 ? length : 8000);
	}
	served_delete(client, "d/k");
	served_delete(client, "d");
	served_leave(client);
}

static void test_upload__not_published_goes_with_the_session(void **state)
{
	struct served_lane *client = served_join(server);
	struct far_upload_request upload = {.size_hint = 1ULL << 40};
	uint8_t bytes[8000] = {0};
	uint64_t id;

	(void)state;
	assert_int_equal(served_call(client, FAR_OP_UPLOAD, 0, &upload, sizeof(upload), (struct served_parts){0}), FAR_STATUS_NO_SPACE);
	upload.size_hint = 0;
	served_call(client, FAR_OP_UPLOAD, 0, &upload, sizeof(upload), (struct served_parts){0});
	id = ((const struct far_attr_reply *)client->reply)->attr.id;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(served_write(client, id, i * 8000, bytes, 8000, 0), FAR_STATUS_OK);
	served_leave(client);
}

static void test_upload__of_another_session_cannot_be_published(void **state)
{
	struct served_lane *client = served_join(server);
	struct served_lane *other = served_join(server);
	struct far_upload_request upload = {0};
	struct far_put_request publish = {.key_length = 1};

	(void)state;
	served_call(client, FAR_OP_UPLOAD, 0, &upload, sizeof(upload), (struct served_parts){0});
	publish.upload = ((const struct far_attr_reply *)client->reply)->attr.id;
	assert_int_equal(
	        served_call(other, FAR_OP_PUBLISH, 0, &publish, sizeof(publish), (struct served_parts){"k", 1, NULL, 0}), FAR_STATUS_STALE);
	served_leave(client);
	served_leave(other);
}

static void test_holds__orphan_goes_with_its_last_session(void **state)
{
	struct served_lane *first = served_join(server);
	struct served_lane *second = served_join(server);
	struct far_attr attr;

	(void)state;
	served_create(first, FAR_ROOT_ID, "f", 0100600, &attr);
	served_lookup(second, FAR_ROOT_ID, "f", NULL);
	served_unlink(first, FAR_OP_UNLINK, FAR_ROOT_ID, "f");
	served_leave(first);
	assert_int_equal(served_getattr(second, attr.id, NULL), FAR_STATUS_OK);
	served_leave(second);
}

static void test_holds__forget_of_what_is_not_held_is_ignored(void **state)
{
	struct served_lane *client = served_join(server);
	struct served_lane *other = served_join(server);
	struct far_attr attr;

	(void)state;
	served_create(client, FAR_ROOT_ID, "f", 0100600, &attr);
	served_unlink(client, FAR_OP_UNLINK, FAR_ROOT_ID, "f");
	served_forget(other, attr.id, 1);
	served_forget(client, attr.id, 0);
	served_forget(client, 12345, 1);
	assert_int_equal(served_getattr(client, attr.id, NULL), FAR_STATUS_OK);
	served_forget(client, attr.id, UINT64_MAX);
	assert_int_equal(served_getattr(client, attr.id, NULL), FAR_STATUS_STALE);
	served_leave(client);
	served_leave(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(test_hello__second_lane_joins_by_secret),
	        TEST(test_hello__ended_session_is_not_known),
	        TEST(test_hello__another_wire_version_is_told_ours),
	        TEST(test_hello__limits_of_lanes_and_sessions),
	        TEST(test_put_ranges__value_is_the_granted_memory),
	        TEST(test_put_ranges__wrong_ranges_are_refused_and_change_nothing),
	        TEST(test_grant__another_follows_when_one_is_used_up),
	        TEST(test_grant__more_are_given_to_a_lane_that_asks),
	        TEST(test_grant__asking_and_using_up_never_make_more_than_the_most),
	        TEST(test_grant__filled_but_not_committed_comes_back_with_the_lane),
	        TEST(test_upload__becomes_the_keys_value_at_once),
	        TEST(test_upload__not_published_goes_with_the_session),
	        TEST(test_upload__of_another_session_cannot_be_published),
	        TEST(test_holds__orphan_goes_with_its_last_session),
	        TEST(test_holds__forget_of_what_is_not_held_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
