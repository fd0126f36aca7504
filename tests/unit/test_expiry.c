// Expiry as requests see it (server/expiry.c), by a clock of the test's own: from its deadline on an object is gone for everybody who asks, swept or not.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "server/expiry_inside.h"
#include "server/record.h"
#include "server/space.h"
#include "testing.h"

#include "served_one.h" // last: headers have parameters of the names that it declares

#define POOL (32U << 20)
#define MS 1000000U
#define FOREVER UINT64_MAX // a sweep that goes to its end

static uint64_t clock_ns;
static uint64_t free_at_start;

static uint64_t test_clock(void)
{
	return clock_ns;
}

static int set_up(void **state)
{
	(void)state;
	clock_ns = 5000000123456; // of an odd time
	server = served_open(POOL);
	server->monotonic_ns = test_clock;
	client = served_join(server);
	free_at_start = space_free_bytes(server);
	return 0;
}

static void pass(uint64_t ns)
{
	clock_ns += ns;
}

static int put_ttl(const char *key, uint64_t ttl_ms, unsigned flags)
{
	size_t length = strlen(key);
	struct far_put_request put = {.value_length = 5, .mode = 0644, .key_length = (uint16_t)length};
	char front[64];

	memcpy(front, &ttl_ms, sizeof(ttl_ms));
	snprintf(front + sizeof(ttl_ms), sizeof(front) - sizeof(ttl_ms), "%s", key);
	return served_call(client, FAR_OP_PUT, FAR_PUT_HAS_TTL | flags, &put, sizeof(put),
	        (struct served_parts){front, (uint32_t)(sizeof(ttl_ms) + length), "value", 5});
}

static int put_keeping(const char *key)
{
	struct far_put_request put = {.value_length = 5, .mode = 0644, .key_length = (uint16_t)strlen(key)};

	return served_call(
	        client, FAR_OP_PUT, FAR_PUT_KEEPS_TTL, &put, sizeof(put), (struct served_parts){key, (uint32_t)strlen(key), "other", 5});
}

static int expire(const char *key, uint64_t ttl_ms, unsigned flags)
{
	struct far_expire_request request = {.ttl_ms = ttl_ms, .key_length = (uint16_t)strlen(key)};

	return served_call(
	        client, FAR_OP_EXPIRE, flags, &request, sizeof(request), (struct served_parts){key, (uint32_t)strlen(key), NULL, 0});
}

// Milliseconds, or a negative status.
static int64_t ttl(const char *key)
{
	struct far_key_request request = {.key_length = (uint16_t)strlen(key)};
	int status =
	        served_call(client, FAR_OP_TTL, 0, &request, sizeof(request), (struct served_parts){key, (uint32_t)strlen(key), NULL, 0});

	return status ? -status : (int64_t)((const struct far_ttl_reply *)client->reply)->ttl_ms;
}

static int get(const char *key)
{
	return served_get(client, key, FAR_GET_LOCATE);
}

static const struct far_location *location(void)
{
	return &((const struct far_get_reply *)client->reply)->location;
}

static unsigned listed(const char *directory, bool is_holding)
{
	struct far_list_request list = {.bytes_max = 4096, .key_length = (uint16_t)strlen(directory)};
	struct far_attr attr;

	if (is_holding) {
		assert_int_equal(served_stat(client, directory, &attr), FAR_STATUS_OK);
		list.id = attr.id;
		list.key_length = 0;
		assert_int_equal(served_call(client, FAR_OP_READDIR, 0, &list, sizeof(list), (struct served_parts){0}), FAR_STATUS_OK);
	} else {
		assert_int_equal(served_call(client, FAR_OP_LIST, 0, &list, sizeof(list),
		                         (struct served_parts){directory, list.key_length, NULL, 0}),
		        FAR_STATUS_OK);
	}
	return ((const struct far_list_reply *)client->reply)->count;
}

static void sweep(void)
{
	expiry_sweep(server, FOREVER);
	server_settle(server);
}

// --- deadlines ---

static void test_value_is_there_until_its_deadline_and_gone_at_it(void **state)
{
	(void)state;
	assert_int_equal(put_ttl("k", 60, 0), FAR_STATUS_OK);
	pass(60 * MS - 1);
	assert_int_equal(get("k"), FAR_STATUS_OK);
	assert_int_equal(ttl("k"), 1);
	pass(1);
	assert_int_equal(get("k"), FAR_STATUS_NOT_FOUND);
	assert_int_equal(ttl("k"), -FAR_STATUS_NOT_FOUND);
	assert_int_equal(server->figures.objects, 0);
}

