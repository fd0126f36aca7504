#include "client/put.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/locate.h"

// Puts by size: in the request (eager); into grants with the commit right behind (one round trip); by upload where grants do not suffice.

#define MODE_DEFAULT 0644

int put_finish(struct far_lane *lane, struct call *request, struct far_put_request *message, struct put_target *target)
{
	const struct far_change_reply *answer;
	struct reply reply;
	int error;

	message->mode = MODE_DEFAULT;
	message->key_length = (uint16_t)target->key.length;
	message->expected = target->expected;
	request->flags |= target->is_conditional ? FAR_PUT_EXPECT_VERSION : 0;
	request->message = message;
	request->length = sizeof(*message);
	request->parts[0] = target->key;
	request->is_change = true;
	locate_drop_key(lane, locate_hash_key(lane, target->key.bytes, target->key.length));
	error = call(lane, request, sizeof(*answer), &reply);
	answer = (const struct far_change_reply *)reply.message;
	if (error == 0) {
		const struct far_wire_extent *extents = (const struct far_wire_extent *)(answer + 1);
		struct located located;

		target->version = answer->location.version;
		if (answer->location.record && reply.length >= sizeof(*answer) + answer->location.extents * sizeof(*extents) &&
		        locate_take(lane, &answer->location, extents, 0, &located))
			locate_add_key(lane, locate_hash_key(lane, target->key.bytes, target->key.length), &located);
	} else if (error == -ECANCELED && reply.message && reply.length >= sizeof(*answer)) {
		target->version = answer->location.version;
	}
	reply_release(lane, &reply);
	return error;
}

static bool is_eager(const struct far_lane *lane, uint64_t key_length, uint64_t length)
{
	return length <= lane->eager_limit && sizeof(struct far_put_request) + key_length + length <= lane->message_size;
}

static int put_eager(struct far_lane *lane, const void *value, uint64_t length, struct put_target *target)
{
	struct far_put_request message = {.value_length = length};
	struct call request = {.op = FAR_OP_PUT, .parts = {{0}, {value, (uint32_t)length}}};

	return put_finish(lane, &request, &message, target);
}

static int put_granted_value(struct far_lane *lane, const void *value, uint64_t length, struct put_target *target)
{
	struct far_put_request message = {.value_length = length};
	struct call request = {.op = FAR_OP_PUT, .flags = FAR_PUT_RANGES, .is_bound = true};
	struct put_ranges ranges;
	int64_t posted = put_into_grants(lane, value, length, &ranges);
	int error;

	if (posted < 0)
		return (int)posted;
	message.ranges = (uint16_t)ranges.count;
	request.parts[1] = (struct far_span){ranges.ranges, ranges.count * (uint32_t)sizeof(ranges.ranges[0])};
	error = put_finish(lane, &request, &message, target);
	// The reply says what happened; a connection that ends behind it only ends the waiting.
	if (lane->connection)
		call_wait_posts(lane);
	return error;
}

static int put_locked(struct far_lane *lane, const void *value, uint64_t length, struct put_target *target)
{
	int error;

	if (is_eager(lane, target->key.length, length))
		return put_eager(lane, value, length, target);
	call_notice(lane); // the grants of a connection that has ended are void
	error = call_ready(lane);
	if (error)
		return error;
	if (length <= put_granted(lane))
		error = put_granted_value(lane, value, length, target);
	else
		error = upload(lane, &(struct upload_source){.bytes = value, .length = length}, target);
	return error;
}

static int put(far_session *session, const char *what, const void *value, uint64_t length, struct put_target *target)
{
	struct far_lane *lane;
	int error = far_key_check(target->key.bytes, target->key.length);

	if (error)
		return error_of_key(error, what, target->key.bytes, target->key.length);
	error = lane_acquire(session, &lane);
	if (error)
		return error;
	error = put_locked(lane, value, length, target);
	if (!error)
		count(&lane->statistics.bytes_written, length);
	lane_release(lane);
	return error_of_key(error, what, target->key.bytes, target->key.length);
}

// A key longer than any allowed is refused by the check all the same.
static struct far_span key_span(const void *key, size_t key_length)
{
	return (struct far_span){key, key_length > FAR_KEY_MAX ? FAR_KEY_MAX + 1 : (uint32_t)key_length};
}

int far_put(far_session *session, const void *key, size_t key_length, const void *value, size_t length, uint64_t *version)
{
	struct put_target target = {.key = key_span(key, key_length)};
	int error = put(session, "put", value, length, &target);

	if (!error && version)
		*version = target.version;
	return error;
}

int far_cas(
        far_session *session, const void *key, size_t key_length, const void *value, size_t length, uint64_t expected, uint64_t *version)
{
	struct put_target target = {.key = key_span(key, key_length), .is_conditional = true, .expected = expected};
	int error = put(session, "compare-and-swap", value, length, &target);

	if ((!error || error == -ECANCELED) && version)
		*version = target.version;
	return error;
}

int far_put_stream(far_session *session, const void *key, size_t key_length, far_source *read, void *context, uint64_t *version)
{
	struct put_target target = {.key = key_span(key, key_length)};
	struct far_lane *lane;
	int error = far_key_check(key, target.key.length);

	if (error)
		return error_of_key(error, "put", key, key_length);
	error = lane_acquire(session, &lane);
	if (error)
		return error;
	error = upload(lane, &(struct upload_source){.read = read, .context = context}, &target);
	lane_release(lane);
	if (!error && version)
		*version = target.version;
	return error_of_key(error, "put", key, key_length);
}
