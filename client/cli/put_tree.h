// Stores a directory of files under a key.
#ifndef CLI_PUT_TREE_H
#define CLI_PUT_TREE_H

#include <stdbool.h>

#include "client/cli/key.h"
#include "far.h"

struct put_tree {
	far_session *session;
	const char *directory;
	struct key key; // what lies in the directory comes to lie under this key
	struct far_put_options options;
	bool is_quiet; // no progress line
};

// Returns CLI_OK if everything was stored; else what could be was, each thing that was not has been named.
int put_tree(const struct put_tree *tree);

#endif
