#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/key.h"
#include "client/cli/operands.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// far mv, far mkdir: changes of names.

static error_t parse(int key, char *argument, struct argp_state *state)
{
	(void)argument;
	if (key != ARGP_KEY_ARGS)
		return ARGP_ERR_UNKNOWN;
	operands_take(state->input, state);
	return 0;
}

static error_t parse_mv(int key, char *argument, struct argp_state *state)
{
	const struct operands *names = state->input;

	if (key == ARGP_KEY_END && names->count != 2)
		return report_usage(state->name, "give the key and its new name");
	return parse(key, argument, state);
}

static error_t parse_mkdir(int key, char *argument, struct argp_state *state)
{
	const struct operands *names = state->input;

	if (key == ARGP_KEY_END && names->count == 0)
		return report_usage(state->name, "give the directories to make");
	return parse(key, argument, state);
}

int cmd_mv(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {.parser = parse_mv,
	        .args_doc = "FROM TO",
	        .doc = "Rename a key or directory, atomically. A value at TO is replaced; missing directories of TO are made. If TO ends "
	               "in a slash, the last "
	               "name of FROM is added."};
	CLEANUP(free) char *target = NULL;
	struct operands names = {0};
	struct key from;
	struct key to;
	const char *name = "";
	size_t length = 0;
	int status;
	int error;

	status = command_parse(cli, &argp, argc, argv, &names);
	if (status != CLI_OK)
		return status;
	from = key_of_argument(names.words[0]);
	to = key_of_argument(names.words[1]);
	if (to.is_directory)
		name = name_of_path(names.words[0], &length);
	target = key_join(to, name, length);
	if (!target)
		return report_local("cannot rename", names.words[0], ENOMEM);
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	error = far_rename(cli->session, from.bytes, from.length, target, strlen(target));
	return error ? report_error(error) : CLI_OK;
}

int cmd_mkdir(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {.parser = parse_mkdir,
	        .args_doc = "KEY...",
	        .doc = "Make directories, the missing ones above them too. One that exists is no error."};
	struct operands names = {0};
	int status;

	status = command_parse(cli, &argp, argc, argv, &names);
	if (status != CLI_OK)
		return status;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	for (int i = 0; i < names.count; i++) {
		struct key key = key_of_argument(names.words[i]);
		int error = far_mkdir(cli->session, key.bytes, key.length, 0755);

		if (error)
			status = report_error(error);
	}
	return status;
}
