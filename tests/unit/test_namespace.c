// server/namespace*.c through requests: names, directories, hard links, rename, times.
#include <stdio.h>
#include <sys/stat.h>

#include "served.h"
#include "testing.h"

static struct server *server;
static struct served_lane *client;
static uint64_t free_bytes;

static int set_up(void **state)
{
	(void)state;
	server = served_open(16U << 20);
	client = served_join(server);
	free_bytes = served_free_bytes(client);
	return 0;
}

// Removes what a test left, by listing; then nothing may be missing from the pool.
static void remove_all(uint64_t directory)
{
	for (;;) {
		struct far_list_request request = {.id = directory, .bytes_max = 4096};
		struct far_entry entry;
		char name[256] = "";

		assert_int_equal(
		        served_call(client, FAR_OP_READDIR, 0, &request, sizeof(request), (struct served_parts){0}), FAR_STATUS_OK);
		if (((struct far_list_reply *)client->reply)->count == 0)
			return;
		memcpy(&entry, client->reply + sizeof(struct far_list_reply), sizeof(entry));
		memcpy(name, client->reply + sizeof(struct far_list_reply) + sizeof(entry), entry.name_length);
		if (S_ISDIR(entry.attr.mode))
			remove_all(entry.attr.id);
		assert_int_equal(
		        served_unlink(client, S_ISDIR(entry.attr.mode) ? FAR_OP_RMDIR : FAR_OP_UNLINK, directory, name), FAR_STATUS_OK);
	}
}

static int tear_down(void **state)
{
	struct served_lane *other = served_connect(server, false);
	struct far_hello_request hello = {.magic = FAR_WIRE_MAGIC, .wire_version = FAR_WIRE_VERSION};

	(void)state;
	remove_all(FAR_ROOT_ID);
	served_leave(client);
	client = other;
	assert_int_equal(served_call(client, FAR_OP_HELLO, 0, &hello, sizeof(hello), (struct served_parts){0}), FAR_STATUS_OK);
	assert_int_equal(served_free_bytes(client), free_bytes);
	assert_int_equal(((struct far_statfs_reply *)client->reply)->objects, 0);
	served_leave(client);
	served_close(server);
	return 0;
}

static void key_has(const char *key, const char *value)
{
	char got[64] = "";

	assert_int_equal(served_get(client, key, 0), FAR_STATUS_OK);
	served_value(client, 0, got);
	assert_string_equal(got, value);
}

static void put(const char *key, const char *value)
{
	assert_int_equal(served_put(client, key, value, (uint32_t)strlen(value)), FAR_STATUS_OK);
}

static uint64_t id_of(const char *key)
{
	struct far_attr attr;

	assert_int_equal(served_stat(client, key, &attr), FAR_STATUS_OK);
	return attr.id;
}

static uint32_t nlink_of(const char *key)
{
	struct far_attr attr;

	assert_int_equal(served_stat(client, key, &attr), FAR_STATUS_OK);
	return attr.nlink;
}

static void test_put__makes_parents_of_the_session_owner(void **state)
{
	struct far_attr attr;

	(void)state;
	put("a/b/c", "value");
	assert_int_equal(served_stat(client, "a/b", &attr), FAR_STATUS_OK);
	assert_int_equal(attr.mode, 040755);
	assert_int_equal(attr.uid, 1000);
	assert_int_equal(attr.nlink, 2);
	assert_int_equal(nlink_of("a"), 3);
	assert_int_equal(nlink_of(""), 3);
	key_has("a/b/c", "value");
}

static void test_put__bad_keys_are_refused(void **state)
{
	static const char *const keys[] = {"/a", "a/", "a//b", ".", "..", "a/../b", "a/./b"};
	char long_key[301];

	(void)state;
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_int_equal(served_put(client, keys[i], "x", 1), FAR_STATUS_INVALID);
	assert_int_equal(served_put(client, "", "x", 1), FAR_STATUS_INVALID);
	memset(long_key, 'n', 300);
	long_key[300] = '\0';
	assert_int_equal(served_put(client, long_key, "x", 1), FAR_STATUS_NAME_TOO_LONG);
	put("file", "x");
	assert_int_equal(served_put(client, "file/below", "x", 1), FAR_STATUS_NOT_DIRECTORY);
	assert_int_equal(served_mkdir(client, "directory"), FAR_STATUS_OK);
	assert_int_equal(served_put(client, "directory", "x", 1), FAR_STATUS_IS_DIRECTORY);
}

