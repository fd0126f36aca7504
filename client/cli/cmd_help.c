#include <stdio.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/report.h"

// far help, far version

struct help_options {
	const char *command;
};

static error_t parse_help(int key, char *argument, struct argp_state *state)
{
	struct help_options *options = state->input;

	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (state->arg_num >= 1)
		return report_usage(state->name, "%s: one argument too many", argument);
	options->command = argument;
	return 0;
}

// The parser of the command itself prints its help, and ends the program.
static int show(struct cli *cli, const struct command *command)
{
	char name[64];
	char option[] = "--help";
	char *argv[] = {name, option, NULL};

	snprintf(name, sizeof(name), "far %s", command->name);
	return command->run(cli, 2, argv);
}

static void show_commands(void)
{
	puts("Usage: far [-s ADDRESS] COMMAND [ARGUMENT...]\n");
	for (const struct command *command = commands; command->name; command++)
		printf("  %-10s %s\n", command->name, command->summary);
	puts("\n`far help COMMAND' explains a command, `far --help' the options before it.");
}

int cmd_help(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {.parser = parse_help, .args_doc = "[COMMAND]", .doc = "List the commands, or explain one."};
	struct help_options options = {0};
	const struct command *command;
	int status;

	status = command_parse(cli, &argp, argc, argv, &options);
	if (status != CLI_OK)
		return status;
	if (!options.command) {
		show_commands();
		return CLI_OK;
	}
	command = command_find(options.command);
	if (command)
		return show(cli, command);
	report("%s: no such command; far help lists them", options.command);
	return CLI_USAGE;
}

static error_t parse_version(int key, char *argument, struct argp_state *state)
{
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	return report_usage(state->name, "%s: there are no arguments", argument);
	return 0;
}

int cmd_version(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {.parser = parse_version, .doc = "Print the version."};
	int status;

	status = command_parse(cli, &argp, argc, argv, NULL);
	if (status != CLI_OK)
		return status;
	printf("far %s\n", far_version());
	return CLI_OK;
}
