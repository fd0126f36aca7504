// Quotas as requests see them (server/quota.c): what each kind of change is charged, what is refused, and that the accounts are what a walk over everything finds, also while what is there is still being counted.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "far/check.h"
#include "server/check.h"
#include "server/directory.h"
#include "server/expiry.h"
#include "server/metrics.h"
#include "server/namespace.h"
#include "server/quota.h"
#include "server/record.h"
#include "server/xattr.h"
#include "testing.h"

#include "served_one.h" // last: headers have parameters of the names that it declares

#define POOL (64U << 20)
#define KIB 1024U
#define PAGE 4096U
#define DIRECTORY 144U // bytes that a directory with a name of up to 16 bytes is charged
#define SMALL 144U     // a file with a name of up to 8 bytes and a value of up to 8
#define FURTHER 128U   // a further name
#define LARGE_VALUE 7000U
#define LARGE (144U + 2 * PAGE) // a file with such a value

static char bytes[1U << 20];
static uint64_t clock_ns;

static uint64_t test_clock(void)
{
	return clock_ns;
}

static int set_up_server(struct server *opened)
{
	clock_ns = 1;
	server = opened;
	server->monotonic_ns = test_clock;
	client = served_join(server);
	client->lane.session->uid = 0;
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_server(served_open(POOL));
}

static int set_up_evicting(void **state)
{
	(void)state;
	return set_up_server(served_open_evicting(POOL));
}

// --- requests ---

static int call_quota(unsigned flags, const char *key, struct far_quota_request request)
{
	request.key_length = (uint16_t)strlen(key);
	return served_call(client, FAR_OP_QUOTA, flags, &request, sizeof(request), (struct served_parts){key, request.key_length, NULL, 0});
}

static int set_quota(const char *key, uint64_t most_bytes, uint64_t most_objects)
{
	return call_quota(FAR_QUOTA_SET, key, (struct far_quota_request){.bytes = most_bytes, .objects = most_objects});
}

// Of the last reply.
static struct far_quota_entry told(void)
{
	struct far_quota_entry entry;

	assert_true(((const struct far_quota_reply *)client->reply)->count > 0);
	memcpy(&entry, client->reply + sizeof(struct far_quota_reply), sizeof(entry));
	return entry;
}

static struct far_quota_entry quota(const char *key)
{
	assert_int_equal(call_quota(0, key, (struct far_quota_request){0}), FAR_STATUS_OK);
	return told();
}

static void assert_used(const char *key, uint64_t used_bytes, uint64_t used_objects)
{
	struct far_quota_entry entry = quota(key);

	assert_int_equal(entry.bytes, used_bytes);
	assert_int_equal(entry.objects, used_objects);
	assert_int_equal(entry.state, 0);
}

static uint64_t id_of(const char *key)
{
	struct far_attr attr;

	assert_int_equal(served_stat(client, key, &attr), FAR_STATUS_OK);
	return attr.id;
}

static int put(const char *key, uint32_t length)
{
	return served_put(client, key, bytes, length);
}

static int append(const char *key, uint32_t length)
{
	struct far_put_range_request request = {.length = length, .mode = 0644, .key_length = (uint16_t)strlen(key)};

	return served_call(client, FAR_OP_PUT_RANGE, FAR_PUT_RANGE_APPEND | FAR_PUT_RANGE_CREATE, &request, sizeof(request),
	        (struct served_parts){key, request.key_length, bytes, length});
}

static int add_to_counter(const char *key)
{
	struct far_counter_request request = {.operand = 1, .mode = 0644, .key_length = (uint16_t)strlen(key)};

	return served_call(client, FAR_OP_COUNTER, FAR_COUNTER_CREATE, &request, sizeof(request),
	        (struct served_parts){key, request.key_length, NULL, 0});
}

static int fallocate(uint64_t id, unsigned flags, uint64_t offset, uint64_t length)
{
	struct far_fallocate_request request = {.id = id, .offset = offset, .length = length};

	return served_call(client, FAR_OP_FALLOCATE, flags, &request, sizeof(request), (struct served_parts){0});
}

static int copy(uint64_t from, uint64_t to, uint64_t to_offset, uint64_t length)
{
	struct far_copy_request request = {.from_id = from, .to_id = to, .to_offset = to_offset, .length = length};

	return served_call(client, FAR_OP_COPY, 0, &request, sizeof(request), (struct served_parts){0});
}

static uint64_t written(void)
{
	return ((const struct far_write_reply *)client->reply)->length;
}

// --- what a walk over everything finds ---

static void add_below(const struct far_record *directory, struct quota_amount *amount)
{
	uint64_t cookie = 0, offset;

	while ((offset = directory_next(server->pool, directory, cookie)) != 0) {
		const struct far_record *name = record_at(server->pool, offset);

		cookie = name->cookie;
		if (FAR_WORD_STATE(atomic_load(&name->word)) == FAR_RECORD_LINK)
			continue;
		amount->objects++;
		amount->bytes += quota_charge_of(server, name).bytes;
		if (S_ISDIR(name->mode))
			add_below(name, amount);
	}
}

static void assert_accounts_are_right(void)
{
	for (const struct quota *at = quota_behind(server, 0); at; at = at->next) {
		struct quota_amount there = {.bytes = xattr_memory(server, object_peek(server, at->id))};

		if (!at->is_counted)
			continue;
		add_below(object_peek(server, at->id), &there);
		assert_int_equal(at->used.objects, there.objects);
		assert_int_equal(at->used.bytes, there.bytes);
	}
}

// --- charges ---

static void test_each_kind_of_change_is_charged(void **state)
{
	struct far_attr attr;

	(void)state;
	served_mkdir(client, "d");
	assert_int_equal(set_quota("d", 1U << 30, 1000), FAR_STATUS_OK);
	assert_used("d", 0, 0);
	put("d/small", 5);
	assert_used("d", SMALL, 1);
	put("d/large", LARGE_VALUE);
	assert_used("d", SMALL + LARGE, 2);
	put("d/large", 3000); // another value
	assert_used("d", 2 * SMALL + 3072, 2);
	served_truncate(client, id_of("d/large"), 0);
	assert_used("d", 2 * SMALL, 2);
	assert_int_equal(served_write(client, id_of("d/large"), 100 * PAGE + 100, bytes, 7000, 0), FAR_STATUS_OK); // behind a hole
	assert_used("d", 2 * SMALL + 2 * PAGE, 2);
	assert_int_equal(fallocate(id_of("d/large"), 0, 0, 5 * PAGE), FAR_STATUS_OK);
	assert_used("d", 2 * SMALL + 7 * PAGE, 2);
	assert_int_equal(fallocate(id_of("d/large"), FAR_FALLOCATE_PUNCH_HOLE | FAR_FALLOCATE_KEEP_SIZE, 0, 4 * PAGE), FAR_STATUS_OK);
	assert_used("d", 2 * SMALL + 3 * PAGE, 2);
	assert_int_equal(append("d/added", 5), FAR_STATUS_OK);
	assert_used("d", 3 * SMALL + 3 * PAGE, 3);
	assert_int_equal(add_to_counter("d/n"), FAR_STATUS_OK);
	assert_used("d", 4 * SMALL + 3 * PAGE, 4);
	served_mkdir(client, "d/e");
	assert_used("d", 4 * SMALL + DIRECTORY + 3 * PAGE, 5);
	served_create(client, id_of("d/e"), "fifo", S_IFIFO | 0600, &attr);
	served_symlink(client, id_of("d/e"), "link", "there", &attr);
	assert_used("d", 6 * SMALL + DIRECTORY + 3 * PAGE, 7);
	assert_int_equal(copy(id_of("d/large"), id_of("d/added"), 0, 102 * PAGE), FAR_STATUS_OK); // holes stay holes
	assert_used("d", 6 * SMALL + DIRECTORY + 7 * PAGE, 7); // and what had been its record takes a page
	served_delete(client, "d/added");
	served_delete(client, "d/large");
	assert_used("d", 4 * SMALL + DIRECTORY, 5);
}

