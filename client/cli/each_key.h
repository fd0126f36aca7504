// Commands that do one thing with each of their keys.
#ifndef CLI_EACH_KEY_H
#define CLI_EACH_KEY_H

#include "client/cli/command.h"
#include "client/cli/key.h"
#include "client/cli/operands.h"

// A parser of such a command line, whose input is a struct operands: at least one key.
error_t each_key_parse(int key, char *argument, struct argp_state *state);

// Connects and calls with each key; says what went wrong. Returns the exit status.
int each_key_call(
        struct cli *cli, const struct operands *keys, int (*call)(struct cli *cli, struct key key, uint64_t argument), uint64_t argument);

#endif
