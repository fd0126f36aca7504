// Which object is to go when room is needed: S3-FIFO (J. Yang, Y. Zhang, Z. Qiu, Y. Yue, K. V. Rashmi: "FIFO queues are all you need for cache eviction", SOSP 2023). What is new goes through a small
// queue, a tenth of all; what is used meanwhile moves on to the main queue, the rest is evicted early, so that what is asked for once does not drive out what is asked for often. The main
// queue gives what was used another turn. Of what went unused, a ghost remembers a fingerprint for about as long as the main queue is: if it comes again it begins in the main queue.
//
// Whoever reads one-sidedly is not seen to use anything. So each item is recalled (eviction_items.recall) halfway through the small queue, and at each turn in the main one: from then on its readers must
// ask again, and the first that does is seen. That is why the small queue is two, young and old.
//
// Items are the owner's: ids and, with each, a byte that this module keeps its state in (how often it was used, which queue it is in). A queue is a list of chunks of ids; an item that ends in another way
// leaves its id there, which is passed over later, and swept away where these become too many: by adds and drops, a chunk at a time. A call looks at two or three items, where many were used or swept at some EVICTION_CHUNK_SLOTS; a take
// also passes over what has ended and was not swept yet, each id but once. 8 bytes an item in a queue and 2 bytes one
// remembered, of the heap. No threads of its own; FIFO and LRU, to compare it with, are in scripts/bench/eviction_traces.c.
#ifndef SERVER_EVICTION_POLICY_H
#define SERVER_EVICTION_POLICY_H

#include <stdbool.h>
#include <stdint.h>

struct eviction_policy;

// How near an item's turn is, when its owner is told of it so that what was not looked at for long is on its way to the cache.
enum eviction_step {
	EVICTION_STEP_ITEM, // it will be looked at; nothing of it is in the cache
	EVICTION_STEP_NAME, // it is, and is likely to end: then it is looked up by its name
	EVICTION_STEP_REST, // what the name leads to first is
	EVICTION_STEPS
};

struct eviction_items {
	void *context;
	uint8_t *(*state)(void *context, uint64_t id); // where it is; NULL: there is no such item
	void (*recall)(void *context, uint64_t id);    // the item's next use shall be seen, whoever it is by
	uint32_t (*hash)(void *context, uint64_t id);  // of its name, by which it is known again
	void (*expect)(void *context, uint64_t id, enum eviction_step step);
};

#define EVICTION_CHUNK_SLOTS 510U
#define EVICTION_USES_MAX 3U

enum eviction_queue { EVICTION_QUEUE_NONE, EVICTION_QUEUE_YOUNG, EVICTION_QUEUE_OLD, EVICTION_QUEUE_MAIN, EVICTION_QUEUES };

// The state byte; 0 for an item that is in no queue and has not been used.
#define EVICTION_USES(state) ((state)&3U)
#define EVICTION_QUEUE(state) ((enum eviction_queue)((state) >> 2 & 3U))

// At most so many items in all. -ENOMEM.
int eviction_policy_new(const struct eviction_items *items, uint64_t items_max, struct eviction_policy **policy);
void eviction_policy_free(struct eviction_policy *policy); // NULL: nothing

// Makes sure that the next add, return or take finds memory: -ENOMEM.
int eviction_policy_reserve(struct eviction_policy *policy);

// An item whose name has this hash is added or remembered soon: what is looked at for it is on its way to the cache then.
void eviction_policy_expect(const struct eviction_policy *policy, uint32_t hash);

// A new item, behind a reserve.
void eviction_policy_add(struct eviction_policy *policy, uint64_t id);

// One that take gave, and that was not ended after all, is to be evicted again some day. Behind a reserve.
void eviction_policy_return(struct eviction_policy *policy, uint64_t id);

// The item ends without having been taken, or is not to be evicted any more.
void eviction_policy_drop(struct eviction_policy *policy, uint8_t *state);

// The next one to go, behind a reserve: it is in no queue from then on. Any: of the small queue while there is one, and used or not, so that as many takes as there are items give each of them once, whatever
// returns meanwhile. False: there is none.
bool eviction_policy_take(struct eviction_policy *policy, bool is_any, uint64_t *id);

// What take gave is about to end.
void eviction_policy_remember(struct eviction_policy *policy, uint64_t id);

// The item was used. Once is nothing if nobody looks: two bits.
static inline void eviction_policy_use(uint8_t *state)
{
	if (EVICTION_USES(*state) < EVICTION_USES_MAX)
		++*state;
}

// One use is forgotten.
static inline void eviction_policy_unuse(uint8_t *state)
{
	if (EVICTION_USES(*state) > 0)
		--*state;
}

// Items in all queues.
uint64_t eviction_policy_items(const struct eviction_policy *policy);

// A look through all queues, for as long as nothing changes in them.
struct eviction_walk {
	uint64_t changes; // as it began
	enum eviction_queue queue;
	const void *next;                // chunk of that queue
	uint64_t found[EVICTION_QUEUES]; // items, by the queue that leads to them and that their state names
};
void eviction_policy_walk_begin(const struct eviction_policy *policy, struct eviction_walk *walk);
bool eviction_policy_is_unchanged(const struct eviction_policy *policy, const struct eviction_walk *walk);

// Looks at the next EVICTION_CHUNK_SLOTS ids. False: there are no more, or something has changed.
bool eviction_policy_walk(const struct eviction_policy *policy, struct eviction_walk *walk);

// Items in a queue, and bytes of the heap that all of it takes.
uint64_t eviction_policy_count(const struct eviction_policy *policy, enum eviction_queue queue);
uint64_t eviction_policy_bytes(const struct eviction_policy *policy);

#endif
