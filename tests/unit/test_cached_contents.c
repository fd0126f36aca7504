#include "fsd/cached_contents.h"

#include <sys/stat.h>

#include "testing.h"

static void see(uint64_t id, uint64_t version, uint64_t epoch)
{
	const struct far_attr attr = {.id = id, .version = version, .mode = S_IFREG | 0644};

	cached_contents_see(&attr, epoch, false);
}

static void test_cached_contents__are_kept_while_the_version_stays(void **state)
{
	(void)state;
	assert_false(cached_contents_open(10, 1)); // never seen
	see(10, 1, 1);
	assert_false(cached_contents_open(10, 1));
	see(10, 1, 1);
	assert_true(cached_contents_open(10, 1));
	see(10, 2, 1);
	assert_false(cached_contents_open(10, 1));
	assert_true(cached_contents_open(10, 1));
}

static void test_cached_contents__an_older_version_that_is_told_late_is_not_believed(void **state)
{
	(void)state;
	see(11, 5, 1);
	assert_false(cached_contents_open(11, 1));
	see(11, 6, 1);
	see(11, 5, 1);
	assert_false(cached_contents_open(11, 1));
}

static void test_cached_contents__of_another_session_mean_nothing(void **state)
{
	(void)state;
	see(12, 5, 1);
	assert_false(cached_contents_open(12, 1));
	see(12, 5, 2);
	assert_false(cached_contents_open(12, 1)); // by a thread that does not know yet
	assert_false(cached_contents_open(12, 2));
	see(12, 5, 1);
	assert_true(cached_contents_open(12, 2));
}

static void test_cached_contents__are_dropped_where_the_server_shall_hear_of_the_read(void **state)
{
	const struct far_attr attr = {.id = 13, .version = 1, .mode = S_IFREG | 0644};

	(void)state;
	see(13, 1, 1);
	assert_false(cached_contents_open(13, 1));
	cached_contents_see(&attr, 1, true);
	assert_false(cached_contents_open(13, 1));
	cached_contents_see(&attr, 1, true); // the kernel asks once more before it reads
	see(13, 1, 1);
	assert_true(cached_contents_open(13, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_cached_contents__are_kept_while_the_version_stays),
	        cmocka_unit_test(test_cached_contents__an_older_version_that_is_told_late_is_not_believed),
	        cmocka_unit_test(test_cached_contents__of_another_session_mean_nothing),
	        cmocka_unit_test(test_cached_contents__are_dropped_where_the_server_shall_hear_of_the_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
