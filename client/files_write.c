#include <errno.h>
#include <string.h>

#include "client/call.h"
#include "client/files.h"
#include "client/put.h"
#include "client/window.h"

// Writing files by id: into the file's own pages where the lane has a window on them (window.c); else small pieces in the request, large ones into grants with the request right
// behind.

static int64_t finish(struct far_lane *lane, struct call *request, const struct far_write_request *message)
{
	struct reply reply;
	int64_t result = call(lane, request, sizeof(struct far_write_reply), &reply);

	if (result == 0) {
		result = (int64_t)((const struct far_write_reply *)reply.message)->length;
		if ((uint64_t)result > message->length)
			result = -EPROTO;
		window_note(lane, message->id, ((const struct far_write_reply *)reply.message)->size);
	}
	reply_release(lane, &reply);
	return result;
}

static int64_t write_granted(
        struct far_lane *lane, const char *bytes, uint64_t length, struct far_write_request *message, struct call *request)
{
	struct put_ranges ranges;
	int64_t result = put_into_grants(lane, bytes, length, &ranges);

	if (result < 0)
		return result;
	message->length = (uint64_t)result;
	message->ranges = ranges.count;
	request->flags |= FAR_WRITE_RANGES;
	request->is_bound = true;
	request->parts[0] = (struct far_span){ranges.ranges, ranges.count * (uint32_t)sizeof(ranges.ranges[0])};
	result = finish(lane, request, message);
	request->parts[0] = (struct far_span){0}; // the ranges end with this function
	// The reply says what happened; a connection that ends behind it only ends the waiting.
	if (lane->connection)
		call_wait_posts(lane);
	return result;
}

static int64_t write_some(struct far_lane *lane, uint64_t id, const char *bytes, uint64_t length, uint64_t offset, unsigned flags)
{
	struct far_write_request message = {.id = id, .offset = offset};
	struct call request = {
	        .op = FAR_OP_WRITE, .flags = (uint16_t)flags, .is_change = true, .message = &message, .length = sizeof(message)};
	uint64_t eager;
	int error;

	call_notice(lane); // the grants of a connection that has ended are void
	error = call_ready(lane);
	if (error)
		return error;
	eager = lane->message_size - sizeof(message);
	if (flags & FAR_WRITE_APPEND && length > eager)
		put_gather_grants(lane, length);
	if (length > eager && put_granted(lane) > 0)
		return write_granted(lane, bytes, length, &message, &request);
	// Without a grant a page at a time: slower, but it always goes on; and pages stay whole.
	message.length = length <= eager ? length : FAR_PAGE_SIZE - offset % FAR_PAGE_SIZE;
	request.parts[0] = (struct far_span){bytes, (uint32_t)message.length};
	return finish(lane, &request, &message);
}

bool far_sgid_left(struct far_lane *lane)
{
	bool has_left = lane->has_sgid_left;

	lane->has_sgid_left = false;
	return has_left;
}

ssize_t far_write(struct far_lane *lane, uint64_t id, const void *buffer, size_t length, uint64_t offset, unsigned flags)
{
	size_t done = 0;

	// A file with a window has no set-uid or set-gid bits to clear.
	if ((flags & ~(unsigned)FAR_WRITE_KILL_SUIDGID) == 0 && window_write(lane, id, buffer, length, offset))
		done = length;
	while (done < length) {
		int64_t written = write_some(lane, id, (const char *)buffer + done, length - done, offset + done, flags);

		if (written < 0)
			return done ? (ssize_t)done : written;
		if (written == 0)
			return done ? (ssize_t)done : -ENOSPC;
		done += (size_t)written;
	}
	count(&lane->statistics.bytes_written, done);
	return (ssize_t)done;
}
