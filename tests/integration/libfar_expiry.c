// Times to live by the public calls, by the real clock: nobody sees a key behind its deadline, not even who reads it without asking, and everybody sees it until then.
#include "tests/integration/libfar_testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "far/clock.h"

#define EXACT_NS 10000000U // the promise
#define PART ((size_t)100000)

static void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

// What other processes take of the processor between two looks at the clock is not the server's doing. (Where all is slow fewer() says so.)
static uint64_t slack_ns(void)
{
	return fewer(10) < 10 ? 500000000U : 30000000U;
}

static int put_ttl(far_session *session, const char *key, const void *value, size_t length, uint64_t ttl_ms, unsigned flags)
{
	struct far_put_options options = {.size = sizeof(options), .ttl_ms = ttl_ms, .flags = flags};

	return far_put_with(session, key, strlen(key), value, length, &options, NULL);
}

static int64_t ttl(far_session *session, const char *key)
{
	uint64_t ttl_ms;
	int error = far_ttl(session, key, strlen(key), &ttl_ms);

	return error ? error : (int64_t)ttl_ms;
}

static int expire(far_session *session, const char *key, uint64_t ttl_ms)
{
	return far_expire(session, key, strlen(key), ttl_ms);
}

// Reads the key over and over until it is gone. Checks that it was not gone before the deadline (`begin_ns`: before it was set), and was not seen after it (`end_ns`: behind that).
static void expect_gone_in_time(far_session *session, const char *key, uint64_t begin_ns, uint64_t end_ns, uint64_t ttl_ms)
{
	uint64_t seen_ns = 0, asked_ns = 0;
	char bytes[64];
	ssize_t got;

	do {
		seen_ns = asked_ns;
		asked_ns = clock_now_ns();
		got = far_get_into(session, key, strlen(key), bytes, sizeof(bytes), 0, NULL, NULL);
	} while (got >= 0);
	assert_int_equal(got, -ENOENT);
	assert_true(clock_now_ns() - begin_ns >= ttl_ms * 1000000U);
	// The last read that found it began before the deadline.
	assert_true(seen_ns <= end_ns + ttl_ms * 1000000U + EXACT_NS);
	assert_true(asked_ns <= end_ns + ttl_ms * 1000000U + EXACT_NS + slack_ns());
}

static void test_key_is_gone_at_its_deadline_for_who_stored_it_and_for_who_asks(void **state)
{
	struct sessions *sessions = *state;
	uint64_t begin = clock_now_ns(), end;

	assert_ok(put_ttl(sessions->ours, "k", "value", 5, 300, 0));
	end = clock_now_ns();
	expect_text(sessions->other, "k", "value");
	expect_gone_in_time(sessions->ours, "k", begin, end, 300);
	expect_absent(sessions->other, "k");
	assert_int_equal(ttl(sessions->ours, "k"), -ENOENT);
}

// The reader knows the location: it reads without asking, and must find out all the same.
static void test_reader_who_does_not_ask_sees_it_gone(void **state)
{
	struct sessions *sessions = *state;
	uint64_t begin = clock_now_ns(), end;
	struct far_statistics before, after;

	assert_ok(put_ttl(sessions->ours, "d/k", "value", 5, 300, 0));
	end = clock_now_ns();
	expect_text(sessions->other, "d/k", "value");
	before = statistics_of(sessions->other);
	expect_gone_in_time(sessions->other, "d/k", begin, end, 300);
	after = statistics_of(sessions->other);
	assert_true(after.one_sided - before.one_sided > (after.requests - before.requests) * 4);
	assert_ok(delete_key(sessions->ours, "d"));
}

// The location is older than the deadline.
static void test_deadline_set_later_counts_for_who_knew_the_key_before(void **state)
{
	struct sessions *sessions = *state;
	uint64_t begin, end;

	assert_ok(put_text(sessions->ours, "k", "value"));
	for (int i = 0; i < 3; i++)
		expect_text(sessions->other, "k", "value");
	begin = clock_now_ns();
	assert_ok(expire(sessions->ours, "k", 200));
	end = clock_now_ns();
	expect_gone_in_time(sessions->other, "k", begin, end, 200);
}

