// Log lines with what happened since the last one (--stats-interval). Writer thread only.
#ifndef SERVER_METRICS_LOG_H
#define SERVER_METRICS_LOG_H

#include "server/metrics.h"

struct metrics_log {
	uint64_t interval_ns; // 0 = none
	uint64_t last_ns;
	uint64_t operations, bytes_in, bytes_out, evicted;
	uint64_t buckets[LATENCY_BUCKETS];
};

void metrics_log_begin(struct metrics_log *log, const struct metrics *metrics, uint64_t interval_ns);

// Writes a line if it is time. Returns ns until the next one.
uint64_t metrics_log_turn(struct metrics_log *log, const struct metrics *metrics);

#endif
