// Requests on one object by id: getattr, setattr, touch, write, readlink. (read: handle_read.c.)
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "far/access_time.h"
#include "server/eviction.h"
#include "server/object_acl.h"
#include "server/operations.h"
#include "server/record.h"
#include "server/value.h"
#include "server/watchers.h"
#include "server/window.h"

int handle_getattr(struct request *request)
{
	const struct far_object_request *message = request->message;
	const struct far_record *object = object_visited(request->server, message->id, request->lane->session);

	if (!object)
		return -ESTALE;
	reply_attr(request, object);
	return 0;
}

// --- setattr ---

#define SET_KNOWN                                                                                                                          \
	(FAR_SET_MODE | FAR_SET_UID | FAR_SET_GID | FAR_SET_SIZE | FAR_SET_ATIME | FAR_SET_MTIME | FAR_SET_ATIME_NOW | FAR_SET_MTIME_NOW | \
	        FAR_SET_CTIME | FAR_SET_KILL_SUIDGID)

static int set_size(struct request *request, struct far_record *object, uint64_t size)
{
	struct value_change change = {.server = request->server, .record = object};
	int error = object_require_value(object);

	if (error)
		return error == -ELOOP ? -EINVAL : error;
	if (size > FAR_FILE_MAX)
		return -EFBIG;
	error = value_truncate(&change, size);
	if (error)
		return error;
	object_touch_content(request->server, object);
	return 0;
}

// Set-uid and set-gid do not survive a change of owner (not even root's), nor one of size by somebody who may not keep them.
// R6: a client that looks at the record itself must not see one owner with the other's set-uid bit.
static void set_mode_and_owner(struct server *server, struct far_record *object, const struct far_setattr_request *message)
{
	bool is_killing = message->valid & (FAR_SET_KILL_SUIDGID | FAR_SET_UID | FAR_SET_GID);
	unsigned state = FAR_WORD_STATE(atomic_load_explicit(&object->word, memory_order_relaxed));

	if (!is_killing && !(message->valid & FAR_SET_MODE))
		return;
	record_publish(object, FAR_RECORD_BUSY);
	if (message->valid & FAR_SET_UID)
		object->uid = message->uid;
	if (message->valid & FAR_SET_GID)
		object->gid = message->gid;
	if (message->valid & FAR_SET_MODE)
		object->mode = (object->mode & S_IFMT) | (message->mode & 07777);
	else
		object_kill_suidgid(object);
	record_publish(object, (enum far_record_state)state);
	if (message->valid & FAR_SET_MODE)
		object_acl_follow_mode(server, object);
	if (message->valid & (FAR_SET_UID | FAR_SET_GID))
		xattr_drop_capability(server, object);
}

static void set_times(struct server *server, struct far_record *object, const struct far_setattr_request *message)
{
	object_touch_status(server, object);
	if (message->valid & FAR_SET_ATIME)
		object->atime_ns = message->atime_ns;
	if (message->valid & FAR_SET_ATIME_NOW)
		object->atime_ns = server_now(server);
	if (message->valid & FAR_SET_MTIME)
		object->mtime_ns = message->mtime_ns;
	if (message->valid & FAR_SET_MTIME_NOW)
		object->mtime_ns = object->ctime_ns;
	if (message->valid & FAR_SET_CTIME)
		object->ctime_ns = message->ctime_ns;
}

// Times that come with a size are those of the change of the value.
static bool is_of_attributes(uint32_t valid)
{
	return !(valid & FAR_SET_SIZE) || valid & (FAR_SET_MODE | FAR_SET_UID | FAR_SET_GID);
}

int handle_setattr(struct request *request)
{
	const struct far_setattr_request *message = request->message;
	struct far_record *object = object_by_id(request->server, message->id);
	int error = 0;

	if (message->valid & ~(uint32_t)SET_KNOWN)
		return -EPROTO;
	if (!object)
		return -ESTALE;
	if (message->valid & FAR_SET_SIZE)
		error = set_size(request, object, message->size);
	if (error)
		return error;
	if (message->valid) {
		set_mode_and_owner(request->server, object, message);
		set_times(request->server, object, message);
		if (is_of_attributes(message->valid))
			watchers_note(request->server, FAR_EVENT_ATTRIBUTES, object);
	}
	reply_attr(request, object);
	return 0;
}

// --- touch ---

