#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/command.h"
#include "client/cli/key.h"
#include "client/cli/list.h"
#include "client/cli/operands.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// far rm. A recursive list names directories before their contents: a directory has been emptied when the list goes on outside it, and is deleted then.

struct rm_options {
	bool is_recursive;
	bool is_forced;
	struct operands keys;
};

struct walk {
	struct cli *cli;
	struct key top;
	char *directory; // that the list is in
	size_t length;   // of it
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct rm_options *options = state->input;

	(void)argument;
	switch (key) {
	case 'r':
		options->is_recursive = true;
		return 0;
	case 'f':
		options->is_forced = true;
		return 0;
	case ARGP_KEY_ARGS:
		operands_take(&options->keys, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		return report_usage(state->name, "give the keys to delete");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// What somebody else deleted first is gone as well.
static int delete_found(struct cli *cli, const char *key, size_t length)
{
	int error = far_delete(cli->session, key, length);

	return error && error != -ENOENT ? report_error(error) : CLI_OK;
}

// Deletes the directories that lie between the one the list was in and `key`, which is outside them.
static int leave_directories(struct walk *walk, const char *key, size_t key_length)
{
	while (walk->length > walk->top.length && !key_is_below(key, key_length, walk->directory, walk->length)) {
		const char *slash;
		int status = delete_found(walk->cli, walk->directory, walk->length);

		if (status != CLI_OK)
			return status;
		slash = memrchr(walk->directory, '/', walk->length);
		walk->length = slash ? (size_t)(slash - walk->directory) : 0;
	}
	return CLI_OK;
}

static int delete_entry(void *context, const struct far_list_entry *entry)
{
	struct walk *walk = context;
	int status = leave_directories(walk, entry->key, entry->key_length);
	char *directory;

	if (status != CLI_OK)
		return status;
	if (!S_ISDIR(entry->stat.mode))
		return delete_found(walk->cli, entry->key, entry->key_length);
	directory = realloc(walk->directory, entry->key_length);
	if (!directory)
		return report_local("cannot delete", entry->key, ENOMEM);
	memcpy(directory, entry->key, entry->key_length);
	walk->directory = directory;
	walk->length = entry->key_length;
	return CLI_OK;
}

static int delete_tree(struct cli *cli, struct key key)
{
	struct walk walk = {.cli = cli, .top = key, .directory = strndup(key.bytes, key.length), .length = key.length};
	struct list_request request = {.session = cli->session, .directory = key, .flags = FAR_LIST_RECURSIVE};
	int status = list_each(&request, delete_entry, &walk);

	if (status == CLI_OK)
		status = leave_directories(&walk, key.bytes, key.length);
	if (status == CLI_OK)
		status = delete_found(cli, key.bytes, key.length);
	free(walk.directory);
	return status;
}

static int delete_key(struct cli *cli, const struct rm_options *options, const char *argument)
{
	struct key key = key_of_argument(argument);
	struct far_stat stat;
	int error;

	if (key.length == 0)
		return report("rm %s: the root cannot be deleted: name what lies in it", argument);
	error = far_delete(cli->session, key.bytes, key.length);
	if (error == -ENOENT && options->is_forced)
		return CLI_OK;
	if (error != -ENOTEMPTY)
		return error ? report_error(error) : CLI_OK;
	if (!options->is_recursive)
		return report("rm %s: the directory is not empty: use rm -r", argument);
	error = far_stat(cli->session, key.bytes, key.length, &stat);
	return error ? report_error(error) : delete_tree(cli, key);
}

int cmd_rm(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"recursive", 'r', NULL, 0, "Delete directories with everything below them", 0},
	        {"force", 'f', NULL, 0, "A key that does not exist is no error", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .args_doc = "KEY...",
	        .doc = "Delete values, links and empty directories, or whole trees."};
	struct rm_options options = {0};
	int status;

	status = command_parse(cli, &argp, argc, argv, &options);
	if (status != CLI_OK)
		return status;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	for (int i = 0; i < options.keys.count; i++) {
		int one = delete_key(cli, &options, options.keys.words[i]);

		status = one == CLI_OK ? status : one;
	}
	return status;
}
