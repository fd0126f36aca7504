#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/locate.h"

#define POOL (64ULL << 20)
#define KEY_ENTRIES 16

static struct far_session session = {.seed = {42, 43}};
static struct far_lane lane = {.session = &session, .pool_length = POOL};

static int set_up(void **state)
{
	(void)state;
	return locate_new(KEY_ENTRIES, &lane.keys, &lane.files);
}

static int tear_down(void **state)
{
	(void)state;
	locate_free(lane.keys, lane.files);
	return 0;
}

static struct locate_hash hash_of(const char *key)
{
	return locate_hash_key(&lane, key, strlen(key));
}

static struct located some(uint64_t id, uint64_t size, const struct far_wire_extent *extents, uint32_t count)
{
	return (struct located){.id = id,
	        .record = 4096,
	        .word = 257,
	        .version = 1,
	        .epoch = 1,
	        .size = size,
	        .end = size,
	        .extents = extents,
	        .count = count};
}

static const struct far_wire_extent one_extent[] = {{0, 8192, 4096}};

// --- what a reply says ---

static const struct far_location good = {.id = 7, .record = 4096, .word = 257, .version = 1, .size = 12288, .extents = 2};
static const struct far_wire_extent good_extents[] = {{0, 8192, 4096}, {8192, 65536, 4096}};

static void test_take__tells_about_the_whole_value_or_up_to_the_last_extent(void **state)
{
	struct far_location location = good;
	struct located located;

	(void)state;
	assert_true(locate_take(&lane, &location, good_extents, 0, &located));
	assert_int_equal(located.begin, 0);
	assert_int_equal(located.end, 12288);
	location.size = 1 << 20;
	location.flags = FAR_LOCATION_PARTIAL;
	assert_true(locate_take(&lane, &location, good_extents, 4096, &located));
	assert_int_equal(located.begin, 4096);
	assert_int_equal(located.end, 12288);
	location.extents = 0;
	assert_true(locate_take(&lane, &location, NULL, 4096, &located));
	assert_int_equal(located.end, 4096); // nothing at all
}

static void test_take__refuses_what_would_lead_out_of_the_pool(void **state)
{
	static const struct far_wire_extent bad[][2] = {
	        {{0, POOL, 4096}, {8192, 65536, 4096}},
	        {{0, POOL - 4095, 4096}, {8192, 65536, 4096}},
	        {{0, UINT64_MAX - 100, 4096}, {8192, 65536, 4096}},
	        {{0, 8192, POOL}, {POOL, 65536, 4096}},
	        {{0, 8192, UINT64_MAX}, {8192, 65536, 4096}},
	        {{0, 8192, 4096}, {4095, 65536, 4096}}, // out of order
	        {{0, 8192, 4096}, {UINT64_MAX - 4000, 65536, 4096}},
	        {{0, 8192, 0}, {8192, 65536, 4096}},
	};
	static const uint64_t bad_records[] = {0, 4097, POOL, POOL - 112, UINT64_MAX - 15};
	struct located located;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(locate_take(&lane, &good, bad[i], 0, &located));
	for (unsigned i = 0; i < sizeof(bad_records) / sizeof(bad_records[0]); i++) {
		struct far_location location = good;

		location.record = bad_records[i];
		assert_false(locate_take(&lane, &location, good_extents, 0, &located));
	}
}

static void test_take__refuses_sizes_that_no_value_has(void **state)
{
	struct far_location location = good;
	struct located located;

	(void)state;
	location.size = UINT64_MAX;
	assert_false(locate_take(&lane, &location, good_extents, 0, &located));
}

// --- by key ---

static void test_keys__what_was_added_is_found_until_it_is_dropped(void **state)
{
	struct located located = some(7, 4096, one_extent, 1);
	const struct located *found;

	(void)state;
	assert_null(locate_find_key(&lane, hash_of("a")));
	locate_add_key(&lane, hash_of("a"), &located);
	found = locate_find_key(&lane, hash_of("a"));
	assert_non_null(found);
	assert_int_equal(found->id, 7);
	assert_ptr_not_equal(found->extents, one_extent); // a copy of its own
	assert_int_equal(found->extents[0].pool_offset, 8192);
	assert_null(locate_find_key(&lane, hash_of("b")));
	locate_drop_key(&lane, hash_of("a"));
	assert_null(locate_find_key(&lane, hash_of("a")));
}

static void test_keys__a_later_word_replaces_an_earlier_one(void **state)
{
	struct located located = some(7, 4096, one_extent, 1);

	(void)state;
	locate_add_key(&lane, hash_of("a"), &located);
	located.word = 513;
	located.size = located.end = 100;
	locate_add_key(&lane, hash_of("a"), &located);
	assert_int_equal(locate_find_key(&lane, hash_of("a"))->word, 513);
	assert_int_equal(locate_find_key(&lane, hash_of("a"))->size, 100);
}

static void test_keys__a_part_does_not_replace_the_whole_but_brings_its_version(void **state)
{
	struct located located = some(7, 4096, one_extent, 1);

	(void)state;
	locate_add_key(&lane, hash_of("a"), &located);
	located.begin = 2048;
	located.version = 2;
	locate_add_key(&lane, hash_of("a"), &located);
	assert_int_equal(locate_find_key(&lane, hash_of("a"))->begin, 0);
	assert_int_equal(locate_find_key(&lane, hash_of("a"))->version, 2);
}

