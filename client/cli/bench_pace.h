// When operations are to begin, at a given rate. A time is taken from when an operation was to begin, not from when it did: one that had to wait because an earlier one
// was slow has that wait in its time, as a user who came at that moment would have had. Without that, a stall of a second at 1,000 a second counts as one slow operation
// in place of 1,000 ("coordinated omission"; G. Tene, as wrk2 and HdrHistogram do it).
#ifndef CLI_BENCH_PACE_H
#define CLI_BENCH_PACE_H

#include <stdint.h>

// Of one thread. Zeros: no rate.
struct bench_pace {
	double interval; // ticks from one operation to the next, 0 = as fast as can be
	uint64_t start;  // ticks
	uint64_t number; // of the next operation
};

// `rate` operations a second, all threads together, which take turns.
static inline struct bench_pace bench_pace_begin(double rate, double ns_per_tick, uint64_t now, unsigned thread, unsigned threads)
{
	double turn = 1e9 / rate / ns_per_tick;

	return (struct bench_pace){.interval = turn * threads, .start = now + (uint64_t)(turn * thread)};
}

// When the next operation is to begin. One that is behind begins at once; its turn does not move.
static inline uint64_t bench_pace_next(struct bench_pace *pace)
{
	return pace->start + (uint64_t)(pace->interval * (double)pace->number++);
}

#endif
