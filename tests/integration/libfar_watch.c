// Watches by the public calls: what is told, when, and to whom; descriptors, bounds, and watchers that do not read.
#include "tests/integration/libfar_testing.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define PATIENCE_MS 30000

static far_watch *watch_key(far_session *session, const char *key, unsigned flags)
{
	far_watch *watch;

	assert_ok(far_watch_new(session, key, strlen(key), flags, &watch));
	return watch;
}

static uint64_t version_of(far_session *session, const char *key)
{
	struct far_stat stat;

	assert_ok(far_stat(session, key, strlen(key), &stat));
	return stat.version;
}

// The next event is this one. Returns its version.
static uint64_t expect(far_watch *watch, unsigned kind, const char *key)
{
	struct far_watch_event event = {0};
	int result = far_watch_next(watch, &event, PATIENCE_MS);

	assert_ok(result);
	assert_int_equal(result, 1);
	assert_string_equal(event.key, key);
	assert_int_equal(event.key_length, strlen(key));
	assert_int_equal(event.kind, kind);
	return event.version;
}

static void expect_nothing(far_watch *watch)
{
	struct far_watch_event event;

	assert_int_equal(far_watch_next(watch, &event, 0), 0);
}

static void test_watch__tells_changes_of_all_sessions_in_order(void **state)
{
	struct sessions *sessions = *state;
	far_watch *watch = watch_key(sessions->ours, "watched", 0);

	expect_nothing(watch);
	assert_ok(put_text(sessions->other, "watched/a", "1"));
	assert_ok(put_text(sessions->ours, "watched/b", "1"));
	assert_ok(put_text(sessions->ours, "watchedbeside", "1"));
	assert_ok(delete_key(sessions->other, "watched/a"));
	expect(watch, FAR_WATCH_CREATED, "watched");
	expect(watch, FAR_WATCH_CREATED, "watched/a");
	expect(watch, FAR_WATCH_CREATED, "watched/b");
	expect(watch, FAR_WATCH_DELETED, "watched/a");
	expect_nothing(watch);
	far_watch_free(watch);
	delete_tree(sessions->ours, "watched");
	assert_ok(delete_key(sessions->ours, "watchedbeside"));
}

static void test_watch__renames_have_both_keys(void **state)
{
	struct sessions *sessions = *state;
	struct far_watch_event event;
	far_watch *watch;

	assert_ok(put_text(sessions->ours, "d/f", "1"));
	watch = watch_key(sessions->ours, "d/f", 0);
	assert_ok(far_rename(sessions->other, "d", 1, "elsewhere/d", 11));
	assert_int_equal(far_watch_next(watch, &event, PATIENCE_MS), 1);
	assert_int_equal(event.kind, FAR_WATCH_RENAMED);
	assert_string_equal(event.key, "d");
	assert_string_equal(event.new_key, "elsewhere/d");
	assert_int_equal(event.new_key_length, 11);
	assert_int_equal(event.is_directory, 1);
	far_watch_free(watch);
	delete_tree(sessions->ours, "elsewhere");
}

static void test_watch__beginnings_kinds_and_further_keys(void **state)
{
	struct sessions *sessions = *state;
	far_watch *watch = watch_key(sessions->ours, "ab", FAR_WATCH_PREFIX | FAR_WATCH_CREATED | FAR_WATCH_CHANGED);
	uint64_t version;

	assert_ok(far_watch_add(watch, "z", 1, FAR_WATCH_DELETED));
	assert_ok(put_text(sessions->other, "abc", "1"));
	assert_ok(put_text(sessions->other, "a", "1"));
	assert_ok(put_text(sessions->other, "z", "1"));
	assert_ok(put_text(sessions->other, "abc", "2"));
	assert_ok(delete_key(sessions->other, "abc"));
	assert_ok(delete_key(sessions->other, "z"));
	version = expect(watch, FAR_WATCH_CREATED, "abc");
	assert_int_equal(expect(watch, FAR_WATCH_CHANGED, "abc"), version + 1);
	expect(watch, FAR_WATCH_DELETED, "z");
	far_watch_free(watch);
	assert_ok(delete_key(sessions->other, "a"));
}

static void test_watch__descriptor_becomes_readable(void **state)
{
	struct sessions *sessions = *state;
	far_watch *watch = watch_key(sessions->ours, "k", 0);
	struct pollfd wake = {.fd = far_watch_fd(watch), .events = POLLIN};

	for (int i = 0; i < 3; i++) {
		struct far_watch_event event;
		int result;

		expect_nothing(watch);
		assert_ok(put_text(sessions->other, "k", "value"));
		do { // it may be woken for nothing
			assert_int_equal(poll(&wake, 1, PATIENCE_MS), 1);
			result = far_watch_next(watch, &event, 0);
		} while (result == 0);
		assert_int_equal(result, 1);
		assert_int_equal(event.version, version_of(sessions->ours, "k"));
	}
	assert_int_equal(far_watch_fd(watch), wake.fd);
	far_watch_free(watch);
	assert_ok(delete_key(sessions->ours, "k"));
}

#define DEEP 250 // bytes of a component: all events together are more than a socket's buffers keep, too

