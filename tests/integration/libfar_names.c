// Names: which keys are keys, directories, renames, lists and their cursors; errors and their texts.
#include "tests/integration/libfar_testing.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "far/limits.h"

static struct sessions *sessions_of(void **state)
{
	return *state;
}

static void test_keys__any_bytes_but_nul_and_slash_make_a_name(void **state)
{
	struct sessions *sessions = sessions_of(state);
	struct far_list_entry entry;
	char key[300] = "binary/";
	size_t length = 7;
	far_list *list;
	void *got;

	for (unsigned byte = 1; byte < 256; byte++)
		if (byte != '/')
			key[length++] = (char)byte;
	assert_ok(far_put(sessions->ours, key, length, "all", 3, NULL));
	assert_ok(far_get(sessions->other, key, length, &got, &(size_t){0}, NULL));
	assert_string_equal(got, "all");
	free(got);
	assert_ok(far_list_open(sessions->other, "binary/", 7, 0, NULL, &list));
	assert_int_equal(far_list_next(list, &entry), 1);
	assert_int_equal(entry.key_length, length);
	assert_memory_equal(entry.key, key, length);
	assert_int_equal(far_list_next(list, &entry), 0);
	far_list_close(list);
	assert_ok(far_delete(sessions->other, key, length));
	assert_ok(delete_key(sessions->ours, "binary"));
}

static void test_keys__what_is_no_key_is_refused_by_every_call(void **state)
{
	static const struct {
		const char *key;
		size_t length;
		int error;
	} cases[] = {
	        {"", 0, -EINVAL},
	        {"/a", 2, -EINVAL},
	        {"a/", 2, -EINVAL},
	        {"a//b", 4, -EINVAL},
	        {".", 1, -EINVAL},
	        {"..", 2, -EINVAL},
	        {"a/./b", 5, -EINVAL},
	        {"a/../b", 6, -EINVAL},
	        {"a\0b", 3, -EINVAL},
	        {"/", 1, -EINVAL},
	};
	struct sessions *sessions = sessions_of(state);
	far_session *session = sessions->ours;
	struct far_stat stat;
	char byte;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *key = cases[i].key;
		size_t length = cases[i].length;

		assert_int_equal(far_put(session, key, length, "x", 1, NULL), cases[i].error);
		assert_int_equal(far_cas(session, key, length, "x", 1, 0, NULL), cases[i].error);
		assert_int_equal(far_get(session, key, length, &(void *){NULL}, &(size_t){0}, NULL), cases[i].error);
		assert_int_equal(far_get_into(session, key, length, &byte, 1, 0, NULL, NULL), cases[i].error);
		assert_int_equal(far_delete(session, key, length), cases[i].error);
		assert_int_equal(far_delete_version(session, key, length, 1, NULL), cases[i].error);
		assert_int_equal(far_mkdir(session, key, length, 0755), cases[i].error);
		assert_int_equal(far_rename(session, key, length, "b", 1), cases[i].error);
		assert_int_equal(far_rename(session, "b", 1, key, length), cases[i].error);
		assert_int_equal(far_put_stream(session, key, length, NULL, NULL, NULL), cases[i].error);
		if (length > 0)
			assert_int_equal(far_stat(session, key, length, &stat), cases[i].error);
	}
}

static void test_keys__the_longest_work_and_longer_ones_do_not(void **state)
{
	struct sessions *sessions = sessions_of(state);
	char key[FAR_KEY_MAX + 1];

	memset(key, 'n', sizeof(key));
	assert_ok(far_put(sessions->ours, key, FAR_NAME_MAX, "x", 1, NULL));
	assert_ok(far_delete(sessions->ours, key, FAR_NAME_MAX));
	assert_int_equal(far_put(sessions->ours, key, FAR_NAME_MAX + 1, "x", 1, NULL), -ENAMETOOLONG);
	for (size_t i = 1; i < sizeof(key); i += 2)
		key[i] = '/';
	assert_int_equal(far_put(sessions->ours, key, FAR_KEY_MAX + 1, "x", 1, NULL), -ENAMETOOLONG);
	assert_int_equal(far_put(sessions->ours, key, SIZE_MAX, "x", 1, NULL), -ENAMETOOLONG);
	assert_int_equal(far_get_into(sessions->ours, key, (size_t)UINT32_MAX + 2, key, 1, 0, NULL, NULL), -ENAMETOOLONG);
	assert_ok(far_put(sessions->ours, key, FAR_KEY_MAX, "deep", 4, NULL)); // 2048 components
	assert_int_equal(far_get_into(sessions->other, key, FAR_KEY_MAX, (char[8]){0}, 8, 0, NULL, NULL), 4);
	for (size_t length = FAR_KEY_MAX; length > 0; length = length > 2 ? length - 2 : 0)
		assert_ok(far_delete(sessions->ours, key, length));
}

