// The deadlines of objects: a table from object id to deadline, whose entries are also the nodes of the timing wheel's lists (expiry_wheel.h). Objects without a deadline have no part in
// it. Entries stand densely in chunks of pool pages: the last one moves into the place of one that is removed, so memory follows the number of deadlines both ways. An object is found by
// linear hashing (as in index.c), which grows and shrinks by one bucket an operation, so that no operation waits for all of it. About 36 bytes a deadline. Writer thread only.
#ifndef SERVER_EXPIRY_TABLE_H
#define SERVER_EXPIRY_TABLE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/pool.h"

#define EXPIRY_NONE UINT32_MAX // no entry

struct expiry_entry {
	uint64_t id;
	uint64_t deadline_ns;    // CLOCK_MONOTONIC
	uint32_t next, previous; // in the list of its slot of the wheel
	uint32_t chain;          // the next one of its bucket
	uint16_t slot;           // of the wheel: level << 8 | place
	uint16_t reserved;
};
static_assert(sizeof(struct expiry_entry) == 32, "at most 40 bytes a deadline, its share of the buckets included");

// A list of runs of pages, as long as there is anything in them.
struct expiry_chunks {
	uint32_t *pages; // the first of each
	uint32_t count, room;
};

#define EXPIRY_CHUNK_PAGES 4U
#define EXPIRY_CHUNK_BYTES (EXPIRY_CHUNK_PAGES * FAR_PAGE_SIZE)
#define EXPIRY_CHUNK_ENTRIES (EXPIRY_CHUNK_BYTES / (uint32_t)sizeof(struct expiry_entry))
#define EXPIRY_CHUNK_BUCKETS (EXPIRY_CHUNK_BYTES / (uint32_t)sizeof(uint32_t))

struct server;

// Embedded in its owner. Zeroed but for the server it is empty.
struct expiry_table {
	struct server *server; // whose memory it is
	struct expiry_chunks entry_chunks, bucket_chunks;
	uint32_t count;   // of entries: those with the numbers below it are in use
	uint32_t buckets; // in use
	bool is_reserved; // for an add that may come: stays, whatever is removed meanwhile
};

void expiry_table_fini(struct expiry_table *table);

struct expiry_entry *expiry_table_at(const struct expiry_table *table, uint32_t number);

// EXPIRY_NONE if the id has no entry.
uint32_t expiry_table_find(const struct expiry_table *table, uint64_t id);

// Makes sure that the next add finds room: -ENOSPC, -ENOMEM.
int expiry_table_reserve(struct expiry_table *table);

// Gives the memory of a reserve back, if there are no entries.
void expiry_table_trim(struct expiry_table *table);

// Adds an id that has no entry, behind a reserve. Returns the entry's number, which is good until the next removal.
uint32_t expiry_table_add(struct expiry_table *table, uint64_t id);

// Takes an entry out. Another one may have its number from then on: the return value is the number that this one had before, or EXPIRY_NONE.
uint32_t expiry_table_remove(struct expiry_table *table, uint32_t number);

#endif
