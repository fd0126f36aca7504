#include "client/cli/bench_worker.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/report.h"

// One thread does one thing over and over, with one operation under way. A time lasts from a clock reading to the next with nothing but the calls between; what is
// fetched is checked behind it: the ends of the value each time, all of it in the warm-up and each 64th time. Operations per second count the whole loop, checks included.
// Calls shorter than a microsecond are timed 16 at a time, for reading the clock would be a good part of each.

#define CHECK_ALL_EVERY 64U
#define CHECK_ENDS 32U
#define PROBES 8U
#define BATCHED_SIZE_MAX (64U << 10) // no call that moves more takes less than a microsecond

// --- one operation ---

static ssize_t do_get(struct worker *worker, uint64_t key, char *buffer)
{
	const struct bench_data *data = worker->data;

	return far_get_into(worker->session, data->names[key], strlen(data->names[key]), buffer, data->size, 0, NULL, NULL);
}

static ssize_t do_put(struct worker *worker, uint64_t key, char *buffer)
{
	const struct bench_data *data = worker->data;

	(void)buffer;
	return far_put(worker->session, data->names[key], strlen(data->names[key]), bench_value(data, key), data->size, NULL);
}

static ssize_t do_stat(struct worker *worker, uint64_t key, char *buffer)
{
	const struct bench_data *data = worker->data;
	struct far_stat stat;

	(void)buffer;
	return far_stat(worker->session, data->names[key], strlen(data->names[key]), &stat);
}

static ssize_t do_ping(struct worker *worker, uint64_t key, char *buffer)
{
	(void)key;
	(void)buffer;
	return far_ping(worker->session);
}

typedef ssize_t bench_call(struct worker *worker, uint64_t key, char *buffer);

static bench_call *const calls[BENCH_OPS] = {
        [BENCH_GET] = do_get,
        [BENCH_WARM_GET] = do_get,
        [BENCH_COLD_GET] = do_get,
        [BENCH_PUT] = do_put,
        [BENCH_STAT] = do_stat,
        [BENCH_PING] = do_ping,
};

static bool is_get(enum bench_op op)
{
	return calls[op] == do_get;
}

// --- checks ---