static void test_values_between_inline_and_pages_are_charged_their_block(void **state)
{
	(void)state;
	served_mkdir(client, "d");
	set_quota("d", 1U << 30, 0);
	put("d/block", 2000);
	assert_used("d", SMALL + 2048, 1);
	put("d/block", 4);
	assert_used("d", SMALL, 1);
}

static void test_objects_are_charged_to_all_quotas_above(void **state)
{
	(void)state;
	served_mkdir(client, "a/b/c");
	set_quota("", 0, 100);
	set_quota("a", 0, 100);
	set_quota("a/b", 0, 100);
	put("a/b/c/f", 5);
	put("a/g", 5);
	put("h", 5);
	assert_used("a/b", SMALL + DIRECTORY, 2);
	assert_used("a", 2 * SMALL + 2 * DIRECTORY, 4);
	assert_used("", 3 * SMALL + 3 * DIRECTORY, 6);
	served_delete(client, "a/b/c/f");
	assert_used("a/b", DIRECTORY, 1);
	assert_used("", 2 * SMALL + 3 * DIRECTORY, 5);
}

static void test_files_move_with_their_charge(void **state)
{
	(void)state;
	served_mkdir(client, "a");
	served_mkdir(client, "b");
	set_quota("a", 1U << 20, 10);
	set_quota("b", 1U << 20, 10);
	put("a/f", LARGE_VALUE);
	assert_int_equal(served_rename(client, "a/f", "b/g", 0), FAR_STATUS_OK);
	assert_used("a", 0, 0);
	assert_used("b", LARGE, 1);
	put("a/f", 5);
	assert_int_equal(served_rename(client, "a/f", "b/g", FAR_RENAME_EXCHANGE), FAR_STATUS_OK);
	assert_used("a", LARGE, 1);
	assert_used("b", SMALL, 1);
	assert_int_equal(served_rename(client, "b/g", "a/f", 0), FAR_STATUS_OK); // what was there goes
	assert_used("a", SMALL, 1);
	assert_used("b", 0, 0);
	assert_int_equal(served_rename(client, "a/f", "out", 0), FAR_STATUS_OK);
	assert_used("a", 0, 0);
}

static void test_move_that_would_be_too_much_is_refused(void **state)
{
	(void)state;
	served_mkdir(client, "a/in");
	served_mkdir(client, "b");
	set_quota("a", 2 * LARGE + DIRECTORY, 3);
	set_quota("b", 1U << 20, 10);
	put("a/in/1", LARGE_VALUE);
	put("a/in/2", 5);
	put("b/f", LARGE_VALUE);
	append("b/f", PAGE);
	assert_int_equal(served_rename(client, "b/f", "a/f", 0), FAR_STATUS_QUOTA);
	assert_int_equal(served_rename(client, "b/f", "a/in/2", 0), FAR_STATUS_QUOTA);
	assert_int_equal(served_rename(client, "b/f", "a/in/1", 0), FAR_STATUS_OK); // which it replaces
	assert_used("a", LARGE + PAGE + SMALL + DIRECTORY, 3);
	assert_int_equal(served_rename(client, "a/in/2", "a/3", 0), FAR_STATUS_OK); // within
	assert_int_equal(served_rename(client, "a/3", "3", 0), FAR_STATUS_OK);
}

static void test_directories_stay_in_their_domain(void **state)
{
	(void)state;
	served_mkdir(client, "a/d/e");
	served_mkdir(client, "a/in");
	served_mkdir(client, "b");
	set_quota("a", 0, 100);
	set_quota("b", 0, 100);
	put("a/f", 5);
	assert_int_equal(served_rename(client, "a/d", "b/d", 0), FAR_STATUS_CROSS_DEVICE);
	assert_int_equal(served_rename(client, "a/d", "d", 0), FAR_STATUS_CROSS_DEVICE);
	assert_int_equal(served_rename(client, "a/d", "b", FAR_RENAME_EXCHANGE), FAR_STATUS_CROSS_DEVICE);
	put("b/f", 5);
	assert_int_equal(served_rename(client, "b/f", "a/d", FAR_RENAME_EXCHANGE), FAR_STATUS_CROSS_DEVICE);
	assert_int_equal(served_rename(client, "a/d", "a/in/d", 0), FAR_STATUS_OK);
	assert_used("a", SMALL + 3 * DIRECTORY, 4);
	assert_int_equal(served_rename(client, "a", "c", 0), FAR_STATUS_OK); // it takes its quota along
	assert_used("c", SMALL + 3 * DIRECTORY, 4);
}

static void test_further_names_are_charged_with_the_first(void **state)
{
	struct far_attr attr;

	(void)state;
	served_mkdir(client, "a/c");
	served_mkdir(client, "b");
	put("a/f", LARGE_VALUE);
	assert_int_equal(served_link(client, id_of("a/f"), id_of("b"), "g", &attr), FAR_STATUS_OK); // while there is no quota
	set_quota("a", 1U << 20, 10);
	set_quota("b", 1U << 20, 10);
	assert_used("a", LARGE + FURTHER + DIRECTORY, 2);
	assert_used("b", 0, 0);
	assert_int_equal(served_rename(client, "b/g", "b/h", 0), FAR_STATUS_OK);
	assert_int_equal(served_link(client, id_of("a/f"), id_of("a/c"), "i", &attr), FAR_STATUS_OK);
	served_delete(client, "a/c/i");
	served_delete(client, "a/f"); // the other one becomes the first
	assert_used("a", DIRECTORY, 1);
	assert_used("b", LARGE, 1);
	set_quota("b", LARGE, 10);
	assert_int_equal(served_link(client, id_of("b/h"), id_of("b"), "i", &attr), FAR_STATUS_QUOTA);
}

