// Extended attributes below quotas (server/xattr.c, quota.c): what they are charged, with files, with what else has some, and with directories, to whose own quota they go as well; and what is refused.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "access_list.h"
#include "server/object.h"
#include "server/object_acl.h"
#include "server/quota.h"
#include "testing.h"

#include "served_one.h" // last: headers have parameters of the names that it declares

#define SMALL 144U     // a file with a name of up to 8 bytes and a value of up to 8; or a directory
#define LITTLE 64U     // an attribute whose name is as long as user.a, with a value of up to 10 bytes
#define LARGE 5000U    // bytes of a value in two pages
#define OF_LARGE 8256U // that is charged
#define OF_ACL 128U

static char bytes[1U << 13];

static int set_up(void **state)
{
	(void)state;
	server = served_open(8U << 20);
	client = served_join(server);
	client->lane.session->uid = 0;
	assert_int_equal(served_put(client, "d/f", "value", 5), FAR_STATUS_OK);
	return 0;
}

static uint64_t id_of(const char *key)
{
	struct far_attr attr;

	assert_int_equal(served_stat(client, key, &attr), FAR_STATUS_OK);
	return attr.id;
}

static void set_quota(const char *key, uint64_t most_bytes)
{
	struct far_quota_request request = {.bytes = most_bytes, .key_length = (uint16_t)strlen(key)};

	assert_int_equal(served_call(client, FAR_OP_QUOTA, FAR_QUOTA_SET, &request, sizeof(request),
	                         (struct served_parts){key, request.key_length, NULL, 0}),
	        FAR_STATUS_OK);
}

static void assert_used(const char *key, uint64_t used)
{
	assert_int_equal(quota_of(server, object_peek(server, id_of(key)))->used.bytes, used);
}

static int set_on(uint64_t id, const char *name, const void *value, uint32_t length)
{
	struct far_xattr_set_request request = {.id = id, .value_length = length, .name_length = (uint16_t)strlen(name)};

	return served_call(
	        client, FAR_OP_XATTR_SET, 0, &request, sizeof(request), (struct served_parts){name, request.name_length, value, length});
}

static int set(const char *key, const char *name, uint32_t length)
{
	return set_on(id_of(key), name, bytes, length);
}

static int ask(unsigned op, const char *key, const char *name)
{
	struct far_xattr_get_request request = {.id = id_of(key), .name_length = (uint16_t)strlen(name)};

	return served_call(client, op, 0, &request, sizeof(request), (struct served_parts){name, request.name_length, NULL, 0});
}

static int take(const char *key, const char *name)
{
	return ask(FAR_OP_XATTR_REMOVE, key, name);
}

static void assert_length(const char *key, const char *name, uint32_t length)
{
	assert_int_equal(ask(FAR_OP_XATTR_GET, key, name), FAR_STATUS_OK);
	assert_int_equal(((const struct far_xattr_reply *)client->reply)->length, length);
}

// --- charges ---

static void test_attributes_are_charged_with_their_file(void **state)
{
	(void)state;
	set_quota("d", 1U << 20);
	assert_used("d", SMALL);
	assert_int_equal(set("d/f", "user.a", 10), FAR_STATUS_OK);
	assert_used("d", SMALL + LITTLE);
	assert_int_equal(set("d/f", "user.b", 0), FAR_STATUS_OK);
	assert_used("d", SMALL + 2 * LITTLE);
	assert_int_equal(set("d/f", "user.a", LARGE), FAR_STATUS_OK); // in the place of the other
	assert_used("d", SMALL + LITTLE + OF_LARGE);
	assert_int_equal(set("d/f", "user.c", 4090), FAR_STATUS_OK); // in a block of its own
	assert_used("d", SMALL + 2 * LITTLE + OF_LARGE + 4096);
	assert_int_equal(take("d/f", "user.a"), FAR_STATUS_OK);
	assert_used("d", SMALL + 2 * LITTLE + 4096);
	assert_int_equal(served_put(client, "d/f", "other", 5), FAR_STATUS_OK); // they stay
	assert_used("d", SMALL + 2 * LITTLE + 4096);
	assert_int_equal(take("d/f", "user.c"), FAR_STATUS_OK);
	assert_int_equal(take("d/f", "user.b"), FAR_STATUS_OK);
	assert_used("d", SMALL);
	assert_int_equal(set("d/f", "user.a", LARGE), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "d/f"), FAR_STATUS_OK);
	assert_used("d", 0);
}

