#include "tests/unit/testing.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/bell.h"
#include "server/io_threads.h"

// server/io_threads.c's rule, and server/bell.h.

static bool is_readable(int fd)
{
	struct pollfd waited = {.fd = fd, .events = POLLIN};

	return poll(&waited, 1, 0) == 1;
}

static void test_choose__one_on_few_cpus_and_few_on_many(void **state)
{
	static const struct {
		unsigned cpus, threads;
	} expected[] = {{0, 1}, {1, 1}, {2, 1}, {7, 1}, {8, 2}, {11, 2}, {12, 3}, {16, 4}, {1000, 4}};

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(io_threads_choose(expected[i].cpus), expected[i].threads);
}

static void test_bell__is_readable_until_heard(void **state)
{
	struct bell bell = {.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

	(void)state;
	bell_hear(&bell);
	assert_false(is_readable(bell.fd));
	bell_ring(&bell);
	bell_ring(&bell);
	assert_true(is_readable(bell.fd));
	bell_hear(&bell);
	assert_false(is_readable(bell.fd));
	bell_ring(&bell);
	assert_true(is_readable(bell.fd));
	close(bell.fd);
}

static void test_bell__of_a_thread_that_is_alone_does_nothing(void **state)
{
	struct bell bell = {.fd = -1};

	(void)state;
	bell_ring(&bell);
	assert_false(bell.has_rung);
	bell_hear(&bell);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_choose__one_on_few_cpus_and_few_on_many),
	        cmocka_unit_test(test_bell__is_readable_until_heard),
	        cmocka_unit_test(test_bell__of_a_thread_that_is_alone_does_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
