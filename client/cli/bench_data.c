#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/bench.h"
#include "client/cli/command.h"
#include "client/cli/report.h"

// The values of a benchmark. All are cut from one run of random bytes, each key's from another place and each put's again from another, so that a value of another key
// or of an earlier put is noticed, and neither putting nor checking has to make bytes.

#define PATTERN_STEP 16U
#define PATTERN_PLACES 4096U
#define DEFAULT_KEYS 1024U
#define DEFAULT_BYTES (64U << 20) // of all keys together, unless told otherwise

const char *bench_value(const struct bench_data *data, uint64_t key)
{
	return data->pattern + (key * 7 + data->rounds[key]) % PATTERN_PLACES * PATTERN_STEP;
}

static char *make_pattern(uint64_t size)
{
	uint64_t length = (size + PATTERN_PLACES * PATTERN_STEP + 7) & ~7ULL;
	char *pattern = malloc(length);
	uint64_t state = 0x9e3779b97f4a7c15;

	for (uint64_t i = 0; pattern && i < length; i += 8) { // xorshift64*
		uint64_t word;

		state ^= state >> 12;
		state ^= state << 25;
		state ^= state >> 27;
		word = state * 0x2545f4914f6cdd1d;
		memcpy(pattern + i, &word, 8);
	}
	return pattern;
}

static uint64_t choose_keys(const struct bench_options *options, uint64_t size)
{
	uint64_t keys = options->keys;

	if (keys == 0) {
		keys = size ? DEFAULT_BYTES / size : DEFAULT_KEYS;
		if (keys > DEFAULT_KEYS)
			keys = DEFAULT_KEYS;
	}
	return keys < options->threads ? options->threads : keys;
}

// A replaced value stays for a moment beside the new one: a quarter of the room is left.
static int check_room(const struct bench_data *data)
{
	struct far_space space;
	int error = far_space(data->session, &space);

	if (error)
		return report_error(error);
	if (data->size == 0 || data->keys <= space.available / 4 * 3 / data->size)
		return CLI_OK;
	return report("bench: %llu keys of %llu bytes do not fit: the server has %llu bytes available: give fewer --keys",
	        (unsigned long long)data->keys, (unsigned long long)data->size, (unsigned long long)space.available);
}

static int fill(struct bench_data *data)
{
	for (uint64_t key = 0; key < data->keys && !bench_is_interrupted(); key++) {
		int error;

		snprintf(data->names[key], sizeof(data->names[key]), "far-bench-%u/%llu", (unsigned)getpid(), (unsigned long long)key);
		error = far_put(data->session, data->names[key], strlen(data->names[key]), bench_value(data, key), data->size, NULL);
		if (error)
			return report_error(error);
	}
	return CLI_OK;
}

int bench_data_new(struct bench_data *data, uint64_t size)
{
	data->size = size;
	data->keys = choose_keys(data->options, size);
	if (check_room(data))
		return CLI_FAILURE;
	data->names = calloc(data->keys, sizeof(data->names[0]));
	data->rounds = calloc(data->keys, sizeof(data->rounds[0]));
	data->pattern = make_pattern(size);
	if (!data->names || !data->rounds || !data->pattern)
		return report_local("cannot make", "the values", ENOMEM);
	return fill(data);
}

void bench_data_free(struct bench_data *data)
{
	char directory[48];

	for (uint64_t key = 0; data->names && key < data->keys; key++)
		if (data->names[key][0])
			far_delete(data->session, data->names[key], strlen(data->names[key]));
	snprintf(directory, sizeof(directory), "far-bench-%u", (unsigned)getpid());
	if (data->names)
		far_delete(data->session, directory, strlen(directory));
	free(data->names);
	free(data->rounds);
	free((char *)data->pattern);
	data->names = NULL;
	data->rounds = NULL;
	data->pattern = NULL;
}
