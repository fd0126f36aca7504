// Many keys in one call: each item has its own result, however the values travel, and the round trips are the batch's, not the keys'.
#include "tests/integration/libfar_testing.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS 100
#define ROOM 100

struct batch {
	struct far_get_item gets[KEYS];
	struct far_put_item puts[KEYS];
	char keys[KEYS][16];
	char values[KEYS][ROOM];
	char rooms[KEYS][ROOM];
};

// Keys of a directory and values of 64 bytes, for both calls.
static struct batch *batch_new(unsigned seed)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	assert_non_null(batch);
	for (size_t i = 0; i < KEYS; i++) {
		snprintf(batch->keys[i], sizeof(batch->keys[i]), "many/%zu", i);
		pattern_fill(batch->values[i], 64, 0, seed + i);
		batch->puts[i] = (struct far_put_item){
		        .key = batch->keys[i], .key_length = strlen(batch->keys[i]), .value = batch->values[i], .length = 64};
		batch->gets[i] = (struct far_get_item){
		        .key = batch->keys[i], .key_length = strlen(batch->keys[i]), .buffer = batch->rooms[i], .room = ROOM};
	}
	return batch;
}

static void expect_all(struct batch *batch, far_session *session, unsigned seed)
{
	memset(batch->rooms, 0, sizeof(batch->rooms));
	assert_int_equal(far_get_many(session, batch->gets, KEYS), KEYS);
	for (size_t i = 0; i < KEYS; i++) {
		assert_int_equal(batch->gets[i].result, 0);
		assert_int_equal(batch->gets[i].size, 64);
		assert_int_equal(batch->gets[i].version, batch->puts[i].version);
		pattern_check(batch->rooms[i], 64, 0, seed + i);
	}
}

static void test_many_small_ones_take_few_messages(void **state)
{
	struct sessions *sessions = *state;
	struct batch *batch = batch_new(0);
	struct far_statistics before, after;

	before = statistics_of(sessions->ours);
	assert_int_equal(far_put_many(sessions->ours, batch->puts, KEYS), KEYS);
	after = statistics_of(sessions->ours);
	assert_in_range(after.requests - before.requests, 1, 3);
	for (size_t i = 0; i < KEYS; i++)
		assert_int_equal(batch->puts[i].version, batch->puts[0].version);
	// Another session knows nothing of them.
	before = statistics_of(sessions->other);
	expect_all(batch, sessions->other, 0);
	after = statistics_of(sessions->other);
	assert_in_range(after.requests - before.requests, 1, 4);
	// By now it does, and where that takes nothing of the server it does not ask.
	before = after;
	expect_all(batch, sessions->other, 0);
	after = statistics_of(sessions->other);
	assert_in_range(after.requests - before.requests, 0, strcmp(after.provider, "tcp") == 0 ? 4 : 0);
	free(batch);
	delete_tree(sessions->ours, "many");
}

static void test_what_is_remembered_and_changed_is_seen_as_it_is(void **state)
{
	struct sessions *sessions = *state;
	struct batch *batch = batch_new(0);

	assert_int_equal(far_put_many(sessions->ours, batch->puts, KEYS), KEYS);
	expect_all(batch, sessions->other, 0);
	free(batch);
	batch = batch_new(500);
	assert_int_equal(far_put_many(sessions->ours, batch->puts, KEYS), KEYS);
	expect_all(batch, sessions->other, 500);
	expect_all(batch, sessions->ours, 500);
	free(batch);
	delete_tree(sessions->ours, "many");
}

