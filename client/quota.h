// What a server says of the quota that was in a request's way.
#ifndef CLIENT_QUOTA_H
#define CLIENT_QUOTA_H

#include <stdint.h>

#include "far/wire.h"

// A reply says -EDQUOT: the text of the call's error will name the directory, if the reply does.
void quota_note_refusal(const struct far_reply *message, uint32_t length);

#endif
