// The extents of one value: sorted, not overlapping runs of file page -> pool page; what no extent covers is a hole. Runs that are neighbours in both are merged. One extent from
// file page 0 stands in the record itself (FAR_VALUE_EXTENT); more stand in a sorted array of leaves of up to 255 extents each, in pool blocks and pages, under a
// sorted root array (FAR_VALUE_EXTENTS). Finding is O(log n), adding at the end O(1). record->u.value.pages counts pool pages, the map's own included where it uses whole pages or blocks
// is not counted. Writer thread only. All changes happen in the record given; nothing here publishes words.
#ifndef SERVER_EXTENT_MAP_H
#define SERVER_EXTENT_MAP_H

#include "server/pool.h"

// The extent that covers `file_page`, or else the first one behind it. Returns 1 and the extent cut so that it begins at max(file_page, its start), or 0: none.
int extent_map_find(const struct pool *pool, const struct far_record *record, uint32_t file_page, struct far_extent *extent);

// Adds an extent where there is a hole. The record's value_kind must be EMPTY, EXTENT or EXTENTS. -ENOSPC changes nothing.
int extent_map_insert(struct pool *pool, struct far_record *record, struct far_extent extent);

// Makes a hole of [file_page, file_page + pages); each piece taken out is given to `release` (freeing its pages is the caller's). Removing from the middle of an extent may need memory:
// -ENOSPC then changes nothing; removing up to the end (pages = UINT32_MAX) never fails.
typedef void extent_release(void *context, uint32_t pool_page, uint32_t pages);
int extent_map_remove(
        struct pool *pool, struct far_record *record, uint32_t file_page, uint32_t pages, extent_release *release, void *context);

// How many extents the value has.
uint64_t extent_map_count(const struct pool *pool, const struct far_record *record);

#endif
