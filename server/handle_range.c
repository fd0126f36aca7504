// Bytes at an offset of a key's value, or at its end (put-range): all of them or none.
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "server/eviction.h"
#include "server/grant.h"
#include "server/namespace.h"
#include "server/operations.h"
#include "server/session.h"
#include "server/value.h"

// The bytes of a request: in the message, or in grants.
struct bytes {
	struct value_source sources[FAR_RANGES_PER_REQUEST];
	uint32_t count;
	uint64_t length;
};

// Behind the key. What is granted is used up, whatever becomes of the request.
static int take_bytes(struct request *request, struct bytes *bytes)
{
	const struct far_put_range_request *message = request->message;
	struct far_range ranges[FAR_RANGES_PER_REQUEST];
	uint64_t length = 0;

	bytes->length = message->length;
	if (!(request->flags & FAR_PUT_RANGE_GRANTED)) {
		if (request->tail_length != message->length || message->ranges)
			return -EPROTO;
		bytes->sources[0] = (struct value_source){.bytes = request->tail, .length = message->length};
		bytes->count = 1;
		return 0;
	}
	if (message->ranges > FAR_RANGES_PER_REQUEST)
		return -EINVAL;
	if (request->tail_length != message->ranges * sizeof(ranges[0]))
		return -EPROTO;
	memcpy(ranges, request->tail, message->ranges * sizeof(ranges[0])); // behind a key they stand anywhere
	for (uint32_t i = 0; i < message->ranges; i++)
		length += ranges[i].length;
	if (length != message->length)
		return -EPROTO;
	bytes->count = message->ranges;
	return grant_commit(request->lane, ranges, message->ranges, bytes->sources);
}

static int change_object(struct request *request, struct far_record *object, const struct bytes *bytes)
{
	const struct far_put_range_request *message = request->message;
	uint64_t offset = request->flags & FAR_PUT_RANGE_APPEND ? value_size(object) : message->offset;
	int error = object_require_value(object);

	if (!error && (offset > FAR_FILE_MAX || bytes->length > FAR_FILE_MAX - offset))
		error = -EFBIG;
	if (!error)
		error = value_write_whole(request->server, object, offset, bytes->sources, bytes->count);
	if (error)
		return error;
	if (bytes->length > 0)
		object_touch_content(request->server, object);
	eviction_use(request->server, object);
	reply_written(request, object, offset, bytes->length);
	return 0;
}

// The object is published with its bytes.
static int make_object(struct request *request, struct far_record *directory, struct far_span name, const struct bytes *bytes)
{
	const struct far_put_range_request *message = request->message;
	const struct session *session = request->lane->session;
	uint64_t end = message->offset + bytes->length;
	struct object_new new = {
	        .directory = directory,
	        .name = name,
	        .mode = S_IFREG | (message->mode & 07777),
	        .uid = session->uid,
	        .gid = session->gid,
	        .value_room = end <= FAR_INLINE_MAX ? (uint32_t)end : 0,
	};
	struct far_record *object;
	uint64_t version;
	int error;

	if (message->offset > FAR_FILE_MAX || end > FAR_FILE_MAX)
		return -EFBIG;
	error = object_make(request->server, &new, &object);
	if (error)
		return error;
	version = atomic_load_explicit(&object->version, memory_order_relaxed);
	error = value_write_whole(request->server, object, message->offset, bytes->sources, bytes->count);
	atomic_store_explicit(&object->version, version, memory_order_relaxed); // its first, whatever bytes it begins with
	if (!error)
		error = namespace_add(request->server, directory, object);
	if (error) {
		object_destroy(request->server, object);
		return error;
	}
	reply_written(request, object, message->offset, bytes->length);
	return 0;
}

static int find_or_make(struct request *request, struct far_span key, const struct bytes *bytes)
{
	const struct session *session = request->lane->session;
	struct namespace_owner owner = {session->uid, session->gid};
	struct server *server = request->server;
	struct far_record *directory, *name;
	struct namespace_made made;
	struct far_span last;
	int error = namespace_make_parents(server, key, owner, &made, &directory, &last);

	if (error)
		return error;
	name = namespace_find(server, directory, last);
	error = name ? change_object(request, namespace_target(server, name), bytes) : make_object(request, directory, last, bytes);
	if (error)
		namespace_unmake_parents(server, &made);
	return error;
}

int handle_put_range(struct request *request)
{
	const struct far_put_range_request *message = request->message;
	struct far_record *object;
	struct bytes bytes;
	struct far_span key;
	int error;

	if (request->tail_length < message->key_length)
		return -EPROTO;
	key = request_take(request, message->key_length);
	error = take_bytes(request, &bytes);
	if (!error)
		error = far_key_check(key.bytes, key.length);
	if (!error && request->flags & FAR_PUT_RANGE_APPEND && message->offset)
		error = -EINVAL;
	if (!error && bytes.length > FAR_PUT_RANGE_MAX)
		error = -EFBIG;
	if (error)
		return error;
	if (request->flags & FAR_PUT_RANGE_CREATE) {
		error = find_or_make(request, key, &bytes);
	} else {
		error = namespace_resolve(request->server, key, &object);
		if (!error)
			error = change_object(request, object, &bytes);
	}
	if (!error)
		request->server->figures.bytes_in += bytes.length;
	return error;
}
