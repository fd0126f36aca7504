#include <errno.h>

#include "client/put_items.h"

// Many puts, in their order. Small ones go many in a message, large ones into grants with a request right behind each; all are on their way together. Only what the grants cannot take waits for what is owed, and is then put by
// itself. Nothing is sent twice: what got no answer may have happened.

struct putting {
	struct far_lane *lane;
	struct far_put_item *items;
	size_t number;
	struct many many;
};

static void take_reply(void *context, const struct many_part *part, int error, const struct reply *reply)
{
	struct putting *putting = context;

	put_items_take(putting->lane, putting->items, part, error, reply);
}

static int send_granted(struct putting *putting, size_t number)
{
	struct put_granted granted;
	struct put_target target;
	int error = put_item_grant(putting->lane, &putting->items[number], &target, &granted);

	return error ? error : many_send(&putting->many, &granted.request, (struct many_part){.first = number, .end = number + 1});
}

static int put_large(struct putting *putting, size_t number)
{
	struct far_put_item *item = &putting->items[number];
	struct far_lane *lane = putting->lane;

	// Replies bring new grants.
	while (putting->many.count > 0 && item->length > put_granted(lane))
		many_take_next(&putting->many);
	if (!lane->connection)
		return -ENOTCONN;
	if (item->length <= put_granted(lane))
		return send_granted(putting, number);
	put_item_store(lane, item);
	return lane->connection ? 0 : -ENOTCONN;
}

static int put_all(struct putting *putting)
{
	struct put_items_message message = {0};
	int error = many_begin(&putting->many);

	if (error)
		return error;
	for (size_t next = 0; next < putting->number && !error; next = message.part.end) {
		struct call call;

		put_items_choose(putting->lane, putting->items, next, putting->number, &message, &call);
		if (message.count > 0)
			error = many_send(&putting->many, &call, message.part);
		else if (message.part.end < putting->number)
			error = put_large(putting, message.part.end++);
	}
	many_finish(&putting->many);
	if (putting->lane->connection)
		call_wait_posts(putting->lane);
	return 0;
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
		items[i].result = put_item_check(&items[i]);
		items[i].result = items[i].result ? items[i].result : PUT_ITEM_UNSENT;
	}
	error = lane_acquire(session, &lane);
	if (!error) {
		error = put_on(lane, items, number);
		lane_release(lane);
	}
	for (size_t i = 0; i < number; i++) {
		if (items[i].result == PUT_ITEM_UNSENT)
			items[i].result = error ? error : -ENOTCONN;
		done += items[i].result == 0;
	}
	return error ? error : done;
}
