#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/key.h"
#include "client/cli/number.h"
#include "client/cli/operands.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// far append: bytes at the end of a value, or at an offset of it. What is more than one call stores whole goes in parts, in order.

#define PART (2U << 20)

struct append_options {
	const char *file;
	const char *key;
	uint64_t offset;
	bool has_offset;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct append_options *options = state->input;

	switch (key) {
	case 'o':
		if (size_parse(argument, &options->offset))
			return report_usage(
			        state->name, "--offset=%s: must be a number of bytes, with K, M, G or T behind it if wanted", argument);
		options->has_offset = true;
		return 0;
	case ARGP_KEY_ARG:
		return operands_take_pair(state, argument, &options->file, &options->key);
	case ARGP_KEY_END:
		return state->arg_num < 2 ? report_usage(state->name, "give what to append, and the key") : 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// Reads until the buffer is full or the file ends. Returns the length, or a negative errno.
static ssize_t read_part(int fd, char *buffer)
{
	size_t done = 0;

	while (done < PART) {
		ssize_t got = read(fd, buffer + done, PART - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static int store_part(
        struct cli *cli, const struct append_options *options, const char *bytes, size_t length, uint64_t done, uint64_t *size)
{
	struct key key = key_of_argument(options->key);

	if (!options->has_offset)
		return far_append(cli->session, key.bytes, key.length, bytes, length, size, NULL);
	return far_put_range(cli->session, key.bytes, key.length, bytes, length, options->offset + done, FAR_CREATE, size, NULL);
}

// At least one part, so that an empty file makes the key.
static int store_all(struct cli *cli, const struct append_options *options, int fd)
{
	CLEANUP(free) char *buffer = malloc(PART);
	uint64_t done = 0, size = 0;
	ssize_t got;

	if (!buffer)
		return report_local("cannot read", options->file, ENOMEM);
	do {
		int error;

		got = read_part(fd, buffer);
		if (got < 0)
			return report_local("cannot read", options->file, (int)-got);
		if (got == 0 && done > 0)
			break;
		error = store_part(cli, options, buffer, (size_t)got, done, &size);
		if (error)
			return report_error(error);
		done += (uint64_t)got;
	} while (got == PART);
	printf("%llu\n", (unsigned long long)size);
	return CLI_OK;
}

int cmd_append(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"offset", 'o', "BYTES", 0, "Store at this offset of the value instead of its end", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .args_doc = "FILE KEY\n- KEY",
	        .doc = "Append a file or standard input (-) to a value, and print its new size. A missing key is made. Up to 2 MiB land "
	               "whole, "
	               "whoever else appends; more goes in parts of that size."};
	struct append_options options = {0};
	CLEANUP(close) int opened = -1;
	int status = command_parse(cli, &argp, argc, argv, &options);
	int fd;

	if (status != CLI_OK)
		return status;
	fd = operand_open(options.file, &opened);
	if (fd < 0)
		return CLI_FAILURE;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	return store_all(cli, &options, fd);
}
