#include "client/cli/bench_clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define CALIBRATION_NS 20000000U
#define OVERHEAD_ROUNDS 1000
#define SLEEP_INEXACT_NS 100000 // how much later than asked for a sleeper may run: the kernel's slack of 50 us, and the way back to a CPU

#if defined(__x86_64__)
// "Invariant TSC": one rate in all power states, on all CPUs alike.
static bool has_invariant_tsc(void)
{
	unsigned a;
	unsigned b;
	unsigned c;
	unsigned d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1U << 8));
}

static double measure_rate(const struct bench_clock *tsc)
{
	const struct bench_clock reference = {.is_tsc = false};
	uint64_t begin_ns = bench_clock_now(&reference);
	uint64_t begin = bench_clock_now(tsc);
	uint64_t end_ns;

	do
		end_ns = bench_clock_now(&reference);
	while (end_ns - begin_ns < CALIBRATION_NS);
	return (double)(end_ns - begin_ns) / (double)(bench_clock_now(tsc) - begin);
}
#endif

void bench_clock_init(struct bench_clock *clock)
{
	uint64_t least = UINT64_MAX;

	*clock = (struct bench_clock){.ns_per_tick = 1};
#if defined(__x86_64__)
	if (has_invariant_tsc()) {
		clock->is_tsc = true;
		clock->ns_per_tick = measure_rate(clock);
	}
#endif
	for (int i = 0; i < OVERHEAD_ROUNDS; i++) {
		uint64_t begin = bench_clock_now(clock);
		uint64_t time = bench_clock_now(clock) - begin;

		if (time < least)
			least = time;
	}
	clock->overhead_ns = (double)least * clock->ns_per_tick;
}

void bench_clock_wait(const struct bench_clock *clock, uint64_t until)
{
	uint64_t now = bench_clock_now(clock);
	double left_ns = until > now ? (double)(until - now) * clock->ns_per_tick : 0;

	if (clock->stub) {
		*clock->stub = until > now ? until : now;
		return;
	}
	if (left_ns > SLEEP_INEXACT_NS) {
		uint64_t sleep_ns = (uint64_t)left_ns - SLEEP_INEXACT_NS;
		struct timespec time = {.tv_sec = (time_t)(sleep_ns / 1000000000U), .tv_nsec = (long)(sleep_ns % 1000000000U)};

		if (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL))
			return;
	}
	while (bench_clock_now(clock) < until)
		;
}
