// Many puts in few messages: what far_put_many and the queue share. Items lie one behind the other; while a call runs, or a queue has them, the result of one that is to be put is PUT_ITEM_UNSENT.
#ifndef CLIENT_PUT_ITEMS_H
#define CLIENT_PUT_ITEMS_H

#include "client/many.h"
#include "client/put.h"

#define PUT_ITEM_UNSENT 1

// Whether the item makes sense: 0 or a negative errno. Behind it, its options do.
int put_item_check(const struct far_put_item *item);

// Whether it travels in a message with others.
bool put_item_is_small(const struct far_lane *lane, const struct far_put_item *item);

// The next message: of the items from part.first to part.end those that are to be put.
struct put_items_message {
	const struct far_put_item *items;
	struct many_part part;
	uint32_t count;
	uint32_t bytes; // of keys and values
	struct far_many_request request;
};

// Chooses of items[first] up to items[number] as many as a message and its reply hold, but none behind a large one, and makes the request of them. count 0: items[part.end] is large, or there are none.
// What was remembered of their keys is forgotten.
void put_items_choose(struct far_lane *lane, const struct far_put_item *items, size_t first, size_t number,
        struct put_items_message *message, struct call *call);

// A large one: its value in the lane's grants, and its request, as put_granted_request; or stored at once, whatever it takes, while no reply is owed on the lane.
int put_item_grant(struct far_lane *lane, const struct far_put_item *item, struct put_target *target, struct put_granted *granted);
void put_item_store(struct far_lane *lane, struct far_put_item *item);

// Takes the reply to a part (error: what it was received with). What got none may have happened: it has `error` as its result.
void put_items_take(struct far_lane *lane, struct far_put_item *items, const struct many_part *part, int error, const struct reply *reply);

#endif