// What another mount has read meanwhile has been moved already. Neither the word nor the version is part of it: R6 leaves times out.
int handle_touch(struct request *request)
{
	const struct far_touch_request *message = request->message;
	const uint64_t *ids = (const uint64_t *)request->tail;
	int64_t now = server_now(request->server);

	if (request->tail_length != message->count * sizeof(*ids))
		return -EPROTO;
	for (uint32_t i = 0; i < message->count; i++) {
		struct far_record *object = object_visited(request->server, ids[i], request->lane->session);

		if (!object)
			continue;
		eviction_use(request->server, object);
		if (request->flags & FAR_TOUCH_ALWAYS || far_access_time_is_due(object->atime_ns, object->mtime_ns, object->ctime_ns, now))
			object->atime_ns = now;
	}
	return 0;
}

// --- write ---

// The bytes of the request as sources: one of the message, or the ranges. Returns how many, or an error.
static int write_sources(struct request *request, struct value_source *sources)
{
	const struct far_write_request *message = request->message;
	const struct far_range *ranges = (const struct far_range *)request->tail;
	uint64_t length = 0;
	int error;

	if (!(request->flags & FAR_WRITE_RANGES)) {
		if (request->tail_length != message->length || message->ranges)
			return -EPROTO;
		sources[0] = (struct value_source){.bytes = request->tail, .length = message->length};
		return 1;
	}
	if (message->ranges > FAR_RANGES_PER_REQUEST)
		return -EINVAL;
	if (request->tail_length != message->ranges * sizeof(*ranges))
		return -EPROTO;
	for (uint32_t i = 0; i < message->ranges; i++)
		length += ranges[i].length;
	if (length != message->length)
		return -EPROTO;
	error = grant_commit(request->lane, ranges, message->ranges, sources);
	return error ? error : (int)message->ranges;
}

// Writes source after source, up to where the largest file ends. Returns the bytes written; an error only if there are none.
static int64_t write_all(struct value_change *change, uint64_t offset, struct value_source *sources, int count)
{
	uint64_t done = 0;

	for (int i = 0; i < count; i++) {
		int64_t written;

		if (sources[i].length > FAR_FILE_MAX - offset - done)
			sources[i].length = FAR_FILE_MAX - offset - done;
		written = value_write(change, offset + done, &sources[i]);

		if (written < 0)
			return done ? (int64_t)done : written;
		done += (uint64_t)written;
		if ((uint64_t)written < sources[i].length)
			break;
	}
	return (int64_t)done;
}

int handle_write(struct request *request)
{
	const struct far_write_request *message = request->message;
	struct value_source sources[FAR_RANGES_PER_REQUEST];
	struct far_record *object = object_visited(request->server, message->id, request->lane->session);
	struct value_change change = {.server = request->server, .record = object};
	int count = write_sources(request, sources);
	uint64_t offset;
	int64_t written;
	int error;

	if (count < 0)
		return count;
	error = object ? object_require_value(object) : -ESTALE;
	if (error)
		return error;
	offset = request->flags & FAR_WRITE_APPEND ? value_size(object) : message->offset;
	if (offset >= FAR_FILE_MAX && message->length > 0)
		return -EFBIG;
	written = write_all(&change, offset, sources, count);
	if (written < 0)
		return (int)written;
	if (written > 0) {
		object_touch_content(request->server, object);
		eviction_use(request->server, object);
		if (request->flags & FAR_WRITE_KILL_SUIDGID)
			reply_kill_suidgid(request, object);
		request->server->figures.bytes_in += (uint64_t)written;
	}
	reply_written(request, object, offset, (uint64_t)written);
	return 0;
}

int handle_window(struct request *request)
{
	const struct far_object_request *message = request->message;
	struct far_record *object = object_visited(request->server, message->id, request->lane->session);
	struct far_window_reply *reply = request->reply;
	int error;

	if (!object)
		return -ESTALE;
	error = window_open(request->lane, object, reply);
	if (error)
		return error;
	request->reply_length = sizeof(*reply);
	return 0;
}

int handle_readlink(struct request *request)
{
	const struct far_object_request *message = request->message;
	const struct far_record *object = object_by_id(request->server, message->id);
	struct far_reply *reply = request->reply;

	if (!object)
		return -ESTALE;
	if (!S_ISLNK(object->mode))
		return -EINVAL;
	value_read(request->server->pool, object, 0, value_size(object), reply + 1);
	request->reply_length = (uint32_t)(sizeof(*reply) + value_size(object));
	return 0;
}
