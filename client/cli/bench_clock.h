// A clock for operations shorter than a microsecond: the CPU's time stamp counter where it runs at one rate on all CPUs, else CLOCK_MONOTONIC.
#ifndef CLI_BENCH_CLOCK_H
#define CLI_BENCH_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>

#include "far/clock.h"
#endif

struct bench_clock {
	bool is_tsc;
	uint64_t *stub; // in tests: the time, which stands still until somebody moves it
	double ns_per_tick;
	double overhead_ns; // of one measurement of nothing: contained in every figure
};

// Takes about 20 ms: the counter's rate is measured.
void bench_clock_init(struct bench_clock *clock);

// Now, in ticks. What is before in the program has happened before, what is behind has not begun.
static inline uint64_t bench_clock_now(const struct bench_clock *clock)
{
#if defined(__x86_64__)
	if (clock->is_tsc) {
		unsigned cpu;
		uint64_t ticks = __rdtscp(&cpu); // waits for the instructions before it

		_mm_lfence(); // holds back those behind it
		return ticks;
	}
#endif
	if (clock->stub)
		return *clock->stub;
	return clock_now_ns();
}

// Returns at that time, in ticks, or a little later; sooner if a signal came. Sleeps as long as sleeping is exact enough, then looks at the clock over and over.
void bench_clock_wait(const struct bench_clock *clock, uint64_t until);

#endif
