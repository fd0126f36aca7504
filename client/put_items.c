#include "client/put_items.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/locate.h"
#include "far/status.h"

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

int put_item_check(const struct far_put_item *item)
{
	struct put_target target = {0};
	int error = far_key_check(item->key, item->key_length);

	if (!error && item->length && !item->value)
		error = -EINVAL;
	return error ? error : put_take_options(item->options, &target);
}

// --- small ones ---

static void fill(const void *context, char *to)
{
	const struct put_items_message *message = context;
	struct far_many_item *wire = (struct far_many_item *)to;
	char *behind = to + message->count * sizeof(*wire);

	for (size_t i = message->part.first; i < message->part.end; i++) {
		const struct far_put_item *item = &message->items[i];
		struct put_target target;

		if (item->result != PUT_ITEM_UNSENT)
			continue;
		target = target_of(item);
		*wire++ = (struct far_many_item){.expected = target.expected,
		        .ttl_ms = target.ttl_ms,
		        .length = (uint32_t)item->length,
		        .key_length = (uint16_t)item->key_length,
		        .flags = put_flags(&target)};
		memcpy(behind, item->key, item->key_length);
		if (item->length)
			memcpy(behind + item->key_length, item->value, item->length);
		behind += item->key_length + item->length;
	}
}

bool put_item_is_small(const struct far_lane *lane, const struct far_put_item *item)
{
	uint64_t front = sizeof(struct far_many_request) + sizeof(struct far_many_item) + item->key_length;

	return item->length <= lane->eager_limit && front + item->length <= lane->message_size;
}

static void forget(struct far_lane *lane, const struct far_put_item *item)
{
	locate_drop_key(lane, locate_hash_key(lane, item->key, item->key_length));
}

void put_items_choose(struct far_lane *lane, const struct far_put_item *items, size_t first, size_t number,
        struct put_items_message *message, struct call *call)
{
	uint64_t request = sizeof(struct far_many_request);
	uint64_t reply = sizeof(struct far_many_reply) + sizeof(struct far_grant);
	size_t i;

	*message = (struct put_items_message){.items = items, .part = {.first = first}};
	for (i = first; i < number; i++) {
		const struct far_put_item *item = &items[i];

		if (item->result != PUT_ITEM_UNSENT)
			continue;
		if (!put_item_is_small(lane, item))
			break;
		request += sizeof(struct far_many_item) + item->key_length + item->length;
		reply += sizeof(struct far_many_result);
		if (request > lane->message_size || reply > lane->message_size)
			break;
		forget(lane, item);
		message->count++;
		message->bytes += (uint32_t)(item->key_length + item->length);
	}
	message->part.end = i;
	message->request = (struct far_many_request){.count = message->count, .mode = PUT_MODE};
	*call = (struct call){.op = FAR_OP_PUT_MANY,
	        .message = &message->request,
	        .length = sizeof(message->request),
	        .fill = fill,
	        .fill_context = message,
	        .fill_length = message->count * (uint32_t)sizeof(struct far_many_item) + message->bytes};
}

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

static bool take_results(struct far_lane *lane, struct far_put_item *items, const struct many_part *part, const struct reply *reply)
{
	const struct far_many_reply *message = (const struct far_many_reply *)reply->message;
	const struct far_many_result *result = (const struct far_many_result *)(message + 1);
	uint32_t left;

	if (reply->length < sizeof(*message) || message->count != (reply->length - sizeof(*message)) / sizeof(*result))
		return false;
	left = message->count;
	for (size_t i = part->first; i < part->end; i++) {
		struct far_put_item *item = &items[i];

		if (item->result != PUT_ITEM_UNSENT)
			continue;
		if (left-- == 0)
			return false;
		item->result = far_status_to_error(result->status);
		take_stored(lane, item, &result->location, &result->extent, part->sent_ns);
		result++;
	}
	return left == 0;
}

// --- large ones ---

int put_item_grant(struct far_lane *lane, const struct far_put_item *item, struct put_target *target, struct put_granted *granted)
{
	*target = target_of(item);
	return put_granted_request(lane, item->value, item->length, target, granted);
}

static void take_one(struct far_lane *lane, struct far_put_item *item, int error, const struct reply *reply, uint64_t sent_ns)
{
	struct put_target target = target_of(item);

	item->result = put_take(lane, &target, error, reply, sent_ns);
	item->version = target.version;
	if (item->result == 0)
		count(&lane->statistics.bytes_written, item->length);
}

void put_item_store(struct far_lane *lane, struct far_put_item *item)
{
	struct put_target target = target_of(item);

	item->result = put_on_lane(lane, item->value, item->length, &target);
	item->version = target.version;
	if (item->result == 0)
		count(&lane->statistics.bytes_written, item->length);
}

void put_items_take(struct far_lane *lane, struct far_put_item *items, const struct many_part *part, int error, const struct reply *reply)
{
	bool makes_sense = error != 0;

	if (reply->message && reply->message->op == FAR_OP_PUT_MANY && !error) {
		makes_sense = take_results(lane, items, part, reply);
	} else if (reply->message && reply->message->op == FAR_OP_PUT && part->end - part->first == 1) {
		take_one(lane, &items[part->first], error, reply, part->sent_ns);
		makes_sense = items[part->first].result != -EPROTO;
	}
	if (!makes_sense)
		error = call_out_of_step(lane, "results of other keys");
	for (size_t i = part->first; i < part->end; i++)
		if (items[i].result == PUT_ITEM_UNSENT)
			items[i].result = error;
}
