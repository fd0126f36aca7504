#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/files.h"
#include "client/put.h"

// Uploads: a nameless object takes the bytes, request by request, and becomes the key's value at the end, at once. What was uploaded goes with its hold if anything fails,
// or with the session. Two writes are on their way at a time, so the next part is copied while the server links the last.

#define PART (LANE_STAGING / 2)
#define WRITES_MAX 2U

struct upload {
	struct far_lane *lane;
	const struct upload_source *source;
	uint64_t id;
	uint64_t done;
	uint64_t pending[WRITES_MAX + 1]; // lengths of the writes under way, oldest first
	unsigned pending_count;
	unsigned parts; // read from the source: which half of staging is next
};

static int begin(struct upload *upload)
{
	struct far_upload_request message = {.size_hint = upload->source->length};
	struct call request = {.op = FAR_OP_UPLOAD, .message = &message, .length = sizeof(message)};
	struct reply reply;
	int error = call(upload->lane, &request, sizeof(struct far_attr_reply), &reply);

	if (!error)
		upload->id = ((const struct far_attr_reply *)reply.message)->attr.id;
	reply_release(upload->lane, &reply);
	return error;
}

// Takes the oldest write's reply.
static int settle_one(struct upload *upload)
{
	uint64_t length = upload->pending[0];
	struct reply reply;
	int error = call_receive(upload->lane, sizeof(struct far_write_reply), &reply);

	if (!error && ((const struct far_write_reply *)reply.message)->length != length)
		error = -ENOSPC;
	reply_release(upload->lane, &reply);
	upload->pending_count--;
	memmove(&upload->pending[0], &upload->pending[1], upload->pending_count * sizeof(upload->pending[0]));
	return error;
}

static int settle(struct upload *upload, unsigned leave)
{
	int first = 0;

	while (upload->pending_count > leave && upload->lane->connection) {
		int error = settle_one(upload);

		first = first ? first : error;
	}
	return first;
}

// Sends one write; returns how many bytes it took of those offered.
static int64_t send_part(struct upload *upload, const char *bytes, uint64_t length)
{
	struct far_write_request message = {.id = upload->id, .offset = upload->done};
	struct call request = {.op = FAR_OP_WRITE, .message = &message, .length = sizeof(message), .is_change = true};
	struct put_ranges ranges;
	int64_t taken;
	int error;

	if (put_granted(upload->lane) > 0 && length > upload->lane->eager_limit) {
		taken = put_into_grants(upload->lane, bytes, length, &ranges);
		if (taken < 0)
			return taken;
		request.flags = FAR_WRITE_RANGES;
		message.ranges = ranges.count;
		request.parts[0] = (struct far_span){ranges.ranges, ranges.count * (uint32_t)sizeof(ranges.ranges[0])};
	} else {
		taken = FAR_PAGE_SIZE < length ? FAR_PAGE_SIZE : (int64_t)length;
		request.parts[0] = (struct far_span){bytes, (uint32_t)taken};
	}
	message.length = (uint64_t)taken;
	error = call_send(upload->lane, &request);
	if (error)
		return error;
	upload->pending[upload->pending_count++] = (uint64_t)taken;
	upload->done += (uint64_t)taken;
	return taken;
}

static int send_bytes(struct upload *upload, const char *bytes, uint64_t length)
{
	while (length > 0) {
		uint64_t offered = length;
		int64_t taken;
		int error = settle(upload, WRITES_MAX - 1);

		// Replies bring new grants: wait for them before going on without.
		if (!error && put_granted(upload->lane) == 0)
			error = settle(upload, 0);
		if (error)
			return error;
		if (put_granted(upload->lane) > 0 && put_granted(upload->lane) < length)
			offered = put_granted(upload->lane);
		if (offered > FAR_GRANT_SIZE)
			offered = FAR_GRANT_SIZE;
		taken = send_part(upload, bytes, offered);
		if (taken < 0)
			return (int)taken;
		bytes += taken;
		length -= (uint64_t)taken;
	}
	return 0;
}

// Reads until the part is full or the source ends: only the last part may end within a page.
static ssize_t read_part(struct upload *upload, char *to)
{
	size_t length = 0;

	while (length < PART) {
		ssize_t got = upload->source->read(upload->source->context, to + length, PART - length);

		if (got < 0)
			return got;
		if (got == 0)
			break;
		if ((size_t)got > PART - length)
			return -EINVAL;
		length += (size_t)got;
	}
	return (ssize_t)length;
}

static int send_stream(struct upload *upload)
{
	for (;;) {
		char *to = lane_staging(upload->lane) + upload->parts++ % 2 * PART;
		int error = call_wait_posts(upload->lane); // the part that was there has left
		ssize_t got;

		if (error)
			return error;
		got = read_part(upload, to);
		if (got <= 0)
			return (int)got;
		error = send_bytes(upload, to, (uint64_t)got);
		if (error)
			return error;
	}
}

static int publish(struct upload *upload, struct put_target *target)
{
	struct far_put_request message = {.value_length = upload->done, .upload = upload->id};
	struct call request = {.op = FAR_OP_PUBLISH, .is_bound = true};

	return put_finish(upload->lane, &request, &message, target);
}

int upload(struct far_lane *lane, const struct upload_source *source, struct put_target *target)
{
	struct upload upload = {.lane = lane, .source = source};
	int error = begin(&upload);
	int rest;

	if (error)
		return error;
	error = source->read ? send_stream(&upload) : send_bytes(&upload, source->bytes, source->length);
	rest = settle(&upload, 0);
	error = error ? error : rest;
	if (lane->connection) {
		rest = call_wait_posts(lane);
		error = error ? error : rest;
	}
	if (!error)
		error = publish(&upload, target);
	if (!error)
		count(&lane->statistics.bytes_written, source->read ? upload.done : 0);
	else {
		far_forget(lane, upload.id, 1);
		far_forget_flush(lane);
	}
	return error;
}
