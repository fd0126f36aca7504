// What stands on a command's line and is no option: files and keys.
#ifndef CLI_OPERANDS_H
#define CLI_OPERANDS_H

#include <argp.h>

struct operands {
	char **words; // of argv
	int count;
};

// All of them, at ARGP_KEY_ARGS.
void operands_take(struct operands *operands, const struct argp_state *state);

// The next of two, at ARGP_KEY_ARG; a third is one too many. Returns what the parser returns.
error_t operands_take_pair(const struct argp_state *state, const char *word, const char **first, const char **second);

// Opens a file for reading, or takes standard input for "-". Returns the descriptor; -1: what went wrong has been said. *opened: what is to be closed, -1 = nothing.
int operand_open(const char *file, int *opened);

#endif
