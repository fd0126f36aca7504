// Many keys in one request: get-many and put-many. The whole message is checked before the first item is carried out; from then on each item has its own result, and the reply is full when it has the results: values
// that find no room beside them are located, and the client reads them by itself.
#include <errno.h>
#include <string.h>

#include "far/status.h"
#include "server/eviction.h"
#include "server/index.h"
#include "server/lookups.h"
#include "server/namespace.h"
#include "server/operations.h"
#include "server/put.h"
#include "server/quota.h"
#include "server/value.h"

#define ITEM_FLAGS (FAR_PUT_EXPECT_VERSION | FAR_PUT_HAS_TTL | FAR_PUT_KEEPS_TTL)

// The items of a message, one after the other.
struct items {
	const struct far_many_item *next;
	uint32_t left;
};

// Whether lengths and flags make sense; then takes the items off the variable part, so that keys and values are left.
static int take_items(struct request *request, bool has_values, struct items *items)
{
	const struct far_many_request *message = request->message;
	uint64_t behind = 0;
	uint64_t results = sizeof(struct far_many_reply) + (uint64_t)message->count * sizeof(struct far_many_result);

	if (message->count > request->tail_length / sizeof(struct far_many_item))
		return -EPROTO;
	items->left = message->count;
	items->next = (const struct far_many_item *)request_take(request, message->count * (uint32_t)sizeof(struct far_many_item)).bytes;
	for (uint32_t i = 0; i < items->left; i++) {
		behind += items->next[i].key_length + (has_values ? (uint64_t)items->next[i].length : 0);
		if (items->next[i].flags & ~(has_values ? ITEM_FLAGS : 0))
			return -EPROTO;
	}
	if (behind != request->tail_length)
		return -EPROTO;
	return results > request->reply_room ? -EINVAL : 0;
}

// Fetches what the next items' keys lead to, once for so many.
static void look_ahead(const struct request *request, const struct items *items, bool has_values, struct lookups *lookups)
{
	const char *key = request->tail;

	if (index_count(request->server->index) < LOOKUPS_FROM)
		return;
	for (uint32_t i = 0; i < items->left && i < LOOKUPS_MAX; i++) {
		lookups_add(request->server, lookups, (struct far_span){key, items->next[i].key_length});
		key += items->next[i].key_length + (has_values ? items->next[i].length : 0);
	}
	lookups_follow(request->server, lookups);
}

static struct far_many_result *results_of(struct request *request)
{
	struct far_many_reply *reply = request->reply;

	return (struct far_many_result *)(reply + 1);
}

// The reply has its results; bytes of values go behind them.
static void begin_reply(struct request *request, uint32_t count)
{
	struct far_many_reply *reply = request->reply;

	reply->count = count;
	reply->reserved = 0;
	memset(results_of(request), 0, count * sizeof(struct far_many_result));
	request->reply_length = (uint32_t)(sizeof(*reply) + count * sizeof(struct far_many_result));
}

// --- gets ---

static int get_one(struct request *request, struct far_span key, uint32_t wanted, struct far_many_result *result)
{
	uint32_t room = request->reply_room - request->reply_length;
	struct far_record *object;
	uint64_t length;
	int error = far_key_check(key.bytes, key.length);

	if (!error)
		error = namespace_resolve(request->server, key, &object);
	if (!error)
		error = object_require_value(object);
	if (error)
		return error;
	eviction_use(request->server, object);
	reply_locate(request->server, object, 0, &result->location, &result->extent, 1);
	length = value_size(object) < wanted ? value_size(object) : wanted;
	result->how = FAR_GET_LOCATED;
	if (length > room || length > server_eager_limit(request->server))
		return 0;
	result->how = FAR_GET_EAGER;
	result->length = (uint32_t)length;
	value_read(request->server->pool, object, 0, length, (char *)request->reply + request->reply_length);
	request->reply_length += result->length;
	request->server->figures.bytes_out += length;
	return 0;
}

int handle_get_many(struct request *request)
{
	struct far_many_result *result = results_of(request);
	struct lookups lookups;
	struct items items;
	int error = take_items(request, false, &items);

	if (error)
		return error;
	begin_reply(request, items.left);
	lookups_begin(request->server, &lookups);
	for (uint32_t i = 0; items.left > 0; items.left--, items.next++, result++, i++) {
		struct far_span key;

		if (i % LOOKUPS_MAX == 0)
			look_ahead(request, &items, false, &lookups);
		key = request_take(request, items.next->key_length);
		result->status = (uint16_t)far_status_of_error(get_one(request, key, items.next->length, result));
	}
	return 0;
}

// --- puts ---

// What is refused by a quota is counted item by item.
static uint16_t status_of_put(struct server *server, int error)
{
	if (error == -EDQUOT)
		quota_refuse(server);
	return (uint16_t)far_status_of_error(error);
}

static int put_one(const struct request *request, const struct far_many_item *item, struct far_span key, struct far_span value,
        struct far_many_result *result)
{
	const struct far_many_request *many = request->message;
	struct far_put_request put = {.header.flags = item->flags, .expected = item->expected, .mode = many->mode};
	struct new_value new = {.bytes = value, .ttl_ms = item->ttl_ms};
	struct put_answer answer = {0};
	int error = far_key_check(key.bytes, key.length);

	if (error)
		return error;
	error = put_store_for(request, &put, key, &new, &answer);
	if (!error || error == -ECANCELED) {
		result->location = answer.reply.location;
		result->extent = answer.extent;
	}
	if (!error)
		request->server->figures.bytes_in += value.length;
	return error;
}

int handle_put_many(struct request *request)
{
	struct far_many_result *result = results_of(request);
	struct lookups lookups;
	struct items items;
	int error = take_items(request, true, &items);

	if (error)
		return error;
	begin_reply(request, items.left);
	lookups_begin(request->server, &lookups);
	for (uint32_t i = 0; items.left > 0; items.left--, items.next++, result++, i++) {
		struct far_span key, value;

		if (i % LOOKUPS_MAX == 0)
			look_ahead(request, &items, true, &lookups);
		key = request_take(request, items.next->key_length);
		value = request_take(request, items.next->length);
		result->status = status_of_put(request->server, put_one(request, items.next, key, value, result));
	}
	return 0;
}
