// Requests on the space of one object's value by id: fallocate, seek, copy. Each does a bounded piece of work, and its client asks for the rest: other clients wait no longer for it than for a large put.
#include <errno.h>

#include "server/operations.h"
#include "server/space.h"
#include "server/value.h"

// --- fallocate ---

// Whether the pages that [offset, end) lacks could be had, by eviction too, and quotas allow them. What was granted is not: it is other sessions' to fill.
static int check_space(const struct request *request, const struct far_record *object, uint64_t offset, uint64_t end)
{
	struct server *server = request->server;
	uint64_t available = space_available_bytes(server);

	if (end - offset + 2 * FAR_PAGE_SIZE > available && // else there is no need to count
	        value_holes(server->pool, object, offset, end) > available)
		return -ENOSPC;
	return value_require_pages(server, object, offset, end);
}

// Makes sure of the pages from `offset` on. Returns how far it came, `end` at most, or an error.
static int64_t allocate(struct request *request, struct value_change *change, uint64_t offset, uint64_t end)
{
	uint64_t part = end - offset > VALUE_FILL_MAX - FAR_PAGE_SIZE ? VALUE_FILL_MAX - FAR_PAGE_SIZE : end - offset;
	int error = check_space(request, change->record, offset, end);

	if (!error)
		error = value_fill(change, offset, offset + part);
	if (error)
		return error;
	if (request->flags & FAR_FALLOCATE_ZERO)
		value_clear(change, offset, offset + part);
	if (part == end - offset && !(request->flags & FAR_FALLOCATE_KEEP_SIZE) && end > value_size(change->record))
		error = value_truncate(change, end); // by pages that are there: cannot fail
	return error ? error : (int64_t)part;
}

#define PUNCH_PIECES 4096         // of one request
#define PUNCH_ZEROS (64ULL << 20) // bytes of one request where memory is so short that they may have to be zeroed instead

// Punches from `offset` on. Returns how far it came. Behind the largest file is nothing to punch, so the range may end there.
static int64_t punch(struct value_change *change, uint64_t offset, uint64_t length)
{
	const struct server *server = change->server;
	uint64_t end = offset < FAR_FILE_MAX && length < FAR_FILE_MAX - offset ? offset + length : FAR_FILE_MAX;
	uint64_t part = offset, most = end;

	if (offset >= end)
		return (int64_t)length;
	if (!server->reserve_page && end - offset > PUNCH_ZEROS)
		most = (offset + PUNCH_ZEROS) & ~(FAR_PAGE_SIZE - 1ULL);
	if (change->record->value_kind < FAR_VALUE_EXTENT)
		part = end;
	for (int i = 0; i < PUNCH_PIECES && part < most; i++)
		part += value_piece_at(server->pool, change->record, part, most).length;
	value_punch(change, offset, part);
	return part == end ? (int64_t)length : (int64_t)(part - offset);
}

int handle_fallocate(struct request *request)
{
	const struct far_fallocate_request *message = request->message;
	struct far_record *object = object_by_id(request->server, message->id);
	struct far_fallocate_reply *reply = request->reply;
	struct value_change change = {.server = request->server, .record = object};
	bool is_punching = request->flags & FAR_FALLOCATE_PUNCH_HOLE;
	int error = object ? object_require_value(object) : -ESTALE;
	int64_t done;

	if (error)
		return error;
	if (is_punching && (request->flags & FAR_FALLOCATE_ZERO || !(request->flags & FAR_FALLOCATE_KEEP_SIZE)))
		return -EOPNOTSUPP;
	if (message->length == 0 || message->length > INT64_MAX)
		return -EINVAL;
	if (!is_punching && (message->offset > FAR_FILE_MAX || message->length > FAR_FILE_MAX - message->offset))
		return -EFBIG;
	if (is_punching)
		done = punch(&change, message->offset, message->length);
	else
		done = allocate(request, &change, message->offset, message->offset + message->length);
	if (done < 0)
		return (int)done;
	object_touch_content(request->server, object);
	if (request->flags & FAR_FALLOCATE_KILL_SUIDGID)
		reply_kill_suidgid(request, object);
	reply->done = (uint64_t)done;
	reply->size = value_size(object);
	request->reply_length = sizeof(*reply);
	return 0;
}

// --- seek ---

int handle_seek(struct request *request)
{
	const struct far_seek_request *message = request->message;
	const struct far_record *object = object_visited(request->server, message->id, request->lane->session);
	struct far_seek_reply *reply = request->reply;
	int error = object ? object_require_value(object) : -ESTALE;

	static_assert(
	        (int)VALUE_SEEK_MORE == FAR_SEEK_MORE && (int)VALUE_SEEK_FOUND == FAR_SEEK_FOUND && (int)VALUE_SEEK_NONE == FAR_SEEK_NONE,
	        "told as they are");
	if (error)
		return error;
	*reply = (struct far_seek_reply){.offset = message->offset, .result = FAR_SEEK_NONE};
	if (message->offset < value_size(object))
		reply->result = value_seek(request->server->pool, object, request->flags & FAR_SEEK_HOLE, &reply->offset);
	request->reply_length = sizeof(*reply);
	return 0;
}

// --- copy ---

// The range within what there is to copy, and to where there may be bytes. *length may become 0.
static int cut_range(const struct far_copy_request *message, uint64_t from_size, uint64_t *length)
{
	uint64_t there = message->from_offset < from_size ? from_size - message->from_offset : 0;

	*length = message->length < there ? message->length : there;
	if (*length == 0)
		return 0;
	if (message->to_offset >= FAR_FILE_MAX)
		return -EFBIG;
	if (*length > FAR_FILE_MAX - message->to_offset)
		*length = FAR_FILE_MAX - message->to_offset;
	return 0;
}

static bool is_overlapping(const struct far_copy_request *message, uint64_t length)
{
	return message->from_id == message->to_id && message->from_offset < message->to_offset + length &&
	       message->to_offset < message->from_offset + length;
}

int handle_copy(struct request *request)
{
	const struct far_copy_request *message = request->message;
	const struct far_record *from = object_by_id(request->server, message->from_id);
	struct far_record *to = object_by_id(request->server, message->to_id);
	struct far_copy_reply *reply = request->reply;
	struct value_change change = {.server = request->server, .record = to};
	int64_t copied = 0;
	uint64_t length;
	int error = from && to ? object_require_value(from) : -ESTALE;

	if (!error)
		error = object_require_value(to);
	if (!error)
		error = cut_range(message, value_size(from), &length);
	if (!error && is_overlapping(message, length))
		error = -EINVAL;
	if (error)
		return error;
	if (length > 0)
		copied = value_copy(&change, message->to_offset, from, message->from_offset, length);
	if (copied < 0)
		return (int)copied;
	if (copied > 0) {
		object_touch_content(request->server, to);
		if (request->flags & FAR_COPY_KILL_SUIDGID)
			reply_kill_suidgid(request, to);
	}
	reply->length = (uint64_t)copied;
	reply->from_size = value_size(from);
	request->reply_length = sizeof(*reply);
	return 0;
}
