#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/locate.h"
#include "client/many.h"
#include "client/put.h"
#include "far/status.h"

// Many puts, in their order. Small ones go many in a message, large ones into grants with a request right behind each; all are on their way together. Only what the grants cannot take waits for what is owed, and is then put by
// itself. Nothing is sent twice: what got no answer may have happened.

#define UNSENT 1 // an item's result while the call runs
#define MODE_DEFAULT 0644

struct putting {
	struct far_lane *lane;
	struct far_put_item *items;
	size_t number;
	struct many many;
};

static struct far_span key_of(const struct far_put_item *item)
{
	return (struct far_span){item->key, (uint32_t)item->key_length};
}

// The options were checked at the begin.
static struct put_target target_of(const struct far_put_item *item)
{
	struct put_target target = {.key = key_of(item)};

	put_take_options(item->options, &target);
	return target;
}

static uint16_t flags_of(const struct put_target *target)
{
	return (uint16_t)((target->is_conditional ? FAR_PUT_EXPECT_VERSION : 0) | (target->ttl_ms ? FAR_PUT_HAS_TTL : 0) |
	                  (target->keeps_ttl ? FAR_PUT_KEEPS_TTL : 0));
}

// --- replies ---

static void take_stored(struct far_lane *lane, struct far_put_item *item, const struct far_location *location,
        const struct far_wire_extent *extents, uint64_t sent_ns)
{
	struct located located;

	item->version = location->version;
	if (item->result == 0)
		count(&lane->statistics.bytes_written, item->length);
	if (item->result || !location->record || location->extents > 1 || !locate_take(lane, location, extents, 0, &located))
		return;
	located.good_until_ns = locate_good_until(location, sent_ns);
	locate_add_key(lane, locate_hash_key(lane, item->key, item->key_length), &located);
}

static bool take_results(struct putting *putting, const struct many_part *part, const struct reply *reply)
{
	const struct far_many_reply *message = (const struct far_many_reply *)reply->message;
	const struct far_many_result *result = (const struct far_many_result *)(message + 1);
	uint32_t left;

	if (reply->length < sizeof(*message) || message->count != (reply->length - sizeof(*message)) / sizeof(*result))
		return false;
	left = message->count;
	for (size_t i = part->first; i < part->end; i++) {
		struct far_put_item *item = &putting->items[i];

		if (item->result != UNSENT)
			continue;
		if (left-- == 0)
			return false;
		item->result = far_status_to_error(result->status);
		take_stored(putting->lane, item, &result->location, &result->extent, part->sent_ns);
		result++;
	}
	return left == 0;
}

static bool take_one(struct putting *putting, const struct many_part *part, int error, const struct reply *reply)
{
	const struct far_change_reply *message = (const struct far_change_reply *)reply->message;
	const struct far_wire_extent *extents = (const struct far_wire_extent *)(message + 1);
	struct far_put_item *item = &putting->items[part->first];

	if (reply->length < sizeof(*message))
		return error != 0;
	if (message->location.extents > 1 || reply->length < sizeof(*message) + message->location.extents * sizeof(*extents))
		return false;
	item->result = error;
	take_stored(putting->lane, item, &message->location, extents, part->sent_ns);
	return true;
}

static void take_reply(void *context, const struct many_part *part, int error, const struct reply *reply)
{
	struct putting *putting = context;
	bool makes_sense = true;

	if (reply->message && reply->message->op == FAR_OP_PUT_MANY && !error)
		makes_sense = take_results(putting, part, reply);
	else if (reply->message && reply->message->op == FAR_OP_PUT)
		makes_sense = take_one(putting, part, error, reply);
	else if (!error)
		makes_sense = false;
	if (!makes_sense) {
		call_lost(putting->lane, -EPROTO);
		error = -EPROTO;
	}
	for (size_t i = part->first; i < part->end; i++)
		if (putting->items[i].result == UNSENT)
			putting->items[i].result = error;
}

// --- small ones ---

// The next message: items up to part.end.
struct message {
	const struct far_put_item *items;
	struct many_part part;
	uint32_t count;
	uint32_t bytes; // of keys and values
};

static void fill(const void *context, char *to)
{
	const struct message *message = context;
	struct far_many_item *wire = (struct far_many_item *)to;
	char *behind = to + message->count * sizeof(*wire);

	for (size_t i = message->part.first; i < message->part.end; i++) {
		const struct far_put_item *item = &message->items[i];
		struct put_target target;

		if (item->result != UNSENT)
			continue;
		target = target_of(item);
		*wire++ = (struct far_many_item){.expected = target.expected,
		        .ttl_ms = target.ttl_ms,
		        .length = (uint32_t)item->length,
		        .key_length = (uint16_t)item->key_length,
		        .flags = flags_of(&target)};
		memcpy(behind, item->key, item->key_length);
		if (item->length)
			memcpy(behind + item->key_length, item->value, item->length);
		behind += item->key_length + item->length;
	}
}

static bool is_small(const struct far_lane *lane, const struct far_put_item *item)
{
	uint64_t front = sizeof(struct far_many_request) + sizeof(struct far_many_item) + item->key_length;

	return item->length <= lane->eager_limit && front + item->length <= lane->message_size;
}

