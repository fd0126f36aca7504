#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/bench_worker.h"
#include "client/cli/number.h"
#include "client/cli/report.h"

// The command line of `far bench`.

enum {
	KEY_OPS = 256,
	KEY_SIZES,
	KEY_KEYS,
	KEY_DISTRIBUTION,
	KEY_WORKLOAD,
	KEY_THREADS,
	KEY_DEPTH,
	KEY_SECONDS,
	KEY_OPERATIONS,
	KEY_WARM_UP,
	KEY_RATE,
	KEY_CPUS,
	KEY_COLD,
	KEY_FLAT,
	KEY_BATCH,
	KEY_LOAD,
	KEY_RUN,
	KEY_KEEP,
	KEY_PREFIX,
	KEY_SCAN,
	KEY_SEED,
	KEY_VERIFY,
	KEY_PROGRESS,
	KEY_CSV,
};

#define SCAN_MAX 10000U
#define RATE_MAX 1e9

static const struct argp_option table[] = {
        {"ops", KEY_OPS, "LIST", 0,
                "What to measure: warm-get, cold-get, get, put, insert, rmw, scan, stat, ping, or mixes like get:95+put:5 (default: "
                "warm-get,cold-get,put)",
                0},
        {"sizes", KEY_SIZES, "LIST", 0, "Sizes of values; also ranges like 64-4k, and mixtures like 64:90+4k:10 (default: 64,4k,64k,1m)",
                0},
        {"keys", KEY_KEYS, "N", 0, "Keys of each size (default: 1024, fewer if they exceed 64 MiB; of a workload 10000)", 0},
        {"distribution", KEY_DISTRIBUTION, "NAME", 0,
                "Which keys: uniform, sequential, zipf[:THETA], scrambled, latest[:THETA] (default: uniform)", 0},
        {"workload", KEY_WORKLOAD, "a..f", 0, "A core workload of YCSB: its operations and distribution, values of 1000 bytes", 0},
        {"threads", KEY_THREADS, "N", 0, "Threads, each with a connection (default: 1)", 0},
        {"depth", KEY_DEPTH, "N", 0, "Operations that each thread has under way, by a queue (default: 1)", 0},
        {"seconds", KEY_SECONDS, "SECONDS", 0, "Duration of each measurement (default: 2)", 0},
        {"operations", KEY_OPERATIONS, "N", 0, "End each measurement after so many operations, of all threads together", 0},
        {"warm-up", KEY_WARM_UP, "SECONDS", 0, "Do the same unmeasured for so long before (default: each key twice, or 1 s)", 0},
        {"rate", KEY_RATE, "N", 0, "Begin so many operations a second; times count from when each was to begin", 0},
        {"cpus", KEY_CPUS, "LIST", 0, "Pin the threads to these CPUs in turn (default: not pinned)", 0},
        {"cold", KEY_COLD, NULL, 0, "Remember no locations: the operation get asks the server each time (else it is warm-get)", 0},
        {"flat", KEY_FLAT, NULL, 0, "Keys in no directory, far-bench-PID-N: a known one takes one read less where reads are posted", 0},
        {"batch", KEY_BATCH, "N", 0, "Time N calls together, 1 to 16 (default: 16 where one takes less than 1 us, else 1)", 0},
        {"load", KEY_LOAD, NULL, 0, "Only store the keys, and leave them", 0},
        {"run", KEY_RUN, NULL, 0, "Only measure, with the keys that --load left, and leave them", 0},
        {"keep", KEY_KEEP, NULL, 0, "Leave the keys at the end", 0},
        {"prefix", KEY_PREFIX, "KEY", 0, "The directory of the keys (default: far-bench-PID, or bench if they stay)", 0},
        {"scan-length", KEY_SCAN, "N", 0, "A scan is of 1 to N keys (default: 100)", 0},
        {"seed", KEY_SEED, "N", 0, "Of all random numbers (default: 1)", 0},
        {"verify", KEY_VERIFY, NULL, 0, "Check all bytes of every value; count wrong ones and go on, exit status 1 at the end", 0},
        {"progress", KEY_PROGRESS, NULL, 0, "A line each second on standard error (default: only on a terminal)", 0},
        {"json", 'j', NULL, 0, "Write a JSON object", 0},
        {"csv", KEY_CSV, NULL, 0, "Write comma-separated values", 0},
        {0},
};

