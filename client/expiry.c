#include <errno.h>

#include "client/error.h"
#include "client/key_request.h"

// Times to live of keys: expire, persist, ttl. One request each. (Of puts: put.c.)

void key_request_expire(struct key_request *request, struct far_span key, uint64_t ttl_ms)
{
	request->message.expire = (struct far_expire_request){.ttl_ms = ttl_ms, .key_length = (uint16_t)key.length};
	request->call = (struct call){
	        .op = FAR_OP_EXPIRE,
	        .flags = ttl_ms ? 0 : FAR_EXPIRE_PERSIST,
	        .is_change = true,
	        .message = &request->message,
	        .length = sizeof(request->message.expire),
	        .parts = {key},
	};
}

void key_request_ttl(struct key_request *request, struct far_span key)
{
	request->message.key = (struct far_key_request){.key_length = (uint16_t)key.length};
	request->call = (struct call){
	        .op = FAR_OP_TTL,
	        .message = &request->message,
	        .length = sizeof(request->message.key),
	        .parts = {key},
	};
}

static int call_for_ttl(far_session *session, const char *what, const struct key_request *request, uint64_t *ttl_ms)
{
	struct far_span key = request->call.parts[0];
	struct far_lane *lane;
	struct reply reply;
	int error = lane_acquire(session, &lane);

	if (error)
		return error;
	error = call(lane, &request->call, sizeof(struct far_ttl_reply), &reply);
	if (!error && ttl_ms)
		*ttl_ms = ((const struct far_ttl_reply *)reply.message)->ttl_ms;
	reply_release(lane, &reply);
	lane_release(lane);
	return error == -ENODATA ? error_no_ttl(what, key.bytes, key.length) : error_of_key(error, what, key.bytes, key.length);
}

int far_expire(far_session *session, const void *key, size_t key_length, uint64_t ttl_ms)
{
	struct key_request request;
	int error = far_key_check(key, key_length);

	if (error)
		return error_of_key(error, "expire", key, key_length);
	error = error_of_ttl(ttl_ms);
	if (error)
		return error;
	key_request_expire(&request, (struct far_span){key, (uint32_t)key_length}, ttl_ms);
	return call_for_ttl(session, "expire", &request, NULL);
}

int far_persist(far_session *session, const void *key, size_t key_length)
{
	struct key_request request;
	int error = far_key_check(key, key_length);

	if (error)
		return error_of_key(error, "persist", key, key_length);
	key_request_expire(&request, (struct far_span){key, (uint32_t)key_length}, 0);
	return call_for_ttl(session, "persist", &request, NULL);
}

int far_ttl(far_session *session, const void *key, size_t key_length, uint64_t *ttl_ms)
{
	struct key_request request;
	int error = far_key_check(key, key_length);

	if (error)
		return error_of_key(error, "ttl", key, key_length);
	key_request_ttl(&request, (struct far_span){key, (uint32_t)key_length});
	return call_for_ttl(session, "ttl", &request, ttl_ms);
}
