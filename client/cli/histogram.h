// Counts of 64-bit values in log-linear buckets (as HdrHistogram): every value is kept to within 1/128 of itself, over the whole range, in 58 KiB.
#ifndef CLI_HISTOGRAM_H
#define CLI_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_PRECISION 7 // bits of a value that are kept
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_PRECISION + 1) << HISTOGRAM_PRECISION)

// Belongs to one thread. All zeros is an empty one.
struct histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t least;
	uint64_t most;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

// Adds a value that was seen so many times.
void histogram_add(struct histogram *histogram, uint64_t value, uint64_t times);

// Adds all that is in `from`.
void histogram_merge(struct histogram *histogram, const struct histogram *from);

// The value that at least the part `quantile` (0..1) of all values does not exceed, rounded up to its bucket's end. 0 if empty.
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);

#endif
