// Space within a value: pages reserved ahead, ranges zeroed, holes made and found.
//
// A reserved page is an ordinary page of zeros: readers see no difference to the hole that it was, a write finds it in place, and the invariant of value.h (zeros behind the size) holds
// for those behind the end. Pages change hands while the record is BUSY, under another word behind it (R1, R6); zeros are stored under R2 as any write in place.
#include <string.h>

#include "server/extent_map.h"
#include "server/quota.h"
#include "server/space.h"
#include "server/value_inside.h"

static bool is_in_pages(const struct far_record *record)
{
	return record->value_kind >= FAR_VALUE_EXTENT;
}

// --- reserving ---

// What value_fill added, to be taken back if the whole cannot be had. Neighbours are one run, so a hole and the page behind it count 2 pages a run at least.
struct filled {
	struct {
		uint32_t page, pages;
	} runs[VALUE_FILL_MAX / FAR_PAGE_SIZE / 2 + 1];
	uint32_t count;
};

static void note(struct filled *filled, uint32_t page, uint32_t pages)
{
	if (filled->count > 0 && filled->runs[filled->count - 1].page + filled->runs[filled->count - 1].pages == page) {
		filled->runs[filled->count - 1].pages += pages;
		return;
	}
	filled->runs[filled->count].page = page;
	filled->runs[filled->count++].pages = pages;
}

// The last first, so that the map goes back through the shapes that it had. Should one of those steps want memory that is not there, some zeros stay: nobody sees them.
static void take_back(struct value_change *change, const struct filled *filled)
{
	for (uint32_t i = filled->count; i-- > 0;)
		extent_map_remove(change->server->pool, change->record, filled->runs[i].page, filled->runs[i].pages, value_reclaim_pages,
		        change->server);
}

// Puts pages of zeros into the front of a hole. Returns how many, or -ENOSPC, -EDQUOT.
static int64_t fill_some(struct value_change *change, uint32_t file_page, uint32_t wanted)
{
	struct server *server = change->server;
	uint32_t allowed = quota_pages(server, change->record, wanted);
	uint32_t pages = 0;
	uint32_t page = allowed ? space_alloc_pages(server, allowed, 1, &pages) : 0;
	int error;

	if (!page)
		return allowed ? -ENOSPC : -EDQUOT;
	memset(pool_at(server->pool, (uint64_t)page << FAR_PAGE_SHIFT), 0, (uint64_t)pages << FAR_PAGE_SHIFT);
	value_hide(change);
	SPACE_TRY(server, error, extent_map_insert(server->pool, change->record, (struct far_extent){file_page, page, pages, 0}));
	if (error)
		pool_pages_free(server->pool, page, pages);
	return error ? error : (int64_t)pages;
}

static int fill_holes(struct value_change *change, uint64_t at, uint64_t end, struct filled *filled)
{
	while (at < end) {
		struct value_piece piece = value_piece_at(change->server->pool, change->record, at, end);
		int64_t pages;

		if (piece.pool_offset) {
			at += piece.length;
			continue;
		}
		pages = fill_some(change, (uint32_t)(at >> FAR_PAGE_SHIFT), (uint32_t)(piece.length >> FAR_PAGE_SHIFT));
		if (pages < 0)
			return (int)pages;
		note(filled, (uint32_t)(at >> FAR_PAGE_SHIFT), (uint32_t)pages);
		at += (uint64_t)pages << FAR_PAGE_SHIFT;
	}
	return 0;
}

int value_fill(struct value_change *change, uint64_t offset, uint64_t end)
{
	struct filled filled = {.count = 0};
	int error = is_in_pages(change->record) ? 0 : value_spread(change);

	if (error)
		return error;
	offset = value_page_floor(offset);
	error = fill_holes(change, offset, value_page_ceiling(value_least(end, offset + VALUE_FILL_MAX)), &filled);
	if (error)
		take_back(change, &filled);
	value_show(change);
	return error;
}

