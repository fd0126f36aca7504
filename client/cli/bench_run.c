#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/bench_worker.h"
#include "client/cli/interrupt.h"
#include "client/cli/report.h"

// Starts the threads of a measurement, shows how far they are, stops them, and adds up what they found.

#define BATCH_BELOW_NS 1000

// All threads of one measurement.
struct run {
	struct bench_data *data;
	const struct bench_mix *mix;
	struct worker *workers[BENCH_THREADS_MAX];
	unsigned threads;
	struct bench_team team;
	bool is_load;
};

// --- threads ---

// All or none: threads wait for each other at barriers.
static int start(struct run *run)
{
	unsigned started = 0;
	int error = 0;

	pthread_mutex_lock(&run->team.gate);
	while (!error && started < run->threads) {
		error = pthread_create(&run->workers[started]->thread, NULL, worker_run, run->workers[started]);
		started += !error;
	}
	run->team.is_cancelled = error != 0;
	pthread_mutex_unlock(&run->team.gate);
	if (!error)
		return CLI_OK;
	for (unsigned i = 0; i < started; i++)
		pthread_join(run->workers[i]->thread, NULL);
	return report_local("cannot start", "a thread", error);
}

static void workers_free(struct run *run)
{
	for (unsigned i = 0; i < run->threads && run->workers[i]; i++)
		worker_free(run->workers[i]);
}

static int workers_new(struct run *run)
{
	for (unsigned i = 0; i < run->threads; i++) {
		struct worker *worker = worker_new(run->data, run->mix, i, run->is_load);

		if (!worker)
			return report_local("cannot start", "threads", ENOMEM);
		worker->team = &run->team;
		run->workers[i] = worker;
	}
	return CLI_OK;
}

// All threads time alike: by the slowest of them. They wait at the barrier meanwhile.
static unsigned choose_batch(const struct run *run)
{
	double slowest_ns = 0;
	unsigned batch = run->workers[0]->batch;

	for (unsigned i = 0; i < run->threads; i++)
		if (run->workers[i]->probe_ns > slowest_ns)
			slowest_ns = run->workers[i]->probe_ns;
	if (!run->data->options->batch && slowest_ns >= BATCH_BELOW_NS)
		batch = 1;
	for (unsigned i = 0; i < run->threads; i++)
		run->workers[i]->batch = batch;
	return batch;
}

// --- progress ---

struct sample {
	uint64_t operations;
	uint64_t behind; // ticks, of the thread that is behind most
};

static struct sample take_sample(const struct run *run)
{
	struct sample sample = {0};

	for (unsigned i = 0; i < run->threads; i++) {
		const struct bench_progress *progress = &run->workers[i]->progress;
		uint64_t behind = atomic_load_explicit(&progress->behind, memory_order_relaxed);

		sample.operations += atomic_load_explicit(&progress->operations, memory_order_relaxed);
		if (behind > sample.behind)
			sample.behind = behind;
	}
	return sample;
}

static void show(const struct run *run, const struct sample *now, const struct sample *before, unsigned seconds)
{
	bool is_terminal = isatty(STDERR_FILENO);

	fprintf(stderr, "%s%s, %s bytes: %u s, %llu operations, %llu a second", is_terminal ? "\r" : "",
	        run->is_load ? "load" : run->mix->text, run->data->sizes->text, seconds, (unsigned long long)now->operations,
	        (unsigned long long)(now->operations - before->operations));
	if (run->data->options->rate > 0 && !run->is_load)
		fprintf(stderr, ", %.1f ms behind", (double)now->behind * run->data->clock->ns_per_tick / 1e6);
	fputs(is_terminal ? "\033[K" : "\n", stderr);
	fflush(stderr);
}