// --- lists ---

// What a list consists of: takes one element. Returns 0, or -EINVAL, or -E2BIG.
typedef int take_element(struct bench_options *options, const char *text);

// The elements are kept: they stay parts of the argument.
static int parse_list(struct bench_options *options, char *argument, take_element *take, const char **wrong)
{
	char *rest = argument;
	char *word;
	int error;

	while ((word = strsep(&rest, ",")) != NULL) {
		*wrong = word;
		error = take(options, word);
		if (error)
			return error;
	}
	return 0;
}

static int take_mix(struct bench_options *options, const char *text)
{
	if (options->mix_count == BENCH_MIXES_MAX)
		return -E2BIG;
	return bench_mix_parse(text, &options->mixes[options->mix_count++]);
}

static int take_sizes(struct bench_options *options, const char *text)
{
	if (options->size_count == BENCH_SIZES_MAX)
		return -E2BIG;
	return bench_sizes_parse(text, &options->sizes[options->size_count++]);
}

static int take_cpu(struct bench_options *options, const char *text)
{
	uint64_t cpu;

	if (options->cpu_count == BENCH_CPUS_MAX)
		return -E2BIG;
	if (number_parse(text, &cpu) || cpu >= 1024)
		return -EINVAL;
	options->cpus[options->cpu_count++] = (unsigned)cpu;
	return 0;
}

