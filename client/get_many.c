#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/get.h"
#include "client/get_many_load.h"
#include "client/many.h"
#include "fabric/wait.h"
#include "far/status.h"

// Many gets. What is known to be somewhere is read there, without a request: by loads, or, where reads take none of the server's processor, all posted together. The rest is asked for, as many keys in a message as
// there may be, all messages on their way at once. What then is only located, because it is large, is read where it is, again together. A value that changes meanwhile, or is in many pieces, is fetched by itself in the
// end, by the rules of a single get.

// While a call runs, an item's result is one of these, or what it will be.
enum state {
	DONE = 0,
	ASK = 1,    // nothing is known of it
	FETCH = 2,  // it was located, and is in the key cache
	SINGLE = 3, // by itself
};

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void finish_item(struct far_lane *lane, struct far_get_item *item, uint64_t size, uint64_t version)
{
	item->size = size;
	item->version = version;
	item->result = DONE;
	count(&lane->statistics.bytes_read, least(item->room, size));
}

// --- without asking ---

static void forget_item(struct far_lane *lane, struct locate_hash hash, uint64_t id)
{
	locate_drop_file(lane, id, 0);
	locate_drop_key(lane, hash);
	count(&lane->statistics.one_sided_retries, 1);
}

// What is remembered of the item's bytes, or NULL.
static const struct located *find(
        const struct far_lane *lane, const struct far_get_item *item, struct locate_hash hash, uint64_t *good_until_ns)
{
	const struct located *located = locate_find_key(lane, hash);

	if (!located)
		return NULL;
	*good_until_ns = located->good_until_ns;
	return locate_find_range(lane, located, 0, least(item->room, located->size));
}

// Which items are posted, and with what.
struct round {
	struct fetch_front fronts[FETCH_FRONTS];
	struct far_get_item *items[FETCH_FRONTS];
	uint64_t good_until_ns[FETCH_FRONTS];
	unsigned count;
};

static void fetch_round(struct far_lane *lane, struct round *round, bool was_located)
{
	int error = round->count ? fetch_fronts(lane, round->fronts, round->count) : 0;

	for (unsigned i = 0; i < round->count; i++) {
		struct far_get_item *item = round->items[i];
		struct fetch_front *front = &round->fronts[i];
		struct locate_hash hash = locate_hash_key(lane, item->key, item->key_length);

		if (error)
			continue; // the connection has ended: they are asked for on the next one
		if (front->result == 0)
			forget_item(lane, hash, front->located.id);
		if (front->result != 1 || locate_is_over(round->good_until_ns[i])) {
			item->result = front->result == -EOPNOTSUPP ? SINGLE : item->result;
			continue;
		}
		if (!was_located)
			count(&lane->statistics.one_sided, 1);
		finish_item(lane, item, front->located.size, front->located.version);
	}
	round->count = 0;
}

// What has a value in more than one piece, or more of it than a round takes, is left.
static bool add_front(const struct far_lane *lane, struct round *round, struct far_get_item *item)
{
	struct fetch_front *front = &round->fronts[round->count];
	const struct located *located =
	        find(lane, item, locate_hash_key(lane, item->key, item->key_length), &round->good_until_ns[round->count]);

	if (!located || located->count > 1)
		return false;
	*front = (struct fetch_front){.located = *located, .rule = get_rule(item->key, item->key_length), .buffer = item->buffer};
	front->length = least(item->room, located->size);
	if (located->count)
		front->extent = located->extents[0];
	round->items[round->count++] = item;
	return true;
}

// Items in one state whose place is remembered, by posted reads. Small ones only where those take nothing of the server's processor: else one message for many takes less.
static void fetch_known(struct far_lane *lane, struct far_get_item *items, size_t number, enum state state)
{
	struct round round = {.count = 0};

	for (size_t i = 0; i < number && lane->connection; i++) {
		if (items[i].result != (int)state)
			continue;
		if (state == ASK && !lane->caps->is_one_sided && items[i].room <= lane->eager_limit)
			continue;
		add_front(lane, &round, &items[i]);
		if (round.count == FETCH_FRONTS)
			fetch_round(lane, &round, state == FETCH);
	}
	if (lane->connection)
		fetch_round(lane, &round, state == FETCH);
	for (size_t i = 0; i < number && state == FETCH; i++)
		if (items[i].result == FETCH)
			items[i].result = SINGLE;
}

// --- asking ---

struct asking {
	struct far_lane *lane;
	struct far_get_item *items;
};

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
	item->result = SINGLE;
	if (result->how == FAR_GET_EAGER) {
		if (result->length != length)
			return false;
		if (length)
			memcpy(item->buffer, bytes, length);
		finish_item(lane, item, located.size, located.version);
	} else if (lane->caps->has_loads) {
		if (length > located.end || fetch(lane, &located, get_rule(item->key, item->key_length), item->buffer, 0, length) != 1)
			return true;
		finish_item(lane, item, located.size, located.version);
	} else if (located.count <= 1 && length <= located.end) {
		item->result = FETCH;
	}
	locate_add_key(lane, hash, &located);
	return true;
}