static void test_put_expecting__only_the_named_version_is_replaced(void **state)
{
	const struct far_change_reply *reply;

	(void)state;
	reply = (const struct far_change_reply *)client->reply;
	assert_int_equal(served_put_expecting(client, "d/k", "one", 3, 5), FAR_STATUS_VERSION);
	assert_int_equal(reply->location.version, 0);
	assert_int_equal(served_stat(client, "d", NULL), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_put_expecting(client, "d/k", "one", 3, 0), FAR_STATUS_OK);
	assert_int_equal(reply->location.version, 1);
	assert_int_equal(served_put_expecting(client, "d/k", "two", 3, 0), FAR_STATUS_VERSION);
	assert_int_equal(reply->location.version, 1);
	assert_int_equal(served_put_expecting(client, "d/k", "two", 3, 1), FAR_STATUS_OK);
	assert_int_equal(reply->location.version, 2);
	key_has("d/k", "two");
}

static void test_mkdir__existing_directory_is_success_existing_file_is_not(void **state)
{
	(void)state;
	assert_int_equal(served_mkdir(client, "a/b"), FAR_STATUS_OK);
	assert_int_equal(served_mkdir(client, "a/b"), FAR_STATUS_OK);
	put("a/f", "x");
	assert_int_equal(served_mkdir(client, "a/f"), FAR_STATUS_EXISTS);
}

static void test_delete__nonempty_directory_stays(void **state)
{
	(void)state;
	put("a/b", "x");
	assert_int_equal(served_delete(client, "a"), FAR_STATUS_NOT_EMPTY);
	assert_int_equal(served_delete(client, "a/b"), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "a"), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "a"), FAR_STATUS_NOT_FOUND);
}

static void test_unlink__object_lives_while_it_is_held(void **state)
{
	struct far_attr attr, orphan;

	(void)state;
	served_create(client, FAR_ROOT_ID, "f", 0100600, &attr);
	assert_int_equal(served_unlink(client, FAR_OP_UNLINK, FAR_ROOT_ID, "f"), FAR_STATUS_OK);
	assert_int_equal(served_write(client, attr.id, 0, "still", 5, 0), FAR_STATUS_OK);
	assert_int_equal(served_getattr(client, attr.id, &orphan), FAR_STATUS_OK);
	assert_int_equal(orphan.nlink, 0);
	assert_int_equal(served_link(client, attr.id, FAR_ROOT_ID, "again", NULL), FAR_STATUS_NOT_FOUND);
	served_forget(client, attr.id, 1);
	assert_int_equal(served_getattr(client, attr.id, NULL), FAR_STATUS_STALE);
}

static void test_rmdir__removed_directory_takes_no_entries(void **state)
{
	struct far_attr attr;

	(void)state;
	served_create(client, FAR_ROOT_ID, "d", 040755, &attr);
	assert_int_equal(served_unlink(client, FAR_OP_UNLINK, FAR_ROOT_ID, "d"), FAR_STATUS_IS_DIRECTORY);
	assert_int_equal(served_unlink(client, FAR_OP_RMDIR, FAR_ROOT_ID, "d"), FAR_STATUS_OK);
	assert_int_equal(served_create(client, attr.id, "f", 0100600, NULL), FAR_STATUS_NOT_FOUND);
	served_forget(client, attr.id, 1);
}

static int rename_expecting(const char *from, const char *to, uint64_t expected)
{
	struct far_rename_at_request request = {.parent = FAR_ROOT_ID,
	        .new_parent = FAR_ROOT_ID,
	        .expected = expected,
	        .name_length = (uint16_t)strlen(from),
	        .new_name_length = (uint16_t)strlen(to)};

	return served_call(client, FAR_OP_RENAME_AT, 0, &request, sizeof(request),
	        (struct served_parts){from, request.name_length, to, request.new_name_length});
}

static void test_rmdir__only_the_expected_directory_goes(void **state)
{
	struct far_remove_request request = {.parent = FAR_ROOT_ID, .name_length = 3};
	struct served_parts name = {"two", 3, NULL, 0};
	struct far_attr one, two;

	(void)state;
	served_create(client, FAR_ROOT_ID, "one", 040755, &one);
	served_create(client, FAR_ROOT_ID, "two", 040755, &two);
	request.expected = one.id;
	assert_int_equal(served_call(client, FAR_OP_RMDIR, 0, &request, sizeof(request), name), FAR_STATUS_STALE);
	request.expected = two.id;
	assert_int_equal(served_call(client, FAR_OP_RMDIR, 0, &request, sizeof(request), name), FAR_STATUS_OK);
}

