#include <errno.h>

#include "client/call.h"
#include "client/files.h"

// Space within files, and copies by the server. The server does a bounded piece a request; here the pieces are put together.

// One request's worth of the range. Returns how many bytes were dealt with.
static int64_t fallocate_some(struct far_lane *lane, uint64_t id, unsigned flags, uint64_t offset, uint64_t length)
{
	struct far_fallocate_request message = {.id = id, .offset = offset, .length = length};
	struct call request = {
	        .op = FAR_OP_FALLOCATE, .flags = (uint16_t)flags, .is_change = true, .message = &message, .length = sizeof(message)};
	struct reply reply;
	int64_t result = call(lane, &request, sizeof(struct far_fallocate_reply), &reply);

	if (result == 0) {
		uint64_t done = ((const struct far_fallocate_reply *)reply.message)->done;

		result = done > 0 && done <= length ? (int64_t)done : -EPROTO;
	}
	reply_release(lane, &reply);
	return result;
}

static int fallocate_all(struct far_lane *lane, uint64_t id, unsigned flags, uint64_t offset, uint64_t length)
{
	while (length > 0) {
		int64_t done = fallocate_some(lane, id, flags, offset, length);

		if (done < 0)
			return (int)done;
		offset += (uint64_t)done;
		length -= (uint64_t)done;
	}
	return 0;
}

int far_fallocate(struct far_lane *lane, uint64_t id, unsigned flags, uint64_t offset, uint64_t length)
{
	int error = 0;

	if (length == 0)
		return -EINVAL;
	// What is to be zeroed has all its pages before the first byte changes.
	if (flags & FAR_FALLOCATE_ZERO)
		error = fallocate_all(lane, id, (flags & FAR_FALLOCATE_KILL_SUIDGID) | FAR_FALLOCATE_KEEP_SIZE, offset, length);
	return error ? error : fallocate_all(lane, id, flags, offset, length);
}

int64_t far_seek(struct far_lane *lane, uint64_t id, uint64_t offset, bool for_hole)
{
	struct far_seek_request message = {.id = id, .offset = offset};
	struct call request = {.op = FAR_OP_SEEK, .flags = for_hole ? FAR_SEEK_HOLE : 0, .message = &message, .length = sizeof(message)};
	struct far_seek_reply answer = {.result = FAR_SEEK_MORE};

	while (answer.result == FAR_SEEK_MORE) {
		struct reply reply;
		int error = call(lane, &request, sizeof(answer), &reply);

		if (!error)
			answer = *(const struct far_seek_reply *)reply.message;
		reply_release(lane, &reply);
		if (error)
			return error;
		// Each request gets on, and what it finds is a place in a file.
		if (answer.offset > FAR_FILE_MAX || (answer.result == FAR_SEEK_MORE && answer.offset <= message.offset))
			return answer.result == FAR_SEEK_NONE ? -ENXIO : -EPROTO;
		message.offset = answer.offset;
	}
	return answer.result == FAR_SEEK_FOUND ? (int64_t)answer.offset : -ENXIO;
}

static int64_t copy_some(struct far_lane *lane, struct far_copy_request *message, unsigned flags, bool *is_end)
{
	struct call request = {
	        .op = FAR_OP_COPY, .flags = (uint16_t)flags, .is_change = true, .message = message, .length = sizeof(*message)};
	struct reply reply;
	int64_t result = call(lane, &request, sizeof(struct far_copy_reply), &reply);

	if (result == 0) {
		const struct far_copy_reply *answer = (const struct far_copy_reply *)reply.message;

		result = answer->length <= message->length ? (int64_t)answer->length : -EPROTO;
		*is_end = result == 0 || message->from_offset + answer->length >= answer->from_size;
	}
	reply_release(lane, &reply);
	return result;
}

ssize_t far_copy(struct far_lane *lane, const struct far_copy_range *range)
{
	struct far_copy_request message = {.from_id = range->from_id,
	        .from_offset = range->from_offset,
	        .to_id = range->to_id,
	        .to_offset = range->to_offset,
	        .length = range->length};
	uint64_t done = 0;
	bool is_end = false;

	while (done < range->length && !is_end) {
		int64_t copied = copy_some(lane, &message, range->flags, &is_end);

		if (copied < 0)
			return done ? (ssize_t)done : copied;
		done += (uint64_t)copied;
		message.from_offset += (uint64_t)copied;
		message.to_offset += (uint64_t)copied;
		message.length -= (uint64_t)copied;
	}
	return (ssize_t)done;
}
