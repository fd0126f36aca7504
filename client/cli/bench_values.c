#include "client/cli/bench_values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/random.h"

#define STEP 16U
#define PLACES 4096U // where in the pattern a value may begin
#define STAMP 8U     // key and seed
#define ENDS 32U

// What key and seed decide.
static uint64_t mix(uint64_t key, uint32_t seed)
{
	return random_mix(key << 32 ^ seed);
}

static size_t place_of(uint64_t mixed)
{
	return mixed % PLACES * STEP;
}

static uint64_t stamp_of(uint64_t key, uint32_t seed)
{
	return (uint64_t)seed << 32 | (uint32_t)key;
}

int bench_values_init(struct bench_values *values, const struct bench_sizes *sizes)
{
	size_t length = (sizes->most + PLACES * STEP + 7) & ~(size_t)7;
	uint64_t state = 0x9e3779b97f4a7c15;

	*values = (struct bench_values){.sizes = sizes, .pattern = malloc(length), .length = length};
	if (!values->pattern)
		return -ENOMEM;
	for (size_t i = 0; i < length; i += 8) {
		uint64_t word = random_next(&state);

		memcpy(values->pattern + i, &word, 8);
	}
	return 0;
}

void bench_values_fini(struct bench_values *values)
{
	free(values->pattern);
	values->pattern = NULL;
}

int bench_source_init(struct bench_source *source, const struct bench_values *values)
{
	*source = (struct bench_source){0};
	if (posix_memalign((void **)&source->bytes, 4096, values->length))
		return -ENOMEM;
	memcpy(source->bytes, values->pattern, values->length);
	return 0;
}

void bench_source_fini(struct bench_source *source)
{
	free(source->bytes);
	source->bytes = NULL;
}

const char *bench_value_make(struct bench_source *source, const struct bench_values *values, uint64_t key, uint32_t seed)
{
	uint64_t mixed = mix(key, seed);
	uint64_t stamp = stamp_of(key, seed);

	// The last value's beginning lies inside of others: it becomes pattern again.
	memcpy(source->bytes + source->stamped_at, values->pattern + source->stamped_at, STAMP);
	source->stamped_at = place_of(mixed);
	source->size = bench_sizes_pick(values->sizes, mixed);
	memcpy(source->bytes + source->stamped_at, &stamp, STAMP);
	return source->bytes + source->stamped_at;
}

static bool is_pattern(const struct bench_values *values, size_t place, const char *bytes, size_t length, enum bench_check check)
{
	const char *wanted = values->pattern + place;

	if (check == BENCH_CHECK_ALL || length <= 2 * ENDS)
		return memcmp(bytes + STAMP, wanted + STAMP, length - STAMP) == 0;
	return memcmp(bytes + STAMP, wanted + STAMP, ENDS - STAMP) == 0 && memcmp(bytes + length - ENDS, wanted + length - ENDS, ENDS) == 0;
}

bool bench_value_is_right(
        const struct bench_values *values, uint64_t key, const uint32_t *seed, const char *bytes, size_t length, enum bench_check check)
{
	uint64_t stamp = stamp_of(key, seed ? *seed : 0);
	uint64_t mixed;

	if (length < STAMP) { // too short to tell its seed
		if (seed && length != bench_sizes_pick(values->sizes, mix(key, *seed)))
			return false;
		return length >= values->sizes->least && memcmp(bytes, &stamp, seed || length < 4 ? length : 4) == 0;
	}
	memcpy(&stamp, bytes, STAMP);
	if ((uint32_t)stamp != (uint32_t)key || (seed && stamp >> 32 != *seed))
		return false;
	mixed = mix(key, (uint32_t)(stamp >> 32));
	return length == bench_sizes_pick(values->sizes, mixed) && is_pattern(values, place_of(mixed), bytes, length, check);
}