static void test_rename__only_the_expected_directory_is_replaced(void **state)
{
	struct far_attr one, two;

	(void)state;
	served_create(client, FAR_ROOT_ID, "one", 040755, &one);
	served_create(client, FAR_ROOT_ID, "two", 040755, &two);
	assert_int_equal(rename_expecting("one", "two", one.id), FAR_STATUS_STALE);
	assert_int_equal(rename_expecting("one", "none", two.id), FAR_STATUS_STALE);
	assert_int_equal(rename_expecting("one", "two", two.id), FAR_STATUS_OK);
}

static void test_link__any_name_may_go_first(void **state)
{
	static const char *const names[] = {"one", "a-rather-long-name-that-needs-a-block-of-its-own-when-it-moves", "three", "4"};
	struct far_attr attr;

	(void)state;
	for (unsigned first = 0; first < 4; first++) {
		put("one", "shared");
		for (unsigned i = 1; i < 4; i++)
			assert_int_equal(served_link(client, id_of("one"), FAR_ROOT_ID, names[i], &attr), FAR_STATUS_OK);
		assert_int_equal(attr.nlink, 4);
		for (unsigned i = 0; i < 4; i++) {
			const char *name = names[(first + i) % 4];
			const char *other = names[(first + 3) % 4];

			key_has(other, "shared");
			assert_int_equal(nlink_of(other), 4 - i);
			assert_int_equal(id_of(name), attr.id);
			assert_int_equal(served_delete(client, name), FAR_STATUS_OK);
			assert_int_equal(served_stat(client, name, NULL), FAR_STATUS_NOT_FOUND);
		}
		served_forget(client, attr.id, 100);
	}
}

static void test_link__put_by_one_name_is_seen_by_the_other(void **state)
{
	(void)state;
	put("one", "old");
	served_link(client, id_of("one"), FAR_ROOT_ID, "two", NULL);
	put("two", "new");
	key_has("one", "new");
}

static void test_link__directories_are_refused(void **state)
{
	(void)state;
	served_mkdir(client, "d");
	assert_int_equal(served_link(client, id_of("d"), FAR_ROOT_ID, "e", NULL), FAR_STATUS_NOT_PERMITTED);
	put("f", "x");
	assert_int_equal(served_link(client, id_of("f"), FAR_ROOT_ID, "d", NULL), FAR_STATUS_EXISTS);
}

static void test_rename__replaces_and_makes_parents(void **state)
{
	(void)state;
	put("a", "source");
	put("x/b", "victim");
	assert_int_equal(served_rename(client, "a", "x/b", 0), FAR_STATUS_OK);
	key_has("x/b", "source");
	assert_int_equal(served_stat(client, "a", NULL), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_rename(client, "x/b", "new/deep/c", 0), FAR_STATUS_OK);
	key_has("new/deep/c", "source");
}

static void test_rename__failure_leaves_no_parents_behind(void **state)
{
	(void)state;
	served_mkdir(client, "a");
	assert_int_equal(served_rename(client, "a", "a/b/c", 0), FAR_STATUS_INVALID);
	assert_int_equal(served_stat(client, "a/b", NULL), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_rename(client, "missing", "p/q", 0), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_stat(client, "p", NULL), FAR_STATUS_NOT_FOUND);
}

static void test_rename__types_and_emptiness_are_checked(void **state)
{
	(void)state;
	put("f", "x");
	put("full/f", "x");
	served_mkdir(client, "d");
	assert_int_equal(served_rename(client, "d", "f", 0), FAR_STATUS_NOT_DIRECTORY);
	assert_int_equal(served_rename(client, "f", "d", 0), FAR_STATUS_IS_DIRECTORY);
	assert_int_equal(served_rename(client, "d", "full", 0), FAR_STATUS_NOT_EMPTY);
	assert_int_equal(served_rename(client, "full", "d", 0), FAR_STATUS_OK);
	key_has("d/f", "x");
	assert_int_equal(served_rename(client, "f", "d/f", FAR_RENAME_NOREPLACE), FAR_STATUS_EXISTS);
}

static void test_rename__directory_keeps_its_content_and_moves_links(void **state)
{
	struct far_pool_header *header = pool_header(server->pool);
	uint64_t epoch;

	(void)state;
	put("a/d/deep/k", "value");
	served_mkdir(client, "b");
	epoch = header->location_epoch;
	assert_int_equal(served_rename(client, "a/d", "b/a-longer-name-for-the-directory", 0), FAR_STATUS_OK);
	assert_true(header->location_epoch > epoch);
	key_has("b/a-longer-name-for-the-directory/deep/k", "value");
	assert_int_equal(nlink_of("a"), 2);
	assert_int_equal(nlink_of("b"), 3);
}

