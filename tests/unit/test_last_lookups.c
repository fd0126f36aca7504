#include "fsd/last_lookups.h"

#include "testing.h"

static void test_last_lookups__knows_what_this_thread_was_told_last(void **state)
{
	(void)state;
	assert_int_equal(last_lookup(7, 1, "name"), 0);
	last_lookups_note(7, 1, "name", 30);
	last_lookups_note(8, 1, "name", 40);
	last_lookups_note(7, 2, "name", 50);
	assert_int_equal(last_lookup(7, 1, "name"), 30);
	assert_int_equal(last_lookup(8, 1, "name"), 40);
	assert_int_equal(last_lookup(7, 2, "name"), 50);
	last_lookups_note(7, 1, "name", 31);
	assert_int_equal(last_lookup(7, 1, "name"), 31);
}

static void test_last_lookups__the_older_of_two_is_forgotten(void **state)
{
	(void)state;
	last_lookups_note(7, 1, "one", 1);
	last_lookups_note(7, 1, "two", 2);
	last_lookups_note(7, 1, "one", 3);
	last_lookups_note(7, 1, "three", 4);
	assert_int_equal(last_lookup(7, 1, "one"), 3);
	assert_int_equal(last_lookup(7, 1, "two"), 0);
	assert_int_equal(last_lookup(7, 1, "three"), 4);
}

static void test_last_lookups__what_is_no_directory_is_not_known(void **state)
{
	(void)state;
	last_lookups_note(7, 1, "name", 30);
	last_lookups_note(7, 1, "name", 0);
	assert_int_equal(last_lookup(7, 1, "name"), 0);
}

static void test_last_lookups__never_tells_anothers(void **state)
{
	(void)state;
	for (int thread = 1; thread <= 100000; thread++)
		last_lookups_note(thread, 1, "name", (uint64_t)thread);
	for (int thread = 1; thread <= 100000; thread++) {
		uint64_t id = last_lookup(thread, 1, "name");

		assert_true(id == 0 || id == (uint64_t)thread);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_last_lookups__knows_what_this_thread_was_told_last),
	        cmocka_unit_test(test_last_lookups__the_older_of_two_is_forgotten),
	        cmocka_unit_test(test_last_lookups__what_is_no_directory_is_not_known),
	        cmocka_unit_test(test_last_lookups__never_tells_anothers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
