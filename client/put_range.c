#include <errno.h>

#include "client/error.h"
#include "client/locate.h"
#include "client/put.h"

// Bytes at the end of a key's value, or at an offset: one request, so that they land whole. Few travel in it; more stand in grants.

struct range {
	const char *what; // the call, for its text
	struct far_span key;
	const void *bytes;
	uint64_t length;
	uint64_t offset;
	uint16_t flags; // enum far_put_range_flag
	uint64_t *size, *version;
};

static int finish(struct far_lane *lane, const struct range *range, struct call *request, struct far_put_range_request *message)
{
	const struct far_write_reply *answer;
	struct reply reply;
	int error;

	*message = (struct far_put_range_request){.offset = range->offset,
	        .length = range->length,
	        .mode = PUT_MODE,
	        .key_length = (uint16_t)range->key.length,
	        .ranges = message->ranges};
	request->op = FAR_OP_PUT_RANGE;
	request->flags |= range->flags;
	request->is_change = true;
	request->message = message;
	request->length = sizeof(*message);
	request->parts[0] = range->key;
	locate_drop_key(lane, locate_hash_key(lane, range->key.bytes, range->key.length));
	error = call(lane, request, sizeof(*answer), &reply);
	answer = (const struct far_write_reply *)reply.message;
	if (!error && range->size)
		*range->size = answer->size;
	if (!error && range->version)
		*range->version = answer->version;
	reply_release(lane, &reply);
	return error;
}

static int put_granted_range(struct far_lane *lane, const struct range *range)
{
	struct far_put_range_request message = {.ranges = 0};
	struct call request = {.flags = FAR_PUT_RANGE_GRANTED, .is_bound = true};
	struct put_ranges ranges;
	int64_t posted;
	int error;

	put_gather_grants(lane, range->length);
	if (!lane->connection)
		return -EIO;
	if (put_granted(lane) < range->length)
		return -ENOSPC;
	posted = put_into_grants(lane, range->bytes, range->length, &ranges);
	if (posted < 0)
		return (int)posted;
	message.ranges = (uint16_t)ranges.count;
	request.parts[1] = (struct far_span){ranges.ranges, ranges.count * (uint32_t)sizeof(ranges.ranges[0])};
	error = finish(lane, range, &request, &message);
	// The reply says what happened; a connection that ends behind it only ends the waiting.
	if (lane->connection)
		call_wait_posts(lane);
	return error;
}

static int put_range(struct far_lane *lane, const struct range *range)
{
	struct far_put_range_request message = {.ranges = 0};
	struct call request = {.parts = {{0}, {range->bytes, (uint32_t)range->length}}};
	int error;

	call_notice(lane); // the grants of a connection that has ended are void
	error = call_ready(lane);
	if (error)
		return error;
	if (range->length <= lane->eager_limit && sizeof(message) + range->key.length + range->length <= lane->message_size)
		return finish(lane, range, &request, &message);
	return put_granted_range(lane, range);
}

static int call_range(far_session *session, const struct range *range)
{
	struct far_lane *lane;
	int error = far_key_check(range->key.bytes, range->key.length);

	if (!error && range->length > FAR_PUT_RANGE_MAX)
		return error_set(-EFBIG, "%s: %llu bytes at once: at most %u are stored whole", range->what,
		        (unsigned long long)range->length, FAR_PUT_RANGE_MAX);
	if (error)
		return error_of_key(error, range->what, range->key.bytes, range->key.length);
	error = lane_acquire(session, &lane);
	if (error)
		return error;
	error = put_range(lane, range);
	if (!error)
		count(&lane->statistics.bytes_written, range->length);
	lane_release(lane);
	return error_of_key(error, range->what, range->key.bytes, range->key.length);
}

int far_append(
        far_session *session, const void *key, size_t key_length, const void *bytes, size_t length, uint64_t *size, uint64_t *version)
{
	struct range range = {
	        .what = "append",
	        .key = put_key(key, key_length),
	        .bytes = bytes,
	        .length = length,
	        .flags = FAR_PUT_RANGE_APPEND | FAR_PUT_RANGE_CREATE,
	        .size = size,
	        .version = version,
	};

	return call_range(session, &range);
}

int far_put_range(far_session *session, const void *key, size_t key_length, const void *bytes, size_t length, uint64_t offset,
        unsigned flags, uint64_t *size, uint64_t *version)
{
	struct range range = {
	        .what = "put of a range",
	        .key = put_key(key, key_length),
	        .bytes = bytes,
	        .length = length,
	        .offset = offset,
	        .flags = flags & FAR_CREATE ? FAR_PUT_RANGE_CREATE : 0,
	        .size = size,
	        .version = version,
	};

	if (flags & ~(unsigned)FAR_CREATE)
		return error_set(-EINVAL, "put of a range: unknown flags 0x%x", flags);
	return call_range(session, &range);
}
