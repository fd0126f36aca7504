#include <errno.h>
#include <string.h>
#include <time.h>

#include "client/call.h"
#include "client/error.h"
#include "client/files.h"
#include "client/record_of.h"
#include "far/xattr_name.h"

// File calls about extended attributes. What a message holds is one request; more is fetched part by part, and set by way of a nameless object that takes the bytes first.

#define ATTEMPTS 64 // at a value that changes between its parts
#define NAP_NS 20000

// Facts (user.far.) are made when they are asked for, and everything else is told by the record: one that is mapped is looked at without asking, so the kernel's many questions
// about objects that have no attributes cost next to nothing. One word is read, so it is of one moment.
static bool has_none(struct far_lane *lane, uint64_t id, const char *name, size_t name_length)
{
	const struct far_record *record;

	if (far_xattr_begins(name, name_length, FAR_XATTR_FACTS_NAMESPACE))
		return false;
	call_notice(lane);
	record = record_mapped(lane, id);
	if (!record || record->attributes != 0)
		return false;
	count(&lane->statistics.one_sided, 1);
	return true;
}

// One request. Returns the length of the whole; bytes from the offset on go to `to`, *filled of them, as many as the reply brought and `room` takes.
static int64_t fetch_part(struct far_lane *lane, struct call *request, char *to, size_t room, uint64_t *stamp, size_t *filled)
{
	struct reply reply;
	int64_t result = call(lane, request, sizeof(struct far_xattr_reply), &reply);

	*filled = 0;
	if (result == 0) {
		const struct far_xattr_reply *message = (const struct far_xattr_reply *)reply.message;
		size_t length = reply.length - sizeof(*message);

		*stamp = message->stamp;
		result = message->length;
		if (length > message->length)
			result = -EPROTO;
		*filled = length < room ? length : room;
		if (*filled)
			memcpy(to, message + 1, *filled);
	}
	reply_release(lane, &reply);
	return result;
}

// All parts, while they are of one moment. -EAGAIN: they were not.
static int64_t fetch_once(struct far_lane *lane, struct call *request, char *to, size_t room)
{
	struct far_xattr_get_request *message = request->message;
	uint64_t first_stamp = 0, stamp = 0;
	int64_t whole = -1;
	size_t done = 0;

	do {
		size_t filled;
		int64_t length;

		message->offset = room ? (uint32_t)done : UINT32_MAX;
		length = fetch_part(lane, request, to + done, room - done, &stamp, &filled);
		if (length < 0 || room == 0)
			return length;
		if (whole >= 0 && (length != whole || stamp != first_stamp))
			return -EAGAIN;
		if ((uint64_t)length > room)
			return -ERANGE;
		if (filled == 0 && done < (uint64_t)length)
			return -EPROTO;
		whole = length;
		first_stamp = stamp;
		done += filled;
	} while (done < (uint64_t)whole);
	return whole;
}

static ssize_t fetch_all(struct far_lane *lane, struct call *request, void *to, size_t room)
{
	int64_t result = -EAGAIN;

	for (int attempt = 0; result == -EAGAIN && attempt < ATTEMPTS; attempt++) {
		const struct timespec nap = {.tv_nsec = attempt * 7 % 16 * NAP_NS};

		if (attempt > ATTEMPTS / 8) // not in step with who changes it
			nanosleep(&nap, NULL);
		result = fetch_once(lane, request, to, room);
	}
	return result;
}

ssize_t far_getxattr(struct far_lane *lane, uint64_t id, const char *name, size_t name_length, void *value, size_t room)
{
	struct far_xattr_get_request message = {.id = id, .name_length = (uint16_t)name_length};
	struct call request = {
	        .op = FAR_OP_XATTR_GET,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{name, (uint32_t)name_length}},
	};
	int error = far_xattr_check_name(name, name_length);

	if (error)
		return error;
	return has_none(lane, id, name, name_length) ? -ENODATA : fetch_all(lane, &request, value, room);
}

ssize_t far_listxattr(struct far_lane *lane, uint64_t id, char *list, size_t room, unsigned flags)
{
	struct far_xattr_get_request message = {.id = id};
	struct call request = {.op = FAR_OP_XATTR_LIST, .flags = (uint16_t)flags, .message = &message, .length = sizeof(message)};

	return fetch_all(lane, &request, list, room);
}

static int call_for_status(struct far_lane *lane, struct call *request)
{
	struct reply reply;
	int error = call(lane, request, sizeof(struct far_reply), &reply);

	reply_release(lane, &reply);
	return error;
}

int far_removexattr(struct far_lane *lane, uint64_t id, const char *name, size_t name_length)
{
	struct far_xattr_get_request message = {.id = id, .name_length = (uint16_t)name_length};
	struct call request = {
	        .op = FAR_OP_XATTR_REMOVE,
	        .is_change = true,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{name, (uint32_t)name_length}},
	};
	int error = far_xattr_check_name(name, name_length);

	return error ? error : call_for_status(lane, &request);
}

// --- set ---

static int begin_upload(struct far_lane *lane, uint64_t length, uint64_t *id)
{
	struct far_upload_request message = {.size_hint = length};
	struct call request = {.op = FAR_OP_UPLOAD, .is_change = true, .message = &message, .length = sizeof(message)};
	struct reply reply;
	int error = call(lane, &request, sizeof(struct far_attr_reply), &reply);

	if (!error)
		*id = ((const struct far_attr_reply *)reply.message)->attr.id;
	reply_release(lane, &reply);
	return error;
}

// The upload belongs to the session; where that ends on the way, with the connection, so does the upload.
static int set_uploaded(struct far_lane *lane, struct call *request, const void *value, uint32_t length)
{
	struct far_xattr_set_request *message = request->message;
	ssize_t written;
	int error = begin_upload(lane, length, &message->upload);

	if (error)
		return error;
	written = far_write(lane, message->upload, value, length, 0, 0);
	error = written == (ssize_t)length ? 0 : written < 0 ? (int)written : -ENOSPC;
	request->is_bound = true;
	if (!error)
		error = call_for_status(lane, request);
	if (error)
		far_forget(lane, message->upload, 1);
	return error;
}

int far_setxattr(struct far_lane *lane, uint64_t id, const struct far_xattr *attribute, unsigned flags)
{
	struct far_xattr_set_request message = {
	        .id = id, .value_length = (uint32_t)attribute->length, .name_length = (uint16_t)attribute->name_length};
	struct call request = {
	        .op = FAR_OP_XATTR_SET,
	        .flags = (uint16_t)flags,
	        .is_change = true,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{attribute->name, (uint32_t)attribute->name_length}},
	};
	int error = far_xattr_check_name(attribute->name, attribute->name_length);

	if (!error && attribute->length > FAR_XATTR_VALUE_MAX)
		error = -E2BIG;
	if (!error)
		error = call_ready(lane);
	if (error)
		return error;
	if (sizeof(message) + attribute->name_length + attribute->length > lane->message_size)
		return set_uploaded(lane, &request, attribute->value, message.value_length);
	request.parts[1] = (struct far_span){attribute->value, message.value_length};
	return call_for_status(lane, &request);
}