static void test_sweep_removes_what_nobody_asks_for_within_a_tick(void **state)
{
	(void)state;
	assert_int_equal(put_ttl("k", 60, 0), FAR_STATUS_OK);
	assert_true(expiry_wait_ns(server) <= 60 * MS + MS);
	pass(60 * MS - 1);
	sweep();
	assert_int_equal(server->figures.objects, 1);
	pass(MS);
	assert_int_equal(expiry_wait_ns(server), 0);
	sweep();
	assert_int_equal(server->figures.objects, 0);
	assert_int_equal(expiry_wait_ns(server), UINT64_MAX);
	assert_int_equal(space_free_bytes(server), free_at_start);
}

// A step of the wall clock is no step of this one; a suspended machine's is none either.
static void test_ttl_tells_what_is_left_and_persist_ends_it(void **state)
{
	(void)state;
	assert_int_equal(put_ttl("k", 5000, 0), FAR_STATUS_OK);
	pass(1500 * MS);
	assert_int_equal(ttl("k"), 3500);
	assert_int_equal(expire("k", 0, FAR_EXPIRE_PERSIST), FAR_STATUS_OK);
	assert_int_equal(ttl("k"), -FAR_STATUS_NO_DATA);
	assert_int_equal(expire("k", 0, FAR_EXPIRE_PERSIST), FAR_STATUS_NO_DATA);
	pass(10000ULL * MS);
	assert_int_equal(get("k"), FAR_STATUS_OK);
}

static void test_expire_sets_and_moves_the_deadline(void **state)
{
	(void)state;
	assert_int_equal(served_put(client, "k", "value", 5), FAR_STATUS_OK);
	assert_int_equal(expire("k", 100, 0), FAR_STATUS_OK);
	pass(90 * MS);
	assert_int_equal(expire("k", 1000, 0), FAR_STATUS_OK);
	pass(500 * MS);
	sweep();
	assert_int_equal(ttl("k"), 500);
	assert_int_equal(expire("k", 10, 0), FAR_STATUS_OK);
	pass(10 * MS);
	assert_int_equal(get("k"), FAR_STATUS_NOT_FOUND);
}

static void test_times_that_cannot_be_are_refused(void **state)
{
	static const uint64_t wrong[] = {0, FAR_TTL_MAX_MS + 1, INT64_MAX, (uint64_t)-1, UINT64_MAX - 5};

	(void)state;
	assert_int_equal(served_put(client, "k", "value", 5), FAR_STATUS_OK);
	assert_int_equal(served_mkdir(client, "d"), FAR_STATUS_OK);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(expire("k", wrong[i], 0), FAR_STATUS_INVALID);
		assert_int_equal(put_ttl("k", wrong[i], 0), FAR_STATUS_INVALID);
		assert_int_equal(put_ttl("new/key", wrong[i], 0), FAR_STATUS_INVALID);
	}
	assert_int_equal(put_ttl("k", 5, FAR_PUT_KEEPS_TTL), FAR_STATUS_INVALID);
	assert_int_equal(expire("k", 5, FAR_EXPIRE_PERSIST), FAR_STATUS_INVALID);
	assert_int_equal(expire("d", 5, 0), FAR_STATUS_IS_DIRECTORY);
	assert_int_equal(expire("none", 5, 0), FAR_STATUS_NOT_FOUND);
	assert_int_equal(expire("", 5, 0), FAR_STATUS_INVALID);
	assert_int_equal(served_stat(client, "new", NULL), FAR_STATUS_NOT_FOUND);
	assert_int_equal(ttl("k"), -FAR_STATUS_NO_DATA);
	assert_int_equal(expire("k", FAR_TTL_MAX_MS, 0), FAR_STATUS_OK);
	assert_int_equal(ttl("k"), (int64_t)FAR_TTL_MAX_MS);
}

// --- what keeps it and what ends it ---

