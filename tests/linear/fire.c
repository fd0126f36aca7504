// A load on few keys that records what each operation did: processes with sessions of their own put, compare-and-swap, delete, rename and get them as fast as they can, so that they collide, and
// write a history each worker (history.h) for check.c to judge. Prints what was done. Exit status 0: done; 1: something failed; 2: usage.
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/linear/fire.h"

static const char usage_text[] = "usage: fire [OPTION...] FOLDER\n"
                                 "Hammers keys of the server and records what it did in FOLDER/history.N.\n"
                                 "  --server ADDRESS      default: FARFS_SERVER\n"
                                 "  --seconds S           default 2\n"
                                 "  --processes N         each with sessions of its own, default 4\n"
                                 "  --threads N           of each process, default 1\n"
                                 "  --keys N              default 4\n"
                                 "  --mount FOLDER        where the server is mounted\n"
                                 "  --mount-readers N     processes that read files there, default 0\n"
                                 "  --seed N\n";

static unsigned number(const char *text, unsigned most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || value > most) {
		fprintf(stderr, "fire: %s: must be a number up to %u\n", text, most);
		exit(2);
	}
	return (unsigned)value;
}

static void set_option(struct fire_options *options, int name)
{
	switch (name) {
	case 'a':
		options->address = optarg;
		break;
	case 's':
		options->seconds = strtod(optarg, NULL);
		break;
	case 'p':
		options->processes = number(optarg, HISTORY_WORKERS_MAX);
		break;
	case 't':
		options->threads = number(optarg, HISTORY_WORKERS_MAX);
		break;
	case 'k':
		options->keys = number(optarg, HISTORY_KEYS_MAX);
		break;
	case 'm':
		options->mount = optarg;
		break;
	case 'r':
		options->mount_readers = number(optarg, HISTORY_WORKERS_MAX);
		break;
	case 'e':
		options->seed = number(optarg, UINT32_MAX);
		break;
	default:
		fputs(usage_text, stderr);
		exit(2);
	}
}

static void parse(int argc, char **argv, struct fire_options *options)
{
	static const struct option names[] = {
	        {"server", 1, NULL, 'a'},
	        {"seconds", 1, NULL, 's'},
	        {"processes", 1, NULL, 'p'},
	        {"threads", 1, NULL, 't'},
	        {"keys", 1, NULL, 'k'},
	        {"mount", 1, NULL, 'm'},
	        {"mount-readers", 1, NULL, 'r'},
	        {"seed", 1, NULL, 'e'},
	        {0},
	};
	int name;

	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1)
		set_option(options, name);
	if (optind + 1 != argc || !options->address || !(options->seconds > 0) || options->keys == 0 || options->threads == 0 ||
	        options->processes == 0 || options->processes * options->threads + options->mount_readers > HISTORY_WORKERS_MAX ||
	        (options->mount_readers && !options->mount)) {
		fputs(usage_text, stderr);
		exit(2);
	}
	options->folder = argv[optind];
}

static void add_statistics(struct fire_shared *shared, far_session *session)
{
	struct far_statistics statistics;

	if (far_statistics(session, &statistics))
		return;
	atomic_fetch_add(&shared->one_sided, statistics.one_sided);
	atomic_fetch_add(&shared->one_sided_retries, statistics.one_sided_retries);
	atomic_fetch_add(&shared->probes, statistics.probes);
}

// One process's threads, on two sessions of its own. Returns the exit status.
static int run_process(const struct fire_options *options, struct fire_shared *shared, unsigned process)
{
	struct far_options warm = {.size = sizeof(warm), .name = "fire"};
	struct far_options cold = {.size = sizeof(cold), .name = "fire", .cache_entries = UINT64_MAX};
	struct fire_worker workers[HISTORY_WORKERS_MAX];
	pthread_t threads[HISTORY_WORKERS_MAX];
	struct fire_worker worker = {.options = options, .shared = shared};

	if (far_connect(options->address, &warm, &worker.warm) || far_connect(options->address, &cold, &worker.cold)) {
		fprintf(stderr, "fire: %s\n", far_last_error());
		return 1;
	}
	for (unsigned i = 0; i < options->threads; i++) {
		workers[i] = worker;
		workers[i].number = process * options->threads + i;
		if (pthread_create(&threads[i], NULL, fire_worker_run, &workers[i]))
			return 1;
	}
	for (unsigned i = 0; i < options->threads; i++)
		pthread_join(threads[i], NULL);
	add_statistics(shared, worker.warm);
	far_close(worker.warm);
	far_close(worker.cold);
	return 0;
}

static int run_mount_reader(const struct fire_options *options, struct fire_shared *shared, unsigned reader)
{
	struct fire_worker worker = {.options = options, .shared = shared, .number = options->processes * options->threads + reader};

	fire_worker_run(&worker);
	return 0;
}

static void start(const struct fire_options *options, struct fire_shared *shared, unsigned process)
{
	pid_t pid = fork();
	int status;

	if (pid < 0) {
		perror("fire: fork");
		atomic_fetch_add(&shared->failures, 1);
	}
	if (pid != 0)
		return;
	if (process < options->processes)
		status = run_process(options, shared, process);
	else
		status = run_mount_reader(options, shared, process - options->processes);
	if (status)
		atomic_fetch_add(&shared->failures, 1);
	exit(status);
}

static void report(const struct fire_options *options, struct fire_shared *shared)
{
	static const char *const kinds[HISTORY_KINDS] = {
	        "get", "stat", "put", "cas", "delete", "delete_version", "rename_in", "rename_out"};

	printf("processes=%u threads=%u keys=%u seconds=%g", options->processes, options->threads, options->keys, options->seconds);
	for (unsigned i = 0; i < HISTORY_KINDS; i++)
		printf(" %s=%" PRIu64, kinds[i], atomic_load(&shared->operations[i]));
	printf(" one_sided=%" PRIu64 " retries=%" PRIu64 " probes=%" PRIu64 " written=%" PRIu64 " torn=%" PRIu64 " unknown=%" PRIu64
	       " errors=%" PRIu64 "\n",
	        atomic_load(&shared->one_sided), atomic_load(&shared->one_sided_retries), atomic_load(&shared->probes),
	        atomic_load(&shared->written), atomic_load(&shared->torn), atomic_load(&shared->unknown), atomic_load(&shared->errors));
}

int main(int argc, char **argv)
{
	struct fire_options options = {.address = getenv("FARFS_SERVER"), .seconds = 2, .processes = 4, .threads = 1, .keys = 4, .seed = 1};
	char prefix[FIRE_KEY_MAX / 2];
	struct fire_shared *shared;
	int status;

	parse(argc, argv, &options);
	snprintf(prefix, sizeof(prefix), "fire-%ld", (long)getpid());
	options.prefix = prefix;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("fire: mmap");
		return 1;
	}
	for (unsigned i = 0; i < options.processes + options.mount_readers; i++)
		start(&options, shared, i);
	while (wait(&status) > 0)
		if (status)
			atomic_fetch_add(&shared->failures, 1);
	report(&options, shared);
	return atomic_load(&shared->failures) || atomic_load(&shared->errors) ? 1 : 0;
}
