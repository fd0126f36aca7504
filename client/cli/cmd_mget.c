#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/command.h"
#include "client/cli/key.h"
#include "client/cli/operands.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// far mget: the values of many keys, all asked for together. Those that are longer than what is kept for each are fetched again, by themselves.

#define ROOM 4096U // for each value

struct mget_options {
	bool is_zero_ended;
	struct operands keys;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct mget_options *options = state->input;

	(void)argument;
	switch (key) {
	case '0':
		options->is_zero_ended = true;
		return 0;
	case ARGP_KEY_ARGS:
		operands_take(&options->keys, state);
		return 0;
	case ARGP_KEY_END:
		return options->keys.count ? 0 : report_usage(state->name, "give the keys");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int print_long(struct cli *cli, const struct far_get_item *item)
{
	CLEANUP(free) void *value = NULL;
	size_t length;
	int error = far_get(cli->session, item->key, item->key_length, &value, &length, NULL);

	if (error)
		return report_error(error);
	fwrite(value, 1, length, stdout);
	return CLI_OK;
}

// What is not there has an empty line, so that lines and keys correspond.
static int print_values(struct cli *cli, const struct far_get_item *items, const struct mget_options *options)
{
	int status = CLI_OK;

	for (int i = 0; i < options->keys.count; i++) {
		const struct far_get_item *item = &items[i];
		int failed = CLI_OK;

		if (item->result) {
			report("get %s: %s", options->keys.words[i], far_strerror(item->result));
			failed = item->result == -ENOENT ? CLI_NOT_FOUND : CLI_FAILURE;
		} else if (item->size > item->room) {
			failed = print_long(cli, item);
		} else {
			fwrite(item->buffer, 1, item->size, stdout);
		}
		putchar(options->is_zero_ended ? '\0' : '\n');
		status = failed != CLI_OK ? failed : status;
	}
	return status;
}

int cmd_mget(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"null", '0', NULL, 0, "End each value with a zero byte instead of a newline", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .args_doc = "KEY...",
	        .doc = "Print the values of many keys, each with a newline behind it, in their order. All are asked for together: it takes "
	               "the "
	               "round trips of one. A missing key has an empty line, and the exit status is 4."};
	struct mget_options options = {0};
	CLEANUP(free) struct far_get_item *items = NULL;
	CLEANUP(free) char *rooms = NULL;
	int status = command_parse(cli, &argp, argc, argv, &options);
	ssize_t got;

	if (status != CLI_OK)
		return status;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	items = calloc((size_t)options.keys.count, sizeof(*items));
	rooms = malloc((size_t)options.keys.count * ROOM);
	if (!items || !rooms)
		return report("mget: no memory for %d values", options.keys.count);
	for (int i = 0; i < options.keys.count; i++) {
		struct key key = key_of_argument(options.keys.words[i]);

		items[i] =
		        (struct far_get_item){.key = key.bytes, .key_length = key.length, .buffer = rooms + (size_t)i * ROOM, .room = ROOM};
	}
	got = far_get_many(cli->session, items, (size_t)options.keys.count);
	if (got < 0)
		return report_error((int)got);
	return print_values(cli, items, &options);
}