uint64_t value_holes(const struct pool *pool, const struct far_record *record, uint64_t offset, uint64_t end)
{
	uint64_t holes = 0;

	offset = value_page_floor(offset);
	end = value_page_ceiling(end);
	if (!is_in_pages(record))
		return end - offset;
	while (offset < end) {
		struct value_piece piece = value_piece_at(pool, record, offset, end);

		holes += piece.pool_offset ? 0 : piece.length;
		offset += piece.length;
	}
	return holes;
}

// --- zeros and holes ---

static void clear_small(struct value_change *change, uint64_t offset, uint64_t end)
{
	end = value_least(end, value_size(change->record));
	if (change->record->value_kind == FAR_VALUE_EMPTY || offset >= end)
		return;
	value_begin(change);
	value_hide(change);
	memset(value_small_bytes(change) + offset, 0, end - offset);
	value_show(change);
}

void value_clear(struct value_change *change, uint64_t offset, uint64_t end)
{
	if (!is_in_pages(change->record)) {
		clear_small(change, offset, end);
		return;
	}
	while (offset < end) {
		struct value_piece piece = value_piece_at(change->server->pool, change->record, offset, end);

		if (piece.pool_offset) {
			value_begin(change);
			memset(pool_at(change->server->pool, piece.pool_offset), 0, piece.length);
		}
		offset += piece.length;
	}
}

// A small value of which nothing is left is a hole of its size.
static void empty_small(struct value_change *change)
{
	struct far_record *record = change->record;
	struct far_record old;

	value_begin(change);
	value_hide(change);
	value_detach(record, &old);
	record->value_kind = FAR_VALUE_EMPTY;
	memset(&record->u.value, 0, sizeof(record->u.value));
	value_show(change);
	value_release(change->server, &old);
}

static void punch_pages(struct value_change *change, uint64_t first, uint64_t last)
{
	struct server *server = change->server;
	uint32_t page = (uint32_t)(first >> FAR_PAGE_SHIFT);
	uint32_t pages = (uint32_t)((last - first) >> FAR_PAGE_SHIFT);
	int error;

	value_begin(change);
	value_hide(change);
	SPACE_TRY(server, error, extent_map_remove(server->pool, change->record, page, pages, value_reclaim_pages, server));
	if (error && server->reserve_page) { // more than it comes back
		space_use_reserve(server);
		SPACE_TRY(server, error, extent_map_remove(server->pool, change->record, page, pages, value_reclaim_pages, server));
	}
	if (error)
		value_clear(change, first, last);
	value_show(change);
}

void value_punch(struct value_change *change, uint64_t offset, uint64_t end)
{
	uint64_t first = value_page_ceiling(offset);
	uint64_t last = value_page_floor(end);

	if (!is_in_pages(change->record)) {
		if (offset == 0 && end >= value_size(change->record) && change->record->value_kind != FAR_VALUE_EMPTY)
			empty_small(change);
		else
			clear_small(change, offset, end);
		return;
	}
	value_clear(change, offset, value_least(first, end));
	if (last >= first)
		value_clear(change, last, end);
	if (last > first && value_holes(change->server->pool, change->record, first, last) < last - first)
		punch_pages(change, first, last);
}

// --- looking ---

#define SEEK_PIECES 4096 // about a millisecond

enum value_seek value_seek(const struct pool *pool, const struct far_record *record, bool for_hole, uint64_t *offset)
{
	uint64_t size = value_size(record);

	for (int i = 0; i < SEEK_PIECES && *offset < size; i++) {
		struct value_piece piece = value_piece_at(pool, record, *offset, size);

		if (for_hole == (piece.pool_offset == 0))
			return VALUE_SEEK_FOUND;
		*offset += piece.length;
	}
	if (*offset < size)
		return VALUE_SEEK_MORE;
	return for_hole ? VALUE_SEEK_FOUND : VALUE_SEEK_NONE;
}
