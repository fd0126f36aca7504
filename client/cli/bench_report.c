#include <stdio.h>
#include <stdlib.h>

#include "client/cli/bench.h"
#include "client/cli/json_output.h"
#include "client/cli/number.h"

// Results as a table, as JSON or as CSV. A mix of operations has a row for all of them and one for each.

static const struct {
	const char *name;
	double quantile;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};

#define QUANTILES (sizeof(quantiles) / sizeof(quantiles[0]))

struct bench_report {
	const struct bench_data *data;
	struct json_object *results; // of JSON
	bool has_batches;
};

// A row: an operation, or all of a mix.
struct row {
	const struct bench_result *result;
	const struct bench_times *times;
	const char *op;
	bool is_part; // one operation of several
};

static double ns_of(const struct row *row, const struct histogram *ticks, double quantile)
{
	return (double)histogram_quantile(ticks, quantile) * row->result->data->clock->ns_per_tick;
}

static double mean_ns(const struct row *row, const struct histogram *ticks)
{
	return ticks->count ? (double)ticks->sum * row->result->data->clock->ns_per_tick / (double)ticks->count : 0;
}

static double per_second(const struct row *row)
{
	return row->result->seconds > 0 ? (double)row->times->ticks.count / row->result->seconds : 0;
}

static double mib_per_second(const struct row *row)
{
	return row->result->seconds > 0 ? (double)row->result->bytes / row->result->seconds / (1 << 20) : 0;
}

// --- a table ---

static void print_head(const struct bench_data *data)
{
	const struct bench_options *options = data->options;
	struct far_statistics statistics;

	far_statistics(data->session, &statistics);
	printf("%s (%s), %u thread%s, ", statistics.address, statistics.chosen_because, (unsigned)options->threads,
	        options->threads == 1 ? "" : "s");
	if (options->depth > 1)
		printf("%llu operations under way each, ", (unsigned long long)options->depth);
	if (options->operations)
		printf("%llu operations", (unsigned long long)options->operations);
	if (options->operations && options->has_seconds)
		fputs(" or ", stdout);
	if (!options->operations || options->has_seconds)
		printf("%.1f s", options->seconds);
	printf(" each; clock: %s, %.0f ns for each time taken\n", data->clock->is_tsc ? "time stamp counter" : "CLOCK_MONOTONIC",
	        data->clock->overhead_ns);
	printf("keys chosen: %s%s%s", options->distribution.text, options->workload ? "; YCSB workload " : "",
	        options->workload ? options->workload->name : "");
	if (options->rate > 0)
		printf("; %.0f operations a second are begun, times count from when each was to begin", options->rate);
	printf("\n%-9s %8s %8s %11s %9s %9s %9s %9s %9s %9s %9s %5s %9s\n", "op", "bytes", "keys", "ops/s", "MiB/s", "p50 us", "p90 us",
	        "p99 us", "p99.9 us", "p99.99 us", "max us", "timed", "one-sided");
}

static void print_us(const struct row *row, double quantile)
{
	printf(" %9.2f", ns_of(row, &row->times->ticks, quantile) / 1000);
}

static void print_row(const struct row *row)
{
	const struct bench_result *result = row->result;
	const struct bench_sizes *sizes = result->data->sizes;
	char size[32];
	char timed[16];

	snprintf(timed, sizeof(timed), "x%u", result->batch);
	printf("%s%-*s %8s %8llu %11.0f", row->is_part ? "  " : "", row->is_part ? 7 : 9, row->op,
	        sizes->least == sizes->most ? size_format(sizes->most, true, size) : sizes->text, (unsigned long long)result->data->keys,
	        per_second(row));
	if (row->is_part)
		printf(" %9s", "");
	else
		printf(" %9.1f", mib_per_second(row));
	print_us(row, 0.5);
	print_us(row, 0.9);
	print_us(row, 0.99);
	print_us(row, 0.999);
	print_us(row, 0.9999);
	print_us(row, 1);
	printf(" %5s", timed);
	if (row->is_part)
		putchar('\n');
	else
		printf(" %8.2f%%\n", result->gets ? 100.0 * (double)result->one_sided / (double)result->gets : 0);
}

static void print_notes(const struct bench_result *result)
{
	const struct row all = {.result = result, .times = &result->all};

	if (result->data->options->rate > 0 && result->all.service.count > 0)
		printf("  from when they really began: p50 %.2f, p99 %.2f, max %.2f us\n", ns_of(&all, &result->all.service, 0.5) / 1000,
		        ns_of(&all, &result->all.service, 0.99) / 1000, ns_of(&all, &result->all.service, 1) / 1000);
	if (result->retries)
		printf("  %llu times another client was sooner, and the read-modify-write was made again\n",
		        (unsigned long long)result->retries);
	if (result->wrong)
		printf("  %llu values were wrong\n", (unsigned long long)result->wrong);
}

// --- JSON ---

static struct json_object *json_of_times(const struct row *row, const struct histogram *ticks)
{
	struct json_object *times = json_object_new_object();
	double tick = row->result->data->clock->ns_per_tick;

	json_add_double(times, "min", (double)ticks->least * tick);
	json_add_double(times, "mean", mean_ns(row, ticks));
	for (size_t i = 0; i < QUANTILES; i++)
		json_add_double(times, quantiles[i].name, ns_of(row, ticks, quantiles[i].quantile));
	json_add_double(times, "max", (double)ticks->most * tick);
	return times;
}

static struct json_object *json_of_row(const struct row *row)
{
	const struct bench_result *result = row->result;
	struct json_object *object = json_object_new_object();

