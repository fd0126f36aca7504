// Versions by the public calls: what a compare-and-swap says that lost, gets of what is newer, and changes of a value that others change, too.
#include "tests/integration/libfar_testing.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void test_lost_swap_brings_what_is_there(void **state)
{
	static const size_t sizes[] = {0, 5, 2000, 6000, 50000, 6000000};
	struct sessions *sessions = *state;
	char *bytes = malloc(6000000);
	uint64_t version = 0, first = 0;
	void *current;
	size_t length;

	assert_non_null(bytes);
	assert_int_equal(far_cas_current(sessions->ours, "k", 1, "x", 1, 7, &version, &current, &length), -ECANCELED);
	assert_int_equal(version, 0);
	assert_null(current);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct far_statistics before, after;

		pattern_fill(bytes, sizes[i], 0, i);
		assert_ok(far_put(sessions->ours, "k", 1, bytes, sizes[i], i ? NULL : &first));
		before = statistics_of(sessions->other);
		assert_int_equal(far_cas_current(sessions->other, "k", 1, "x", 1, 777, &version, &current, &length), -ECANCELED);
		after = statistics_of(sessions->other);
		assert_int_equal(version, first + i);
		assert_int_equal(length, sizes[i]);
		pattern_check(current, length, 0, i);
		assert_int_equal(((char *)current)[length], 0);
		if (sizes[i] <= 6000)
			assert_int_equal(after.requests - before.requests, 1);
		free(current);
	}
	assert_ok(far_cas_current(sessions->other, "k", 1, "new", 3, version, &version, &current, &length));
	assert_null(current);
	expect_text(sessions->ours, "k", "new");
	free(bytes);
	assert_ok(delete_key(sessions->ours, "k"));
}

static void expect_newer(far_session *session, uint64_t known, size_t length, unsigned seed, uint64_t version)
{
	uint64_t found = 0;
	size_t got = 1;
	void *value;

	assert_int_equal(far_get_if_newer(session, "d/k", 3, known, &value, &got, &found), 1);
	assert_int_equal(found, version);
	assert_int_equal(got, length);
	pattern_check(value, length, 0, seed);
	free(value);
}

static void expect_same(far_session *session, uint64_t known)
{
	void *value = &known;
	uint64_t found = 0;
	size_t got = 1;

	assert_int_equal(far_get_if_newer(session, "d/k", 3, known, &value, &got, &found), 0);
	assert_int_equal(found, known);
	assert_null(value);
	assert_int_equal(got, 0);
}

static void test_value_is_fetched_only_if_it_is_newer(void **state)
{
	static const size_t sizes[] = {0, 5, 3000, 9000, 700000, 5000000};
	struct sessions *sessions = *state;
	char *bytes = malloc(5000000);
	uint64_t version = 0;
	far_session *third;

	assert_non_null(bytes);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct far_statistics before, after;

		pattern_fill(bytes, sizes[i], 0, (unsigned)i);
		assert_ok(far_put(sessions->ours, "d/k", 3, bytes, sizes[i], &version));
		// Who knows nothing of where it is asks; then it is known.
		assert_ok(far_connect(sessions->address, NULL, &third));
		expect_same(third, version);
		before = statistics_of(third);
		assert_int_equal(before.bytes_read, 0);
		expect_same(third, version);
		after = statistics_of(third);
		assert_int_equal(after.requests - before.requests, 0);
		assert_int_equal(after.bytes_read, 0);
		expect_newer(third, version + 1, sizes[i], (unsigned)i, version);
		expect_newer(third, 0, sizes[i], (unsigned)i, version);
		far_close(third);
		// Who remembers the one before finds out.
		expect_newer(sessions->other, i ? version - 1 : 0, sizes[i], (unsigned)i, version);
		expect_same(sessions->other, version);
	}
	free(bytes);
	assert_ok(far_delete(sessions->ours, "d/k", 3));
	assert_int_equal(far_get_if_newer(sessions->other, "d/k", 3, version, (void **)&bytes, &(size_t){0}, NULL), -ENOENT);
	assert_ok(delete_key(sessions->ours, "d"));
}

// However a key loses what it names.
static int lose(far_session *session, unsigned way)
{
	if (way == 0)
		return far_delete(session, "k", 1);
	if (way == 1)
		return far_rename(session, "k", 1, "away", 4);
	return far_expire(session, "k", 1, 1);
}

