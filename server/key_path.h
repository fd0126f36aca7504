// The key of a name record, made of the names on the way up to the root. Writer thread only.
#ifndef SERVER_KEY_PATH_H
#define SERVER_KEY_PATH_H

#include <stdbool.h>

#include "far/key.h"
#include "server/server.h"

// Filled from its end.
struct key_path {
	uint32_t start;
	char bytes[FAR_KEY_MAX];
};

// False: it has no key, or none that is short enough.
bool key_path_make(const struct server *server, const struct far_record *directory, struct far_span name, struct key_path *path);

// The same of an object, by its first name; the root's is empty.
bool key_path_of(const struct server *server, const struct far_record *object, struct key_path *path);

struct far_span key_path_span(const struct key_path *path);

#endif