static void test_bad_key_does_not_spoil_the_others(void **state)
{
	struct far_put_options absent = {.size = sizeof(absent), .flags = FAR_IF_VERSION};
	struct far_put_options wrong = {.size = sizeof(wrong), .flags = 1U << 20};
	struct sessions *sessions = *state;
	struct batch *batch = batch_new(0);
	uint64_t version = 0;

	assert_ok(far_put(sessions->ours, "many/7", 6, "there", 5, &version));
	batch->puts[3].key = "a//b";
	batch->puts[3].key_length = 4;
	batch->puts[5].key_length = 0;
	batch->puts[7].options = &absent;
	batch->puts[9].options = &wrong;
	batch->puts[11].key = "many";
	batch->puts[11].key_length = 4;
	batch->puts[13].key = "many/12/below";
	batch->puts[13].key_length = 13;
	assert_int_equal(far_put_many(sessions->ours, batch->puts, KEYS), KEYS - 6);
	assert_int_equal(batch->puts[3].result, -EINVAL);
	assert_int_equal(batch->puts[5].result, -EINVAL);
	assert_int_equal(batch->puts[7].result, -ECANCELED);
	assert_int_equal(batch->puts[7].version, version);
	assert_int_equal(batch->puts[9].result, -EINVAL);
	assert_int_equal(batch->puts[11].result, -EISDIR);
	assert_int_equal(batch->puts[13].result, -ENOTDIR);
	batch->gets[20].key_length = 0;
	batch->gets[21].buffer = NULL;
	assert_int_equal(far_get_many(sessions->other, batch->gets, KEYS), KEYS - 7);
	assert_int_equal(batch->gets[3].result, -ENOENT);
	assert_int_equal(batch->gets[7].size, 5);
	assert_int_equal(batch->gets[20].result, -EINVAL);
	assert_int_equal(batch->gets[21].result, -EINVAL);
	pattern_check(batch->rooms[99], 64, 0, 99);
	free(batch);
	delete_tree(sessions->ours, "many");
}

// Sizes of every way of storing and travelling, small between large, and buffers that are too small.
static void test_values_of_all_sizes_go_together(void **state)
{
	static const size_t sizes[] = {0, 1, 64, 1000, 1500, 4096, 5000, 8100, 9000, 70000, 700000, 1500000, 3, 3000000, 6000000, 10};
	enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
	struct sessions *sessions = *state;
	struct far_put_item puts[COUNT] = {0};
	struct far_get_item gets[COUNT] = {0};
	char keys[COUNT][16];

	for (size_t i = 0; i < COUNT; i++) {
		char *value = malloc(sizes[i] + 1);

		assert_non_null(value);
		pattern_fill(value, sizes[i], 0, i);
		snprintf(keys[i], sizeof(keys[i]), "many/%zu", i);
		puts[i] = (struct far_put_item){.key = keys[i], .key_length = strlen(keys[i]), .value = value, .length = sizes[i]};
		gets[i] = (struct far_get_item){.key = keys[i], .key_length = strlen(keys[i]), .room = sizes[i] + 1};
		gets[i].buffer = malloc(sizes[i] + 1);
		assert_non_null(gets[i].buffer);
	}
	for (int round = 0; round < 2; round++) {
		assert_int_equal(far_put_many(sessions->ours, puts, COUNT), COUNT);
		for (int warm = 0; warm < 2; warm++) {
			assert_int_equal(far_get_many(sessions->other, gets, COUNT), COUNT);
			for (size_t i = 0; i < COUNT; i++) {
				assert_int_equal(gets[i].size, sizes[i]);
				pattern_check(gets[i].buffer, sizes[i], 0, i);
				memset(gets[i].buffer, 0, sizes[i]);
			}
		}
	}
	for (size_t i = 0; i < COUNT; i++)
		gets[i].room = sizes[i] / 2;
	assert_int_equal(far_get_many(sessions->other, gets, COUNT), COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(gets[i].size, sizes[i]);
		pattern_check(gets[i].buffer, sizes[i] / 2, 0, i);
		free(gets[i].buffer);
		free((void *)(uintptr_t)puts[i].value);
	}
	delete_tree(sessions->ours, "many");
}

