#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/bench.h"
#include "client/cli/command.h"
#include "client/cli/json_output.h"
#include "client/cli/number.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// far bench

enum { KEY_OPS = 256, KEY_SIZES, KEY_KEYS, KEY_THREADS, KEY_SECONDS, KEY_CPUS, KEY_COLD, KEY_FLAT, KEY_LOAD, KEY_BATCH };

// --- options ---

static void parse_ops(struct argp_state *state, struct bench_options *options, char *argument)
{
	char *rest = argument;
	char *word;

	options->op_count = 0;
	while ((word = strsep(&rest, ",")) != NULL) {
		unsigned op = 0;

		while (op < BENCH_OPS && strcmp(word, bench_op_names[op]) != 0)
			op++;
		if (op == BENCH_OPS)
			report_usage(state->name, "--ops: %s: give warm-get, cold-get, put, stat, ping or get, parted by commas", word);
		else if (options->op_count < BENCH_OPS)
			options->ops[options->op_count++] = (enum bench_op)op;
	}
}

static void parse_sizes(struct argp_state *state, struct bench_options *options, char *argument)
{
	char *rest = argument;
	char *word;

	options->size_count = 0;
	while ((word = strsep(&rest, ",")) != NULL) {
		uint64_t size;

		if (options->size_count == BENCH_SIZES_MAX)
			report_usage(state->name, "--sizes: give at most %d", BENCH_SIZES_MAX);
		else if (size_parse(word, &size) || size > 1ULL << 40)
			report_usage(state->name, "--sizes: %s: give bytes like 64, 4k or 1m, parted by commas", word);
		else
			options->sizes[options->size_count++] = size;
	}
}

static void parse_cpus(struct argp_state *state, struct bench_options *options, char *argument)
{
	char *rest = argument;
	char *word;

	options->cpu_count = 0;
	while ((word = strsep(&rest, ",")) != NULL) {
		uint64_t cpu;

		if (options->cpu_count == BENCH_CPUS_MAX || number_parse(word, &cpu) || cpu >= 1024)
			report_usage(state->name, "--cpus: %s: give numbers of CPUs, parted by commas", word);
		else
			options->cpus[options->cpu_count++] = (unsigned)cpu;
	}
}