// What is charged elsewhere would stay when its name there goes.
static void test_further_names_stay_where_the_first_is(void **state)
{
	struct far_attr attr;

	(void)state;
	put("a/f", LARGE_VALUE);
	put("b/f", 5);
	set_quota("b", SMALL, 1);
	assert_int_equal(served_link(client, id_of("a/f"), id_of("b"), "g", &attr), FAR_STATUS_CROSS_DEVICE);
	assert_int_equal(served_link(client, id_of("a/f"), id_of("a"), "g", &attr), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "a/g", "b/g", 0), FAR_STATUS_CROSS_DEVICE);
	assert_int_equal(served_rename(client, "a/g", "b/f", FAR_RENAME_EXCHANGE), FAR_STATUS_CROSS_DEVICE);
	assert_int_equal(served_rename(client, "b/f", "a/g", FAR_RENAME_EXCHANGE), FAR_STATUS_CROSS_DEVICE);
	assert_used("b", SMALL, 1);
}

static void test_what_has_no_name_is_charged_to_nobody(void **state)
{
	struct far_attr attr, entry;

	(void)state;
	served_mkdir(client, "d");
	set_quota("d", LARGE, 1);
	assert_int_equal(served_tmpfile(client, id_of("d"), S_IFREG | 0600, &attr), FAR_STATUS_OK);
	assert_int_equal(served_write(client, attr.id, 2 * PAGE - 100, bytes, 5000, 0), FAR_STATUS_OK);
	assert_used("d", 0, 0);
	assert_int_equal(served_link(client, attr.id, id_of("d"), "f", &entry), FAR_STATUS_QUOTA);
	served_truncate(client, attr.id, LARGE_VALUE);
	assert_int_equal(served_link(client, attr.id, id_of("d"), "f", &entry), FAR_STATUS_OK);
	assert_int_equal(quota("d").objects, 1);
	served_delete(client, "d/f"); // still held
	assert_used("d", 0, 0);
	assert_int_equal(served_write(client, attr.id, 0, bytes, 5000, 0), FAR_STATUS_OK);
	assert_used("d", 0, 0);
}

static void test_what_expires_is_not_charged_any_more(void **state)
{
	struct far_expire_request request = {.ttl_ms = 1000, .key_length = 3};

	(void)state;
	served_mkdir(client, "d");
	set_quota("d", 0, 10);
	for (unsigned i = 0; i < 2; i++) {
		put("d/f", LARGE_VALUE);
		assert_int_equal(served_call(client, FAR_OP_EXPIRE, 0, &request, sizeof(request), (struct served_parts){"d/f", 3, NULL, 0}),
		        FAR_STATUS_OK);
		clock_ns += 2000000000;
		if (i == 0)
			expiry_sweep(server, UINT64_MAX);
		else
			assert_int_equal(served_get(client, "d/f", 0), FAR_STATUS_NOT_FOUND);
		assert_used("d", 0, 0);
	}
}

// --- limits ---

static void test_limit_of_objects(void **state)
{
	struct far_attr attr;

	(void)state;
	served_mkdir(client, "d");
	set_quota("d", 0, 2);
	assert_int_equal(put("d/1", 5), FAR_STATUS_OK);
	assert_int_equal(put("d/e/2", 5), FAR_STATUS_QUOTA); // two more
	assert_int_equal(served_stat(client, "d/e", &attr), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_mkdir(client, "d/e"), FAR_STATUS_OK);
	assert_int_equal(put("d/2", 5), FAR_STATUS_QUOTA);
	assert_int_equal(served_mkdir(client, "d/f"), FAR_STATUS_QUOTA);
	assert_int_equal(served_create(client, id_of("d"), "fifo", S_IFIFO | 0600, &attr), FAR_STATUS_QUOTA);
	assert_int_equal(append("d/2", 5), FAR_STATUS_QUOTA);
	assert_int_equal(add_to_counter("d/2"), FAR_STATUS_QUOTA);
	assert_int_equal(put("d/1", 4000), FAR_STATUS_OK); // no object more
	assert_int_equal(served_delete(client, "d/e"), FAR_STATUS_OK);
	assert_int_equal(put("d/2", 5), FAR_STATUS_OK);
	assert_int_equal(quota("d").refusals, 6);
}

static void test_limit_of_bytes(void **state)
{
	(void)state;
	served_mkdir(client, "d");
	set_quota("d", LARGE + SMALL, 0);
	assert_int_equal(put("d/f", LARGE_VALUE), FAR_STATUS_OK);
	assert_int_equal(put("d/g", 9), FAR_STATUS_QUOTA);
	assert_int_equal(put("d/g", 5), FAR_STATUS_OK);
	assert_int_equal(append("d/f", PAGE + 1), FAR_STATUS_QUOTA);
	assert_int_equal(append("d/f", 7000), FAR_STATUS_QUOTA);
	assert_int_equal(fallocate(id_of("d/f"), 0, 0, 3 * PAGE), FAR_STATUS_QUOTA);
	assert_int_equal(copy(id_of("d/f"), id_of("d/f"), 2 * PAGE, PAGE), FAR_STATUS_QUOTA);
	assert_int_equal(put("d/g", 3000), FAR_STATUS_QUOTA);
	assert_used("d", LARGE + SMALL, 2);
	assert_int_equal(append("d/f", 2 * PAGE - LARGE_VALUE), FAR_STATUS_OK);
	assert_int_equal(append("d/g", 1), FAR_STATUS_OK); // within what it has
}

static void test_write_is_short_where_the_limit_is(void **state)
{
	uint64_t id;

	(void)state;
	served_mkdir(client, "d");
	set_quota("d", SMALL + 4 * PAGE, 0);
	put("d/f", 5);
	id = id_of("d/f");
	assert_int_equal(served_write(client, id, PAGE, bytes, PAGE, 0), FAR_STATUS_OK);
	assert_int_equal(served_write(client, id, 0, bytes, 7000, 0), FAR_STATUS_OK);
	assert_int_equal(served_write(client, id, 2 * PAGE - 10, bytes, 7000, 0), FAR_STATUS_OK);
	assert_int_equal(written(), 7000);
	assert_int_equal(served_write(client, id, 4 * PAGE - 10, bytes, 1000, 0), FAR_STATUS_OK);
	assert_int_equal(written(), 10);
	assert_int_equal(served_write(client, id, 4 * PAGE, bytes, 1000, 0), FAR_STATUS_QUOTA);
	assert_int_equal(told().bytes_limit, SMALL + 4 * PAGE);
	assert_used("d", SMALL + 4 * PAGE, 1);
}

