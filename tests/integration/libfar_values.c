// Values: sizes at and around every limit, ranges, versions, streams, a full pool, and which gets ask nobody.
#include "tests/integration/libfar_testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "far/limits.h"

#define KIB 1024ULL
#define MIB (1024ULL * 1024)

static struct sessions *sessions_of(void **state)
{
	return *state;
}

// Stores a value with one session; reads it whole and by ranges with another, cold and warm.
static void round_trip(struct sessions *sessions, const char *key, size_t key_length, size_t length)
{
	char *bytes = malloc(length + 1);
	void *got;
	size_t got_length;
	uint64_t version, got_version, size;
	ssize_t count;

	pattern_fill(bytes, length, 0, length);
	assert_ok(far_put(sessions->ours, key, key_length, bytes, length, &version));
	for (int turn = 0; turn < 2; turn++) {
		far_session *session = turn ? sessions->ours : sessions->other;

		assert_ok(far_get(session, key, key_length, &got, &got_length, &got_version));
		assert_int_equal(got_length, length);
		assert_int_equal(got_version, version);
		assert_int_equal(((char *)got)[length], 0);
		pattern_check(got, length, 0, length);
		free(got);
	}
	memset(bytes, 0, length);
	count = far_get_into(sessions->other, key, key_length, bytes, length, 0, &size, &got_version);
	assert_int_equal(count, length);
	assert_int_equal(size, length);
	pattern_check(bytes, length, 0, length);
	if (length > 2) {
		count = far_get_into(sessions->other, key, key_length, bytes, length, length / 2 + 1, &size, NULL);
		assert_int_equal(count, length - length / 2 - 1);
		pattern_check(bytes, (size_t)count, length / 2 + 1, length);
	}
	free(bytes);
	assert_ok(far_delete(sessions->ours, key, key_length));
	assert_int_equal(far_get(sessions->other, key, key_length, &got, &got_length, NULL), -ENOENT);
}

static void test_round_trip__values_around_every_limit_come_back_as_they_were(void **state)
{
	static const uint64_t limits[] = {0, 1, 8, 64, FAR_INLINE_MAX, FAR_BLOCK_MAX, FAR_MESSAGE_SIZE_DEFAULT, 64 * KIB, FAR_GRANT_SIZE,
	        FAR_LANE_BUFFER / 4, FAR_LANE_BUFFER / 2 - FAR_PAGE_SIZE, FAR_LANE_BUFFER / 2, FAR_LANE_BUFFER,
	        FAR_GRANT_SIZE * FAR_GRANTS_PER_LANE + 5 * MIB};
	struct sessions *sessions = sessions_of(state);
	uint32_t eager_limit = statistics_of(sessions->ours).eager_limit;

	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		for (int by = limits[i] ? -1 : 0; by <= 1; by++)
			round_trip(sessions, "sizes/value", 11, limits[i] + (uint64_t)by);
	for (int by = -200; by <= 20; by += 10)
		round_trip(sessions, "sizes/value", 11, eager_limit + (uint64_t)by);
	assert_ok(delete_key(sessions->ours, "sizes"));
}

static void test_round_trip__long_keys_leave_less_room_for_eager_values(void **state)
{
	static const size_t lengths[] = {0, 1, 100, 3900, 4000, 4050, 4096, 4097, 5000, 8192, 100000};
	struct sessions *sessions = sessions_of(state);
	char key[FAR_KEY_MAX];

	memset(key, 'k', sizeof(key));
	for (size_t i = 255; i < sizeof(key); i += 256)
		key[i] = '/';
	assert_int_not_equal(key[sizeof(key) - 1], '/');
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		round_trip(sessions, key, sizeof(key), lengths[i]);
	key[255] = '\0';
	delete_tree(sessions->ours, key);
}

static void test_round_trip__a_hundred_mib(void **state)
{
	round_trip(sessions_of(state), "big", 3, fewer(100 * MIB) + 1);
}

