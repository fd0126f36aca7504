// server/xattr.c, handle_xattr.c, object_acl.c, acl.c: extended attributes as requests see them.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "access_list.h"
#include "served.h"
#include "server/acl.h"
#include "server/object_acl.h"
#include "server/record.h"
#include "server/space.h"
#include "testing.h"

#define POOL (8U << 20)

struct world {
	struct server *server;
	struct served_lane *client;
	struct far_attr file;
	uint64_t free_bytes; // with the file
};

static struct world world;

static int setup(void **state)
{
	(void)state;
	world.server = served_open(POOL);
	world.client = served_join(world.server);
	assert_int_equal(served_create(world.client, FAR_ROOT_ID, "file", S_IFREG | 0644, &world.file), FAR_STATUS_OK);
	world.free_bytes = served_free_bytes(world.client);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	served_leave(world.client);
	served_close(world.server);
	return 0;
}

static int set_on(uint64_t id, const char *name, const void *value, uint32_t length, unsigned flags)
{
	struct far_xattr_set_request request = {.id = id, .value_length = length, .name_length = (uint16_t)strlen(name)};

	return served_call(world.client, FAR_OP_XATTR_SET, flags, &request, sizeof(request),
	        (struct served_parts){name, request.name_length, value, length});
}

static int set(const char *name, const void *value, uint32_t length, unsigned flags)
{
	return set_on(world.file.id, name, value, length, flags);
}

static int ask(unsigned op, const char *name, uint32_t offset)
{
	struct far_xattr_get_request request = {.id = world.file.id, .offset = offset, .name_length = (uint16_t)strlen(name)};

	return served_call(world.client, op, 0, &request, sizeof(request), (struct served_parts){name, request.name_length, NULL, 0});
}

static const struct far_xattr_reply *answer(void)
{
	return (const struct far_xattr_reply *)world.client->reply;
}

// Bytes in the last reply.
static uint32_t brought(void)
{
	uint32_t grant = answer()->header.flags & FAR_REPLY_GRANT ? sizeof(struct far_grant) : 0;

	return answer()->header.length - (uint32_t)sizeof(struct far_xattr_reply) - grant;
}

static void assert_value(const char *name, const void *value, uint32_t length)
{
	assert_int_equal(ask(FAR_OP_XATTR_GET, name, 0), FAR_STATUS_OK);
	assert_int_equal(answer()->length, length);
	assert_int_equal(brought(), length);
	assert_memory_equal(answer() + 1, value, length);
}

// An upload with these bytes, written page by page.
static uint64_t upload(const uint8_t *bytes, uint32_t length)
{
	struct far_upload_request request = {.size_hint = length};
	uint64_t id;

	assert_int_equal(served_call(world.client, FAR_OP_UPLOAD, 0, &request, sizeof(request), (struct served_parts){0}), FAR_STATUS_OK);
	id = ((const struct far_attr_reply *)world.client->reply)->attr.id;
	for (uint32_t at = 0; at < length; at += FAR_PAGE_SIZE) {
		uint32_t part = length - at < FAR_PAGE_SIZE ? length - at : FAR_PAGE_SIZE;

		assert_int_equal(served_write(world.client, id, at, bytes + at, part, 0), FAR_STATUS_OK);
	}
	return id;
}

static int set_uploaded(const char *name, uint64_t id, uint32_t length)
{
	struct far_xattr_set_request request = {
	        .id = world.file.id, .upload = id, .value_length = length, .name_length = (uint16_t)strlen(name)};

	return served_call(
	        world.client, FAR_OP_XATTR_SET, 0, &request, sizeof(request), (struct served_parts){name, request.name_length, NULL, 0});
}

static uint8_t *pattern(uint32_t length)
{
	uint8_t *bytes = malloc(length);

	assert_non_null(bytes);
	for (uint32_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 4096);
	return bytes;
}

static void test_object_without_attributes__takes_no_more_memory(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct far_record), 128);
	assert_int_equal(ask(FAR_OP_XATTR_GET, "user.a", 0), FAR_STATUS_NO_DATA);
	assert_int_equal(ask(FAR_OP_XATTR_LIST, "", 0), FAR_STATUS_OK);
	assert_int_equal(answer()->length, 0);
}

