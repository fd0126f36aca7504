// Write windows (layout.h R7): where the pool is shared with this process, a file that is written over and over is written in place, without a word to the server.
#ifndef CLIENT_WINDOW_H
#define CLIENT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "client/session.h"

// Writes the whole range into the file's own pages if the lane has a window on the file and they are all there. False: nothing was written, ask the server.
bool window_write(struct far_lane *lane, uint64_t id, const void *bytes, size_t length, uint64_t offset);

// The server has carried out a write, and this is the file's size behind it: what is only overwritten may be worth a window.
void window_note(struct far_lane *lane, uint64_t id, uint64_t size);

#endif
