#include "client/cli/doctor_load.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "far/cleanup.h"
#include "far/clock.h"

// Each thread counts for itself, and its time ends with the call that passes the end. They wait for each other behind the first call: `missing` is counted down (release) by each,
// and read (acquire) until it is 0.

struct runner {
	const struct load *load;
	atomic_uint *missing; // threads that are not there yet
	pthread_t thread;
	unsigned number;
	int error;
	double per_second;
};

static double now(void)
{
	return (double)clock_now_ns() / 1e9;
}

static void wait_for_others(atomic_uint *missing)
{
	atomic_fetch_sub_explicit(missing, 1, memory_order_release);
	while (atomic_load_explicit(missing, memory_order_acquire) > 0)
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

static void *run(void *context)
{
	struct runner *runner = context;
	const struct load *load = runner->load;
	uint64_t calls = 0;
	double begin;
	double time;

	runner->error = load->call(load->context, runner->number);
	wait_for_others(runner->missing);
	begin = now();
	do {
		if (!runner->error)
			runner->error = load->call(load->context, runner->number);
		calls++;
		time = now() - begin;
	} while (!runner->error && time < load->seconds);
	runner->per_second = (double)calls / time;
	return NULL;
}

int load_run(const struct load *load, double *per_second)
{
	CLEANUP(free) struct runner *runners = calloc(load->threads, sizeof(*runners));
	atomic_uint missing = load->threads;
	unsigned started = 1;
	int error = 0;

	if (!runners)
		return -ENOMEM;
	for (unsigned i = 0; i < load->threads; i++)
		runners[i] = (struct runner){.load = load, .missing = &missing, .number = i};
	while (started < load->threads && pthread_create(&runners[started].thread, NULL, run, &runners[started]) == 0)
		started++;
	if (started < load->threads) {
		error = -EAGAIN;
		atomic_fetch_sub_explicit(&missing, load->threads - started, memory_order_release);
	}
	run(&runners[0]); // this thread is the first
	*per_second = 0;
	for (unsigned i = 0; i < started; i++) {
		if (i > 0)
			pthread_join(runners[i].thread, NULL);
		*per_second += runners[i].per_second;
		if (!error)
			error = runners[i].error;
	}
	return error;
}

// --- copying ---

struct copies {
	unsigned long size;
	char *bytes; // two places a thread
};

static int copy(void *context, unsigned thread)
{
	const struct copies *copies = context;
	char *from = copies->bytes + 2 * thread * copies->size;

	memcpy(from + copies->size, from, copies->size);
	__asm__ volatile("" : : "r"(from) : "memory"); // the copy is not to be left out
	return 0;
}

double load_copy_speed(unsigned threads, unsigned long size, double seconds)
{
	struct copies copies = {.size = size};
	struct load load = {.call = copy, .context = &copies, .threads = threads, .seconds = seconds};
	double per_second = 0;

	copies.bytes = malloc(2 * threads * size);
	if (!copies.bytes)
		return 0;
	memset(copies.bytes, 1, 2 * threads * size);
	if (load_run(&load, &per_second))
		per_second = 0;
	free(copies.bytes);
	return per_second * (double)size;
}

// --- waking up ---

static void *answer(void *context)
{
	const int *events = context;
	uint64_t count;

	while (read(events[0], &count, sizeof(count)) == sizeof(count) && count < 1000)
		if (write(events[1], &(uint64_t){1}, sizeof(count)) < 0)
			break;
	return NULL;
}

double load_wake_up_time(double seconds)
{
	CLEANUP(close) int there = eventfd(0, EFD_CLOEXEC);
	CLEANUP(close) int back = eventfd(0, EFD_CLOEXEC);
	int events[2] = {there, back};
	uint64_t rounds = 0;
	pthread_t thread;
	uint64_t count;
	double begin = now();
	double time;

	if (there < 0 || back < 0 || pthread_create(&thread, NULL, answer, events) != 0)
		return 0;
	do {
		if (write(there, &(uint64_t){1}, sizeof(count)) < 0 || read(back, &count, sizeof(count)) < 0)
			break;
		rounds++;
		time = now() - begin;
	} while (time < seconds);
	time = now() - begin;
	if (write(there, &(uint64_t){1000}, sizeof(count)) == sizeof(count)) // the last word
		pthread_join(thread, NULL);
	return rounds ? time / (double)rounds * 1e6 : 0;
}