static void test_set__replaces_in_place_and_remove_gives_all_back(void **state)
{
	uint8_t *bytes = pattern(8000);

	(void)state;
	assert_int_equal(set("user.a", "one", 3, 0), FAR_STATUS_OK);
	assert_int_equal(set("user.b", "", 0, FAR_XATTR_CREATE), FAR_STATUS_OK);
	assert_int_equal(set("user.a", bytes, 8000, FAR_XATTR_REPLACE), FAR_STATUS_OK);
	assert_value("user.a", bytes, 8000);
	assert_value("user.b", "", 0);
	assert_int_equal(ask(FAR_OP_XATTR_LIST, "", 0), FAR_STATUS_OK);
	assert_int_equal(brought(), 14);
	assert_memory_equal(answer() + 1, "user.a\0user.b", 14);
	assert_int_equal(ask(FAR_OP_XATTR_REMOVE, "user.a", 0), FAR_STATUS_OK);
	assert_int_equal(ask(FAR_OP_XATTR_REMOVE, "user.b", 0), FAR_STATUS_OK);
	assert_int_equal(served_free_bytes(world.client), world.free_bytes);
	free(bytes);
}

static void test_set__flags_are_heeded(void **state)
{
	(void)state;
	assert_int_equal(set("user.a", "1", 1, FAR_XATTR_REPLACE), FAR_STATUS_NO_DATA);
	assert_int_equal(set("user.a", "1", 1, FAR_XATTR_CREATE), FAR_STATUS_OK);
	assert_int_equal(set("user.a", "2", 1, FAR_XATTR_CREATE), FAR_STATUS_EXISTS);
	assert_value("user.a", "1", 1);
}

static void test_names__are_checked(void **state)
{
	char name[258] = "user.";

	(void)state;
	memset(name + 5, 'n', 251);
	assert_int_equal(set(name, "1", 1, 0), FAR_STATUS_NAME_TOO_LONG);
	name[255] = '\0';
	assert_int_equal(set(name, "1", 1, 0), FAR_STATUS_OK);
	assert_int_equal(set("", "1", 1, 0), FAR_STATUS_INVALID);
	assert_int_equal(set("user.", "1", 1, 0), FAR_STATUS_INVALID);
	assert_int_equal(set("other.a", "1", 1, 0), FAR_STATUS_NOT_SUPPORTED);
	assert_int_equal(set("system.posix_acl_accessx", "1", 1, 0), FAR_STATUS_NOT_SUPPORTED);
}

static void test_get__brings_parts_with_one_stamp(void **state)
{
	uint8_t *bytes = pattern(65536);
	uint8_t *got = malloc(65536);
	uint64_t stamp = 0;
	uint32_t done = 0;

	(void)state;
	assert_int_equal(set_uploaded("user.big", upload(bytes, 65536), 65536), FAR_STATUS_OK);
	while (done < 65536) {
		assert_int_equal(ask(FAR_OP_XATTR_GET, "user.big", done), FAR_STATUS_OK);
		assert_int_equal(answer()->length, 65536);
		assert_true(done == 0 || answer()->stamp == stamp);
		assert_true(brought() > 7000 || done + brought() == 65536);
		stamp = answer()->stamp;
		memcpy(got + done, answer() + 1, brought());
		done += brought();
	}
	assert_memory_equal(got, bytes, 65536);
	assert_int_equal(set("user.big", "x", 1, 0), FAR_STATUS_OK);
	assert_int_equal(ask(FAR_OP_XATTR_GET, "user.big", UINT32_MAX), FAR_STATUS_OK);
	assert_true(answer()->stamp != stamp);
	assert_int_equal(brought(), 0);
	assert_int_equal(ask(FAR_OP_XATTR_REMOVE, "user.big", 0), FAR_STATUS_OK);
	assert_int_equal(served_free_bytes(world.client), world.free_bytes);
	free(got);
	free(bytes);
}

static void test_set__upload_is_used_up_only_on_success(void **state)
{
	uint8_t *bytes = pattern(20000);
	uint64_t id = upload(bytes, 20000);
	uint64_t small = upload(bytes, 100);

	(void)state;
	assert_int_equal(set_uploaded("user.a", id, 19999), FAR_STATUS_INVALID);
	assert_int_equal(set_uploaded("user.", id, 20000), FAR_STATUS_INVALID);
	assert_int_equal(set_uploaded(XATTR_ACL_ACCESS, id, 20000), FAR_STATUS_TOO_LONG);
	assert_int_equal(set_uploaded("user.a", id, 20000), FAR_STATUS_OK);
	assert_int_equal(set_uploaded("user.a", id, 20000), FAR_STATUS_STALE);
	assert_int_equal(set_uploaded("user.a", world.file.id, 0), FAR_STATUS_STALE);
	assert_int_equal(set_uploaded("user.b", small, 100), FAR_STATUS_OK);
	assert_value("user.b", bytes, 100);
	served_unlink(world.client, FAR_OP_UNLINK, FAR_ROOT_ID, "file");
	served_forget(world.client, world.file.id, 1);
	assert_true(served_free_bytes(world.client) > world.free_bytes);
	free(bytes);
}