// Nobody takes the events meanwhile: each is told or counted, and afterwards all is as before.
static void test_watch__unread_events_are_counted(void **state)
{
	struct sessions *sessions = *state;
	far_watch *watch = watch_key(sessions->ours, "many", 0);
	size_t keys = fewer(20000), events = keys + 4, told = 0, lost = 0; // the directories, too
	char name[DEEP + 1], key[4 * DEEP];

	memset(name, 'n', DEEP);
	name[DEEP] = '\0';
	for (size_t i = 0; i < keys; i++) {
		snprintf(key, sizeof(key), "many/%s/%s/%s/%zu", name, name, name, i);
		assert_ok(put_text(sessions->other, key, "v"));
	}
	while (told + lost < events) {
		struct far_watch_event event;

		assert_int_equal(far_watch_next(watch, &event, PATIENCE_MS), 1);
		if (event.kind == FAR_WATCH_LOST) {
			assert_true(event.lost > 0);
			assert_string_equal(event.key, "");
			lost += event.lost;
		} else {
			told++;
		}
	}
	assert_int_equal(told + lost, events);
	assert_true(keys < 20000 || lost > 0);
	expect_nothing(watch);
	assert_ok(put_text(sessions->other, key, "again"));
	assert_int_equal(expect(watch, FAR_WATCH_CHANGED, key), version_of(sessions->ours, key));
	far_watch_free(watch);
	delete_tree(sessions->ours, "many");
}

// Some are told together (how many depends on what the connection has room for), but the last is.
static void test_watch__changes_of_one_key_go_up_to_the_last_version(void **state)
{
	struct sessions *sessions = *state;
	far_watch *watch = watch_key(sessions->ours, "k", FAR_WATCH_CHANGED);
	size_t puts = fewer(20000);
	struct far_watch_event event = {0};
	uint64_t last;

	for (size_t i = 0; i < puts; i++)
		assert_ok(put_text(sessions->other, "k", "v"));
	last = version_of(sessions->ours, "k");
	while (event.version < last) {
		uint64_t before = event.version;

		assert_int_equal(far_watch_next(watch, &event, PATIENCE_MS), 1);
		assert_int_equal(event.kind, FAR_WATCH_CHANGED); // nothing is lost
		assert_true(event.version > before);
	}
	expect_nothing(watch);
	far_watch_free(watch);
	assert_ok(delete_key(sessions->ours, "k"));
}

static void test_watch__wrong_arguments_and_bounds(void **state)
{
	struct far_options options = {.size = sizeof(options), .lanes = 2};
	struct sessions *sessions = *state;
	far_watch *watch = NULL, *none;
	far_session *session;
	char key[256]; // one more than a component can have

	memset(key, 'k', sizeof(key));
	assert_int_equal(far_watch_new(sessions->ours, "a//b", 4, 0, &none), -EINVAL);
	assert_int_equal(far_watch_new(sessions->ours, key, sizeof(key), 0, &none), -ENAMETOOLONG);
	assert_int_equal(far_watch_new(sessions->ours, "a", 1, FAR_WATCH_LOST, &none), -EINVAL);
	assert_int_equal(far_watch_new(sessions->ours, "a", 1, 1U << 20, &none), -EINVAL);
	far_watch_free(NULL);
	// A watch has one of the session's lanes.
	assert_ok(far_connect(sessions->address, &options, &session));
	assert_ok(far_watch_new(session, "a", 1, 0, &watch));
	assert_int_equal(far_watch_new(session, "a", 1, 0, &none), -EMFILE);
	assert_non_null(strstr(far_last_error(), "lane"));
	for (int i = 1; i < 1024; i++)
		assert_ok(far_watch_add(watch, "a", 1, 0));
	assert_int_equal(far_watch_add(watch, "a", 1, 0), -EMFILE);
	assert_non_null(strstr(far_last_error(), "1024"));
	far_watch_free(watch);
	assert_ok(far_watch_new(session, "a", 1, 0, &watch));
	far_watch_free(watch);
	far_close(session);
}

// The program's own limit is not the session's.
static void test_watch__says_which_limit_it_has_met(void **state)
{
	struct sessions *sessions = *state;
	struct rlimit limit, low;
	far_watch *watch = NULL;
	struct far_statistics statistics = statistics_of(sessions->ours);
	int lowest = dup(0); // all below are in use
	int error;

	assert_true(lowest >= 0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	error = far_watch_new(sessions->ours, "a", 1, 0, &watch);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(error == -EMFILE ||
	            (error == -ENODEV && strcmp(statistics.provider, "rdma") == 0)); // librdmacm of a device that it cannot open
	assert_null(strstr(far_last_error(), "lane left"));
	watch = watch_key(sessions->ours, "a", 0);
	far_watch_free(watch);
}

const struct CMUnitTest libfar_watch[] = {
        cmocka_unit_test(test_watch__tells_changes_of_all_sessions_in_order),
        cmocka_unit_test(test_watch__renames_have_both_keys),
        cmocka_unit_test(test_watch__beginnings_kinds_and_further_keys),
        cmocka_unit_test(test_watch__descriptor_becomes_readable),
        cmocka_unit_test(test_watch__unread_events_are_counted),
        cmocka_unit_test(test_watch__changes_of_one_key_go_up_to_the_last_version),
        cmocka_unit_test(test_watch__wrong_arguments_and_bounds),
        cmocka_unit_test(test_watch__says_which_limit_it_has_met),
};
const size_t libfar_watch_count = sizeof(libfar_watch) / sizeof(libfar_watch[0]);