static void test_key_has_no_version_twice(void **state)
{
	struct sessions *sessions = *state;
	uint64_t last = 0, version = 0, current;

	for (unsigned way = 0; way < 3; way++) {
		assert_ok(far_put(sessions->ours, "k", 1, "one", 3, NULL));
		assert_ok(far_put(sessions->ours, "k", 1, "two", 3, &last));
		assert_ok(lose(sessions->other, way));
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); // that the time to live is over
		assert_ok(far_cas(sessions->other, "k", 1, "anew", 4, 0, &version));
		assert_true(version > last);
		assert_int_equal(far_cas(sessions->ours, "k", 1, "late", 4, last, &current), -ECANCELED);
		assert_int_equal(current, version);
		expect_text(sessions->ours, "k", "anew");
		assert_ok(delete_key(sessions->ours, "k"));
	}
	assert_ok(delete_key(sessions->ours, "away"));
}

// --- update ---

struct adding {
	char text[32];
	unsigned calls;
};

static int add_one(void *context, const void *value, size_t length, uint64_t version, const void **changed, size_t *changed_length)
{
	struct adding *adding = context;

	assert_true((value == NULL) == (version == 0));
	assert_true(value == NULL || strlen(value) == length);
	adding->calls++;
	*changed_length = (size_t)snprintf(adding->text, sizeof(adding->text), "%d", value ? atoi(value) + 1 : 1);
	*changed = adding->text;
	return 0;
}

#define ADDITIONS 400
#define THREADS 4

static void *add_many(void *session)
{
	struct adding adding = {.calls = 0};

	for (size_t i = 0; i < fewer(ADDITIONS); i++)
		if (far_update(session, "sum", 3, add_one, &adding, NULL, NULL))
			return session;
	return NULL;
}

static void test_no_update_of_many_at_once_is_lost(void **state)
{
	struct sessions *sessions = *state;
	pthread_t threads[THREADS];
	char expected[32];
	void *failed;

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, i % 2 ? sessions->ours : sessions->other), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	snprintf(expected, sizeof(expected), "%zu", THREADS * fewer(ADDITIONS));
	expect_text(sessions->ours, "sum", expected);
	assert_ok(delete_key(sessions->ours, "sum"));
}

static int leave(void *context, const void *value, size_t length, uint64_t version, const void **changed, size_t *changed_length)
{
	(void)value;
	(void)length;
	(void)version;
	(void)changed;
	(void)changed_length;
	return *(const int *)context;
}

static void test_update_can_be_called_off(void **state)
{
	struct far_put_options keep = {.size = sizeof(keep), .flags = FAR_KEEP_TTL};
	struct far_put_options wrong = {.size = sizeof(wrong), .flags = FAR_IF_VERSION};
	struct sessions *sessions = *state;
	struct adding adding = {.calls = 0};
	int result = 1;
	uint64_t version = 0, made = 0, ttl_ms;

	assert_ok(far_put(sessions->ours, "k", 1, "41", 2, &made));
	assert_int_equal(far_update(sessions->ours, "k", 1, leave, &result, NULL, &version), 0);
	assert_int_equal(version, made);
	result = -EDOM;
	assert_int_equal(far_update(sessions->ours, "k", 1, leave, &result, NULL, &version), -EDOM);
	expect_text(sessions->other, "k", "41");
	assert_int_equal(far_update(sessions->ours, "k", 1, add_one, &adding, &wrong, NULL), -EINVAL);
	assert_int_equal(far_update(sessions->ours, "a//b", 4, add_one, &adding, NULL, NULL), -EINVAL);
	assert_int_equal(adding.calls, 0);
	assert_ok(far_expire(sessions->ours, "k", 1, 60000));
	assert_ok(far_update(sessions->ours, "k", 1, add_one, &adding, &keep, &version));
	assert_int_equal(version, made + 1);
	expect_text(sessions->other, "k", "42");
	assert_ok(far_ttl(sessions->ours, "k", 1, &ttl_ms));
	assert_ok(delete_key(sessions->ours, "k"));
}

const struct CMUnitTest libfar_versions[] = {
        cmocka_unit_test(test_lost_swap_brings_what_is_there),
        cmocka_unit_test(test_key_has_no_version_twice),
        cmocka_unit_test(test_value_is_fetched_only_if_it_is_newer),
        cmocka_unit_test(test_no_update_of_many_at_once_is_lost),
        cmocka_unit_test(test_update_can_be_called_off),
};
const size_t libfar_versions_count = sizeof(libfar_versions) / sizeof(libfar_versions[0]);