static void test_set__value_of_more_than_64_kib_is_refused(void **state)
{
	uint8_t *bytes = pattern(65537);

	(void)state;
	assert_int_equal(set_uploaded("user.a", upload(bytes, 65537), 65537), FAR_STATUS_TOO_LONG);
	free(bytes);
}

static void test_set__full_pool_gives_no_space_and_changes_nothing(void **state)
{
	static const char bytes[900];
	uint32_t pages;
	struct far_attr before, after;

	(void)state;
	assert_int_equal(set("user.a", "old", 3, 0), FAR_STATUS_OK);
	assert_int_equal(served_getattr(world.client, world.file.id, &before), FAR_STATUS_OK);
	while (space_alloc_pages(world.server, 512, 1, &pages))
		;
	while (space_alloc_block(world.server, 64))
		;
	while (space_alloc_block(world.server, 1024))
		;
	assert_int_equal(set("user.a", bytes, sizeof(bytes), 0), FAR_STATUS_NO_SPACE);
	assert_int_equal(set("user.b", "x", 1, 0), FAR_STATUS_NO_SPACE);
	assert_value("user.a", "old", 3);
	assert_int_equal(ask(FAR_OP_XATTR_GET, "user.b", 0), FAR_STATUS_NO_DATA);
	assert_int_equal(served_getattr(world.client, world.file.id, &after), FAR_STATUS_OK);
	assert_int_equal(after.ctime_ns, before.ctime_ns);
	assert_int_equal(ask(FAR_OP_XATTR_REMOVE, "user.a", 0), FAR_STATUS_OK);
}

static void test_names__no_more_than_can_be_listed(void **state)
{
	char name[256];
	int made = 0;
	int status;

	(void)state;
	memset(name, 'n', 255);
	name[255] = '\0';
	do {
		char digits[16];

		snprintf(digits, sizeof(digits), "user.%03d", made);
		memcpy(name, digits, 8);
		status = set(name, "", 0, 0);
	} while (status == FAR_STATUS_OK && ++made);
	assert_int_equal(status, FAR_STATUS_NO_SPACE);
	assert_int_equal(made, 255); // of 256 bytes with the NUL, in 65,280
	assert_int_equal(ask(FAR_OP_XATTR_LIST, "", 0), FAR_STATUS_OK);
	assert_int_equal(answer()->length, 65280);
}

static void test_put__keeps_attributes_but_ends_a_capability(void **state)
{
	(void)state;
	assert_int_equal(set("user.a", "kept", 4, 0), FAR_STATUS_OK);
	assert_int_equal(set(XATTR_CAPABILITY, "capable", 7, 0), FAR_STATUS_OK);
	assert_int_equal(served_rename(world.client, "file", "key", 0), FAR_STATUS_OK);
	assert_value(XATTR_CAPABILITY, "capable", 7);
	assert_int_equal(served_put(world.client, "key", "new", 3), FAR_STATUS_OK);
	assert_value("user.a", "kept", 4);
	assert_int_equal(ask(FAR_OP_XATTR_GET, XATTR_CAPABILITY, 0), FAR_STATUS_NO_DATA);
}

static void test_facts__are_listed_where_asked_for_and_kept(void **state)
{
	struct far_xattr_get_request request = {.id = world.file.id};

	(void)state;
	assert_int_equal(served_call(world.client, FAR_OP_XATTR_LIST, FAR_XATTR_FACTS, &request, sizeof(request), (struct served_parts){0}),
	        FAR_STATUS_OK);
	assert_memory_equal(answer() + 1, "user.far.version\0user.far.location", 35);
	assert_value("user.far.version", "1", 1);
	assert_value("user.far.location", "none", 4);
	assert_int_equal(set("user.far.version", "17", 2, 0), FAR_STATUS_OK);
	assert_int_equal(set("user.far.version", "v17", 3, 0), FAR_STATUS_NOT_PERMITTED);
	assert_int_equal(ask(FAR_OP_XATTR_REMOVE, "user.far.version", 0), FAR_STATUS_OK);
	assert_value("user.far.version", "1", 1);
	assert_int_equal(ask(FAR_OP_XATTR_GET, "user.far.none", 0), FAR_STATUS_NO_DATA);
}