static void test_errors__name_the_call_and_the_key(void **state)
{
	struct sessions *sessions = sessions_of(state);

	expect_absent(sessions->ours, "not/there");
	assert_non_null(strstr(far_last_error(), "not/there"));
	assert_non_null(strstr(far_last_error(), "get"));
	assert_int_equal(far_delete(sessions->ours, "esc\x1b[2J\n", 8), -ENOENT);
	assert_null(strpbrk(far_last_error(), "\x1b\n")); // what a key is made of does not reach a terminal
	assert_string_equal(far_strerror(-ENOENT), far_strerror(ENOENT));
	assert_string_equal(far_strerror(0), "success");
	assert_non_null(far_strerror(-99999));
}

static void test_directories__are_not_values_and_values_no_directories(void **state)
{
	struct sessions *sessions = sessions_of(state);
	char byte;

	assert_ok(far_mkdir(sessions->ours, "dir/below", 9, 0750));
	assert_ok(far_mkdir(sessions->other, "dir/below", 9, 0700)); // it is there: success
	assert_int_equal(put_text(sessions->ours, "dir", "x"), -EISDIR);
	assert_int_equal(far_put(sessions->ours, "dir", 3, NULL, 0, NULL), -EISDIR);
	assert_int_equal(far_get_into(sessions->ours, "dir", 3, &byte, 1, 0, NULL, NULL), -EISDIR);
	assert_int_equal(delete_key(sessions->ours, "dir"), -ENOTEMPTY);
	assert_ok(put_text(sessions->ours, "dir/value", "x"));
	assert_int_equal(put_text(sessions->ours, "dir/value/below", "x"), -ENOTDIR);
	assert_int_equal(far_get_into(sessions->ours, "dir/value/below", 15, &byte, 1, 0, NULL, NULL), -ENOTDIR);
	assert_int_equal(far_mkdir(sessions->ours, "dir/value", 9, 0700), -EEXIST);
	delete_tree(sessions->ours, "dir");
}

static void test_rename__moves_values_and_replaces_atomically(void **state)
{
	struct sessions *sessions = sessions_of(state);

	assert_ok(put_text(sessions->ours, "from", "1"));
	assert_ok(put_text(sessions->ours, "to/there", "2"));
	expect_text(sessions->other, "from", "1"); // now remembered by the other session
	expect_text(sessions->other, "to/there", "2");
	assert_ok(far_rename(sessions->ours, "from", 4, "to/there", 8));
	expect_absent(sessions->other, "from");
	expect_text(sessions->other, "to/there", "1");
	assert_ok(far_rename(sessions->ours, "to/there", 8, "new/parents/are/made", 20));
	expect_absent(sessions->other, "to/there");
	expect_text(sessions->other, "new/parents/are/made", "1");
	assert_int_equal(far_rename(sessions->ours, "nothing", 7, "x/y", 3), -ENOENT);
	expect_absent(sessions->ours, "x"); // no parents of a rename that failed
	delete_tree(sessions->ours, "new");
	assert_ok(delete_key(sessions->ours, "to"));
}

static void test_rename__of_a_directory_makes_remembered_keys_below_it_void(void **state)
{
	struct sessions *sessions = sessions_of(state);

	assert_ok(put_text(sessions->ours, "old/a/value", "1"));
	expect_text(sessions->other, "old/a/value", "1");
	expect_text(sessions->other, "old/a/value", "1");
	assert_ok(far_rename(sessions->ours, "old", 3, "renamed", 7));
	expect_absent(sessions->other, "old/a/value");
	expect_text(sessions->other, "renamed/a/value", "1");
	assert_ok(put_text(sessions->ours, "old/a/value", "2"));
	expect_text(sessions->other, "old/a/value", "2");
	assert_int_equal(far_rename(sessions->ours, "old", 3, "old/a/below", 11), -EINVAL);
	assert_int_equal(far_rename(sessions->ours, "old", 3, "renamed", 7), -ENOTEMPTY);
	assert_int_equal(far_rename(sessions->ours, "old/a/value", 11, "renamed", 7), -EISDIR);
	assert_int_equal(far_rename(sessions->ours, "old", 3, "renamed/a/value", 15), -ENOTDIR);
	delete_tree(sessions->ours, "old");
	delete_tree(sessions->ours, "renamed");
}

