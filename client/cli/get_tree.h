// Fetches everything below a key into a local directory.
#ifndef CLI_GET_TREE_H
#define CLI_GET_TREE_H

#include <stdbool.h>

#include "client/cli/key.h"
#include "far.h"

struct get_tree {
	far_session *session;
	struct key key; // a directory; length 0 = all
	const char *directory;
	bool is_quiet; // no progress line
};

// Returns CLI_OK if everything was fetched; else what could be was, each thing that was not has been named.
int get_tree(const struct get_tree *tree);

#endif