static void test_put__replaces_by_values_of_other_sizes_and_raises_the_version(void **state)
{
	static const size_t lengths[] = {10, 3 * MIB, 0, 2000, 100, 6 * MIB, 5000, 900, 1 * MIB, 1};
	struct sessions *sessions = sessions_of(state);
	char *bytes = malloc(6 * MIB);
	uint64_t last = 0, version;

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint64_t size;

		pattern_fill(bytes, lengths[i], 0, i);
		assert_ok(far_put(sessions->ours, "replaced", 8, bytes, lengths[i], &version));
		assert_true(version > last);
		last = version;
		memset(bytes, 0, lengths[i]);
		assert_int_equal(far_get_into(sessions->other, "replaced", 8, bytes, 6 * MIB, 0, &size, &version), lengths[i]);
		assert_int_equal(version, last);
		assert_int_equal(size, lengths[i]);
		pattern_check(bytes, lengths[i], 0, i);
	}
	free(bytes);
	assert_ok(delete_key(sessions->ours, "replaced"));
}

static void test_get_into__ranges_are_cut_at_the_end(void **state)
{
	struct sessions *sessions = sessions_of(state);
	char bytes[32] = "................";
	uint64_t size;

	assert_ok(put_text(sessions->ours, "range", "0123456789"));
	for (int turn = 0; turn < 3; turn++) { // cold, then warm
		assert_int_equal(far_get_into(sessions->other, "range", 5, bytes, 4, 3, &size, NULL), 4);
		assert_memory_equal(bytes, "3456", 4);
		assert_int_equal(size, 10);
		assert_int_equal(far_get_into(sessions->other, "range", 5, bytes, sizeof(bytes), 8, NULL, NULL), 2);
		assert_memory_equal(bytes, "89", 2);
		assert_int_equal(far_get_into(sessions->other, "range", 5, bytes, sizeof(bytes), 10, &size, NULL), 0);
		assert_int_equal(far_get_into(sessions->other, "range", 5, bytes, sizeof(bytes), UINT64_MAX, &size, NULL), 0);
		assert_int_equal(far_get_into(sessions->other, "range", 5, bytes, 0, 0, &size, NULL), 0);
		assert_int_equal(size, 10);
	}
	assert_ok(delete_key(sessions->ours, "range"));
}

static void test_get_into__nothing_asked_for_still_tells_the_current_size_and_version(void **state)
{
	struct sessions *sessions = sessions_of(state);
	uint64_t size, version, put_version;

	assert_ok(put_text(sessions->ours, "probe", "abc"));
	assert_int_equal(far_get_into(sessions->other, "probe", 5, NULL, 0, 0, &size, NULL), 0);
	assert_ok(far_put(sessions->ours, "probe", 5, "abcde", 5, &put_version));
	assert_int_equal(far_get_into(sessions->other, "probe", 5, NULL, 0, 0, &size, &version), 0);
	assert_int_equal(size, 5);
	assert_int_equal(version, put_version);
	assert_ok(delete_key(sessions->ours, "probe"));
	assert_int_equal(far_get_into(sessions->other, "probe", 5, NULL, 0, 0, NULL, NULL), -ENOENT);
}

static void test_get__the_second_one_asks_nobody(void **state)
{
	static const size_t lengths[] = {0, 64, 1000, 4096, 8192, 65536, MIB, 9 * MIB};
	struct sessions *sessions = sessions_of(state);
	char *bytes = malloc(9 * MIB);

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct far_statistics before, after;

		pattern_fill(bytes, lengths[i], 0, i);
		assert_ok(far_put(sessions->ours, "warm", 4, bytes, lengths[i], NULL));
		assert_ok(far_get_into(sessions->other, "warm", 4, bytes, 9 * MIB, 0, NULL, NULL));
		before = statistics_of(sessions->other);
		memset(bytes, 0, lengths[i]);
		assert_int_equal(far_get_into(sessions->other, "warm", 4, bytes, 9 * MIB, 0, NULL, NULL), lengths[i]);
		after = statistics_of(sessions->other);
		pattern_check(bytes, lengths[i], 0, i);
		assert_int_equal(after.requests, before.requests);
		assert_int_equal(after.one_sided, before.one_sided + 1);
		assert_int_equal(after.bytes_read, before.bytes_read + lengths[i]);
	}
	free(bytes);
	assert_ok(delete_key(sessions->ours, "warm"));
}

static void test_get__the_first_one_after_an_own_put_asks_nobody(void **state)
{
	struct sessions *sessions = sessions_of(state);
	uint64_t requests;
	char byte;

	assert_ok(put_text(sessions->ours, "own", "x"));
	requests = statistics_of(sessions->ours).requests;
	assert_int_equal(far_get_into(sessions->ours, "own", 3, &byte, 1, 0, NULL, NULL), 1);
	assert_int_equal(statistics_of(sessions->ours).requests, requests);
	assert_ok(delete_key(sessions->ours, "own"));
}