static void test_above_a_limit_all_goes_on_that_takes_no_more(void **state)
{
	uint64_t id;

	(void)state;
	put("d/f", 5000);
	put("d/g", LARGE_VALUE);
	assert_int_equal(set_quota("d", 1, 1), FAR_STATUS_OK);
	id = id_of("d/g");
	assert_used("d", LARGE + SMALL + 2 * PAGE, 2);
	assert_int_equal(put("d/h", 1), FAR_STATUS_QUOTA);
	assert_int_equal(served_write(client, id, 100, bytes, 5000, 0), FAR_STATUS_OK);
	assert_int_equal(written(), 5000);
	assert_int_equal(put("d/g", LARGE_VALUE - 1), FAR_STATUS_OK);
	assert_int_equal(served_truncate(client, id, 4500), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "d/f", "d/i", 0), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "d/i"), FAR_STATUS_OK);
	assert_used("d", SMALL + 2 * PAGE, 1);
}

static void test_refusal_tells_the_quota_that_is_used_up(void **state)
{
	struct far_quota_entry entry;

	(void)state;
	served_mkdir(client, "a/b");
	set_quota("a", 0, 2);
	set_quota("a/b", 0, 10);
	put("a/b/1", 5);
	assert_int_equal(put("a/b/2", 5), FAR_STATUS_QUOTA);
	entry = told();
	assert_int_equal(entry.id, id_of("a"));
	assert_int_equal(entry.key_length, 1);
	assert_int_equal(entry.objects_limit, 2);
	assert_int_equal(entry.objects, 2);
	assert_int_equal(entry.refusals, 1);
	assert_int_equal(server->figures.quota_refusals, 1);
}

// --- setting and removing ---

static void test_wrong_requests(void **state)
{
	(void)state;
	put("f", 5);
	served_mkdir(client, "d");
	assert_int_equal(set_quota("none", 1, 1), FAR_STATUS_NOT_FOUND);
	assert_int_equal(set_quota("f", 1, 1), FAR_STATUS_NOT_DIRECTORY);
	assert_int_equal(set_quota("d", 0, 0), FAR_STATUS_INVALID);
	assert_int_equal(set_quota("d", FAR_QUOTA_LIMIT_MAX + 1, 0), FAR_STATUS_INVALID);
	assert_int_equal(set_quota("d", 0, UINT64_MAX), FAR_STATUS_INVALID);
	assert_int_equal(call_quota(0, "d", (struct far_quota_request){0}), FAR_STATUS_NO_DATA);
	assert_int_equal(call_quota(0, "f", (struct far_quota_request){0}), FAR_STATUS_NO_DATA);
	assert_int_equal(call_quota(FAR_QUOTA_REMOVE, "d", (struct far_quota_request){0}), FAR_STATUS_NO_DATA);
	assert_int_equal(call_quota(FAR_QUOTA_REMOVE | FAR_QUOTA_SET, "d", (struct far_quota_request){.bytes = 1}), FAR_STATUS_INVALID);
	client->lane.session->uid = 1000;
	assert_int_equal(set_quota("d", 1, 1), FAR_STATUS_NOT_PERMITTED);
	assert_null(server->quotas);
}

static void test_only_root_changes_a_quota(void **state)
{
	(void)state;
	served_mkdir(client, "d");
	set_quota("d", 0, 5);
	client->lane.session->uid = 1000;
	assert_int_equal(set_quota("d", 0, 50), FAR_STATUS_NOT_PERMITTED);
	assert_int_equal(call_quota(FAR_QUOTA_REMOVE, "d", (struct far_quota_request){0}), FAR_STATUS_NOT_PERMITTED);
	assert_int_equal(quota("d").objects_limit, 5);
}

static void test_quota_ends_by_removal_or_with_its_directory(void **state)
{
	(void)state;
	served_mkdir(client, "d/e");
	set_quota("d", 0, 5);
	set_quota("d/e", 0, 5);
	assert_int_equal(served_delete(client, "d/e"), FAR_STATUS_OK);
	assert_used("d", 0, 0);
	assert_int_equal(quota_count_all(server), 1);
	assert_int_equal(call_quota(FAR_QUOTA_REMOVE, "d", (struct far_quota_request){0}), FAR_STATUS_OK);
	assert_null(server->quotas);
	for (char name[] = "d/1"; name[2] < '9'; name[2]++)
		assert_int_equal(put(name, 5), FAR_STATUS_OK);
}

static void test_list_goes_on_at_its_cursor(void **state)
{
	const struct far_quota_reply *reply = (const struct far_quota_reply *)client->reply;
	struct far_quota_request request = {0};
	unsigned listed = 0;
	char key[32];

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "directory-%u", i);
		served_mkdir(client, key);
		assert_int_equal(set_quota(key, 0, i + 1), FAR_STATUS_OK);
	}
	do {
		assert_int_equal(call_quota(FAR_QUOTA_LIST, "", request), FAR_STATUS_OK);
		assert_int_equal(told().objects_limit, listed + 1);
		listed += reply->count;
		request.cursor = reply->cursor;
	} while (!reply->is_end);
	assert_int_equal(listed, 500);
}

// A directory that is held is still there for who knows its id.
static void test_quota_of_a_directory_that_is_held_ends_with_its_name(void **state)
{
	struct far_xattr_get_request request = {0};
	struct far_attr attr;

	(void)state;
	served_mkdir(client, "d");
	served_mkdir(client, "e");
	set_quota("d", 1, 1);
	set_quota("e", 1, 1);
	request.id = id_of("d");
	assert_int_equal(served_hold(client, request.id, 0, &attr), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "d"), FAR_STATUS_OK);
	served_assert_sound(client);
	assert_int_equal(served_delete(client, "e"), FAR_STATUS_OK);
	assert_int_equal(served_call(client, FAR_OP_XATTR_LIST, FAR_XATTR_FACTS, &request, sizeof(request), (struct served_parts){0}),
	        FAR_STATUS_OK);
}

// Where the nearest one was lately is remembered.
static void test_quotas_that_come_and_go_are_noticed_below(void **state)
{
	(void)state;
	set_quota("", 0, 1000);
	put("a/b/f", 5);
	set_quota("a", 0, 3);
	put("a/b/g", 5);
	assert_used("a", DIRECTORY + 2 * SMALL, 3);
	assert_int_equal(put("a/b/h", 5), FAR_STATUS_QUOTA);
	set_quota("a/b", 0, 100);
	assert_int_equal(put("a/b/h", 5), FAR_STATUS_QUOTA); // of the outer one
	assert_int_equal(call_quota(FAR_QUOTA_REMOVE, "a", (struct far_quota_request){0}), FAR_STATUS_OK);
	assert_int_equal(put("a/b/h", 5), FAR_STATUS_OK);
	assert_used("a/b", 3 * SMALL, 3);
	assert_accounts_are_right();
}

static void test_append_takes_what_is_left(void **state)
{
	(void)state;
	put("d/f", 2000);
	set_quota("d", quota_charge_of(server, object_peek(server, id_of("d/f"))).bytes + 300, 0);
	assert_int_equal(append("d/f", 100), FAR_STATUS_OK);
	assert_accounts_are_right();
}

