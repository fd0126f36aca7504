// The lines typed at earlier times: a file with one line each, which only its user can read.
#ifndef CLI_REPL_HISTORY_H
#define CLI_REPL_HISTORY_H

#define REPL_HISTORY_LINES 1000 // that are remembered

// Calls take(context, line) for the last lines of the file. A file that is not there is an empty one.
void repl_history_load(void (*take)(void *context, const char *line), void *context);

// Adds a line at once: what was typed stays, however the program ends, and programs that run side by side lose nothing of each other. Returns 0 or a negative errno.
int repl_history_add(const char *line);

#endif
