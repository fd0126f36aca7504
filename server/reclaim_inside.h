// What reclaim.c keeps, for the checker to look through. Private to the two.
#ifndef SERVER_RECLAIM_INSIDE_H
#define SERVER_RECLAIM_INSIDE_H

#include "server/reclaim.h"

enum item_kind { ITEM_PAGES, ITEM_BLOCK, ITEM_RECORD, ITEM_CALL };

struct item {
	uint64_t offset; // or page, or the address of a reclaim_call
	uint32_t size;   // bytes, or pages
	uint32_t kind;
};

struct batch {
	struct batch *next;
	struct item *items;
	uint32_t count;
	uint32_t capacity;
	struct reclaim_section *sections;
	int section_count;
	uint64_t tickets; // waits until every ticket below is done
};

struct reclaim {
	struct pool *pool;
	struct reclaim_readers readers;
	struct batch *open;
	struct batch *spare; // one kept, so that the usual run allocates nothing
	struct batch *oldest;
	struct batch *newest;
	uint64_t bytes;   // waiting
	uint64_t retired; // ever handed in
	// Transfers: tickets [low, next) may be under way; done[] remembers which of them are over, a ring of `window` (a power of two).
	uint64_t low;
	uint64_t next;
	uint64_t window;
	uint8_t *done;
};

#endif