// --- space ---

static const struct far_statfs_reply *statfs_of(uint64_t id)
{
	struct far_statfs_request request = {.id = id};

	assert_int_equal(served_call(client, FAR_OP_STATFS, 0, &request, sizeof(request), (struct served_parts){0}), FAR_STATUS_OK);
	return (const struct far_statfs_reply *)client->reply;
}

static void test_statfs_tells_what_quotas_leave(void **state)
{
	uint64_t f, a;

	(void)state;
	put("a/b/f", LARGE_VALUE);
	f = id_of("a/b/f");
	a = id_of("a");
	assert_int_equal(statfs_of(f)->total, POOL);
	assert_int_equal(statfs_of(f)->objects_left, UINT64_MAX);
	set_quota("a", 1U << 20, 0);
	assert_int_equal(statfs_of(f)->total, 1U << 20);
	assert_int_equal(statfs_of(a)->free, (1U << 20) - LARGE - DIRECTORY);
	assert_int_equal(statfs_of(a)->available, (1U << 20) - LARGE - DIRECTORY);
	assert_int_equal(statfs_of(a)->objects, 2);
	set_quota("a/b", 1U << 21, 10);
	assert_int_equal(statfs_of(f)->total, 1U << 20); // which leaves less
	assert_int_equal(statfs_of(f)->objects, 1);
	assert_int_equal(statfs_of(f)->objects_left, 9);
	assert_int_equal(statfs_of(a)->objects_left, UINT64_MAX);
	assert_int_equal(statfs_of(FAR_ROOT_ID)->total, POOL);
	assert_int_equal(statfs_of(0)->total, POOL);
	set_quota("a", 1ULL << 40, 0); // more than there is
	assert_int_equal(statfs_of(a)->total, 1ULL << 40);
	assert_true(statfs_of(a)->available < POOL);
	set_quota("a", 1, 0);
	assert_int_equal(statfs_of(a)->free, 0);
}

// --- eviction ---

static const char *key_of(const char *directory, unsigned number)
{
	static char key[64];

	snprintf(key, sizeof(key), "%s/%u", directory, number);
	return key;
}

static bool is_there(const char *key)
{
	struct far_attr attr;

	return served_stat(client, key, &attr) == FAR_STATUS_OK;
}

static int call_pin(const char *key, unsigned flags)
{
	struct far_key_request request = {.key_length = (uint16_t)strlen(key)};

	return served_call(client, FAR_OP_PIN, flags, &request, sizeof(request), (struct served_parts){key, request.key_length, NULL, 0});
}

static int pin(const char *key)
{
	return call_pin(key, 0);
}

static int unpin(const char *key)
{
	return call_pin(key, FAR_PIN_REMOVE);
}

static void test_evicting_server_makes_room_within_the_quota(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		put(key_of("out", i), 5);
		put(key_of("d/in", i), LARGE_VALUE);
	}
	assert_int_equal(set_quota("d", 50 * LARGE + DIRECTORY, 0), FAR_STATUS_OK);
	for (unsigned i = 100; i < 1000; i++) {
		assert_int_equal(put(key_of("d/in", i), LARGE_VALUE), FAR_STATUS_OK);
		assert_true(is_there(key_of("d/in", i)));
	}
	assert_true(quota("d").bytes <= 50 * LARGE + DIRECTORY);
	assert_true(quota("d").objects > 40);
	assert_int_equal(quota("d").refusals, 0);
	for (unsigned i = 0; i < 100; i++)
		assert_true(is_there(key_of("out", i)));
	assert_accounts_are_right();
}

static void test_eviction_leaves_what_is_used(void **state)
{
	(void)state;
	put("d/hot", 5);
	set_quota("d", 0, 20);
	for (unsigned i = 0; i < 300; i++) {
		if (i % 5 == 0)
			assert_int_equal(served_get(client, "d/hot", 0), FAR_STATUS_OK);
		assert_int_equal(put(key_of("d", i), 5), FAR_STATUS_OK);
	}
	assert_int_equal(served_get(client, "d/hot", 0), FAR_STATUS_OK);
	assert_used("d", 20 * SMALL, 20);
}

static void test_all_that_is_used_goes_when_nothing_else_is_there(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		put(key_of("d", i), 5);
	set_quota("d", 0, 10);
	for (unsigned turn = 0; turn < 4; turn++)
		for (unsigned i = 0; i < 10; i++)
			served_get(client, key_of("d", i), 0);
	assert_int_equal(put("d/more", 5), FAR_STATUS_OK);
}

static void test_eviction_leaves_pinned_files_and_directories(void **state)
{
	(void)state;
	served_mkdir(client, "d/e");
	put("d/e/f", 5);
	set_quota("d", 0, 2);
	assert_int_equal(pin("d/e/f"), FAR_STATUS_OK);
	assert_int_equal(put("d/g", 5), FAR_STATUS_QUOTA);
	assert_int_equal(quota("d").refusals, 1);
	assert_true(is_there("d/e/f"));
}

static void test_what_is_larger_than_the_limit_evicts_nothing(void **state)
{
	(void)state;
	put("d/f", 5);
	set_quota("d", LARGE, 0);
	assert_int_equal(put("d/g", LARGE_VALUE), FAR_STATUS_OK); // which fits by itself
	assert_false(is_there("d/f"));
	put("d/g", 5);
	assert_int_equal(append("d/h", LARGE_VALUE), FAR_STATUS_OK);
	assert_int_equal(append("d/h", LARGE_VALUE), FAR_STATUS_QUOTA);
	assert_used("d", LARGE, 1);
	put("d/h", 5);
	put("d/g", 5);
	assert_int_equal(fallocate(id_of("d/g"), 0, 0, 10 * PAGE), FAR_STATUS_QUOTA);
	assert_true(is_there("d/h"));
}

// Room in the inner one would be of no use.
static void test_what_an_outer_quota_can_never_have_evicts_nothing_in_an_inner_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		put(key_of("a/b", i), LARGE_VALUE);
	put("f", LARGE_VALUE);
	set_quota("a", LARGE - 1, 0);
	set_quota("a/b", 10 * LARGE, 0);
	assert_int_equal(put("a/b/more", LARGE_VALUE), FAR_STATUS_QUOTA);
	assert_int_equal(fallocate(id_of("a/b/5"), 0, 0, 5 * PAGE), FAR_STATUS_QUOTA);
	assert_int_equal(served_rename(client, "f", "a/b/f", 0), FAR_STATUS_QUOTA);
	assert_used("a/b", 10 * LARGE, 10);
	assert_int_equal(quota("a").refusals, 3); // it is the one that is told
	assert_int_equal(put("a/b/more", 5), FAR_STATUS_OK);
	assert_used("a/b", SMALL, 1); // as many as fit in both
}

