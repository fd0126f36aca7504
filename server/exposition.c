#include "server/exposition.h"

#include <inttypes.h>

#include "server/operations.h"

// The names here are what dashboards and alerts are built on: docs/operations.md lists them, and docs/grafana uses them. Units are seconds and bytes.

// Bounds told of each histogram: 128 ns to 1 s, powers of two, which are bounds of the buckets kept.
#define BOUND_FIRST 7U
#define BOUND_LAST 30U

void exposition_label(FILE *to, const char *value)
{
	fputc('"', to);
	for (; *value; value++) {
		if (*value == '\n') {
			fputs("\\n", to);
			continue;
		}
		if (*value == '\\' || *value == '"')
			fputc('\\', to);
		fputc(*value, to);
	}
	fputc('"', to);
}

static void head(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

// A nanosecond is exact in decimals: no rounding that would make two bounds differ between servers.
static void print_seconds(FILE *to, uint64_t ns)
{
	fprintf(to, "%" PRIu64 ".%09" PRIu64, ns / 1000000000U, ns % 1000000000U);
}

// One line of a name with one label.
static void sample(FILE *to, const char *name, const char *label, const char *value, uint64_t number)
{
	fprintf(to, "%s{%s=", name, label);
	exposition_label(to, value);
	fprintf(to, "} %" PRIu64 "\n", number);
}

static void write_process(FILE *to, const struct metrics *metrics, uint64_t now_ns)
{
	head(to, "farfs_build_info", "gauge", "The version that runs; always 1.");
	sample(to, "farfs_build_info", "version", FAR_VERSION, 1);
	head(to, "farfs_start_time_seconds", "gauge", "When the server started, since 1970.");
	fputs("farfs_start_time_seconds ", to);
	print_seconds(to, (uint64_t)metrics->started_ns);
	fputc('\n', to);
	head(to, "farfs_loop_age_seconds", "gauge", "Time since the server's loop turned last; it does so each second at least.");
	fputs("farfs_loop_age_seconds ", to);
	print_seconds(to, metrics_age_ns(metrics, now_ns));
	fputc('\n', to);
}

static void write_gauges(FILE *to, const struct metrics *metrics)
{
	static const struct {
		const char *name, *type, *help;
		enum metrics_gauge gauge;
	} table[] = {
	        {"farfs_pool_size_bytes", "gauge", "Memory for all objects.", METRICS_POOL},
	        {"farfs_objects", "gauge", "Files, directories and the like.", METRICS_OBJECTS},
	        {"farfs_sessions", "gauge", "Clients.", METRICS_SESSIONS},
	        {"farfs_lanes", "gauge", "Connections of clients.", METRICS_LANES},
	        {"farfs_busy", "gauge", "Above 0 while clients are asked to find keys by themselves.", METRICS_BUSY},
	        {"farfs_value_received_bytes_total", "counter", "Bytes of values that requests brought.", METRICS_BYTES_IN},
	        {"farfs_value_sent_bytes_total", "counter",
	                "Bytes of values in replies and pushed to clients; what they read by themselves is not known.", METRICS_BYTES_OUT},
	        {"farfs_evictions_total", "counter", "Objects that were evicted from a full pool.", METRICS_EVICTED},
	        {"farfs_evicted_bytes_total", "counter", "Memory that evicted objects had.", METRICS_EVICTED_BYTES},
	        {"farfs_quotas", "gauge", "Directories that have a quota.", METRICS_QUOTAS},
	        {"farfs_quota_refusals_total", "counter", "Requests, or keys of one, that a quota was in the way of.",
	                METRICS_QUOTA_REFUSALS},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		head(to, table[i].name, table[i].type, table[i].help);
		fprintf(to, "%s %" PRIu64 "\n", table[i].name, metrics_get(&metrics->gauges[table[i].gauge]));
	}
}

static void write_pool(FILE *to, const struct metrics *metrics)
{
	static const char *const uses[] = {[METRICS_FREE] = "free",
	        [METRICS_GRANTED] = "granted",
	        [METRICS_RECLAIM] = "reclaim",
	        [METRICS_INDEX] = "index",
	        [METRICS_RESERVE] = "reserve"};
	const char *name = "farfs_pool_bytes";

	head(to, name, "gauge",
	        "The pool by use: objects, the index of names, granted to clients in advance, waiting to be used again, a reserve, free.");
	sample(to, name, "use", "objects", metrics_object_bytes(metrics));
	for (unsigned gauge = METRICS_FREE; gauge <= METRICS_RESERVE; gauge++)
		sample(to, name, "use", uses[gauge], metrics_get(&metrics->gauges[gauge]));
}

static void write_counts(FILE *to, const struct metrics *metrics)
{
	const char *name = "farfs_operations_total", *errors = "farfs_operation_errors_total";

	head(to, name, "counter", "Requests handled.");
	for (unsigned op = 0; op < FAR_OP_LIMIT; op++)
		if (operations_find(op))
			sample(to, name, "operation", operations_find(op)->name, metrics_get(&metrics->operations[op].count));
	head(to, errors, "counter", "Of them, those whose answer was an error, such as that there is no such key.");
	for (unsigned op = 0; op < FAR_OP_LIMIT; op++)
		if (operations_find(op))
			sample(to, errors, "operation", operations_find(op)->name, metrics_get(&metrics->operations[op].errors));
	head(to, "farfs_malformed_messages_total", "counter", "Messages that made no sense, and ended their connection.");
	fprintf(to, "farfs_malformed_messages_total %" PRIu64 "\n", metrics_get(&metrics->malformed));
}

// The count is the buckets' sum, so that the last bucket and the count are equal whatever happens meanwhile.
static void write_histogram(FILE *to, const char *name, const char *operation, const struct metrics_operation *figures)
{
	uint64_t passed = 0;
	unsigned bucket = 0;

	for (unsigned power = BOUND_FIRST; power <= BOUND_LAST; power++) {
		for (; bucket < LATENCY_BUCKETS && latency_bound(bucket) <= 1ULL << power; bucket++)
			passed += metrics_get(&figures->buckets[bucket]);
		fprintf(to, "%s_bucket{operation=", name);
		exposition_label(to, operation);
		fputs(",le=\"", to);
		print_seconds(to, 1ULL << power);
		fprintf(to, "\"} %" PRIu64 "\n", passed);
	}
	for (; bucket < LATENCY_BUCKETS; bucket++)
		passed += metrics_get(&figures->buckets[bucket]);
	fprintf(to, "%s_bucket{operation=", name);
	exposition_label(to, operation);
	fprintf(to, ",le=\"+Inf\"} %" PRIu64 "\n%s_sum{operation=", passed, name);
	exposition_label(to, operation);
	fputs("} ", to);
	print_seconds(to, metrics_get(&figures->time_ns));
	fprintf(to, "\n%s_count{operation=", name);
	exposition_label(to, operation);
	fprintf(to, "} %" PRIu64 "\n", passed);
}

static void write_histograms(FILE *to, const struct metrics *metrics)
{
	const char *name = "farfs_operation_duration_seconds";

	head(to, name, "histogram", "Time in the handler, of a sample: the first request of each operation and then one of 16.");
	for (unsigned op = 0; op < FAR_OP_LIMIT; op++)
		if (operations_find(op) && metrics_get(&metrics->operations[op].count) > 0)
			write_histogram(to, name, operations_find(op)->name, &metrics->operations[op]);
}

void exposition_write(FILE *to, const struct metrics *metrics, uint64_t now_ns)
{
	write_process(to, metrics, now_ns);
	write_gauges(to, metrics);
	write_pool(to, metrics);
	write_counts(to, metrics);
	write_histograms(to, metrics);
}
