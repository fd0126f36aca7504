#include "client/cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/report.h"
#include "far/arguments.h"
#include "far/cleanup.h"

// The table of commands and what each does first: parse its arguments, connect.

const struct command commands[] = {
        {"put", "store files, trees or standard input", cmd_put},
        {"get", "fetch values or trees", cmd_get},
        {"append", "store at the end of a value, or at an offset of it", cmd_append},
        {"mget", "print the values of many keys", cmd_mget},
        {"ls", "list keys", cmd_ls},
        {"stat", "show what is known of keys, and the session", cmd_stat},
        {"rm", "delete keys or trees", cmd_rm},
        {"mv", "rename a key", cmd_mv},
        {"cas", "store a value if the version is the expected one", cmd_cas},
        {"incr", "add to a counter", cmd_incr},
        {"decr", "take from a counter", cmd_decr},
        {"counter", "show and set counters", cmd_counter},
        {"expire", "give keys a time to live", cmd_expire},
        {"persist", "take the time to live away", cmd_persist},
        {"ttl", "show what is left of the time to live", cmd_ttl},
        {"pin", "have keys stay in a server that evicts", cmd_pin},
        {"unpin", "take the pin away", cmd_unpin},
        {"quota", "limit what is below directories, and show how much that is", cmd_quota},
        {"watch", "print what happens to keys, as it happens", cmd_watch},
        {"mkdir", "make directories", cmd_mkdir},
        {"df", "show how full the server is", cmd_df},
        {"fsck", "check that the server's structures fit together", cmd_fsck},
        {"ping", "measure the way to the server and back", cmd_ping},
        {"bench", "measure gets and puts", cmd_bench},
        {"repl", "commands from a terminal or a script, over one session", cmd_repl},
        {"doctor", "check this machine's set-up, and the way to a server", cmd_doctor},
        {"profile", "show where the time of a mount's operations goes", cmd_profile},
        {"top", "show live what the server does", cmd_top},
        {"version", "print the version", cmd_version},
        {"help", "explain a command", cmd_help},
        {0},
};

const struct command *command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

// What the parsers of one command line get: the command's own and the one of the shared options.
struct inputs {
	struct cli *cli;
	void *command;
};

enum { KEY_CONNECT = 0x200, KEY_DEVICE, KEY_PORT, KEY_GID, KEY_USAGE };

const struct argp_option command_server_options[] = {
        {"server", 's', "ADDRESS", 0,
                "Server to talk to: shm:///PATH.sock, rdma://HOST:PORT[?connect=cm|socket&device=NAME&port=N&gid=N&depth=N], "
                "tcp://HOST:PORT, or HOST[:PORT], which chooses (default: $FARFS_SERVER, else localhost)",
                -1},
        {"connect", KEY_CONNECT, "cm|socket", 0, "Of an rdma address: connect by the connection manager or over a socket (default: cm)",
                -1},
        {"device", KEY_DEVICE, "NAME", 0, "Of an rdma address: the device (default: chosen by a rule, see far-server(8))", -1},
        {"port", KEY_PORT, "N", 0, "Of an rdma address: the device's port", -1},
        {"gid-index", KEY_GID, "N", 0, "Of an rdma address: the index in the port's table of GIDs, with connect=socket", -1},
        {0},
};

error_t command_take_server(struct cli *cli, int key, char *argument, struct argp_state *state)
{
	static const char *const names[] = {"connect", "device", "port", "gid"};

	if (key == 's') {
		command_choose_server(cli, argument);
		return 0;
	}
	if (key < KEY_CONNECT || key > KEY_GID)
		return ARGP_ERR_UNKNOWN;
	if (!address_options_add(cli->rdma, names[key - KEY_CONNECT], argument))
		return report_usage(state->name, "--%s: too long", names[key - KEY_CONNECT]);
	cli->session = NULL;
	return 0;
}

static error_t parse_shared(int key, char *argument, struct argp_state *state)
{
	return command_take_server(state->input, key, argument, state);
}

// --help and --usage are ours, for argp's own end the program.
static error_t parse_root(int key, char *argument, struct argp_state *state)
{
	struct inputs *inputs = state->input;

	(void)argument;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = inputs->command;
		state->child_inputs[1] = inputs->cli;
		return 0;
	case '?':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK);
		return ECANCELED;
	case KEY_USAGE:
		argp_state_help(state, stdout, ARGP_HELP_USAGE);
		return ECANCELED;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int command_parse(struct cli *cli, const struct argp *argp, int argc, char **argv, void *input)
{
	static const struct argp_option help[] = {
	        {"help", '?', NULL, 0, "Give this help list", -1},
	        {"usage", KEY_USAGE, NULL, 0, "Give a short usage message", 0},
	        {0},
	};
	static const struct argp shared = {.options = command_server_options, .parser = parse_shared};
	const struct argp own = {.options = argp->options, .parser = argp->parser};
	const struct argp_child children[] = {{.argp = &own}, {.argp = &shared}, {0}};
	const struct argp root = {
	        .options = help, .parser = parse_root, .args_doc = argp->args_doc, .doc = argp->doc, .children = children};
	const struct arguments_options known = {.own = argp->options, .shared = command_server_options};
	struct inputs inputs = {.cli = cli, .command = input};
	char wrong[ARGUMENTS_WRONG_SIZE];
	int error;

	if (cli->revealed) {
		*cli->revealed = argp;
		return CLI_EXPLAINED;
	}
	error = arguments_check(&known, argc, argv, wrong) ? report_usage(argv[0], "%s", wrong)
	                                                   : argp_parse(&root, argc, argv, ARGP_NO_HELP, NULL, &inputs);
	if (error == ECANCELED)
		return CLI_EXPLAINED;
	return error ? CLI_USAGE : CLI_OK;
}

const struct argp *command_reveal(const char *name)
{
	const struct command *command = command_find(name);
	const struct argp *argp = NULL;
	struct cli cli = {.revealed = &argp};
	char program[] = "far";
	char *argv[] = {program, NULL};

	if (command)
		command->run(&cli, 1, argv);
	return argp;
}

void command_choose_server(struct cli *cli, const char *address)
{
	cli->address = address;
	cli->session = NULL;
}

int command_run(struct cli *cli, int argc, char **argv)
{
	const struct command *command = command_find(argv[0]);
	char name[64];
	int status;

	if (!command) {
		report("%s: no such command; far --help lists them", argv[0]);
		return CLI_USAGE;
	}
	snprintf(name, sizeof(name), "far %s", command->name);
	argv[0] = name; // how the command's messages begin
	status = command->run(cli, argc, argv);
	return status == CLI_EXPLAINED ? CLI_OK : status;
}

int command_open(const struct cli *cli, const struct far_options *options, far_session **session)
{
	CLEANUP(free) char *address = address_options_append(cli->address, cli->rdma);

	return address ? far_connect(address, options, session) : -ENOMEM;
}

int command_connect(struct cli *cli, const struct far_options *options)
{
	int error;

	if (cli->session)
		return CLI_OK;
	error = command_open(cli, options, &cli->session);
	if (error) {
		cli->session = NULL;
		report_error(error);
		return CLI_FAILURE; // an address without a server is not a key that is not found
	}
	return CLI_OK;
}