static uint64_t parse_count(struct argp_state *state, const char *name, const char *argument, uint64_t most)
{
	uint64_t count;

	if (number_parse(argument, &count) || count == 0 || count > most)
		report_usage(state->name, "--%s: %s: give a number from 1 to %llu", name, argument, (unsigned long long)most);
	return count;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct bench_options *options = state->input;

	switch (key) {
	case KEY_OPS:
		parse_ops(state, options, argument);
		return 0;
	case KEY_SIZES:
		parse_sizes(state, options, argument);
		return 0;
	case KEY_KEYS:
		options->keys = parse_count(state, "keys", argument, 1U << 30);
		return 0;
	case KEY_THREADS:
		options->threads = (unsigned)parse_count(state, "threads", argument, BENCH_THREADS_MAX);
		return 0;
	case KEY_SECONDS:
		if (seconds_parse(argument, &options->seconds) || options->seconds <= 0)
			report_usage(state->name, "--seconds: %s: give seconds, more than 0", argument);
		return 0;
	case KEY_CPUS:
		parse_cpus(state, options, argument);
		return 0;
	case KEY_LOAD:
		options->load = parse_count(state, "load", argument, 1ULL << 32);
		return 0;
	case KEY_BATCH:
		options->batch = (unsigned)parse_count(state, "batch", argument, BENCH_BATCH);
		return 0;
	case KEY_COLD:
		options->is_cold = true;
		return 0;
	case KEY_FLAT:
		options->is_flat = true;
		return 0;
	case 'j':
		options->is_json = true;
		return 0;
	case ARGP_KEY_ARG:
		report_usage(state->name, "%s: there are no arguments, only options", argument);
		return 0;
	case ARGP_KEY_END:
		if (options->load && options->keys > options->load)
			report_usage(state->name, "--keys: %llu of %llu objects of --load: give fewer", (unsigned long long)options->keys,
			        (unsigned long long)options->load);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// --- output ---

static double quantile_ns(const struct bench_result *result, const struct bench_clock *clock, double quantile)
{
	return (double)histogram_quantile(&result->ticks, quantile) * clock->ns_per_tick;
}

static double per_second(const struct bench_result *result)
{
	return result->seconds > 0 ? (double)result->ticks.count / result->seconds : 0;
}

static void print_head(const struct bench_data *data)
{
	struct far_statistics statistics;

	far_statistics(data->session, &statistics);
	printf("%s (%s), %u thread%s, %.1f s each; clock: %s, %.0f ns for each time taken\n", statistics.address, statistics.chosen_because,
	        data->options->threads, data->options->threads == 1 ? "" : "s", data->options->seconds,
	        data->clock->is_tsc ? "time stamp counter" : "CLOCK_MONOTONIC", data->clock->overhead_ns);
	printf("%-9s %8s %8s %12s %10s %10s %10s %10s %10s %5s %10s\n", "op", "bytes", "keys", "ops/s", "MiB/s", "p50 us", "p99 us",
	        "p99.9 us", "max us", "timed", "one-sided");
}

static void print_row(const struct bench_data *data, const struct bench_result *result)
{
	bool has_value = result->op != BENCH_STAT && result->op != BENCH_PING;
	double one_sided = result->ticks.count ? 100.0 * (double)result->one_sided / (double)result->ticks.count : 0;
	char size[32];
	char timed[16];

	snprintf(timed, sizeof(timed), "x%u", result->batch);
	printf("%-9s %8s %8llu %12.0f %10.1f %10.2f %10.2f %10.2f %10.1f %5s %9.2f%%\n", bench_op_names[result->op],
	        size_format(result->size, true, size), (unsigned long long)result->keys, per_second(result),
	        has_value ? per_second(result) * (double)result->size / (1 << 20) : 0, quantile_ns(result, data->clock, 0.5) / 1000,
	        quantile_ns(result, data->clock, 0.99) / 1000, quantile_ns(result, data->clock, 0.999) / 1000,
	        quantile_ns(result, data->clock, 1) / 1000, timed, one_sided);
	fflush(stdout);
}

static struct json_object *json_of_result(const struct bench_data *data, const struct bench_result *result)
{
	struct json_object *object = json_object_new_object();
	struct json_object *times = json_object_new_object();
	double tick = data->clock->ns_per_tick;

	json_add_text(object, "op", bench_op_names[result->op]);
	json_add_u64(object, "size", result->size);
	json_add_u64(object, "keys", result->keys);
	json_add_u64(object, "operations", result->ticks.count);
	json_add_double(object, "seconds", result->seconds);
	json_add_double(object, "ops_per_second", per_second(result));
	json_add_u64(object, "one_sided", result->one_sided);
	json_add_u64(object, "batch", result->batch);
	json_add_double(times, "min", (double)result->ticks.least * tick);
	json_add_double(times, "mean", result->ticks.count ? (double)result->ticks.sum * tick / (double)result->ticks.count : 0);
	json_add_double(times, "p50", quantile_ns(result, data->clock, 0.5));
	json_add_double(times, "p90", quantile_ns(result, data->clock, 0.9));
	json_add_double(times, "p99", quantile_ns(result, data->clock, 0.99));
	json_add_double(times, "p99.9", quantile_ns(result, data->clock, 0.999));
	json_add_double(times, "max", (double)result->ticks.most * tick);
	json_object_object_add(object, "latency_ns", times);
	return object;
}

static void print_json(const struct bench_data *data, struct json_object *results)
{
	struct json_object *object = json_object_new_object();
	struct json_object *cpus = json_object_new_array();
	struct far_statistics statistics;

	far_statistics(data->session, &statistics);
	json_add_text(object, "version", far_version());
	json_add_text(object, "provider", statistics.provider);
	json_add_text(object, "address", statistics.address);
	json_add_u64(object, "eager_limit", statistics.eager_limit);
	json_add_u64(object, "threads", data->options->threads);
	for (unsigned i = 0; i < data->options->cpu_count; i++)
		json_object_array_add(cpus, json_object_new_uint64(data->options->cpus[i]));
	json_object_object_add(object, "cpus", cpus);
	json_add_text(object, "clock", data->clock->is_tsc ? "tsc" : "monotonic");
	json_add_double(object, "clock_overhead_ns", data->clock->overhead_ns);
	json_object_object_add(object, "results", results);
	json_print(object);
}

// --- running ---

static int measure_size(struct bench_data *data, uint64_t size, struct bench_result *result, struct json_object *results)
{
	int status = bench_data_new(data, size);

	for (unsigned i = 0; i < data->options->op_count && status == CLI_OK && !bench_is_interrupted(); i++) {
		status = bench_run(data, data->options->ops[i], result);
		if (status != CLI_OK || bench_is_interrupted())
			break;
		data->has_batches |= result->batch > 1;
		if (results)
			json_object_array_add(results, json_of_result(data, result));
		else
			print_row(data, result);
	}
	bench_data_free(data);
	return status;
}

static int connect_both(struct cli *cli, struct bench_data *data)
{
	const struct bench_options *options = data->options;
	struct far_options warm = {.size = sizeof(warm), .lanes = options->threads, .name = "far bench"};
	struct far_options cold = warm;
	int error;

	// The main thread has a lane too, if there may be one more.
	warm.lanes += options->threads < BENCH_THREADS_MAX;
	cold.lanes = warm.lanes;
	warm.cache_entries = options->keys > 32768 ? options->keys * 2 : 0;
	cold.cache_entries = UINT64_MAX;
	if (command_connect(cli, &warm))
		return CLI_FAILURE;
	data->session = cli->session;
	error = command_open(cli, &cold, &data->cold_session);
	return error ? report_error(error) : CLI_OK;
}

static int run(struct bench_data *data, struct bench_result *result)
{
	struct json_object *results = NULL;
	int status = CLI_OK;

	bench_catch_interrupt();
	if (data->options->load)
		status = bench_load(data);
	if (status == CLI_OK && bench_is_interrupted())
		return report("bench: interrupted");
	if (status != CLI_OK || (data->options->load && !data->options->keys))
		return status;
	if (data->options->is_json)
		results = json_object_new_array();
	else
		print_head(data);
	for (unsigned i = 0; i < data->options->size_count && status == CLI_OK && !bench_is_interrupted(); i++)
		status = measure_size(data, data->options->sizes[i], result, results);
	if (results)
		print_json(data, results);
	else if (data->has_batches)
		puts("x16: a call takes less than 1 us, so 16 in a row are timed together and times are their means; --batch=1 times each");
	if (bench_is_interrupted() && status == CLI_OK)
		status = report("bench: interrupted");
	return status;
}

int cmd_bench(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"ops", KEY_OPS, "LIST", 0, "What to measure: warm-get, cold-get, put, stat, ping (default: warm-get,cold-get,put)", 0},
	        {"sizes", KEY_SIZES, "LIST", 0, "Sizes of values (default: 64,4k,64k,1m)", 0},
	        {"keys", KEY_KEYS, "N", 0, "Keys of each size (default: 1024, fewer if they exceed 64 MiB)", 0},
	        {"threads", KEY_THREADS, "N", 0, "Threads, each with a connection and one operation under way (default: 1)", 0},
	        {"seconds", KEY_SECONDS, "SECONDS", 0, "Duration of each measurement (default: 2)", 0},
	        {"cpus", KEY_CPUS, "LIST", 0, "Pin the threads to these CPUs in turn (default: not pinned)", 0},
	        {"cold", KEY_COLD, NULL, 0, "Remember no locations: the operation get asks the server each time (else it is warm-get)", 0},
	        {"flat", KEY_FLAT, NULL, 0, "Keys in no directory, far-bench-PID-N: a known one takes one read less where reads are posted",
	                0},
	        {"batch", KEY_BATCH, "N", 0, "Time N calls together, 1 to 16 (default: 16 where one takes less than 1 us, else 1)", 0},
	        {"load", KEY_LOAD, "N", 0,
	                "Store N objects of 64 bytes first, bench/0, bench/1, ..., and leave them. With --keys, measure that many of them; "
	                "without, nothing else",
	                0},
	        {"json", 'j', NULL, 0, "Write a JSON object", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .doc = "Measure how long gets and puts take. Values are checked; the keys (far-bench-PID/N) are deleted at the end."};
	CLEANUP(free) struct bench_result *result = malloc(sizeof(*result));
	struct bench_options options = {.ops = {BENCH_WARM_GET, BENCH_COLD_GET, BENCH_PUT},
	        .op_count = 3,
	        .sizes = {64, 4096, 65536, 1 << 20},
	        .size_count = 4,
	        .threads = 1,
	        .seconds = 2};
	struct bench_clock clock;
	struct bench_data data = {.options = &options, .clock = &clock};
	int status;

	command_parse(cli, &argp, argc, argv, &options);
	if (!result)
		return report_local("cannot", "measure", ENOMEM);
	if (options.load) {
		options.sizes[0] = BENCH_LOAD_SIZE;
		options.size_count = 1;
	}
	bench_clock_init(&clock);
	status = connect_both(cli, &data);
	if (status == CLI_OK)
		status = run(&data, result);
	far_close(data.cold_session);
	return status;
}