static void test_deadline_is_moved_and_taken_away(void **state)
{
	struct sessions *sessions = *state;

	assert_ok(put_ttl(sessions->ours, "k", "value", 5, 200, 0));
	expect_text(sessions->other, "k", "value");
	assert_ok(expire(sessions->ours, "k", 60000));
	assert_in_range(ttl(sessions->other, "k"), 50000, 60000);
	sleep_ms(300);
	expect_text(sessions->other, "k", "value");
	assert_ok(expire(sessions->ours, "k", 200));
	assert_ok(far_persist(sessions->other, "k", 1));
	assert_int_equal(far_persist(sessions->other, "k", 1), -ENODATA);
	sleep_ms(300);
	expect_text(sessions->other, "k", "value");
	assert_int_equal(ttl(sessions->ours, "k"), -ENODATA);
	assert_ok(delete_key(sessions->ours, "k"));
}

static void test_put_ends_it_or_keeps_it(void **state)
{
	struct sessions *sessions = *state;

	assert_ok(put_ttl(sessions->ours, "k", "value", 5, 60000, 0));
	assert_ok(put_ttl(sessions->ours, "k", "other", 5, 0, FAR_KEEP_TTL));
	assert_in_range(ttl(sessions->ours, "k"), 50000, 60000);
	assert_ok(put_text(sessions->ours, "k", "plain"));
	assert_int_equal(ttl(sessions->ours, "k"), -ENODATA);
	assert_ok(delete_key(sessions->ours, "k"));
}

static ssize_t read_pattern(void *context, void *buffer, size_t length)
{
	size_t *done = context;
	size_t step = length < PART ? length : PART;

	if (*done >= PART * 60)
		return 0;
	pattern_fill(buffer, step, *done, 5);
	*done += step;
	return (ssize_t)step;
}

// In each way that a value can travel.
static void test_values_of_all_sizes_have_it(void **state)
{
	static const size_t sizes[] = {0, 5, 1000, 4000, 8100, 8200, 300000, 6000000};
	struct far_put_options options = {.size = sizeof(options), .ttl_ms = 60000};
	struct sessions *sessions = *state;
	char *bytes = malloc(6000000);
	size_t done = 0;

	assert_non_null(bytes);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		pattern_fill(bytes, sizes[i], 0, i);
		assert_ok(put_ttl(sessions->ours, "k", bytes, sizes[i], 60000, 0));
		assert_in_range(ttl(sessions->ours, "k"), 30000, 60000);
		memset(bytes, 0, sizes[i]);
		assert_int_equal(far_get_into(sessions->other, "k", 1, bytes, 6000000, 0, NULL, NULL), sizes[i]);
		pattern_check(bytes, sizes[i], 0, i);
		assert_ok(put_text(sessions->ours, "k", "plain"));
	}
	assert_ok(far_put_stream_with(sessions->ours, "k", 1, read_pattern, &done, &options, NULL));
	assert_in_range(ttl(sessions->ours, "k"), 30000, 60000);
	free(bytes);
	assert_ok(delete_key(sessions->ours, "k"));
}

// What a lock that ends by itself is made of.
static void test_only_one_stores_under_a_name_that_is_over(void **state)
{
	struct far_put_options options = {.size = sizeof(options), .ttl_ms = 150, .flags = FAR_IF_VERSION};
	struct sessions *sessions = *state;
	uint64_t stored = 0, version = 77;

	assert_ok(far_put_with(sessions->ours, "lock", 4, "ours", 4, &options, &stored));
	assert_int_equal(far_put_with(sessions->other, "lock", 4, "other", 5, &options, &version), -ECANCELED);
	assert_int_equal(version, stored);
	sleep_ms(160);
	assert_ok(far_put_with(sessions->other, "lock", 4, "other", 5, &options, NULL));
	assert_int_equal(far_put_with(sessions->ours, "lock", 4, "ours", 4, &options, NULL), -ECANCELED);
	assert_ok(delete_key(sessions->ours, "lock"));
}

