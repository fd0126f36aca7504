// What the kernel's cache has of files, and whether it is still good. When a file is opened, the kernel drops what it has of it unless it is told to keep that. It is kept where the file has the version that it had
// when an open last found the cache empty or had it dropped: whatever was read since is of that version, or of a later one. The version is known from the attributes that the kernel has asked for just before,
// because it trusts none by default. A few thousand files are remembered; what another one has displaced is dropped. Any thread may call.
#ifndef FSD_CACHED_CONTENTS_H
#define FSD_CACHED_CONTENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "far/wire.h"

// A file's attributes came by, from the session of this epoch (far_lane_epoch): another one's versions mean nothing. must_be_read: what is in the cache shall not be used, for the server is to hear of the next read.
void cached_contents_see(const struct far_attr *attr, uint64_t epoch, bool must_be_read);

// A file is opened. Whether the kernel's cache of it may be kept.
bool cached_contents_open(uint64_t id, uint64_t epoch);

#endif
