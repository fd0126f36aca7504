// Stores what a descriptor delivers as one value.
#ifndef CLI_PUT_VALUE_H
#define CLI_PUT_VALUE_H

#include "client/cli/key.h"
#include "client/cli/progress.h"
#include "far.h"

struct put_value {
	far_session *session;
	const char *source_name; // of the file, for messages
	int fd;                  // read from its place to its end
	struct key key;
	struct far_put_options options;
	struct progress *progress;
};

// Returns CLI_OK and the new version; or the exit status, having said what went wrong. CLI_OTHER_VERSION: *version is the current one.
int put_value(const struct put_value *put, uint64_t *version);

#endif
