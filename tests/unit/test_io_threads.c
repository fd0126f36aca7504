#include "tests/unit/testing.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/bell.h"
#include "server/io_threads.h"
#include "server/writer.h"

#define SLEEPERS 4U
#define TOKENS 2U // fewer than sleepers: mostly somebody sleeps
#define HOPS 40000U
#define OVERSLEPT_MS 60000

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

// Threads that hand tokens round, each with the writer's role, and sleep without it while they have none.
static struct {
	struct writer writer;
	struct bell bells[SLEEPERS];
	unsigned tokens[SLEEPERS];
	unsigned hops; // left
	_Atomic unsigned overslept;
} ring;

static void ring_all(void)
{
	for (unsigned i = 0; i < SLEEPERS; i++)
		bell_ring(&ring.bells[i]);
}

// Returns whether there is more to come.
static bool hand_on(unsigned own)
{
	bell_hear(&ring.bells[own]);
	for (; ring.tokens[own] > 0 && ring.hops > 0; ring.tokens[own]--) {
		unsigned next = (own + 1 + --ring.hops % (SLEEPERS - 1)) % SLEEPERS;

		ring.tokens[next]++;
		bell_ring(&ring.bells[next]);
	}
	if (ring.hops == 0)
		ring_all();
	return ring.hops > 0;
}

static void *sleep_and_hand_on(void *number)
{
	unsigned own = (unsigned)(uintptr_t)number;
	bool is_going_on = true;

	while (is_going_on) {
		struct pollfd waited = {.fd = ring.bells[own].fd, .events = POLLIN};

		if (poll(&waited, 1, OVERSLEPT_MS) != 1) {
			atomic_fetch_add(&ring.overslept, 1);
			return NULL;
		}
		writer_begin(&ring.writer, own);
		is_going_on = hand_on(own);
		writer_end(&ring.writer);
	}
	return NULL;
}

static void test_bell__no_ring_is_lost_on_the_way_to_sleep(void **state)
{
	pthread_t threads[SLEEPERS];

	(void)state;
	assert_int_equal(writer_init(&ring.writer), 0);
	writer_share(&ring.writer);
	ring.hops = HOPS;
	for (unsigned i = 0; i < SLEEPERS; i++)
		ring.bells[i].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (unsigned i = 0; i < TOKENS; i++) {
		ring.tokens[i] = 1;
		bell_ring(&ring.bells[i]);
	}
	for (uintptr_t i = 0; i < SLEEPERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sleep_and_hand_on, (void *)i), 0);
	for (unsigned i = 0; i < SLEEPERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&ring.overslept), 0);
	assert_int_equal(ring.hops, 0);
	for (unsigned i = 0; i < SLEEPERS; i++)
		close(ring.bells[i].fd);
	writer_fini(&ring.writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_choose__one_on_few_cpus_and_few_on_many),
	        cmocka_unit_test(test_bell__is_readable_until_heard),
	        cmocka_unit_test(test_bell__of_a_thread_that_is_alone_does_nothing),
	        cmocka_unit_test(test_bell__no_ring_is_lost_on_the_way_to_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
