// Reading values: FAR_OP_GET by key, FAR_OP_READ and FAR_OP_EXTENTS by id. The bytes of a range travel in the reply if they fit (eager), else are written into the client's buffer if it
// gave one (pushed), else the reply tells where they are (located).
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "server/eviction.h"
#include "server/namespace.h"
#include "server/operations.h"
#include "server/value.h"

// A range in more pieces than this is located instead: pushes of one request must not fill the lane's queue.
#define PUSH_PIECES_MAX 32

// Whether the range is few enough pieces, those of holes counted by what one post carries.
static bool is_in_few_pieces(const struct request *request, const struct far_record *object, uint64_t offset, uint64_t end)
{
	uint64_t pieces = 0;

	while (offset < end && pieces <= PUSH_PIECES_MAX) {
		struct value_piece piece = value_piece_at(request->server->pool, object, offset, end);

		pieces += piece.pool_offset ? 1 : 1 + piece.length / SERVER_ZEROS_LENGTH;
		offset += piece.length;
	}
	return pieces <= PUSH_PIECES_MAX;
}

// Writes one piece, stored or hole, to the client. -EAGAIN...
static int push_piece(struct request *request, const struct value_piece *piece, const struct far_buffer *push, uint64_t at)
{
	const struct server *server = request->server;
	uint64_t done = 0;
	int error = 0;

	while (done < piece->length && !error) {
		const void *bytes = piece->pool_offset ? (const char *)pool_at(server->pool, piece->pool_offset) + done : server->zeros;
		uint64_t length = piece->length - done;

		if (!piece->pool_offset && length > SERVER_ZEROS_LENGTH)
			length = SERVER_ZEROS_LENGTH;
		error = lane_push(request->lane, bytes, push->rkey, push->offset + at + done, length);
		done += length;
	}
	return error;
}

// Pushes the range, its holes as zeros. If it fails on the way, the client's buffer has bytes that nothing refers to.
static bool push_range(
        struct request *request, const struct far_record *object, uint64_t offset, uint64_t length, const struct far_buffer *push)
{
	uint64_t end = offset + length;
	uint64_t at = offset;

	if (!is_in_few_pieces(request, object, offset, end))
		return false;
	while (at < end) {
		struct value_piece piece = value_piece_at(request->server->pool, object, at, end);

		if (push_piece(request, &piece, push, at - offset))
			return false;
		at += piece.length;
	}
	request->server->figures.bytes_out += length;
	return true;
}

static bool is_pushable(const struct request *request, const struct far_buffer *push, uint64_t length)
{
	if (push->length == 0 || push->offset + push->length < push->offset)
		return false;
	return push->length >= length || request->flags & FAR_GET_ALLOW_PARTIAL_PUSH;
}

int reply_value(struct request *request, const struct far_record *object, const struct read_range *range)
{
	struct far_get_reply *reply = request->reply;
	struct far_wire_extent *extents = (struct far_wire_extent *)(reply + 1);
	uint64_t size = value_size(object);
	uint64_t offset = range->offset < size ? range->offset : size;
	uint64_t length = range->length < size - offset ? range->length : size - offset;
	uint64_t room = request->reply_room - sizeof(*reply);
	bool wants_value = !(request->flags & FAR_GET_NO_VALUE);
	bool is_eager = wants_value && length <= room && length <= server_eager_limit(request->server);
	uint64_t extents_room = (is_eager ? room - length : room) / sizeof(*extents);
	bool is_locating = !is_eager || request->flags & FAR_GET_LOCATE;
	uint32_t located;

	if (extents_room > FAR_EXTENTS_PER_REPLY)
		extents_room = FAR_EXTENTS_PER_REPLY;
	located = reply_locate(request->server, object, offset, &reply->location, is_locating ? extents : NULL, (uint32_t)extents_room);
	request->reply_length = (uint32_t)sizeof(*reply) + located * (uint32_t)sizeof(*extents);
	reply->length = length;
	reply->mode = object->mode;
	reply->how = FAR_GET_LOCATED;
	if (is_eager) {
		reply->how = FAR_GET_EAGER;
		value_read(request->server->pool, object, offset, length, (char *)request->reply + request->reply_length);
		request->reply_length += (uint32_t)length;
		request->server->figures.bytes_out += length;
	} else if (wants_value && is_pushable(request, &range->push, length)) {
		uint64_t pushed = length < range->push.length ? length : range->push.length;

		if (push_range(request, object, offset, pushed, &range->push)) {
			reply->how = FAR_GET_PUSHED;
			reply->length = pushed;
		}
	}
	return 0;
}

// The client has this version already: only where it is.
static int reply_same(struct request *request, const struct far_record *object, uint64_t offset)
{
	struct far_get_reply *reply = request->reply;
	uint32_t located = reply_locate(request->server, object, offset, &reply->location, (struct far_wire_extent *)(reply + 1), 1);

	reply->length = 0;
	reply->mode = object->mode;
	reply->how = FAR_GET_SAME;
	request->reply_length = (uint32_t)sizeof(*reply) + located * (uint32_t)sizeof(struct far_wire_extent);
	return 0;
}

int handle_get(struct request *request)
{
	const struct far_get_request *message = request->message;
	struct read_range range = {message->offset, message->length, message->push};
	bool is_conditional = request->flags & FAR_GET_IF_NEWER;
	uint32_t front = is_conditional ? (uint32_t)sizeof(uint64_t) : 0;
	uint64_t known = 0;
	struct far_record *object;
	struct far_span key;
	int error;

	if (request->tail_length != front + message->key_length)
		return -EPROTO;
	if (is_conditional)
		memcpy(&known, request_take(request, front).bytes, sizeof(known));
	key = request_take(request, message->key_length);
	error = far_key_check(key.bytes, key.length);
	if (!error)
		error = namespace_resolve(request->server, key, &object);
	if (!error)
		error = object_require_value(object);
	if (error)
		return error;
	eviction_use(request->server, object);
	if (is_conditional && atomic_load_explicit(&object->version, memory_order_relaxed) == known)
		return reply_same(request, object, message->offset);
	return reply_value(request, object, &range);
}

int handle_read(struct request *request)
{
	const struct far_read_request *message = request->message;
	struct read_range range = {message->offset, message->length, message->push};
	struct far_record *object = object_visited(request->server, message->id, request->lane->session);
	int error = object ? object_require_value(object) : -ESTALE;

	if (error)
		return error;
	eviction_use(request->server, object);
	return reply_value(request, object, &range);
}

int handle_extents(struct request *request)
{
	request->flags |= FAR_GET_NO_VALUE;
	return handle_read(request);
}
