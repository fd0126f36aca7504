#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/get_tree.h"
#include "client/cli/get_value.h"
#include "client/cli/number.h"
#include "client/cli/operands.h"
#include "client/cli/output_file.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// far get

enum { KEY_OFFSET = 256, KEY_LENGTH };

struct get_options {
	bool is_recursive;
	bool is_quiet;
	const char *key;
	const char *target;
	uint64_t offset;
	uint64_t length;
};

static error_t parse_bytes(struct argp_state *state, const char *name, const char *argument, uint64_t *bytes)
{
	if (size_parse(argument, bytes))
		return report_usage(state->name, "--%s: %s: give bytes as a number, with k, m, g or t if wanted", name, argument);
	return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct get_options *options = state->input;

	switch (key) {
	case 'r':
		options->is_recursive = true;
		return 0;
	case 'q':
		options->is_quiet = true;
		return 0;
	case KEY_OFFSET:
		return parse_bytes(state, "offset", argument, &options->offset);
	case KEY_LENGTH:
		return parse_bytes(state, "length", argument, &options->length);
	case ARGP_KEY_ARG:
		return operands_take_pair(state, argument, &options->key, &options->target);
	case ARGP_KEY_END:
		if (!options->key || (options->is_recursive && !options->target))
			return report_usage(state->name, "give the %s", options->key ? "directory to write to" : "key to fetch");
		if (options->is_recursive && (options->offset || options->length != UINT64_MAX))
			return report_usage(state->name, "a range of a tree: -r goes without --offset and --length");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// The path to write to: as given, or in the directory given. NULL without memory.
static char *path_of_target(const struct get_options *options)
{
	size_t length = strlen(options->target);
	const char *name;
	struct stat stat_;
	char *path;

	if (options->target[0] && options->target[length - 1] != '/' && (stat(options->target, &stat_) < 0 || !S_ISDIR(stat_.st_mode)))
		return strdup(options->target);
	name = name_of_path(options->key, &length);
	if (asprintf(&path, "%s/%.*s", options->target, (int)length, name) < 0)
		return NULL;
	return path;
}

static int get_to_file(const struct get_options *options, struct get_value *get)
{
	CLEANUP(free) char *path = path_of_target(options);
	struct output_file file;
	int status;
	int error = path ? output_file_open(&file, path, 0666) : -ENOMEM;

	if (error)
		return report_local("cannot write", options->target, -error);
	get->fd = file.fd;
	get->target_name = path;
	get->is_rewindable = file.temporary != NULL;
	status = get_value(get);
	if (status != CLI_OK) {
		output_file_discard(&file);
		return status;
	}
	error = output_file_finish(&file);
	return error ? report_local("cannot write", path, -error) : CLI_OK;
}

static int get_one(struct cli *cli, const struct get_options *options)
{
	bool is_stdout = !options->target || strcmp(options->target, "-") == 0;
	struct progress progress;
	struct get_value get = {
	        .session = cli->session,
	        .key = key_of_argument(options->key),
	        .offset = options->offset,
	        .length = options->length,
	        .fd = STDOUT_FILENO,
	        .target_name = "standard output",
	        .progress = &progress,
	};
	struct far_stat stat;
	int status;

	progress_begin(&progress, !options->is_quiet && !(is_stdout && isatty(STDOUT_FILENO)), 0);
	if (progress.is_on && options->length == UINT64_MAX && far_stat(cli->session, get.key.bytes, get.key.length, &stat) == 0)
		progress.total = stat.size > options->offset ? stat.size - options->offset : 0;
	status = is_stdout ? get_value(&get) : get_to_file(options, &get);
	progress_hide(&progress);
	return status;
}

int cmd_get(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"recursive", 'r', NULL, 0, "Fetch what lies below KEY into the directory FILE", 0},
	        {"offset", KEY_OFFSET, "BYTES", 0, "Begin here in the value (default: 0)", 0},
	        {"length", KEY_LENGTH, "BYTES", 0, "At most so much of it (default: to the end)", 0},
	        {"quiet", 'q', NULL, 0, "Show no progress", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .args_doc = "KEY [FILE]\n-r KEY DIRECTORY",
	        .doc = "Fetch a value to standard output or into FILE, or a tree into a directory. FILE appears whole or not at all; - is "
	               "standard "
	               "output. If FILE is a directory, the key's last name is added."};
	struct get_options options = {.length = UINT64_MAX};
	struct get_tree tree;
	int status;

	status = command_parse(cli, &argp, argc, argv, &options);
	if (status != CLI_OK)
		return status;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	if (!options.is_recursive)
		return get_one(cli, &options);
	tree = (struct get_tree){
	        .session = cli->session, .key = key_of_argument(options.key), .directory = options.target, .is_quiet = options.is_quiet};
	return get_tree(&tree);
}