// Small items from `first` on, up to a large one, or as many as fit a message and its reply.
static void choose(const struct putting *putting, struct message *message, size_t first)
{
	uint64_t request = sizeof(struct far_many_request);
	uint64_t reply = sizeof(struct far_many_reply) + sizeof(struct far_grant);
	size_t i;

	*message = (struct message){.items = putting->items, .part = {.first = first}};
	for (i = first; i < putting->number; i++) {
		const struct far_put_item *item = &putting->items[i];

		if (item->result != UNSENT)
			continue;
		if (!is_small(putting->lane, item))
			break;
		request += sizeof(struct far_many_item) + item->key_length + item->length;
		reply += sizeof(struct far_many_result);
		if (request > putting->lane->message_size || reply > putting->lane->message_size)
			break;
		message->count++;
		message->bytes += (uint32_t)(item->key_length + item->length);
	}
	message->part.end = i;
}

static void forget(struct far_lane *lane, const struct far_put_item *item)
{
	locate_drop_key(lane, locate_hash_key(lane, item->key, item->key_length));
}

static int send_small(struct putting *putting, const struct message *message)
{
	struct far_many_request request = {.count = message->count, .mode = MODE_DEFAULT};
	struct call call = {.op = FAR_OP_PUT_MANY,
	        .message = &request,
	        .length = sizeof(request),
	        .fill = fill,
	        .fill_context = message,
	        .fill_length = message->count * (uint32_t)sizeof(struct far_many_item) + message->bytes};

	for (size_t i = message->part.first; i < message->part.end; i++)
		if (putting->items[i].result == UNSENT)
			forget(putting->lane, &putting->items[i]);
	return many_send(&putting->many, &call, message->part);
}

// --- large ones ---

static int send_granted(struct putting *putting, size_t number)
{
	const struct far_put_item *item = &putting->items[number];
	struct put_target target = target_of(item);
	struct far_put_request message = {
	        .expected = target.expected, .value_length = item->length, .mode = MODE_DEFAULT, .key_length = (uint16_t)item->key_length};
	struct call call = {.op = FAR_OP_PUT, .flags = flags_of(&target) | FAR_PUT_RANGES, .message = &message, .length = sizeof(message)};
	struct put_ranges ranges;
	int64_t posted = put_into_grants(putting->lane, item->value, item->length, &ranges);

	if (posted < 0)
		return (int)posted;
	message.ranges = (uint16_t)ranges.count;
	if (target.ttl_ms)
		call.parts[0] = (struct far_span){&target.ttl_ms, sizeof(target.ttl_ms)};
	call.parts[1] = target.key;
	call.parts[2] = (struct far_span){ranges.ranges, ranges.count * (uint32_t)sizeof(ranges.ranges[0])};
	forget(putting->lane, item);
	return many_send(&putting->many, &call, (struct many_part){.first = number, .end = number + 1});
}

static int put_large(struct putting *putting, size_t number)
{
	struct far_put_item *item = &putting->items[number];
	struct far_lane *lane = putting->lane;
	struct put_target target;

	// Replies bring new grants.
	while (putting->many.count > 0 && item->length > put_granted(lane))
		many_take_next(&putting->many);
	if (!lane->connection)
		return -ENOTCONN;
	if (item->length <= put_granted(lane))
		return send_granted(putting, number);
	target = target_of(item);
	item->result = put_on_lane(lane, item->value, item->length, &target);
	item->version = target.version;
	if (item->result == 0)
		count(&lane->statistics.bytes_written, item->length);
	return lane->connection ? 0 : -ENOTCONN;
}

static int put_all(struct putting *putting)
{
	struct message message = {.count = 0};
	int error = many_begin(&putting->many);

	if (error)
		return error;
	for (size_t next = 0; next < putting->number && !error; next = message.part.end) {
		choose(putting, &message, next);
		if (message.count > 0)
			error = send_small(putting, &message);
		else if (message.part.end < putting->number)
			error = put_large(putting, message.part.end++);
	}
	many_finish(&putting->many);
	if (putting->lane->connection)
		call_wait_posts(putting->lane);
	return 0;
}

static int check(const struct far_put_item *item)
{
	struct put_target target = {0};
	int error = far_key_check(item->key, item->key_length);

	if (!error && item->length && !item->value)
		error = -EINVAL;
	return error ? error : put_take_options(item->options, &target);
}

// 0 or a negative errno: what the items are to have that have not been sent.
static int put_on(struct far_lane *lane, struct far_put_item *items, size_t number)
{
	struct putting putting = {.lane = lane, .items = items, .number = number};

	putting.many = (struct many){.lane = lane, .take = take_reply, .context = &putting};
	return put_all(&putting);
}

ssize_t far_put_many(far_session *session, struct far_put_item *items, size_t number)
{
	struct far_lane *lane;
	ssize_t done = 0;
	int error;

	for (size_t i = 0; i < number; i++) {
		items[i].version = 0;
		items[i].result = check(&items[i]);
		items[i].result = items[i].result ? items[i].result : UNSENT;
	}
	error = lane_acquire(session, &lane);
	if (!error) {
		error = put_on(lane, items, number);
		lane_release(lane);
	}
	for (size_t i = 0; i < number; i++) {
		if (items[i].result == UNSENT)
			items[i].result = error ? error : -ENOTCONN;
		done += items[i].result == 0;
	}
	return error ? error : done;
}
