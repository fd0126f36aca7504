// Writes a value, or a range of it, to a descriptor: bytes of one version only.
#ifndef CLI_GET_VALUE_H
#define CLI_GET_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cli/key.h"
#include "client/cli/progress.h"
#include "far.h"

struct get_value {
	far_session *session;
	struct key key;
	uint64_t offset;
	uint64_t length; // UINT64_MAX = to the end
	int fd;
	const char *target_name; // for messages
	bool is_rewindable;      // `fd` is a file of ours: if the value changes midway, it is written again from the start
	struct progress *progress;
};

// Returns CLI_OK, or the exit status, having said what went wrong.
int get_value(const struct get_value *get);

#endif
