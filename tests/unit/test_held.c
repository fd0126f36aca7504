#include "client/held.h"

#include "testing.h"

#define EPOCH 3U

static void test_held_add__needs_a_hold_at_the_server(void **state)
{
	struct held *held = held_new();

	(void)state;
	assert_false(held_add(held, 7, EPOCH));
	held_note(held, 7, EPOCH);
	assert_true(held_add(held, 7, EPOCH));
	assert_false(held_add(held, 8, EPOCH));
	held_free(held);
}

static void test_held_drop__gives_back_what_is_here_first(void **state)
{
	struct held *held = held_new();

	(void)state;
	held_note(held, 7, EPOCH);
	assert_true(held_add(held, 7, EPOCH));
	assert_true(held_add(held, 7, EPOCH));
	assert_int_equal(held_drop(held, 7, 1), 0);
	assert_int_equal(held_drop(held, 7, 1), 0);
	assert_int_equal(held_drop(held, 7, 1), 1);
	held_free(held);
}

static void test_held_drop__of_all_tells_the_server_of_its_own(void **state)
{
	struct held *held = held_new();

	(void)state;
	held_note(held, 7, EPOCH);
	held_note(held, 7, EPOCH); // the server counts two
	assert_true(held_add(held, 7, EPOCH));
	assert_int_equal(held_drop(held, 7, 3), 2);
	held_free(held);
}

static void test_held_add__after_the_server_was_told_of_a_drop_asks_again(void **state)
{
	struct held *held = held_new();

	(void)state;
	held_note(held, 7, EPOCH);
	assert_int_equal(held_drop(held, 7, 1), 1);
	assert_false(held_add(held, 7, EPOCH));
	held_free(held);
}

static void test_held_add__of_another_session_does_not_count(void **state)
{
	struct held *held = held_new();

	(void)state;
	held_note(held, 7, EPOCH);
	assert_true(held_add(held, 7, EPOCH));
	assert_false(held_add(held, 7, EPOCH + 1));
	held_note(held, 7, EPOCH + 1);
	assert_int_equal(held_drop(held, 7, 2), 2); // no more than the server counts is taken back there
	held_free(held);
}

static void test_held_drop__of_what_is_not_known_is_the_servers(void **state)
{
	struct held *held = held_new();

	(void)state;
	assert_int_equal(held_drop(held, 7, 5), 5);
	held_free(held);
}

static void test_held_note__beyond_the_table_asks_the_server(void **state)
{
	struct held *held = held_new();
	uint64_t refused = 0;

	(void)state;
	for (uint64_t id = 1; id <= 3000000; id++) {
		held_note(held, id, EPOCH);
		refused += !held_add(held, id, EPOCH);
	}
	assert_in_range(refused, 1900000, 2999999);
	held_free(held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_held_add__needs_a_hold_at_the_server),
	        cmocka_unit_test(test_held_drop__gives_back_what_is_here_first),
	        cmocka_unit_test(test_held_drop__of_all_tells_the_server_of_its_own),
	        cmocka_unit_test(test_held_add__after_the_server_was_told_of_a_drop_asks_again),
	        cmocka_unit_test(test_held_add__of_another_session_does_not_count),
	        cmocka_unit_test(test_held_drop__of_what_is_not_known_is_the_servers),
	        cmocka_unit_test(test_held_note__beyond_the_table_asks_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
