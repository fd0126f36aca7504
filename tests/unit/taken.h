// Memory that a test takes from a pool, so that there is little or none left, and gives back.
#ifndef TESTS_TAKEN_H
#define TESTS_TAKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "server/pool.h"

struct taken_piece {
	uint64_t at; // offset of a block, or number of a page
	uint32_t size;
	bool is_block;
};

// Begins as {.pool = ...}.
struct taken {
	struct pool *pool;
	struct taken_piece *pieces;
	uint32_t count, room;
};

// All pages but so many.
void taken_pages(struct taken *taken, uint32_t leave);

// All blocks that the pool can still give, of each size.
void taken_blocks(struct taken *taken);

// Gives back so many of the pages.
void taken_leave_pages(struct taken *taken, uint32_t pages);

// Gives all of it back.
void taken_give_back(struct taken *taken);

#endif
