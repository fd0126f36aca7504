#include "client/put.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/error.h"
#include "client/locate.h"
#include "far/clock.h"

// Puts by size: in the request (eager); into grants with the commit right behind (one round trip); by upload where grants do not suffice.

static void take_current(const struct reply *reply, struct put_target *target)
{
	const struct far_change_reply *answer = (const struct far_change_reply *)reply->message;
	uint64_t length = reply->length - sizeof(*answer);
	char *current;

	if (!target->wants_current || !target->version || answer->location.size != length)
		return;
	current = malloc(length + 1);
	if (!current)
		return; // it is fetched by itself, and there is no memory for that either
	memcpy(current, answer + 1, length);
	current[length] = '\0';
	target->current = current;
	target->current_length = length;
}

uint16_t put_flags(const struct put_target *target)
{
	return (uint16_t)((target->is_conditional ? FAR_PUT_EXPECT_VERSION : 0) | (target->ttl_ms ? FAR_PUT_HAS_TTL : 0) |
	                  (target->keeps_ttl ? FAR_PUT_KEEPS_TTL : 0) | (target->wants_current ? FAR_PUT_TELL_CURRENT : 0));
}

void put_request(struct far_lane *lane, struct call *request, struct far_put_request *message, const struct put_target *target)
{
	message->mode = PUT_MODE;
	message->key_length = (uint16_t)target->key.length;
	message->expected = target->expected;
	request->flags |= put_flags(target);
	request->message = message;
	request->length = sizeof(*message);
	if (target->ttl_ms)
		request->parts[0] = (struct far_span){&target->ttl_ms, sizeof(target->ttl_ms)};
	request->parts[1] = target->key;
	request->is_change = true;
	locate_drop_key(lane, locate_hash_key(lane, target->key.bytes, target->key.length));
}

int put_take(struct far_lane *lane, struct put_target *target, int error, const struct reply *reply, uint64_t sent_ns)
{
	const struct far_change_reply *answer = (const struct far_change_reply *)reply->message;
	const struct far_wire_extent *extents = (const struct far_wire_extent *)(answer + 1);
	struct located located;

	if (!answer || reply->length < sizeof(*answer))
		return error ? error : -EPROTO;
	if (error == -ECANCELED) {
		target->version = answer->location.version;
		take_current(reply, target);
	}
	if (error)
		return error;
	target->version = answer->location.version;
	if (answer->location.record && reply->length >= sizeof(*answer) + answer->location.extents * sizeof(*extents) &&
	        locate_take(lane, &answer->location, extents, 0, &located)) {
		located.good_until_ns = locate_good_until(&answer->location, sent_ns);
		locate_add_key(lane, locate_hash_key(lane, target->key.bytes, target->key.length), &located);
	}
	return 0;
}

int put_finish(struct far_lane *lane, struct call *request, struct far_put_request *message, struct put_target *target)
{
	struct reply reply;
	uint64_t sent_ns = target->ttl_ms || target->keeps_ttl ? clock_now_ns() : 0;
	int error;

	put_request(lane, request, message, target);
	error = call(lane, request, sizeof(struct far_change_reply), &reply);
	error = put_take(lane, target, error, &reply, sent_ns);
	reply_release(lane, &reply);
	return error;
}

static bool is_eager(const struct far_lane *lane, const struct put_target *target, uint64_t length)
{
	uint64_t front = sizeof(struct far_put_request) + (target->ttl_ms ? sizeof(target->ttl_ms) : 0) + target->key.length;

	return length <= lane->eager_limit && front + length <= lane->message_size;
}

static int put_eager(struct far_lane *lane, const void *value, uint64_t length, struct put_target *target)
{
	struct far_put_request message = {.value_length = length};
	struct call request = {.op = FAR_OP_PUT, .parts = {{0}, {0}, {value, (uint32_t)length}}};

	return put_finish(lane, &request, &message, target);
}

int put_granted_request(
        struct far_lane *lane, const void *value, uint64_t length, const struct put_target *target, struct put_granted *granted)
{
	int64_t posted;

	granted->message = (struct far_put_request){.value_length = length};
	granted->request = (struct call){.op = FAR_OP_PUT, .flags = FAR_PUT_RANGES, .is_bound = true};
	posted = put_into_grants(lane, value, length, &granted->ranges);
	if (posted < 0)
		return (int)posted;
	granted->message.ranges = (uint16_t)granted->ranges.count;
	granted->request.parts[2] =
	        (struct far_span){granted->ranges.ranges, granted->ranges.count * (uint32_t)sizeof(granted->ranges.ranges[0])};
	put_request(lane, &granted->request, &granted->message, target);
	return 0;
}

