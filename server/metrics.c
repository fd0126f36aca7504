#include "server/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "far/clock.h"
#include "server/quota.h"
#include "server/server.h"
#include "server/space.h"

int metrics_new(struct metrics **out)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));
	struct timespec now;

	if (!metrics)
		return -ENOMEM;
	clock_gettime(CLOCK_REALTIME, &now);
	metrics->started_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	atomic_store_explicit(&metrics->beat_ns, clock_now_ns(), memory_order_relaxed);
	*out = metrics;
	return 0;
}

static void set(struct metrics *metrics, enum metrics_gauge gauge, uint64_t value)
{
	atomic_store_explicit(&metrics->gauges[gauge], value, memory_order_relaxed);
}

// A look at this clock costs a fifth of one at the exact clock, and a heartbeat need not be exact.
static uint64_t coarse_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void metrics_publish(struct server *server)
{
	struct metrics *metrics = server->metrics;

	set(metrics, METRICS_POOL, pool_length(server->pool));
	set(metrics, METRICS_FREE, pool_free_bytes(server->pool));
	set(metrics, METRICS_GRANTED, space_granted_bytes(server));
	set(metrics, METRICS_RECLAIM, reclaim_bytes(server->reclaim));
	set(metrics, METRICS_INDEX, index_bytes(server->index));
	set(metrics, METRICS_RESERVE, server->reserve_page ? (uint64_t)SPACE_RESERVE_PAGES << FAR_PAGE_SHIFT : 0);
	set(metrics, METRICS_OBJECTS, server->figures.objects);
	set(metrics, METRICS_SESSIONS, server->session_count);
	set(metrics, METRICS_LANES, server->lane_count);
	set(metrics, METRICS_BUSY, server_probing(server));
	set(metrics, METRICS_BYTES_IN, server->figures.bytes_in);
	set(metrics, METRICS_BYTES_OUT, server->figures.bytes_out);
	set(metrics, METRICS_EVICTED, server->figures.evicted);
	set(metrics, METRICS_EVICTED_BYTES, server->figures.evicted_bytes);
	set(metrics, METRICS_QUOTAS, quota_count_all(server));
	set(metrics, METRICS_QUOTA_REFUSALS, server->figures.quota_refusals);
	atomic_store_explicit(&metrics->beat_ns, coarse_now_ns(), memory_order_relaxed);
}

// The coarse clock lags behind the exact one, and the beat may be newer than the caller's look at either.
uint64_t metrics_age_ns(const struct metrics *metrics, uint64_t now_ns)
{
	uint64_t beat_ns = metrics_get(&metrics->beat_ns);

	return now_ns > beat_ns ? now_ns - beat_ns : 0;
}

// Gauges may be of two moments: never below 0.
uint64_t metrics_object_bytes(const struct metrics *metrics)
{
	uint64_t others = 0, all = metrics_get(&metrics->gauges[METRICS_POOL]);

	for (unsigned gauge = METRICS_FREE; gauge <= METRICS_RESERVE; gauge++)
		others += metrics_get(&metrics->gauges[gauge]);
	return others < all ? all - others : 0;
}
