#include "server/eviction_policy.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "far/bucket.h"

#define SMALL_PART 10U  // the small queue is one part of so many
#define USES_TO_STAY 1U // in the small queue, not to be evicted from there
#define CHANCES 128U    // an item that was used is passed over so often in one take; then it goes in spite of that
#define MOVES 2U        // from young to old, of each add
#define SPARE_CHUNKS 4U // a take or an add opens at most one chunk of each queue
#define GHOST_LINE 32U  // fingerprints in a cache line

// Ids before an item's turn at which it is expected, by enum eviction_step: a full pool evicts one or a few at a time, each some 0.1 us, and a line of memory may take 0.3 us to come.
static const uint32_t ahead[EVICTION_STEPS] = {16, 8, 4};

struct chunk {
	struct chunk *next;
	uint32_t first, end; // those between are in use
	uint64_t slots[EVICTION_CHUNK_SLOTS];
};
static_assert(sizeof(struct chunk) <= 4096, "a page");

struct queue {
	struct chunk *head, *tail; // NULL: there are none
	uint64_t live;             // items whose state names this queue
	uint64_t slots;            // these, and ids that lead to nothing any more
};

// Fingerprints by name, in lines that are queues by themselves: the newest in front. Those lines are in use that the main queue's length asks for.
struct ghost {
	uint16_t (*lines)[GHOST_LINE];
	uint64_t lines_max;
};

struct eviction_policy {
	struct eviction_items items;
	struct queue queues[EVICTION_QUEUES]; // by enum eviction_queue; the first is not used
	struct ghost ghost;
	struct chunk *spare;
	uint32_t spare_count;
	uint64_t chunks;     // in queues
	uint64_t changes;    // of queues: what they lead to, and which chunks they are
	struct chunk *swept; // the sweep goes on behind this one
	enum eviction_queue swept_queue;
};

