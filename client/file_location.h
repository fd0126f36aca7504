// Where a file's bytes are, as the file calls share it (files_read.c).
#ifndef CLIENT_FILE_LOCATION_H
#define CLIENT_FILE_LOCATION_H

#include "client/locate.h"

// The remembered location if it tells about the whole range; *length is cut at the end of the file. NULL: ask.
const struct located *file_find(const struct far_lane *lane, uint64_t id, uint64_t offset, uint64_t *length);

// Asks the server where the range is, and remembers it.
int file_locate(struct far_lane *lane, uint64_t id, uint64_t offset, uint64_t length);

#endif
