#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/bench_worker.h"
#include "client/cli/report.h"

// One thread's operations with several under way, by a queue (far.h). A time lasts from giving the queue an operation, or from when it was to begin at a rate, to having its completion. A turn gives the queue what there are free
// slots for, waits, takes what has come, and checks it.

#define WAIT_MS 100 // so an end in between is seen
#define CHECK_ALL_EVERY 64U

typedef int bench_submit(struct worker *worker, struct bench_slot *slot);

static int submit_get(struct worker *worker, struct bench_slot *slot)
{
	return far_queue_get_into(worker->queue, slot->name, slot->name_length, slot->buffer, worker->data->sizes->most, slot);
}

static int submit_put(struct worker *worker, struct bench_slot *slot)
{
	return far_queue_put(worker->queue, slot->name, slot->name_length, slot->value, slot->size, NULL, slot);
}

static int submit_stat(struct worker *worker, struct bench_slot *slot)
{
	return far_queue_stat(worker->queue, slot->name, slot->name_length, &slot->stat, slot);
}

static bench_submit *const submits[BENCH_OPS] = {
        [BENCH_GET] = submit_get,
        [BENCH_WARM_GET] = submit_get,
        [BENCH_COLD_GET] = submit_get,
        [BENCH_PUT] = submit_put,
        [BENCH_INSERT] = submit_put,
        [BENCH_STAT] = submit_stat,
};

bool bench_queue_takes(enum bench_op op)
{
	return submits[op] != NULL;
}

int bench_queue_new(struct worker *worker)
{
	const struct bench_mix *mix = worker->mix;
	enum bench_op op = bench_mix_has(mix, BENCH_COLD_GET) ? BENCH_COLD_GET : bench_mix_has(mix, BENCH_GET) ? BENCH_GET : mix->only;
	int error = far_queue_new(bench_session(worker, op), worker->slot_count, &worker->queue);

	if (error)
		return report_error(error);
	worker->completions = calloc(worker->slot_count, sizeof(worker->completions[0]));
	worker->idle = calloc(worker->slot_count, sizeof(worker->idle[0]));
	if (!worker->completions || !worker->idle)
		return report_local("cannot make", "a queue", ENOMEM);
	for (unsigned i = 0; i < worker->slot_count; i++)
		worker->idle[worker->idle_count++] = &worker->slots[i];
	return CLI_OK;
}

void bench_queue_free(struct worker *worker)
{
	far_queue_free(worker->queue);
	free(worker->completions);
	free(worker->idle);
}

// What a run is to do.
struct run {
	void (*choose)(struct worker *worker, struct bench_slot *slot);
	uint64_t operations;
	uint64_t deadline; // ticks
	uint64_t begun;    // operations
	uint64_t intended; // ticks: when the next is to begin; 0 = at once
	bool checks_all;
};

static bool is_filled(const struct run *run, const struct worker *worker, uint64_t now)
{
	return run->begun == run->operations || now >= run->deadline || worker_is_over(worker);
}

static void next_turn(struct run *run, struct worker *worker)
{
	run->intended = worker->pace.interval > 0 ? bench_pace_next(&worker->pace) : 0;
}

// Gives the queue an operation for each idle slot, as far as they are due. Returns 0, or an exit status.
static int begin(struct run *run, struct worker *worker)
{
	const struct bench_clock *clock = worker->data->clock;
	uint64_t now = bench_clock_now(clock);

	while (worker->idle_count > 0 && run->intended <= now && !is_filled(run, worker, now)) {
		struct bench_slot *slot = worker->idle[worker->idle_count - 1];
		int error;

		run->choose(worker, slot);
		now = bench_clock_now(clock);
		slot->began = now;
		slot->intended = run->intended;
		error = submits[slot->op](worker, slot);
		if (error) {
			slot->result = error;
			return worker_finish(worker, slot, BENCH_CHECK_ENDS);
		}
		worker->idle_count--;
		run->begun++;
		if (run->intended)
			atomic_store_explicit(
			        &worker->progress.behind, now > run->intended ? now - run->intended : 0, memory_order_relaxed);
		next_turn(run, worker);
	}
	return 0;
}

// How long completions may be waited for before the next operation is due.
static int wait_ms(const struct run *run, const struct worker *worker)
{
	const struct bench_clock *clock = worker->data->clock;
	uint64_t now = bench_clock_now(clock);
	double left_ms;

	if (worker->idle_count == 0 || run->intended == 0 || is_filled(run, worker, now))
		return WAIT_MS;
	left_ms = run->intended > now ? (double)(run->intended - now) * clock->ns_per_tick / 1e6 : 0;
	return left_ms < WAIT_MS ? (int)left_ms : WAIT_MS;
}

static void count_time(struct worker *worker, const struct bench_slot *slot, uint64_t now)
{
	struct bench_times *times = worker->times[slot->op];
	uint64_t since = slot->intended ? slot->intended : slot->began;

	histogram_add(&times->ticks, now > since ? now - since : 1, 1);
	if (slot->intended)
		histogram_add(&times->service, now > slot->began ? now - slot->began : 1, 1);
}

static int take(struct run *run, struct worker *worker, const struct far_completion *completion, uint64_t now)
{
	struct bench_slot *slot = completion->context;
	uint64_t most = worker->data->sizes->most;
	bool is_large = completion->size > most;

	slot->result = completion->result ? completion->result : (ssize_t)(is_large ? most : completion->size);
	worker->idle[worker->idle_count++] = slot;
	worker->done++;
	if (!run->checks_all)
		count_time(worker, slot, now);
	return worker_finish(worker, slot, run->checks_all || worker->done % CHECK_ALL_EVERY == 0 ? BENCH_CHECK_ALL : BENCH_CHECK_ENDS);
}

// Takes what has come. Returns 0, or an exit status.
static int take_some(struct run *run, struct worker *worker)
{
	unsigned count = far_queue_wait(worker->queue, worker->completions, worker->slot_count, wait_ms(run, worker));
	uint64_t now = bench_clock_now(worker->data->clock);

	for (unsigned i = 0; i < count; i++) {
		int status = take(run, worker, &worker->completions[i], now);

		if (status)
			return status;
		worker->end = now;
	}
	atomic_store_explicit(&worker->progress.operations, worker->done, memory_order_relaxed);
	return 0;
}

// Until all are begun and have come back.
static void go(struct run *run, struct worker *worker)
{
	next_turn(run, worker);
	while (begin(run, worker) == 0) {
		bool is_idle = worker->idle_count == worker->slot_count;

		if (is_idle && is_filled(run, worker, bench_clock_now(worker->data->clock)))
			return;
		if (is_idle)
			worker_wait_until(worker, run->intended < run->deadline ? run->intended : run->deadline);
		else if (take_some(run, worker))
			return;
	}
}

void bench_queue_run(struct worker *worker, uint64_t deadline, uint64_t operations)
{
	struct run run = {.choose = worker_prepare, .operations = operations, .deadline = deadline};

	go(&run, worker);
}

static void choose_next_key(struct worker *worker, struct bench_slot *slot)
{
	slot->op = worker->mix->only;
	worker_prepare_key(worker, slot, worker->touched);
	worker->touched += worker_key_step(worker);
}

void bench_queue_touch(struct worker *worker)
{
	uint64_t first = worker->owns_keys ? worker->number : 0;
	uint64_t step = worker_key_step(worker);
	struct run run = {.choose = choose_next_key,
	        .operations = (worker->data->keys - first + step - 1) / step,
	        .deadline = UINT64_MAX,
	        .checks_all = true};

	worker->touched = first;
	go(&run, worker);
}
