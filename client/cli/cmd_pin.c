#include "client/cli/each_key.h"

// far pin, far unpin.

static int pin(struct cli *cli, struct key key, uint64_t unused)
{
	(void)unused;
	return far_pin(cli->session, key.bytes, key.length);
}

static int unpin(struct cli *cli, struct key key, uint64_t unused)
{
	(void)unused;
	return far_unpin(cli->session, key.bytes, key.length);
}

static int run(
        struct cli *cli, int argc, char **argv, const struct argp *argp, int (*call)(struct cli *cli, struct key key, uint64_t unused))
{
	struct operands keys = {0};
	int status = command_parse(cli, argp, argc, argv, &keys);

	return status == CLI_OK ? each_key_call(cli, &keys, call, 0) : status;
}

int cmd_pin(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {.parser = each_key_parse,
	        .args_doc = "KEY...",
	        .doc = "Have keys stay when a server with --full=evict makes room. A pin is the object's: it survives puts, writing and "
	               "renaming, and ends "
	               "with the object. Only files can be pinned. One that is pinned stays so."};

	return run(cli, argc, argv, &argp, pin);
}

int cmd_unpin(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {
	        .parser = each_key_parse, .args_doc = "KEY...", .doc = "Take the pin away from keys. One that has none is an error."};

	return run(cli, argc, argv, &argp, unpin);
}
