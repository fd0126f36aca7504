// The values of a benchmark. Each tells whose it is: it begins with the key's number and the seed of the put that made it (8 bytes), and both decide its size and all of
// its other bytes. So a value of another key, of a wrong length, or mixed of two puts is noticed by whoever knows the key alone; and one of an earlier put by whoever
// knows the seed.
#ifndef CLI_BENCH_VALUES_H
#define CLI_BENCH_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cli/bench_sizes.h"

// A span of random bytes that all values are cut from. Constant after the start: threads share it.
struct bench_values {
	const struct bench_sizes *sizes;
	char *pattern;
	size_t length; // of the pattern
};

// A thread's copy of the pattern, in which its values get their beginnings: neither making a value nor putting it copies more than that.
struct bench_source {
	char *bytes;
	size_t stamped_at; // where the last value began
	uint64_t size;     // of the last value
};

int bench_values_init(struct bench_values *values, const struct bench_sizes *sizes);
void bench_values_fini(struct bench_values *values);

int bench_source_init(struct bench_source *source, const struct bench_values *values);
void bench_source_fini(struct bench_source *source);

// Makes the value of a key that a put of this seed stores: source->size bytes, valid until the next one is made.
const char *bench_value_make(struct bench_source *source, const struct bench_values *values, uint64_t key, uint32_t seed);

// What is to be checked of a value.
enum bench_check {
	BENCH_CHECK_ENDS, // of large ones the first and the last bytes
	BENCH_CHECK_ALL,
};

// Whether this is the value of a key, of the put with *seed; NULL: of any put.
bool bench_value_is_right(
        const struct bench_values *values, uint64_t key, const uint32_t *seed, const char *bytes, size_t length, enum bench_check check);

#endif
