// Nodes of a directory's entry tree, as directory.c keeps them and the checker looks through them. Private to the two.
#ifndef SERVER_DIRECTORY_INSIDE_H
#define SERVER_DIRECTORY_INSIDE_H

#include <stdint.h>

#define BITS 6U
#define CAPACITY_MIN 4U
#define CAPACITY_MAX 64U

struct node {
	uint64_t present; // bit i: child i exists
	uint64_t prefix;  // cookie bits above this node's
	uint32_t level;   // 0 = leaf
	uint32_t capacity;
	uint64_t children[];
};

static inline uint32_t node_size(uint32_t capacity)
{
	return (uint32_t)(sizeof(struct node) + capacity * sizeof(uint64_t));
}

// The bits above the `level`-th digit: 0 beyond the last.
static inline uint64_t prefix_at(uint64_t cookie, uint32_t level)
{
	return (level + 1) * BITS < 64 ? cookie >> ((level + 1) * BITS) : 0;
}

static inline unsigned digit_at(uint64_t cookie, uint32_t level)
{
	return (unsigned)(cookie >> (level * BITS)) & 63;
}

static inline uint32_t children_of(const struct node *node)
{
	return (uint32_t)__builtin_popcountll(node->present);
}

static inline uint32_t rank_of(const struct node *node, unsigned digit)
{
	return (uint32_t)__builtin_popcountll(node->present & ((1ULL << digit) - 1));
}

#endif
