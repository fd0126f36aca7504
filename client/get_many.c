#include <errno.h>

#include "client/error.h"
#include "client/get_items.h"
#include "client/get_many_load.h"
#include "far/key.h"
#include "far/least.h"

// Many gets. What is known to be somewhere is read there, without a request: by loads, or, where reads take none of the server's processor, all posted together. The rest is asked for, as many keys in a message as
// there may be, all messages on their way at once. What then is only located, because it is large, is read where it is, again together. A value that changes meanwhile, or is in many pieces, is fetched by itself in the
// end, by the rules of a single get.

// --- without asking ---

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
			get_item_forget(lane, hash, front->located.id);
		if (front->result != 1 || locate_is_over(round->good_until_ns[i])) {
			item->result = front->result == -EOPNOTSUPP ? GET_ITEM_SINGLE : item->result;
			continue;
		}
		if (!was_located)
			count(&lane->statistics.one_sided, 1);
		get_item_finish(lane, item, front->located.size, front->located.version);
	}
	round->count = 0;
}

// What has a value in more than one piece, or more of it than a round takes, is left.
static bool add_front(const struct far_lane *lane, struct round *round, struct far_get_item *item)
{
	struct fetch_front *front = &round->fronts[round->count];
	const struct located *located =
	        get_item_find(lane, item, locate_hash_key(lane, item->key, item->key_length), &round->good_until_ns[round->count]);

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
static void fetch_known(struct far_lane *lane, struct far_get_item *items, size_t number, enum get_item_state state)
{
	struct round round = {.count = 0};

	for (size_t i = 0; i < number && lane->connection; i++) {
		if (items[i].result != (int)state)
			continue;
		if (state == GET_ITEM_ASK && !lane->caps->is_one_sided && items[i].room <= lane->eager_limit)
			continue;
		add_front(lane, &round, &items[i]);
		if (round.count == FETCH_FRONTS)
			fetch_round(lane, &round, state == GET_ITEM_FETCH);
	}
	if (lane->connection)
		fetch_round(lane, &round, state == GET_ITEM_FETCH);
	for (size_t i = 0; i < number && state == GET_ITEM_FETCH; i++)
		if (items[i].result == GET_ITEM_FETCH)
			items[i].result = GET_ITEM_SINGLE;
}

// --- asking ---

struct asking {
	struct far_lane *lane;
	struct far_get_item *items;
};

static void take_reply(void *context, const struct many_part *part, int error, const struct reply *reply)
{
	struct asking *asking = context;

	get_items_take(asking->lane, asking->items, part, error, reply);
}

static void ask(struct far_lane *lane, struct far_get_item *items, size_t number)
{
	struct asking asking = {lane, items};
	struct many many = {.lane = lane, .take = take_reply, .context = &asking};
	struct get_items_message message = {0};
	int error = many_begin(&many);

	for (size_t next = 0; next < number && !error; next = message.part.end) {
		struct call call;

		get_items_choose(lane, items, next, number, &message, &call);
		if (message.count == 0)
			break;
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

static bool has_state(const struct far_get_item *items, size_t number, enum get_item_state state)
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
		fetch_known(lane, items, number, GET_ITEM_ASK);
	}
	if (has_state(items, number, GET_ITEM_ASK))
		ask(lane, items, number);
	if (has_state(items, number, GET_ITEM_FETCH))
		fetch_known(lane, items, number, GET_ITEM_FETCH);
	get_rest(lane, items, number);
}

ssize_t far_get_many(far_session *session, struct far_get_item *items, size_t number)
{
	struct far_lane *lane;
	ssize_t done = 0;
	int error;

	for (size_t i = 0; i < number; i++)
		items[i].result = items[i].room && !items[i].buffer ? -EINVAL : GET_ITEM_ASK;
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
