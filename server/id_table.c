#include "server/id_table.h"

#include <stdlib.h>

// Invariant: between an entry's home slot and its slot no slot is empty. Writer thread only.

#define CAPACITY_MIN 16U

// Ids differ mostly in the position bits at the bottom: a multiply spreads them to the top (Fibonacci hashing, Knuth 6.4).
static uint32_t home_slot(const struct id_table *table, uint64_t id)
{
	return (uint32_t)(id * 0x9e3779b97f4a7c15ULL >> 32) & (table->capacity - 1);
}

void id_table_fini(struct id_table *table)
{
	free(table->slots);
	*table = (struct id_table){0};
}

// The slot of the id, or the empty one where it would stand.
static struct id_slot *slot_of(const struct id_table *table, uint64_t id)
{
	uint32_t position = home_slot(table, id);

	while (table->slots[position].id != 0 && table->slots[position].id != id)
		position = (position + 1) & (table->capacity - 1);
	return &table->slots[position];
}

uint64_t *id_table_find(const struct id_table *table, uint64_t id)
{
	struct id_slot *slot;

	if (table->used == 0)
		return NULL;
	slot = slot_of(table, id);
	return slot->id ? &slot->number : NULL;
}

static bool grow(struct id_table *table)
{
	struct id_table grown = {.capacity = table->capacity ? table->capacity * 2 : CAPACITY_MIN, .used = table->used};

	grown.slots = calloc(grown.capacity, sizeof(*grown.slots));
	if (!grown.slots)
		return false;
	for (uint32_t i = 0; i < table->capacity; i++)
		if (table->slots[i].id)
			*slot_of(&grown, table->slots[i].id) = table->slots[i];
	free(table->slots);
	*table = grown;
	return true;
}

uint64_t *id_table_add(struct id_table *table, uint64_t id)
{
	struct id_slot *slot;

	if ((table->used + 1) * 4ULL > table->capacity * 3ULL && !grow(table))
		return NULL;
	slot = slot_of(table, id);
	if (slot->id == 0) {
		*slot = (struct id_slot){.id = id};
		table->used++;
	}
	return &slot->number;
}

void id_table_remove(struct id_table *table, uint64_t id)
{
	uint32_t mask = table->capacity - 1;
	uint32_t hole, next;
	struct id_slot *slot;

	if (table->used == 0)
		return;
	slot = slot_of(table, id);
	if (slot->id == 0)
		return;
	table->used--;
	hole = (uint32_t)(slot - table->slots);
	for (next = (hole + 1) & mask; table->slots[next].id; next = (next + 1) & mask) {
		uint32_t from_home = (next - home_slot(table, table->slots[next].id)) & mask;

		// An entry may move back into the hole unless its home lies behind the hole.
		if (from_home >= ((next - hole) & mask)) {
			table->slots[hole] = table->slots[next];
			hole = next;
		}
	}
	table->slots[hole] = (struct id_slot){0};
}

bool id_table_next(const struct id_table *table, uint32_t *position, struct id_slot *entry)
{
	while (*position < table->capacity) {
		*entry = table->slots[(*position)++];
		if (entry->id)
			return true;
	}
	return false;
}
