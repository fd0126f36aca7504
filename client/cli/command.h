// What the commands of `far` share: how one is described, the session that it works in, and the exit statuses.
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <argp.h>

#include "far.h"
#include "far/address_options.h"

// Exit statuses, documented in far(1).
enum cli_status {
	CLI_EXPLAINED = -1, // of command_parse: --help was given, and nothing else is to be done. CLI_OK to the outside.
	CLI_OK = 0,
	CLI_FAILURE = 1,
	CLI_USAGE = 2,
	CLI_OTHER_VERSION = 3, // a value's version is not the one expected
	CLI_NOT_FOUND = 4,
};

// What a command runs with. `session` is opened by the command that needs one, unless it is there already, and closed by who runs the command.
struct cli {
	const char *address;
	char rdma[ADDRESS_OPTIONS_SIZE]; // more options of the address
	far_session *session;
	const struct argp **revealed; // gets the command's argp, and nothing else happens: command_reveal
};

// The options that say where the server is, before a command and behind it.
extern const struct argp_option command_server_options[];
// Takes one of them; ARGP_ERR_UNKNOWN if it is none.
error_t command_take_server(struct cli *cli, int key, char *argument, struct argp_state *state);

struct command {
	const char *name;
	const char *summary;                                // one line for `far --help`
	int (*run)(struct cli *cli, int argc, char **argv); // returns an exit status
};

// All commands in the order of `far --help`; the last has no name.
extern const struct command commands[];

// Finds a command by its name. NULL if there is none.
const struct command *command_find(const char *name);

// Runs the command that argv[0] names. Returns its exit status; CLI_USAGE if there is no such command, which has been said.
int command_run(struct cli *cli, int argc, char **argv);

// Parses a command's arguments by `argp`, with the options that all commands take besides. Returns CLI_OK to go on; else the command returns what this returned, at
// once: CLI_USAGE, having said what is wrong, or CLI_EXPLAINED. Commands parse before they acquire anything.
int command_parse(struct cli *cli, const struct argp *argp, int argc, char **argv, void *input) __attribute__((warn_unused_result));

// How a command's arguments are described. NULL if there is no such command.
const struct argp *command_reveal(const char *name);

// Another server than the session's, for the command that is running.
void command_choose_server(struct cli *cli, const char *address);

// far_connect to the server of the command line.
int command_open(const struct cli *cli, const struct far_options *options, far_session **session);

// Opens cli->session unless it is open. `options` may be NULL. Returns an exit status; what went wrong has been said.
int command_connect(struct cli *cli, const struct far_options *options);

int cmd_append(struct cli *cli, int argc, char **argv);
int cmd_bench(struct cli *cli, int argc, char **argv);
int cmd_cas(struct cli *cli, int argc, char **argv);
int cmd_counter(struct cli *cli, int argc, char **argv);
int cmd_decr(struct cli *cli, int argc, char **argv);
int cmd_df(struct cli *cli, int argc, char **argv);
int cmd_doctor(struct cli *cli, int argc, char **argv);
int cmd_expire(struct cli *cli, int argc, char **argv);
int cmd_fsck(struct cli *cli, int argc, char **argv);
int cmd_get(struct cli *cli, int argc, char **argv);
int cmd_help(struct cli *cli, int argc, char **argv);
int cmd_incr(struct cli *cli, int argc, char **argv);
int cmd_ls(struct cli *cli, int argc, char **argv);
int cmd_mget(struct cli *cli, int argc, char **argv);
int cmd_mkdir(struct cli *cli, int argc, char **argv);
int cmd_mv(struct cli *cli, int argc, char **argv);
int cmd_persist(struct cli *cli, int argc, char **argv);
int cmd_pin(struct cli *cli, int argc, char **argv);
int cmd_ping(struct cli *cli, int argc, char **argv);
int cmd_profile(struct cli *cli, int argc, char **argv);
int cmd_put(struct cli *cli, int argc, char **argv);
int cmd_quota(struct cli *cli, int argc, char **argv);
int cmd_repl(struct cli *cli, int argc, char **argv);
int cmd_rm(struct cli *cli, int argc, char **argv);
int cmd_stat(struct cli *cli, int argc, char **argv);
int cmd_top(struct cli *cli, int argc, char **argv);
int cmd_ttl(struct cli *cli, int argc, char **argv);
int cmd_unpin(struct cli *cli, int argc, char **argv);
int cmd_version(struct cli *cli, int argc, char **argv);
int cmd_watch(struct cli *cli, int argc, char **argv);

#endif
