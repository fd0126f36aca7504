// Measuring gets and puts: what is measured, and the result.
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cli/bench_clock.h"
#include "client/cli/histogram.h"
#include "far.h"

#define BENCH_THREADS_MAX 64 // a session's lanes
#define BENCH_SIZES_MAX 32
#define BENCH_CPUS_MAX 64
#define BENCH_BATCH 16 // calls timed together where one is too short
#define BENCH_LOAD_SIZE 64

enum bench_op {
	BENCH_GET,      // warm-get, or with --cold cold-get
	BENCH_WARM_GET, // locations known after the warm-up: one-sided
	BENCH_COLD_GET, // no location is remembered: the server is asked each time
	BENCH_PUT,      // each thread its own keys
	BENCH_STAT,
	BENCH_PING,
	BENCH_OPS,
};

extern const char *const bench_op_names[BENCH_OPS];

struct bench_options {
	enum bench_op ops[BENCH_OPS];
	unsigned op_count;
	uint64_t sizes[BENCH_SIZES_MAX];
	unsigned size_count;
	uint64_t keys;  // 0 = chosen by size
	uint64_t load;  // objects to store first and to leave; keys are some of them. 0 = keys of its own
	unsigned batch; // calls timed together, 0 = chosen
	unsigned threads;
	double seconds; // of each measurement
	unsigned cpus[BENCH_CPUS_MAX];
	unsigned cpu_count; // 0 = wherever the scheduler puts the threads
	bool is_cold;       // get asks the server too
	bool is_flat;       // keys of one component, in no directory
	bool is_json;
};

// The keys of one size, all holding their pattern.
struct bench_data {
	far_session *session;
	far_session *cold_session; // remembers no locations
	const struct bench_clock *clock;
	const struct bench_options *options;
	uint64_t size;
	uint64_t keys;
	char (*names)[48];
	uint32_t *rounds; // by key: how often it was put, which decides its pattern. Written by the thread that puts the key.
	const char *pattern;
	bool has_batches; // some result is of calls timed together
};

struct bench_result {
	enum bench_op op;
	uint64_t size;
	uint64_t keys;
	double seconds; // really
	unsigned batch; // calls that were timed together
	uint64_t one_sided;
	struct histogram ticks;
};

// Stores the objects bench/0, bench/1, ... of --load. Returns CLI_OK or an exit status, having said what went wrong.
int bench_load(struct bench_data *data);

// Fills and empties. Return CLI_OK or an exit status, having said what went wrong.
int bench_data_new(struct bench_data *data, uint64_t size);
void bench_data_free(struct bench_data *data);

// The value of a key, data->size bytes.
const char *bench_value(const struct bench_data *data, uint64_t key);

// Runs one operation on all threads. Returns CLI_OK or an exit status, having said what went wrong.
int bench_run(struct bench_data *data, enum bench_op op, struct bench_result *result);

// Set by a signal: end early.
bool bench_is_interrupted(void);
void bench_catch_interrupt(void);

#endif
