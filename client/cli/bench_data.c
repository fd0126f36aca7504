#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/bench.h"
#include "client/cli/interrupt.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// The sessions and the keys of a benchmark: FOLDER/0, FOLDER/1, ..., or with --flat FOLDER-0, FOLDER-1, ...

#define DEFAULT_KEYS 1024U
#define DEFAULT_BYTES (64U << 20) // of all keys together, unless told otherwise
#define WORKLOAD_KEYS 10000U
#define CACHED_BY_DEFAULT 32768U // locations; for more keys, room for all is asked for

// --- sessions ---

int bench_data_connect(struct bench_data *data, struct cli *cli)
{
	const struct bench_options *options = data->options;
	struct far_options warm = {.size = sizeof(warm), .lanes = (unsigned)options->threads, .name = "far bench"};
	struct far_options cold;
	int error;

	// The main thread has a lane too, if there may be one more.
	warm.lanes += options->threads < BENCH_THREADS_MAX;
	if (options->depth > 1) // queues have lanes of their own
		warm.lanes = 0;
	warm.cache_entries = options->keys > CACHED_BY_DEFAULT ? options->keys * 2 : 0;
	cold = warm;
	cold.cache_entries = UINT64_MAX;
	error = command_open(cli, &warm, &data->session);
	if (!error)
		error = command_open(cli, &cold, &data->cold_session);
	if (!error)
		return CLI_OK;
	report_error(error);
	bench_data_disconnect(data);
	return CLI_FAILURE; // an address without a server is not a key that is not found
}

void bench_data_disconnect(struct bench_data *data)
{
	far_close(data->session);
	far_close(data->cold_session);
	data->session = NULL;
	data->cold_session = NULL;
}

// --- names ---

unsigned bench_data_number_name(const struct bench_data *data, uint64_t key, char name[BENCH_NAME_MAX])
{
	unsigned length = data->folder_length + 2;

	for (uint64_t rest = key; rest >= 10; rest /= 10)
		length++;
	name[length] = '\0';
	for (char *to = name + length - 1; to > name + data->folder_length; to--) {
		*to = (char)('0' + key % 10);
		key /= 10;
	}
	return length;
}

unsigned bench_data_name(const struct bench_data *data, uint64_t key, char name[BENCH_NAME_MAX])
{
	memcpy(name, data->folder, data->folder_length);
	name[data->folder_length] = data->options->is_flat ? '-' : '/';
	return bench_data_number_name(data, key, name);
}

unsigned bench_name_counter(char name[BENCH_NAME_MAX], unsigned length)
{
	name[length] = 'c';
	name[length + 1] = '\0';
	return length + 1;
}

int64_t bench_data_number(const struct bench_data *data, const char *name, size_t length)
{
	int64_t number = 0;

	if (length <= data->folder_length + 1 || length > data->folder_length + 19 || memcmp(name, data->folder, data->folder_length) != 0)
		return -1;
	for (size_t i = data->folder_length + 1; i < length; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		number = number * 10 + (name[i] - '0');
	}
	return number;
}

static void name_folder(struct bench_data *data)
{
	const struct bench_options *options = data->options;

	if (options->folder)
		snprintf(data->folder, sizeof(data->folder), "%s", options->folder);
	else if (options->phase == BENCH_TEMPORARY)
		snprintf(data->folder, sizeof(data->folder), "far-bench-%u", (unsigned)getpid());
	else
		snprintf(data->folder, sizeof(data->folder), "bench");
	data->folder_length = (unsigned)strlen(data->folder);
}

// --- filling ---

