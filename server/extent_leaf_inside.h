// Leaves and roots of an extent map, as extent_leaf.c keeps them and the checker looks through them. Private to the two.
#ifndef SERVER_EXTENT_LEAF_INSIDE_H
#define SERVER_EXTENT_LEAF_INSIDE_H

#include "far/layout.h"

#define ROOT_BIT 1ULL
#define LEAF_CAPACITY_MIN 3U
#define LEAF_CAPACITY_MAX 255U // a block of 4096 bytes

struct leaf {
	uint32_t count;
	uint32_t capacity;
	uint64_t reserved;
	struct far_extent extents[];
};

struct root_entry {
	uint32_t first_page; // lower bound of the leaf's file pages; entry 0 takes everything below, too
	uint32_t reserved;
	uint64_t leaf;
};

struct root {
	uint32_t count;
	uint32_t capacity;
	uint64_t bytes; // allocated: a block up to FAR_BLOCK_MAX, else whole pages
	struct root_entry entries[];
};

static inline uint32_t leaf_size(uint32_t capacity)
{
	return (uint32_t)(sizeof(struct leaf) + capacity * sizeof(struct far_extent));
}

#endif
