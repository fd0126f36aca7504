#include "client/cli/bench_worker.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/interrupt.h"
#include "client/cli/report.h"

// One thread's operations, one under way at a time (several: bench_queue.c). An operation is a slot: prepared (which one, which key, what to put), called, finished (checked, counted). A time lasts from
// a clock reading to the next with nothing but the calls between. Operations per second count the whole loop, preparing and checking included.
// Calls shorter than a microsecond are timed 16 at a time, for reading the clock would be a good part of each.

#define CHECK_ALL_EVERY 64U
#define PROBES 8U
#define BATCHED_SIZE_MAX (64U << 10) // no call that moves more takes less than a microsecond
#define WAIT_NS 100000000.0
#define WARM_UP_S 1 // where going over all keys would not do what the measurement does

// --- one operation ---

static bool is_own_put(const struct worker *worker, enum bench_op op)
{
	return worker->owns_keys && op == BENCH_PUT;
}

static uint32_t next_seed(struct worker *worker, const struct bench_slot *slot)
{
	uint32_t *seeds = worker->data->seeds;

	if (slot->op == BENCH_INSERT)
		return (uint32_t)worker->data->options->seed;
	if (seeds && is_own_put(worker, slot->op))
		return ++seeds[slot->key];
	return (uint32_t)(random_next(&worker->random) >> 32);
}

void worker_prepare_key(struct worker *worker, struct bench_slot *slot, uint64_t key)
{
	slot->key = key;
	slot->name_length = bench_data_number_name(worker->data, key, slot->name);
	if (slot->op == BENCH_INCR)
		slot->name_length = bench_name_counter(slot->name, slot->name_length);
	if (!bench_op_stores(slot->op))
		return;
	slot->seed = next_seed(worker, slot);
	slot->value = bench_value_make(&slot->source, &worker->data->values, key, slot->seed);
	slot->size = slot->source.size;
}

void worker_prepare(struct worker *worker, struct bench_slot *slot)
{
	slot->op = worker->mix->op_count == 1 ? worker->mix->only : bench_mix_pick(worker->mix, random_next(&worker->random));
	if (slot->op == BENCH_SCAN) { // from a key that was there when the cursors were taken
		slot->scan_count = 1 + (uint32_t)random_below(&worker->random, worker->data->options->scan_most);
		slot->key = bench_choice_next(&worker->choice) % worker->data->keys;
		return;
	}
	worker_prepare_key(
	        worker, slot, slot->op == BENCH_INSERT ? bench_choice_insert(&worker->choice) : bench_choice_next(&worker->choice));
}

static int fail(struct worker *worker, const struct bench_slot *slot)
{
	atomic_store_explicit(&worker->team->is_failed, true, memory_order_relaxed);
	if (slot->result < 0)
		worker->status = report_error((int)slot->result);
	else
		worker->status = report("bench: %s brought wrong bytes", slot->name);
	return worker->status;
}

static bool is_right(const struct worker *worker, const struct bench_slot *slot, enum bench_check check)
{
	const struct bench_data *data = worker->data;
	const uint32_t *seed = data->seeds && slot->key < data->keys ? &data->seeds[slot->key] : NULL;

	return bench_value_is_right(&data->values, slot->key, seed, slot->buffer, (size_t)slot->result, check);
}

int worker_finish(struct worker *worker, struct bench_slot *slot, enum bench_check check)
{
	bool is_verifying = worker->data->options->is_verifying;

	if (slot->result < 0)
		return fail(worker, slot);
	worker->bytes += (uint64_t)slot->result;
	if (bench_op_stores(slot->op))
		worker->bytes += slot->size;
	worker->gets += bench_op_fetches(slot->op);
	if (!bench_op_fetches(slot->op) || is_right(worker, slot, is_verifying ? BENCH_CHECK_ALL : check))
		return 0;
	worker->wrong++;
	return is_verifying ? 0 : fail(worker, slot);
}

// --- before the measurement ---

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

uint64_t worker_key_step(const struct worker *worker)
{
	return worker->owns_keys ? worker->data->options->threads : 1;
}

