#include "server/extent_leaf.h"

#include <errno.h>
#include <string.h>

#include "server/extent_leaf_inside.h"

// Two levels are enough: a root of 4 KiB names 255 leaves of 255 extents, and a root grows to a whole segment.

// Where an extent is or belongs.
struct place {
	uint64_t *link; // names the leaf
	uint32_t entry; // of the root, 0 without one
	uint32_t index; // of the first extent that ends behind the page
};

static struct leaf *leaf_at(const struct pool *pool, uint64_t offset)
{
	return pool_at(pool, offset);
}

static struct root *root_of(const struct pool *pool, uint64_t handle)
{
	return handle & ROOT_BIT ? pool_at(pool, handle & ~ROOT_BIT) : NULL;
}

static uint64_t leaf_new(struct pool *pool, uint32_t capacity)
{
	uint64_t offset = pool_block_alloc(pool, leaf_size(capacity));

	if (offset)
		*leaf_at(pool, offset) = (struct leaf){.capacity = capacity};
	return offset;
}

static void leaf_free(struct pool *pool, uint64_t offset)
{
	pool_block_free(pool, offset, leaf_size(leaf_at(pool, offset)->capacity));
}

uint64_t extent_leaf_new(struct pool *pool)
{
	return leaf_new(pool, LEAF_CAPACITY_MIN);
}

static uint64_t root_alloc(struct pool *pool, uint64_t bytes)
{
	if (bytes <= FAR_BLOCK_MAX)
		return pool_block_alloc(pool, (uint32_t)bytes);
	return (uint64_t)pool_pages_alloc(pool, (uint32_t)(bytes >> FAR_PAGE_SHIFT)) << FAR_PAGE_SHIFT;
}

static void root_release(struct pool *pool, uint64_t offset, uint64_t bytes)
{
	if (bytes <= FAR_BLOCK_MAX)
		pool_block_free(pool, offset, (uint32_t)bytes);
	else
		pool_pages_free(pool, (uint32_t)(offset >> FAR_PAGE_SHIFT), (uint32_t)(bytes >> FAR_PAGE_SHIFT));
}

void extent_leaf_free(struct pool *pool, uint64_t handle)
{
	struct root *root = root_of(pool, handle);

	if (!root) {
		leaf_free(pool, handle);
		return;
	}
	for (uint32_t i = 0; i < root->count; i++)
		leaf_free(pool, root->entries[i].leaf);
	root_release(pool, handle & ~ROOT_BIT, root->bytes);
}

static struct place place_of(const struct pool *pool, uint64_t *handle, uint32_t file_page)
{
	struct root *root = root_of(pool, *handle);
	struct place place = {.link = handle};
	const struct leaf *leaf;
	uint32_t low = 0;
	uint32_t high;

	if (root) {
		high = root->count;
		while (high - low > 1) {
			uint32_t middle = low + (high - low) / 2;

			if (root->entries[middle].first_page <= file_page)
				low = middle;
			else
				high = middle;
		}
		place.entry = low;
		place.link = &root->entries[low].leaf;
	}
	leaf = leaf_at(pool, *place.link);
	low = 0;
	high = leaf->count;
	if (high > 0 && leaf->extents[high - 1].file_page + leaf->extents[high - 1].pages <= file_page)
		low = high; // the usual place: the end
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (leaf->extents[middle].file_page + leaf->extents[middle].pages <= file_page)
			low = middle + 1;
		else
			high = middle;
	}
	place.index = low;
	return place;
}

int extent_leaf_find(const struct pool *pool, uint64_t handle, uint32_t file_page, struct far_extent *extent)
{
	struct place place = place_of(pool, &handle, file_page);
	const struct leaf *leaf = leaf_at(pool, *place.link);
	const struct root *root = root_of(pool, handle);

	if (place.index == leaf->count) {
		if (!root || place.entry + 1 == root->count)
			return 0;
		leaf = leaf_at(pool, root->entries[place.entry + 1].leaf);
		place.index = 0;
	}
	*extent = leaf->extents[place.index];
	return 1;
}