static void test_put_ends_it_unless_it_is_asked_to_keep_it(void **state)
{
	(void)state;
	assert_int_equal(put_ttl("k", 100, 0), FAR_STATUS_OK);
	assert_int_equal(put_keeping("k"), FAR_STATUS_OK);
	assert_int_equal(ttl("k"), 100);
	assert_int_equal(served_put(client, "k", "plain", 5), FAR_STATUS_OK);
	assert_int_equal(ttl("k"), -FAR_STATUS_NO_DATA);
	assert_int_equal(server->expiry->table.count, 0);
	assert_int_equal(put_keeping("k"), FAR_STATUS_OK);
	assert_int_equal(ttl("k"), -FAR_STATUS_NO_DATA);
}

static void test_changes_of_the_file_keep_it(void **state)
{
	struct far_setattr_request mode = {.valid = FAR_SET_MODE, .mode = 0600};
	struct far_attr attr;

	(void)state;
	assert_int_equal(put_ttl("k", 100, 0), FAR_STATUS_OK);
	assert_int_equal(served_stat(client, "k", &attr), FAR_STATUS_OK);
	assert_int_equal(served_write(client, attr.id, 0, "xy", 2, 0), FAR_STATUS_OK);
	assert_int_equal(served_truncate(client, attr.id, 9000), FAR_STATUS_OK);
	mode.id = attr.id;
	assert_int_equal(served_call(client, FAR_OP_SETATTR, 0, &mode, sizeof(mode), (struct served_parts){0}), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "k", "d/renamed", 0), FAR_STATUS_OK);
	assert_int_equal(ttl("d/renamed"), 100);
	pass(100 * MS);
	assert_int_equal(get("d/renamed"), FAR_STATUS_NOT_FOUND);
}

static void test_all_names_of_the_object_go(void **state)
{
	struct far_attr attr;
	char name[8];

	(void)state;
	assert_int_equal(put_ttl("k", 100, 0), FAR_STATUS_OK);
	assert_int_equal(served_stat(client, "k", &attr), FAR_STATUS_OK);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(served_link(client, attr.id, FAR_ROOT_ID, name, NULL), FAR_STATUS_OK);
	}
	served_forget(client, attr.id, 40);
	assert_int_equal(ttl("n7"), 100);
	pass(100 * MS);
	assert_int_equal(served_lookup(client, FAR_ROOT_ID, "n7", NULL), FAR_STATUS_NOT_FOUND);
	assert_int_equal(listed("", false), 0);
	assert_int_equal(server->figures.objects, 0);
	assert_int_equal(server->links.used, 0);
	assert_int_equal(served_getattr(client, attr.id, NULL), FAR_STATUS_STALE);
}

static void test_sweep_of_an_object_with_many_names_goes_on_until_all_are_gone(void **state)
{
	struct far_attr attr;
	char name[8];

	(void)state;
	assert_int_equal(put_ttl("k", 100, 0), FAR_STATUS_OK);
	assert_int_equal(served_stat(client, "k", &attr), FAR_STATUS_OK);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(served_link(client, attr.id, FAR_ROOT_ID, name, NULL), FAR_STATUS_OK);
	}
	served_forget(client, attr.id, 100);
	pass(101 * MS);
	sweep();
	assert_int_equal(server->figures.objects, 0);
	assert_int_equal(space_free_bytes(server), free_at_start);
}

static void test_holder_keeps_the_object_without_its_name(void **state)
{
	struct far_attr attr;

	(void)state;
	assert_int_equal(put_ttl("k", 100, 0), FAR_STATUS_OK);
	assert_int_equal(served_lookup(client, FAR_ROOT_ID, "k", &attr), FAR_STATUS_OK);
	pass(100 * MS);
	assert_int_equal(served_read(client, attr.id, 0, 100, 0), FAR_STATUS_OK);
	assert_int_equal(served_getattr(client, attr.id, &attr), FAR_STATUS_OK);
	assert_int_equal(attr.nlink, 0);
	assert_int_equal(served_lookup(client, FAR_ROOT_ID, "k", NULL), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_link(client, attr.id, FAR_ROOT_ID, "again", NULL), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_write(client, attr.id, 0, "xy", 2, 0), FAR_STATUS_OK);
	served_assert_sound(client);
	served_forget(client, attr.id, 1);
	assert_int_equal(served_getattr(client, attr.id, NULL), FAR_STATUS_STALE);
}