// Until all have measured: a line each second, if wanted. Else this thread sleeps.
static void watch(struct run *run)
{
	bool is_shown = run->data->options->shows_progress || isatty(STDERR_FILENO);
	struct sample before = {0};
	unsigned seconds = 0;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	for (unsigned left = run->threads; left > 0;) {
		struct sample now;

		until.tv_sec += is_shown;
		if (!is_shown) {
			while (sem_wait(&run->team.measured))
				;
			left--;
			continue;
		}
		while (left > 0 && sem_clockwait(&run->team.measured, CLOCK_MONOTONIC, &until) == 0)
			left--;
		if (left == 0 || errno != ETIMEDOUT)
			continue;
		now = take_sample(run);
		show(run, &now, &before, ++seconds);
		before = now;
	}
	if (seconds > 0 && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

// --- results ---

static uint64_t count_one_sided(const struct bench_data *data)
{
	struct far_statistics warm;
	struct far_statistics cold;

	far_statistics(data->session, &warm);
	far_statistics(data->cold_session, &cold);
	return warm.one_sided + cold.one_sided;
}

static void merge(struct bench_times *times, const struct bench_times *from)
{
	histogram_merge(&times->ticks, &from->ticks);
	histogram_merge(&times->service, &from->service);
}

static int take_times(struct bench_result *result, const struct worker *worker)
{
	for (unsigned op = 0; op < BENCH_OPS; op++) {
		if (!worker->times[op])
			continue;
		merge(&result->all, worker->times[op]);
		if (worker->mix->op_count == 1)
			continue;
		if (!result->of_op[op])
			result->of_op[op] = calloc(1, sizeof(*result->of_op[op]));
		if (!result->of_op[op])
			return report_local("cannot add up", "times", ENOMEM);
		merge(result->of_op[op], worker->times[op]);
	}
	return CLI_OK;
}

static int take_result(struct run *run, struct bench_result *result)
{
	uint64_t begin = UINT64_MAX;
	uint64_t end = 0;
	uint64_t inserted = 0;
	int status = CLI_OK;

	for (unsigned i = 0; i < run->threads; i++) {
		const struct worker *worker = run->workers[i];
		int one = take_times(result, worker);

		begin = worker->begin < begin ? worker->begin : begin;
		end = worker->end > end ? worker->end : end;
		inserted = worker->choice.inserted > inserted ? worker->choice.inserted : inserted;
		result->bytes += worker->bytes;
		result->gets += worker->gets;
		result->wrong += worker->wrong;
		result->retries += worker->retries;
		status = worker->status != CLI_OK ? worker->status : status == CLI_OK ? one : status;
	}
	if (!run->is_load)
		run->data->keys_end += inserted * run->threads;
	result->seconds = end > begin ? (double)(end - begin) * run->data->clock->ns_per_tick / 1e9 : 0;
	return status;
}

void bench_result_free(struct bench_result *result)
{
	for (unsigned op = 0; op < BENCH_OPS; op++) {
		free(result->of_op[op]);
		result->of_op[op] = NULL;
	}
}

// --- all of it ---

// Where threads put to the same keys, nobody knows the last put any more.
static void forget_seeds(struct run *run)
{
	if (run->is_load || bench_owns_keys(run->data->options, run->mix))
		return;
	if (!bench_mix_has(run->mix, BENCH_PUT) && !bench_mix_has(run->mix, BENCH_RMW))
		return;
	free(run->data->seeds);
	run->data->seeds = NULL;
}

static int run_threads(struct run *run, struct bench_result *result)
{
	int status = start(run);

	if (status != CLI_OK)
		return status;
	pthread_barrier_wait(&run->team.barrier);
	result->batch = choose_batch(run);
	result->one_sided = count_one_sided(run->data);
	pthread_barrier_wait(&run->team.barrier);
	watch(run);
	pthread_barrier_wait(&run->team.barrier);
	result->one_sided = count_one_sided(run->data) - result->one_sided;
	pthread_barrier_wait(&run->team.barrier);
	for (unsigned i = 0; i < run->threads; i++)
		pthread_join(run->workers[i]->thread, NULL);
	return take_result(run, result);
}

int bench_run(struct bench_data *data, const struct bench_mix *mix, bool is_load, struct bench_result *result)
{
	struct run run = {.data = data, .mix = mix, .threads = (unsigned)data->options->threads, .is_load = is_load};
	int status;

	memset(result, 0, sizeof(*result));
	result->mix = mix;
	result->data = data;
	forget_seeds(&run);
	pthread_mutex_init(&run.team.gate, NULL);
	pthread_barrier_init(&run.team.barrier, NULL, run.threads + 1);
	sem_init(&run.team.measured, 0, 0);
	status = workers_new(&run);
	if (status == CLI_OK)
		status = run_threads(&run, result);
	workers_free(&run);
	sem_destroy(&run.team.measured);
	pthread_barrier_destroy(&run.team.barrier);
	pthread_mutex_destroy(&run.team.gate);
	return status;
}