static void test_rename__two_of_the_longest_keys(void **state)
{
	struct sessions *sessions = sessions_of(state);
	char from[FAR_KEY_MAX], to[FAR_KEY_MAX];
	int error;

	memset(from, 'f', sizeof(from));
	for (size_t i = 250; i < sizeof(from); i += 251)
		from[i] = '/';
	memcpy(to, from, sizeof(to));
	to[sizeof(to) - 1] = 't';
	assert_ok(far_put(sessions->ours, from, sizeof(from), "x", 1, NULL));
	error = far_rename(sessions->ours, from, sizeof(from), to, sizeof(to));
	assert_true(error == 0 || error == -ENAMETOOLONG); // both must fit one message
	from[250] = '\0';
	delete_tree(sessions->ours, from);
}

// --- lists ---

static void make_keys(far_session *session, const char *format, int count)
{
	char key[64];

	for (int i = 0; i < count; i++) {
		snprintf(key, sizeof(key), format, i);
		assert_ok(put_text(session, key, key));
	}
}

static void test_list__directory_in_order_with_attributes(void **state)
{
	struct sessions *sessions = sessions_of(state);
	struct far_list_entry entry;
	far_list *list;
	char key[64];

	make_keys(sessions->ours, "list/%d", 300);
	assert_ok(put_text(sessions->ours, "list/sub/x", "x"));
	assert_ok(far_list_open(sessions->other, "list/", 5, 0, NULL, &list));
	for (int i = 0; i < 300; i++) {
		snprintf(key, sizeof(key), "list/%d", i);
		assert_int_equal(far_list_next(list, &entry), 1);
		assert_string_equal(entry.key, key);
		assert_int_equal(entry.key_length, strlen(key));
		assert_int_equal(entry.stat.size, strlen(key));
		assert_true(S_ISREG(entry.stat.mode));
	}
	assert_int_equal(far_list_next(list, &entry), 1);
	assert_string_equal(entry.key, "list/sub");
	assert_true(S_ISDIR(entry.stat.mode));
	assert_int_equal(far_list_next(list, &entry), 0);
	assert_int_equal(far_list_next(list, &entry), 0);
	far_list_close(list);
	delete_tree(sessions->ours, "list");
}

static int count_all(far_session *session, const char *prefix, unsigned flags)
{
	struct far_list_entry entry;
	far_list *list;
	int count = 0;
	int result;

	assert_ok(far_list_open(session, prefix, strlen(prefix), flags, NULL, &list));
	while ((result = far_list_next(list, &entry)) == 1)
		count++;
	far_list_close(list);
	return result < 0 ? result : count;
}

static void test_list__prefix_selects_names(void **state)
{
	struct sessions *sessions = sessions_of(state);

	make_keys(sessions->ours, "pre/a%d", 120);
	make_keys(sessions->ours, "pre/b%d", 3);
	make_keys(sessions->ours, "pre/abc/%d", 7);
	assert_int_equal(count_all(sessions->other, "pre/a", 0), 121);
	assert_int_equal(count_all(sessions->other, "pre/b", 0), 3);
	assert_int_equal(count_all(sessions->other, "pre/abc", 0), 1);
	assert_int_equal(count_all(sessions->other, "pre/abc/", 0), 7);
	assert_int_equal(count_all(sessions->other, "pre/a", FAR_LIST_RECURSIVE), 128);
	assert_int_equal(count_all(sessions->other, "pre/none", 0), 0);
	assert_int_equal(count_all(sessions->other, "pr", 0), 1);
	assert_int_equal(count_all(sessions->other, "none/", 0), -ENOENT);
	assert_int_equal(count_all(sessions->other, "pre/b0/", 0), -ENOTDIR);
	delete_tree(sessions->ours, "pre");
}