static void test_object_without_a_name_has_no_deadline(void **state)
{
	struct far_attr attr;

	(void)state;
	assert_int_equal(put_ttl("k", 100, 0), FAR_STATUS_OK);
	assert_int_equal(served_lookup(client, FAR_ROOT_ID, "k", &attr), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "k"), FAR_STATUS_OK);
	assert_int_equal(server->expiry->table.count, 0);
	pass(200 * MS);
	sweep();
	assert_int_equal(served_read(client, attr.id, 0, 100, 0), FAR_STATUS_OK);
}

// --- what is over does not count, though nothing has swept it ---

static void test_name_that_is_over_is_free(void **state)
{
	struct far_attr attr;

	(void)state;
	for (int i = 0; i < 6; i++) {
		char name[2] = {(char)('a' + i), 0};

		assert_int_equal(put_ttl(name, 100, 0), FAR_STATUS_OK);
	}
	pass(100 * MS);
	assert_int_equal(served_put_expecting(client, "a", "value", 5, 0), FAR_STATUS_OK);
	assert_int_equal(((const struct far_change_reply *)client->reply)->location.version, 2);
	assert_int_equal(served_mkdir(client, "b"), FAR_STATUS_OK);
	assert_int_equal(served_put(client, "c/below", "value", 5), FAR_STATUS_OK);
	assert_int_equal(served_create(client, FAR_ROOT_ID, "d", S_IFREG | 0644, &attr), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "a", "e", FAR_RENAME_NOREPLACE), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "f", "g", 0), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_delete(client, "f"), FAR_STATUS_NOT_FOUND);
	assert_int_equal(server->figures.objects, 5); // e, b, c, c/below, d
}

static void test_entries_that_are_over_are_not_listed(void **state)
{
	(void)state;
	assert_int_equal(put_ttl("d/over", 100, 0), FAR_STATUS_OK);
	assert_int_equal(served_put(client, "d/stays", "value", 5), FAR_STATUS_OK);
	assert_int_equal(listed("d", false), 2);
	pass(100 * MS);
	assert_int_equal(listed("d", false), 1);
	assert_int_equal(listed("d", true), 1);
}

static void test_directory_of_entries_that_are_over_is_empty(void **state)
{
	(void)state;
	assert_int_equal(put_ttl("d/over", 100, 0), FAR_STATUS_OK);
	assert_int_equal(put_ttl("e/over", 100, 0), FAR_STATUS_OK);
	assert_int_equal(put_ttl("f/over", 100, 0), FAR_STATUS_OK);
	assert_int_equal(served_put(client, "f/stays", "value", 5), FAR_STATUS_OK);
	assert_int_equal(served_mkdir(client, "source"), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "d"), FAR_STATUS_NOT_EMPTY);
	pass(100 * MS);
	assert_int_equal(served_unlink(client, FAR_OP_RMDIR, FAR_ROOT_ID, "d"), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "source", "e", 0), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "f"), FAR_STATUS_NOT_EMPTY);
}

static void test_directory_of_many_that_are_over_is_emptied_a_part_at_a_time(void **state)
{
	int restarts = 0, status;
	char key[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "d/%d", i);
		assert_int_equal(put_ttl(key, 100, 0), FAR_STATUS_OK);
	}
	pass(100 * MS);
	while ((status = served_delete(client, "d")) == FAR_STATUS_RESTART)
		restarts++;
	assert_int_equal(status, FAR_STATUS_OK);
	assert_int_equal(restarts, 3);
	assert_int_equal(server->figures.objects, 0);
}

static void test_rename_onto_another_name_of_what_is_over_finds_neither(void **state)
{
	struct far_attr attr;

	(void)state;
	assert_int_equal(put_ttl("a", 100, 0), FAR_STATUS_OK);
	assert_int_equal(served_stat(client, "a", &attr), FAR_STATUS_OK);
	assert_int_equal(served_link(client, attr.id, FAR_ROOT_ID, "b", NULL), FAR_STATUS_OK);
	served_forget(client, attr.id, 1);
	pass(100 * MS);
	assert_int_equal(served_rename(client, "a", "b", 0), FAR_STATUS_NOT_FOUND);
	assert_int_equal(server->figures.objects, 0);
}

// --- readers who do not ask ---

