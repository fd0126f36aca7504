#include "client/put_range.h"

#include <errno.h>

#include "client/error.h"
#include "client/locate.h"

// Bytes at the end of a key's value, or at an offset: one request, so that they land whole. Few travel in it; more stand in grants.

// --- requests ---

static int check(const struct put_range *range)
{
	int error = far_key_check(range->key.bytes, range->key.length);

	if (!error && range->length > FAR_PUT_RANGE_MAX)
		return error_set(-EFBIG, "%s: %llu bytes at once: at most %u are stored whole", range->what,
		        (unsigned long long)range->length, FAR_PUT_RANGE_MAX);
	if (!error && range->length && !range->bytes)
		return error_set(-EINVAL, "%s: no bytes, but a length of %llu", range->what, (unsigned long long)range->length);
	return error_of_key(error, range->what, range->key.bytes, range->key.length);
}

int put_range_append(struct put_range *range, struct far_span key, const void *bytes, uint64_t length)
{
	*range = (struct put_range){
	        .what = "append", .key = key, .bytes = bytes, .length = length, .flags = FAR_PUT_RANGE_APPEND | FAR_PUT_RANGE_CREATE};
	return check(range);
}

int put_range_at(struct put_range *range, struct far_span key, const void *bytes, uint64_t length, uint64_t offset, unsigned flags)
{
	*range = (struct put_range){.what = "put of a range",
	        .key = key,
	        .bytes = bytes,
	        .length = length,
	        .offset = offset,
	        .flags = flags & FAR_CREATE ? FAR_PUT_RANGE_CREATE : 0};
	if (flags & ~(unsigned)FAR_CREATE)
		return error_set(-EINVAL, "%s: unknown flags 0x%x", range->what, flags);
	return check(range);
}

bool put_range_is_small(const struct far_lane *lane, const struct put_range *range)
{
	return range->length <= lane->eager_limit &&
	       sizeof(struct far_put_range_request) + range->key.length + range->length <= lane->message_size;
}

int put_range_gather(struct far_lane *lane, const struct put_range *range)
{
	put_gather_grants(lane, range->length);
	if (!lane->connection)
		return -EIO;
	return put_granted(lane) < range->length ? -ENOSPC : 0;
}

int put_range_make(struct far_lane *lane, const struct put_range *range, struct put_range_request *request)
{
	bool is_small = put_range_is_small(lane, range);
	int64_t posted = is_small ? 0 : put_into_grants(lane, range->bytes, range->length, &request->ranges);

	if (posted < 0)
		return (int)posted;
	request->message = (struct far_put_range_request){.offset = range->offset,
	        .length = range->length,
	        .mode = PUT_MODE,
	        .key_length = (uint16_t)range->key.length,
	        .ranges = is_small ? 0 : (uint16_t)request->ranges.count};
	request->call = (struct call){.op = FAR_OP_PUT_RANGE,
	        .flags = (uint16_t)(range->flags | (is_small ? 0 : FAR_PUT_RANGE_GRANTED)),
	        .is_change = true,
	        .is_bound = !is_small,
	        .message = &request->message,
	        .length = sizeof(request->message),
	        .parts = {range->key, {range->bytes, (uint32_t)range->length}}};
	if (!is_small)
		request->call.parts[1] =
		        (struct far_span){request->ranges.ranges, request->ranges.count * (uint32_t)sizeof(request->ranges.ranges[0])};
	locate_drop_key(lane, locate_hash_key(lane, range->key.bytes, range->key.length));
	return 0;
}

int put_range_take(
        struct far_lane *lane, const struct put_range *range, int error, const struct reply *reply, uint64_t *size, uint64_t *version)
{
	const struct far_write_reply *answer = (const struct far_write_reply *)reply->message;

	if (!error && reply->length < sizeof(*answer))
		error = call_out_of_step(lane, "too short");
	if (error)
		return error;
	if (size)
		*size = answer->size;
	if (version)
		*version = answer->version;
	count(&lane->statistics.bytes_written, range->length);
	return 0;
}

// --- calls ---

static int put_range(struct far_lane *lane, const struct put_range *range, uint64_t *size, uint64_t *version)
{
	struct put_range_request request;
	struct reply reply;
	int error;

	call_notice(lane); // the grants of a connection that has ended are void
	error = call_ready(lane);
	if (!error && !put_range_is_small(lane, range))
		error = put_range_gather(lane, range);
	if (!error)
		error = put_range_make(lane, range, &request);
	if (error)
		return error;
	error = call(lane, &request.call, sizeof(struct far_write_reply), &reply);
	error = put_range_take(lane, range, error, &reply, size, version);
	reply_release(lane, &reply);
	// The reply says what happened; a connection that ends behind it only ends the waiting.
	if (lane->connection)
		call_wait_posts(lane);
	return error;
}

static int call_range(far_session *session, const struct put_range *range, uint64_t *size, uint64_t *version)
{
	struct far_lane *lane;
	int error = lane_acquire(session, &lane);

	if (error)
		return error;
	error = put_range(lane, range, size, version);
	lane_release(lane);
	return error_of_key(error, range->what, range->key.bytes, range->key.length);
}

int far_append(
        far_session *session, const void *key, size_t key_length, const void *bytes, size_t length, uint64_t *size, uint64_t *version)
{
	struct put_range range;
	int error = put_range_append(&range, put_key(key, key_length), bytes, length);

	return error ? error : call_range(session, &range, size, version);
}

int far_put_range(far_session *session, const void *key, size_t key_length, const void *bytes, size_t length, uint64_t offset,
        unsigned flags, uint64_t *size, uint64_t *version)
{
	struct put_range range;
	int error = put_range_at(&range, put_key(key, key_length), bytes, length, offset, flags);

	return error ? error : call_range(session, &range, size, version);
}
