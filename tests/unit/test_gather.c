#include "tests/unit/testing.h"

#include "server/gather.h"

// Letting others run goes on while it brings requests together, and is tried rarely where it does not.

static int count_of(struct gather *gather, int blocks, int requests)
{
	int count = 0;

	for (int i = 0; i < blocks; i++) {
		count += gather_before_block(gather);
		gather_found(gather, requests);
	}
	return count;
}

static void test_gather__a_lone_client_is_hardly_ever_let_run(void **state)
{
	struct gather gather = {0};

	(void)state;
	count_of(&gather, 100000, 1);
	assert_in_range(count_of(&gather, 100000, 1), 1, 100);
}

static void test_gather__goes_on_while_requests_come_together(void **state)
{
	struct gather gather = {0};

	(void)state;
	count_of(&gather, 100, 5);
	assert_int_equal(count_of(&gather, 1000, 5), 1000);
}

static void test_gather__first_of_a_round_may_come_alone(void **state)
{
	struct gather gather = {0};
	int count = 0;

	(void)state;
	count_of(&gather, 100, 5);
	for (int i = 0; i < 1000; i++) {
		count += gather_before_block(&gather);
		gather_found(&gather, i % 2 ? 15 : 1);
	}
	assert_int_equal(count, 1000);
}

static void test_gather__is_found_again_soon_after_requests_came_together(void **state)
{
	struct gather gather = {0};

	(void)state;
	count_of(&gather, 100, 5);
	assert_in_range(count_of(&gather, 64, 1), 1, 40); // ends
	count_of(&gather, 64, 5);
	assert_int_equal(count_of(&gather, 100, 5), 100);
}

static void test_gather__requests_that_came_together_by_themselves_tell_nothing(void **state)
{
	struct gather gather = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		gather_found(&gather, 9);
	assert_false(gather_before_block(&gather));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_gather__a_lone_client_is_hardly_ever_let_run),
	        cmocka_unit_test(test_gather__goes_on_while_requests_come_together),
	        cmocka_unit_test(test_gather__first_of_a_round_may_come_alone),
	        cmocka_unit_test(test_gather__is_found_again_soon_after_requests_came_together),
	        cmocka_unit_test(test_gather__requests_that_came_together_by_themselves_tell_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
