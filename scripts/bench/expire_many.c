// expire_many: what a great many objects whose time is over at one moment cost those who go on working. Stores COUNT objects that are all to end at the same moment, and a few that stay; gets the latter
// one by one, each by asking the server, before that moment and then until all have been cleared away; and tells how long gets took at most, before and meanwhile.
//
// usage: expire_many ADDRESS COUNT [SECONDS]
// SECONDS (default: guessed from COUNT) is how long after the start the objects end; where storing takes too long for that, it begins again, for twice as long. Prints one line of JSON; times are
// microseconds. A machine has delays of its own, of many milliseconds if it is virtual: `slow_per_s`, gets of more than 1 ms a second, is to be compared between the two.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/histogram.h"
#include "far.h"
#include "far/clock.h"

#define STAYING 1000U
#define VALUE_SIZE 64
#define BEFORE_NS 2000000000U // measured so long before the moment
#define LOOK_EVERY 256U       // gets between two looks at how many objects are left

static void die(const char *what)
{
	fprintf(stderr, "expire_many: %s: %s\n", what, far_last_error());
	exit(1);
}

struct times {
	struct histogram all;
	uint64_t slow; // more than 1 ms
	double seconds;
};

static void put(far_session *session, const char *format, uint64_t number, uint64_t ttl_ms)
{
	struct far_put_options options = {.size = sizeof(options), .ttl_ms = ttl_ms};
	char value[VALUE_SIZE] = "value";
	char key[48];
	int length = snprintf(key, sizeof(key), format, (unsigned long long)number);

	if (far_put_with(session, key, (size_t)length, value, sizeof(value), &options, NULL))
		die(key);
}

static uint64_t objects(far_session *session)
{
	struct far_space space;

	if (far_space(session, &space))
		die("space");
	return space.objects;
}

// Returns the moment at which all of them end.
static uint64_t store(far_session *session, uint64_t count, double seconds)
{
	uint64_t moment_ns = clock_now_ns() + (uint64_t)(seconds * 1e9);

	for (uint64_t i = 0; i < count; i++) {
		uint64_t now_ns = clock_now_ns();

		if (now_ns + BEFORE_NS > moment_ns)
			return store(session, count, 2 * seconds); // what is there gets the later deadline
		put(session, "ending/%llu", i, (moment_ns - now_ns) / 1000000U);
	}
	return moment_ns;
}

// Gets until the time, or, if that is UINT64_MAX, until only so many objects are left.
static void measure(far_session *session, uint64_t until_ns, uint64_t left, struct times *times)
{
	uint64_t first = clock_now_ns();

	for (uint64_t number = 0; clock_now_ns() < until_ns; number++) {
		char value[VALUE_SIZE];
		char key[48];
		int length = snprintf(key, sizeof(key), "staying/%llu", (unsigned long long)(number % STAYING));
		uint64_t begin = clock_now_ns(), taken;

		if (far_get_into(session, key, (size_t)length, value, sizeof(value), 0, NULL, NULL) != VALUE_SIZE)
			die(key);
		taken = clock_now_ns() - begin;
		histogram_add(&times->all, taken, 1);
		times->slow += taken > 1000000;
		times->seconds = (double)(begin - first) / 1e9;
		if (until_ns == UINT64_MAX && number % LOOK_EVERY == 0 && objects(session) <= left)
			return;
	}
}

static void print_times(const char *name, const struct times *times)
{
	const struct histogram *all = &times->all;

	printf("\"%s\": {\"gets\": %llu, \"p50\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, \"max\": %.1f, \"slow_per_s\": %.1f}, ", name,
	        (unsigned long long)all->count, (double)histogram_quantile(all, 0.5) / 1e3, (double)histogram_quantile(all, 0.99) / 1e3,
	        (double)histogram_quantile(all, 0.999) / 1e3, (double)all->most / 1e3, (double)times->slow / times->seconds);
}

int main(int argc, char **argv)
{
	static struct times before, meanwhile;
	struct far_options options = {.size = sizeof(options), .lanes = 1, .name = "expire_many", .cache_entries = UINT64_MAX};
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	double seconds = argc > 3 ? atof(argv[3]) : 3 + (double)count / 250000;
	uint64_t moment_ns, left;
	far_session *session;

	if (count == 0) {
		fprintf(stderr, "usage: expire_many ADDRESS COUNT [SECONDS]\n");
		return 2;
	}
	if (far_connect(argv[1], &options, &session))
		die(argv[1]);
	for (uint64_t i = 0; i < STAYING; i++)
		put(session, "staying/%llu", i, 0);
	put(session, "ending/%llu", 0, 0); // so that their directory is there, as it will be in the end
	if (far_delete(session, "ending/0", strlen("ending/0")))
		die("ending/0");
	left = objects(session);
	moment_ns = store(session, count, seconds);
	while (clock_now_ns() + BEFORE_NS < moment_ns)
		usleep(1000);
	measure(session, moment_ns - 20000000U, 0, &before);
	if (objects(session) != left + count)
		die("some objects ended too early");
	while (clock_now_ns() < moment_ns)
		;
	measure(session, UINT64_MAX, left, &meanwhile);
	printf("{\"objects\": %llu, ", (unsigned long long)count);
	print_times("before", &before);
	print_times("meanwhile", &meanwhile);
	printf("\"swept_after_ms\": %.1f}\n", (double)(clock_now_ns() - moment_ns) / 1e6);
	far_close(session);
	return 0;
}
