#include "client/get_items.h"

#include <string.h>

#include "far/least.h"
#include "far/status.h"

void get_item_finish(struct far_lane *lane, struct far_get_item *item, uint64_t size, uint64_t version)
{
	item->size = size;
	item->version = version;
	item->result = GET_ITEM_DONE;
	count(&lane->statistics.bytes_read, least(item->room, size));
}

// --- without asking ---

void get_item_forget(struct far_lane *lane, struct locate_hash hash, uint64_t id)
{
	locate_drop_file(lane, id, 0);
	locate_drop_key(lane, hash);
	count(&lane->statistics.one_sided_retries, 1);
}

const struct located *get_item_find(
        const struct far_lane *lane, const struct far_get_item *item, struct locate_hash hash, uint64_t *good_until_ns)
{
	const struct located *located = locate_find_key(lane, hash);

	if (!located)
		return NULL;
	*good_until_ns = located->good_until_ns;
	return locate_find_range(lane, located, 0, least(item->room, located->size));
}

// --- asking ---

static void fill(const void *context, char *to)
{
	const struct get_items_message *message = context;
	struct far_many_item *wire = (struct far_many_item *)to;
	char *keys = to + message->count * sizeof(*wire);

	for (size_t i = message->part.first; i < message->part.end; i++) {
		const struct far_get_item *item = &message->items[i];

		if (item->result != GET_ITEM_ASK)
			continue;
		*wire++ =
		        (struct far_many_item){.length = (uint32_t)least(item->room, UINT32_MAX), .key_length = (uint16_t)item->key_length};
		memcpy(keys, item->key, item->key_length);
		keys += item->key_length;
	}
}

// Bytes of the reply that an item may take. Where the pool is mapped a value without room in the reply costs no round trip, so rooms that are made for the largest value do not count.
static uint64_t reply_bytes(const struct far_lane *lane, const struct far_get_item *item)
{
	if (item->room > lane->eager_limit)
		return 0;
	return lane->caps->has_loads ? least(item->room, FAR_INLINE_MAX / 4) : item->room;
}

void get_items_choose(const struct far_lane *lane, const struct far_get_item *items, size_t first, size_t number,
        struct get_items_message *message, struct call *call)
{
	uint64_t request = sizeof(struct far_many_request);
	uint64_t reply = sizeof(struct far_many_reply) + sizeof(struct far_grant);
	size_t i;

	*message = (struct get_items_message){.items = items, .part = {.first = first}};
	for (i = first; i < number; i++) {
		const struct far_get_item *item = &items[i];

		if (item->result != GET_ITEM_ASK)
			continue;
		request += sizeof(struct far_many_item) + item->key_length;
		reply += sizeof(struct far_many_result) + reply_bytes(lane, item);
		if (message->count > 0 && (request > lane->message_size || reply > lane->message_size))
			break;
		message->count++;
		message->keys += (uint32_t)item->key_length;
	}
	message->part.end = i;
	message->request = (struct far_many_request){.count = message->count};
	*call = (struct call){.op = FAR_OP_GET_MANY,
	        .message = &message->request,
	        .length = sizeof(message->request),
	        .fill = fill,
	        .fill_context = message,
	        .fill_length = message->count * (uint32_t)sizeof(struct far_many_item) + message->keys};
}

// --- replies ---

// What a reply says of one item. False: it makes no sense.
static bool take_result(
        struct far_lane *lane, struct far_get_item *item, const struct far_many_result *result, const char *bytes, uint64_t sent_ns)
{
	struct locate_hash hash = locate_hash_key(lane, item->key, item->key_length);
	uint64_t length = least(item->room, result->location.size);
	struct located located;

	if (result->location.extents > 1 || !locate_take(lane, &result->location, &result->extent, 0, &located))
		return false;
	located.good_until_ns = locate_good_until(&result->location, sent_ns);
	item->result = GET_ITEM_SINGLE;
	if (result->how == FAR_GET_EAGER) {
		if (result->length != length)
			return false;
		if (length)
			memcpy(item->buffer, bytes, length);
		get_item_finish(lane, item, located.size, located.version);
	} else if (lane->caps->has_loads) {
		if (length > located.end || fetch(lane, &located, get_rule(item->key, item->key_length), item->buffer, 0, length) != 1)
			return true;
		get_item_finish(lane, item, located.size, located.version);
	} else if (located.count <= 1 && length <= located.end) {
		item->result = GET_ITEM_FETCH;
	}
	locate_add_key(lane, hash, &located);
	return true;
}

static bool take_results(struct far_lane *lane, struct far_get_item *items, const struct many_part *part, const struct reply *reply)
{
	const struct far_many_reply *message = (const struct far_many_reply *)reply->message;
	const struct far_many_result *result = (const struct far_many_result *)(message + 1);
	const char *end = (const char *)message + reply->length;
	const char *bytes;
	uint32_t left;

	if (message->header.op != FAR_OP_GET_MANY || reply->length < sizeof(*message) ||
	        message->count > (reply->length - sizeof(*message)) / sizeof(*result))
		return false;
	bytes = (const char *)(result + message->count);
	left = message->count;
	for (size_t i = part->first; i < part->end; i++) {
		struct far_get_item *item = &items[i];

		if (item->result != GET_ITEM_ASK)
			continue;
		if (left-- == 0 || result->length > (uint64_t)(end - bytes))
			return false;
		if (result->status)
			item->result = far_status_to_error(result->status);
		else if (!take_result(lane, item, result, bytes, part->sent_ns))
			return false;
		bytes += result->length;
		result++;
	}
	return left == 0;
}

void get_items_take(struct far_lane *lane, struct far_get_item *items, const struct many_part *part, int error, const struct reply *reply)
{
	int result = GET_ITEM_SINGLE;

	if (!error && reply->message && !take_results(lane, items, part, reply))
		result = call_out_of_step(lane, "results of other keys");
	for (size_t i = part->first; i < part->end; i++)
		if (items[i].result == GET_ITEM_ASK)
			items[i].result = result;
}
