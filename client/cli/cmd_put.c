#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/number.h"
#include "client/cli/operands.h"
#include "client/cli/put_tree.h"
#include "client/cli/put_value.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// far put

struct put_options {
	bool is_recursive;
	bool is_if_absent;
	bool is_quiet;
	uint64_t ttl_ms; // 0 = none
	bool is_keeping_ttl;
	const char *file;
	const char *key;
};

enum { KEY_TTL = 0x100, KEY_KEEP_TTL };

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct put_options *options = state->input;

	switch (key) {
	case 'r':
		options->is_recursive = true;
		return 0;
	case 'n':
		options->is_if_absent = true;
		return 0;
	case 'q':
		options->is_quiet = true;
		return 0;
	case KEY_TTL:
		if (duration_parse(argument, &options->ttl_ms))
			return report_usage(
			        state->name, "--ttl=%s: must be a number with ms, s, m, h or d behind it, at least 1ms", argument);
		return 0;
	case KEY_KEEP_TTL:
		options->is_keeping_ttl = true;
		return 0;
	case ARGP_KEY_ARG:
		return operands_take_pair(state, argument, &options->file, &options->key);
	case ARGP_KEY_END:
		if (options->ttl_ms && options->is_keeping_ttl)
			return report_usage(state->name, "give --ttl or --keep-ttl, not both");
		if (state->arg_num < 2)
			return report_usage(state->name, "give what to store, and the key to store it under");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// The key of a file: as given, or in the directory that was given. NULL without memory.
static char *key_of_file(const struct put_options *options)
{
	struct key key = key_of_argument(options->key);
	const char *name = "";
	size_t length = 0;

	if ((key.is_directory || key.length == 0) && strcmp(options->file, "-") != 0)
		name = name_of_path(options->file, &length);
	return key_join(key, name, length);
}

static struct far_put_options put_options_of(const struct put_options *options)
{
	return (struct far_put_options){
	        .size = sizeof(struct far_put_options),
	        .ttl_ms = options->ttl_ms,
	        .flags = (options->is_keeping_ttl ? FAR_KEEP_TTL : 0U) | (options->is_if_absent ? FAR_IF_VERSION : 0U),
	};
}

static int put_file(struct cli *cli, const struct put_options *options, int fd, const struct stat *stat)
{
	CLEANUP(free) char *key = key_of_file(options);
	struct progress progress;
	struct put_value put = {
	        .session = cli->session,
	        .source_name = fd == STDIN_FILENO ? "standard input" : options->file,
	        .fd = fd,
	        .options = put_options_of(options),
	        .progress = &progress,
	};
	uint64_t version;

	if (!key)
		return report_local("cannot store", options->file, ENOMEM);
	put.key = (struct key){.bytes = key, .length = strlen(key)};
	progress_begin(&progress, !options->is_quiet, S_ISREG(stat->st_mode) ? (uint64_t)stat->st_size : 0);
	return put_value(&put, &version);
}

static int put_tree_at(struct cli *cli, const struct put_options *options)
{
	struct put_tree tree = {
	        .session = cli->session,
	        .directory = options->file,
	        .key = key_of_argument(options->key),
	        .options = put_options_of(options),
	        .is_quiet = options->is_quiet,
	};

	return put_tree(&tree);
}

int cmd_put(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"recursive", 'r', NULL, 0, "Store what lies in the directory FILE under KEY", 0},
	        {"if-absent", 'n', NULL, 0, "Store only where there is no such key yet; else leave it, exit status 3", 0},
	        {"ttl", KEY_TTL, "TIME", 0, "Time to live: so long from now the key is gone (60, 1.5, 250ms, 60s, 5m, 2h, 7d)", 0},
	        {"keep-ttl", KEY_KEEP_TTL, NULL, 0, "Leave the key's time to live as it is; else a put ends it", 0},
	        {"quiet", 'q', NULL, 0, "Show no progress", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .args_doc = "FILE KEY\n- KEY\n-r DIRECTORY KEY",
	        .doc = "Store a file, standard input (-) or a tree. A value appears whole or not at all; missing directories of the key "
	               "are made. A KEY "
	               "that ends in a slash is a directory: the file's name is added."};
	struct put_options options = {0};
	CLEANUP(close) int opened = -1;
	struct stat stat;
	int status, fd;

	status = command_parse(cli, &argp, argc, argv, &options);
	if (status != CLI_OK)
		return status;
	fd = operand_open(options.file, &opened);
	if (fd < 0)
		return CLI_FAILURE;
	if (fstat(fd, &stat) < 0)
		return report_local("cannot read", options.file, errno);
	if (S_ISDIR(stat.st_mode) && !options.is_recursive)
		return report("%s: is a directory: use put -r", options.file);
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	if (S_ISDIR(stat.st_mode))
		return put_tree_at(cli, &options);
	return put_file(cli, &options, fd, &stat);
}