static void test_same_key_twice_is_put_in_order(void **state)
{
	struct sessions *sessions = *state;
	struct far_put_item puts[3];

	for (size_t i = 0; i < 3; i++)
		puts[i] = (struct far_put_item){.key = "twice", .key_length = 5, .value = &"abc"[i], .length = 1};
	assert_int_equal(far_put_many(sessions->ours, puts, 3), 3);
	assert_int_equal(puts[2].version, puts[0].version + 2);
	expect_text(sessions->other, "twice", "c");
	assert_int_equal(far_put_many(sessions->ours, puts, 0), 0);
	assert_int_equal(far_get_many(sessions->ours, NULL, 0), 0);
	assert_ok(delete_key(sessions->ours, "twice"));
}

static void test_time_to_live_is_the_items_own(void **state)
{
	struct far_put_options options = {.size = sizeof(options), .ttl_ms = 60000};
	struct sessions *sessions = *state;
	struct far_put_item puts[2];
	uint64_t ttl_ms;

	puts[0] = (struct far_put_item){.key = "x", .key_length = 1, .value = "v", .length = 1, .options = &options};
	puts[1] = (struct far_put_item){.key = "y", .key_length = 1, .value = "v", .length = 1};
	assert_int_equal(far_put_many(sessions->ours, puts, 2), 2);
	assert_ok(far_ttl(sessions->ours, "x", 1, &ttl_ms));
	assert_in_range(ttl_ms, 30000, 60000);
	assert_int_equal(far_ttl(sessions->ours, "y", 1, &ttl_ms), -ENODATA);
	assert_ok(delete_key(sessions->ours, "x"));
	assert_ok(delete_key(sessions->ours, "y"));
}

#define WRITES 300

struct writer {
	struct sessions *sessions;
	_Atomic int failed;
};

// Each batch gives all its keys values of one seed, which no single value may mix with another's.
static void *write_batches(void *argument)
{
	struct writer *writer = argument;
	struct batch *batch = batch_new(0);

	for (size_t seed = 0; seed < fewer(WRITES) && !writer->failed; seed++) {
		for (size_t i = 0; i < KEYS; i++)
			pattern_fill(batch->values[i], 64, 0, seed);
		writer->failed = far_put_many(writer->sessions->ours, batch->puts, KEYS) != KEYS;
	}
	free(batch);
	return NULL;
}

static void test_values_are_whole_while_they_change(void **state)
{
	struct writer writer = {*state, 0};
	struct batch *batch = batch_new(0);
	pthread_t thread;
	uint64_t version = 0;

	for (size_t i = 0; i < KEYS; i++)
		pattern_fill(batch->values[i], 64, 0, 0);
	assert_int_equal(far_put_many(writer.sessions->other, batch->puts, KEYS), KEYS);
	assert_int_equal(pthread_create(&thread, NULL, write_batches, &writer), 0);
	while (version < batch->puts[0].version + fewer(WRITES) && !writer.failed) {
		assert_int_equal(far_get_many(writer.sessions->other, batch->gets, KEYS), KEYS);
		for (size_t i = 0; i < KEYS; i++) {
			uint64_t changes = batch->gets[i].version - batch->puts[i].version;
			uint64_t seed = changes > 0 ? changes - 1 : 0;

			pattern_check(batch->rooms[i], 64, 0, seed);
		}
		assert_true(batch->gets[0].version >= version);
		version = batch->gets[0].version;
	}
	pthread_join(thread, NULL);
	assert_false(writer.failed);
	free(batch);
	delete_tree(writer.sessions->ours, "many");
}

const struct CMUnitTest libfar_many[] = {
        cmocka_unit_test(test_many_small_ones_take_few_messages),
        cmocka_unit_test(test_what_is_remembered_and_changed_is_seen_as_it_is),
        cmocka_unit_test(test_bad_key_does_not_spoil_the_others),
        cmocka_unit_test(test_values_of_all_sizes_go_together),
        cmocka_unit_test(test_same_key_twice_is_put_in_order),
        cmocka_unit_test(test_time_to_live_is_the_items_own),
        cmocka_unit_test(test_values_are_whole_while_they_change),
};
const size_t libfar_many_count = sizeof(libfar_many) / sizeof(libfar_many[0]);