static void test_attributes_of_what_is_no_file_are_charged(void **state)
{
	struct far_attr link;

	(void)state;
	set_quota("d", 1U << 20);
	assert_int_equal(served_symlink(client, id_of("d"), "l", "there", &link), FAR_STATUS_OK);
	assert_used("d", 2 * SMALL);
	assert_int_equal(set_on(link.id, "trusted.a", bytes, 10), FAR_STATUS_OK);
	assert_used("d", 2 * SMALL + 80);
	assert_int_equal(served_mkdir(client, "d/e"), FAR_STATUS_OK);
	assert_int_equal(set("d/e", "user.a", 10), FAR_STATUS_OK);
	assert_used("d", 3 * SMALL + 80 + LITTLE);
	assert_int_equal(served_delete(client, "d/e"), FAR_STATUS_OK);
	assert_used("d", 2 * SMALL + 80);
}

static void test_what_was_there_is_counted_with_its_attributes(void **state)
{
	(void)state;
	assert_int_equal(served_mkdir(client, "d/e"), FAR_STATUS_OK);
	assert_int_equal(set("d/f", "user.a", LARGE), FAR_STATUS_OK);
	assert_int_equal(set("d/e", "user.a", 10), FAR_STATUS_OK);
	assert_int_equal(set("d", "user.a", 10), FAR_STATUS_OK);
	set_quota("d", 1U << 20);
	assert_used("d", 2 * SMALL + OF_LARGE + 2 * LITTLE);
}

static void test_attributes_of_a_directory_are_charged_to_its_own_quota_and_those_above(void **state)
{
	(void)state;
	assert_int_equal(served_mkdir(client, "d/e"), FAR_STATUS_OK);
	set_quota("", 1U << 20);
	set_quota("d", 1U << 20);
	set_quota("d/e", 1U << 20);
	assert_int_equal(set("d/e", "user.a", 10), FAR_STATUS_OK);
	assert_used("d/e", LITTLE);
	assert_used("d", 2 * SMALL + LITTLE);
	assert_int_equal(quota_behind(server, 0)->used.bytes, 3 * SMALL + LITTLE);
	assert_int_equal(set_on(FAR_ROOT_ID, "user.a", bytes, 10), FAR_STATUS_OK);
	assert_int_equal(quota_behind(server, 0)->used.bytes, 3 * SMALL + 2 * LITTLE);
	assert_int_equal(take("d/e", "user.a"), FAR_STATUS_OK);
	assert_used("d/e", 0);
	assert_used("d", 2 * SMALL);
}

static void test_attributes_move_with_their_file(void **state)
{
	(void)state;
	assert_int_equal(served_mkdir(client, "e"), FAR_STATUS_OK);
	set_quota("d", 1U << 20);
	set_quota("e", OF_LARGE);
	assert_int_equal(set("d/f", "user.a", LARGE), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "d/f", "e/f", 0), FAR_STATUS_QUOTA);
	set_quota("e", SMALL + OF_LARGE);
	assert_int_equal(served_rename(client, "d/f", "e/f", 0), FAR_STATUS_OK);
	assert_used("d", 0);
	assert_used("e", SMALL + OF_LARGE);
}

static void test_file_capabilities_are_not_charged_any_more_when_they_end(void **state)
{
	(void)state;
	set_quota("d", 1U << 20);
	assert_int_equal(set("d/f", "security.capability", 20), FAR_STATUS_OK);
	assert_used("d", SMALL + 96);
	assert_int_equal(served_put(client, "d/f", "other", 5), FAR_STATUS_OK);
	assert_used("d", SMALL);
	assert_int_equal(set("d", "security.capability", 20), FAR_STATUS_OK);
	assert_used("d", SMALL + 96);
	assert_int_equal(served_put(client, "d/g", "value", 5), FAR_STATUS_OK); // a directory has no value that they would count for
	assert_used("d", 2 * SMALL + 96);
	assert_int_equal(ask(FAR_OP_XATTR_GET, "d", "security.capability"), FAR_STATUS_OK);
}