	json_add_text(object, "op", row->op);
	json_add_text(object, "mix", result->mix->text);
	json_add_u64(object, "size", (uint64_t)result->data->sizes->mean);
	json_add_text(object, "sizes", result->data->sizes->text);
	json_add_u64(object, "keys", result->data->keys);
	json_add_u64(object, "operations", row->times->ticks.count);
	json_add_double(object, "seconds", result->seconds);
	json_add_double(object, "ops_per_second", per_second(row));
	if (!row->is_part) {
		json_add_double(object, "mib_per_second", mib_per_second(row));
		json_add_u64(object, "gets", result->gets);
		json_add_u64(object, "one_sided", result->one_sided);
		json_add_u64(object, "wrong", result->wrong);
		json_add_u64(object, "retries", result->retries);
	}
	json_add_u64(object, "batch", result->batch);
	json_object_object_add(object, "latency_ns", json_of_times(row, &row->times->ticks));
	if (row->times->service.count > 0)
		json_object_object_add(object, "service_ns", json_of_times(row, &row->times->service));
	return object;
}

static void print_json(const struct bench_report *report)
{
	const struct bench_data *data = report->data;
	const struct bench_options *options = data->options;
	struct json_object *object = json_object_new_object();
	struct json_object *cpus = json_object_new_array();
	struct far_statistics statistics;

	far_statistics(data->session, &statistics);
	for (unsigned i = 0; i < options->cpu_count; i++)
		json_object_array_add(cpus, json_object_new_int((int)options->cpus[i]));
	json_add_text(object, "version", far_version());
	json_add_text(object, "provider", statistics.provider);
	json_add_text(object, "address", statistics.address);
	json_add_u64(object, "eager_limit", statistics.eager_limit);
	json_add_u64(object, "threads", options->threads);
	json_add_u64(object, "depth", options->depth);
	json_object_object_add(object, "cpus", cpus);
	json_add_text(object, "distribution", options->distribution.text);
	if (options->workload)
		json_add_text(object, "workload", options->workload->name);
	json_add_double(object, "rate", options->rate);
	json_add_text(object, "clock", data->clock->is_tsc ? "tsc" : "monotonic");
	json_add_double(object, "clock_overhead_ns", data->clock->overhead_ns);
	json_object_object_add(object, "results", report->results);
	json_print(object);
}

// --- CSV ---

static void print_csv_head(void)
{
	fputs("op,mix,sizes,keys,threads,depth,distribution,rate,operations,seconds,ops_per_second,mib_per_second,gets,one_sided,wrong,"
	      "retries,"
	      "batch,"
	      "min_ns,mean_ns",
	        stdout);
	for (size_t i = 0; i < QUANTILES; i++)
		printf(",%s_ns", quantiles[i].name);
	puts(",max_ns");
}

static void print_csv_row(const struct row *row)
{
	const struct bench_result *result = row->result;
	const struct bench_options *options = result->data->options;
	const struct histogram *ticks = &row->times->ticks;

	printf("%s,%s,%s,%llu,%u,%u,%s,%g,%llu,%.6f,%.1f,", row->op, result->mix->text, result->data->sizes->text,
	        (unsigned long long)result->data->keys, (unsigned)options->threads, (unsigned)options->depth, options->distribution.text,
	        options->rate, (unsigned long long)ticks->count, result->seconds, per_second(row));
	if (row->is_part)
		fputs(",,,,", stdout);
	else
		printf("%.3f,%llu,%llu,%llu,%llu", mib_per_second(row), (unsigned long long)result->gets,
		        (unsigned long long)result->one_sided, (unsigned long long)result->wrong, (unsigned long long)result->retries);
	printf(",%u,%.1f,%.1f", result->batch, (double)ticks->least * result->data->clock->ns_per_tick, mean_ns(row, ticks));
	for (size_t i = 0; i < QUANTILES; i++)
		printf(",%.1f", ns_of(row, ticks, quantiles[i].quantile));
	printf(",%.1f\n", (double)ticks->most * result->data->clock->ns_per_tick);
}

// --- any ---

struct bench_report *bench_report_begin(const struct bench_data *data)
{
	struct bench_report *report = calloc(1, sizeof(*report));

	if (!report)
		return NULL;
	report->data = data;
	if (data->options->output == BENCH_JSON)
		report->results = json_object_new_array();
	else if (data->options->output == BENCH_CSV)
		print_csv_head();
	else
		print_head(data);
	return report;
}

static void add_row(struct bench_report *report, const struct row *row)
{
	switch (report->data->options->output) {
	case BENCH_JSON:
		json_object_array_add(report->results, json_of_row(row));
		break;
	case BENCH_CSV:
		print_csv_row(row);
		break;
	default:
		print_row(row);
	}
}

void bench_report_add(struct bench_report *report, const struct bench_result *result)
{
	bool is_one = result->mix->op_count == 1;
	struct row row = {.result = result, .times = &result->all, .op = is_one ? bench_op_names[result->mix->only] : "all"};

	report->has_batches |= result->batch > 1;
	add_row(report, &row);
	for (unsigned op = 0; op < BENCH_OPS; op++) {
		if (!result->of_op[op])
			continue;
		row = (struct row){.result = result, .times = result->of_op[op], .op = bench_op_names[op], .is_part = true};
		add_row(report, &row);
	}
	if (report->data->options->output == BENCH_TEXT)
		print_notes(result);
	fflush(stdout);
}

void bench_report_end(struct bench_report *report)
{
	if (report->data->options->output == BENCH_JSON)
		print_json(report);
	else if (report->data->options->output == BENCH_TEXT && report->has_batches)
		puts("x16: a call takes less than 1 us, so 16 in a row are timed together and times are their means; --batch=1 times each");
	free(report);
}