// True if b continues a in the file and in one segment of the pool.
static bool is_continued(const struct pool *pool, struct far_extent a, struct far_extent b)
{
	unsigned shift = pool_segment_shift(pool) - FAR_PAGE_SHIFT;

	return a.file_page + a.pages == b.file_page && a.pool_page + a.pages == b.pool_page && a.pool_page >> shift == b.pool_page >> shift;
}

static int merge(const struct pool *pool, struct leaf *leaf, uint32_t index, struct far_extent extent)
{
	bool with_before = index > 0 && is_continued(pool, leaf->extents[index - 1], extent);
	bool with_behind = index < leaf->count && is_continued(pool, extent, leaf->extents[index]);

	if (with_before) {
		leaf->extents[index - 1].pages += extent.pages;
		if (with_behind) {
			leaf->extents[index - 1].pages += leaf->extents[index].pages;
			leaf->count--;
			memmove(&leaf->extents[index], &leaf->extents[index + 1], (leaf->count - index) * sizeof(extent));
		}
	} else if (with_behind) {
		extent.pages += leaf->extents[index].pages;
		leaf->extents[index] = extent;
	}
	return with_before + with_behind;
}

// A root with room for one more leaf, over the leaf or root that is there. -ENOSPC: nothing changed.
static int root_make_room(struct pool *pool, uint64_t *handle)
{
	struct root *old = root_of(pool, *handle);
	uint64_t bytes = old ? old->bytes * 2 : 128;
	struct root *root;
	uint64_t offset;

	if (old && old->count < old->capacity)
		return 0;
	if (bytes > (uint64_t)pool_pages_max(pool) * FAR_PAGE_SIZE)
		return -ENOSPC;
	offset = root_alloc(pool, bytes);
	if (offset == 0)
		return -ENOSPC;
	root = pool_at(pool, offset);
	root->bytes = bytes;
	root->capacity = (uint32_t)((bytes - sizeof(*root)) / sizeof(struct root_entry));
	if (old) {
		root->count = old->count;
		memcpy(root->entries, old->entries, old->count * sizeof(root->entries[0]));
		root_release(pool, *handle & ~ROOT_BIT, old->bytes);
	} else {
		root->count = 1;
		root->entries[0] = (struct root_entry){0, 0, *handle};
	}
	*handle = offset | ROOT_BIT;
	return 0;
}

// Makes room for one more extent in the leaf of `place`: a larger block, or a second leaf that takes the upper half (at the end of the map: nothing, so that
// a file written front to back fills its leaves). -ENOSPC: no extent moved.
static int leaf_make_room(struct pool *pool, uint64_t *handle, const struct place *place)
{
	struct leaf *leaf = leaf_at(pool, *place->link);
	struct root *root;
	struct leaf *upper;
	uint32_t keep;
	uint64_t offset;

	if (leaf->capacity < LEAF_CAPACITY_MAX) {
		offset = leaf_new(pool, leaf->capacity * 2 + 1);
		if (offset == 0)
			return -ENOSPC;
		leaf_at(pool, offset)->count = leaf->count;
		memcpy(leaf_at(pool, offset)->extents, leaf->extents, leaf->count * sizeof(leaf->extents[0]));
		leaf_free(pool, *place->link);
		*place->link = offset;
		return 0;
	}
	offset = leaf_new(pool, LEAF_CAPACITY_MAX);
	if (offset == 0 || root_make_room(pool, handle)) {
		if (offset)
			leaf_free(pool, offset);
		return -ENOSPC;
	}
	root = root_of(pool, *handle);
	upper = leaf_at(pool, offset);
	keep = place->index == leaf->count && place->entry + 1 == root->count ? leaf->count - 1 : leaf->count / 2;
	upper->count = leaf->count - keep;
	memcpy(upper->extents, &leaf->extents[keep], upper->count * sizeof(upper->extents[0]));
	leaf->count = keep;
	memmove(&root->entries[place->entry + 2], &root->entries[place->entry + 1],
	        (root->count - place->entry - 1) * sizeof(root->entries[0]));
	root->entries[place->entry + 1] = (struct root_entry){upper->extents[0].file_page, 0, offset};
	root->count++;
	return 0;
}