static int write_file(const char *bytes, uint32_t length)
{
	assert_int_equal(served_truncate(world.client, world.file.id, 0), FAR_STATUS_OK);
	return served_write(world.client, world.file.id, 0, bytes, length, 0);
}

static void test_counter__is_its_value_in_digits_and_is_set_so(void **state)
{
	(void)state;
	assert_int_equal(ask(FAR_OP_XATTR_GET, "user.far.counter", 0), FAR_STATUS_NO_DATA);
	assert_int_equal(set("user.far.counter", "-17", 3, 0), FAR_STATUS_OK); // an empty file becomes one
	assert_value("user.far.counter", "-17", 3);
	assert_value("user.far.version", "2", 1);
	assert_int_equal(served_read(world.client, world.file.id, 0, 100, 0), FAR_STATUS_OK);
	assert_int_equal(((const struct far_get_reply *)world.client->reply)->length, 8);
	assert_memory_equal((const struct far_get_reply *)world.client->reply + 1, "\xef\xff\xff\xff\xff\xff\xff\xff", 8);
	assert_int_equal(set("user.far.counter", "9223372036854775807", 19, 0), FAR_STATUS_OK);
	assert_int_equal(set("user.far.counter", "-9223372036854775808", 20, 0), FAR_STATUS_OK);
	assert_value("user.far.counter", "-9223372036854775808", 20);
	assert_int_equal(set("user.far.counter", "1", 1, FAR_XATTR_CREATE), FAR_STATUS_EXISTS);
	assert_int_equal(ask(FAR_OP_XATTR_REMOVE, "user.far.counter", 0), FAR_STATUS_OK);
	assert_value("user.far.counter", "-9223372036854775808", 20);
}

static void test_counter__takes_no_other_text_and_no_other_files_value(void **state)
{
	static const char *const wrong[] = {"", "-", "+1", " 1", "1 ", "0x1", "9223372036854775808", "-9223372036854775809", "1.0", "--1"};

	(void)state;
	assert_int_equal(write_file("12345678", 8), FAR_STATUS_OK);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(set("user.far.counter", wrong[i], (uint32_t)strlen(wrong[i]), 0), FAR_STATUS_INVALID);
	assert_value("user.far.counter", "4050765991979987505", 19);
	assert_int_equal(write_file("1234567", 7), FAR_STATUS_OK);
	assert_int_equal(set("user.far.counter", "1", 1, 0), FAR_STATUS_INVALID);
	assert_int_equal(set("user.far.counter", "1", 1, FAR_XATTR_REPLACE), FAR_STATUS_NO_DATA);
	assert_int_equal(ask(FAR_OP_XATTR_GET, "user.far.counter", 0), FAR_STATUS_NO_DATA);
	assert_int_equal(set_on(FAR_ROOT_ID, "user.far.counter", "1", 1, 0), FAR_STATUS_IS_DIRECTORY);
}

// Who copies all attributes that a list names would undo what was written meanwhile.
static void test_counter__is_not_listed(void **state)
{
	struct far_xattr_get_request request = {.id = world.file.id};

	(void)state;
	assert_int_equal(write_file("12345678", 8), FAR_STATUS_OK);
	assert_int_equal(served_call(world.client, FAR_OP_XATTR_LIST, FAR_XATTR_FACTS, &request, sizeof(request), (struct served_parts){0}),
	        FAR_STATUS_OK);
	assert_int_equal(answer()->length, 35);
	assert_memory_equal(answer() + 1, "user.far.version\0user.far.location", 35);
}

// --- access control lists ---

