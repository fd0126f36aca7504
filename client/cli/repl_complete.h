// What a line of `far repl` could go on with: commands, their options, keys, files.
#ifndef CLI_REPL_COMPLETE_H
#define CLI_REPL_COMPLETE_H

#include <stddef.h>

#include "client/cli/command.h"

#define COMPLETIONS_MAX 1000

struct completions {
	char *words[COMPLETIONS_MAX]; // whole words, not quoted, each begins as what has been typed
	size_t count;
	size_t at;       // where in the line the word begins that they replace
	size_t common;   // bytes that all begin with
	char open_quote; // of that word, or 0
};

// For the first `length` bytes of a line. What goes wrong (no memory, a server that does not answer) gives no completions. completions_free in any case.
void completions_find(struct cli *cli, const char *line, size_t length, struct completions *completions);
void completions_free(struct completions *completions);

#endif
