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

// What value_fill does: where it adds pages, and what it has added to a value that was in pages, to be taken back if the whole cannot be had. Neighbours are one run, so a hole and the page behind it count 2 pages a run at least.
struct fill {
	struct value_change *change;
	struct far_record *map; // the change's record, or one that stands for the value that comes into pages: nobody sees it yet
	struct {
		uint32_t page, pages;
	} runs[VALUE_FILL_MAX / FAR_PAGE_SIZE / 2 + 1];
	uint32_t count;
};

static void note(struct fill *fill, uint32_t page, uint32_t pages)
{
	if (fill->count > 0 && fill->runs[fill->count - 1].page + fill->runs[fill->count - 1].pages == page) {
		fill->runs[fill->count - 1].pages += pages;
		return;
	}
	fill->runs[fill->count].page = page;
	fill->runs[fill->count++].pages = pages;
}

// Makes a hole of pages, by the reserve if it comes to that: it brings more back. -ENOSPC changes nothing.
static int remove_pages(struct value_change *change, uint32_t page, uint32_t pages)
{
	struct server *server = change->server;
	int error;

	SPACE_TRY(server, error, extent_map_remove(server->pool, change->record, page, pages, value_reclaim_pages, server));
	if (error && server->reserve_page) {
		space_use_reserve(server);
		SPACE_TRY(server, error, extent_map_remove(server->pool, change->record, page, pages, value_reclaim_pages, server));
	}
	return error;
}

// The last first, so that the map goes back through the shapes that it had. Should one of those steps want memory that there is none of, not even in the reserve, some zeros stay.
static void take_back(const struct fill *fill)
{
	for (uint32_t i = fill->count; i-- > 0;)
		remove_pages(fill->change, fill->runs[i].page, fill->runs[i].pages);
}

// Puts pages of zeros into the front of a hole. Returns how many, or -ENOSPC.
static int64_t fill_some(struct fill *fill, uint32_t file_page, uint32_t wanted)
{
	struct server *server = fill->change->server;
	uint32_t pages = 0;
	uint32_t page = space_alloc_pages(server, wanted, 1, &pages);
	int error;

	if (!page)
		return -ENOSPC;
	memset(pool_at(server->pool, (uint64_t)page << FAR_PAGE_SHIFT), 0, (uint64_t)pages << FAR_PAGE_SHIFT);
	if (fill->map == fill->change->record)
		value_hide(fill->change);
	SPACE_TRY(server, error, extent_map_insert(server->pool, fill->map, (struct far_extent){file_page, page, pages, 0}));
	if (error)
		pool_pages_free(server->pool, page, pages);
	return error ? error : (int64_t)pages;
}

static int fill_holes(struct fill *fill, uint64_t at, uint64_t end)
{
	while (at < end) {
		struct value_piece piece = value_piece_at(fill->change->server->pool, fill->map, at, end);
		int64_t pages;

		if (piece.pool_offset) {
			at += piece.length;
			continue;
		}
		pages = fill_some(fill, (uint32_t)(at >> FAR_PAGE_SHIFT), (uint32_t)(piece.length >> FAR_PAGE_SHIFT));
		if (pages < 0)
			return (int)pages;
		note(fill, (uint32_t)(at >> FAR_PAGE_SHIFT), (uint32_t)pages);
		at += (uint64_t)pages << FAR_PAGE_SHIFT;
	}
	return 0;
}

// The small value's bytes go to the first of the pages, which are its own then.
static void move_into(struct value_change *change, const struct far_record *paged)
{
	struct server *server = change->server;
	struct far_record *record = change->record;
	struct value_piece first = value_piece_at(server->pool, paged, 0, FAR_PAGE_SIZE);
	struct far_record old;

	value_begin(change);
	value_hide(change);
	memcpy(pool_at(server->pool, first.pool_offset), value_small_bytes(change), value_size(record));
	value_detach(record, &old);
	record->value_kind = paged->value_kind;
	record->u = paged->u;
	value_show(change);
	value_release(server, &old);
}

// A small value comes into pages, which are all there before it moves.
static int fill_small(struct value_change *change, uint64_t offset, uint64_t end)
{
	struct far_record paged = {.value_kind = FAR_VALUE_EMPTY};
	struct fill fill = {.change = change, .map = &paged, .count = 0};
	int error = fill_holes(&fill, 0, FAR_PAGE_SIZE);

	if (!error)
		error = fill_holes(&fill, offset, end);
	if (error)
		value_release(change->server, &paged);
	else
		move_into(change, &paged);
	return error;
}

int value_fill(struct value_change *change, uint64_t offset, uint64_t end)
{
	struct fill fill = {.change = change, .map = change->record, .count = 0};
	int error;

	offset = value_page_floor(offset);
	end = value_page_ceiling(value_least(end, offset + VALUE_FILL_MAX));
	error = value_require_pages(change->server, change->record, offset, end);
	if (error)
		return error;
	if (value_has_small_bytes(change->record))
		return fill_small(change, offset, end);
	error = fill_holes(&fill, offset, end);
	if (error)
		take_back(&fill);
	value_show(change);
	return error;
}

int value_require_pages(struct server *server, const struct far_record *record, uint64_t offset, uint64_t end)
{
	uint64_t now = quota_value_bytes(record);
	uint64_t then, more;

	if (!server->quotas)
		return 0;
	then = value_holes(server->pool, record, offset, end);
	if (is_in_pages(record))
		then += now;
	else if (value_has_small_bytes(record) && offset >= FAR_PAGE_SIZE)
		then += FAR_PAGE_SIZE; // its bytes come into the first page
	more = then > now ? then - now : 0;
	return quota_room(server, record, more) < more ? -EDQUOT : 0;
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
	value_begin(change);
	value_hide(change);
	if (remove_pages(change, (uint32_t)(first >> FAR_PAGE_SHIFT), (uint32_t)((last - first) >> FAR_PAGE_SHIFT)))
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
