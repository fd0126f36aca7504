// Many threads on one session, and values that change while they are read: nothing is lost, nothing is a mix.
#include "tests/integration/libfar_testing.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 8

struct job {
	far_session *session;
	int number;
	size_t length;
	_Atomic bool *stop;
	int failures; // cmocka's assertions are the main thread's: others count
};

static int run(void *(*body)(void *), struct job *jobs, int count)
{
	pthread_t threads[64];
	int failures = 0;

	for (int i = 0; i < count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, body, &jobs[i]), 0);
	for (int i = 0; i < count; i++) {
		pthread_join(threads[i], NULL);
		failures += jobs[i].failures;
	}
	return failures;
}

static void *work_on_own_keys(void *argument)
{
	static const size_t lengths[] = {0, 50, 2000, 9000, 300000};
	int rounds = 15 + (int)fewer(200);
	struct job *job = argument;
	char *bytes = malloc(300000);
	char key[64];

	for (int i = 0; i < rounds; i++) {
		size_t length = lengths[i % 5];
		size_t got_length;
		void *got;
		int key_length = snprintf(key, sizeof(key), "threads/%d/%d", job->number, i % 7);

		memset(bytes, i, length);
		if (far_put(job->session, key, (size_t)key_length, bytes, length, NULL) ||
		        far_get(job->session, key, (size_t)key_length, &got, &got_length, NULL)) {
			job->failures++;
			continue;
		}
		job->failures += got_length != length || memcmp(got, bytes, length) != 0;
		free(got);
	}
	free(bytes);
	return NULL;
}

static void test_threads__each_has_a_lane_and_keeps_its_values(void **state)
{
	struct sessions *sessions = *state;
	struct job jobs[THREADS];

	for (int i = 0; i < THREADS; i++)
		jobs[i] = (struct job){.session = sessions->ours, .number = i};
	assert_int_equal(run(work_on_own_keys, jobs, THREADS), 0);
	assert_in_range(statistics_of(sessions->ours).lanes, 2, THREADS + 1);
	assert_int_equal(run(work_on_own_keys, jobs, THREADS), 0); // new threads take the lanes that the first ones left
	assert_in_range(statistics_of(sessions->ours).lanes, 2, THREADS + 1);
	delete_tree(sessions->ours, "threads");
}

static void test_threads__more_than_lanes_share_them(void **state)
{
	struct far_options options = {.size = sizeof(options), .lanes = 2, .name = "two lanes"};
	struct sessions *sessions = *state;
	struct job jobs[THREADS];
	far_session *session;

	assert_ok(far_connect(sessions->address, &options, &session));
	for (int i = 0; i < THREADS; i++)
		jobs[i] = (struct job){.session = session, .number = i};
	assert_int_equal(run(work_on_own_keys, jobs, THREADS), 0);
	assert_int_equal(statistics_of(session).lanes, 2);
	far_close(session);
	delete_tree(sessions->ours, "threads");
}

static void *work_on_sessions_in_turn(void *argument)
{
	struct job *job = argument;
	far_session *sessions[12];
	char byte;

	// More sessions than a thread remembers lanes of; closed in between, so that what is remembered gets void.
	for (int turn = 0; turn < 3; turn++) {
		for (int i = 0; i < 12; i++)
			job->failures += far_connect(getenv("FARFS_TEST_ADDRESS"), NULL, &sessions[i]) != 0;
		for (int i = 0; i < 36 && job->failures == 0; i++)
			job->failures += far_get_into(sessions[i % 12], "in-turn", 7, &byte, 1, 0, NULL, NULL) != 1;
		for (int i = 0; i < 12 && job->failures == 0; i++)
			far_close(sessions[i]);
	}
	return NULL;
}

static void test_threads__use_many_sessions_in_turn(void **state)
{
	struct sessions *sessions = *state;
	struct job jobs[2] = {0};

	assert_ok(put_text(sessions->ours, "in-turn", "x"));
	assert_int_equal(run(work_on_sessions_in_turn, jobs, 2), 0);
	assert_ok(delete_key(sessions->ours, "in-turn"));
}

static void *count_up(void *argument)
{
	struct job *job = argument;

	for (int done = 0; done < 100 && job->failures == 0;) {
		uint64_t number = 0, version = 0;
		ssize_t got = far_get_into(job->session, "sum", 3, &number, sizeof(number), 0, NULL, &version);
		int error;

		if (got != sizeof(number)) {
			job->failures++;
			break;
		}
		number++;
		error = far_cas(job->session, "sum", 3, &number, sizeof(number), version, NULL);
		done += error == 0;
		job->failures += error != 0 && error != -ECANCELED;
	}
	return NULL;
}