// The server looks at a bounded number of names a request: lists go on by themselves, and by their cursors.
static void test_list__prefix_that_few_of_many_match(void **state)
{
	struct sessions *sessions = sessions_of(state);
	struct far_list_entry entry;
	far_list *list;
	char *cursor;

	make_keys(sessions->ours, "many/x%d", 2500);
	make_keys(sessions->ours, "many/y%d", 2);
	make_keys(sessions->ours, "many/z%d", 2500);
	make_keys(sessions->ours, "many/y/%d", 2);
	assert_int_equal(count_all(sessions->other, "many/none", 0), 0);
	assert_int_equal(count_all(sessions->other, "many/none", FAR_LIST_RECURSIVE), 0);
	assert_int_equal(count_all(sessions->other, "many/y", FAR_LIST_RECURSIVE), 5);
	assert_ok(far_list_open(sessions->other, "many/y", 6, 0, NULL, &list));
	assert_int_equal(far_list_next(list, &entry), 1);
	assert_int_equal(far_list_next(list, &entry), 1);
	assert_string_equal(entry.key, "many/y1");
	cursor = strdup(far_list_cursor(list));
	far_list_close(list);
	assert_ok(far_list_open(sessions->ours, "many/y", 6, 0, cursor, &list));
	assert_int_equal(far_list_next(list, &entry), 1);
	assert_string_equal(entry.key, "many/y");
	assert_int_equal(far_list_next(list, &entry), 0);
	far_list_close(list);
	free(cursor);
	delete_tree(sessions->ours, "many");
}

// A tree of 3 levels with files at each.
static int make_tree(far_session *session)
{
	int made = 0;
	char key[64];

	for (int a = 0; a < 4; a++) {
		for (int b = 0; b < 5; b++) {
			for (int c = 0; c < 6; c++, made++) {
				snprintf(key, sizeof(key), "tree/%d/%d/%d", a, b, c);
				assert_ok(put_text(session, key, "x"));
			}
			made++;
		}
		made++;
	}
	assert_ok(far_mkdir(session, "tree/empty/below", 16, 0755));
	return made + 2;
}

static void test_list__recursive_goes_through_everything_directories_first(void **state)
{
	struct sessions *sessions = sessions_of(state);
	struct far_list_entry entry;
	int made = make_tree(sessions->ours);
	far_list *list;

	assert_int_equal(count_all(sessions->other, "tree/", FAR_LIST_RECURSIVE), made);
	assert_ok(far_list_open(sessions->other, "", 0, FAR_LIST_RECURSIVE, NULL, &list));
	assert_int_equal(far_list_next(list, &entry), 1);
	assert_string_equal(entry.key, "tree");
	assert_int_equal(far_list_next(list, &entry), 1);
	assert_string_equal(entry.key, "tree/0");
	assert_int_equal(far_list_next(list, &entry), 1);
	assert_string_equal(entry.key, "tree/0/0");
	assert_int_equal(far_list_next(list, &entry), 1);
	assert_string_equal(entry.key, "tree/0/0/0");
	far_list_close(list);
	delete_tree(sessions->ours, "tree");
}

// Takes the list up anew behind every single entry, in turn with two sessions: must give the same as one list.
static void list_in_steps(struct sessions *sessions, const char *prefix, unsigned flags, int expected)
{
	struct far_list_entry entry, whole_entry;
	far_list *whole;
	char *cursor = NULL;
	int count = 0;

	assert_ok(far_list_open(sessions->ours, prefix, strlen(prefix), flags, NULL, &whole));
	for (;;) {
		far_session *session = count % 2 ? sessions->ours : sessions->other;
		far_list *list;
		int result;

		assert_ok(far_list_open(session, prefix, strlen(prefix), flags, cursor, &list));
		free(cursor);
		result = far_list_next(list, &entry);
		assert_int_equal(result, far_list_next(whole, &whole_entry));
		if (result == 1)
			assert_string_equal(entry.key, whole_entry.key);
		cursor = strdup(far_list_cursor(list));
		far_list_close(list);
		if (result != 1)
			break;
		count++;
	}
	free(cursor);
	far_list_close(whole);
	assert_int_equal(count, expected);
}

static void test_list__goes_on_behind_a_cursor_in_another_session(void **state)
{
	struct sessions *sessions = sessions_of(state);
	int made = make_tree(sessions->ours);

	list_in_steps(sessions, "tree/", FAR_LIST_RECURSIVE, made);
	list_in_steps(sessions, "", FAR_LIST_RECURSIVE, made + 1);
	list_in_steps(sessions, "tree/1/", FAR_LIST_RECURSIVE, 35);
	list_in_steps(sessions, "tree/", 0, 5);
	list_in_steps(sessions, "tr", FAR_LIST_RECURSIVE, made + 1);
	delete_tree(sessions->ours, "tree");
}

