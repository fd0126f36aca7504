#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/bench.h"
#include "client/cli/command.h"
#include "client/cli/report.h"

// Threads that do one thing over and over, each with one operation under way. A measurement lasts from a clock reading to the next with nothing but the call between; what is
// fetched is checked behind it: the ends of the value each time, all of it in the warm-up and each 64th time. Operations per second count the whole loop, checks included.

#define CHECK_ALL_EVERY 64U
#define CHECK_ENDS 32U

const char *const bench_op_names[BENCH_OPS] = {
        [BENCH_GET] = "get", [BENCH_COLD_GET] = "cold-get", [BENCH_PUT] = "put", [BENCH_STAT] = "stat", [BENCH_PING] = "ping"};

// One thread. It alone touches its worker until it is joined.
struct worker {
	struct bench_data *data;
	enum bench_op op;
	unsigned number;
	pthread_t thread;
	pthread_barrier_t *barrier;
	atomic_bool *is_failed; // of all workers: relaxed, it only makes the others end sooner
	far_session *session;
	char *buffer;
	uint64_t random;
	uint64_t deadline;
	int status;
	uint64_t begin; // ticks
	uint64_t end;
	struct histogram ticks;
};

// All threads of one measurement.
struct run {
	struct worker *workers[BENCH_THREADS_MAX];
	pthread_barrier_t barrier;
	atomic_bool is_failed;
};

static volatile sig_atomic_t is_interrupted;

bool bench_is_interrupted(void)
{
	return is_interrupted;
}

static void interrupt(int signal_number)
{
	(void)signal_number;
	is_interrupted = 1;
}

void bench_catch_interrupt(void)
{
	struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESETHAND}; // a second one kills

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

// --- one operation ---

static ssize_t do_get(struct worker *worker, uint64_t key)
{
	const struct bench_data *data = worker->data;

	return far_get_into(worker->session, data->names[key], strlen(data->names[key]), worker->buffer, data->size, 0, NULL, NULL);
}

static ssize_t do_put(struct worker *worker, uint64_t key)
{
	const struct bench_data *data = worker->data;

	return far_put(worker->session, data->names[key], strlen(data->names[key]), bench_value(data, key), data->size, NULL);
}

static ssize_t do_stat(struct worker *worker, uint64_t key)
{
	const struct bench_data *data = worker->data;
	struct far_stat stat;

	return far_stat(worker->session, data->names[key], strlen(data->names[key]), &stat);
}

static ssize_t do_ping(struct worker *worker, uint64_t key)
{
	(void)key;
	return far_ping(worker->session);
}

static ssize_t (*const calls[BENCH_OPS])(struct worker *worker, uint64_t key) = {
        [BENCH_GET] = do_get, [BENCH_COLD_GET] = do_get, [BENCH_PUT] = do_put, [BENCH_STAT] = do_stat, [BENCH_PING] = do_ping};

static bool is_get(enum bench_op op)
{
	return op == BENCH_GET || op == BENCH_COLD_GET;
}

// --- checks ---

static bool is_right(const struct worker *worker, uint64_t key, ssize_t length, bool is_whole)
{
	const char *value = bench_value(worker->data, key);
	uint64_t size = worker->data->size;

	if ((uint64_t)length != size)
		return false;
	if (is_whole || size <= 2 * CHECK_ENDS)
		return memcmp(worker->buffer, value, size) == 0;
	return memcmp(worker->buffer, value, CHECK_ENDS) == 0 &&
	       memcmp(worker->buffer + size - CHECK_ENDS, value + size - CHECK_ENDS, CHECK_ENDS) == 0;
}

static int fail(struct worker *worker, uint64_t key, ssize_t result)
{
	atomic_store_explicit(worker->is_failed, true, memory_order_relaxed);
	if (result < 0)
		worker->status = report_error((int)result);
	else
		worker->status = report("bench: %s brought wrong bytes", worker->data->names[key]);
	return worker->status;
}

static int check(struct worker *worker, uint64_t key, ssize_t result, bool is_whole)
{
	if (result < 0 || (is_get(worker->op) && !is_right(worker, key, result, is_whole)))
		return fail(worker, key, result);
	return 0;
}

// --- the loop ---

static void pin(const struct worker *worker)
{
	const struct bench_options *options = worker->data->options;
	unsigned cpu;
	cpu_set_t set;

	if (options->cpu_count == 0)
		return;
	cpu = options->cpus[worker->number % options->cpu_count];
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		report("bench: cannot use CPU %u: %s", cpu, strerror(errno));
}

// Threads that put have their own keys: every `threads`th one.
static uint64_t next_key(struct worker *worker)
{
	uint64_t keys = worker->data->keys;
	uint64_t threads = worker->data->options->threads;

	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	if (worker->op != BENCH_PUT)
		return (uint64_t)((unsigned __int128)worker->random * keys >> 64);
	keys = (keys - worker->number + threads - 1) / threads;
	return (uint64_t)((unsigned __int128)worker->random * keys >> 64) * threads + worker->number;
}

// Brings locations, grants and buffers to where they stay, and sees that every value is right.
static void warm_up(struct worker *worker)
{
	uint64_t step = worker->op == BENCH_PUT ? worker->data->options->threads : 1;

	for (uint64_t key = worker->op == BENCH_PUT ? worker->number : 0; key < worker->data->keys && !is_interrupted; key += step)
		if (check(worker, key, calls[worker->op](worker, key), true))
			return;
}

