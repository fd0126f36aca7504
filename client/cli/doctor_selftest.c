#include "client/cli/doctor_selftest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/bench_clock.h"
#include "client/cli/doctor_link.h"
#include "client/cli/doctor_load.h"
#include "client/cli/doctor_tree.h"
#include "client/cli/histogram.h"
#include "client/cli/interrupt.h"
#include "far/cleanup.h"

// Latency is the median of gets, one under way, whose location is known: the shortest way that the provider has. Throughput is gets and puts of 1 MiB in several threads, each with
// a connection of its own, so that there is always something under way.

#define LARGE (1UL << 20)
#define SAMPLES_MAX 20000
#define ROOM_PER_THREAD (4 * LARGE) // the value, its next one, and grants
#define FLOOR_RATIO 0.5             // below half of what it should be something is wrong

struct selftest {
	far_session *session;
	const struct doctor_selftest *options;
	struct doctor_link link;
	struct bench_clock clock;
	char folder[48]; // of the keys: two hosts may test at once, in processes of the same number
	char *buffers;   // LARGE a thread
};

void doctor_judge(struct doctor_finding *finding, double measured, double expected, bool is_more_better)
{
	finding->measure.measured = measured;
	finding->measure.expected = expected;
	if (expected <= 0 || measured <= 0) {
		finding->status = DOCTOR_NOTE;
		return;
	}
	finding->measure.ratio = is_more_better ? measured / expected : expected / measured;
	finding->status = finding->measure.ratio < FLOOR_RATIO ? DOCTOR_WARN : DOCTOR_OK;
}

static void report(
        struct doctor *doctor, const struct doctor_link *link, const char *name, double measured, double expected, bool is_throughput)
{
	const char *unit = is_throughput ? "MB/s" : "us";
	int digits = is_throughput ? 0 : 1;
	struct doctor_finding *finding;

	if (expected > 0)
		finding = doctor_add(doctor, DOCTOR_OK, name, "%.*f %s, expected %.*f: ratio %.2f", digits, measured, unit, digits,
		        expected, is_throughput ? measured / expected : expected / measured);
	else
		finding = doctor_add(doctor, DOCTOR_OK, name, "%.*f %s, expected unknown", digits, measured, unit);
	finding->measure.unit = unit;
	doctor_judge(finding, measured, expected, is_throughput);
	if (finding->status == DOCTOR_WARN)
		doctor_link_advise(finding, link, is_throughput);
}

static int fail(struct doctor *doctor, const char *name, int error, const char *text)
{
	struct doctor_finding *finding = doctor_add(doctor, DOCTOR_FAIL, name, "%s", text[0] ? text : far_strerror(error));

	if (error == -EINTR)
		snprintf(finding->found, sizeof(finding->found), "interrupted");
	else
		doctor_advise(finding, "look at the server's log: journalctl -u far-server; far doctor net");
	return error;
}

static int name_key(const struct selftest *test, char name[64], unsigned number)
{
	return snprintf(name, 64, "%s/%u", test->folder, number);
}

// --- latency ---

static int time_gets(struct selftest *test, size_t size, struct histogram *ticks)
{
	uint64_t duration = (uint64_t)(test->options->seconds * 1e9 / test->clock.ns_per_tick);
	uint64_t begin = bench_clock_now(&test->clock);
	char key[64];
	size_t length = (size_t)name_key(test, key, 0);
	uint64_t end;

	do {
		uint64_t start = bench_clock_now(&test->clock);
		ssize_t result = far_get_into(test->session, key, length, test->buffers, size, 0, NULL, NULL);

		end = bench_clock_now(&test->clock);
		if (result < 0)
			return (int)result;
		if ((size_t)result != size)
			return -EIO;
		histogram_add(ticks, end - start, 1);
	} while (end - begin < duration && ticks->count < SAMPLES_MAX && !interrupt_is_noted());
	return interrupt_is_noted() ? -EINTR : 0;
}

static int measure_latency(struct doctor *doctor, struct selftest *test, size_t size, const char *size_text)
{
	CLEANUP(free) struct histogram *ticks = calloc(1, sizeof(*ticks));
	char name[64];
	char key[64];
	size_t length = (size_t)name_key(test, key, 0);
	int error = ticks ? far_put(test->session, key, length, test->buffers, size, NULL) : -ENOMEM;

	snprintf(name, sizeof(name), "get of %s", size_text);
	for (int i = 0; i < 10 && !error; i++) { // the first ones learn the location and make the connection
		ssize_t result = far_get_into(test->session, key, length, test->buffers, size, 0, NULL, NULL);

		error = result < 0 ? (int)result : 0;
	}
	if (!error)
		error = time_gets(test, size, ticks);
	if (error)
		return fail(doctor, name, error, far_last_error());
	report(doctor, &test->link, name, (double)histogram_quantile(ticks, 0.5) * test->clock.ns_per_tick / 1000,
	        link_latency(&test->link, (double)size), false);
	return 0;
}