static int set_up_evicting(void **state)
{
	(void)state;
	server = served_open_evicting(8U << 20);
	client = served_join(server);
	client->lane.session->uid = 0;
	return 0;
}

static void put_files(unsigned count)
{
	char key[32];

	for (unsigned i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "d/f%u", i);
		assert_int_equal(served_put(client, key, "value", 5), FAR_STATUS_OK);
	}
}

// What makes room for a directory's attribute is in that directory, whose attributes stay as they are.
static void test_files_go_for_attributes_of_their_directory(void **state)
{
	const uint64_t limit = SMALL * 20;

	(void)state;
	put_files(1);
	set_quota("d", limit);
	put_files(40);
	assert_int_equal(set("d", "security.capability", 20), FAR_STATUS_OK);
	assert_int_equal(set("d", "user.b", 300), FAR_STATUS_OK);
	assert_int_equal(ask(FAR_OP_XATTR_GET, "d", "user.b"), FAR_STATUS_OK);
	assert_int_equal(set("d", "security.capability", 300), FAR_STATUS_OK);
	assert_int_equal(ask(FAR_OP_XATTR_GET, "d", "security.capability"), FAR_STATUS_OK);
	assert_in_range(quota_of(server, object_peek(server, id_of("d")))->used.bytes, limit / 2, limit);
}

static void test_files_go_for_attributes_of_their_directory_in_a_full_pool(void **state)
{
	char name[32];

	(void)state;
	put_files(60000);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(set("d", "security.capability", 20 + i % 2), FAR_STATUS_OK);
		snprintf(name, sizeof(name), "user.%u", i % 200);
		assert_int_equal(set("d", name, 3000 + i % 900), FAR_STATUS_OK);
		assert_int_equal(ask(FAR_OP_XATTR_GET, "d", name), FAR_STATUS_OK);
	}
}

// What an upload has reserved behind its end goes with it.
static void test_stored_values_are_charged_the_memory_that_they_have(void **state)
{
	struct far_upload_request upload = {.size_hint = LARGE};
	struct far_xattr_set_request request = {.id = id_of("d/f"), .value_length = LARGE, .name_length = 6};
	struct far_fallocate_request fallocate = {.length = 5U << 12};
	const struct served_parts name = {"user.a", 6, NULL, 0};

	(void)state;
	set_quota("d", 5U << 12);
	assert_int_equal(served_call(client, FAR_OP_UPLOAD, 0, &upload, sizeof(upload), (struct served_parts){0}), FAR_STATUS_OK);
	request.upload = fallocate.id = ((const struct far_attr_reply *)client->reply)->attr.id;
	assert_int_equal(served_write(client, request.upload, 0, bytes, LARGE, 0), FAR_STATUS_OK);
	assert_int_equal(
	        served_call(client, FAR_OP_FALLOCATE, FAR_FALLOCATE_KEEP_SIZE, &fallocate, sizeof(fallocate), (struct served_parts){0}),
	        FAR_STATUS_OK);
	assert_int_equal(served_call(client, FAR_OP_XATTR_SET, 0, &request, sizeof(request), name), FAR_STATUS_QUOTA);
	assert_int_equal(ask(FAR_OP_XATTR_GET, "d/f", "user.a"), FAR_STATUS_NO_DATA);
	set_quota("d", 6U << 12);
	assert_int_equal(served_call(client, FAR_OP_XATTR_SET, 0, &request, sizeof(request), name), FAR_STATUS_OK);
	assert_length("d/f", "user.a", LARGE);
	assert_used("d", SMALL + LITTLE + (5U << 12));
}

// --- access control lists ---

