#include "server/directory.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "server/directory_inside.h"

// A radix tree over cookies with 64 ways a node, compressed: a path without branches has no nodes, and a node stores only the children it has (bitmap and
// packed array, grown and shrunk by doubling). So a directory of one entry costs one small block, and a cookie far from the others costs no more.
// Leaves (level 0) hold record offsets, inner nodes hold node offsets.

#define PATH_MAX_NODES 11 // 64-bit cookies, 6 bits a level

static struct node *node_at(const struct pool *pool, uint64_t offset)
{
	return pool_at(pool, offset);
}

static uint64_t node_new(struct pool *pool, uint32_t level, uint64_t prefix, uint32_t capacity)
{
	uint64_t offset = pool_block_alloc(pool, node_size(capacity));

	if (offset)
		*node_at(pool, offset) = (struct node){.level = level, .prefix = prefix, .capacity = capacity};
	return offset;
}

static void node_free(struct pool *pool, uint64_t offset)
{
	pool_block_free(pool, offset, node_size(node_at(pool, offset)->capacity));
}

// Another capacity for the node that *link names. False: no memory, nothing changed.
static bool node_resize(struct pool *pool, uint64_t *link, uint32_t capacity)
{
	struct node *old = node_at(pool, *link);
	uint64_t offset = node_new(pool, old->level, old->prefix, capacity);
	struct node *node;

	if (offset == 0)
		return false;
	node = node_at(pool, offset);
	node->present = old->present;
	memcpy(node->children, old->children, children_of(old) * sizeof(uint64_t));
	node_free(pool, *link);
	*link = offset;
	return true;
}

// The node must have room.
static void node_add(struct node *node, unsigned digit, uint64_t child)
{
	uint32_t rank = rank_of(node, digit);

	memmove(&node->children[rank + 1], &node->children[rank], (children_of(node) - rank) * sizeof(uint64_t));
	node->children[rank] = child;
	node->present |= 1ULL << digit;
}

static void node_drop(struct node *node, unsigned digit)
{
	uint32_t rank = rank_of(node, digit);

	node->present &= ~(1ULL << digit);
	memmove(&node->children[rank], &node->children[rank + 1], (children_of(node) - rank) * sizeof(uint64_t));
}

// A leaf that holds just this entry, or 0.
static uint64_t leaf_new(struct pool *pool, uint64_t cookie, uint64_t entry)
{
	uint64_t offset = node_new(pool, 0, prefix_at(cookie, 0), CAPACITY_MIN);

	if (offset)
		node_add(node_at(pool, offset), digit_at(cookie, 0), entry);
	return offset;
}

// Adds a child to the node that *link names, growing it if it is full.
static int link_add(struct pool *pool, uint64_t *link, unsigned digit, uint64_t child)
{
	struct node *node = node_at(pool, *link);

	if (children_of(node) == node->capacity && !node_resize(pool, link, node->capacity * 2))
		return -ENOSPC;
	node_add(node_at(pool, *link), digit, child);
	return 0;
}

// Puts a branch above the node that *link names: that node and a new leaf become its children.
static int link_branch(struct pool *pool, uint64_t *link, uint64_t cookie, uint64_t leaf)
{
	struct node *below = node_at(pool, *link);
	uint64_t below_cookie = below->prefix << ((below->level + 1) * BITS);
	uint32_t level = below->level + 1;
	uint64_t offset;

	while (prefix_at(below_cookie, level) != prefix_at(cookie, level))
		level++;
	offset = node_new(pool, level, prefix_at(cookie, level), CAPACITY_MIN);
	if (offset == 0)
		return -ENOSPC;
	node_add(node_at(pool, offset), digit_at(below_cookie, level), *link);
	node_add(node_at(pool, offset), digit_at(cookie, level), leaf);
	*link = offset;
	return 0;
}

static int tree_insert(struct pool *pool, uint64_t *root, uint64_t cookie, uint64_t entry)
{
	uint64_t *link = root;
	uint64_t leaf;
	int error;

	while (*link) {
		struct node *node = node_at(pool, *link);
		unsigned digit = digit_at(cookie, node->level);

		if (node->prefix != prefix_at(cookie, node->level))
			break;
		if (node->level == 0)
			return link_add(pool, link, digit, entry);
		if (!(node->present & 1ULL << digit)) {
			leaf = leaf_new(pool, cookie, entry);
			if (leaf == 0)
				return -ENOSPC;
			error = link_add(pool, link, digit, leaf);
			if (error)
				node_free(pool, leaf);
			return error;
		}
		link = &node->children[rank_of(node, digit)];
	}
	leaf = leaf_new(pool, cookie, entry);
	if (leaf == 0)
		return -ENOSPC;
	if (*link == 0) {
		*link = leaf;
		return 0;
	}
	error = link_branch(pool, link, cookie, leaf);
	if (error)
		node_free(pool, leaf);
	return error;
}

