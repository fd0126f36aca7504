#include "server/metrics_log.h"

#include <string.h>

#include "far/clock.h"
#include "far/log.h"

// All operations together, since the start.
static void add_up(const struct metrics *metrics, struct metrics_log *now)
{
	memset(now->buckets, 0, sizeof(now->buckets));
	now->operations = 0;
	for (unsigned op = 0; op < FAR_OP_LIMIT; op++) {
		const struct metrics_operation *operation = &metrics->operations[op];

		if (metrics_get(&operation->count) == 0)
			continue;
		now->operations += metrics_get(&operation->count);
		for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
			now->buckets[i] += metrics_get(&operation->buckets[i]);
	}
	now->bytes_in = metrics_get(&metrics->gauges[METRICS_BYTES_IN]);
	now->bytes_out = metrics_get(&metrics->gauges[METRICS_BYTES_OUT]);
	now->evicted = metrics_get(&metrics->gauges[METRICS_EVICTED]);
}

void metrics_log_begin(struct metrics_log *log, const struct metrics *metrics, uint64_t interval_ns)
{
	*log = (struct metrics_log){.interval_ns = interval_ns, .last_ns = clock_now_ns()};
	add_up(metrics, log);
}

static void write_line(const struct metrics_log *last, const struct metrics_log *now, const struct metrics *metrics)
{
	double seconds = (double)(now->last_ns - last->last_ns) * 1e-9;
	uint64_t buckets[LATENCY_BUCKETS];

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		buckets[i] = now->buckets[i] - last->buckets[i];
	log_info("statistics seconds=%.1f operations_per_s=%.0f in_bytes_per_s=%.0f out_bytes_per_s=%.0f p50_us=%.1f p99_us=%.1f "
	         "evicted_per_s=%.0f sessions=%llu objects=%llu pool_used_bytes=%llu pool_bytes=%llu",
	        seconds, (double)(now->operations - last->operations) / seconds, (double)(now->bytes_in - last->bytes_in) / seconds,
	        (double)(now->bytes_out - last->bytes_out) / seconds, (double)latency_quantile(buckets, 500) * 1e-3,
	        (double)latency_quantile(buckets, 990) * 1e-3, (double)(now->evicted - last->evicted) / seconds,
	        (unsigned long long)metrics_get(&metrics->gauges[METRICS_SESSIONS]),
	        (unsigned long long)metrics_get(&metrics->gauges[METRICS_OBJECTS]),
	        (unsigned long long)(metrics_object_bytes(metrics) + metrics_get(&metrics->gauges[METRICS_INDEX])),
	        (unsigned long long)metrics_get(&metrics->gauges[METRICS_POOL]));
}

uint64_t metrics_log_turn(struct metrics_log *log, const struct metrics *metrics)
{
	struct metrics_log now = {.interval_ns = log->interval_ns, .last_ns = clock_now_ns()};

	if (now.last_ns - log->last_ns < log->interval_ns)
		return log->interval_ns - (now.last_ns - log->last_ns);
	add_up(metrics, &now);
	write_line(log, &now, metrics);
	*log = now;
	return log->interval_ns;
}