// --- throughput ---

static int get_large(void *context, unsigned thread)
{
	struct selftest *test = context;
	char key[64];
	size_t length = (size_t)name_key(test, key, thread);
	ssize_t result = far_get_into(test->session, key, length, test->buffers + thread * LARGE, LARGE, 0, NULL, NULL);

	if (result < 0)
		return (int)result;
	if (interrupt_is_noted())
		return -EINTR;
	return (size_t)result == LARGE ? 0 : -EIO;
}

static int put_large(void *context, unsigned thread)
{
	struct selftest *test = context;
	char key[64];
	size_t length = (size_t)name_key(test, key, thread);
	int error = far_put(test->session, key, length, test->buffers + thread * LARGE, LARGE, NULL);

	return error == 0 && interrupt_is_noted() ? -EINTR : error;
}

static int measure_throughput(struct doctor *doctor, struct selftest *test, load_call *call, const char *what)
{
	struct load load = {.call = call, .context = test, .threads = test->options->threads, .seconds = test->options->seconds};
	double per_second;
	char name[64];
	int error = load_run(&load, &per_second);

	snprintf(name, sizeof(name), "%s of 1 MiB, %u at a time", what, load.threads);
	if (error)
		return fail(doctor, name, error, far_strerror(error)); // the thread that knew more has ended
	report(doctor, &test->link, name, per_second * LARGE / 1e6, test->link.bytes_per_us, true);
	return 0;
}

// --- all ---

// More that wants to run than there are CPUs: whatever is measured then is too slow, and says nothing about the link.
static void check_load(struct doctor *doctor)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char text[DOCTOR_TEXT];
	double load;

	if (doctor_read(doctor, text, "proc/loadavg"))
		return;
	load = strtod(text, NULL);
	if (load > (double)cpus)
		doctor_advise(doctor_add(doctor, DOCTOR_WARN, "load", "%.1f on %ld CPUs: what is measured now is too slow", load, cpus),
		        "measure again when less runs here: top");
}

static int check_room(struct doctor *doctor, struct selftest *test)
{
	uint64_t needed = (uint64_t)test->options->threads * ROOM_PER_THREAD;
	struct far_space space;
	struct doctor_finding *finding;
	int error = far_space(test->session, &space);

	if (error)
		return fail(doctor, "server", error, far_last_error());
	if (space.available >= needed)
		return 0;
	finding = doctor_add(doctor, DOCTOR_FAIL, "server", "its pool has %llu MiB free, the test needs %llu MiB",
	        (unsigned long long)(space.available >> 20), (unsigned long long)(needed >> 20));
	doctor_advise(finding, "delete something, or use fewer threads: far doctor --to ADDRESS --threads 1");
	return -ENOSPC;
}

static void delete_keys(struct selftest *test)
{
	char name[64];

	for (unsigned i = 0; i < test->options->threads; i++)
		far_delete(test->session, name, (size_t)name_key(test, name, i));
	far_delete(test->session, test->folder, strlen(test->folder));
}

static void measure_all(struct doctor *doctor, struct selftest *test)
{
	static const struct {
		size_t size;
		const char *text;
	} sizes[] = {{64, "64 B"}, {4096, "4 KiB"}, {65536, "64 KiB"}};

	if (check_room(doctor, test))
		return;
	for (int i = 0; i < 3; i++)
		if (measure_latency(doctor, test, sizes[i].size, sizes[i].text))
			return;
	if (measure_throughput(doctor, test, put_large, "puts")) // leaves the values that are fetched then
		return;
	measure_throughput(doctor, test, get_large, "gets");
}

static void name_folder(struct selftest *test)
{
	uint32_t number = 0;

	if (getentropy(&number, sizeof(number)))
		number = 0; // the process's number has to do
	snprintf(test->folder, sizeof(test->folder), "far-doctor-%u-%08x", (unsigned)getpid(), number);
}

void doctor_selftest_run(struct doctor *doctor, far_session *session, const struct doctor_selftest *options)
{
	struct selftest test = {.session = session, .options = options};
	struct far_statistics statistics;

	doctor->group = DOCTOR_SELF_TEST;
	test.buffers = malloc(options->threads * LARGE);
	if (!test.buffers) {
		fail(doctor, "buffers", -ENOMEM, "");
		return;
	}
	name_folder(&test);
	memset(test.buffers, 0x5a, options->threads * LARGE);
	bench_clock_init(&test.clock);
	far_statistics(session, &statistics);
	doctor_link_find(doctor, &statistics, options->threads, &test.link);
	doctor_add(doctor, DOCTOR_NOTE, "link", "%s through %s; expected by: %s", statistics.provider, test.link.through, test.link.why);
	check_load(doctor);
	measure_all(doctor, &test);
	delete_keys(&test);
	free(test.buffers);
}
