#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/report.h"
#include "far/arguments.h"

// far: FarFS by key from the command line. Takes the options before the command, then hands over to it.

// The part of the command line that is not the command's.
struct parsing {
	struct cli *cli;
	int command; // its place in argv, 0 = none
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct parsing *parsing = state->input;

	(void)argument;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = parsing->cli;
		return 0;
	case 'V':
		printf("far %s\n", far_version());
		exit(finish_output());
	case ARGP_KEY_ARG:
		parsing->command = state->next - 1;
		state->next = state->argc; // the rest is the command's
		return 0;
	case ARGP_KEY_NO_ARGS:
		return report_usage(state->name, "give a command; far --help lists them");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_server(int key, char *argument, struct argp_state *state)
{
	return command_take_server(state->input, key, argument, state);
}

// Adds the table of commands to the help.
static char *filter_help(int key, const char *text, void *input)
{
	char *list = NULL;
	size_t length;
	FILE *to;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	to = open_memstream(&list, &length);
	if (!to)
		return (char *)text;
	fputs("Commands:\n", to);
	for (const struct command *command = commands; command->name; command++)
		fprintf(to, "  %-10s %s\n", command->name, command->summary);
	fputs("\n`far COMMAND --help' explains a command. Exit status: 0 done, 1 failed, 2 wrong usage, 3 another version, 4 no such key.",
	        to);
	fclose(to);
	return list;
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
	        {"version", 'V', NULL, 0, "Print the version", 0},
	        {0},
	};
	static const struct argp server = {.options = command_server_options, .parser = parse_server};
	static const struct argp_child children[] = {{.argp = &server}, {0}};
	static const struct argp argp = {.options = options,
	        .parser = parse,
	        .children = children,
	        .args_doc = "COMMAND [ARGUMENT...]",
	        .doc = "FarFS: values in far memory, by key.\v ",
	        .help_filter = filter_help};
	static const struct arguments_options known = {.own = options, .shared = command_server_options, .ends_at_argument = true};
	const char *address = getenv("FARFS_SERVER");
	struct cli cli = {.address = address && *address ? address : "localhost"};
	struct parsing parsing = {.cli = &cli};
	char program[] = "far";
	char wrong[ARGUMENTS_WRONG_SIZE];
	int status;

	setlocale(LC_TIME, "");
	signal(SIGPIPE, SIG_IGN); // a broken connection is an error of one call; a reader of ours that has gone is seen at the write
	argp_err_exit_status = CLI_USAGE;
	argv[0] = program;
	if (arguments_check(&known, argc, argv, wrong)) {
		report("%s", wrong);
		return CLI_USAGE;
	}
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &parsing))
		return CLI_USAGE;
	status = command_run(&cli, argc - parsing.command, argv + parsing.command);
	far_close(cli.session);
	if (finish_output() != CLI_OK && status == CLI_OK)
		status = CLI_FAILURE;
	return status;
}