// One pass over the thread's keys, every value checked whole.
static void touch_all(struct worker *worker)
{
	struct bench_slot *slot = &worker->slots[0];
	uint64_t step = worker_key_step(worker);

	if (worker->queue) {
		bench_queue_touch(worker);
		return;
	}

	slot->op = worker->mix->only;
	for (uint64_t key = worker->owns_keys ? worker->number : 0; key < worker->data->keys && !interrupt_is_noted(); key += step) {
		worker_prepare_key(worker, slot, key);
		slot->result = worker->calls[slot->op](worker, slot);
		if (worker_finish(worker, slot, BENCH_CHECK_ALL))
			return;
	}
}

// --- the loop ---

// Times `count` calls together, then checks them. Returns the ticks of all, 0 if one failed.
static uint64_t time_batch(struct worker *worker, unsigned count, enum bench_check check)
{
	const struct bench_clock *clock = worker->data->clock;
	uint64_t before;
	uint64_t ticks;

	for (unsigned i = 0; i < count; i++)
		worker_prepare(worker, &worker->slots[i]);
	before = bench_clock_now(clock);
	for (unsigned i = 0; i < count; i++)
		worker->slots[i].result = worker->calls[worker->slots[i].op](worker, &worker->slots[i]);
	worker->end = bench_clock_now(clock);
	ticks = worker->end - before;
	for (unsigned i = 0; i < count; i++)
		if (worker_finish(worker, &worker->slots[i], check))
			return 0;
	return ticks ? ticks : 1;
}

bool worker_is_over(const struct worker *worker)
{
	return interrupt_is_noted() || atomic_load_explicit(&worker->team->is_failed, memory_order_relaxed);
}

// In pieces, so that an end in between is seen.
void worker_wait_until(const struct worker *worker, uint64_t until)
{
	const struct bench_clock *clock = worker->data->clock;
	uint64_t piece = (uint64_t)(WAIT_NS / clock->ns_per_tick);

	for (uint64_t now = bench_clock_now(clock); now < until && !worker_is_over(worker); now = bench_clock_now(clock))
		bench_clock_wait(clock, until - now < piece ? until : now + piece);
}

// Waits for its turn. The wait for one that comes too late is part of its time.
static void run_paced(struct worker *worker, uint64_t deadline, enum bench_check check)
{
	uint64_t intended = bench_pace_next(&worker->pace);
	struct bench_times *times;
	uint64_t ticks;
	uint64_t began;

	worker_wait_until(worker, intended < deadline ? intended : deadline);
	if (intended >= deadline || worker_is_over(worker)) {
		worker->end = deadline;
		return;
	}
	ticks = time_batch(worker, 1, check);
	if (!ticks)
		return;
	began = worker->end - ticks;
	times = worker->times[worker->slots[0].op];
	histogram_add(&times->service, ticks, 1);
	histogram_add(&times->ticks, worker->end > intended ? worker->end - intended : 1, 1);
	worker->done++;
	atomic_store_explicit(&worker->progress.behind, began > intended ? began - intended : 0, memory_order_relaxed);
}

static void run_batch(struct worker *worker, enum bench_check check)
{
	uint64_t ticks = time_batch(worker, worker->batch, check);

	if (!ticks)
		return;
	histogram_add(&worker->times[worker->slots[0].op]->ticks, ticks / worker->batch, worker->batch);
	worker->done += worker->batch;
}

static void run_for(struct worker *worker, double seconds, uint64_t operations)
{
	const struct bench_clock *clock = worker->data->clock;
	uint64_t deadline = bench_clock_now(clock) + (uint64_t)(seconds * 1e9 / clock->ns_per_tick);
	uint64_t batches = 0;

	worker->done = 0;
	worker->begin = bench_clock_now(clock);
	worker->end = worker->begin;
	if (worker->queue) {
		bench_queue_run(worker, deadline, operations);
		return;
	}
	while (worker->done < operations && worker->end < deadline && !worker_is_over(worker)) {
		enum bench_check check = ++batches % CHECK_ALL_EVERY == 0 ? BENCH_CHECK_ALL : BENCH_CHECK_ENDS;

		if (worker->pace.interval > 0)
			run_paced(worker, deadline, check);
		else
			run_batch(worker, check);
		atomic_store_explicit(&worker->progress.operations, worker->done, memory_order_relaxed);
	}
}

