#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/doctor.h"
#include "client/cli/doctor_load.h"
#include "client/cli/doctor_selftest.h"
#include "client/cli/interrupt.h"
#include "client/cli/number.h"
#include "client/cli/report.h"
#include "far/cleanup.h"
#include "far/limits.h"

// far doctor

#define ROOT_MAX 1024 // longest folder, so that paths below it have room

enum { KEY_TO = 256, KEY_SECONDS, KEY_THREADS };

struct doctor_options {
	bool is_asked[DOCTOR_GROUPS];
	bool has_groups;
	uint64_t pool;
	const char *to;
	bool is_json;
	struct doctor_selftest test;
};

static const struct {
	const char *word;
	void (*check)(struct doctor *doctor);
} groups[] = {
        [DOCTOR_RDMA] = {"rdma", doctor_check_rdma},
        [DOCTOR_FUSE] = {"fuse", doctor_check_fuse},
        [DOCTOR_MEMORY] = {"memory", doctor_check_memory},
        [DOCTOR_NET] = {"net", doctor_check_net},
};

#define CHECKED (sizeof(groups) / sizeof(groups[0]))

static error_t parse_group(struct argp_state *state, struct doctor_options *options, const char *argument)
{
	for (size_t i = 0; i < CHECKED; i++)
		if (strcmp(argument, groups[i].word) == 0) {
			options->is_asked[i] = true;
			options->has_groups = true;
			return 0;
		}
	return report_usage(state->name, "%s: give rdma, fuse, memory or net", argument);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct doctor_options *options = state->input;
	uint64_t threads;

	switch (key) {
	case 'p':
		if (size_parse(argument, &options->pool) || options->pool < FAR_POOL_MIN || options->pool > FAR_POOL_MAX)
			return report_usage(state->name, "--pool: %s: give 8M to 16T", argument);
		return 0;
	case 'j':
		options->is_json = true;
		return 0;
	case KEY_TO:
		options->to = argument;
		return 0;
	case KEY_SECONDS:
		if (seconds_parse(argument, &options->test.seconds) || options->test.seconds <= 0)
			return report_usage(state->name, "--seconds: %s: give seconds above 0", argument);
		return 0;
	case KEY_THREADS:
		if (number_parse(argument, &threads) || threads == 0 || threads > LOAD_THREADS_MAX)
			return report_usage(state->name, "--threads: %s: give a number from 1 to %u", argument, LOAD_THREADS_MAX);
		options->test.threads = (unsigned)threads;
		return 0;
	case ARGP_KEY_ARG:
		return parse_group(state, options, argument);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// Without a server there is nothing to test: that is said as for any command.
static int run_selftest(struct cli *cli, struct doctor *doctor, const struct doctor_options *options)
{
	command_choose_server(cli, options->to);
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	interrupt_catch(); // what it has stored has to go
	doctor_selftest_run(doctor, cli->session, &options->test);
	interrupt_release();
	return CLI_OK;
}

static int run(struct cli *cli, struct doctor *doctor, const struct doctor_options *options)
{
	int status = CLI_OK;

	for (size_t i = 0; i < CHECKED; i++) {
		doctor->is_asked[i] = options->is_asked[i];
		if (options->is_asked[i] || (!options->has_groups && !options->to))
			groups[i].check(doctor);
	}
	if (options->to)
		status = run_selftest(cli, doctor, options);
	if (options->is_json)
		doctor_print_json(doctor);
	else
		doctor_print(doctor);
	return status == CLI_OK ? doctor_exit_status(doctor) : status;
}

int cmd_doctor(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"pool", 'p', "SIZE", 0, "Check for a server's pool of this size (default: 1G)", 0},
	        {"to", KEY_TO, "ADDRESS", 0, "Measure the way to the server there, and compare with what the link should give", 0},
	        {"seconds", KEY_SECONDS, "SECONDS", 0, "Duration of each measurement (default: 1)", 0},
	        {"threads", KEY_THREADS, "N", 0, "Threads that measure throughput (default: 4)", 0},
	        {"json", 'j', NULL, 0, "Write a JSON array", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .args_doc = "[rdma|fuse|memory|net...]",
	        .doc = "Check what RDMA, mounts, memory, and shared memory with TCP need of this machine; say what is wrong, and how to "
	               "mend it. "
	               "With --to, measure a server instead. Exit status 1 if something failed."};
	CLEANUP(free) struct doctor *doctor = calloc(1, sizeof(*doctor));
	struct doctor_options options = {.pool = 1ULL << 30, .test = {.threads = 4, .seconds = 1}};
	const char *root = getenv("FARFS_DOCTOR_ROOT");
	int status;

	status = command_parse(cli, &argp, argc, argv, &options);
	if (status != CLI_OK)
		return status;
	if (!doctor)
		return report_local("cannot", "check", ENOMEM);
	if (root && strlen(root) > ROOT_MAX)
		return report("$FARFS_DOCTOR_ROOT: %.40s...: give a path of at most %d bytes", root, ROOT_MAX);
	doctor->root = root && strcmp(root, "/") != 0 ? root : "";
	doctor->address = cli->address;
	doctor->pool = options.pool;
	return run(cli, doctor, &options);
}