// Asks for pages that are there, so nothing has to go.
static void test_fallocate_again_evicts_nothing(void **state)
{
	uint64_t id;

	(void)state;
	put("d/f", 5);
	id = id_of("d/f");
	assert_int_equal(fallocate(id, 0, 0, 100 * PAGE), FAR_STATUS_OK);
	for (unsigned i = 0; i < 100; i++)
		put(key_of("d", i), LARGE_VALUE);
	assert_int_equal(set_quota("d", SMALL + 100 * PAGE + 100 * LARGE, 0), FAR_STATUS_OK);
	assert_int_equal(fallocate(id, 0, 0, 100 * PAGE), FAR_STATUS_OK);
	assert_used("d", SMALL + 100 * PAGE + 100 * LARGE, 101);
	assert_int_equal(fallocate(id, 0, 0, 102 * PAGE), FAR_STATUS_OK); // what it lacks does
	assert_used("d", SMALL + 102 * PAGE + 99 * LARGE, 100);
}

// Others have their turn meanwhile.
static void test_many_small_files_go_for_a_large_one_in_several_turns(void **state)
{
	unsigned turns = 0;
	uint64_t evicted = 0;
	int status;

	(void)state;
	for (unsigned i = 0; i < 20000; i++)
		put(key_of("d", i), 5);
	put("d/f", 5);
	assert_int_equal(set_quota("d", 4U << 20, 0), FAR_STATUS_OK);
	while (quota_sweep(server, UINT64_MAX))
		;
	while ((status = fallocate(id_of("d/f"), 0, 0, 3U << 20)) == SERVED_LATER) {
		assert_in_range(server->figures.evicted, evicted + 1, evicted + 5000);
		evicted = server->figures.evicted;
		assert_true(++turns < 100);
	}
	assert_int_equal(status, FAR_STATUS_OK);
	assert_true(turns >= 2);
	assert_int_equal(quota("d").refusals, 0); // to be late is not to be refused
	assert_true(quota("d").objects > 6000);   // no more than had to
}

static int put_in_the_end(const char *key, uint32_t length)
{
	int status;

	for (unsigned turn = 0; (status = put(key, length)) == SERVED_LATER; turn++)
		assert_true(turn < 100);
	return status;
}

static void test_where_nothing_can_go_refusals_look_at_little(void **state)
{
	const unsigned count = 10000;
	const struct quota *of;
	uint64_t looks;

	(void)state;
	for (unsigned i = 0; i < count; i++) {
		put(key_of("d", i), 5);
		pin(key_of("d", i));
	}
	set_quota("d", 0, count);
	while (quota_sweep(server, UINT64_MAX))
		;
	of = quota_of(server, object_peek(server, id_of("d")));
	assert_int_equal(put("d/new", 5), SERVED_LATER); // it looks at all of them twice
	assert_int_equal(put_in_the_end("d/new", 5), FAR_STATUS_QUOTA);
	looks = of->stayed;
	assert_in_range(looks, 2 * count, 4 * count);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(put("d/new", 5), FAR_STATUS_QUOTA);
	assert_in_range(of->stayed, looks + 100, looks + 10000);
	// What is unpinned, or is new, is found at once.
	assert_int_equal(unpin("d/5000"), FAR_STATUS_OK);
	assert_int_equal(put("d/new", 5), FAR_STATUS_OK);
	assert_false(is_there("d/5000"));
	assert_int_equal(put_in_the_end("d/newer", 5), FAR_STATUS_OK);
	assert_false(is_there("d/new"));
	pin("d/newer");
	assert_int_equal(put_in_the_end("d/refused", 5), FAR_STATUS_QUOTA);
	served_delete(client, "d/7000");
	assert_int_equal(put("d/newest", 5), FAR_STATUS_OK);
	assert_int_equal(put("d/last", 5), FAR_STATUS_OK);
	assert_false(is_there("d/newest"));
}

static void test_write_makes_room_for_itself(void **state)
{
	uint64_t id;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		put(key_of("d", i), LARGE_VALUE);
	set_quota("d", 20 * LARGE, 0);
	id = id_of("d/7");
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(served_write(client, id, (i + 10) * PAGE, bytes, PAGE, 0), FAR_STATUS_OK);
		assert_int_equal(written(), PAGE);
	}
	assert_true(is_there("d/7"));
	assert_true(quota("d").objects < 20);
	assert_accounts_are_right();
}

// --- as attributes ---

static int set_value(uint64_t id, const char *name, const char *value, uint32_t length)
{
	struct far_xattr_set_request request = {.id = id, .name_length = (uint16_t)strlen(name), .value_length = length};

	return served_call(
	        client, FAR_OP_XATTR_SET, 0, &request, sizeof(request), (struct served_parts){name, request.name_length, value, length});
}

static int set_fact(const char *key, const char *name, const char *value)
{
	return set_value(id_of(key), name, value, (uint32_t)strlen(value));
}

static int call_fact(unsigned op, const char *key, const char *name)
{
	struct far_xattr_get_request request = {.id = id_of(key), .name_length = (uint16_t)strlen(name)};

	return served_call(client, op, 0, &request, sizeof(request), (struct served_parts){name, request.name_length, NULL, 0});
}

static void assert_fact(const char *key, const char *name, const char *value)
{
	const struct far_xattr_reply *reply = (const struct far_xattr_reply *)client->reply;

	assert_int_equal(call_fact(FAR_OP_XATTR_GET, key, name), FAR_STATUS_OK);
	assert_int_equal(reply->length, strlen(value));
	assert_memory_equal(reply + 1, value, strlen(value));
}

// Small files, some of them more than once, in one message.
static void put_batch(uint64_t *seed)
{
	static char tail[4096];
	struct far_many_request message = {.count = 14, .mode = 0644};
	size_t at = message.count * sizeof(struct far_many_item);

	for (unsigned i = 0; i < message.count; i++) {
		const char *key = key_of("d", (unsigned)(test_random(seed) % 60));
		struct far_many_item item = {.key_length = (uint16_t)strlen(key), .length = (uint32_t)(test_random(seed) % 3 ? 5 : 200)};

		memcpy(tail + i * sizeof(item), &item, sizeof(item));
		memcpy(tail + at, key, item.key_length);
		memcpy(tail + at + item.key_length, bytes, item.length);
		at += item.key_length + item.length;
	}
	served_call(client, FAR_OP_PUT_MANY, 0, &message, sizeof(message), (struct served_parts){tail, (uint32_t)at, NULL, 0});
}

static void test_accounts_are_right_behind_batches_that_evict(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		put(key_of("d", i), 5);
	set_quota("d", 60 * SMALL, 0);
	for (unsigned round = 0; round < 3000; round++) {
		put_batch(&seed);
		assert_accounts_are_right();
	}
}