static void test_cas__counts_of_many_threads_and_sessions_add_up(void **state)
{
	struct sessions *sessions = *state;
	struct job jobs[THREADS];
	uint64_t number = 0;

	assert_ok(far_put(sessions->ours, "sum", 3, &number, sizeof(number), NULL));
	for (int i = 0; i < THREADS; i++)
		jobs[i] = (struct job){.session = i % 2 ? sessions->ours : sessions->other};
	assert_int_equal(run(count_up, jobs, THREADS), 0);
	assert_int_equal(far_get_into(sessions->ours, "sum", 3, &number, sizeof(number), 0, NULL, NULL), sizeof(number));
	assert_int_equal(number, 100 * THREADS);
	assert_ok(delete_key(sessions->ours, "sum"));
}

// --- no mixes ---

// Every byte of a value is the same, and its length tells which: length = base + byte.
static void *read_whole(void *argument)
{
	struct job *job = argument;
	uint64_t last_version = 0;

	while (!atomic_load_explicit(job->stop, memory_order_relaxed)) {
		size_t length;
		uint64_t version;
		void *got;

		if (far_get(job->session, "mix", 3, &got, &length, &version)) {
			fprintf(stderr, "%s\n", far_last_error());
			job->failures++;
			break;
		}
		for (size_t i = 0; i < length; i++)
			if (((unsigned char *)got)[i] != length - job->length) {
				fprintf(stderr, "byte %zu of %zu is of another value\n", i, length);
				job->failures++;
				break;
			}
		job->failures += version < last_version; // time does not run backwards
		last_version = version;
		free(got);
	}
	return NULL;
}

static void *replace(void *argument)
{
	struct job *job = argument;
	size_t rounds = fewer(job->length < 1000000 ? 300 : 50);
	unsigned char *bytes = malloc(job->length + 256);

	for (unsigned i = 0; i < rounds; i++) {
		unsigned char byte = (unsigned char)(i * 7 + (unsigned)job->number);

		memset(bytes, byte, job->length + byte);
		job->failures += far_put(job->session, "mix", 3, bytes, job->length + byte, NULL) != 0;
	}
	free(bytes);
	return NULL;
}

static void read_while_replaced(struct sessions *sessions, size_t length)
{
	_Atomic bool stop = false;
	struct job readers[4], writers[2];
	pthread_t threads[4];
	int failures = 0;

	writers[0] = (struct job){.session = sessions->ours, .length = length, .number = 0};
	writers[1] = (struct job){.session = sessions->other, .length = length, .number = 100};
	replace(&writers[0]);
	for (int i = 0; i < 4; i++) {
		readers[i] = (struct job){.session = i % 2 ? sessions->ours : sessions->other, .length = length, .stop = &stop};
		assert_int_equal(pthread_create(&threads[i], NULL, read_whole, &readers[i]), 0);
	}
	failures = run(replace, writers, 2);
	atomic_store_explicit(&stop, true, memory_order_relaxed);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		failures += readers[i].failures;
	}
	assert_int_equal(failures, 0);
	assert_ok(delete_key(sessions->ours, "mix"));
}

static void test_get__is_never_a_mix_of_inline_values(void **state)
{
	read_while_replaced(*state, 64);
}

static void test_get__is_never_a_mix_of_block_values(void **state)
{
	read_while_replaced(*state, 3000);
}

static void test_get__is_never_a_mix_of_granted_values(void **state)
{
	read_while_replaced(*state, 100000);
}

static void test_get__is_never_a_mix_of_uploaded_values(void **state)
{
	read_while_replaced(*state, 6000000);
}

const struct CMUnitTest libfar_threads[] = {
        cmocka_unit_test(test_threads__each_has_a_lane_and_keeps_its_values),
        cmocka_unit_test(test_threads__more_than_lanes_share_them),
        cmocka_unit_test(test_threads__use_many_sessions_in_turn),
        cmocka_unit_test(test_cas__counts_of_many_threads_and_sessions_add_up),
        cmocka_unit_test(test_get__is_never_a_mix_of_inline_values),
        cmocka_unit_test(test_get__is_never_a_mix_of_block_values),
        cmocka_unit_test(test_get__is_never_a_mix_of_granted_values),
        cmocka_unit_test(test_get__is_never_a_mix_of_uploaded_values),
};
const size_t libfar_threads_count = sizeof(libfar_threads) / sizeof(libfar_threads[0]);