static void test_acl_check__refuses_what_is_no_list(void **state)
{
	struct list list = named;

	(void)state;
	assert_int_equal(acl_check(&list, sizeof(list)), 0);
	assert_int_equal(acl_check(&list, 0), 0);
	assert_int_equal(acl_check(&list, 3), -EINVAL);
	assert_int_equal(acl_check(&list, sizeof(list) - 1), -EINVAL);
	assert_int_equal(acl_check(&list, sizeof(list) - 8), -EINVAL);
	assert_int_equal(acl_check(&list, ACL_LENGTH_MAX + 4), -E2BIG);
	list.entries[3].tag = 8; // a named group, and so no mask
	assert_int_equal(acl_check(&list, sizeof(list)), -EINVAL);
	list = named;
	list.entries[1].permissions = 8;
	assert_int_equal(acl_check(&list, sizeof(list)), -EINVAL);
	list = named;
	list.version = 1;
	assert_int_equal(acl_check(&list, sizeof(list)), -EINVAL);
}

static void test_access_list__and_mode_follow_each_other(void **state)
{
	struct far_setattr_request chmod = {.id = world.file.id, .valid = FAR_SET_MODE, .mode = 0750};
	struct list expected = named;

	(void)state;
	assert_int_equal(set(XATTR_ACL_ACCESS, &named, sizeof(named), 0), FAR_STATUS_OK);
	assert_int_equal(served_getattr(world.client, world.file.id, &world.file), FAR_STATUS_OK);
	assert_int_equal(world.file.mode, S_IFREG | 0761);
	assert_int_equal(served_call(world.client, FAR_OP_SETATTR, 0, &chmod, sizeof(chmod), (struct served_parts){0}), FAR_STATUS_OK);
	expected.entries[3].permissions = 5;
	expected.entries[4].permissions = 0;
	assert_value(XATTR_ACL_ACCESS, &expected, sizeof(expected));
	assert_int_equal(set(XATTR_ACL_DEFAULT, &named, sizeof(named), 0), FAR_STATUS_INVALID);
	assert_int_equal(set(XATTR_ACL_ACCESS, &named, 4, 0), FAR_STATUS_OK); // no entries: it goes
	assert_int_equal(served_free_bytes(world.client), world.free_bytes);
}

static void test_default_list__is_inherited_by_what_a_put_makes(void **state)
{
	struct list expected = named;
	struct far_attr made;

	(void)state;
	assert_int_equal(set_on(FAR_ROOT_ID, XATTR_ACL_DEFAULT, &named, sizeof(named), 0), FAR_STATUS_OK);
	assert_int_equal(served_put(world.client, "d/key", "v", 1), FAR_STATUS_OK);
	assert_int_equal(served_stat(world.client, "d/key", &made), FAR_STATUS_OK);
	assert_int_equal(made.mode, S_IFREG | 0640); // 0644 less what the list does not give
	world.file = made;
	expected.entries[0].permissions = 6;
	expected.entries[3].permissions = 4;
	expected.entries[4].permissions = 0;
	assert_value(XATTR_ACL_ACCESS, &expected, sizeof(expected));
	assert_int_equal(ask(FAR_OP_XATTR_GET, XATTR_ACL_DEFAULT, 0), FAR_STATUS_NO_DATA);
	assert_int_equal(served_stat(world.client, "d", &world.file), FAR_STATUS_OK);
	assert_value(XATTR_ACL_DEFAULT, &named, sizeof(named));
	assert_int_equal(served_delete(world.client, "d/key"), FAR_STATUS_OK);
	assert_int_equal(served_delete(world.client, "d"), FAR_STATUS_OK);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        EACH(test_object_without_attributes__takes_no_more_memory),
	        EACH(test_set__replaces_in_place_and_remove_gives_all_back),
	        EACH(test_set__flags_are_heeded),
	        EACH(test_names__are_checked),
	        EACH(test_get__brings_parts_with_one_stamp),
	        EACH(test_set__upload_is_used_up_only_on_success),
	        EACH(test_set__value_of_more_than_64_kib_is_refused),
	        EACH(test_set__full_pool_gives_no_space_and_changes_nothing),
	        EACH(test_names__no_more_than_can_be_listed),
	        EACH(test_put__keeps_attributes_but_ends_a_capability),
	        EACH(test_facts__are_listed_where_asked_for_and_kept),
	        EACH(test_counter__is_its_value_in_digits_and_is_set_so),
	        EACH(test_counter__takes_no_other_text_and_no_other_files_value),
	        EACH(test_counter__is_not_listed),
	        EACH(test_acl_check__refuses_what_is_no_list),
	        EACH(test_access_list__and_mode_follow_each_other),
	        EACH(test_default_list__is_inherited_by_what_a_put_makes),
	};

	return cmocka_run_group_tests_name("xattr", tests, NULL, NULL);
}
