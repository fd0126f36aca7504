#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/bench.h"
#include "client/cli/command.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// The values of a benchmark. All are cut from one run of random bytes, each key's from another place and each put's again from another, so that a value of another key
// or of an earlier put is noticed, and neither putting nor checking has to make bytes.

#define PATTERN_STEP 16U
#define PATTERN_PLACES 4096U
#define LOADED_NAME "bench/%llu"
#define DEFAULT_KEYS 1024U
#define DEFAULT_BYTES (64U << 20) // of all keys together, unless told otherwise

// Which of the loaded objects a key is: they lie evenly among them.
static uint64_t number_of_key(const struct bench_data *data, uint64_t key)
{
	if (!data->options->load)
		return key;
	return (uint64_t)((unsigned __int128)key * data->options->load / data->keys);
}

const char *bench_value(const struct bench_data *data, uint64_t key)
{
	return data->pattern + (number_of_key(data, key) * 7 + data->rounds[key]) % PATTERN_PLACES * PATTERN_STEP;
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
static int check_room(const struct bench_data *data, uint64_t keys, uint64_t size)
{
	struct far_space space;
	int error = far_space(data->session, &space);

	if (error)
		return report_error(error);
	if (size == 0 || keys <= space.available / 4 * 3 / size)
		return CLI_OK;
	return report("bench: %llu keys of %llu bytes do not fit: the server has %llu bytes available: give fewer",
	        (unsigned long long)keys, (unsigned long long)size, (unsigned long long)space.available);
}

int bench_load(struct bench_data *data)
{
	CLEANUP(free) char *pattern = make_pattern(BENCH_LOAD_SIZE);
	uint64_t begin = bench_clock_now(data->clock);
	uint64_t number;
	double seconds;

	if (!pattern)
		return report_local("cannot make", "the values", ENOMEM);
	if (check_room(data, data->options->load, BENCH_LOAD_SIZE))
		return CLI_FAILURE;
	for (number = 0; number < data->options->load && !bench_is_interrupted(); number++) {
		const char *value = pattern + number * 7 % PATTERN_PLACES * PATTERN_STEP;
		char name[48];
		int length = snprintf(name, sizeof(name), LOADED_NAME, (unsigned long long)number);
		int error = far_put(data->session, name, (size_t)length, value, BENCH_LOAD_SIZE, NULL);

		if (error)
			return report_error(error);
	}
	seconds = (double)(bench_clock_now(data->clock) - begin) * data->clock->ns_per_tick / 1e9;
	if (!data->options->is_json)
		printf("%llu objects of %d bytes stored as bench/N, %.0f a second; `far rm -r bench' deletes them\n",
		        (unsigned long long)number, BENCH_LOAD_SIZE, (double)number / seconds);
	return CLI_OK;
}

static void name_keys(struct bench_data *data)
{
	for (uint64_t key = 0; key < data->keys; key++) {
		if (data->options->load)
			snprintf(data->names[key], sizeof(data->names[key]), LOADED_NAME, (unsigned long long)number_of_key(data, key));
		else
			snprintf(data->names[key], sizeof(data->names[key]),
			        data->options->is_flat ? "far-bench-%u-%llu" : "far-bench-%u/%llu", (unsigned)getpid(),
			        (unsigned long long)key);
	}
}

static int fill(struct bench_data *data)
{
	for (uint64_t key = 0; key < data->keys && !bench_is_interrupted(); key++) {
		int error = far_put(data->session, data->names[key], strlen(data->names[key]), bench_value(data, key), data->size, NULL);
		if (error)
			return report_error(error);
	}
	return CLI_OK;
}

int bench_data_new(struct bench_data *data, uint64_t size)
{
	data->size = size;
	data->keys = choose_keys(data->options, size);
	if (!data->options->load && check_room(data, data->keys, size))
		return CLI_FAILURE;
	data->names = calloc(data->keys, sizeof(data->names[0]));
	data->rounds = calloc(data->keys, sizeof(data->rounds[0]));
	data->pattern = make_pattern(size);
	if (!data->names || !data->rounds || !data->pattern)
		return report_local("cannot make", "the values", ENOMEM);
	name_keys(data);
	return data->options->load ? CLI_OK : fill(data);
}

static void delete_keys(struct bench_data *data)
{
	char directory[48];

	for (uint64_t key = 0; key < data->keys; key++)
		if (data->names[key][0])
			far_delete(data->session, data->names[key], strlen(data->names[key]));
	if (data->options->is_flat)
		return;
	snprintf(directory, sizeof(directory), "far-bench-%u", (unsigned)getpid());
	far_delete(data->session, directory, strlen(directory));
}

void bench_data_free(struct bench_data *data)
{
	if (data->names && !data->options->load)
		delete_keys(data);
	free(data->names);
	free(data->rounds);
	free((char *)data->pattern);
	data->names = NULL;
	data->rounds = NULL;
	data->pattern = NULL;
}