static void test_location_of_what_expires_has_a_lease_that_ends_before_it(void **state)
{
	(void)state;
	assert_int_equal(put_ttl("k", 60, 0), FAR_STATUS_OK);
	assert_int_equal(((const struct far_change_reply *)client->reply)->location.flags, FAR_LOCATION_EXPIRES);
	assert_int_equal(((const struct far_change_reply *)client->reply)->location.lease_ms, 60);
	pass(10 * MS + 1);
	assert_int_equal(get("k"), FAR_STATUS_OK);
	assert_int_equal(location()->flags, FAR_LOCATION_EXPIRES);
	assert_int_equal(location()->lease_ms, 49);
	pass(50 * MS - 2);
	assert_int_equal(get("k"), FAR_STATUS_OK);
	assert_int_equal(location()->lease_ms, 0);
	assert_int_equal(put_ttl("k", FAR_TTL_MAX_MS, 0), FAR_STATUS_OK);
	assert_int_equal(((const struct far_change_reply *)client->reply)->location.lease_ms, FAR_LEASE_MAX_MS);
	assert_int_equal(served_put(client, "k", "value", 5), FAR_STATUS_OK);
	assert_int_equal(((const struct far_change_reply *)client->reply)->location.flags, 0);
}

// R10: what was remembered before there was a deadline, and what is read from the record.
static void test_deadline_changes_the_word_and_flags_the_record(void **state)
{
	const struct far_record *record;
	uint64_t word;

	(void)state;
	assert_int_equal(served_put(client, "k", "value", 5), FAR_STATUS_OK);
	assert_int_equal(get("k"), FAR_STATUS_OK);
	record = record_at(server->pool, location()->record);
	word = location()->word;
	assert_int_equal(expire("k", 60, 0), FAR_STATUS_OK);
	assert_true(record->flags & FAR_RECORD_EXPIRES);
	assert_int_not_equal(record->word, word);
	assert_int_equal(expire("k", 0, FAR_EXPIRE_PERSIST), FAR_STATUS_OK);
	assert_false(record->flags & FAR_RECORD_EXPIRES);
	assert_int_equal(expire("k", 60, 0), FAR_STATUS_OK);
	word = record->word;
	pass(61 * MS);
	sweep();
	assert_int_not_equal(record->word, word);
	assert_int_equal(FAR_WORD_STATE(record->word), FAR_RECORD_FREE);
}

// --- much of it ---

static void test_full_pool_refuses_a_time_to_live_and_changes_nothing(void **state)
{
	uint32_t got;

	(void)state;
	assert_int_equal(served_put(client, "k", "value", 5), FAR_STATUS_OK);
	while (pool_pages_alloc_most(server->pool, 512, 1, &got))
		;
	assert_int_equal(expire("k", 60, 0), FAR_STATUS_NO_SPACE);
	assert_int_equal(put_ttl("k", 60, 0), FAR_STATUS_NO_SPACE);
	assert_int_equal(ttl("k"), -FAR_STATUS_NO_DATA);
	assert_int_equal(get("k"), FAR_STATUS_OK);
	assert_int_equal(location()->version, 1);
	served_leave(client);
	served_close(server);
	set_up(NULL); // the pages that were taken have no owner
}

static void test_sweep_stops_when_its_time_is_over_and_goes_on(void **state)
{
	uint64_t left, steps = 0;
	char key[16];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "d/%d", i);
		assert_int_equal(put_ttl(key, 70000 + (uint64_t)i % 50, 0), FAR_STATUS_OK);
	}
	pass(70050ULL * MS);
	left = server->figures.objects;
	while (expiry_sweep(server, 0)) {
		assert_true(left - server->figures.objects <= 8); // as many as between two looks at the clock
		left = server->figures.objects;
		steps++;
		if (steps == 100)
			served_assert_sound(client);
	}
	assert_int_equal(server->figures.objects, 1); // d
	assert_true(steps >= 20000 / 8);
}

// --- by extended attribute ---

static int set_attribute(uint64_t id, const char *value, unsigned flags)
{
	struct far_xattr_set_request set = {.id = id, .value_length = (uint32_t)strlen(value), .name_length = 12};

	return served_call(client, FAR_OP_XATTR_SET, flags, &set, sizeof(set),
	        (struct served_parts){"user.far.ttl", 12, value, (uint32_t)strlen(value)});
}

static int remove_attribute(uint64_t id)
{
	struct far_xattr_get_request get = {.id = id, .name_length = 12};

	return served_call(client, FAR_OP_XATTR_REMOVE, 0, &get, sizeof(get), (struct served_parts){"user.far.ttl", 12, NULL, 0});
}