// The next leaf's lower bound may be older than its extents: it must not lie inside an extent that was added before it.
static void raise_bound(const struct pool *pool, uint64_t handle, uint32_t entry, struct far_extent extent)
{
	struct root *root = root_of(pool, handle);
	uint32_t end = extent.file_page + extent.pages;

	if (root && entry + 1 < root->count && root->entries[entry + 1].first_page < end)
		root->entries[entry + 1].first_page = end;
}

int extent_leaf_insert(struct pool *pool, uint64_t *handle, struct far_extent extent)
{
	struct place place = place_of(pool, handle, extent.file_page);
	struct leaf *leaf = leaf_at(pool, *place.link);
	int merged = merge(pool, leaf, place.index, extent);

	if (merged > 0) {
		raise_bound(pool, *handle, place.entry, extent);
		return merged;
	}
	if (leaf->count == leaf->capacity) {
		int error = leaf_make_room(pool, handle, &place);

		if (error)
			return error;
		place = place_of(pool, handle, extent.file_page);
		leaf = leaf_at(pool, *place.link);
	}
	memmove(&leaf->extents[place.index + 1], &leaf->extents[place.index], (leaf->count - place.index) * sizeof(extent));
	leaf->extents[place.index] = extent;
	leaf->count++;
	raise_bound(pool, *handle, place.entry, extent);
	return 0;
}

int extent_leaf_split(struct pool *pool, uint64_t *handle, struct far_extent behind)
{
	struct place place = place_of(pool, handle, behind.file_page);
	struct leaf *leaf = leaf_at(pool, *place.link);

	if (leaf->count == leaf->capacity) {
		int error = leaf_make_room(pool, handle, &place);

		if (error)
			return error;
		place = place_of(pool, handle, behind.file_page);
		leaf = leaf_at(pool, *place.link);
	}
	// The extent that covers behind.file_page is cut there, and the tail follows it.
	leaf->extents[place.index].pages -= behind.pages;
	place.index++;
	memmove(&leaf->extents[place.index + 1], &leaf->extents[place.index], (leaf->count - place.index) * sizeof(behind));
	leaf->extents[place.index] = behind;
	leaf->count++;
	return 0;
}

// Takes an empty leaf out of the root; a root with one leaf left gives way to it.
static void root_drop(struct pool *pool, uint64_t *handle, uint32_t entry)
{
	struct root *root = root_of(pool, *handle);
	uint64_t only;

	leaf_free(pool, root->entries[entry].leaf);
	root->count--;
	memmove(&root->entries[entry], &root->entries[entry + 1], (root->count - entry) * sizeof(root->entries[0]));
	if (root->count > 1)
		return;
	only = root->entries[0].leaf;
	root_release(pool, *handle & ~ROOT_BIT, root->bytes);
	*handle = only;
}

int extent_leaf_cut(struct pool *pool, uint64_t *handle, uint32_t file_page, uint32_t pages)
{
	struct place place = place_of(pool, handle, file_page);
	struct leaf *leaf = leaf_at(pool, *place.link);

	leaf->extents[place.index].pages -= pages;
	if (leaf->extents[place.index].pages > 0)
		return 0;
	leaf->count--;
	memmove(&leaf->extents[place.index], &leaf->extents[place.index + 1], (leaf->count - place.index) * sizeof(leaf->extents[0]));
	if (leaf->count == 0 && root_of(pool, *handle))
		root_drop(pool, handle, place.entry);
	return 1;
}
