// Many gets in few messages: what far_get_many and the queue share. Items lie one behind the other; while a call runs, or a queue has them, an item's result is its state.
#ifndef CLIENT_GET_ITEMS_H
#define CLIENT_GET_ITEMS_H

#include "client/get.h"
#include "client/many.h"

// In an item's result, until that is what came of it (0, or a negative errno).
enum get_item_state {
	GET_ITEM_DONE = 0,
	GET_ITEM_ASK = 1,    // nothing is known of it
	GET_ITEM_FETCH = 2,  // it was located, and is in the key cache
	GET_ITEM_SINGLE = 3, // by itself
};

// Takes down what came of an item.
void get_item_finish(struct far_lane *lane, struct far_get_item *item, uint64_t size, uint64_t version);

// What was remembered of a key did not hold.
void get_item_forget(struct far_lane *lane, struct locate_hash hash, uint64_t id);

// What is remembered of the item's bytes, or NULL.
const struct located *get_item_find(
        const struct far_lane *lane, const struct far_get_item *item, struct locate_hash hash, uint64_t *good_until_ns);

// The next message: of the items from part.first to part.end those that are to be asked for.
struct get_items_message {
	const struct far_get_item *items;
	struct many_part part;
	uint32_t count;
	uint32_t keys; // bytes
	struct far_many_request request;
};

// Chooses of items[first] up to items[number] as many as a message and its reply hold, and makes the request of them. count 0: there are none.
void get_items_choose(const struct far_lane *lane, const struct far_get_item *items, size_t first, size_t number,
        struct get_items_message *message, struct call *call);

// Takes a part's reply (error: what it was received with). What got no answer becomes GET_ITEM_SINGLE: gets change nothing, so they may be asked for again.
void get_items_take(struct far_lane *lane, struct far_get_item *items, const struct many_part *part, int error, const struct reply *reply);

#endif
