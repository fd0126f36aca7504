// Leaves of an extent map: sorted arrays of extents in pool blocks, one alone or many under a sorted root array. A handle is the pool offset of the only leaf, or the root's
// with its lowest bit set. Private to extent_map.c. Writer thread only.
#ifndef SERVER_EXTENT_LEAF_H
#define SERVER_EXTENT_LEAF_H

#include "server/pool.h"

// An empty leaf with room for three extents, or 0.
uint64_t extent_leaf_new(struct pool *pool);

// Frees all leaves and the root.
void extent_leaf_free(struct pool *pool, uint64_t handle);

// The extent that covers the page, whole, or else the first behind it. 0: none.
int extent_leaf_find(const struct pool *pool, uint64_t handle, uint32_t file_page, struct far_extent *extent);

// Adds an extent. Returns with how many neighbours it was merged (0..2), or -ENOSPC: nothing changed.
int extent_leaf_insert(struct pool *pool, uint64_t *handle, struct far_extent extent);

// `behind` is the tail of an extent that is there: makes it an extent of its own. -ENOSPC: nothing changed.
int extent_leaf_split(struct pool *pool, uint64_t *handle, struct far_extent behind);

// Cuts `pages` off the end of the extent that covers `file_page`; one of which nothing is left is removed. Returns 1 if it was. Never fails.
int extent_leaf_cut(struct pool *pool, uint64_t *handle, uint32_t file_page, uint32_t pages);

#endif