static void test_list__what_was_there_throughout_is_listed_once_while_others_come_and_go(void **state)
{
	struct sessions *sessions = sessions_of(state);
	bool seen[200] = {false};
	struct far_list_entry entry;
	far_list *list;
	char key[64];

	make_keys(sessions->ours, "churn/stay%d", 200);
	make_keys(sessions->ours, "churn/go%d", 200);
	assert_ok(far_list_open(sessions->other, "churn/", 6, 0, NULL, &list));
	for (int i = 0; far_list_next(list, &entry) == 1; i++) {
		int number;

		if (sscanf(entry.key, "churn/stay%d", &number) == 1) {
			assert_false(seen[number]);
			seen[number] = true;
		}
		snprintf(key, sizeof(key), "churn/go%d", i);
		assert_true(delete_key(sessions->ours, key) <= 0);
		if (i < 200) {
			snprintf(key, sizeof(key), "churn/new%d", i);
			assert_ok(put_text(sessions->ours, key, "x"));
		}
	}
	far_list_close(list);
	for (int i = 0; i < 200; i++)
		assert_true(seen[i]);
	delete_tree(sessions->ours, "churn");
}

// Behind each entry another session takes the list up by its cursor, while names come and go in all directories.
static void test_list__by_cursors_and_recursively_what_stays_is_listed_once(void **state)
{
	struct sessions *sessions = sessions_of(state);
	bool seen[5][40] = {{false}};
	struct far_list_entry entry;
	char *cursor = NULL;
	char key[64];

	for (int i = 0; i < 5; i++) {
		snprintf(key, sizeof(key), "churn/sub%d/stay%%d", i);
		make_keys(sessions->ours, key, 40);
		snprintf(key, sizeof(key), "churn/sub%d/go%%d", i);
		make_keys(sessions->ours, key, 40);
	}
	for (int step = 0, result = 1; result == 1; step++) {
		int directory, number;
		far_list *list;

		assert_ok(far_list_open(step % 2 ? sessions->ours : sessions->other, "churn/s", 7, FAR_LIST_RECURSIVE, cursor, &list));
		result = far_list_next(list, &entry);
		assert_ok(result);
		if (result == 1 && sscanf(entry.key, "churn/sub%d/stay%d", &directory, &number) == 2) {
			assert_false(seen[directory][number]);
			seen[directory][number] = true;
		}
		free(cursor);
		cursor = strdup(far_list_cursor(list));
		far_list_close(list);
		snprintf(key, sizeof(key), "churn/sub%d/go%d", step % 5, step / 5);
		assert_true(delete_key(sessions->ours, key) <= 0);
		snprintf(key, sizeof(key), "churn/sub%d/new%d", (step + 2) % 5, step);
		if (step < 200)
			assert_ok(put_text(sessions->ours, key, "x"));
	}
	free(cursor);
	for (int i = 0; i < 5; i++)
		for (int number = 0; number < 40; number++)
			assert_true(seen[i][number]);
	delete_tree(sessions->ours, "churn");
}

static void test_list__a_directory_that_goes_while_it_is_listed_is_skipped(void **state)
{
	struct sessions *sessions = sessions_of(state);
	struct far_list_entry entry;
	far_list *list;

	assert_ok(put_text(sessions->ours, "going/a/x", "x"));
	assert_ok(put_text(sessions->ours, "going/b/x", "x"));
	assert_ok(far_list_open(sessions->other, "going/", 6, FAR_LIST_RECURSIVE, NULL, &list));
	assert_int_equal(far_list_next(list, &entry), 1);
	assert_string_equal(entry.key, "going/a");
	delete_tree(sessions->ours, "going/a");
	assert_int_equal(far_list_next(list, &entry), 1);
	assert_string_equal(entry.key, "going/b");
	assert_int_equal(far_list_next(list, &entry), 1);
	assert_string_equal(entry.key, "going/b/x");
	assert_int_equal(far_list_next(list, &entry), 0);
	far_list_close(list);
	delete_tree(sessions->ours, "going");
}

