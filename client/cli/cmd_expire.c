#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/each_key.h"
#include "client/cli/number.h"
#include "client/cli/report.h"

// far expire, far persist, far ttl: times to live.

struct expire_options {
	struct operands keys;
	uint64_t ttl_ms;
};

static error_t take_ttl(const struct argp_state *state, const char *argument, uint64_t *ttl_ms)
{
	if (duration_parse(argument, ttl_ms))
		return report_usage(
		        state->name, "%s: the time to live must be a number with ms, s, m, h or d behind it, at least 1ms", argument);
	return 0;
}

// The keys, and the time behind the last of them.
static error_t parse_expire(int key, char *argument, struct argp_state *state)
{
	struct expire_options *options = state->input;

	state->input = &options->keys;
	if (key != ARGP_KEY_END)
		return each_key_parse(key, argument, state);
	if (options->keys.count < 2)
		return report_usage(state->name, "give the keys, and their time to live");
	options->keys.count--;
	return take_ttl(state, options->keys.words[options->keys.count], &options->ttl_ms);
}

static int expire(struct cli *cli, struct key key, uint64_t ttl_ms)
{
	return far_expire(cli->session, key.bytes, key.length, ttl_ms);
}

static int persist(struct cli *cli, struct key key, uint64_t unused)
{
	(void)unused;
	return far_persist(cli->session, key.bytes, key.length);
}

static int print_ttl(struct cli *cli, struct key key, uint64_t unused)
{
	uint64_t ttl_ms;
	int error = far_ttl(cli->session, key.bytes, key.length, &ttl_ms);

	(void)unused;
	if (!error)
		printf("%llu.%03llu\n", (unsigned long long)(ttl_ms / 1000), (unsigned long long)(ttl_ms % 1000));
	return error;
}

int cmd_expire(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {.parser = parse_expire,
	        .args_doc = "KEY... TIME",
	        .doc = "Give keys a time to live, or another one: when it is over they are gone, under all their names. TIME is a number, "
	               "decimals too, with ms, s, m, h or d behind it; without, it is seconds. A put ends the time to live."};
	struct expire_options options = {0};
	int status;

	status = command_parse(cli, &argp, argc, argv, &options);
	if (status != CLI_OK)
		return status;
	return each_key_call(cli, &options.keys, expire, options.ttl_ms);
}

int cmd_persist(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {.parser = each_key_parse,
	        .args_doc = "KEY...",
	        .doc = "Take the time to live away from keys. One that has none is an error."};
	struct operands keys = {0};
	int status;

	status = command_parse(cli, &argp, argc, argv, &keys);
	if (status != CLI_OK)
		return status;
	return each_key_call(cli, &keys, persist, 0);
}

int cmd_ttl(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {.parser = each_key_parse,
	        .args_doc = "KEY...",
	        .doc = "Print what is left of the time to live of keys, in seconds. One that has none is an error."};
	struct operands keys = {0};
	int status;

	status = command_parse(cli, &argp, argc, argv, &keys);
	if (status != CLI_OK)
		return status;
	return each_key_call(cli, &keys, print_ttl, 0);
}