static void begin_pace(struct worker *worker)
{
	const struct bench_options *options = worker->data->options;
	const struct bench_clock *clock = worker->data->clock;

	if (options->rate > 0 && !worker->is_load)
		worker->pace = bench_pace_begin(
		        options->rate, clock->ns_per_tick, bench_clock_now(clock), worker->number, (unsigned)options->threads);
}

void worker_measure(struct worker *worker)
{
	worker->bytes = 0;
	worker->gets = 0;
	worker->retries = 0;
	for (unsigned op = 0; op < BENCH_OPS; op++)
		if (worker->times[op])
			memset(worker->times[op], 0, sizeof(*worker->times[op]));
	begin_pace(worker);
	run_for(worker, worker->is_load ? 1e6 : worker->data->options->seconds, worker->share);
}

// Times of so many calls at once may be taken: as many slots are needed. Only calls of one kind have a mean that says something.
static unsigned batch_limit(const struct worker *worker)
{
	const struct bench_options *options = worker->data->options;

	if (options->depth > 1 || worker->is_load || options->rate > 0 || worker->mix->op_count > 1 || worker->mix->only == BENCH_SCAN ||
	        options->operations)
		return 1;
	if (options->batch)
		return (unsigned)options->batch;
	return worker->data->sizes->most <= BATCHED_SIZE_MAX ? BENCH_BATCH : 1;
}

// Brings locations, grants and buffers to where they stay. The first pass of gets asks the server; only the second reads where the measurement will read, and
// maps those pages. Where keys are not chosen alike, or several operations are mixed, nothing but the same for a while does it.
static void warm_up(struct worker *worker)
{
	const struct bench_options *options = worker->data->options;
	bool is_plain = worker->mix->op_count == 1 && worker->mix->only != BENCH_SCAN && worker->mix->only != BENCH_INSERT &&
	                (options->distribution.kind == CHOICE_UNIFORM || options->distribution.kind == CHOICE_SEQUENTIAL);

	if (worker->is_load)
		return;
	if (options->warm_up_s < 0 && is_plain) {
		touch_all(worker);
		if (worker->status == CLI_OK)
			touch_all(worker);
		return;
	}
	worker->batch = 1;
	begin_pace(worker);
	run_for(worker, options->warm_up_s < 0 ? WARM_UP_S : options->warm_up_s, UINT64_MAX);
	worker->batch = batch_limit(worker);
}

// What one call takes when nothing disturbs: decides whether calls are timed one by one.
static void probe(struct worker *worker)
{
	worker->probe_ns = 1e18;
	for (unsigned i = 0; i < PROBES && worker->batch > 1 && worker->status == CLI_OK; i++) {
		double ns = (double)time_batch(worker, worker->batch, BENCH_CHECK_ALL) * worker->data->clock->ns_per_tick / worker->batch;

		if (ns < worker->probe_ns)
			worker->probe_ns = ns;
	}
}

// What was put must be there.
static void read_back(struct worker *worker)
{
	struct bench_slot *slot = &worker->slots[0];

	slot->op = BENCH_WARM_GET;
	for (uint64_t key = worker->number; key < worker->data->keys; key += worker->data->options->threads) {
		worker_prepare_key(worker, slot, key);
		slot->result = worker->calls[slot->op](worker, slot);
		if (worker_finish(worker, slot, BENCH_CHECK_ALL))
			return;
	}
}

static void get_ready(struct worker *worker)
{
	if (worker->data->options->depth > 1)
		worker->status = bench_queue_new(worker);
	if (worker->status != CLI_OK) {
		atomic_store_explicit(&worker->team->is_failed, true, memory_order_relaxed);
		return;
	}
	if (!worker->is_load &&
	        bench_choice_init(&worker->choice, &worker->data->options->distribution, worker->data->options->seed, worker->number)) {
		atomic_store_explicit(&worker->team->is_failed, true, memory_order_relaxed);
		worker->status = report_local("cannot choose", "keys", ENOMEM);
		return;
	}
	warm_up(worker);
	probe(worker);
}

