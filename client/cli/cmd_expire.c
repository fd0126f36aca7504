#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/command.h"
#include "client/cli/key.h"
#include "client/cli/number.h"
#include "client/cli/report.h"

// far expire, far persist, far ttl: times to live.

struct keys {
	char **keys;
	int count;
	uint64_t ttl_ms;
};

static error_t take_ttl(const struct argp_state *state, const char *argument, uint64_t *ttl_ms)
{
	if (duration_parse(argument, ttl_ms))
		return report_usage(
		        state->name, "%s: the time to live must be a number with ms, s, m, h or d behind it, at least 1ms", argument);
	return 0;
}

static error_t parse_keys(int key, char *argument, struct argp_state *state)
{
	struct keys *keys = state->input;

	(void)argument;
	if (key != ARGP_KEY_ARGS)
		return ARGP_ERR_UNKNOWN;
	keys->keys = state->argv + state->next;
	keys->count = state->argc - state->next;
	return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	const struct keys *keys = state->input;

	if (key == ARGP_KEY_END && keys->count == 0)
		return report_usage(state->name, "give the keys");
	return parse_keys(key, argument, state);
}

// The keys, and the time behind the last of them.
static error_t parse_expire(int key, char *argument, struct argp_state *state)
{
	struct keys *keys = state->input;

	if (key != ARGP_KEY_END)
		return parse_keys(key, argument, state);
	if (keys->count < 2)
		return report_usage(state->name, "give the keys, and their time to live");
	keys->count--;
	return take_ttl(state, keys->keys[keys->count], &keys->ttl_ms);
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

static int for_each(struct cli *cli, const struct keys *keys, int (*call)(struct cli *cli, struct key key, uint64_t ttl_ms))
{
	int status = CLI_OK;

	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	for (int i = 0; i < keys->count; i++) {
		int error = call(cli, key_of_argument(keys->keys[i]), keys->ttl_ms);

		if (error)
			status = report_error(error);
	}
	return status;
}

int cmd_expire(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {.parser = parse_expire,
	        .args_doc = "KEY... TIME",
	        .doc = "Give keys a time to live, or another one: when it is over they are gone, under all their names. TIME is a number, "
	               "decimals too, with ms, s, m, h or d behind it; without, it is seconds. A put ends the time to live."};
	struct keys keys = {0};
	int status;

	status = command_parse(cli, &argp, argc, argv, &keys);
	if (status != CLI_OK)
		return status;
	return for_each(cli, &keys, expire);
}

int cmd_persist(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {
	        .parser = parse, .args_doc = "KEY...", .doc = "Take the time to live away from keys. One that has none is an error."};
	struct keys keys = {0};
	int status;

	status = command_parse(cli, &argp, argc, argv, &keys);
	if (status != CLI_OK)
		return status;
	return for_each(cli, &keys, persist);
}

int cmd_ttl(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {.parser = parse,
	        .args_doc = "KEY...",
	        .doc = "Print what is left of the time to live of keys, in seconds. One that has none is an error."};
	struct keys keys = {0};
	int status;

	status = command_parse(cli, &argp, argc, argv, &keys);
	if (status != CLI_OK)
		return status;
	return for_each(cli, &keys, print_ttl);
}
