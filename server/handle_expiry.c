// Requests on how long objects stay: expire (also persist), ttl and pin, by key.
#include <errno.h>

#include "server/eviction.h"
#include "server/expiry.h"
#include "server/namespace.h"
#include "server/operations.h"

static int find(struct request *request, uint32_t key_length, struct far_record **object)
{
	struct far_span key;
	int error;

	if (request->tail_length != key_length)
		return -EPROTO;
	key = request_take(request, key_length);
	error = far_key_check(key.bytes, key.length);
	return error ? error : namespace_resolve(request->server, key, object);
}

static int reply_ttl(struct request *request, uint64_t ttl_ms)
{
	struct far_ttl_reply *reply = request->reply;

	reply->ttl_ms = ttl_ms;
	request->reply_length = sizeof(*reply);
	return 0;
}

int handle_expire(struct request *request)
{
	const struct far_expire_request *message = request->message;
	bool is_persisting = request->flags & FAR_EXPIRE_PERSIST;
	struct far_record *object;
	uint64_t left_ms;
	int error = find(request, message->key_length, &object);

	if (!error && is_persisting && message->ttl_ms)
		error = -EINVAL;
	if (error)
		return error;
	left_ms = expiry_left_ms(request->server, object);
	if (is_persisting && left_ms == 0)
		return -ENODATA;
	if (is_persisting)
		expiry_clear(request->server, object);
	else
		error = expiry_set(request->server, object, message->ttl_ms);
	if (error)
		return error;
	object_touch_attributes(request->server, object);
	return reply_ttl(request, is_persisting ? left_ms : message->ttl_ms);
}

int handle_ttl(struct request *request)
{
	const struct far_key_request *message = request->message;
	struct far_record *object;
	uint64_t left_ms;
	int error = find(request, message->key_length, &object);

	if (error)
		return error;
	left_ms = expiry_left_ms(request->server, object);
	return left_ms ? reply_ttl(request, left_ms) : -ENODATA;
}

int handle_pin(struct request *request)
{
	const struct far_key_request *message = request->message;
	struct far_record *object;
	int error = find(request, message->key_length, &object);

	if (!error)
		error = request->flags & FAR_PIN_REMOVE ? eviction_unpin(request->server, object) : eviction_pin(request->server, object);
	return error;
}
