#include <errno.h>

#include "client/call.h"
#include "client/error.h"

// Times to live of keys: expire, persist, ttl. One request each. (Of puts: put.c.)

static int call_for_ttl(far_session *session, struct call *request, uint64_t *ttl_ms)
{
	struct far_lane *lane;
	struct reply reply;
	int error = lane_acquire(session, &lane);

	if (error)
		return error;
	error = call(lane, request, sizeof(struct far_ttl_reply), &reply);
	if (!error && ttl_ms)
		*ttl_ms = ((const struct far_ttl_reply *)reply.message)->ttl_ms;
	reply_release(lane, &reply);
	lane_release(lane);
	return error;
}

static int change(far_session *session, const char *what, struct far_span key, struct far_expire_request *message, unsigned flags)
{
	struct call request = {
	        .op = FAR_OP_EXPIRE,
	        .flags = (uint16_t)flags,
	        .is_change = true,
	        .message = message,
	        .length = sizeof(*message),
	        .parts = {key},
	};
	int error;

	message->key_length = (uint16_t)key.length;
	error = call_for_ttl(session, &request, NULL);
	return error == -ENODATA ? error_no_ttl(what, key.bytes, key.length) : error_of_key(error, what, key.bytes, key.length);
}

int far_expire(far_session *session, const void *key, size_t key_length, uint64_t ttl_ms)
{
	struct far_expire_request message = {.ttl_ms = ttl_ms};
	int error = far_key_check(key, key_length);

	if (error)
		return error_of_key(error, "expire", key, key_length);
	error = error_of_ttl(ttl_ms);
	return error ? error : change(session, "expire", (struct far_span){key, (uint32_t)key_length}, &message, 0);
}

int far_persist(far_session *session, const void *key, size_t key_length)
{
	struct far_expire_request message = {0};
	int error = far_key_check(key, key_length);

	if (error)
		return error_of_key(error, "persist", key, key_length);
	return change(session, "persist", (struct far_span){key, (uint32_t)key_length}, &message, FAR_EXPIRE_PERSIST);
}

int far_ttl(far_session *session, const void *key, size_t key_length, uint64_t *ttl_ms)
{
	struct far_key_request message = {.key_length = (uint16_t)key_length};
	struct call request = {
	        .op = FAR_OP_TTL,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{key, (uint32_t)key_length}},
	};
	int error = far_key_check(key, key_length);

	if (!error)
		error = call_for_ttl(session, &request, ttl_ms);
	return error == -ENODATA ? error_no_ttl("ttl", key, key_length) : error_of_key(error, "ttl", key, key_length);
}