static uint64_t choose_keys(const struct bench_options *options, const struct bench_sizes *sizes)
{
	uint64_t keys = options->keys;

	if (keys == 0 && options->workload)
		keys = WORKLOAD_KEYS;
	if (keys == 0) {
		keys = sizes->most ? DEFAULT_BYTES / sizes->most : DEFAULT_KEYS;
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
	if ((double)data->keys * data->sizes->mean <= (double)space.available * 3 / 4)
		return CLI_OK;
	return report("bench: %llu keys of %.0f bytes do not fit: the server has %llu bytes available: give fewer",
	        (unsigned long long)data->keys, data->sizes->mean, (unsigned long long)space.available);
}

// Asked of the first and the last one: what lacks between is found out by whoever wants it.
static int check_stored(const struct bench_data *data)
{
	const uint64_t keys[] = {0, data->keys - 1};

	for (size_t i = 0; i < 2; i++) {
		char name[BENCH_NAME_MAX];
		struct far_stat stat;
		int error = far_stat(data->session, name, bench_data_name(data, keys[i], name), &stat);

		if (error == -ENOENT) {
			report("bench: there is no key %s: store the keys first, by --load with the same --keys, --sizes and --prefix",
			        name);
			return CLI_NOT_FOUND;
		}
		if (error)
			return report_error(error);
	}
	return CLI_OK;
}

int bench_data_new(struct bench_data *data, const struct bench_sizes *sizes)
{
	data->sizes = sizes;
	data->keys = choose_keys(data->options, sizes);
	data->keys_end = 0;
	name_folder(data);
	if (bench_values_init(&data->values, sizes))
		return report_local("cannot make", "the values", ENOMEM);
	if (data->options->phase != BENCH_RUN)
		return check_room(data);
	data->keys_end = data->keys;
	return check_stored(data);
}

int bench_data_load(struct bench_data *data, struct bench_result *result)
{
	static struct bench_mix insert;
	int status;

	bench_mix_parse("insert", &insert);
	data->keys_end = data->keys; // some of them, if this ends early
	status = bench_run(data, &insert, true, result);
	if (status != CLI_OK)
		return status;
	data->seeds = malloc(data->keys * sizeof(data->seeds[0]));
	if (!data->seeds)
		return report_local("cannot make", "the values", ENOMEM);
	for (uint64_t key = 0; key < data->keys; key++)
		data->seeds[key] = (uint32_t)data->options->seed;
	return CLI_OK;
}

// --- scans ---

static void cleanup_list(far_list **list)
{
	far_list_close(*list);
}

int bench_data_find_cursors(struct bench_data *data)
{
	CLEANUP(list) far_list *list = NULL;
	char prefix[BENCH_NAME_MAX];
	struct far_list_entry entry;
	uint64_t missing = data->keys;
	int found = far_list_open(data->session, prefix, (size_t)snprintf(prefix, sizeof(prefix), "%s/", data->folder), 0, NULL, &list);

	data->cursors = calloc(data->keys, sizeof(data->cursors[0]));
	if (!data->cursors)
		return report_local("cannot", "scan", ENOMEM);
	while (found >= 0 && (found = far_list_next(list, &entry)) == 1) {
		int64_t number = bench_data_number(data, entry.key, entry.key_length);

		if (number < 0 || (uint64_t)number >= data->keys)
			continue;
		data->cursors[number] = strdup(far_list_cursor(list));
		if (!data->cursors[number])
			return report_local("cannot", "scan", ENOMEM);
		missing--;
	}
	if (found < 0)
		return report_error(found);
	return missing && !interrupt_is_noted()
	               ? report("bench: %llu of the keys are not there: store them by --load", (unsigned long long)missing)
	               : CLI_OK;
}

// --- emptying ---

static void delete_keys(struct bench_data *data)
{
	bool has_counters = bench_options_have(data->options, BENCH_INCR);

	for (uint64_t key = 0; key < data->keys_end; key++) {
		char name[BENCH_NAME_MAX];
		unsigned length = bench_data_name(data, key, name);

		far_delete(data->session, name, length);
		if (has_counters)
			far_delete(data->session, name, bench_name_counter(name, length));
	}
	if (!data->options->is_flat)
		far_delete(data->session, data->folder, data->folder_length);
}

void bench_data_free(struct bench_data *data)
{
	if (data->options->phase == BENCH_TEMPORARY)
		delete_keys(data);
	for (uint64_t key = 0; data->cursors && key < data->keys; key++)
		free(data->cursors[key]);
	free(data->cursors);
	free(data->seeds);
	bench_values_fini(&data->values);
	data->cursors = NULL;
	data->seeds = NULL;
}
