// many_objects: stores any number of small objects and measures gets of them, at random over all. Beside `far bench --load` and `--run`, which do it, too, this one
// measures among some of the objects only, and keeps nothing by object, so that its own memory does not grow with them.
//
// usage: many_objects ADDRESS load COUNT
//        many_objects ADDRESS get COUNT KEYS SECONDS cold|warm
// Objects are objects/00000000, objects/00000001, ... of 64 bytes: keys of 16 bytes, up to 100 million. `get` takes KEYS of the COUNT, lying evenly among them: cold asks the server each time, warm remembers the places of all KEYS, and reads
// one-sided. Prints one line of JSON.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/bench_clock.h"
#include "client/cli/histogram.h"
#include "far.h"

#define VALUE_SIZE 64
#define COLD_WARM_UP 20000U

struct objects {
	far_session *session;
	struct bench_clock clock;
	uint64_t count;
	uint64_t keys;
	uint64_t random;
};

static void die(const char *what)
{
	fprintf(stderr, "many_objects: %s: %s\n", what, far_last_error());
	exit(1);
}

static size_t name_of(uint64_t number, char name[48])
{
	return (size_t)snprintf(name, 48, "objects/%08llu", (unsigned long long)number);
}

// Each object's value tells its number, eight times.
static void value_of(uint64_t number, uint64_t value[VALUE_SIZE / 8])
{
	for (int i = 0; i < VALUE_SIZE / 8; i++)
		value[i] = number * 0x9e3779b97f4a7c15 + i;
}

static void connect_to(struct objects *objects, const char *address, bool is_warm)
{
	struct far_options options = {.size = sizeof(options), .lanes = 1, .name = "many_objects"};

	options.cache_entries = is_warm ? objects->keys * 4 : UINT64_MAX; // few places lose theirs to another
	if (far_connect(address, &options, &objects->session))
		die(address);
	bench_clock_init(&objects->clock);
	objects->random = 0x853c49e6748fea9b;
}

static double seconds_since(const struct objects *objects, uint64_t begin)
{
	return (double)(bench_clock_now(&objects->clock) - begin) * objects->clock.ns_per_tick / 1e9;
}

static void load(struct objects *objects)
{
	uint64_t begin = bench_clock_now(&objects->clock);
	double seconds;

	for (uint64_t number = 0; number < objects->count; number++) {
		uint64_t value[VALUE_SIZE / 8];
		char name[48];
		size_t length = name_of(number, name);

		value_of(number, value);
		if (far_put(objects->session, name, length, value, VALUE_SIZE, NULL))
			die(name);
	}
	seconds = seconds_since(objects, begin);
	printf("{\"seconds\": %.3f, \"ops\": %.0f}\n", seconds, (double)objects->count / seconds);
}

static uint64_t next_number(struct objects *objects)
{
	uint64_t key;

	objects->random ^= objects->random << 13;
	objects->random ^= objects->random >> 7;
	objects->random ^= objects->random << 17;
	key = (uint64_t)((unsigned __int128)objects->random * objects->keys >> 64);
	return (uint64_t)((unsigned __int128)key * objects->count / objects->keys);
}

// Returns the ticks of the get alone.
static uint64_t get(const struct objects *objects, uint64_t number)
{
	uint64_t wanted[VALUE_SIZE / 8];
	uint64_t value[VALUE_SIZE / 8];
	char name[48];
	size_t length = name_of(number, name);
	uint64_t before = bench_clock_now(&objects->clock);
	ssize_t got = far_get_into(objects->session, name, length, value, VALUE_SIZE, 0, NULL, NULL);
	uint64_t ticks = bench_clock_now(&objects->clock) - before;

	value_of(number, wanted);
	if (got < 0)
		die(name);
	if (got != VALUE_SIZE || memcmp(value, wanted, VALUE_SIZE) != 0) {
		fprintf(stderr, "many_objects: %s brought wrong bytes\n", name);
		exit(1);
	}
	return ticks;
}

static void warm_up(struct objects *objects, bool is_warm)
{
	if (!is_warm) {
		for (unsigned i = 0; i < COLD_WARM_UP; i++)
			get(objects, next_number(objects));
		return;
	}
	for (int pass = 0; pass < 2; pass++) // the first learns the places, the second maps the pages there
		for (uint64_t key = 0; key < objects->keys; key++)
			get(objects, (uint64_t)((unsigned __int128)key * objects->count / objects->keys));
}

static void measure(struct objects *objects, double seconds)
{
	static struct histogram ticks;
	uint64_t begin = bench_clock_now(&objects->clock);
	uint64_t duration = (uint64_t)(seconds * 1e9 / objects->clock.ns_per_tick);
	double tick = objects->clock.ns_per_tick;
	struct far_statistics before;
	struct far_statistics after;

	far_statistics(objects->session, &before);
	do
		histogram_add(&ticks, get(objects, next_number(objects)), 1);
	while (bench_clock_now(&objects->clock) - begin < duration);
	seconds = seconds_since(objects, begin);
	far_statistics(objects->session, &after);
	printf("{\"p50\": %.0f, \"p99\": %.0f, \"p99.9\": %.0f, \"ops\": %.0f, \"one_sided\": %.4f}\n",
	        (double)histogram_quantile(&ticks, 0.5) * tick, (double)histogram_quantile(&ticks, 0.99) * tick,
	        (double)histogram_quantile(&ticks, 0.999) * tick, (double)ticks.count / seconds,
	        (double)(after.one_sided - before.one_sided) / (double)ticks.count);
}

int main(int argc, char **argv)
{
	struct objects objects = {0};
	bool is_load = argc == 4 && strcmp(argv[2], "load") == 0;
	bool is_get = argc == 7 && strcmp(argv[2], "get") == 0;
	bool is_warm = is_get && strcmp(argv[6], "warm") == 0;

	if (!is_load && !is_get) {
		fprintf(stderr, "usage: many_objects ADDRESS load COUNT | ADDRESS get COUNT KEYS SECONDS cold|warm\n");
		return 2;
	}
	objects.count = strtoull(argv[3], NULL, 10);
	objects.keys = is_get ? strtoull(argv[4], NULL, 10) : objects.count;
	if (objects.count == 0 || objects.keys == 0 || objects.keys > objects.count) {
		fprintf(stderr, "many_objects: give a number of objects, and of keys at most as many\n");
		return 2;
	}
	connect_to(&objects, argv[1], is_warm);
	if (is_load) {
		load(&objects);
	} else {
		warm_up(&objects, is_warm);
		measure(&objects, atof(argv[5]));
	}
	far_close(objects.session);
	return 0;
}