static bool take_results(struct asking *asking, const struct many_part *part, const struct reply *reply)
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
		struct far_get_item *item = &asking->items[i];

		if (item->result != ASK)
			continue;
		if (left-- == 0 || result->length > (uint64_t)(end - bytes))
			return false;
		if (result->status)
			item->result = far_status_to_error(result->status);
		else if (!take_result(asking->lane, item, result, bytes, part->sent_ns))
			return false;
		bytes += result->length;
		result++;
	}
	return left == 0;
}

// Gets change nothing: what got no answer is asked for again, by itself.
static void take_reply(void *context, const struct many_part *part, int error, const struct reply *reply)
{
	struct asking *asking = context;

	if (!error && reply->message && !take_results(asking, part, reply))
		call_lost(asking->lane, -EPROTO);
	for (size_t i = part->first; i < part->end; i++)
		if (asking->items[i].result == ASK)
			asking->items[i].result = SINGLE;
}

// The next message: items up to part.end.
struct message {
	const struct far_get_item *items;
	struct many_part part;
	uint32_t count;
	uint32_t keys; // bytes
};

static void fill(const void *context, char *to)
{
	const struct message *message = context;
	struct far_many_item *wire = (struct far_many_item *)to;
	char *keys = to + message->count * sizeof(*wire);

	for (size_t i = message->part.first; i < message->part.end; i++) {
		const struct far_get_item *item = &message->items[i];

		if (item->result != ASK)
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

static void choose(const struct far_lane *lane, struct message *message, size_t first, size_t number)
{
	uint64_t request = sizeof(struct far_many_request);
	uint64_t reply = sizeof(struct far_many_reply) + sizeof(struct far_grant);
	size_t i;

	*message = (struct message){.items = message->items, .part = {.first = first}};
	for (i = first; i < number; i++) {
		const struct far_get_item *item = &message->items[i];

		if (item->result != ASK)
			continue;
		request += sizeof(struct far_many_item) + item->key_length;
		reply += sizeof(struct far_many_result) + reply_bytes(lane, item);
		if (message->count > 0 && (request > lane->message_size || reply > lane->message_size))
			break;
		message->count++;
		message->keys += (uint32_t)item->key_length;
	}
	message->part.end = i;
}

static void ask(struct far_lane *lane, struct far_get_item *items, size_t number)
{
	struct asking asking = {lane, items};
	struct many many = {.lane = lane, .take = take_reply, .context = &asking};
	struct message message = {.items = items};
	int error = many_begin(&many);

	for (size_t next = 0; next < number && !error; next = message.part.end) {
		struct far_many_request request = {0};
		struct call call = {
		        .op = FAR_OP_GET_MANY, .message = &request, .length = sizeof(request), .fill = fill, .fill_context = &message};

		choose(lane, &message, next, number);
		if (message.count == 0)
			break;
		request.count = message.count;
		call.fill_length = message.count * (uint32_t)sizeof(struct far_many_item) + message.keys;
		error = many_send(&many, &call, message.part);
		if (error == -ENAMETOOLONG) // one key that no message of this kind holds
			error = 0;
	}
	many_finish(&many);
}

// --- by themselves ---

// Once the server cannot be reached, or does not answer, it is not asked for each of the rest.
static void get_rest(struct far_lane *lane, struct far_get_item *items, size_t number)
{
	int lost = 0;

	for (size_t i = 0; i < number; i++) {
		struct far_get_item *item = &items[i];
		struct far_span key = {item->key, (uint32_t)item->key_length};
		int error;

		if (item->result <= 0)
			continue;
		error = lost ? lost : get_front(lane, key, item->buffer, item->room, &item->size, &item->version);
		item->result = error;
		if (error == -ENOTCONN || error == -ETIMEDOUT || error == -EIO)
			lost = error;
	}
}

static bool has_state(const struct far_get_item *items, size_t number, enum state state)
{
	for (size_t i = 0; i < number; i++)
		if (items[i].result == (int)state)
			return true;
	return false;
}

static void check_keys(struct far_get_item *items, size_t number)
{
	for (size_t i = 0; i < number; i++) {
		int error = items[i].result > 0 ? far_key_check(items[i].key, items[i].key_length) : 0;

		if (error)
			items[i].result = error;
	}
}

static void get_all(struct far_lane *lane, struct far_get_item *items, size_t number)
{
	if (lane->caps->has_loads) {
		if (get_many_load(lane, items, number) == number)
			return;
		check_keys(items, number);
	} else {
		check_keys(items, number);
		call_notice(lane);
		fetch_known(lane, items, number, ASK);
	}
	if (has_state(items, number, ASK))
		ask(lane, items, number);
	if (has_state(items, number, FETCH))
		fetch_known(lane, items, number, FETCH);
	get_rest(lane, items, number);
}

ssize_t far_get_many(far_session *session, struct far_get_item *items, size_t number)
{
	struct far_lane *lane;
	ssize_t done = 0;
	int error;

	for (size_t i = 0; i < number; i++)
		items[i].result = items[i].room && !items[i].buffer ? -EINVAL : ASK;
	error = lane_acquire(session, &lane);
	if (error)
		check_keys(items, number);
	for (size_t i = 0; error && i < number; i++)
		items[i].result = items[i].result < 0 ? items[i].result : error;
	if (error)
		return error;
	get_all(lane, items, number);
	lane_release(lane);
	for (size_t i = 0; i < number; i++)
		done += items[i].result == 0;
	return done;
}
