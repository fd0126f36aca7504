#include "fsd/lock_holders.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "testing.h"

// Owners 1 and 2 are processes, 9 an open file's own; files 100 and 101 are open files of inode 5.

static struct lock_holders *holders;

static int begin(void **state)
{
	(void)state;
	holders = lock_holders_new();
	return holders ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	lock_holders_free(holders);
	return 0;
}

static struct lock_holder by(uint64_t owner, uint64_t file)
{
	return (struct lock_holder){.ino = 5, .owner = owner, .file = file};
}

static void lock_in_epoch(uint64_t owner, uint64_t file, uint64_t epoch)
{
	struct lock_holder holder = by(owner, file);

	assert_int_equal(lock_holders_note(holders, &holder, epoch), 0);
	assert_int_equal(lock_holders_result(holders, &holder, 0, epoch), 0);
}

static void test_lock_holders__a_close_unlocks_what_the_process_has_locked_and_once(void **state)
{
	(void)state;
	assert_false(lock_holders_flush(holders, 5, 1, 100));
	lock_in_epoch(1, 100, 1);
	assert_false(lock_holders_flush(holders, 5, 2, 100)); // another process
	assert_false(lock_holders_flush(holders, 6, 1, 100)); // another file
	assert_true(lock_holders_flush(holders, 5, 1, 101));  // any descriptor of it
	assert_false(lock_holders_flush(holders, 5, 1, 100));
}

static void test_lock_holders__a_request_under_way_is_unlocked_too(void **state)
{
	struct lock_holder holder = by(1, 100);

	(void)state;
	assert_int_equal(lock_holders_note(holders, &holder, 1), 0);
	assert_true(lock_holders_flush(holders, 5, 1, 100));
	assert_int_equal(lock_holders_result(holders, &holder, 0, 1), 0); // got behind the close
	assert_true(lock_holders_flush(holders, 5, 1, 100));
}

static void test_lock_holders__the_end_of_an_open_file_unlocks_its_own_alone(void **state)
{
	uint64_t owner = 0, first;

	(void)state;
	lock_in_epoch(9, 100, 1);
	lock_in_epoch(8, 100, 1);
	lock_in_epoch(1, 100, 1); // a process that has locked by two open files
	lock_in_epoch(1, 101, 1);
	assert_true(lock_holders_release(holders, 5, 100, &owner));
	assert_true(owner == 8 || owner == 9);
	first = owner;
	assert_true(lock_holders_release(holders, 5, 100, &owner));
	assert_int_equal(owner + first, 8 + 9);
	assert_false(lock_holders_release(holders, 5, 100, &owner));
	lock_holders_forget(holders, 5, 100);
	assert_true(lock_holders_flush(holders, 5, 1, 101));
}

static void test_lock_holders__of_two_open_files_of_one_name_the_last_to_end_unlocks(void **state)
{
	uint64_t owner = 0;

	(void)state;
	lock_in_epoch(9, 100, 1);
	lock_in_epoch(9, 101, 1); // the kernel has named it as the one before
	assert_false(lock_holders_release(holders, 5, 100, &owner));
	assert_true(lock_holders_release(holders, 5, 101, &owner));
	assert_int_equal(owner, 9);
	assert_false(lock_holders_release(holders, 5, 101, &owner));
}

static void *note_next(void *is_noted)
{
	struct lock_holder next = by(9, 101);

	lock_holders_note(holders, &next, 1);
	atomic_store((atomic_bool *)is_noted, true);
	return NULL;
}