static void test_get_into__ranges_of_one_value_soon_ask_nobody(void **state)
{
	struct sessions *sessions = sessions_of(state);
	char *bytes = malloc(5 * MIB);
	uint64_t random = 1, requests;

	pattern_fill(bytes, 5 * MIB, 0, 1);
	assert_ok(far_put(sessions->ours, "ranges", 6, bytes, 5 * MIB, NULL));
	requests = statistics_of(sessions->other).requests;
	for (int i = 0; i < 1000; i++) {
		uint64_t offset = test_random(&random) % (5 * MIB - 4096);

		assert_int_equal(far_get_into(sessions->other, "ranges", 6, bytes, 4096, offset, NULL, NULL), 4096);
		pattern_check(bytes, 4096, offset, 1);
	}
	assert_in_range(statistics_of(sessions->other).requests - requests, 1, 40);
	free(bytes);
	assert_ok(delete_key(sessions->ours, "ranges"));
}

static void test_get__sees_each_put_that_was_acknowledged_before(void **state)
{
	struct sessions *sessions = sessions_of(state);
	char text[16];

	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "%d", i);
		assert_ok(put_text(sessions->ours, "counter", text));
		expect_text(sessions->other, "counter", text);
	}
	assert_true(statistics_of(sessions->other).one_sided_retries > 0);
	assert_ok(delete_key(sessions->ours, "counter"));
	expect_absent(sessions->other, "counter");
}

static void test_get__without_a_cache_always_asks(void **state)
{
	struct far_options options = {.size = sizeof(options), .cache_entries = UINT64_MAX};
	struct sessions *sessions = sessions_of(state);
	far_session *session;
	uint64_t requests;

	assert_ok(far_connect(sessions->address, &options, &session));
	assert_ok(put_text(session, "uncached", "abc"));
	requests = statistics_of(session).requests;
	for (int i = 0; i < 5; i++)
		expect_text(session, "uncached", "abc");
	assert_int_equal(statistics_of(session).requests, requests + 5);
	assert_ok(delete_key(session, "uncached"));
	far_close(session);
}

static void test_get__more_values_than_the_cache_holds(void **state)
{
	struct far_options options = {.size = sizeof(options), .cache_entries = 16};
	struct sessions *sessions = sessions_of(state);
	far_session *session;
	char key[32];

	assert_ok(far_connect(sessions->address, &options, &session));
	for (int turn = 0; turn < 3; turn++) {
		for (int i = 0; i < 200; i++) {
			snprintf(key, sizeof(key), "many/%d", i);
			if (turn == 0)
				assert_ok(put_text(session, key, key));
			expect_text(session, key, key);
		}
	}
	far_close(session);
	delete_tree(sessions->ours, "many");
}

// --- versions ---

static void test_cas__stores_only_over_the_expected_version(void **state)
{
	struct sessions *sessions = sessions_of(state);
	uint64_t version = 99, current;

	assert_int_equal(far_cas(sessions->ours, "cas", 3, "a", 1, 7, &version), -ECANCELED);
	assert_int_equal(version, 0); // there is none
	assert_ok(far_cas(sessions->ours, "cas", 3, "a", 1, 0, &version));
	assert_int_equal(far_cas(sessions->other, "cas", 3, "b", 1, 0, &current), -ECANCELED);
	assert_int_equal(current, version);
	assert_ok(far_cas(sessions->other, "cas", 3, "b", 1, version, &current));
	assert_true(current > version);
	assert_int_equal(far_cas(sessions->ours, "cas", 3, "c", 1, version, NULL), -ECANCELED);
	expect_text(sessions->ours, "cas", "b");
	assert_ok(delete_key(sessions->ours, "cas"));
}

static void test_cas__large_values_too(void **state)
{
	static const size_t lengths[] = {100000, 3 * MIB, 20 * MIB}; // grants, more grants, upload
	struct sessions *sessions = sessions_of(state);
	char *bytes = calloc(1, 20 * MIB);
	uint64_t version, current;

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		assert_ok(far_put(sessions->ours, "cas", 3, "old", 3, &version));
		assert_int_equal(far_cas(sessions->other, "cas", 3, bytes, lengths[i], version + 1, &current), -ECANCELED);
		assert_int_equal(current, version);
		expect_text(sessions->other, "cas", "old");
		assert_ok(far_cas(sessions->other, "cas", 3, bytes, lengths[i], version, &current));
	}
	free(bytes);
	assert_ok(delete_key(sessions->ours, "cas"));
}