static void test_access_lists_are_charged_inherited_ones_too(void **state)
{
	(void)state;
	set_quota("d", 1U << 20);
	assert_int_equal(set_on(id_of("d/f"), XATTR_ACL_ACCESS, &named, sizeof(named)), FAR_STATUS_OK);
	assert_used("d", SMALL + OF_ACL);
	assert_int_equal(set_on(id_of("d/f"), XATTR_ACL_ACCESS, &named, 4), FAR_STATUS_OK); // no entries: it goes
	assert_used("d", SMALL);
	assert_int_equal(set_on(id_of("d"), XATTR_ACL_DEFAULT, &named, sizeof(named)), FAR_STATUS_OK);
	assert_used("d", SMALL + OF_ACL);
	assert_int_equal(served_put(client, "d/g", "value", 5), FAR_STATUS_OK);
	assert_used("d", 2 * SMALL + 2 * OF_ACL);
	assert_int_equal(served_mkdir(client, "d/e"), FAR_STATUS_OK); // has both
	assert_used("d", 3 * SMALL + 4 * OF_ACL);
	set_quota("d", 4 * SMALL + 5 * OF_ACL - 1);
	assert_int_equal(served_put(client, "d/h", "value", 5), FAR_STATUS_QUOTA);
	assert_used("d", 3 * SMALL + 4 * OF_ACL);
	set_quota("d", 4 * SMALL + 5 * OF_ACL);
	assert_int_equal(served_put(client, "d/h", "value", 5), FAR_STATUS_OK);
}

static void test_access_list_that_is_too_much_leaves_the_mode(void **state)
{
	struct far_attr before, behind;

	(void)state;
	set_quota("d", SMALL + OF_ACL - 1);
	assert_int_equal(served_stat(client, "d/f", &before), FAR_STATUS_OK);
	assert_int_equal(set_on(before.id, XATTR_ACL_ACCESS, &named, sizeof(named)), FAR_STATUS_QUOTA);
	assert_int_equal(served_stat(client, "d/f", &behind), FAR_STATUS_OK);
	assert_memory_equal(&before, &behind, sizeof(before));
}

// --- limits ---

static void test_refused_attribute_changes_nothing(void **state)
{
	static const uint32_t lengths[] = {11, 3000, 4090, LARGE};
	uint64_t free_bytes;
	struct far_attr before, behind;

	(void)state;
	assert_int_equal(set("d/f", "user.a", 10), FAR_STATUS_OK);
	set_quota("d", SMALL + LITTLE + 15);
	assert_int_equal(served_stat(client, "d/f", &before), FAR_STATUS_OK);
	free_bytes = served_free_bytes(client);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		assert_int_equal(set("d/f", "user.a", lengths[i]), FAR_STATUS_QUOTA);
		assert_int_equal(set("d/f", "user.b", lengths[i]), FAR_STATUS_QUOTA);
	}
	assert_int_equal(((const struct far_quota_reply *)client->reply)->count, 1); // tells which
	assert_int_equal(quota_behind(server, 0)->refusals, 8);
	assert_length("d/f", "user.a", 10);
	assert_int_equal(ask(FAR_OP_XATTR_GET, "d/f", "user.b"), FAR_STATUS_NO_DATA);
	assert_used("d", SMALL + LITTLE);
	assert_int_equal(served_stat(client, "d/f", &behind), FAR_STATUS_OK);
	assert_memory_equal(&before, &behind, sizeof(before));
	assert_int_equal(served_free_bytes(client), free_bytes);
}

static void test_attributes_of_the_quotas_directory_are_limited(void **state)
{
	(void)state;
	set_quota("d", SMALL + LITTLE);
	assert_int_equal(set("d", "user.a", 11), FAR_STATUS_QUOTA);
	assert_int_equal(set("d", "user.a", 10), FAR_STATUS_OK);
	assert_int_equal(set("d", "user.b", 0), FAR_STATUS_QUOTA);
	assert_int_equal(served_put(client, "d/g", "value", 5), FAR_STATUS_QUOTA);
	assert_int_equal(take("d", "user.a"), FAR_STATUS_OK);
	assert_int_equal(set("d", "user.b", 0), FAR_STATUS_OK);
}

