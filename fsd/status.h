// What a mount is doing, as text: the attribute user.far.mount of its root.
#ifndef FSD_STATUS_H
#define FSD_STATUS_H

#include <sys/types.h>

#include "fsd/filesystem.h"

#define STATUS_NAME "user.far.mount"
#define STATUS_SIZE 4096U

// And where its time goes (profiling.h), after it has been set to 1 and until it is set to 0.
#define PROFILE_NAME "user.far.profile"
#define PROFILE_SIZE 16384U

// Lines of a name and a value: the server, the channel, requests of the kernel by kind, and what they took of the server. Returns their length, or a negative errno.
ssize_t status_write(const struct filesystem *filesystem, char *text, size_t room);

#endif
