// Counters by key (counter.h): add, set, and compare-and-swap. On the one thread that changes values, so each is atomic with whatever else happens to the object.
#include <errno.h>
#include <stdatomic.h>

#include "server/counter.h"
#include "server/namespace.h"
#include "server/operations.h"
#include "server/put.h"

// What becomes of a value. -ECANCELED: it is not the expected one.
static int next(const struct request *request, int64_t value, int64_t *next)
{
	const struct far_counter_request *message = request->message;

	if (!(request->flags & (FAR_COUNTER_SET | FAR_COUNTER_CAS)))
		return __builtin_add_overflow(value, message->operand, next) ? -EOVERFLOW : 0;
	*next = message->operand;
	return request->flags & FAR_COUNTER_CAS && value != message->expected ? -ECANCELED : 0;
}

static void reply_counter(struct request *request, int64_t value, int64_t previous, uint64_t version)
{
	struct far_counter_reply *reply = request->reply;

	reply->value = value;
	reply->previous = previous;
	reply->version = version;
	request->reply_length = sizeof(*reply);
}

static int change(struct request *request, struct far_record *object)
{
	int64_t previous, value;
	int error = object_require_value(object);

	if (!error && !counter_is(object))
		error = -EINVAL;
	if (error)
		return error;
	previous = counter_get(request->server, object);
	error = next(request, previous, &value);
	if (error == -ECANCELED)
		value = previous;
	else if (!error)
		error = counter_set(request->server, object, value);
	if (!error || error == -ECANCELED)
		reply_counter(request, value, previous, atomic_load_explicit(&object->version, memory_order_relaxed));
	return error;
}

// By a put, which makes directories and time to live, too.
static int make(struct request *request, struct far_span key)
{
	const struct far_counter_request *message = request->message;
	struct far_put_request put = {.header.flags = message->ttl_ms ? FAR_PUT_HAS_TTL : 0, .mode = message->mode};
	struct put_answer answer = {0};
	int64_t value;
	struct new_value new = {.bytes = {&value, sizeof(value)}, .ttl_ms = message->ttl_ms};
	int error = next(request, message->initial, &value);

	if (!error)
		error = put_store_for(request, &put, key, &new, &answer);
	if (!error)
		reply_counter(request, value, message->initial, answer.reply.location.version);
	return error;
}

static int check_flags(const struct request *request)
{
	const struct far_counter_request *message = request->message;
	bool is_swap = request->flags & FAR_COUNTER_CAS;

	if (is_swap && request->flags & (FAR_COUNTER_CREATE | FAR_COUNTER_SET))
		return -EINVAL;
	return message->ttl_ms > FAR_TTL_MAX_MS ? -EINVAL : 0;
}

int handle_counter(struct request *request)
{
	const struct far_counter_request *message = request->message;
	struct far_record *object;
	struct far_span key;
	int error;

	if (request->tail_length != message->key_length)
		return -EPROTO;
	key = request_take(request, message->key_length);
	error = far_key_check(key.bytes, key.length);
	if (!error)
		error = check_flags(request);
	if (error)
		return error;
	error = namespace_resolve(request->server, key, &object);
	if (error == -ENOENT && request->flags & FAR_COUNTER_CREATE)
		return make(request, key);
	return error ? error : change(request, object);
}
