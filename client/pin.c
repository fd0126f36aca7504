#include <errno.h>

#include "client/call.h"
#include "client/error.h"

// Pins of keys. One request each.

static int change(far_session *session, const char *what, const void *key, size_t key_length, unsigned flags)
{
	struct far_key_request message = {.key_length = (uint16_t)key_length};
	struct call request = {
	        .op = FAR_OP_PIN,
	        .flags = (uint16_t)flags,
	        .is_change = true,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{key, (uint32_t)key_length}},
	};
	struct far_lane *lane;
	struct reply reply;
	int error = far_key_check(key, key_length);

	if (!error)
		error = lane_acquire(session, &lane);
	if (error)
		return error_of_key(error, what, key, key_length);
	error = call(lane, &request, sizeof(struct far_reply), &reply);
	reply_release(lane, &reply);
	lane_release(lane);
	return error == -ENODATA ? error_not_pinned(what, key, key_length) : error_of_key(error, what, key, key_length);
}

int far_pin(far_session *session, const void *key, size_t key_length)
{
	return change(session, "pin", key, key_length, 0);
}

int far_unpin(far_session *session, const void *key, size_t key_length)
{
	return change(session, "unpin", key, key_length, FAR_PIN_REMOVE);
}