static void test_what_cannot_be_is_refused_with_a_text(void **state)
{
	struct sessions *sessions = *state;
	far_session *ours = sessions->ours;

	assert_ok(put_text(ours, "d/k", "value"));
	assert_int_equal(expire(ours, "d/k", 0), -EINVAL);
	assert_non_null(strstr(far_last_error(), "time to live of 0 ms"));
	assert_int_equal(expire(ours, "d/k", (uint64_t)-1), -EINVAL);
	assert_int_equal(expire(ours, "d/k", 3155760000001), -EINVAL);
	assert_int_equal(put_ttl(ours, "d/k", "new", 3, UINT64_MAX, 0), -EINVAL);
	assert_int_equal(put_ttl(ours, "d/k", "new", 3, 5, FAR_KEEP_TTL), -EINVAL);
	assert_int_equal(put_ttl(ours, "d/k", "new", 3, 0, 1U << 20), -EINVAL);
	assert_int_equal(expire(ours, "d", 5), -EISDIR);
	assert_int_equal(expire(ours, "none", 5), -ENOENT);
	assert_int_equal(ttl(ours, "d/k"), -ENODATA);
	assert_non_null(strstr(far_last_error(), "no time to live"));
	expect_text(ours, "d/k", "value");
	delete_tree(ours, "d");
}

static void name_one_of_many(char *key, size_t room, size_t number)
{
	snprintf(key, room, "%s/%zu", number % 2 ? "more" : "many", number);
}

// The sweep takes a while; who asks need not wait for it, and a directory of which all is over can be removed at once, by a queue as well.
static void test_many_are_gone_at_once(void **state)
{
	struct sessions *sessions = *state;
	size_t count = 0;
	uint64_t begin = clock_now_ns(), latest = 0; // the deadline that is over last: a put may have waited before it was carried out
	struct far_completion completion;
	far_queue *queue;
	char key[32];

	for (; count < fewer(3000); count++) {
		uint64_t passed_ms = (clock_now_ns() - begin) / 1000000U;

		name_one_of_many(key, sizeof(key), count);
		if (passed_ms >= 5000)
			break; // on a slow machine fewer will do
		assert_ok(put_ttl(sessions->ours, key, "value", 5, 6000 - passed_ms, 0));
		if (clock_now_ns() + (6000 - passed_ms) * 1000000U > latest)
			latest = clock_now_ns() + (6000 - passed_ms) * 1000000U;
	}
	assert_in_range(count, 10, 3000);
	while (clock_now_ns() < latest + EXACT_NS)
		sleep_ms(1);
	expect_absent(sessions->other, "many/0");
	name_one_of_many(key, sizeof(key), count - 1);
	expect_absent(sessions->ours, key);
	assert_ok(far_queue_new(sessions->ours, 1, &queue));
	assert_ok(far_queue_delete(queue, "more", 4, NULL));
	assert_int_equal(far_queue_wait(queue, &completion, 1, 60000), 1);
	assert_int_equal(completion.result, 0);
	far_queue_free(queue);
	assert_ok(delete_key(sessions->ours, "many"));
}

const struct CMUnitTest libfar_expiry[] = {
        cmocka_unit_test(test_key_is_gone_at_its_deadline_for_who_stored_it_and_for_who_asks),
        cmocka_unit_test(test_reader_who_does_not_ask_sees_it_gone),
        cmocka_unit_test(test_deadline_set_later_counts_for_who_knew_the_key_before),
        cmocka_unit_test(test_deadline_is_moved_and_taken_away),
        cmocka_unit_test(test_put_ends_it_or_keeps_it),
        cmocka_unit_test(test_values_of_all_sizes_have_it),
        cmocka_unit_test(test_only_one_stores_under_a_name_that_is_over),
        cmocka_unit_test(test_what_cannot_be_is_refused_with_a_text),
        cmocka_unit_test(test_many_are_gone_at_once),
};
const size_t libfar_expiry_count = sizeof(libfar_expiry) / sizeof(libfar_expiry[0]);