static void test_rename__exchange_swaps_files_and_directories(void **state)
{
	(void)state;
	put("p/file", "content");
	put("q/directory/inside", "below");
	assert_int_equal(served_rename(client, "p/file", "q/directory", FAR_RENAME_EXCHANGE), FAR_STATUS_OK);
	key_has("q/directory", "content");
	key_has("p/file/inside", "below");
	assert_int_equal(nlink_of("p"), 3);
	assert_int_equal(nlink_of("q"), 2);
	assert_int_equal(served_rename(client, "p", "missing", FAR_RENAME_EXCHANGE), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_rename(client, "p", "p/file", FAR_RENAME_EXCHANGE), FAR_STATUS_INVALID);
	assert_int_equal(served_rename(client, "p/file", "p", FAR_RENAME_EXCHANGE), FAR_STATUS_INVALID);
}

static void test_rename__onto_another_name_of_the_same_object_does_nothing(void **state)
{
	(void)state;
	put("one", "x");
	served_link(client, id_of("one"), FAR_ROOT_ID, "two", NULL);
	assert_int_equal(served_rename(client, "one", "two", 0), FAR_STATUS_OK);
	assert_int_equal(nlink_of("one"), 2);
	assert_int_equal(nlink_of("two"), 2);
}

static void test_rename__over_a_first_name_leaves_the_other_links(void **state)
{
	(void)state;
	put("victim", "shared");
	served_link(client, id_of("victim"), FAR_ROOT_ID, "other", NULL);
	put("new", "new");
	assert_int_equal(served_rename(client, "new", "victim", 0), FAR_STATUS_OK);
	key_has("victim", "new");
	key_has("other", "shared");
	assert_int_equal(nlink_of("other"), 1);
	served_link(client, id_of("other"), FAR_ROOT_ID, "third", NULL);
	assert_int_equal(served_rename(client, "third", "renamed-link", 0), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "other"), FAR_STATUS_OK);
	key_has("renamed-link", "shared");
}

static void test_create__setgid_parent_gives_its_group(void **state)
{
	struct far_attr parent, attr;

	(void)state;
	served_create(client, FAR_ROOT_ID, "d", 042775, &parent);
	served_create(client, parent.id, "f", 0100644, &attr);
	assert_int_equal(attr.gid, parent.gid);
	served_create(client, parent.id, "s", 040755, &attr);
	assert_int_equal(attr.mode, 042755);
	assert_int_equal(served_create(client, parent.id, "s", 040755, NULL), FAR_STATUS_EXISTS);
	served_create(client, parent.id, "dev", 020600, &attr);
	assert_int_equal(attr.device, 0x103);
}

static void test_tmpfile__is_named_by_a_link_once(void **state)
{
	struct far_attr directory, attr;
	char long_name[201];

	(void)state;
	memset(long_name, 'n', 200);
	long_name[200] = '\0';
	served_create(client, FAR_ROOT_ID, "d", 040755, &directory);
	assert_int_equal(served_tmpfile(client, directory.id, 0100640, &attr), FAR_STATUS_OK);
	assert_int_equal(attr.nlink, 0);
	assert_int_equal(attr.mode, 0100640);
	served_write(client, attr.id, 0, "content", 7, 0);
	assert_int_equal(served_link(client, attr.id, directory.id, long_name, &attr), FAR_STATUS_OK);
	assert_int_equal(attr.nlink, 1);
	assert_int_equal(served_link(client, attr.id, FAR_ROOT_ID, "second", &attr), FAR_STATUS_OK);
	assert_int_equal(attr.nlink, 2);
	key_has("second", "content");
	assert_int_equal(served_unlink(client, FAR_OP_UNLINK, directory.id, long_name), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "second", "d/third", 0), FAR_STATUS_OK);
	key_has("d/third", "content");
	assert_int_equal(served_unlink(client, FAR_OP_UNLINK, directory.id, "third"), FAR_STATUS_OK);
	assert_int_equal(served_link(client, attr.id, directory.id, "fourth", &attr), FAR_STATUS_NOT_FOUND);
}

static void test_tmpfile__only_its_holder_names_it(void **state)
{
	struct served_lane *other = served_join(server);
	struct far_attr attr;

	(void)state;
	assert_int_equal(served_tmpfile(client, FAR_ROOT_ID, 0100600, &attr), FAR_STATUS_OK);
	assert_int_equal(served_link(other, attr.id, FAR_ROOT_ID, "f", NULL), FAR_STATUS_NOT_FOUND);
	served_write(client, attr.id, 0, "x", 1, 0);
	served_forget(client, attr.id, 1);
	assert_int_equal(served_getattr(client, attr.id, NULL), FAR_STATUS_STALE);
	served_leave(other);
}