static void test_attributes_set_show_and_remove_limits(void **state)
{
	(void)state;
	put("d/f", 5);
	assert_int_equal(call_fact(FAR_OP_XATTR_GET, "d", "user.far.quota"), FAR_STATUS_NO_DATA);
	assert_int_equal(set_fact("d", "user.far.quota.bytes", "2M"), FAR_STATUS_OK);
	assert_fact("d", "user.far.quota.bytes", "2097152");
	assert_fact("d", "user.far.quota", "bytes=144/2097152 objects=1/-");
	assert_int_equal(call_fact(FAR_OP_XATTR_GET, "d", "user.far.quota.objects"), FAR_STATUS_NO_DATA);
	assert_int_equal(set_fact("d", "user.far.quota.objects", "1"), FAR_STATUS_OK);
	assert_fact("d", "user.far.quota", "bytes=144/2097152 objects=1/1");
	assert_int_equal(put("d/g", 5), FAR_STATUS_QUOTA);
	assert_int_equal(call_fact(FAR_OP_XATTR_REMOVE, "d", "user.far.quota.bytes"), FAR_STATUS_OK);
	assert_fact("d", "user.far.quota", "bytes=144/- objects=1/1");
	assert_int_equal(call_fact(FAR_OP_XATTR_REMOVE, "d", "user.far.quota.bytes"), FAR_STATUS_NO_DATA);
	assert_int_equal(call_fact(FAR_OP_XATTR_REMOVE, "d", "user.far.quota.objects"), FAR_STATUS_OK);
	assert_null(server->quotas);
	assert_int_equal(set_fact("d", "user.far.quota.objects", "3k"), FAR_STATUS_OK);
	assert_fact("d", "user.far.quota.objects", "3072");
	assert_int_equal(call_fact(FAR_OP_XATTR_REMOVE, "d", "user.far.quota"), FAR_STATUS_OK);
	assert_null(server->quotas);
}

static void test_attributes_take_nothing_else(void **state)
{
	static const char *const wrong[] = {
	        "", "0", "-1", "x", "K", "1KK", "1.5G", " 1", "1 ", "99999999999999999999", "17179869184T", "0G"};

	(void)state;
	put("d/f", 5);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(set_fact("d", "user.far.quota.bytes", wrong[i]), FAR_STATUS_INVALID);
	assert_int_equal(set_fact("d", "user.far.quota.bytes", "8388607T"), FAR_STATUS_INVALID); // above 2^62
	assert_int_equal(set_fact("d", "user.far.quota", "1"), FAR_STATUS_NOT_PERMITTED);
	assert_int_equal(set_fact("d/f", "user.far.quota.bytes", "1"), FAR_STATUS_NOT_DIRECTORY);
	client->lane.session->uid = 1000;
	assert_int_equal(set_fact("d", "user.far.quota.bytes", "1"), FAR_STATUS_NOT_PERMITTED);
	assert_int_equal(call_fact(FAR_OP_XATTR_REMOVE, "d", "user.far.quota.bytes"), FAR_STATUS_NOT_PERMITTED);
	assert_null(server->quotas);
}

// What copies a directory with its attributes does not copy its quota.
static void test_attributes_are_not_listed(void **state)
{
	struct far_xattr_get_request request = {.id = 0};

	(void)state;
	served_mkdir(client, "d");
	set_quota("d", 1, 1);
	request.id = id_of("d");
	assert_int_equal(served_call(client, FAR_OP_XATTR_LIST, FAR_XATTR_FACTS, &request, sizeof(request), (struct served_parts){0}),
	        FAR_STATUS_OK);
	assert_int_equal(((const struct far_xattr_reply *)client->reply)->length, 0);
}

static void test_metrics_tell_of_quotas_and_refusals(void **state)
{
	(void)state;
	served_mkdir(client, "d");
	set_quota("d", 0, 1);
	put("d/1", 5);
	put("d/2", 5);
	put("d/3", 5);
	metrics_publish(server);
	assert_int_equal(metrics_get(&server->metrics->gauges[METRICS_QUOTAS]), 1);
	assert_int_equal(metrics_get(&server->metrics->gauges[METRICS_QUOTA_REFUSALS]), 2);
}

// --- counting ---

#define MANY 4000U

static void fill(void)
{
	char key[64];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "top/%u/%u/%u", i % 7, i % 31, i);
		assert_int_equal(put(key, i % 20 ? 5 : 3000), FAR_STATUS_OK);
	}
}

// The count of what was set on a directory begins anew and is at its begin.
static struct quota *count_anew(const char *key)
{
	struct quota *of = quota_of(server, object_peek(server, id_of(key)));

	server->quotas->counting += of->is_counted;
	of->is_counted = false;
	quota_count_begin(server, of);
	return of;
}

static void test_what_is_there_is_counted_in_steps(void **state)
{
	struct quota *top;
	unsigned steps = 0;

	(void)state;
	fill();
	assert_int_equal(set_quota("top", 1U << 30, 0), FAR_STATUS_OK);
	top = count_anew("top");
	assert_int_equal(quota("top").state, FAR_QUOTA_ENTRY_COUNTING);
	while (quota_sweep(server, 0))
		steps++;
	assert_true(steps > MANY / 32);
	assert_true(top->is_counted);
	assert_accounts_are_right();
	assert_int_equal(quota("top").objects, MANY + 7 + 7 * 31);
}

// One random change somewhere in a tree of few names, so that all of them meet.
static void change_something(uint64_t *seed, char depth)
{
	char from[64], to[64];
	uint64_t draw = test_random(seed);
	struct far_attr attr, other;
	static const uint32_t lengths[] = {0, 5, 300, 2000, 5000, 7500};
	static const char *const attributes[] = {"user.a", "user.b", "security.capability"};

	snprintf(from, sizeof(from), "top/%u/%u/%u", (unsigned)(draw % 7), (unsigned)(draw >> 8) % 31, (unsigned)(draw >> 16) % MANY);
	snprintf(to, sizeof(to), "top/%u/%u/%u", (unsigned)(draw >> 28) % 7, (unsigned)(draw >> 32) % 31, (unsigned)(draw >> 36) % MANY);
	if (draw >> 60 < 6) // a directory
		from[strlen(from) - strlen(strrchr(from, '/'))] = to[strlen(to) - strlen(strrchr(to, '/'))] = '\0';
	if (depth)
		memcpy(to, "out", 3);
	switch ((draw >> 48) % 15) {
	case 0:
	case 1:
		put(to, lengths[(draw >> 52) % 6]);
		break;
	case 2:
		served_delete(client, from);
		break;
	case 3:
		served_rename(client, from, to, 0);
		break;
	case 4:
		served_rename(client, from, to, FAR_RENAME_EXCHANGE);
		break;
	case 5:
		append(from, lengths[(draw >> 52) % 6]);
		break;
	case 6:
		served_mkdir(client, to);
		break;
	case 7:
		if (served_stat(client, from, &attr) == FAR_STATUS_OK && served_stat(client, "top/3", &other) == FAR_STATUS_OK)
			served_link(client, attr.id, other.id, to + 4, &attr);
		break;
	case 8:
		if (served_stat(client, from, &attr) == FAR_STATUS_OK)
			served_truncate(client, attr.id, lengths[(draw >> 52) % 6]);
		break;
	case 9:
		if (served_stat(client, from, &attr) == FAR_STATUS_OK)
			served_write(client, attr.id, (draw >> 20) % 40000, bytes, lengths[(draw >> 52) % 6] / 8, 0);
		break;
	case 10:
		if (served_stat(client, from, &attr) == FAR_STATUS_OK)
			fallocate(attr.id, (unsigned)(draw >> 52) % 8, (draw >> 20) % 40000, 9000);
		break;
	case 11:
	case 12:
		if ((draw >> 20) % 4 == 0) // one of those that have a quota
			from[strlen((draw >> 22) % 2 ? "top" : "top/0")] = '\0';
		if (served_stat(client, from, &attr) == FAR_STATUS_OK)
			set_value(attr.id, attributes[(draw >> 24) % 3], bytes, lengths[(draw >> 52) % 6]);
		break;
	case 13:
		if (served_stat(client, from, &attr) == FAR_STATUS_OK)
			call_fact(FAR_OP_XATTR_REMOVE, from, attributes[(draw >> 24) % 3]);
		break;
	default:
		if (served_stat(client, from, &attr) == FAR_STATUS_OK && served_stat(client, to, &other) == FAR_STATUS_OK)
			copy(attr.id, other.id, (draw >> 20) % 20000, 5000);
		break;
	}
}