void *worker_run(void *context)
{
	struct worker *worker = context;
	bool is_cancelled;

	pthread_mutex_lock(&worker->team->gate);
	is_cancelled = worker->team->is_cancelled;
	pthread_mutex_unlock(&worker->team->gate);
	if (is_cancelled)
		return NULL;
	pin(worker);
	get_ready(worker);
	pthread_barrier_wait(&worker->team->barrier);
	pthread_barrier_wait(&worker->team->barrier); // between the two, the main thread takes the statistics and decides on the batch
	if (!atomic_load_explicit(&worker->team->is_failed, memory_order_relaxed))
		worker_measure(worker);
	sem_post(&worker->team->measured);
	pthread_barrier_wait(&worker->team->barrier);
	pthread_barrier_wait(&worker->team->barrier); // and takes them again
	if (worker->owns_keys && worker->status == CLI_OK && worker->data->seeds)
		read_back(worker);
	return NULL;
}

// --- making ---

bool bench_owns_keys(const struct bench_options *options, const struct bench_mix *mix)
{
	return mix->op_count == 1 && mix->only == BENCH_PUT &&
	       (options->distribution.kind == CHOICE_UNIFORM || options->distribution.kind == CHOICE_SEQUENTIAL);
}

static bool add_memory(struct worker *worker)
{
	size_t room = (worker->data->sizes->most + 1 + 63) & ~(size_t)63;
	bool stores = false;

	for (unsigned op = 0; op < BENCH_OPS; op++)
		stores |= bench_mix_has(worker->mix, op) && bench_op_stores(op);
	worker->slots = calloc(worker->slot_count, sizeof(worker->slots[0]));
	for (unsigned i = 0; worker->slots && i < worker->slot_count; i++) {
		struct bench_slot *slot = &worker->slots[i];

		bench_data_name(worker->data, 0, slot->name);
		if (posix_memalign((void **)&slot->buffer, 64, room))
			return false;
		memset(slot->buffer, 0, room); // so that no first touch is measured
		if (stores && bench_source_init(&slot->source, &worker->data->values))
			return false;
	}
	for (unsigned op = 0; op < BENCH_OPS; op++) {
		if (!bench_mix_has(worker->mix, op))
			continue;
		worker->times[op] = calloc(1, sizeof(*worker->times[op]));
		if (!worker->times[op])
			return false;
	}
	return worker->slots != NULL;
}

// Keys and operations are dealt out to the threads in turn.
static uint64_t share_of(uint64_t all, unsigned number, unsigned threads)
{
	return (all - number + threads - 1) / threads;
}

struct worker *worker_new(struct bench_data *data, const struct bench_mix *mix, unsigned number, bool is_load)
{
	unsigned threads = (unsigned)data->options->threads;
	uint64_t operations = is_load ? data->keys : data->options->operations;
	struct worker *worker = aligned_alloc(_Alignof(struct worker), sizeof(*worker));

	if (!worker)
		return NULL;
	*worker = (struct worker){.data = data,
	        .mix = mix,
	        .calls = bench_calls,
	        .number = number,
	        .is_load = is_load,
	        .owns_keys = bench_owns_keys(data->options, mix),
	        .share = operations ? share_of(operations, number, threads) : UINT64_MAX,
	        .random = random_mix(data->options->seed * BENCH_THREADS_MAX + number) | 1};
	worker->batch = batch_limit(worker);
	worker->slot_count = data->options->depth > 1 ? (unsigned)data->options->depth : worker->batch;
	worker->choice = (struct bench_choice){
	        .count = data->keys, .stride = 1, .insert_first = (is_load ? 0 : data->keys_end) + number, .threads = threads};
	if (worker->owns_keys) {
		worker->choice.count = share_of(data->keys, number, threads);
		worker->choice.first = number;
		worker->choice.stride = threads;
	}
	if (!add_memory(worker)) {
		worker_free(worker);
		return NULL;
	}
	return worker;
}

void worker_free(struct worker *worker)
{
	bench_queue_free(worker); // before the memory that is lent to it
	for (unsigned i = 0; worker->slots && i < worker->slot_count; i++) {
		free(worker->slots[i].buffer);
		bench_source_fini(&worker->slots[i].source);
	}
	for (unsigned op = 0; op < BENCH_OPS; op++)
		free(worker->times[op]);
	bench_choice_fini(&worker->choice);
	free(worker->slots);
	free(worker);
}
