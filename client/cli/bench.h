// Measuring: what is measured, on which data, and the result.
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cli/bench_choice.h"
#include "client/cli/bench_clock.h"
#include "client/cli/bench_mix.h"
#include "client/cli/bench_sizes.h"
#include "client/cli/bench_values.h"
#include "client/cli/command.h"
#include "client/cli/histogram.h"
#include "far.h"

#define BENCH_THREADS_MAX 64 // a session's lanes
#define BENCH_KEYS_MAX (1U << 30)
#define BENCH_MIXES_MAX 16
#define BENCH_SIZES_MAX 32
#define BENCH_CPUS_MAX 64
#define BENCH_BATCH 16 // calls timed together where one is too short
#define BENCH_DEPTH_MAX 1024
#define BENCH_FOLDER_MAX 128
#define BENCH_NAME_MAX (BENCH_FOLDER_MAX + 24) // of a key, with its end

enum bench_phase {
	BENCH_TEMPORARY, // store keys, measure, delete them
	BENCH_LOAD,      // store keys, leave them
	BENCH_RUN,       // measure with keys that are there, leave them
	BENCH_KEEP,      // store keys, measure, leave them
};

enum bench_output {
	BENCH_TEXT,
	BENCH_JSON,
	BENCH_CSV,
};

struct bench_options {
	struct bench_mix mixes[BENCH_MIXES_MAX];
	unsigned mix_count;
	struct bench_sizes sizes[BENCH_SIZES_MAX];
	unsigned size_count;
	struct bench_distribution distribution;
	const struct bench_workload *workload; // or NULL
	enum bench_phase phase;
	const char *folder;  // of the keys; NULL = far-bench-PID, or bench if they stay
	uint64_t keys;       // 0 = chosen by size
	uint64_t operations; // of each measurement at most; 0 = no limit
	uint64_t scan_most;  // keys of a scan
	uint64_t seed;
	double rate;      // operations a second that are to be begun; 0 = as many as can be
	double seconds;   // of each measurement
	double warm_up_s; // < 0: until everything is known
	uint64_t batch;   // calls timed together, 0 = chosen
	uint64_t threads;
	uint64_t depth; // operations that a thread has under way
	unsigned cpus[BENCH_CPUS_MAX];
	unsigned cpu_count; // 0 = wherever the scheduler puts the threads
	enum bench_output output;
	bool has_mixes;   // --ops was given
	bool has_seconds; // --seconds was
	bool is_cold;     // get asks the server too
	bool is_flat;     // keys of one component, in no directory
	bool is_verifying;
	bool shows_progress; // on a terminal, it is shown anyway
};

// The keys of one size or mixture of sizes. While threads run they only read it, but for seeds[key], which the one thread changes that puts the key.
struct bench_data {
	far_session *session;
	far_session *cold_session; // remembers no locations
	const struct bench_clock *clock;
	const struct bench_options *options;
	const struct bench_sizes *sizes;
	struct bench_values values;
	char folder[BENCH_FOLDER_MAX];
	unsigned folder_length;
	uint64_t keys;
	uint64_t keys_end; // no key of this number or higher was ever stored
	uint32_t *seeds;   // by key: of the last put; NULL if not known
	char **cursors;    // by key: where a scan from it begins; NULL if there are no scans
	bool has_batches;  // some result is of calls timed together
};

// What all threads found out about one operation, or about all.
struct bench_times {
	struct histogram ticks;   // from when they were to begin
	struct histogram service; // from when they did; empty without a rate
};

struct bench_result {
	const struct bench_mix *mix;
	const struct bench_data *data;
	double seconds;     // really
	unsigned batch;     // calls that were timed together
	uint64_t one_sided; // of the gets
	uint64_t gets;      // those of rmw and scan too
	uint64_t bytes;     // of values, there and back
	uint64_t wrong;     // values
	uint64_t retries;   // of rmw
	struct bench_times all;
	struct bench_times *of_op[BENCH_OPS]; // NULL where the mix has none, or has only one
};

// Connect, store the keys; delete them and disconnect. Return CLI_OK or an exit status, having said what went wrong.
int bench_data_connect(struct bench_data *data, struct cli *cli);
void bench_data_disconnect(struct bench_data *data);
int bench_data_new(struct bench_data *data, const struct bench_sizes *sizes);
void bench_data_free(struct bench_data *data);

// Stores the keys; the result is filled. As bench_run.
int bench_data_load(struct bench_data *data, struct bench_result *result);

// Finds out where a scan from each key begins.
int bench_data_find_cursors(struct bench_data *data);

// A key's name, with its end. Returns its length.
unsigned bench_data_name(const struct bench_data *data, uint64_t key, char name[BENCH_NAME_MAX]);

// The same where `name` has held another key's name before.
unsigned bench_data_number_name(const struct bench_data *data, uint64_t key, char name[BENCH_NAME_MAX]);

// Makes a key's name that of the counter beside it. Returns its length.
unsigned bench_name_counter(char name[BENCH_NAME_MAX], unsigned length);

// The number in a name, -1 if it is not one of these keys.
int64_t bench_data_number(const struct bench_data *data, const char *name, size_t length);

// Runs a mix on all threads. `is_load`: insert the keys 0 up to data->keys. Returns CLI_OK or an exit status, having said what went wrong; *result is to be freed in any
// case.
int bench_run(struct bench_data *data, const struct bench_mix *mix, bool is_load, struct bench_result *result);
void bench_result_free(struct bench_result *result);

// --- output (bench_report.c) ---

// Between a head and a tail, results as they come.
struct bench_report;
struct bench_report *bench_report_begin(const struct bench_data *data);
void bench_report_add(struct bench_report *report, const struct bench_result *result);
void bench_report_end(struct bench_report *report);

// --- options (bench_options.c) ---

// Whether the operation is measured, alone or in a mix.
bool bench_options_have(const struct bench_options *options, enum bench_op op);

// Returns CLI_OK or what the command is to return.
int bench_options_parse(struct cli *cli, int argc, char **argv, struct bench_options *options);

#endif