static bool is_right(const struct worker *worker, uint64_t key, const char *buffer, ssize_t length, bool is_whole)
{
	const char *value = bench_value(worker->data, key);
	uint64_t size = worker->data->size;

	if ((uint64_t)length != size)
		return false;
	if (is_whole || size <= 2 * CHECK_ENDS)
		return memcmp(buffer, value, size) == 0;
	return memcmp(buffer, value, CHECK_ENDS) == 0 && memcmp(buffer + size - CHECK_ENDS, value + size - CHECK_ENDS, CHECK_ENDS) == 0;
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

static int check(struct worker *worker, uint64_t key, const char *buffer, ssize_t result, bool is_whole)
{
	if (result < 0 || (is_get(worker->op) && !is_right(worker, key, buffer, result, is_whole)))
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

// One pass over the thread's keys, every value checked whole.
static void touch_all(struct worker *worker)
{
	uint64_t step = worker->op == BENCH_PUT ? worker->data->options->threads : 1;

	for (uint64_t key = worker->op == BENCH_PUT ? worker->number : 0; key < worker->data->keys && !bench_is_interrupted(); key += step)
		if (check(worker, key, worker->buffers, calls[worker->op](worker, key, worker->buffers), true))
			return;
}

// Brings locations, grants and buffers to where they stay. The first pass of gets asks the server; only the second reads where the measurement will read, and
// maps those pages.
static void warm_up(struct worker *worker)
{
	touch_all(worker);
	if (worker->status == CLI_OK)
		touch_all(worker);
}

// Times `count` calls together, then checks them. Returns the ticks of all, 0 if one failed.
static uint64_t time_batch(struct worker *worker, unsigned count, bool is_whole)
{
	const struct bench_clock *clock = worker->data->clock;
	bench_call *call = calls[worker->op];
	uint64_t keys[BENCH_BATCH];
	ssize_t results[BENCH_BATCH];
	uint64_t before;
	uint64_t ticks;

	for (unsigned i = 0; i < count; i++) {
		keys[i] = next_key(worker);
		if (worker->op == BENCH_PUT)
			worker->data->rounds[keys[i]]++;
	}
	before = bench_clock_now(clock);
	for (unsigned i = 0; i < count; i++)
		results[i] = call(worker, keys[i], worker->buffers + i * worker->buffer_size);
	ticks = bench_clock_now(clock) - before;
	for (unsigned i = 0; i < count; i++)
		if (check(worker, keys[i], worker->buffers + i * worker->buffer_size, results[i], is_whole))
			return 0;
	return ticks ? ticks : 1;
}

// What one call takes when nothing disturbs: decides whether calls are timed one by one.
static void probe(struct worker *worker)
{
	worker->probe_ns = 1e18;
	for (unsigned i = 0; i < PROBES && worker->batch > 1 && worker->status == CLI_OK; i++) {
		double ns = (double)time_batch(worker, worker->batch, true) * worker->data->clock->ns_per_tick / worker->batch;

		if (ns < worker->probe_ns)
			worker->probe_ns = ns;
	}
}

static void measure(struct worker *worker)
{
	const struct bench_clock *clock = worker->data->clock;
	uint64_t duration = (uint64_t)(worker->data->options->seconds * 1e9 / clock->ns_per_tick);
	uint64_t batches = 0;

	worker->begin = bench_clock_now(clock);
	do {
		uint64_t ticks = time_batch(worker, worker->batch, ++batches % CHECK_ALL_EVERY == 0);

		if (!ticks)
			break;
		histogram_add(&worker->ticks, ticks / worker->batch, worker->batch);
		worker->end = bench_clock_now(clock);
	} while (worker->end - worker->begin < duration && !bench_is_interrupted() &&
	         !atomic_load_explicit(worker->is_failed, memory_order_relaxed));
}

// What was put must be there.
static void read_back(struct worker *worker)
{
	uint64_t threads = worker->data->options->threads;

	for (uint64_t key = worker->number; key < worker->data->keys; key += threads) {
		ssize_t result = do_get(worker, key, worker->buffers);

		if (result < 0 || !is_right(worker, key, worker->buffers, result, true)) {
			fail(worker, key, result);
			return;
		}
	}
}

void *worker_run(void *context)
{
	struct worker *worker = context;

	pin(worker);
	warm_up(worker);
	probe(worker);
	pthread_barrier_wait(worker->barrier);
	pthread_barrier_wait(worker->barrier); // between the two, the main thread takes the statistics and decides on the batch
	if (!atomic_load_explicit(worker->is_failed, memory_order_relaxed))
		measure(worker);
	pthread_barrier_wait(worker->barrier);
	pthread_barrier_wait(worker->barrier); // and takes them again
	if (worker->op == BENCH_PUT && worker->status == CLI_OK)
		read_back(worker);
	return NULL;
}

// Times of so many calls at once may be taken: as many buffers are needed.
static unsigned batch_limit(const struct bench_data *data)
{
	if (data->options->batch)
		return data->options->batch;
	return data->size <= BATCHED_SIZE_MAX ? BENCH_BATCH : 1;
}

struct worker *worker_new(struct bench_data *data, enum bench_op op, unsigned number)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	bool is_cold = op == BENCH_COLD_GET || (op == BENCH_GET && data->options->is_cold);
	size_t room;

	if (!worker)
		return NULL;
	*worker = (struct worker){.data = data,
	        .op = op,
	        .number = number,
	        .session = is_cold ? data->cold_session : data->session,
	        .batch = batch_limit(data),
	        .buffer_size = (data->size + 1 + 63) & ~(size_t)63,
	        .random = 0x853c49e6748fea9b + number * 0x9e3779b97f4a7c15};
	room = worker->batch * worker->buffer_size;
	if (posix_memalign((void **)&worker->buffers, 4096, room)) {
		free(worker);
		return NULL;
	}
	memset(worker->buffers, 0, room); // so that no first touch is measured
	return worker;
}

void worker_free(struct worker *worker)
{
	free(worker->buffers);
	free(worker);
}
