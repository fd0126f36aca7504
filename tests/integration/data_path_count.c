#include "tests/integration/data_path_count.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Sums are exact, so that one message too many in all shows. The server's own counts are asked for by a session of its own, whose last question counts itself: one request and its reply.

struct sums {
	uint64_t requests, reads, writes, doorbells, handlers;
	uint64_t device_messages;         // sent and received by the server's device, rdma
	uint64_t packets_out, packets_in; // of the client's device
	uint64_t server_ns;
};

static uint64_t read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long long number = 0;

	if (file && fscanf(file, "%llu", &number) != 1)
		number = 0;
	if (file)
		fclose(file);
	return number;
}

static uint64_t device_counter(const char *device, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/hw_counters/%s", device, name);
	return read_number(path);
}

// Time that the process's threads had on a processor; 0 where the kernel does not tell.
static uint64_t processor_ns(int pid)
{
	char path[64];
	struct dirent *entry;
	uint64_t sum = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", pid, entry->d_name);
		sum += read_number(path);
	}
	if (tasks)
		closedir(tasks);
	return sum;
}

// Until the server has gone to sleep, as two looks tell (one alone may be that it gets no processor): what it does behind an answer is over.
static uint64_t settled_ns(int pid)
{
	struct timespec pause = {0, 50000000};
	uint64_t before = processor_ns(pid), now;
	int same = 0;

	for (int i = 0; i < 100 && same < 2; i++) {
		nanosleep(&pause, NULL);
		now = processor_ns(pid);
		same = now == before ? same + 1 : 0;
		before = now;
	}
	return before;
}

static uint64_t handled(const struct counting *counting)
{
	struct far_space space;

	assert_ok(far_space(counting->watcher, &space));
	return space.operations;
}

static struct sums sums_now(const struct counting *counting)
{
	struct far_statistics session = statistics_of(counting->session);
	uint64_t server_ns = processor_ns(counting->server_pid);
	struct timespec lifespan = {0, 50000000}; // the kernel shows devices' counters as they were up to 10 ms ago

	nanosleep(&lifespan, NULL);
	return (struct sums){
	        .requests = session.messages_sent,
	        .reads = session.remote_reads,
	        .writes = session.remote_writes,
	        .doorbells = session.doorbells,
	        .device_messages = device_counter("rxe0", "rdma_sends") + device_counter("rxe0", "rdma_recvs"),
	        .packets_out = device_counter("rxe1", "sent_pkts"),
	        .packets_in = device_counter("rxe1", "rcvd_pkts"),
	        .server_ns = server_ns,
	};
}

bool is_over(const struct counting *counting, const char *provider)
{
	return strcmp(counting->provider, provider) == 0;
}

int counting_begin(void **state)
{
	static struct counting counting;
	const char *address = getenv("FARFS_TEST_ADDRESS");
	const char *pid = getenv("FARFS_TEST_SERVER_PID");

	if (!address || !pid || far_connect(address, NULL, &counting.session) || far_connect(address, NULL, &counting.watcher)) {
		fprintf(stderr, "%s\n", far_last_error());
		return -1;
	}
	counting.server_pid = atoi(pid);
	counting.provider = strdup(statistics_of(counting.session).provider);
	*state = &counting;
	return 0;
}

int counting_end(void **state)
{
	struct counting *counting = *state;

	far_close(counting->session);
	far_close(counting->watcher);
	free((char *)(uintptr_t)counting->provider);
	return 0;
}

static void report(const char *name, unsigned count, const struct sums *cost, const struct counting *counting)
{
	print_message("COST %-4s %-44s requests=%.2f reads=%.2f writes=%.2f doorbells=%.2f handlers=%.2f", counting->provider, name,
	        (double)cost->requests / count, (double)cost->reads / count, (double)cost->writes / count, (double)cost->doorbells / count,
	        (double)cost->handlers / count);
	if (is_over(counting, "rdma"))
		print_message(" packets_out=%.2f packets_in=%.2f server_messages=%.2f", (double)cost->packets_out / count,
		        (double)cost->packets_in / count, (double)cost->device_messages / count);
	print_message(" server_ns=%llu\n", (unsigned long long)cost->server_ns);
}

static struct sums cost_of(struct counting *counting, unsigned count, counted *operation, void *context)
{
	uint64_t handlers = handled(counting);
	uint64_t settled = settled_ns(counting->server_pid);
	struct sums before = sums_now(counting), after;

	for (unsigned i = 0; i < count; i++)
		operation(counting, context, i);
	counting->operations += count;
	after = sums_now(counting);
	return (struct sums){
	        .requests = after.requests - before.requests,
	        .reads = after.reads - before.reads,
	        .writes = after.writes - before.writes,
	        .doorbells = after.doorbells - before.doorbells,
	        .handlers = handled(counting) - handlers - 1,
	        .device_messages = after.device_messages - before.device_messages,
	        .packets_out = after.packets_out - before.packets_out,
	        .packets_in = after.packets_in - before.packets_in,
	        .server_ns = after.server_ns - settled,
	};
}

void expect_cost(struct counting *counting, const char *name, unsigned count, struct cost expected, counted *operation, void *context)
{
	struct sums cost = cost_of(counting, count, operation, context);

	expected.is_idle &= !is_over(counting, "tcp");
	// On a machine that halts now and then, the server's work behind an earlier answer can fall in here. Not each time: what these operations cost it would.
	for (int again = 0; again < 4 && expected.is_idle && cost.server_ns > 0; again++)
		cost = cost_of(counting, count, operation, context);
	report(name, count, &cost, counting);
	assert_int_equal(cost.requests, (uint64_t)expected.requests * count);
	assert_in_range(
	        cost.reads, (uint64_t)expected.reads * count, (uint64_t)expected.reads * count + (expected.reads ? expected.more : 0));
	assert_in_range(
	        cost.writes, (uint64_t)expected.writes * count, (uint64_t)expected.writes * count + (expected.writes ? expected.more : 0));
	assert_int_equal(cost.handlers, (uint64_t)expected.handlers * count);
	if (expected.is_idle)
		assert_int_equal(cost.server_ns, 0);
	if (!is_over(counting, "rdma"))
		return;
	assert_int_equal(cost.doorbells, (uint64_t)expected.doorbells * count);
	// The device's word: as many messages came in and went out as there were requests and replies.
	if (device_counter("rxe0", "rcvd_pkts") > 0)
		assert_int_equal(cost.device_messages, 2 * (uint64_t)expected.handlers * count);
}
