#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fabric/wait.h"
#include "far/clock.h"

static void test_wait_budget__begins_with_the_longest_spin(void **state)
{
	struct wait_budget budget;

	(void)state;
	wait_budget_init(&budget, (struct wait_limits){.spin_max_ns = WAIT_SPIN_MAX_NS});
	assert_int_equal(wait_budget_next(&budget), 50000);
}

static void test_wait_budget__few_waits_in_vain_end_spinning(void **state)
{
	struct wait_budget budget;
	uint64_t spun = 0;

	(void)state;
	wait_budget_init(&budget, (struct wait_limits){.spin_max_ns = WAIT_SPIN_MAX_NS});
	for (int i = 0; i < 6; i++) {
		spun += wait_budget_next(&budget);
		wait_budget_blocked(&budget);
	}
	assert_int_equal(wait_budget_next(&budget), 0);
	assert_true(spun < 100000);
}

static void test_wait_budget__probes_get_rarer_while_they_fail(void **state)
{
	struct wait_budget budget;
	unsigned probes = 0;

	(void)state;
	wait_budget_init(&budget, (struct wait_limits){.spin_max_ns = WAIT_SPIN_MAX_NS});
	for (int i = 0; i < 10000; i++) {
		probes += wait_budget_next(&budget) > 0;
		wait_budget_blocked(&budget);
	}
	assert_in_range(probes, 5, 20);
}

static void test_wait_budget__probe_that_finds_makes_spinning_pay_again(void **state)
{
	struct wait_budget budget;

	(void)state;
	wait_budget_init(&budget, (struct wait_limits){.spin_max_ns = WAIT_SPIN_MAX_NS});
	do
		wait_budget_blocked(&budget);
	while (wait_budget_next(&budget) == 0 || !budget.is_probing);
	wait_budget_found(&budget, 3000);
	assert_in_range(wait_budget_next(&budget), 6000, 50000);
	assert_false(budget.is_probing);
}

// The peer ran on this very CPU while this thread was pushed off it.
static void test_wait_budget__event_found_after_the_budget_counts_as_in_vain(void **state)
{
	struct wait_budget budget;

	(void)state;
	wait_budget_init(&budget, (struct wait_limits){.spin_max_ns = WAIT_SPIN_MAX_NS});
	wait_budget_found(&budget, 3000000);
	assert_int_equal(wait_budget_next(&budget), 25000);
}

static void test_wait_budget__slow_answer_raises_the_budget_to_twice_its_time(void **state)
{
	struct wait_budget budget;

	(void)state;
	wait_budget_init(&budget, (struct wait_limits){.spin_max_ns = WAIT_SPIN_MAX_NS});
	for (int i = 0; i < 100; i++)
		wait_budget_found(&budget, 500);
	assert_int_equal(wait_budget_next(&budget), 50000);
	wait_budget_blocked(&budget);
	wait_budget_found(&budget, 20000);
	assert_int_equal(wait_budget_next(&budget), 48000);
}

static void test_clock_now_ns__never_goes_back(void **state)
{
	uint64_t before = clock_now_ns();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t now = clock_now_ns();

		assert_true(now >= before);
		before = now;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_wait_budget__begins_with_the_longest_spin),
	        cmocka_unit_test(test_wait_budget__few_waits_in_vain_end_spinning),
	        cmocka_unit_test(test_wait_budget__probes_get_rarer_while_they_fail),
	        cmocka_unit_test(test_wait_budget__probe_that_finds_makes_spinning_pay_again),
	        cmocka_unit_test(test_wait_budget__event_found_after_the_budget_counts_as_in_vain),
	        cmocka_unit_test(test_wait_budget__slow_answer_raises_the_budget_to_twice_its_time),
	        cmocka_unit_test(test_clock_now_ns__never_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
