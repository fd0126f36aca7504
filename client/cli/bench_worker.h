// One thread of a measurement. Inside the benchmark only.
#ifndef CLI_BENCH_WORKER_H
#define CLI_BENCH_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "client/cli/bench.h"

// It alone touches its worker until it is joined, but between the two barriers before the measurement, when the main thread reads probe_ns and sets batch.
struct worker {
	struct bench_data *data;
	enum bench_op op;
	unsigned number;
	pthread_t thread;
	pthread_barrier_t *barrier;
	atomic_bool *is_failed; // of all workers: relaxed, it only makes the others end sooner
	far_session *session;
	char *buffers; // one for each call of a batch
	size_t buffer_size;
	uint64_t random;
	double probe_ns; // what one call takes, by a first look
	unsigned batch;  // calls that are timed together
	int status;
	uint64_t begin; // ticks
	uint64_t end;
	struct histogram ticks; // of single calls: a batch counts as so many of its mean
};

// NULL without memory.
struct worker *worker_new(struct bench_data *data, enum bench_op op, unsigned number);
void worker_free(struct worker *worker);

// The thread's function.
void *worker_run(void *worker);

#endif
