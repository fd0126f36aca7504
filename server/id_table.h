// A table from object ids to 64-bit numbers on the heap: open addressing with linear probing, deletion by shifting back (no tombstones), doubled at 3/4 full, so
// an operation costs a probe or two and memory follows the number of entries. Used for a session's holds and for the chains of hard links.
#ifndef SERVER_ID_TABLE_H
#define SERVER_ID_TABLE_H

#include <stdbool.h>
#include <stdint.h>

struct id_slot {
	uint64_t id; // 0 = empty: no object has id 0
	uint64_t number;
};

// Embedded in its owner; zeroed memory is an empty table.
struct id_table {
	struct id_slot *slots;
	uint32_t capacity; // a power of two, or 0
	uint32_t used;
};

void id_table_fini(struct id_table *table);

// The number of an id, or NULL. Valid until the next add or remove.
uint64_t *id_table_find(const struct id_table *table, uint64_t id);

// As find, but adds the id with number 0 if it is not there. NULL: no memory.
uint64_t *id_table_add(struct id_table *table, uint64_t id);

// Removes an id; one that is not there is none.
void id_table_remove(struct id_table *table, uint64_t id);

// Goes through all entries, in no order: *position starts at 0. The table must not change meanwhile, but that the entry may be removed: then take *position
// back by one, for another one may stand there now.
bool id_table_next(const struct id_table *table, uint32_t *position, struct id_slot *entry);

#endif
