// Buckets for times, as HdrHistogram has them: each power of two of nanoseconds is parted into 8, so that a time is known to within an eighth of itself, up to 17 s; what takes longer
// counts as that. The number of a bucket is part of the protocol (struct far_metrics_bucket).
#ifndef FAR_LATENCY_H
#define FAR_LATENCY_H

#include <stdint.h>

#define LATENCY_PRECISION 3 // bits of a time that are kept
#define LATENCY_BITS 34
#define LATENCY_BUCKETS ((LATENCY_BITS - LATENCY_PRECISION + 1U) << LATENCY_PRECISION)

// The bucket of a time: the first one whose bound is not below it.
static inline unsigned latency_bucket(uint64_t ns)
{
	uint64_t value = ns > 0 ? ns - 1 : 0;
	unsigned shift;

	if (value < 1U << LATENCY_PRECISION)
		return (unsigned)value;
	if (value >= 1ULL << LATENCY_BITS)
		return LATENCY_BUCKETS - 1;
	shift = 63 - (unsigned)__builtin_clzll(value) - LATENCY_PRECISION;
	return (shift << LATENCY_PRECISION) + (unsigned)(value >> shift);
}

// The longest time of a bucket, ns. Powers of two are bounds.
static inline uint64_t latency_bound(unsigned bucket)
{
	unsigned shift;

	if (bucket < 2U << LATENCY_PRECISION)
		return (uint64_t)bucket + 1;
	shift = (bucket >> LATENCY_PRECISION) - 1;
	return (bucket - ((uint64_t)shift << LATENCY_PRECISION) + 1) << shift;
}

// The bound that at least `per_mille` of all times do not exceed. 0 if there are none.
static inline uint64_t latency_quantile(const uint64_t counts[LATENCY_BUCKETS], unsigned per_mille)
{
	uint64_t all = 0, passed = 0, wanted;

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		all += counts[i];
	wanted = all / 1000 * per_mille + (all % 1000 * per_mille + 999) / 1000;
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		passed += counts[i];
		if (passed > 0 && passed >= wanted)
			return latency_bound(i);
	}
	return 0;
}

#endif