static void test_above_a_limit_attributes_are_made_smaller_and_removed(void **state)
{
	(void)state;
	assert_int_equal(set("d/f", "user.a", LARGE), FAR_STATUS_OK);
	assert_int_equal(set("d/f", "user.b", 10), FAR_STATUS_OK);
	set_quota("d", 1);
	assert_int_equal(set("d/f", "user.a", LARGE - 500), FAR_STATUS_OK); // as many pages
	assert_int_equal(set("d/f", "user.a", 3000), FAR_STATUS_OK);
	assert_int_equal(set("d/f", "user.a", LARGE), FAR_STATUS_QUOTA);
	assert_int_equal(take("d/f", "user.b"), FAR_STATUS_OK);
	assert_int_equal(set("d/f", "user.b", 10), FAR_STATUS_QUOTA);
}

static void test_what_has_no_name_has_attributes_as_it_likes_until_it_gets_one(void **state)
{
	struct far_attr attr, entry;

	(void)state;
	set_quota("d", SMALL + OF_LARGE);
	assert_int_equal(served_tmpfile(client, id_of("d"), S_IFREG | 0600, &attr), FAR_STATUS_OK);
	assert_int_equal(set_on(attr.id, "user.a", bytes, LARGE), FAR_STATUS_OK);
	assert_int_equal(set_on(attr.id, "user.b", bytes, LARGE), FAR_STATUS_OK);
	assert_used("d", SMALL);
	assert_int_equal(served_link(client, attr.id, id_of("d"), "g", &entry), FAR_STATUS_QUOTA);
	set_quota("d", 2 * SMALL + 2 * OF_LARGE);
	assert_int_equal(served_link(client, attr.id, id_of("d"), "g", &entry), FAR_STATUS_OK);
	assert_used("d", 2 * SMALL + 2 * OF_LARGE);
	assert_int_equal(served_delete(client, "d/g"), FAR_STATUS_OK); // still held
	assert_int_equal(set_on(attr.id, "user.c", bytes, LARGE), FAR_STATUS_OK);
	assert_used("d", SMALL);
	served_forget(client, attr.id, 2);
}

// A directory that is held when it goes.
static void test_attributes_of_a_directory_that_has_gone_are_charged_to_nobody(void **state)
{
	struct far_attr held;

	(void)state;
	set_quota("d", SMALL + SMALL + LITTLE);
	assert_int_equal(served_mkdir(client, "d/e"), FAR_STATUS_OK);
	assert_int_equal(set("d/e", "user.a", 10), FAR_STATUS_OK);
	assert_int_equal(served_lookup(client, id_of("d"), "e", &held), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "d/e"), FAR_STATUS_OK);
	assert_used("d", SMALL);
	assert_int_equal(set_on(held.id, "user.b", bytes, LARGE), FAR_STATUS_OK);
	assert_used("d", SMALL);
	served_forget(client, held.id, 1);
	assert_used("d", SMALL);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, served_one_tear_down_sound)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        EACH(test_attributes_are_charged_with_their_file),
	        EACH(test_attributes_of_what_is_no_file_are_charged),
	        EACH(test_what_was_there_is_counted_with_its_attributes),
	        EACH(test_attributes_of_a_directory_are_charged_to_its_own_quota_and_those_above),
	        EACH(test_attributes_move_with_their_file),
	        EACH(test_file_capabilities_are_not_charged_any_more_when_they_end),
	        cmocka_unit_test_setup_teardown(
	                test_files_go_for_attributes_of_their_directory, set_up_evicting, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_files_go_for_attributes_of_their_directory_in_a_full_pool, set_up_evicting, served_one_tear_down_sound),
	        EACH(test_stored_values_are_charged_the_memory_that_they_have),
	        EACH(test_access_lists_are_charged_inherited_ones_too),
	        EACH(test_access_list_that_is_too_much_leaves_the_mode),
	        EACH(test_refused_attribute_changes_nothing),
	        EACH(test_attributes_of_the_quotas_directory_are_limited),
	        EACH(test_above_a_limit_attributes_are_made_smaller_and_removed),
	        EACH(test_what_has_no_name_has_attributes_as_it_likes_until_it_gets_one),
	        EACH(test_attributes_of_a_directory_that_has_gone_are_charged_to_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