static int put_granted_value(struct far_lane *lane, const void *value, uint64_t length, struct put_target *target)
{
	struct put_granted granted;
	struct reply reply;
	uint64_t sent_ns = clock_now_ns();
	int error = put_granted_request(lane, value, length, target, &granted);

	if (error)
		return error;
	error = call(lane, &granted.request, sizeof(struct far_change_reply), &reply);
	error = put_take(lane, target, error, &reply, sent_ns);
	reply_release(lane, &reply);
	// The reply says what happened; a connection that ends behind it only ends the waiting.
	if (lane->connection)
		call_wait_posts(lane);
	return error;
}

int put_on_lane(struct far_lane *lane, const void *value, uint64_t length, struct put_target *target)
{
	int error;

	if (is_eager(lane, target, length))
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

int put_call(far_session *session, const char *what, const void *value, uint64_t length, struct put_target *target)
{
	struct far_lane *lane;
	int error = far_key_check(target->key.bytes, target->key.length);

	if (error)
		return error_of_key(error, what, target->key.bytes, target->key.length);
	error = lane_acquire(session, &lane);
	if (error)
		return error;
	error = put_on_lane(lane, value, length, target);
	if (!error)
		count(&lane->statistics.bytes_written, length);
	lane_release(lane);
	return error_of_key(error, what, target->key.bytes, target->key.length);
}

int far_put(far_session *session, const void *key, size_t key_length, const void *value, size_t length, uint64_t *version)
{
	struct put_target target = {.key = put_key(key, key_length)};
	int error = put_call(session, "put", value, length, &target);

	if (!error && version)
		*version = target.version;
	return error;
}

int far_cas(
        far_session *session, const void *key, size_t key_length, const void *value, size_t length, uint64_t expected, uint64_t *version)
{
	struct put_target target = {.key = put_key(key, key_length), .is_conditional = true, .expected = expected};
	int error = put_call(session, "compare-and-swap", value, length, &target);

	if ((!error || error == -ECANCELED) && version)
		*version = target.version;
	return error;
}

int put_take_options(const struct far_put_options *options, struct put_target *target)
{
	struct far_put_options all = {0};

	if (!options)
		return 0;
	memcpy(&all, options, options->size < sizeof(all) ? options->size : sizeof(all));
	if (all.flags & ~(unsigned)(FAR_KEEP_TTL | FAR_IF_VERSION))
		return error_set(-EINVAL, "put: unknown flags 0x%x", all.flags);
	target->keeps_ttl = all.flags & FAR_KEEP_TTL;
	target->is_conditional = all.flags & FAR_IF_VERSION;
	target->expected = target->is_conditional ? all.expected : 0;
	target->ttl_ms = all.ttl_ms;
	if (target->ttl_ms && target->keeps_ttl)
		return error_set(-EINVAL, "put: either a new time to live, or the one that is there");
	return target->ttl_ms ? error_of_ttl(target->ttl_ms) : 0;
}

int far_put_with(far_session *session, const void *key, size_t key_length, const void *value, size_t length,
        const struct far_put_options *options, uint64_t *version)
{
	struct put_target target = {.key = put_key(key, key_length)};
	int error = put_take_options(options, &target);

	if (error)
		return error;
	error = put_call(session, "put", value, length, &target);
	if ((!error || error == -ECANCELED) && version)
		*version = target.version;
	return error;
}

int far_put_stream_with(far_session *session, const void *key, size_t key_length, far_source *read, void *context,
        const struct far_put_options *options, uint64_t *version)
{
	struct put_target target = {.key = put_key(key, key_length)};
	struct far_lane *lane;
	int error = put_take_options(options, &target);

	if (error)
		return error;
	error = far_key_check(key, target.key.length);
	if (error)
		return error_of_key(error, "put", key, key_length);
	error = lane_acquire(session, &lane);
	if (error)
		return error;
	error = upload(lane, &(struct upload_source){.read = read, .context = context}, &target);
	lane_release(lane);
	if ((!error || error == -ECANCELED) && version)
		*version = target.version;
	return error_of_key(error, "put", key, key_length);
}

int far_put_stream(far_session *session, const void *key, size_t key_length, far_source *read, void *context, uint64_t *version)
{
	return far_put_stream_with(session, key, key_length, read, context, NULL, version);
}
