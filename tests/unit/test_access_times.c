#include "fsd/access_times.h"

#include <sys/stat.h>
#include <time.h>

#include "testing.h"

// Of objects that are due (their times are all 1) the server is told once; those that are not have an access time that lies far ahead.

#define AHEAD 9000000000000000000

static struct access_times *made(enum access_times_rule rule, bool are_directories_left_out)
{
	struct access_times *times;

	assert_int_equal(access_times_new(rule, are_directories_left_out, &times), 0);
	return times;
}

static void see(struct access_times *times, uint64_t id, uint32_t mode, int64_t atime_ns)
{
	const struct far_attr attr = {.id = id, .mode = mode, .atime_ns = atime_ns, .mtime_ns = 1, .ctime_ns = 1};

	access_times_see(times, &attr);
}

static bool take(struct access_times *times, uint64_t id, bool is_directory)
{
	bool is_always;

	return access_times_take(times, id, is_directory, &is_always);
}

static void test_relative__what_is_due_is_told_once(void **state)
{
	struct access_times *times = made(ACCESS_TIMES_RELATIVE, false);
	bool is_always = true;

	(void)state;
	assert_false(take(times, 7, false)); // never seen
	see(times, 7, S_IFREG, 1);
	assert_true(access_times_take(times, 7, false, &is_always));
	assert_false(is_always);
	assert_false(take(times, 7, false));
	access_times_free(times);
}

static void test_relative__alternating_writes_and_reads_are_told_now_and_then(void **state)
{
	struct access_times *times = made(ACCESS_TIMES_RELATIVE, false);
	const struct timespec nap = {.tv_nsec = 30000000};
	unsigned told = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		access_times_see_written(times, 7);
		told += take(times, 7, false);
	}
	assert_in_range(told, 1, 100);
	access_times_see_written(times, 7);
	nanosleep(&nap, NULL);
	assert_true(take(times, 7, false)); // it stayed due
	access_times_see_written(times, 8);
	assert_true(take(times, 8, false)); // others need not wait
	access_times_free(times);
}

static void test_relative__what_is_not_due_any_more_is_not_told(void **state)
{
	struct access_times *times = made(ACCESS_TIMES_RELATIVE, false);

	(void)state;
	see(times, 7, S_IFLNK, AHEAD);
	assert_false(take(times, 7, false));
	see(times, 7, S_IFLNK, 1);
	see(times, 7, S_IFLNK, AHEAD);
	assert_false(take(times, 7, false));
	access_times_free(times);
}

static void test_relative__many_objects_cost_no_more_than_messages(void **state)
{
	struct access_times *times = made(ACCESS_TIMES_RELATIVE, false);
	unsigned told = 0;

	(void)state;
	for (uint64_t id = 1; id <= 100000; id++)
		see(times, id, S_IFREG, 1);
	for (uint64_t id = 1; id <= 100000; id++)
		told += take(times, id, false);
	assert_in_range(told, 2000, 4096); // each place has one
	see(times, 5, S_IFREG, 1);
	assert_true(take(times, 5, false));
	access_times_free(times);
}

static void test_relative__directories_may_be_left_out(void **state)
{
	struct access_times *times = made(ACCESS_TIMES_RELATIVE, true);

	(void)state;
	see(times, 7, S_IFDIR, 1);
	see(times, 8, S_IFREG, 1);
	see(times, 9, S_IFIFO, 1);
	assert_false(take(times, 7, true));
	assert_true(take(times, 8, false));
	assert_false(take(times, 9, false));
	access_times_free(times);
}

static void test_strict__each_read_is_told(void **state)
{
	struct access_times *times = made(ACCESS_TIMES_STRICT, true);
	bool is_always = false;

	(void)state;
	see(times, 7, S_IFREG, AHEAD);
	for (unsigned i = 0; i < 3; i++)
		assert_true(access_times_take(times, 7, false, &is_always));
	assert_true(is_always);
	assert_false(take(times, 8, true));
	access_times_free(times);
}

static void test_never__nothing_is_told(void **state)
{
	struct access_times *times = made(ACCESS_TIMES_NEVER, false);

	(void)state;
	see(times, 7, S_IFREG, 1);
	access_times_see_written(times, 7);
	assert_false(take(times, 7, false));
	access_times_free(times);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_relative__what_is_due_is_told_once),
	        cmocka_unit_test(test_relative__alternating_writes_and_reads_are_told_now_and_then),
	        cmocka_unit_test(test_relative__what_is_not_due_any_more_is_not_told),
	        cmocka_unit_test(test_relative__many_objects_cost_no_more_than_messages),
	        cmocka_unit_test(test_relative__directories_may_be_left_out),
	        cmocka_unit_test(test_strict__each_read_is_told),
	        cmocka_unit_test(test_never__nothing_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
