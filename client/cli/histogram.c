#include "client/cli/histogram.h"

#include <math.h>

// Values below 2^PRECISION have a bucket each; every further power of two is parted into 2^PRECISION buckets.

static unsigned bucket_of_value(uint64_t value)
{
	unsigned shift;

	if (value < 1U << HISTOGRAM_PRECISION)
		return (unsigned)value;
	shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_PRECISION;
	return (shift << HISTOGRAM_PRECISION) + (unsigned)(value >> shift);
}

static uint64_t end_of_bucket(unsigned bucket)
{
	unsigned shift;

	if (bucket < 2U << HISTOGRAM_PRECISION)
		return bucket;
	shift = (bucket >> HISTOGRAM_PRECISION) - 1;
	return (((uint64_t)bucket - ((uint64_t)shift << HISTOGRAM_PRECISION) + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value, uint64_t times)
{
	if (histogram->count == 0 || value < histogram->least)
		histogram->least = value;
	if (value > histogram->most)
		histogram->most = value;
	histogram->count += times;
	histogram->sum += value * times;
	histogram->buckets[bucket_of_value(value)] += times;
}

void histogram_merge(struct histogram *histogram, const struct histogram *from)
{
	if (from->count == 0)
		return;
	if (histogram->count == 0 || from->least < histogram->least)
		histogram->least = from->least;
	if (from->most > histogram->most)
		histogram->most = from->most;
	histogram->count += from->count;
	histogram->sum += from->sum;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram->buckets[i] += from->buckets[i];
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
	uint64_t wanted = (uint64_t)ceil(quantile * (double)histogram->count);
	uint64_t passed = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		passed += histogram->buckets[i];
		if (passed >= wanted && passed > 0) {
			uint64_t end = end_of_bucket(i);

			return end < histogram->most ? end : histogram->most;
		}
	}
	return 0;
}