int eviction_policy_new(const struct eviction_items *items, uint64_t items_max, struct eviction_policy **out)
{
	struct eviction_policy *policy = calloc(1, sizeof(*policy));
	void *lines;

	if (!policy)
		return -ENOMEM;
	policy->items = *items;
	policy->swept_queue = EVICTION_QUEUE_YOUNG;
	policy->ghost.lines_max = items_max / GHOST_LINE + 1;
	// Touched as it is used.
	lines = mmap(NULL, policy->ghost.lines_max * sizeof(policy->ghost.lines[0]), PROT_READ | PROT_WRITE,
	        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (lines == MAP_FAILED) {
		free(policy);
		return -ENOMEM;
	}
	policy->ghost.lines = lines;
	*out = policy;
	return 0;
}

static void chunks_free(struct chunk *chunk)
{
	while (chunk) {
		struct chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

void eviction_policy_free(struct eviction_policy *policy)
{
	if (!policy)
		return;
	for (unsigned queue = 0; queue < EVICTION_QUEUES; queue++)
		chunks_free(policy->queues[queue].head);
	chunks_free(policy->spare);
	munmap(policy->ghost.lines, policy->ghost.lines_max * sizeof(policy->ghost.lines[0]));
	free(policy);
}

int eviction_policy_reserve(struct eviction_policy *policy)
{
	while (policy->spare_count < SPARE_CHUNKS) {
		struct chunk *chunk = malloc(sizeof(*chunk));

		if (!chunk)
			return -ENOMEM;
		chunk->next = policy->spare;
		policy->spare = chunk;
		policy->spare_count++;
	}
	return 0;
}

// --- queues ---

static void push(struct eviction_policy *policy, enum eviction_queue to, uint64_t id, uint8_t *state, unsigned uses)
{
	struct queue *queue = &policy->queues[to];
	struct chunk *chunk = queue->tail;

	if (!chunk || chunk->end == EVICTION_CHUNK_SLOTS) {
		chunk = policy->spare; // of the reserve
		policy->spare = chunk->next;
		policy->spare_count--;
		policy->chunks++;
		*chunk = (struct chunk){.next = NULL};
		if (queue->tail)
			queue->tail->next = chunk;
		else
			queue->head = chunk;
		queue->tail = chunk;
	}
	policy->changes++;
	chunk->slots[chunk->end++] = id;
	queue->slots++;
	queue->live++;
	*state = (uint8_t)(uses | (unsigned)to << 2);
}

static void chunk_end(struct eviction_policy *policy, struct chunk *chunk)
{
	policy->chunks--;
	if (policy->spare_count >= SPARE_CHUNKS) {
		free(chunk);
		return;
	}
	chunk->next = policy->spare;
	policy->spare = chunk;
	policy->spare_count++;
}

// The first chunk has nothing in it any more: nor must its successor, of which the sweep may have left nothing.
static void end_head(struct eviction_policy *policy, struct queue *queue)
{
	while (queue->head && queue->head->first == queue->head->end) {
		struct chunk *chunk = queue->head;

		queue->head = chunk->next;
		if (!queue->head)
			queue->tail = NULL;
		if (policy->swept == chunk)
			policy->swept = NULL;
		chunk_end(policy, chunk);
	}
}

// The item of an id in a queue; NULL: it has ended, or is somewhere else.
static uint8_t *state_in(const struct eviction_policy *policy, enum eviction_queue queue, uint64_t id)
{
	uint8_t *state = policy->items.state(policy->items.context, id);

	return state && EVICTION_QUEUE(*state) == queue ? state : NULL;
}

static void expect(const struct eviction_policy *policy, enum eviction_queue from, enum eviction_step step)
{
	const struct chunk *chunk = policy->queues[from].head;
	const uint8_t *state;
	uint64_t id;

	if (chunk->first + ahead[step] >= chunk->end)
		return;
	id = chunk->slots[chunk->first + ahead[step]];
	state = step > EVICTION_STEP_ITEM ? state_in(policy, from, id) : NULL;
	if (step == EVICTION_STEP_ITEM || (state && EVICTION_USES(*state) == 0))
		policy->items.expect(policy->items.context, id, step);
}

// The young ones only become old.
static void look_ahead(const struct eviction_policy *policy, enum eviction_queue from)
{
	expect(policy, from, EVICTION_STEP_ITEM);
	if (from == EVICTION_QUEUE_YOUNG)
		return;
	expect(policy, from, EVICTION_STEP_NAME);
	expect(policy, from, EVICTION_STEP_REST);
}

// The oldest item, which is in no queue from then on; NULL: there is none, or too many ids have been passed over.
static uint8_t *pop(struct eviction_policy *policy, enum eviction_queue from, uint64_t *id)
{
	struct queue *queue = &policy->queues[from];
	uint8_t *state = NULL;

	policy->changes++;
	for (unsigned passed = 0; queue->head && !state && passed < EVICTION_CHUNK_SLOTS; passed++) {
		look_ahead(policy, from);
		*id = queue->head->slots[queue->head->first++];
		queue->slots--;
		state = state_in(policy, from, *id);
		end_head(policy, queue);
	}
	if (!state)
		return NULL;
	queue->live--;
	*state = (uint8_t)EVICTION_USES(*state);
	return state;
}

static uint64_t small_items(const struct eviction_policy *policy)
{
	return policy->queues[EVICTION_QUEUE_YOUNG].live + policy->queues[EVICTION_QUEUE_OLD].live;
}

uint64_t eviction_policy_items(const struct eviction_policy *policy)
{
	return small_items(policy) + policy->queues[EVICTION_QUEUE_MAIN].live;
}

static bool is_small_too_long(const struct eviction_policy *policy)
{
	uint64_t small = small_items(policy);

	return small > 0 && small * SMALL_PART >= eviction_policy_items(policy);
}

// --- the sweep ---

static void keep_live(const struct eviction_policy *policy, enum eviction_queue number, struct chunk *chunk)
{
	uint32_t kept = 0;

	for (uint32_t i = chunk->first; i < chunk->end; i++)
		if (state_in(policy, number, chunk->slots[i]))
			chunk->slots[kept++] = chunk->slots[i];
	chunk->first = 0;
	chunk->end = kept;
}

// The chunk behind one that has room for all of it ends.
static void join_next(struct eviction_policy *policy, struct queue *queue, struct chunk *chunk)
{
	struct chunk *next = chunk->next;

	if (!next || chunk->end + (next->end - next->first) > EVICTION_CHUNK_SLOTS)
		return;
	memcpy(&chunk->slots[chunk->end], &next->slots[next->first], (next->end - next->first) * sizeof(next->slots[0]));
	chunk->end += next->end - next->first;
	chunk->next = next->next;
	if (queue->tail == next)
		queue->tail = chunk;
	chunk_end(policy, next);
}

// Where more ids lead to nothing than to something, one chunk is looked through.
static void sweep(struct eviction_policy *policy)
{
	struct queue *queue = &policy->queues[policy->swept_queue];
	struct chunk *chunk = policy->swept ? policy->swept->next : queue->head;
	uint64_t slots = 0;
	uint32_t before;

	for (unsigned i = EVICTION_QUEUE_YOUNG; i < EVICTION_QUEUES; i++)
		slots += policy->queues[i].slots;
	if (slots <= 2 * eviction_policy_items(policy) + 2 * EVICTION_CHUNK_SLOTS)
		return;
	policy->swept = chunk;
	if (!chunk) {
		policy->swept_queue = policy->swept_queue == EVICTION_QUEUE_MAIN ? EVICTION_QUEUE_YOUNG : policy->swept_queue + 1;
		return;
	}
	before = chunk->end - chunk->first;
	keep_live(policy, policy->swept_queue, chunk);
	queue->slots -= before - chunk->end;
	join_next(policy, queue, chunk);
	end_head(policy, queue);
}

// --- the ghost ---

static uint64_t ghost_lines(const struct eviction_policy *policy)
{
	uint64_t lines = policy->queues[EVICTION_QUEUE_MAIN].live / GHOST_LINE + 1;

	return lines < policy->ghost.lines_max ? lines : policy->ghost.lines_max;
}

static uint16_t *ghost_line(const struct eviction_policy *policy, uint32_t hash, uint16_t *fingerprint)
{
	*fingerprint = (uint16_t)(hash >> 16);
	*fingerprint |= *fingerprint == 0; // 0: there is none
	return policy->ghost.lines[far_bucket_number(ghost_lines(policy), hash * 0x9e3779b1U)];
}

void eviction_policy_expect(const struct eviction_policy *policy, uint32_t hash)
{
	uint16_t fingerprint;

	__builtin_prefetch(ghost_line(policy, hash, &fingerprint), 1);
}

static void ghost_add(struct eviction_policy *policy, uint32_t hash)
{
	uint16_t fingerprint;
	uint16_t *line = ghost_line(policy, hash, &fingerprint);

	memmove(line + 1, line, (GHOST_LINE - 1) * sizeof(line[0]));
	line[0] = fingerprint;
}

static bool ghost_take(struct eviction_policy *policy, uint32_t hash)
{
	uint16_t fingerprint;
	uint16_t *line = ghost_line(policy, hash, &fingerprint);

	for (unsigned i = 0; i < GHOST_LINE; i++)
		if (line[i] == fingerprint) {
			line[i] = 0;
			return true;
		}
	return false;
}

// --- items ---

static void recall(struct eviction_policy *policy, uint64_t id)
{
	policy->items.recall(policy->items.context, id);
}

// The halves of the small queue stay alike.
static void grow_old(struct eviction_policy *policy)
{
	for (unsigned i = 0; i < MOVES && policy->queues[EVICTION_QUEUE_YOUNG].live > policy->queues[EVICTION_QUEUE_OLD].live; i++) {
		uint64_t id;
		uint8_t *state = pop(policy, EVICTION_QUEUE_YOUNG, &id);

		if (!state)
			return;
		push(policy, EVICTION_QUEUE_OLD, id, state, EVICTION_USES(*state));
		recall(policy, id);
	}
}

void eviction_policy_add(struct eviction_policy *policy, uint64_t id)
{
	uint8_t *state = policy->items.state(policy->items.context, id);
	uint32_t hash = policy->items.hash(policy->items.context, id);

	push(policy, ghost_take(policy, hash) ? EVICTION_QUEUE_MAIN : EVICTION_QUEUE_YOUNG, id, state, 0);
	grow_old(policy);
	sweep(policy);
}

void eviction_policy_return(struct eviction_policy *policy, uint64_t id)
{
	uint8_t *state = policy->items.state(policy->items.context, id);

	push(policy, EVICTION_QUEUE_MAIN, id, state, EVICTION_USES(*state));
}

void eviction_policy_drop(struct eviction_policy *policy, uint8_t *state)
{
	if (EVICTION_QUEUE(*state) != EVICTION_QUEUE_NONE)
		policy->queues[EVICTION_QUEUE(*state)].live--;
	*state = 0;
	policy->changes++;
	sweep(policy);
}

// One that was used moves on, or has another turn.
static void keep(struct eviction_policy *policy, uint64_t id, uint8_t *state, unsigned uses)
{
	push(policy, EVICTION_QUEUE_MAIN, id, state, uses);
	recall(policy, id);
}

bool eviction_policy_take(struct eviction_policy *policy, bool is_any, uint64_t *id)
{
	for (unsigned chances = is_any ? 0 : CHANCES; eviction_policy_items(policy) > 0;) {
		bool is_of_small = is_any ? small_items(policy) > 0 : is_small_too_long(policy);
		enum eviction_queue from = !is_of_small                                  ? EVICTION_QUEUE_MAIN
		                           : policy->queues[EVICTION_QUEUE_OLD].live > 0 ? EVICTION_QUEUE_OLD
		                                                                         : EVICTION_QUEUE_YOUNG;
		uint8_t *state = pop(policy, from, id);
		unsigned uses = state ? EVICTION_USES(*state) : 0;

		if (!state)
			continue;
		if (chances == 0 || uses < (is_of_small ? USES_TO_STAY : 1))
			return true;
		keep(policy, *id, state, is_of_small ? 0 : uses - 1);
		chances--;
	}
	return false;
}

void eviction_policy_remember(struct eviction_policy *policy, uint64_t id)
{
	ghost_add(policy, policy->items.hash(policy->items.context, id));
}

// --- the walk ---

void eviction_policy_walk_begin(const struct eviction_policy *policy, struct eviction_walk *walk)
{
	*walk = (struct eviction_walk){.changes = policy->changes, .queue = EVICTION_QUEUE_NONE};
}

bool eviction_policy_is_unchanged(const struct eviction_policy *policy, const struct eviction_walk *walk)
{
	return policy->changes == walk->changes;
}

bool eviction_policy_walk(const struct eviction_policy *policy, struct eviction_walk *walk)
{
	const struct chunk *chunk;

	if (!eviction_policy_is_unchanged(policy, walk))
		return false;
	while (!walk->next) {
		if (walk->queue == EVICTION_QUEUE_MAIN)
			return false;
		walk->next = policy->queues[++walk->queue].head;
	}
	chunk = walk->next;
	for (uint32_t i = chunk->first; i < chunk->end; i++)
		walk->found[walk->queue] += state_in(policy, walk->queue, chunk->slots[i]) != NULL;
	walk->next = chunk->next;
	return true;
}

// --- figures ---

uint64_t eviction_policy_count(const struct eviction_policy *policy, enum eviction_queue queue)
{
	return policy->queues[queue].live;
}

uint64_t eviction_policy_bytes(const struct eviction_policy *policy)
{
	return (policy->chunks + policy->spare_count) * sizeof(struct chunk) + ghost_lines(policy) * sizeof(policy->ghost.lines[0]);
}
