// Keys as people give them on a command line, and keys put together.
#ifndef CLI_KEY_H
#define CLI_KEY_H

#include <stdbool.h>
#include <stddef.h>

// A borrowed key, without slashes at either end, so that a path below a mount can be pasted. Length 0 is the root.
struct key {
	const char *bytes;
	size_t length;
	bool is_directory; // given with a slash at its end
};

struct key key_of_argument(const char *argument);

// "directory/name" in new memory, NUL-terminated; "name" if the directory is the root. NULL without memory.
char *key_join(struct key directory, const char *name, size_t name_length);

// The last component of a path or key.
const char *name_of_path(const char *path, size_t *length);

// True if `key` lies below the directory, at any depth.
bool key_is_below(const char *key, size_t key_length, const char *directory, size_t directory_length);

#endif
