// The monotonic clock, which steps of the wall's clock do not move.
#ifndef FAR_CLOCK_H
#define FAR_CLOCK_H

#include <stdint.h>
#include <time.h>

// ns. May be called in a signal handler.
static inline uint64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

#endif