static void test_tmpfile__what_it_cannot_be_is_refused(void **state)
{
	struct far_attr directory, attr;

	(void)state;
	assert_int_equal(served_tmpfile(client, FAR_ROOT_ID, 040755, NULL), FAR_STATUS_INVALID);
	assert_int_equal(served_tmpfile(client, FAR_ROOT_ID, 0, NULL), FAR_STATUS_INVALID);
	assert_int_equal(served_tmpfile(client, 12345, 0100600, NULL), FAR_STATUS_STALE);
	served_create(client, FAR_ROOT_ID, "f", 0100600, &attr);
	assert_int_equal(served_tmpfile(client, attr.id, 0100600, NULL), FAR_STATUS_NOT_DIRECTORY);
	served_create(client, FAR_ROOT_ID, "d", 042755, &directory);
	assert_int_equal(served_tmpfile(client, directory.id, 0100600, &attr), FAR_STATUS_OK);
	assert_int_equal(attr.gid, directory.gid);
	served_unlink(client, FAR_OP_RMDIR, FAR_ROOT_ID, "d");
	assert_int_equal(served_tmpfile(client, directory.id, 0100600, NULL), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_link(client, attr.id, directory.id, "x", NULL), FAR_STATUS_NOT_FOUND);
}

static void test_hold__keeps_what_is_found_by_its_id(void **state)
{
	struct served_lane *other = served_join(server);
	struct far_attr made, found;

	(void)state;
	assert_int_equal(served_create(client, FAR_ROOT_ID, "f", 0100640, &made), FAR_STATUS_OK);
	served_forget(client, made.id, 1);
	assert_int_equal(served_hold(other, made.id, FAR_GET_LOCATE | FAR_GET_NO_VALUE, &found), FAR_STATUS_OK);
	assert_int_equal(found.id, made.id);
	assert_int_equal(found.mode, 0100640);
	assert_int_equal(found.generation, made.generation);
	assert_int_equal(served_unlink(client, FAR_OP_UNLINK, FAR_ROOT_ID, "f"), FAR_STATUS_OK);
	assert_int_equal(served_getattr(other, made.id, NULL), FAR_STATUS_OK);
	served_forget(other, made.id, 1);
	assert_int_equal(served_getattr(other, made.id, NULL), FAR_STATUS_STALE);
	served_leave(other);
}

static void test_hold__what_has_no_link_needs_another_holder(void **state)
{
	struct served_lane *other = served_join(server);
	struct far_attr attr;

	(void)state;
	served_create(client, FAR_ROOT_ID, "f", 0100600, &attr);
	served_unlink(client, FAR_OP_UNLINK, FAR_ROOT_ID, "f");
	assert_int_equal(served_hold(client, attr.id, 0, NULL), FAR_STATUS_STALE);
	assert_int_equal(served_hold(other, attr.id, 0, &attr), FAR_STATUS_OK);
	assert_int_equal(attr.nlink, 0);
	served_forget(client, attr.id, 1);
	assert_int_equal(served_hold(other, attr.id, 0, NULL), FAR_STATUS_STALE);
	assert_int_equal(served_hold(client, attr.id, 0, NULL), FAR_STATUS_OK);
	served_forget(client, attr.id, 1);
	served_forget(other, attr.id, 1);
	assert_int_equal(served_hold(client, attr.id, 0, NULL), FAR_STATUS_STALE);
	served_leave(other);
}

static void test_hold__what_has_had_no_name_is_not_found(void **state)
{
	struct served_lane *other = served_join(server);
	struct far_attr attr;

	(void)state;
	assert_int_equal(served_tmpfile(client, FAR_ROOT_ID, 0100600, &attr), FAR_STATUS_OK);
	assert_int_equal(served_hold(other, attr.id, 0, NULL), FAR_STATUS_STALE);
	assert_int_equal(served_hold(client, attr.id, 0, NULL), FAR_STATUS_STALE);
	assert_int_equal(served_link(client, attr.id, FAR_ROOT_ID, "f", NULL), FAR_STATUS_OK);
	assert_int_equal(served_hold(other, attr.id, 0, NULL), FAR_STATUS_OK);
	served_leave(other);
	served_forget(client, attr.id, 2);
}