static void test_count_is_right_whatever_changes_meanwhile(void **state)
{
	uint64_t seed = 1;

	(void)state;
	fill();
	set_quota("", 0, 1000000);
	set_quota("top/2", 1U << 30, 0);
	assert_int_equal(set_quota("top", 1U << 30, 0), FAR_STATUS_OK);
	for (unsigned round = 0; round < 20; round++) {
		struct quota *top = count_anew("top");

		for (unsigned step = 0; !top->is_counted; step++) {
			assert_true(step < 100000); // nobody keeps it from its end
			change_something(&seed, step % 3 == 2);
			quota_sweep(server, 0);
		}
		assert_accounts_are_right();
	}
}

static void change_and_look(uint64_t seed)
{
	set_quota("", 6U << 20, 0);
	put("top/2/1/0", 5);
	put("top/3/1/0", 5);
	put("top/4/1/0", 5);
	set_quota("top/2", 200 * KIB, 0);
	set_quota("top/3", 0, 40);
	set_quota("top/4", 2 * KIB * KIB, 0);
	set_quota("top/4/1", 0, 15);
	for (unsigned i = 0; i < 20000; i++) {
		change_something(&seed, i % 5 == 4);
		if (i % 8 == 0)
			assert_accounts_are_right();
	}
	assert_true(server->figures.quota_refusals > 100);
}

static void test_accounts_are_right_behind_each_of_many_changes(void **state)
{
	(void)state;
	change_and_look(2);
}

static void test_accounts_are_right_where_eviction_makes_room(void **state)
{
	(void)state;
	change_and_look(4);
	assert_true(server->figures.evicted > 100);
}

// A check while things change: nothing is found that is not so.
static void test_check_beside_changes_finds_nothing(void **state)
{
	uint64_t seed = 3;
	struct check *check;

	(void)state;
	fill();
	set_quota("top", 1U << 30, 0);
	set_quota("top/5", 1U << 30, 0);
	assert_int_equal(check_begin(server, client->lane.session, &check), 0);
	for (unsigned i = 0; !check_step(check, i < 3000 ? 0 : UINT64_MAX); i++)
		change_something(&seed, i % 3 == 2);
	served_fail_on_findings(check);
	check_end(check);
}

static void test_check_finds_a_wrong_account(void **state)
{
	struct quota *top;
	struct check *check;

	(void)state;
	put("top/f", 5);
	set_quota("top", 1U << 30, 0);
	top = quota_of(server, object_peek(server, id_of("top")));
	top->used.bytes++;
	assert_int_equal(check_begin(server, client->lane.session, &check), 0);
	assert_true(check_step(check, UINT64_MAX));
	assert_non_null(check_peek(check));
	assert_int_equal(check_peek(check)->kind, FAR_CHECK_QUOTA);
	assert_non_null(strstr(check_peek(check)->text, "145 bytes and 1 objects, but there are 144 and 1"));
	check_end(check);
	top->used.bytes--;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_each_kind_of_change_is_charged, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_values_between_inline_and_pages_are_charged_their_block, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_objects_are_charged_to_all_quotas_above, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_files_move_with_their_charge, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_move_that_would_be_too_much_is_refused, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_directories_stay_in_their_domain, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_further_names_are_charged_with_the_first, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_further_names_stay_where_the_first_is, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_what_has_no_name_is_charged_to_nobody, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_what_expires_is_not_charged_any_more, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_limit_of_objects, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_limit_of_bytes, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_write_is_short_where_the_limit_is, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_above_a_limit_all_goes_on_that_takes_no_more, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_refusal_tells_the_quota_that_is_used_up, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_wrong_requests, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_only_root_changes_a_quota, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_quota_ends_by_removal_or_with_its_directory, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_quota_of_a_directory_that_is_held_ends_with_its_name, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_quotas_that_come_and_go_are_noticed_below, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_append_takes_what_is_left, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_list_goes_on_at_its_cursor, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_statfs_tells_what_quotas_leave, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_evicting_server_makes_room_within_the_quota, set_up_evicting, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_eviction_leaves_what_is_used, set_up_evicting, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_all_that_is_used_goes_when_nothing_else_is_there, set_up_evicting, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_eviction_leaves_pinned_files_and_directories, set_up_evicting, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_what_is_larger_than_the_limit_evicts_nothing, set_up_evicting, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_what_an_outer_quota_can_never_have_evicts_nothing_in_an_inner_one, set_up_evicting,
	                served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_fallocate_again_evicts_nothing, set_up_evicting, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_many_small_files_go_for_a_large_one_in_several_turns, set_up_evicting, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_where_nothing_can_go_refusals_look_at_little, set_up_evicting, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_write_makes_room_for_itself, set_up_evicting, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_accounts_are_right_behind_batches_that_evict, set_up_evicting, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_attributes_set_show_and_remove_limits, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_attributes_take_nothing_else, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_attributes_are_not_listed, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_metrics_tell_of_quotas_and_refusals, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_what_is_there_is_counted_in_steps, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_count_is_right_whatever_changes_meanwhile, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_accounts_are_right_behind_each_of_many_changes, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_accounts_are_right_where_eviction_makes_room, set_up_evicting, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_check_beside_changes_finds_nothing, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_check_finds_a_wrong_account, set_up, served_one_tear_down_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