static void test_delete_version__deletes_only_the_expected_version(void **state)
{
	struct sessions *sessions = sessions_of(state);
	uint64_t version, current = 0;

	assert_ok(far_put(sessions->ours, "versioned", 9, "1", 1, &version));
	assert_int_equal(far_delete_version(sessions->other, "versioned", 9, version + 1, &current), -ECANCELED);
	assert_int_equal(current, version);
	assert_int_equal(far_delete_version(sessions->other, "versioned", 9, version + 1, NULL), -ECANCELED);
	expect_text(sessions->ours, "versioned", "1");
	assert_ok(far_delete_version(sessions->other, "versioned", 9, version, NULL));
	assert_int_equal(far_delete_version(sessions->other, "versioned", 9, version, NULL), -ENOENT);
	expect_absent(sessions->ours, "versioned");
}

// --- streams ---

struct stream {
	uint64_t length;
	uint64_t done;
	size_t step; // bytes of one read at most
	uint64_t fail_at;
};

static ssize_t stream_read(void *context, void *buffer, size_t length)
{
	struct stream *stream = context;
	uint64_t left = stream->length - stream->done;

	if (stream->fail_at && stream->done >= stream->fail_at)
		return -EREMOTEIO;
	if (length > stream->step)
		length = stream->step;
	if (length > left)
		length = left;
	pattern_fill(buffer, length, stream->done, 5);
	stream->done += length;
	return (ssize_t)length;
}

static void test_put_stream__stores_what_the_source_delivers(void **state)
{
	static const uint64_t lengths[] = {0, 1, 1000, 5000, MIB, 3 * MIB + 123, 17 * MIB};
	struct sessions *sessions = sessions_of(state);

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct stream stream = {.length = lengths[i], .step = 77777};
		void *got;
		size_t length;
		uint64_t version, got_version;

		assert_ok(far_put_stream(sessions->ours, "streams/s", 9, stream_read, &stream, &version));
		assert_ok(far_get(sessions->other, "streams/s", 9, &got, &length, &got_version));
		assert_int_equal(length, lengths[i]);
		assert_int_equal(got_version, version);
		pattern_check(got, length, 0, 5);
		free(got);
	}
	delete_tree(sessions->ours, "streams");
}

static void test_put_stream__a_source_that_fails_changes_nothing(void **state)
{
	struct sessions *sessions = sessions_of(state);
	struct stream stream = {.length = 9 * MIB, .step = 100000, .fail_at = 7 * MIB};
	struct far_space before;

	assert_ok(put_text(sessions->ours, "kept", "old"));
	assert_ok(far_space(sessions->ours, &before));
	assert_int_equal(far_put_stream(sessions->ours, "kept", 4, stream_read, &stream, NULL), -EREMOTEIO);
	stream.done = 0;
	assert_int_equal(far_put_stream(sessions->ours, "new/kept", 8, stream_read, &stream, NULL), -EREMOTEIO);
	expect_text(sessions->other, "kept", "old");
	expect_absent(sessions->other, "new/kept");
	expect_absent(sessions->other, "new");
	assert_true(free_bytes_become(sessions->other, before.free)); // without another call on the first lane
	assert_ok(delete_key(sessions->ours, "kept"));
}

static ssize_t call_back(void *context, void *buffer, size_t length)
{
	(void)buffer;
	(void)length;
	return far_ping(context);
}

static void test_put_stream__a_source_that_calls_its_own_session_gets_edeadlk(void **state)
{
	struct sessions *sessions = sessions_of(state);

	assert_int_equal(far_put_stream(sessions->ours, "knot", 4, call_back, sessions->ours, NULL), -EDEADLK);
	assert_ok(far_put_stream(sessions->ours, "knot", 4, call_back, sessions->other, NULL));
	assert_ok(delete_key(sessions->ours, "knot"));
}

// --- a full pool ---