static void test_hold__an_id_does_not_find_what_came_after(void **state)
{
	struct far_attr gone, next;

	(void)state;
	served_create(client, FAR_ROOT_ID, "f", 0100600, &gone);
	served_forget(client, gone.id, 1);
	served_unlink(client, FAR_OP_UNLINK, FAR_ROOT_ID, "f");
	for (unsigned i = 0; i < 100; i++) { // some of them in the same memory
		served_create(client, FAR_ROOT_ID, "f", 0100600, &next);
		assert_int_equal(served_hold(client, gone.id, 0, NULL), FAR_STATUS_STALE);
		served_forget(client, next.id, 1);
		served_unlink(client, FAR_OP_UNLINK, FAR_ROOT_ID, "f");
	}
}

static void test_hold__parent_is_where_a_directory_is_now(void **state)
{
	struct far_attr one, two, below, found;

	(void)state;
	served_create(client, FAR_ROOT_ID, "one", 040755, &one);
	served_create(client, FAR_ROOT_ID, "two", 040755, &two);
	served_create(client, one.id, "below", 040755, &below);
	assert_int_equal(served_hold(client, below.id, FAR_HOLD_PARENT, &found), FAR_STATUS_OK);
	assert_int_equal(found.id, one.id);
	assert_int_equal(served_rename(client, "one/below", "two/below", 0), FAR_STATUS_OK);
	assert_int_equal(served_hold(client, below.id, FAR_HOLD_PARENT, &found), FAR_STATUS_OK);
	assert_int_equal(found.id, two.id);
	assert_int_equal(served_hold(client, two.id, FAR_HOLD_PARENT, &found), FAR_STATUS_OK);
	assert_int_equal(found.id, FAR_ROOT_ID);
	assert_int_equal(served_hold(client, FAR_ROOT_ID, FAR_HOLD_PARENT, &found), FAR_STATUS_OK);
	assert_int_equal(found.id, FAR_ROOT_ID);
	served_unlink(client, FAR_OP_RMDIR, two.id, "below");
	assert_int_equal(served_hold(client, below.id, FAR_HOLD_PARENT, NULL), FAR_STATUS_STALE);
	served_create(client, FAR_ROOT_ID, "f", 0100600, &found);
	assert_int_equal(served_hold(client, found.id, FAR_HOLD_PARENT, NULL), FAR_STATUS_NOT_DIRECTORY);
	served_forget(client, below.id, 1);
}

static void test_symlink__any_target_up_to_the_limit_reads_back(void **state)
{
	char target[FAR_SYMLINK_MAX + 2];
	struct far_attr attr;

	(void)state;
	memset(target, 't', sizeof(target));
	for (unsigned length = 1; length <= FAR_SYMLINK_MAX; length = length * 4 + 3) {
		struct far_object_request readlink = {0};

		target[length] = '\0';
		assert_int_equal(served_symlink(client, FAR_ROOT_ID, "l", target, &attr), FAR_STATUS_OK);
		readlink.id = attr.id;
		assert_int_equal(attr.size, length);
		assert_int_equal(
		        served_call(client, FAR_OP_READLINK, 0, &readlink, sizeof(readlink), (struct served_parts){0}), FAR_STATUS_OK);
		assert_memory_equal(client->reply + sizeof(struct far_reply), target, length);
		assert_int_equal(served_get(client, "l", 0), FAR_STATUS_LOOP);
		served_delete(client, "l");
		served_forget(client, attr.id, 1);
		target[length] = 't';
	}
	target[FAR_SYMLINK_MAX + 1] = '\0';
	assert_int_equal(served_symlink(client, FAR_ROOT_ID, "l", target, NULL), FAR_STATUS_NAME_TOO_LONG);
}

static void test_times__change_as_posix_says_and_always_forward(void **state)
{
	struct far_attr root, later, file, changed;

	(void)state;
	served_getattr(client, FAR_ROOT_ID, &root);
	served_create(client, FAR_ROOT_ID, "f", 0100644, &file);
	served_getattr(client, FAR_ROOT_ID, &later);
	assert_true(later.mtime_ns > root.mtime_ns && later.ctime_ns == later.mtime_ns);
	served_create(client, FAR_ROOT_ID, "f", 0100644, NULL);
	served_getattr(client, FAR_ROOT_ID, &root);
	assert_true(root.mtime_ns == later.mtime_ns);
	served_write(client, file.id, 0, "x", 1, 0);
	served_getattr(client, file.id, &changed);
	assert_true(changed.mtime_ns > file.mtime_ns && changed.ctime_ns > file.ctime_ns);
	served_link(client, file.id, FAR_ROOT_ID, "g", &file);
	assert_true(file.ctime_ns > changed.ctime_ns && file.mtime_ns == changed.mtime_ns);
	served_rename(client, "g", "h", 0);
	served_getattr(client, file.id, &changed);
	assert_true(changed.ctime_ns > file.ctime_ns);
	assert_int_equal(served_put(client, "f/below", "x", 1), FAR_STATUS_NOT_DIRECTORY);
	served_getattr(client, FAR_ROOT_ID, &root);
	assert_int_equal(served_put(client, "h/below", "x", 1), FAR_STATUS_NOT_DIRECTORY);
	served_getattr(client, FAR_ROOT_ID, &later);
	assert_true(root.mtime_ns == later.mtime_ns);
}