static void test_list__nonsense_is_refused(void **state)
{
	static const char *const cursors[] = {"", "x", "0", "0:", "0:+", "0:-6", "0:-zz", "0:-2e2e", "0/0:-", "0/0/0:-61", "0:-612f", "/:-",
	        "0:*61", "ffffffffffffffffffff:-2f"};
	struct sessions *sessions = sessions_of(state);
	far_list *list;

	for (unsigned i = 0; i < sizeof(cursors) / sizeof(cursors[0]); i++)
		assert_int_equal(far_list_open(sessions->ours, "", 0, FAR_LIST_RECURSIVE, cursors[i], &list), -EINVAL);
	assert_int_equal(far_list_open(sessions->ours, "/", 1, 0, NULL, &list), -EINVAL);
	assert_int_equal(far_list_open(sessions->ours, "a//b", 4, 0, NULL, &list), -EINVAL);
	assert_int_equal(far_list_open(sessions->ours, "a/../b", 6, 0, NULL, &list), -EINVAL);
	assert_int_equal(far_list_open(sessions->ours, "a", 1, 1U << 30, NULL, &list), -EINVAL);
	far_list_close(NULL);
}

// --- sessions ---

static void test_session__tells_of_itself_and_the_server(void **state)
{
	struct sessions *sessions = sessions_of(state);
	struct far_statistics statistics = statistics_of(sessions->ours);
	struct far_space space;

	assert_ok(far_ping(sessions->ours));
	assert_int_equal(statistics_of(sessions->ours).requests, statistics.requests + 1);
	assert_ok(far_space(sessions->ours, &space));
	assert_true(space.total >= space.free && space.free >= space.available);
	assert_int_equal(space.sessions, 2);
	assert_true(space.uptime_ns > 0 && space.segment_size > 0 && space.operations > 0);
	assert_non_null(strstr(sessions->address, statistics.provider));
	assert_string_equal(statistics.address, sessions->address);
	assert_true(statistics.eager_limit >= 4096);
	assert_string_equal(far_version(), FAR_VERSION);
}

static void test_connect__tells_what_is_wrong(void **state)
{
	static const struct {
		const char *address;
		int error;
	} cases[] = {
	        {"", -EINVAL}, {"ftp://host", -EINVAL}, {"tcp://", -EINVAL}, {"shm://relative", -EINVAL},
	        {"shm:///nowhere/at/all.sock", -ENOENT}, {"tcp://127.0.0.1:1", -ECONNREFUSED},
#ifdef FABRIC_HAS_VERBS
	        {"rdma://127.0.0.1:1", -ENODEV}, // none serves the loopback
#else
	        {"rdma://127.0.0.1:1", -EPROTONOSUPPORT},
#endif
	};
	far_session *session = NULL;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(far_connect(cases[i].address, NULL, &session), cases[i].error);
		assert_null(session);
		assert_true(strlen(far_last_error()) > 10);
	}
	far_close(NULL);
}

const struct CMUnitTest libfar_names[] = {
        cmocka_unit_test(test_keys__any_bytes_but_nul_and_slash_make_a_name),
        cmocka_unit_test(test_keys__what_is_no_key_is_refused_by_every_call),
        cmocka_unit_test(test_keys__the_longest_work_and_longer_ones_do_not),
        cmocka_unit_test(test_errors__name_the_call_and_the_key),
        cmocka_unit_test(test_directories__are_not_values_and_values_no_directories),
        cmocka_unit_test(test_rename__moves_values_and_replaces_atomically),
        cmocka_unit_test(test_rename__of_a_directory_makes_remembered_keys_below_it_void),
        cmocka_unit_test(test_rename__two_of_the_longest_keys),
        cmocka_unit_test(test_list__directory_in_order_with_attributes),
        cmocka_unit_test(test_list__prefix_selects_names),
        cmocka_unit_test(test_list__prefix_that_few_of_many_match),
        cmocka_unit_test(test_list__recursive_goes_through_everything_directories_first),
        cmocka_unit_test(test_list__goes_on_behind_a_cursor_in_another_session),
        cmocka_unit_test(test_list__what_was_there_throughout_is_listed_once_while_others_come_and_go),
        cmocka_unit_test(test_list__by_cursors_and_recursively_what_stays_is_listed_once),
        cmocka_unit_test(test_list__a_directory_that_goes_while_it_is_listed_is_skipped),
        cmocka_unit_test(test_list__nonsense_is_refused),
        cmocka_unit_test(test_session__tells_of_itself_and_the_server),
        cmocka_unit_test(test_connect__tells_what_is_wrong),
};
const size_t libfar_names_count = sizeof(libfar_names) / sizeof(libfar_names[0]);
