// Random numbers for loads: fast, the same again from the same seed, no secrets.
#ifndef CLI_RANDOM_H
#define CLI_RANDOM_H

#include <stdint.h>

// Mixes all bits of a number into all bits of the result (the finalizer of SplitMix64): also a first state for random_next from any small number.
static inline uint64_t random_mix(uint64_t number)
{
	number += 0x9e3779b97f4a7c15;
	number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
	number = (number ^ number >> 27) * 0x94d049bb133111eb;
	return number ^ number >> 31;
}

// xorshift64*. The state must not be 0.
static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1d;
}

// 0 to limit - 1.
static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
	return (uint64_t)((unsigned __int128)random_next(state) * limit >> 64);
}

// 0 (included) to 1 (excluded).
static inline double random_fraction(uint64_t *state)
{
	return (double)(random_next(state) >> 11) * 0x1p-53;
}

#endif