static void test_lock_holders__who_is_named_alike_asks_when_the_unlocking_is_over(void **state)
{
	const struct timespec while_it_waits = {.tv_nsec = 20000000};
	const struct lock_holder next = by(9, 101);
	atomic_bool is_noted = false;
	pthread_t asking;
	uint64_t owner = 0;

	(void)state;
	lock_in_epoch(9, 100, 1);
	assert_true(lock_holders_release(holders, 5, 100, &owner));
	assert_int_equal(pthread_create(&asking, NULL, note_next, &is_noted), 0);
	nanosleep(&while_it_waits, NULL);
	assert_false(atomic_load(&is_noted));
	lock_holders_unlock(holders, &next); // ends no waiting
	assert_false(atomic_load(&is_noted));
	assert_false(lock_holders_release(holders, 5, 100, &owner));
	assert_int_equal(pthread_join(asking, NULL), 0);
	assert_true(lock_holders_release(holders, 5, 101, &owner));
}

static void test_lock_holders__who_closes_may_be_ending_until_it_has_ended(void **state)
{
	struct lock_holder other = by(8, 101);

	(void)state;
	lock_in_epoch(9, 100, 1);
	assert_false(lock_holders_is_ending(holders, &other));
	assert_false(lock_holders_flush(holders, 5, 1, 100));
	assert_true(lock_holders_is_ending(holders, &other));
	lock_holders_forget(holders, 5, 100);
	assert_false(lock_holders_is_ending(holders, &other));
}

static void test_lock_holders__locks_of_an_ended_session_are_lost_until_closed_or_unlocked(void **state)
{
	struct lock_holder holder = by(1, 100), again = by(1, 101), other = by(2, 100);

	(void)state;
	lock_in_epoch(1, 100, 1);
	assert_false(lock_holders_has_lost(holders, 5, 100, 1));
	assert_true(lock_holders_has_lost(holders, 5, 100, 2));
	assert_false(lock_holders_has_lost(holders, 5, 101, 2)); // nobody locked by it
	assert_int_equal(lock_holders_note(holders, &holder, 2), -EIO);
	assert_int_equal(lock_holders_note(holders, &again, 2), -EIO); // the process has lost it, by whatever descriptor
	assert_int_equal(lock_holders_result(holders, &holder, 0, 2), -EIO);
	assert_int_equal(lock_holders_result(holders, &holder, -EAGAIN, 2), -EIO);
	assert_int_equal(lock_holders_note(holders, &other, 2), 0);
	lock_holders_unlock(holders, &holder);
	lock_in_epoch(1, 100, 2);
	assert_false(lock_holders_has_lost(holders, 5, 100, 2));
	assert_true(lock_holders_flush(holders, 5, 1, 100));
	lock_in_epoch(1, 100, 2);
	assert_true(lock_holders_has_lost(holders, 5, 100, 3));
	assert_true(lock_holders_flush(holders, 5, 1, 100));
	assert_false(lock_holders_has_lost(holders, 5, 100, 3));
}

static void test_lock_holders__a_refused_request_is_no_lock_to_lose(void **state)
{
	struct lock_holder holder = by(1, 100);

	(void)state;
	assert_int_equal(lock_holders_note(holders, &holder, 1), 0);
	assert_int_equal(lock_holders_result(holders, &holder, -EAGAIN, 1), -EAGAIN);
	assert_false(lock_holders_has_lost(holders, 5, 100, 2));
	assert_int_equal(lock_holders_note(holders, &holder, 2), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(test_lock_holders__a_close_unlocks_what_the_process_has_locked_and_once),
	        TEST(test_lock_holders__a_request_under_way_is_unlocked_too),
	        TEST(test_lock_holders__the_end_of_an_open_file_unlocks_its_own_alone),
	        TEST(test_lock_holders__of_two_open_files_of_one_name_the_last_to_end_unlocks),
	        TEST(test_lock_holders__who_is_named_alike_asks_when_the_unlocking_is_over),
	        TEST(test_lock_holders__who_closes_may_be_ending_until_it_has_ended),
	        TEST(test_lock_holders__locks_of_an_ended_session_are_lost_until_closed_or_unlocked),
	        TEST(test_lock_holders__a_refused_request_is_no_lock_to_lose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
