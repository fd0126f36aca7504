// many_keys: gets and puts of many keys in one call beside one call for each, over one session. For each way it prints the time of a key: asked for (no location is remembered) and known (the session remembers them), and puts.
//
// usage: many_keys ADDRESS [KEYS [SIZE [SECONDS]]]
// KEYS in a batch (default 100) of SIZE bytes (64), so many SECONDS (1) for each way, in turns of 50 ms so that what else the machine does meets all ways alike. Prints one line of JSON; times are nanoseconds a key.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "far.h"
#include "far/clock.h"

#define TURN_NS 50000000U
#define KEY_SIZE 24

static struct far_get_item *get_items;
static struct far_put_item *put_items;
static size_t keys;

static void die(const char *what)
{
	fprintf(stderr, "many_keys: %s: %s\n", what, far_last_error());
	exit(1);
}

static void get_single(far_session *session)
{
	for (size_t i = 0; i < keys; i++)
		if (far_get_into(
		            session, get_items[i].key, get_items[i].key_length, get_items[i].buffer, get_items[i].room, 0, NULL, NULL) < 0)
			die("get");
}

static void get_many(far_session *session)
{
	if (far_get_many(session, get_items, keys) != (ssize_t)keys)
		die("get many");
}

static void put_single(far_session *session)
{
	for (size_t i = 0; i < keys; i++)
		if (far_put(session, put_items[i].key, put_items[i].key_length, put_items[i].value, put_items[i].length, NULL))
			die("put");
}

static void put_many(far_session *session)
{
	if (far_put_many(session, put_items, keys) != (ssize_t)keys)
		die("put many");
}

struct way {
	const char *name;
	void (*run)(far_session *session);
	int remembers;
	uint64_t ns, batches;
};

static void run_turn(struct way *way, far_session *session)
{
	uint64_t begin = clock_now_ns(), now = begin;

	while (now - begin < TURN_NS) {
		way->run(session);
		way->batches++;
		now = clock_now_ns();
	}
	way->ns += now - begin;
}

static far_session *open_session(const char *address, uint64_t cache_entries)
{
	struct far_options options = {.size = sizeof(options), .lanes = 1, .name = "many_keys", .cache_entries = cache_entries};
	far_session *session;

	if (far_connect(address, &options, &session))
		die(address);
	return session;
}

static void make_items(size_t size)
{
	char *names = calloc(keys, KEY_SIZE);
	char *values = calloc(keys, size);
	char *rooms = calloc(keys, size);

	get_items = calloc(keys, sizeof(*get_items));
	put_items = calloc(keys, sizeof(*put_items));
	if (!names || !values || !rooms || !get_items || !put_items)
		die("no memory");
	for (size_t i = 0; i < keys; i++) {
		char *name = names + i * KEY_SIZE;
		size_t length = (size_t)snprintf(name, KEY_SIZE, "many-%08zu", i);

		get_items[i] = (struct far_get_item){.key = name, .key_length = length, .buffer = rooms + i * size, .room = size};
		put_items[i] = (struct far_put_item){.key = name, .key_length = length, .value = values + i * size, .length = size};
	}
}

int main(int argc, char **argv)
{
	struct way ways[] = {
	        {.name = "get_asked", .run = get_single},
	        {.name = "get_many_asked", .run = get_many},
	        {.name = "get_known", .run = get_single, .remembers = 1},
	        {.name = "get_many_known", .run = get_many, .remembers = 1},
	        {.name = "put", .run = put_single},
	        {.name = "put_many", .run = put_many},
	};
	size_t count = sizeof(ways) / sizeof(ways[0]);
	size_t size = argc > 3 ? strtoull(argv[3], NULL, 10) : 64;
	double seconds = argc > 4 ? atof(argv[4]) : 1;
	far_session *sessions[2];

	keys = argc > 2 ? strtoull(argv[2], NULL, 10) : 100;
	if (argc < 2 || keys == 0) {
		fprintf(stderr, "usage: many_keys ADDRESS [KEYS [SIZE [SECONDS]]]\n");
		return 2;
	}
	make_items(size);
	sessions[0] = open_session(argv[1], UINT64_MAX);
	sessions[1] = open_session(argv[1], 0);
	put_many(sessions[1]);
	for (unsigned turn = 0; turn * (TURN_NS / 1e9) < seconds; turn++)
		for (size_t i = 0; i < count; i++)
			run_turn(&ways[i], sessions[ways[i].remembers]);
	printf("{\"keys\": %zu, \"size\": %zu", keys, size);
	for (size_t i = 0; i < count; i++)
		printf(", \"%s\": %.0f", ways[i].name, (double)ways[i].ns / (double)ways[i].batches / (double)keys);
	printf("}\n");
	for (size_t i = 0; i < keys; i++)
		far_delete(sessions[0], get_items[i].key, get_items[i].key_length);
	far_close(sessions[0]);
	far_close(sessions[1]);
	return 0;
}
