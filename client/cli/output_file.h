// A local file under way: written under a temporary name, renamed when it is whole; what is left by a failure or a signal is removed.
#ifndef CLI_OUTPUT_FILE_H
#define CLI_OUTPUT_FILE_H

#include <stdbool.h>
#include <sys/types.h>

struct output_file {
	int fd;
	char *path;
	char *temporary; // NULL: a device or pipe, written as it is
};

// Opens the file that shall be at `path`, with the mode that open(2) would take; an existing file keeps its own. One at a time in a process. Returns 0 or a negative errno.
int output_file_open(struct output_file *file, const char *path, mode_t mode);

// Puts it in its place. Returns 0 or a negative errno; frees it either way.
int output_file_finish(struct output_file *file);

// Removes what was written, frees it.
void output_file_discard(struct output_file *file);

#endif