static void test_setattr__owner_change_clears_set_uid(void **state)
{
	struct far_setattr_request request = {.uid = 9, .valid = FAR_SET_UID};
	struct far_attr attr;

	(void)state;
	served_create(client, FAR_ROOT_ID, "f", 0106755, &attr);
	request.id = attr.id;
	served_call(client, FAR_OP_SETATTR, 0, &request, sizeof(request), (struct served_parts){0});
	served_getattr(client, attr.id, &attr);
	assert_int_equal(attr.mode, 0100755);
	assert_int_equal(attr.uid, 9);
	request.valid = FAR_SET_MODE;
	request.mode = 04711;
	served_call(client, FAR_OP_SETATTR, 0, &request, sizeof(request), (struct served_parts){0});
	served_write(client, attr.id, 0, "x", 1, FAR_WRITE_KILL_SUIDGID);
	served_getattr(client, attr.id, &attr);
	assert_int_equal(attr.mode, 0100711);
}

static void test_suidgid__set_gid_without_group_execute_is_left_and_told_of(void **state)
{
	struct far_setattr_request owner = {.uid = 9, .valid = FAR_SET_UID | FAR_SET_KILL_SUIDGID};
	struct far_setattr_request size = {.size = 5, .valid = FAR_SET_SIZE | FAR_SET_KILL_SUIDGID};
	struct far_attr attr;

	(void)state;
	served_create(client, FAR_ROOT_ID, "f", 0106644, &attr);
	owner.id = size.id = attr.id;
	served_call(client, FAR_OP_SETATTR, 0, &owner, sizeof(owner), (struct served_parts){0});
	served_getattr(client, attr.id, &attr);
	assert_int_equal(attr.mode, 0102644);
	served_call(client, FAR_OP_SETATTR, 0, &size, sizeof(size), (struct served_parts){0});
	served_getattr(client, attr.id, &attr);
	assert_int_equal(attr.mode, 0102644);
	served_write(client, attr.id, 0, "x", 1, FAR_WRITE_KILL_SUIDGID);
	assert_true(((const struct far_reply *)(const void *)client->reply)->flags & FAR_REPLY_SGID);
}

static void test_list__every_entry_once_by_cursor_and_prefix(void **state)
{
	char key[32];
	unsigned seen = 0;
	uint64_t cookie = 0;
	bool is_end = false;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		snprintf(key, sizeof(key), "d/%s%u", i % 3 ? "a" : "b", i);
		put(key, "x");
	}
	while (!is_end) {
		struct far_list_request request = {.cookie = cookie, .bytes_max = 3000, .key_length = 1, .prefix_length = 1};
		const struct far_list_reply *reply = (const struct far_list_reply *)client->reply;
		const uint8_t *at = (const uint8_t *)(reply + 1);

		assert_int_equal(served_call(client, FAR_OP_LIST, 0, &request, sizeof(request), (struct served_parts){"d", 1, "b", 1}),
		        FAR_STATUS_OK);
		for (uint32_t i = 0; i < reply->count; i++) {
			struct far_entry entry;

			memcpy(&entry, at, sizeof(entry));
			assert_int_equal(at[sizeof(entry)], 'b');
			assert_true(entry.cookie > cookie);
			cookie = entry.cookie;
			at += sizeof(entry) + entry.name_length;
			seen++;
		}
		is_end = reply->is_end;
	}
	assert_int_equal(seen, 100);
}

// However many entries there are, a request looks at a bounded part of them, and tells where to go on.
static void test_list__a_prefix_that_few_match_is_looked_for_in_steps(void **state)
{
	const struct far_list_reply *reply = (const struct far_list_reply *)client->reply;
	struct far_list_request request = {.bytes_max = 3000, .key_length = 1, .prefix_length = 1};
	uint64_t cookies[3] = {0};
	uint32_t counts[3] = {0};
	char key[32];

	(void)state;
	for (unsigned i = 0; i < 2 * FAR_LIST_SCAN_MAX; i++) {
		snprintf(key, sizeof(key), "d/a%u", i);
		put(key, "x");
	}
	put("d/b", "x");
	for (unsigned i = 0; i < 3; i++) {
		request.cookie = i ? cookies[i - 1] : 0;
		assert_int_equal(served_call(client, FAR_OP_LIST, 0, &request, sizeof(request), (struct served_parts){"d", 1, "b", 1}),
		        FAR_STATUS_OK);
		assert_int_equal(reply->is_end, i == 2);
		counts[i] = reply->count;
		cookies[i] = reply->cookie;
	}
	assert_int_equal(counts[0], 0);
	assert_int_equal(counts[1], 0);
	assert_int_equal(counts[2], 1);
	assert_int_equal(cookies[0], 1024);
	assert_int_equal(cookies[1], 2048);
	assert_int_equal(cookies[2], 2049);
}