static void test_put__a_full_pool_leaves_the_old_value_and_gives_the_space_back(void **state)
{
	struct sessions *sessions = sessions_of(state);
	struct stream stream = {.length = UINT64_MAX / 2, .step = MIB};
	struct far_space before, full;
	char *bytes = malloc(MIB);
	char key[32];
	int error = 0;
	int count;

	assert_ok(put_text(sessions->ours, "full/kept", "old"));
	assert_ok(far_space(sessions->ours, &before));
	assert_int_equal(far_put_stream(sessions->ours, "full/kept", 9, stream_read, &stream, NULL), -ENOSPC);
	assert_non_null(strstr(far_last_error(), "full/kept"));
	assert_true(free_bytes_become(sessions->other, before.free));
	memset(bytes, 'x', MIB);
	for (count = 0; error == 0; count++) {
		snprintf(key, sizeof(key), "full/%d", count);
		error = far_put(sessions->ours, key, strlen(key), bytes, MIB, NULL);
	}
	assert_int_equal(error, -ENOSPC);
	expect_absent(sessions->other, key);
	assert_ok(far_space(sessions->ours, &full));
	assert_in_range(full.free, 0, before.total / 20);
	assert_int_equal(far_put(sessions->ours, "full/kept", 9, bytes, MIB, NULL), -ENOSPC);
	assert_int_equal(far_cas(sessions->ours, "full/new", 8, bytes, MIB, 0, NULL), -ENOSPC);
	expect_text(sessions->other, "full/kept", "old");
	delete_tree(sessions->ours, "full");
	free(bytes);
}

static void test_stat__tells_of_values_and_directories(void **state)
{
	struct sessions *sessions = sessions_of(state);
	uint64_t version;
	struct far_stat stat;

	assert_ok(far_put(sessions->ours, "st/value", 8, "0123456789", 10, &version));
	assert_ok(far_stat(sessions->other, "st/value", 8, &stat));
	assert_int_equal(stat.size, 10);
	assert_int_equal(stat.version, version);
	assert_int_equal(stat.mode, S_IFREG | 0644);
	assert_int_equal(stat.nlink, 1);
	assert_true(stat.mtime_ns > 0 && stat.btime_ns > 0);
	assert_ok(far_stat(sessions->other, "st", 2, &stat));
	assert_true(S_ISDIR(stat.mode));
	assert_ok(far_stat(sessions->other, NULL, 0, &stat));
	assert_true(S_ISDIR(stat.mode));
	assert_int_equal(far_stat(sessions->other, "nothing", 7, &stat), -ENOENT);
	assert_int_equal(far_stat(sessions->other, "st/value/below", 14, &stat), -ENOTDIR);
	delete_tree(sessions->ours, "st");
}

const struct CMUnitTest libfar_values[] = {
        cmocka_unit_test(test_round_trip__values_around_every_limit_come_back_as_they_were),
        cmocka_unit_test(test_round_trip__long_keys_leave_less_room_for_eager_values),
        cmocka_unit_test(test_round_trip__a_hundred_mib),
        cmocka_unit_test(test_put__replaces_by_values_of_other_sizes_and_raises_the_version),
        cmocka_unit_test(test_get_into__ranges_are_cut_at_the_end),
        cmocka_unit_test(test_get_into__nothing_asked_for_still_tells_the_current_size_and_version),
        cmocka_unit_test(test_get__the_second_one_asks_nobody),
        cmocka_unit_test(test_get__the_first_one_after_an_own_put_asks_nobody),
        cmocka_unit_test(test_get_into__ranges_of_one_value_soon_ask_nobody),
        cmocka_unit_test(test_get__sees_each_put_that_was_acknowledged_before),
        cmocka_unit_test(test_get__without_a_cache_always_asks),
        cmocka_unit_test(test_get__more_values_than_the_cache_holds),
        cmocka_unit_test(test_cas__stores_only_over_the_expected_version),
        cmocka_unit_test(test_cas__large_values_too),
        cmocka_unit_test(test_delete_version__deletes_only_the_expected_version),
        cmocka_unit_test(test_put_stream__stores_what_the_source_delivers),
        cmocka_unit_test(test_put_stream__a_source_that_fails_changes_nothing),
        cmocka_unit_test(test_put_stream__a_source_that_calls_its_own_session_gets_edeadlk),
        cmocka_unit_test(test_put__a_full_pool_leaves_the_old_value_and_gives_the_space_back),
        cmocka_unit_test(test_stat__tells_of_values_and_directories),
};
const size_t libfar_values_count = sizeof(libfar_values) / sizeof(libfar_values[0]);