static void test_keys__ranges_are_found_only_within_what_is_known(void **state)
{
	struct located located = some(7, 4096, one_extent, 1);
	const struct located *key;

	(void)state;
	located.begin = 1000;
	located.end = 3000;
	locate_add_key(&lane, hash_of("a"), &located);
	key = locate_find_key(&lane, hash_of("a"));
	assert_ptr_equal(locate_find_range(&lane, key, 1000, 2000), key);
	assert_ptr_equal(locate_find_range(&lane, key, 0, 0), key);
	assert_null(locate_find_range(&lane, key, 999, 10));
	assert_null(locate_find_range(&lane, key, 2999, 2));
}

static void test_keys__a_value_in_many_extents_is_found_by_its_id(void **state)
{
	struct located located = some(9, 12288, good_extents, 2);
	const struct located *key, *range;

	(void)state;
	locate_add_key(&lane, hash_of("many"), &located);
	key = locate_find_key(&lane, hash_of("many"));
	assert_non_null(key);
	range = locate_find_range(&lane, key, 0, 12288);
	assert_non_null(range);
	assert_int_equal(range->count, 2);
	located.word = 513; // by id, another layout became known meanwhile
	locate_add_file(&lane, &located);
	assert_null(locate_find_range(&lane, key, 0, 12288));
}

static void test_keys__a_full_cache_gives_up_some_and_never_confuses_any(void **state)
{
	unsigned found = 0;
	char key[16];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct located located = some(i + 1, 4096, one_extent, 1);

		snprintf(key, sizeof(key), "%u", i);
		locate_add_key(&lane, hash_of(key), &located);
		assert_int_equal(locate_find_key(&lane, hash_of(key))->id, i + 1);
	}
	for (unsigned i = 0; i < 1000; i++) {
		const struct located *located;

		snprintf(key, sizeof(key), "%u", i);
		located = locate_find_key(&lane, hash_of(key));
		assert_true(!located || located->id == i + 1);
		found += located != NULL;
	}
	assert_in_range(found, KEY_ENTRIES / 2, KEY_ENTRIES);
}

static void test_clear__forgets_keys_and_files(void **state)
{
	struct located located = some(7, 4096, one_extent, 1);

	(void)state;
	locate_add_key(&lane, hash_of("a"), &located);
	locate_add_file(&lane, &located);
	locate_clear(lane.keys, lane.files);
	assert_null(locate_find_key(&lane, hash_of("a")));
	assert_null(locate_find_file(&lane, 7, 0));
}

// --- by id ---

static void test_files__are_remembered_by_windows(void **state)
{
	static const struct far_wire_extent far_out[] = {{LOCATE_WINDOW + 8192, 16384, 4096}};
	struct located first = some(7, 2 * LOCATE_WINDOW, one_extent, 1);
	struct located second = some(7, 2 * LOCATE_WINDOW, far_out, 1);

	(void)state;
	second.begin = LOCATE_WINDOW;
	locate_add_file(&lane, &first);
	assert_non_null(locate_find_file(&lane, 7, LOCATE_WINDOW - 1));
	assert_null(locate_find_file(&lane, 7, LOCATE_WINDOW));
	assert_null(locate_find_file(&lane, 8, 0));
	locate_add_file(&lane, &second);
	assert_int_equal(locate_find_file(&lane, 7, LOCATE_WINDOW)->extents[0].pool_offset, 16384);
	assert_int_equal(locate_find_file(&lane, 7, 0)->extents[0].pool_offset, 8192);
	locate_drop_file(&lane, 7, 0);
	assert_null(locate_find_file(&lane, 7, 0));
	assert_non_null(locate_find_file(&lane, 7, LOCATE_WINDOW));
}

// --- leases ---

static void test_lease__counts_from_before_the_request(void **state)
{
	struct far_location location = good;

	(void)state;
	assert_int_equal(locate_good_until(&location, 1000), 0);
	location.flags = FAR_LOCATION_EXPIRES;
	assert_int_equal(locate_good_until(&location, 1000), 1000);
	location.lease_ms = 10000;
	assert_int_equal(locate_good_until(&location, 1000), 10000001000);
}

static void test_lease__is_renewed_and_given_up_with_the_same_location(void **state)
{
	struct located located = some(7, 4096, one_extent, 1);

	(void)state;
	located.good_until_ns = 5000;
	locate_add_key(&lane, hash_of("a"), &located);
	assert_int_equal(locate_find_key(&lane, hash_of("a"))->good_until_ns, 5000);
	located.good_until_ns = 9000;
	locate_add_key(&lane, hash_of("a"), &located);
	assert_int_equal(locate_find_key(&lane, hash_of("a"))->good_until_ns, 9000);
	located.good_until_ns = 0;
	locate_add_key(&lane, hash_of("a"), &located);
	assert_int_equal(locate_find_key(&lane, hash_of("a"))->good_until_ns, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        TEST(test_take__tells_about_the_whole_value_or_up_to_the_last_extent),
	        TEST(test_take__refuses_what_would_lead_out_of_the_pool),
	        TEST(test_take__refuses_sizes_that_no_value_has),
	        TEST(test_keys__what_was_added_is_found_until_it_is_dropped),
	        TEST(test_keys__a_later_word_replaces_an_earlier_one),
	        TEST(test_lease__counts_from_before_the_request),
	        TEST(test_lease__is_renewed_and_given_up_with_the_same_location),
	        TEST(test_keys__a_part_does_not_replace_the_whole_but_brings_its_version),
	        TEST(test_keys__ranges_are_found_only_within_what_is_known),
	        TEST(test_keys__a_value_in_many_extents_is_found_by_its_id),
	        TEST(test_keys__a_full_cache_gives_up_some_and_never_confuses_any),
	        TEST(test_clear__forgets_keys_and_files),
	        TEST(test_files__are_remembered_by_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
