#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "client/cli/bench_worker.h"
#include "client/cli/command.h"
#include "client/cli/report.h"

// Starts the threads of a measurement, stops them, and adds up what they found.

#define BATCH_BELOW_NS 1000

const char *const bench_op_names[BENCH_OPS] = {[BENCH_GET] = "get",
        [BENCH_WARM_GET] = "warm-get",
        [BENCH_COLD_GET] = "cold-get",
        [BENCH_PUT] = "put",
        [BENCH_STAT] = "stat",
        [BENCH_PING] = "ping"};

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
	for (unsigned i = 0; i < count; i++)
		worker_free(workers[i]);
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
		int error = pthread_create(&run->workers[i]->thread, NULL, worker_run, run->workers[i]);

		if (error) { // those that run wait for it at the barrier: there is no way on
			report_local("cannot start", "a thread", error);
			exit(CLI_FAILURE);
		}
	}
	return CLI_OK;
}

// All threads time alike: by the slowest of them. They wait at the barrier meanwhile.
static unsigned choose_batch(const struct run *run, const struct bench_options *options)
{
	double slowest_ns = 0;
	unsigned batch = run->workers[0]->batch;

	for (unsigned i = 0; i < options->threads; i++)
		if (run->workers[i]->probe_ns > slowest_ns)
			slowest_ns = run->workers[i]->probe_ns;
	if (!options->batch && slowest_ns >= BATCH_BELOW_NS)
		batch = 1;
	for (unsigned i = 0; i < options->threads; i++)
		run->workers[i]->batch = batch;
	return batch;
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
	result->batch = choose_batch(&run, data->options);
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