// Where the leaf keeps this cookie's entry. The cookie is in the tree.
static uint64_t *tree_slot(const struct pool *pool, const struct far_record *directory, uint64_t cookie)
{
	struct node *node = node_at(pool, directory->u.directory.tree);

	while (node->level > 0)
		node = node_at(pool, node->children[rank_of(node, digit_at(cookie, node->level))]);
	return &node->children[rank_of(node, digit_at(cookie, 0))];
}

static void tree_remove(struct pool *pool, uint64_t *root, uint64_t cookie)
{
	uint64_t *links[PATH_MAX_NODES];
	unsigned depth = 0;
	struct node *node;

	links[0] = root;
	for (node = node_at(pool, *root); node->level > 0; node = node_at(pool, *links[depth])) {
		links[depth + 1] = &node->children[rank_of(node, digit_at(cookie, node->level))];
		depth++;
	}
	node_drop(node, digit_at(cookie, 0));
	while (node->present == 0) {
		node_free(pool, *links[depth]);
		if (depth == 0) {
			*root = 0;
			return;
		}
		depth--;
		node = node_at(pool, *links[depth]);
		node_drop(node, digit_at(cookie, node->level));
	}
	if (node->level > 0 && children_of(node) == 1) {
		uint64_t only = node->children[0];

		node_free(pool, *links[depth]);
		*links[depth] = only;
	} else if (node->capacity > CAPACITY_MIN && children_of(node) <= node->capacity / 4) {
		node_resize(pool, links[depth], node->capacity / 2); // no memory: it stays as large as it is
	}
}

// The first entry of a subtree.
static uint64_t first_entry(const struct pool *pool, uint64_t offset)
{
	const struct node *node = node_at(pool, offset);

	while (node->level > 0)
		node = node_at(pool, node->children[0]);
	return node->children[0];
}

uint64_t directory_next(const struct pool *pool, const struct far_record *directory, uint64_t cookie)
{
	uint64_t offset = directory->u.directory.tree;
	uint64_t wanted = cookie + 1;
	uint64_t behind = 0; // the nearest subtree (or entry) behind the path
	bool is_entry = false;

	if (wanted == 0)
		return 0;
	while (offset) {
		const struct node *node = node_at(pool, offset);
		unsigned digit = digit_at(wanted, node->level);
		uint64_t above;

		if (node->prefix > prefix_at(wanted, node->level))
			return first_entry(pool, offset);
		if (node->prefix < prefix_at(wanted, node->level))
			break;
		above = digit == 63 ? 0 : node->present >> (digit + 1);
		if (above) {
			behind = node->children[rank_of(node, digit) + (node->present >> digit & 1)];
			is_entry = node->level == 0;
		}
		if (!(node->present & 1ULL << digit))
			break;
		if (node->level == 0)
			return node->children[rank_of(node, digit)];
		offset = node->children[rank_of(node, digit)];
	}
	if (behind == 0 || is_entry)
		return behind;
	return first_entry(pool, behind);
}

static void count_entries(struct far_record *directory, int64_t change)
{
	uint64_t size = atomic_load_explicit(&directory->size, memory_order_relaxed);

	atomic_store_explicit(&directory->size, size + (uint64_t)change, memory_order_relaxed);
}

int directory_insert(struct pool *pool, struct far_record *directory, uint64_t entry)
{
	struct far_record *record = pool_at(pool, entry);
	uint64_t cookie = directory->u.directory.next_cookie + 1;
	int error = tree_insert(pool, &directory->u.directory.tree, cookie, entry);

	if (error)
		return error;
	directory->u.directory.next_cookie = cookie;
	record->cookie = cookie;
	count_entries(directory, 1);
	return 0;
}

void directory_remove(struct pool *pool, struct far_record *directory, uint64_t entry)
{
	const struct far_record *record = pool_at(pool, entry);

	tree_remove(pool, &directory->u.directory.tree, record->cookie);
	count_entries(directory, -1);
}

void directory_replace(struct pool *pool, struct far_record *directory, uint64_t entry, uint64_t replacement)
{
	const struct far_record *record = pool_at(pool, entry);

	*tree_slot(pool, directory, record->cookie) = replacement;
	((struct far_record *)pool_at(pool, replacement))->cookie = record->cookie;
}
