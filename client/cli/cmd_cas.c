#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/number.h"
#include "client/cli/operands.h"
#include "client/cli/put_value.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// far cas

struct cas_options {
	const char *key;
	const char *file;
	uint64_t expected;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct cas_options *options = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			options->key = argument;
		else if (state->arg_num == 2)
			options->file = argument;
		else if (state->arg_num > 2)
			return report_usage(state->name, "%s: one argument too many", argument);
		else if (number_parse(argument, &options->expected))
			return report_usage(state->name, "%s: the expected version must be a number; 0 = no such key", argument);
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num < 3)
			return report_usage(state->name, "give the key, the expected version, and the file with the new value");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_cas(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {.parser = parse,
	        .args_doc = "KEY VERSION FILE\nKEY VERSION -",
	        .doc = "Compare and swap: store the file (or standard input) under KEY only if the key's version is VERSION (0: only if "
	               "there is no "
	               "such key). Prints the new version; if the version is another, prints that (0: no such key), exit status 3."};
	struct cas_options options = {0};
	CLEANUP(close) int opened = -1;
	struct progress progress;
	struct put_value put;
	uint64_t version = 0;
	int status, fd;

	status = command_parse(cli, &argp, argc, argv, &options);
	if (status != CLI_OK)
		return status;
	fd = operand_open(options.file, &opened);
	if (fd < 0)
		return CLI_FAILURE;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	progress_begin(&progress, false, 0);
	put = (struct put_value){
	        .session = cli->session,
	        .source_name = fd == STDIN_FILENO ? "standard input" : options.file,
	        .fd = fd,
	        .key = key_of_argument(options.key),
	        .options = {.size = sizeof(put.options), .flags = FAR_IF_VERSION, .expected = options.expected},
	        .progress = &progress,
	};
	status = put_value(&put, &version);
	if (status == CLI_OK || status == CLI_OTHER_VERSION)
		printf("%llu\n", (unsigned long long)version);
	return status;
}
