#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/load.h"

#define SECOND_NS 1000000000U

static bool turns(struct load *load, unsigned count, int events, uint64_t now_ns)
{
	bool is_busy = false;

	for (unsigned i = 0; i < count; i++)
		is_busy = load_turn_at(load, events, now_ns);
	return is_busy;
}

static void test_load__one_client_after_the_other_is_calm(void **state)
{
	struct load load = {0};

	(void)state;
	assert_false(turns(&load, 100000, 1, SECOND_NS));
}

static void test_load__many_requests_at_once_are_busy_after_a_window(void **state)
{
	struct load load = {0};

	(void)state;
	assert_false(turns(&load, 63, 16, SECOND_NS));
	assert_true(turns(&load, 1, 16, SECOND_NS));
}

static void test_load__a_burst_is_calm(void **state)
{
	struct load load = {0};

	(void)state;
	turns(&load, 4, 64, SECOND_NS);
	assert_false(turns(&load, 1000, 2, SECOND_NS));
}

static void test_load__busy_ends_after_its_time_without_any_event(void **state)
{
	struct load load = {0};

	(void)state;
	turns(&load, 64, 32, SECOND_NS);
	assert_true(turns(&load, 1, 0, SECOND_NS + 99000000));
	assert_false(turns(&load, 1, 0, SECOND_NS + 100000000));
}

static void test_load__always_and_never_do_not_depend_on_it(void **state)
{
	struct load always = {.probing = LOAD_PROBING_ALWAYS};
	struct load never = {.probing = LOAD_PROBING_NEVER};

	(void)state;
	assert_true(turns(&always, 1, 0, 0));
	assert_false(turns(&never, 1000, 64, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_load__one_client_after_the_other_is_calm),
	        cmocka_unit_test(test_load__many_requests_at_once_are_busy_after_a_window),
	        cmocka_unit_test(test_load__a_burst_is_calm),
	        cmocka_unit_test(test_load__busy_ends_after_its_time_without_any_event),
	        cmocka_unit_test(test_load__always_and_never_do_not_depend_on_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
