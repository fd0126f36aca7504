// server/writer.h: who has the role, and who comes first between steps of long work.
#include "tests/unit/testing.h"

#include <pthread.h>
#include <sched.h>

#include "server/writer.h"

static struct writer writer;

static int set_up(void **state)
{
	(void)state;
	writer = (struct writer){0};
	return writer_init(&writer);
}

static int tear_down(void **state)
{
	(void)state;
	writer_fini(&writer);
	return 0;
}

static void *have_it_once(void *number)
{
	writer_begin(&writer, *(const unsigned *)number);
	writer_end(&writer);
	return NULL;
}

// Returns when the thread waits for the role that the caller has.
static pthread_t start_waiter(const unsigned *number, uint32_t waiting)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, have_it_once, (void *)(uintptr_t)number), 0);
	while (atomic_load(&writer.waiting) < waiting)
		sched_yield();
	return thread;
}

static void test_writer__is_the_thread_that_began(void **state)
{
	(void)state;
	writer_share(&writer);
	writer_begin(&writer, 2);
	assert_int_equal(writer.io_thread, 2);
	writer_end(&writer);
	writer_begin(&writer, 0);
	assert_int_equal(writer.io_thread, 0);
	writer_end(&writer);
}

static void test_writer__that_is_alone_owes_nobody(void **state)
{
	(void)state;
	writer_begin(&writer, 0);
	assert_false(writer_is_awaited(&writer));
	assert_false(writer_owes(&writer, writer_debt(&writer)));
	writer_end(&writer);
}

static void test_writer__owes_to_those_who_waited_at_the_end_of_a_step(void **state)
{
	static const unsigned numbers[] = {1, 2, 3};
	pthread_t threads[3];
	uint32_t debt;

	(void)state;
	writer_share(&writer);
	writer_begin(&writer, 0);
	debt = writer_debt(&writer);
	threads[0] = start_waiter(&numbers[0], 1);
	assert_true(writer_is_awaited(&writer));
	assert_false(writer_owes(&writer, debt)); // it came behind the step
	threads[1] = start_waiter(&numbers[1], 2);
	debt = writer_debt(&writer);
	assert_true(writer_owes(&writer, debt));
	writer_end(&writer);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	writer_begin(&writer, 0);
	threads[2] = start_waiter(&numbers[2], 1);
	assert_false(writer_owes(&writer, debt)); // both had it, and a third may wait for a step
	assert_true(writer_owes(&writer, writer_debt(&writer)));
	writer_end(&writer);
	pthread_join(threads[2], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_writer__is_the_thread_that_began, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_writer__that_is_alone_owes_nobody, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_writer__owes_to_those_who_waited_at_the_end_of_a_step, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