static void measure(struct worker *worker)
{
	const struct bench_clock *clock = worker->data->clock;
	ssize_t (*call)(struct worker * worker, uint64_t key) = calls[worker->op];
	uint64_t count = 0;
	uint64_t after;

	worker->begin = bench_clock_now(clock);
	worker->deadline = worker->begin + (uint64_t)(worker->data->options->seconds * 1e9 / clock->ns_per_tick);
	do {
		uint64_t key = next_key(worker);
		uint64_t before;
		ssize_t result;

		if (worker->op == BENCH_PUT)
			worker->data->rounds[key]++;
		before = bench_clock_now(clock);
		result = call(worker, key);
		after = bench_clock_now(clock);
		histogram_add(&worker->ticks, after - before);
		if (check(worker, key, result, ++count % CHECK_ALL_EVERY == 0))
			break;
	} while (after < worker->deadline && !is_interrupted && !atomic_load_explicit(worker->is_failed, memory_order_relaxed));
	worker->end = bench_clock_now(clock);
}

// What was put must be there.
static void read_back(struct worker *worker)
{
	uint64_t threads = worker->data->options->threads;

	for (uint64_t key = worker->number; key < worker->data->keys; key += threads) {
		ssize_t result = do_get(worker, key);

		if (result < 0 || !is_right(worker, key, result, true)) {
			fail(worker, key, result);
			return;
		}
	}
}

static void *work(void *context)
{
	struct worker *worker = context;

	pin(worker);
	warm_up(worker);
	pthread_barrier_wait(worker->barrier);
	pthread_barrier_wait(worker->barrier); // between the two, the main thread takes the statistics
	if (!atomic_load_explicit(worker->is_failed, memory_order_relaxed))
		measure(worker);
	pthread_barrier_wait(worker->barrier);
	pthread_barrier_wait(worker->barrier); // and takes them again
	if (worker->op == BENCH_PUT && worker->status == CLI_OK)
		read_back(worker);
	return NULL;
}

// --- all threads ---

static struct worker *worker_new(struct bench_data *data, enum bench_op op, unsigned number)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	bool is_cold = op == BENCH_COLD_GET || (op == BENCH_GET && data->options->is_cold);

	if (!worker)
		return NULL;
	*worker = (struct worker){.data = data,
	        .op = op,
	        .number = number,
	        .session = is_cold ? data->cold_session : data->session,
	        .random = 0x853c49e6748fea9b + number * 0x9e3779b97f4a7c15};
	if (posix_memalign((void **)&worker->buffer, 4096, data->size + 1)) {
		free(worker);
		return NULL;
	}
	memset(worker->buffer, 0, data->size + 1); // so that no first touch is measured
	return worker;
}

static void take_result(const struct worker *worker, struct bench_result *result, uint64_t *begin, uint64_t *end, int *status)
{
	histogram_merge(&result->ticks, &worker->ticks);
	if (worker->begin < *begin)
		*begin = worker->begin;
	if (worker->end > *end)
		*end = worker->end;
	if (worker->status != CLI_OK)
		*status = worker->status;
}

static uint64_t count_one_sided(const struct worker *worker)
{
	struct far_statistics statistics;

	far_statistics(worker->session, &statistics);
	return statistics.one_sided;
}

static void workers_free(struct worker **workers, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		free(workers[i]->buffer);
		free(workers[i]);
	}
}

static int workers_new(struct bench_data *data, enum bench_op op, struct run *run)
{
	unsigned threads = data->options->threads;

	for (unsigned i = 0; i < threads; i++) {
		run->workers[i] = worker_new(data, op, i);
		if (!run->workers[i]) {
			workers_free(run->workers, i);
			return report_local("cannot start", "threads", ENOMEM);
		}
		run->workers[i]->barrier = &run->barrier;
		run->workers[i]->is_failed = &run->is_failed;
	}
	for (unsigned i = 0; i < threads; i++) {
		int error = pthread_create(&run->workers[i]->thread, NULL, work, run->workers[i]);

		if (error) { // those that run wait for it at the barrier: there is no way on
			report_local("cannot start", "a thread", error);
			exit(CLI_FAILURE);
		}
	}
	return CLI_OK;
}

int bench_run(struct bench_data *data, enum bench_op op, struct bench_result *result)
{
	unsigned threads = data->options->threads;
	struct run run = {.is_failed = false};
	uint64_t begin = UINT64_MAX;
	uint64_t end = 0;
	int status;

	*result = (struct bench_result){.op = op, .size = data->size, .keys = data->keys};
	pthread_barrier_init(&run.barrier, NULL, threads + 1);
	status = workers_new(data, op, &run);
	if (status != CLI_OK)
		return status;
	pthread_barrier_wait(&run.barrier);
	result->one_sided = count_one_sided(run.workers[0]);
	pthread_barrier_wait(&run.barrier);
	pthread_barrier_wait(&run.barrier);
	result->one_sided = count_one_sided(run.workers[0]) - result->one_sided;
	pthread_barrier_wait(&run.barrier);
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(run.workers[i]->thread, NULL);
		take_result(run.workers[i], result, &begin, &end, &status);
	}
	workers_free(run.workers, threads);
	pthread_barrier_destroy(&run.barrier);
	result->seconds = end > begin ? (double)(end - begin) * data->clock->ns_per_tick / 1e9 : 0;
	return status;
}