// Any sequence of renames, links and deletions leaves a consistent tree, and nothing behind when all is removed (tear_down).
static void test_names__random_changes_keep_the_tree_whole(void **state)
{
	uint64_t random = 42;
	char from[64], to[64];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		unsigned a = (unsigned)(test_random(&random) % 5), b = (unsigned)(test_random(&random) % 12);
		unsigned c = (unsigned)(test_random(&random) % 5), d = (unsigned)(test_random(&random) % 12);

		snprintf(from, sizeof(from), "d%u/name-%u%.*s", a, b, (int)(b * 4), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
		snprintf(to, sizeof(to), "d%u/name-%u%.*s", c, d, (int)(d * 4), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
		switch (test_random(&random) % 6) {
		case 0:
			served_put(client, from, to, (uint32_t)strlen(to));
			break;
		case 1:
			served_delete(client, from);
			break;
		case 2:
		case 3:
			served_rename(client, from, to, (unsigned)(test_random(&random) % 3));
			break;
		case 4:
			served_mkdir(client, from);
			break;
		default: {
			struct far_attr file, directory;

			snprintf(from + 2, 2, "%s", "");
			if (served_stat(client, to, &file) == FAR_STATUS_OK && served_stat(client, from, &directory) == FAR_STATUS_OK)
				if (served_link(client, file.id, directory.id, "a-link", NULL) == FAR_STATUS_OK)
					served_forget(client, file.id, 1);
			break;
		}
		}
		assert_false(client->lane.is_closing);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(test_put__makes_parents_of_the_session_owner),
	        TEST(test_put__bad_keys_are_refused),
	        TEST(test_put_expecting__only_the_named_version_is_replaced),
	        TEST(test_mkdir__existing_directory_is_success_existing_file_is_not),
	        TEST(test_delete__nonempty_directory_stays),
	        TEST(test_unlink__object_lives_while_it_is_held),
	        TEST(test_rmdir__removed_directory_takes_no_entries),
	        TEST(test_rmdir__only_the_expected_directory_goes),
	        TEST(test_rename__only_the_expected_directory_is_replaced),
	        TEST(test_link__any_name_may_go_first),
	        TEST(test_link__put_by_one_name_is_seen_by_the_other),
	        TEST(test_link__directories_are_refused),
	        TEST(test_rename__replaces_and_makes_parents),
	        TEST(test_rename__failure_leaves_no_parents_behind),
	        TEST(test_rename__types_and_emptiness_are_checked),
	        TEST(test_rename__directory_keeps_its_content_and_moves_links),
	        TEST(test_rename__exchange_swaps_files_and_directories),
	        TEST(test_rename__onto_another_name_of_the_same_object_does_nothing),
	        TEST(test_rename__over_a_first_name_leaves_the_other_links),
	        TEST(test_create__setgid_parent_gives_its_group),
	        TEST(test_tmpfile__is_named_by_a_link_once),
	        TEST(test_tmpfile__only_its_holder_names_it),
	        TEST(test_tmpfile__what_it_cannot_be_is_refused),
	        TEST(test_hold__keeps_what_is_found_by_its_id),
	        TEST(test_hold__what_has_no_link_needs_another_holder),
	        TEST(test_hold__what_has_had_no_name_is_not_found),
	        TEST(test_hold__an_id_does_not_find_what_came_after),
	        TEST(test_hold__parent_is_where_a_directory_is_now),
	        TEST(test_symlink__any_target_up_to_the_limit_reads_back),
	        TEST(test_times__change_as_posix_says_and_always_forward),
	        TEST(test_setattr__owner_change_clears_set_uid),
	        TEST(test_suidgid__set_gid_without_group_execute_is_left_and_told_of),
	        TEST(test_list__every_entry_once_by_cursor_and_prefix),
	        TEST(test_list__a_prefix_that_few_match_is_looked_for_in_steps),
	        TEST(test_names__random_changes_keep_the_tree_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
