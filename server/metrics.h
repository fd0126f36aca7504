// What one thread of the server counts of its work, for others to read while it goes on: the metrics endpoint's thread, and its own log lines. The writer alone changes
// them, by plain loads and stores that happen to be atomic; who reads gets each number whole, but not all of one moment. Every request is counted; of each operation the first and then
// one of METRICS_TIMED_EVERY is timed. Gauges are what the server's structures say, published at the end of turns of the loop, for only the writer may look at those.
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "far/clock.h"
#include "far/latency.h"
#include "far/wire.h"

struct server;

#define METRICS_TIMED_EVERY 16U // two looks at a clock take some 50 ns, as much as the handler of a small get
#define METRICS_STUCK_NS 3000000000U

struct metrics_operation {
	_Atomic uint64_t count;
	_Atomic uint64_t errors;
	_Atomic uint64_t time_ns; // of those timed
	_Atomic uint64_t buckets[LATENCY_BUCKETS];
};

enum metrics_gauge {
	METRICS_POOL,     // bytes; the next five are parts of it, what is left are objects
	METRICS_FREE,     // not even granted
	METRICS_GRANTED,  // to lanes, and not yet part of a value
	METRICS_RECLAIM,  // waits until nobody reads it any more
	METRICS_INDEX,    //
	METRICS_RESERVE,  //
	METRICS_OBJECTS,  // how many
	METRICS_SESSIONS, //
	METRICS_LANES,    //
	METRICS_BUSY,     // enum far_probing
	METRICS_BYTES_IN, // of values
	METRICS_BYTES_OUT,
	METRICS_EVICTED, // objects, since the start
	METRICS_EVICTED_BYTES,
	METRICS_QUOTAS,
	METRICS_QUOTA_REFUSALS, // since the start
	METRICS_GAUGES,
};

struct metrics {
	struct metrics_operation operations[FAR_OP_LIMIT];
	_Atomic uint64_t malformed;
	_Atomic uint64_t gauges[METRICS_GAUGES];
	_Atomic uint64_t beat_ns; // when gauges were published, monotonic
	int64_t started_ns;       // since 1970
};

int metrics_new(struct metrics **metrics);

static inline uint64_t metrics_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

// By the one thread that changes it: no locked instruction.
static inline void metrics_add(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_store_explicit(counter, metrics_get(counter) + more, memory_order_relaxed);
}

// A request begins. Returns when, ns, or 0: this one is not timed.
static inline uint64_t metrics_begin(const struct metrics_operation *operation)
{
	return metrics_get(&operation->count) % METRICS_TIMED_EVERY == 0 ? clock_now_ns() : 0;
}

// It has been carried out, or has failed: it counts from now on.
static inline void metrics_end(struct metrics_operation *operation, uint64_t begun_ns, bool has_failed)
{
	uint64_t took_ns;

	metrics_add(&operation->count, 1);
	if (has_failed)
		metrics_add(&operation->errors, 1);
	if (begun_ns == 0)
		return;
	took_ns = clock_now_ns() - begun_ns;
	metrics_add(&operation->time_ns, took_ns);
	metrics_add(&operation->buckets[latency_bucket(took_ns)], 1);
}

// By the writer: the gauges, and a heartbeat.
void metrics_publish(struct server *server);

// How long ago the last heartbeat was, ns. METRICS_STUCK_NS or more: the loop does not turn.
uint64_t metrics_age_ns(const struct metrics *metrics, uint64_t now_ns);

// What objects take of the pool: what nothing else does.
uint64_t metrics_object_bytes(const struct metrics *metrics);

#endif
