#include "server/extent_map.h"

#include <errno.h>
#include <string.h>

#include "server/extent_leaf.h"

// The map of a value, by its kind: EMPTY has none, EXTENT one in the record, EXTENTS leaves (extent_leaf.c). This file keeps the kinds and the counts right.

static uint32_t segment_of(const struct pool *pool, uint32_t page)
{
	return page >> (pool_segment_shift(pool) - FAR_PAGE_SHIFT);
}

// The record's only extent.
static struct far_extent single(const struct far_record *record)
{
	return (struct far_extent){0, (uint32_t)(record->u.value.block >> FAR_PAGE_SHIFT), record->u.value.pages, 0};
}

int extent_map_find(const struct pool *pool, const struct far_record *record, uint32_t file_page, struct far_extent *extent)
{
	if (record->value_kind == FAR_VALUE_EXTENT) {
		*extent = single(record);
		if (file_page >= extent->pages)
			return 0;
	} else if (record->value_kind != FAR_VALUE_EXTENTS || !extent_leaf_find(pool, record->u.value.block, file_page, extent)) {
		return 0;
	}
	if (extent->file_page < file_page) {
		uint32_t skip = file_page - extent->file_page;

		extent->file_page += skip;
		extent->pool_page += skip;
		extent->pages -= skip;
	}
	return 1;
}

static void set_single(struct far_record *record, struct far_extent extent)
{
	record->value_kind = FAR_VALUE_EXTENT;
	record->u.value.block = (uint64_t)extent.pool_page << FAR_PAGE_SHIFT;
	record->u.value.pages = extent.pages;
	record->u.value.extents = 1;
}

static void set_empty(struct far_record *record)
{
	record->value_kind = FAR_VALUE_EMPTY;
	record->u.value.block = 0;
	record->u.value.pages = 0;
	record->u.value.extents = 0;
}

// Turns no extent or the single one into leaves.
static int open_leaves(struct pool *pool, struct far_record *record)
{
	uint64_t leaves = extent_leaf_new(pool);
	uint32_t pages = 0;
	uint32_t extents = 0;

	if (leaves == 0)
		return -ENOSPC;
	if (record->value_kind == FAR_VALUE_EXTENT) {
		extents = 1;
		pages = record->u.value.pages;
		extent_leaf_insert(pool, &leaves, single(record)); // a new leaf has room
	}
	record->value_kind = FAR_VALUE_EXTENTS;
	record->u.value.block = leaves;
	record->u.value.pages = pages;
	record->u.value.extents = extents;
	return 0;
}

// Back to the simplest kind that can hold what is there.
static void simplify(struct pool *pool, struct far_record *record)
{
	struct far_extent extent;

	if (record->value_kind != FAR_VALUE_EXTENTS || record->u.value.extents > 1)
		return;
	if (record->u.value.extents == 0) {
		extent_leaf_free(pool, record->u.value.block);
		set_empty(record);
		return;
	}
	if (!extent_leaf_find(pool, record->u.value.block, 0, &extent) || extent.file_page != 0)
		return;
	extent_leaf_free(pool, record->u.value.block);
	set_single(record, extent);
}

int extent_map_insert(struct pool *pool, struct far_record *record, struct far_extent extent)
{
	struct far_extent before;
	int merged;

	if (record->value_kind == FAR_VALUE_EMPTY && extent.file_page == 0) {
		set_single(record, extent);
		return 0;
	}
	if (record->value_kind == FAR_VALUE_EXTENT) {
		before = single(record);
		if (before.pages == extent.file_page && before.pool_page + before.pages == extent.pool_page &&
		        segment_of(pool, before.pool_page) == segment_of(pool, extent.pool_page)) {
			record->u.value.pages += extent.pages;
			return 0;
		}
	}
	if (record->value_kind != FAR_VALUE_EXTENTS) {
		int error = open_leaves(pool, record);

		if (error)
			return error;
	}
	merged = extent_leaf_insert(pool, &record->u.value.block, extent);
	if (merged < 0) {
		simplify(pool, record);
		return merged;
	}
	record->u.value.pages += extent.pages;
	record->u.value.extents += 1U - (uint32_t)merged;
	simplify(pool, record);
	return 0;
}

// Cuts a hole out of the middle or the front of one extent: what is behind the hole becomes an extent of its own first, since that may need memory.
static int split(struct pool *pool, struct far_record *record, struct far_extent extent, uint32_t hole_end)
{
	struct far_extent behind = {
	        hole_end, extent.pool_page + (hole_end - extent.file_page), extent.file_page + extent.pages - hole_end, 0};
	int error;

	if (record->value_kind == FAR_VALUE_EXTENT) {
		error = open_leaves(pool, record);
		if (error)
			return error;
	}
	error = extent_leaf_split(pool, &record->u.value.block, behind);
	if (error) {
		simplify(pool, record);
		return error;
	}
	record->u.value.extents++;
	return 0;
}

// Removes the last `pages` pages of the extent that ends at file page `end`.
static void cut_tail(struct pool *pool, struct far_record *record, struct far_extent extent, uint32_t pages)
{
	record->u.value.pages -= pages;
	if (record->value_kind == FAR_VALUE_EXTENT) {
		if (record->u.value.pages == 0)
			set_empty(record);
		return;
	}
	if (extent_leaf_cut(pool, &record->u.value.block, extent.file_page, pages))
		record->u.value.extents--;
}

int extent_map_remove(
        struct pool *pool, struct far_record *record, uint32_t file_page, uint32_t pages, extent_release *release, void *context)
{
	uint32_t end = pages > UINT32_MAX - file_page ? UINT32_MAX : file_page + pages;
	struct far_extent extent;

	// Only the extent that reaches over the hole's end has to be split; do that before anything changes.
	if (end > file_page && end < UINT32_MAX && extent_map_find(pool, record, end - 1, &extent) && extent.file_page < end &&
	        extent.pages > 1) {
		int error = split(pool, record, extent, end);

		if (error)
			return error;
	}
	while (extent_map_find(pool, record, file_page, &extent) && extent.file_page < end) {
		cut_tail(pool, record, extent, extent.pages);
		release(context, extent.pool_page, extent.pages);
	}
	simplify(pool, record);
	return 0;
}

uint64_t extent_map_count(const struct pool *pool, const struct far_record *record)
{
	(void)pool;
	if (record->value_kind == FAR_VALUE_EXTENT)
		return 1;
	return record->value_kind == FAR_VALUE_EXTENTS ? record->u.value.extents : 0;
}