static const char *attribute(uint64_t id)
{
	static char value[64];
	struct far_xattr_get_request get = {.id = id, .name_length = 12};
	const struct far_xattr_reply *reply = (const struct far_xattr_reply *)client->reply;

	if (served_call(client, FAR_OP_XATTR_GET, 0, &get, sizeof(get), (struct served_parts){"user.far.ttl", 12, NULL, 0}))
		return NULL;
	memcpy(value, reply + 1, reply->length);
	value[reply->length] = '\0';
	return value;
}

static void test_attribute_sets_shows_and_ends_it(void **state)
{
	struct far_attr attr;

	(void)state;
	assert_int_equal(served_put(client, "k", "value", 5), FAR_STATUS_OK);
	assert_int_equal(served_stat(client, "k", &attr), FAR_STATUS_OK);
	assert_null(attribute(attr.id));
	assert_int_equal(remove_attribute(attr.id), FAR_STATUS_NO_DATA);
	assert_int_equal(set_attribute(attr.id, "5", FAR_XATTR_REPLACE), FAR_STATUS_NO_DATA);
	assert_int_equal(set_attribute(attr.id, "60", FAR_XATTR_CREATE), FAR_STATUS_OK);
	assert_int_equal(set_attribute(attr.id, "5", FAR_XATTR_CREATE), FAR_STATUS_EXISTS);
	assert_int_equal(ttl("k"), 60000);
	pass(1250 * MS);
	assert_string_equal(attribute(attr.id), "58.750");
	assert_int_equal(remove_attribute(attr.id), FAR_STATUS_OK);
	assert_null(attribute(attr.id));
	assert_int_equal(set_attribute(attr.id, "0.05", 0), FAR_STATUS_OK);
	assert_int_equal(ttl("k"), 50);
	pass(50 * MS);
	assert_int_equal(set_attribute(attr.id, "5", 0), FAR_STATUS_STALE);
}

static void test_attribute_takes_no_value_that_is_not_a_time_to_live(void **state)
{
	static const char *const wrong[] = {"", "0", "0.000", "-1", "+1", "1.", ".5", "1.2345", "1,5", "abc", "1s", " 1", "1 ", "1e3",
	        "0x10", "3155760000.001", "99999999999999999999999999", "18446744073709551616", "nan", "inf", "1.-5"};
	struct far_attr attr, directory;

	(void)state;
	assert_int_equal(served_put(client, "d/k", "value", 5), FAR_STATUS_OK);
	assert_int_equal(served_stat(client, "d/k", &attr), FAR_STATUS_OK);
	assert_int_equal(served_stat(client, "d", &directory), FAR_STATUS_OK);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(set_attribute(attr.id, wrong[i], 0), FAR_STATUS_INVALID);
	assert_int_equal(set_attribute(directory.id, "5", 0), FAR_STATUS_IS_DIRECTORY);
	assert_null(attribute(attr.id));
	assert_int_equal(set_attribute(attr.id, "3155760000", 0), FAR_STATUS_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_value_is_there_until_its_deadline_and_gone_at_it, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_sweep_removes_what_nobody_asks_for_within_a_tick, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_ttl_tells_what_is_left_and_persist_ends_it, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_expire_sets_and_moves_the_deadline, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_times_that_cannot_be_are_refused, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put_ends_it_unless_it_is_asked_to_keep_it, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_changes_of_the_file_keep_it, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_all_names_of_the_object_go, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_sweep_of_an_object_with_many_names_goes_on_until_all_are_gone, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_holder_keeps_the_object_without_its_name, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_object_without_a_name_has_no_deadline, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_name_that_is_over_is_free, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_entries_that_are_over_are_not_listed, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_directory_of_entries_that_are_over_is_empty, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_directory_of_many_that_are_over_is_emptied_a_part_at_a_time, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_rename_onto_another_name_of_what_is_over_finds_neither, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_location_of_what_expires_has_a_lease_that_ends_before_it, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_deadline_changes_the_word_and_flags_the_record, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_full_pool_refuses_a_time_to_live_and_changes_nothing, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_sweep_stops_when_its_time_is_over_and_goes_on, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_attribute_sets_shows_and_ends_it, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_attribute_takes_no_value_that_is_not_a_time_to_live, set_up, served_one_tear_down_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