static error_t parse_lists(int key, char *argument, struct argp_state *state)
{
	struct bench_options *options = state->input;
	const char *wrong = "";

	switch (key) {
	case KEY_OPS:
		options->mix_count = 0;
		options->has_mixes = true;
		if (parse_list(options, argument, take_mix, &wrong))
			return report_usage(state->name,
			        "--ops: %s: give at most %d of warm-get, cold-get, get, put, insert, rmw, scan, stat, ping, or mixes like "
			        "get:95+put:5, parted by commas",
			        wrong, BENCH_MIXES_MAX);
		return 0;
	case KEY_SIZES:
		options->size_count = 0;
		if (parse_list(options, argument, take_sizes, &wrong))
			return report_usage(state->name,
			        "--sizes: %s: give at most %d of bytes like 64, 4k or 1m, ranges like 64-4k, or mixtures like 64:90+4k:10, "
			        "parted by commas",
			        wrong, BENCH_SIZES_MAX);
		return 0;
	case KEY_CPUS:
		options->cpu_count = 0;
		if (parse_list(options, argument, take_cpu, &wrong))
			return report_usage(
			        state->name, "--cpus: %s: give at most %d numbers of CPUs, parted by commas", wrong, BENCH_CPUS_MAX);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// --- numbers ---

// Options that take a whole number.
static const struct {
	int key;
	const char *name;
	uint64_t least, most;
	size_t at; // in struct bench_options
} numbers[] = {
        {KEY_KEYS, "keys", 1, BENCH_KEYS_MAX, offsetof(struct bench_options, keys)},
        {KEY_OPERATIONS, "operations", 1, UINT64_MAX, offsetof(struct bench_options, operations)},
        {KEY_SCAN, "scan-length", 1, SCAN_MAX, offsetof(struct bench_options, scan_most)},
        {KEY_SEED, "seed", 0, UINT32_MAX, offsetof(struct bench_options, seed)},
        {KEY_THREADS, "threads", 1, BENCH_THREADS_MAX, offsetof(struct bench_options, threads)},
        {KEY_DEPTH, "depth", 1, BENCH_DEPTH_MAX, offsetof(struct bench_options, depth)},
        {KEY_BATCH, "batch", 1, BENCH_BATCH, offsetof(struct bench_options, batch)},
};

static error_t parse_number(int key, char *argument, struct argp_state *state)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint64_t *number = (uint64_t *)((char *)state->input + numbers[i].at);

		if (numbers[i].key != key)
			continue;
		if (number_parse(argument, number) || *number < numbers[i].least || *number > numbers[i].most)
			return report_usage(state->name, "--%s: %s: give a number from %llu to %llu", numbers[i].name, argument,
			        (unsigned long long)numbers[i].least, (unsigned long long)numbers[i].most);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_real(int key, char *argument, struct argp_state *state)
{
	struct bench_options *options = state->input;
	char *end;

	switch (key) {
	case KEY_SECONDS:
		if (seconds_parse(argument, &options->seconds) || options->seconds <= 0)
			return report_usage(state->name, "--seconds: %s: give seconds, more than 0", argument);
		options->has_seconds = true;
		return 0;
	case KEY_WARM_UP:
		if (seconds_parse(argument, &options->warm_up_s))
			return report_usage(state->name, "--warm-up: %s: give seconds, 0 or more", argument);
		return 0;
	case KEY_RATE:
		options->rate = strtod(argument, &end);
		if (end == argument || *end || !(options->rate > 0 && options->rate <= RATE_MAX))
			return report_usage(state->name, "--rate: %s: give operations a second, more than 0", argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// --- words and switches ---

static error_t take_phase(struct argp_state *state, enum bench_phase phase)
{
	struct bench_options *options = state->input;

	if (options->phase != BENCH_TEMPORARY && options->phase != phase)
		return report_usage(state->name, "give one of --load, --run and --keep");
	options->phase = phase;
	return 0;
}

static error_t take_output(struct argp_state *state, enum bench_output output)
{
	struct bench_options *options = state->input;

	if (options->output != BENCH_TEXT && options->output != output)
		return report_usage(state->name, "give one of --json and --csv");
	options->output = output;
	return 0;
}

static error_t take_prefix(struct argp_state *state, const char *argument)
{
	struct bench_options *options = state->input;
	size_t length;

	options->folder = argument + strspn(argument, "/");
	length = strlen(options->folder);
	if (length == 0 || length >= BENCH_FOLDER_MAX || options->folder[length - 1] == '/')
		return report_usage(state->name, "--prefix: %s: give a key of 1 to %d bytes, without a slash at its end", argument,
		        BENCH_FOLDER_MAX - 1);
	return 0;
}

static error_t parse_word(int key, char *argument, struct argp_state *state)
{
	struct bench_options *options = state->input;

	switch (key) {
	case KEY_DISTRIBUTION:
		if (bench_distribution_parse(argument, &options->distribution))
			return report_usage(state->name,
			        "--distribution: %s: give uniform, sequential, zipf, zipf:THETA, scrambled, latest or latest:THETA, THETA "
			        "from 0 to 10",
			        argument);
		return 0;
	case KEY_WORKLOAD:
		options->workload = bench_workload_find(argument);
		return options->workload ? 0 : report_usage(state->name, "--workload: %s: give a, b, c, d, e or f", argument);
	case KEY_PREFIX:
		return take_prefix(state, argument);
	case KEY_LOAD:
		return take_phase(state, BENCH_LOAD);
	case KEY_RUN:
		return take_phase(state, BENCH_RUN);
	case KEY_KEEP:
		return take_phase(state, BENCH_KEEP);
	case 'j':
		return take_output(state, BENCH_JSON);
	case KEY_CSV:
		return take_output(state, BENCH_CSV);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_switch(int key, struct bench_options *options)
{
	switch (key) {
	case KEY_COLD:
		options->is_cold = true;
		return 0;
	case KEY_FLAT:
		options->is_flat = true;
		return 0;
	case KEY_VERIFY:
		options->is_verifying = true;
		return 0;
	case KEY_PROGRESS:
		options->shows_progress = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// --- all together ---

static void set_default_mixes(struct bench_options *options)
{
	if (options->has_mixes)
		return;
	if (options->workload) {
		take_mix(options, options->workload->mix);
		return;
	}
	take_mix(options, "warm-get");
	take_mix(options, "cold-get");
	take_mix(options, "put");
}

static void set_default_sizes(struct bench_options *options)
{
	static const char *const sizes[] = {"64", "4k", "64k", "1m"};
	size_t count = options->phase == BENCH_TEMPORARY ? 4 : 1;

	if (options->size_count > 0)
		return;
	if (options->workload)
		take_sizes(options, "1000");
	else
		for (size_t i = 0; i < count; i++)
			take_sizes(options, sizes[i]);
}

bool bench_options_have(const struct bench_options *options, enum bench_op op)
{
	for (unsigned i = 0; i < options->mix_count; i++)
		if (bench_mix_has(&options->mixes[i], op))
			return true;
	return false;
}

// Of a queue.
static error_t check_depth(struct argp_state *state)
{
	const struct bench_options *options = state->input;

	if (options->depth == 1)
		return 0;
	if (options->batch > 1)
		return report_usage(state->name, "--depth: each operation has a time of its own: leave --batch out");
	for (unsigned i = 0; i < options->mix_count; i++) {
		const struct bench_mix *mix = &options->mixes[i];
		bool has_get = bench_mix_has(mix, BENCH_GET);

		for (unsigned op = 0; op < BENCH_OPS; op++)
			if (bench_mix_has(mix, op) && !bench_queue_takes(op))
				return report_usage(state->name,
				        "--depth: %s is made of several calls, or is none of a queue: give get, warm-get, "
				        "cold-get, put, insert or stat",
				        bench_op_names[op]);
		if ((bench_mix_has(mix, BENCH_COLD_GET) || (has_get && options->is_cold)) &&
		        (bench_mix_has(mix, BENCH_WARM_GET) || (has_get && !options->is_cold)))
			return report_usage(state->name, "--depth: %s: a queue remembers locations or does not", mix->text);
	}
	return 0;
}

static error_t check_together(struct argp_state *state)
{
	struct bench_options *options = state->input;

	if (options->workload && options->has_mixes)
		return report_usage(state->name, "--workload names its operations: leave --ops out");
	if (!options->distribution.text)
		bench_distribution_parse(options->workload ? options->workload->distribution : "uniform", &options->distribution);
	set_default_mixes(options);
	set_default_sizes(options);
	if (options->phase != BENCH_TEMPORARY && options->size_count > 1)
		return report_usage(state->name, "--load, --run and --keep: give one size, range or mixture by --sizes");
	if (options->is_flat && bench_options_have(options, BENCH_SCAN))
		return report_usage(state->name, "--flat: a scan goes over a directory");
	if (options->rate > 0 && options->batch > 1)
		return report_usage(state->name, "--rate: each operation has a time of its own: leave --batch out");
	if (options->operations && !options->has_seconds)
		options->seconds = 1e6;
	return check_depth(state);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	error_t error;

	if (key == ARGP_KEY_ARG)
		return report_usage(state->name, "%s: there are no arguments, only options", argument);
	if (key == ARGP_KEY_END)
		return check_together(state);
	error = parse_lists(key, argument, state);
	if (error == ARGP_ERR_UNKNOWN)
		error = parse_number(key, argument, state);
	if (error == ARGP_ERR_UNKNOWN)
		error = parse_real(key, argument, state);
	if (error == ARGP_ERR_UNKNOWN)
		error = parse_word(key, argument, state);
	if (error == ARGP_ERR_UNKNOWN)
		error = parse_switch(key, state->input);
	return error;
}

int bench_options_parse(struct cli *cli, int argc, char **argv, struct bench_options *options)
{
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .doc = "Measure how long operations take, and how many there are a second. Values are checked; the keys (far-bench-PID/N) "
	               "are "
	               "deleted at the end, unless --load, --run or --keep is given."};

	*options = (struct bench_options){.threads = 1, .depth = 1, .seconds = 2, .warm_up_s = -1, .scan_most = 100, .seed = 1};
	return command_parse(cli, &argp, argc, argv, options);
}
