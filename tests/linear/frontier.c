#include "tests/linear/frontier.h"

#include <stdio.h>
#include <stdlib.h>

// The search of G. Lowe, "Testing for linearizability" (2017), just-in-time linearization, breadth first: an operation is taken to have happened only when a response demands it, that one or
// others under way before it. Configurations are remembered, so that none is looked at twice. What is long over stands in the state alone, so millions of operations cost
// no more memory than those that are under way together, and a moment at which nothing is under way leaves one configuration per possible state.

#define CONFIGURATIONS_MAX (1U << 20)

struct configuration {
	uint64_t done; // a bit a slot
	struct key_state state;
};

// A set in the order of insertion.
struct set {
	struct configuration *items;
	size_t count;
	size_t capacity; // of items; the table has twice as many places
	uint32_t *table; // index + 1
};

struct frontier {
	const struct history_op *slots[FRONTIER_SLOTS];
	uint64_t used; // a bit a slot
	struct set now;
	struct set visited; // while a response is looked at
	struct set next;
};

static void *must(void *memory)
{
	if (!memory) {
		fprintf(stderr, "check: no memory\n");
		abort();
	}
	return memory;
}

static uint64_t hash(const struct configuration *configuration)
{
	uint64_t mixed = configuration->done * 0x9e3779b97f4a7c15ULL;

	mixed = (mixed ^ mixed >> 29 ^ configuration->state.value) * 0xbf58476d1ce4e5b9ULL;
	mixed = (mixed ^ mixed >> 32 ^ configuration->state.version) * 0x94d049bb133111ebULL;
	mixed = (mixed ^ mixed >> 30 ^ configuration->state.last) * 0xd6e8feb86659fd93ULL;
	return mixed ^ mixed >> 31;
}

static bool is_same(const struct configuration *a, const struct configuration *b)
{
	return a->done == b->done && a->state.value == b->state.value && a->state.version == b->state.version &&
	       a->state.last == b->state.last;
}

static uint32_t *place_of(const struct set *set, const struct configuration *configuration)
{
	size_t mask = set->capacity * 2 - 1;
	size_t at = hash(configuration) & mask;

	while (set->table[at] && !is_same(&set->items[set->table[at] - 1], configuration))
		at = (at + 1) & mask;
	return &set->table[at];
}

static void set_grow(struct set *set)
{
	set->capacity = set->capacity ? set->capacity * 2 : 16;
	set->items = must(realloc(set->items, set->capacity * sizeof(set->items[0])));
	free(set->table);
	set->table = must(calloc(set->capacity * 2, sizeof(set->table[0])));
	for (size_t i = 0; i < set->count; i++)
		*place_of(set, &set->items[i]) = (uint32_t)i + 1;
}

static void set_add(struct set *set, struct configuration configuration)
{
	uint32_t *place;

	if (set->count == set->capacity)
		set_grow(set);
	place = place_of(set, &configuration);
	if (*place)
		return;
	set->items[set->count++] = configuration;
	*place = (uint32_t)set->count;
}

static void set_clear(struct set *set)
{
	// Most sets are small while the table may once have been large: each item's place is found, last first, so that none is needed to find another.
	while (set->count > 0) {
		*place_of(set, &set->items[set->count - 1]) = 0;
		set->count--;
	}
}

static void set_fini(struct set *set)
{
	free(set->items);
	free(set->table);
}

struct frontier *frontier_new(struct key_state state)
{
	struct frontier *frontier = must(calloc(1, sizeof(*frontier)));

	set_add(&frontier->now, (struct configuration){0, state});
	return frontier;
}

void frontier_free(struct frontier *frontier)
{
	if (!frontier)
		return;
	set_fini(&frontier->now);
	set_fini(&frontier->visited);
	set_fini(&frontier->next);
	free(frontier);
}

int frontier_invoke(struct frontier *frontier, const struct history_op *op, bool may_be_done)
{
	size_t count = frontier->now.count;
	int slot;

	if (frontier->used == UINT64_MAX || (may_be_done && count > CONFIGURATIONS_MAX))
		return -1;
	slot = __builtin_ctzll(~frontier->used);
	frontier->slots[slot] = op;
	frontier->used |= 1ULL << slot;
	for (size_t i = 0; i < count && may_be_done; i++) {
		struct configuration done = frontier->now.items[i];

		done.done |= 1ULL << slot;
		set_add(&frontier->now, done);
	}
	return slot;
}

// Every way in which one more operation under way can happen next.
static void go_on(struct frontier *frontier, struct configuration from)
{
	for (uint64_t rest = frontier->used & ~from.done; rest; rest &= rest - 1) {
		int slot = __builtin_ctzll(rest);
		struct configuration to = from;

		to.done |= 1ULL << slot;
		if (model_apply(frontier->slots[slot], &to.state))
			set_add(&frontier->visited, to);
	}
}

long frontier_respond(struct frontier *frontier, int slot)
{
	struct set *visited = &frontier->visited;
	uint64_t bit = 1ULL << slot;
	struct set spare;

	for (size_t i = 0; i < frontier->now.count; i++)
		set_add(visited, frontier->now.items[i]);
	// The set grows behind `i` while it is gone through.
	for (size_t i = 0; i < visited->count; i++) {
		struct configuration configuration = visited->items[i];

		if (visited->count > CONFIGURATIONS_MAX)
			return -1;
		if (configuration.done & bit) {
			configuration.done &= ~bit;
			set_add(&frontier->next, configuration);
		} else {
			go_on(frontier, configuration);
		}
	}
	frontier->used &= ~bit;
	set_clear(visited);
	set_clear(&frontier->now);
	spare = frontier->now;
	frontier->now = frontier->next;
	frontier->next = spare;
	return (long)frontier->now.count;
}

size_t frontier_size(const struct frontier *frontier)
{
	return frontier->now.count;
}
