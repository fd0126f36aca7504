// Changes of a value where it is: file writes and truncation. A small value stays small (inline, block) as long as it fits there and becomes pages when it no longer does; overwritten pages
// are changed in place; holes get new pages, or the pages of a grant as they are.
//
// Readers: pages are changed under rule R2 (the new version is stored before the first byte; by-id readers have page-wise semantics), inline values, blocks and cut-off
// tails under rule R6 (BUSY), and whatever moves a value or changes its size is hidden by BUSY, too, and gives a new word (R1).
#include <stdatomic.h>
#include <string.h>

#include "server/extent_map.h"
#include "server/grant.h"
#include "server/quota.h"
#include "server/record.h"
#include "server/space.h"
#include "server/value_inside.h"

// --- small values: inline or block ---

// How many bytes the small value can have where it is; an EMPTY value may become inline.
static uint64_t small_capacity(const struct far_record *record)
{
	return record->value_kind == FAR_VALUE_BLOCK ? record->u.value.extents : record_inline_room(record);
}

char *value_small_bytes(const struct value_change *change)
{
	const struct far_record *record = change->record;
	struct pool *pool = change->server->pool;

	return pool_at(pool, record->value_kind == FAR_VALUE_BLOCK ? record->u.value.block : record_inline_offset(pool, record));
}

static uint64_t small_stored(const struct far_record *record)
{
	return record->value_kind == FAR_VALUE_EMPTY ? 0 : value_size(record);
}

static bool is_block_allowed(const struct value_change *change, uint64_t size)
{
	const struct far_record block = {.value_kind = FAR_VALUE_BLOCK, .u.value.extents = pool_block_round((uint32_t)size)};

	return quota_require_value(change->server, change->record, &block) == 0;
}

// Moves a small value into a block of at least `size` bytes; growing ones get some more, so that appending bit by bit copies seldom.
static int small_move(struct value_change *change, uint64_t size)
{
	struct server *server = change->server;
	struct far_record *record = change->record;
	struct far_record old;
	uint64_t wanted = record->value_kind == FAR_VALUE_EMPTY ? size : value_least(size + size / 2, FAR_BLOCK_MAX);
	uint64_t block;

	if (!is_block_allowed(change, wanted))
		wanted = size;
	if (!is_block_allowed(change, wanted))
		return -EDQUOT;
	block = space_alloc_block(server, (uint32_t)wanted);
	if (!block)
		return -ENOSPC;
	value_begin(change);
	value_hide(change);
	memcpy(pool_at(server->pool, block), value_small_bytes(change), small_stored(record));
	memset((char *)pool_at(server->pool, block) + small_stored(record), 0, value_size(record) - small_stored(record));
	value_detach(record, &old);
	record->value_kind = FAR_VALUE_BLOCK;
	record->u.value.block = block;
	record->u.value.pages = 0;
	record->u.value.extents = pool_block_round((uint32_t)wanted);
	value_show(change);
	value_release(server, &old);
	return 0;
}

int value_small_reserve(struct value_change *change, uint64_t size)
{
	return size > small_capacity(change->record) ? small_move(change, size) : 0;
}

// Writes into, or with bytes NULL grows, a value that stays at most FAR_BLOCK_MAX bytes.
static int small_write(struct value_change *change, uint64_t offset, const void *bytes, uint64_t length)
{
	struct far_record *record = change->record;
	uint64_t size = value_size(record);
	uint64_t new_size = offset + length > size ? offset + length : size;
	uint64_t stored;
	int error = value_small_reserve(change, new_size);

	if (error)
		return error;
	value_begin(change);
	value_hide(change);
	stored = small_stored(record);
	if (new_size > stored)
		memset(value_small_bytes(change) + stored, 0, new_size - stored);
	if (bytes)
		memcpy(value_small_bytes(change) + offset, bytes, length);
	if (record->value_kind == FAR_VALUE_EMPTY)
		record->value_kind = FAR_VALUE_INLINE;
	value_set_size(record, new_size);
	value_show(change);
	return 0;
}

bool value_is_small(const struct far_record *record, uint64_t end)
{
	return record->value_kind <= FAR_VALUE_BLOCK && value_size(record) <= FAR_BLOCK_MAX && end <= FAR_BLOCK_MAX;
}

// --- pages ---

// The part of a write that is still to be done.
struct rest {
	uint64_t offset; // in the value
	const char *bytes;
	uint64_t length;
	struct grant *grant;
};

static void advance(struct rest *rest, uint64_t length)
{
	rest->offset += length;
	rest->bytes += length;
	rest->length -= length;
}

static bool is_linkable(const struct server *server, const struct rest *rest)
{
	uint64_t pool_offset = (uint64_t)(rest->bytes - (const char *)pool_base(server->pool));

	return rest->grant && rest->offset % FAR_PAGE_SIZE == 0 && pool_offset % FAR_PAGE_SIZE == 0;
}

// Puts the grant's own pages into the hole that has room for `length` bytes of the rest (whole pages, or up to its end).
static int link_granted(struct value_change *change, struct rest *rest, uint64_t length)
{
	struct server *server = change->server;
	uint32_t pool_page = (uint32_t)((uint64_t)(rest->bytes - (const char *)pool_base(server->pool)) >> FAR_PAGE_SHIFT);
	uint32_t pages = quota_pages(server, change->record, (uint32_t)((length + FAR_PAGE_SIZE - 1) >> FAR_PAGE_SHIFT));
	uint32_t file_page = (uint32_t)(rest->offset >> FAR_PAGE_SHIFT);
	char *tail;
	int error;

	if (pages == 0)
		return -EDQUOT;
	length = value_least(length, (uint64_t)pages << FAR_PAGE_SHIFT);
	tail = pool_at(server->pool, ((uint64_t)pool_page << FAR_PAGE_SHIFT) + length);
	value_hide(change);
	SPACE_TRY(server, error, extent_map_insert(server->pool, change->record, (struct far_extent){file_page, pool_page, pages, 0}));
	if (error)
		return error;
	value_begin(change);
	memset(tail, 0, ((uint64_t)pages << FAR_PAGE_SHIFT) - length);
	grant_take(server, rest->grant, pool_page, pages);
	advance(rest, length);
	return 0;
}

// Puts new pages into the hole that begins with the rest's page and has `hole` bytes from the rest's offset on.
static int fill_hole(struct value_change *change, struct rest *rest, uint64_t hole)
{
	struct server *server = change->server;
	uint64_t head = rest->offset % FAR_PAGE_SIZE;
	uint32_t wanted = (uint32_t)((head + value_least(rest->length, hole) + FAR_PAGE_SIZE - 1) >> FAR_PAGE_SHIFT);
	uint32_t file_page = (uint32_t)(rest->offset >> FAR_PAGE_SHIFT);
	uint32_t allowed = quota_pages(server, change->record, wanted);
	uint32_t pages = 0;
	uint32_t page = allowed ? space_alloc_pages(server, allowed, 1, &pages) : 0;
	uint64_t room = (uint64_t)pages << FAR_PAGE_SHIFT;
	char *at = pool_at(server->pool, (uint64_t)page << FAR_PAGE_SHIFT);
	uint64_t length = value_least(rest->length, room - head);
	int error;

	if (!page)
		return allowed ? -ENOSPC : -EDQUOT;
	memset(at, 0, head);
	memcpy(at + head, rest->bytes, length);
	memset(at + head + length, 0, room - head - length);
	value_hide(change);
	SPACE_TRY(server, error, extent_map_insert(server->pool, change->record, (struct far_extent){file_page, page, pages, 0}));
	if (error) {
		pool_pages_free(server->pool, page, pages);
		return error;
	}
	value_begin(change);
	advance(rest, length);
	return 0;
}

// Overwriting so much at once changes pages for the grant's own instead of copying: the bytes are moved once, not twice.
#define RELINK_MIN (128U << 10)

// Puts the grant's whole pages in the place of what stands there. False: no memory to do so, or more than a quota allows; nothing changed.
static bool relink(struct value_change *change, struct rest *rest)
{
	struct server *server = change->server;
	struct far_record *record = change->record;
	uint32_t pool_page = (uint32_t)((uint64_t)(rest->bytes - (const char *)pool_base(server->pool)) >> FAR_PAGE_SHIFT);
	uint32_t file_page = (uint32_t)(rest->offset >> FAR_PAGE_SHIFT);
	uint32_t pages = (uint32_t)(rest->length >> FAR_PAGE_SHIFT);
	int error;

	// A session that writes to the pages by itself would have to look for the new ones.
	if (record->flags & FAR_RECORD_WINDOW ||
	        value_require_pages(server, record, rest->offset, rest->offset + ((uint64_t)pages << FAR_PAGE_SHIFT)) ||
	        space_keep_reserve(server))
		return false;
	value_begin(change);
	value_hide(change);
	error = extent_map_remove(server->pool, record, file_page, pages, value_reclaim_pages, server);
	if (!error) {
		SPACE_MUST(server, extent_map_insert(server->pool, record, (struct far_extent){file_page, pool_page, pages, 0}));
		grant_take(server, rest->grant, pool_page, pages);
		advance(rest, (uint64_t)pages << FAR_PAGE_SHIFT);
	}
	return !error;
}

static int write_step(struct value_change *change, struct rest *rest)
{
	struct server *server = change->server;
	uint64_t page_end = value_page_ceiling(rest->offset + rest->length);
	struct value_piece piece = value_piece_at(server->pool, change->record, rest->offset, page_end);
	uint64_t length = value_least(piece.length, rest->length);

	if (piece.pool_offset && rest->length >= RELINK_MIN && is_linkable(server, rest) && relink(change, rest))
		return 0;
	if (piece.pool_offset) {
		value_begin(change);
		memcpy(pool_at(server->pool, piece.pool_offset), rest->bytes, length);
		advance(rest, length);
		return 0;
	}
	if (is_linkable(server, rest))
		return link_granted(change, rest, length);
	return fill_hole(change, rest, piece.length);
}

static int64_t write_pages(struct value_change *change, uint64_t offset, const struct value_source *source)
{
	struct far_record *record = change->record;
	struct rest rest = {offset, source->bytes, source->length, source->grant};
	int error = 0;

	while (rest.length > 0 && !error) {
		error = write_step(change, &rest);
		// Not later: memory for the next step may end a window's lingering, which clears what is behind the end (window.c).
		if (rest.offset > offset && rest.offset > value_size(record)) {
			value_hide(change);
			value_set_size(record, rest.offset);
		}
	}
	value_show(change);
	return rest.offset > offset ? (int64_t)(rest.offset - offset) : error;
}

int64_t value_write(struct value_change *change, uint64_t offset, const struct value_source *source)
{
	int error;

	if (source->length == 0)
		return 0;
	if (value_is_small(change->record, offset + source->length)) {
		error = small_write(change, offset, source->bytes, source->length);
		return error ? error : (int64_t)source->length;
	}
	// With the first page that bytes go to: a value that comes into pages for a write gets some of it.
	if (value_has_small_bytes(change->record)) {
		error = value_fill(change, offset, offset + 1);
		if (error)
			return error;
	}
	return write_pages(change, offset, source);
}

// --- truncation ---

void value_clear_tail(struct server *server, struct far_record *record)
{
	uint64_t size = value_size(record);
	uint64_t tail = value_page_ceiling(size);
	struct value_piece piece;

	if (record->value_kind < FAR_VALUE_EXTENT || tail == size)
		return;
	piece = value_piece_at(server->pool, record, size, tail);
	if (piece.pool_offset)
		memset(pool_at(server->pool, piece.pool_offset), 0, piece.length);
}

// The bytes of the last page behind the new end become zero, the pages behind it holes.
static int cut_pages(struct value_change *change, uint64_t size)
{
	struct far_record *record = change->record;
	uint64_t tail = value_page_ceiling(size);

	value_begin(change);
	value_hide(change);
	value_set_size(record, size);
	value_clear_tail(change->server, record);
	if (tail >> FAR_PAGE_SHIFT <= UINT32_MAX)
		extent_map_remove(
		        change->server->pool, record, (uint32_t)(tail >> FAR_PAGE_SHIFT), UINT32_MAX, value_reclaim_pages, change->server);
	value_show(change);
	return 0;
}

static int cut_small(struct value_change *change, uint64_t size)
{
	struct far_record *record = change->record;
	struct far_record old;

	value_begin(change);
	value_hide(change);
	value_detach(record, &old);
	value_set_size(record, size);
	if (size == 0) {
		record->value_kind = FAR_VALUE_EMPTY;
		memset(&record->u.value, 0, sizeof(record->u.value));
	}
	value_show(change);
	if (size == 0)
		value_release(change->server, &old);
	return 0;
}

static int grow(struct value_change *change, uint64_t size)
{
	struct far_record *record = change->record;
	int error = 0;

	if (value_has_small_bytes(record)) {
		if (size <= FAR_BLOCK_MAX)
			return small_write(change, size, NULL, 0);
		error = value_fill(change, 0, 1);
	}
	if (error)
		return error;
	value_begin(change);
	value_hide(change);
	value_set_size(record, size);
	value_show(change);
	return 0;
}

int value_truncate(struct value_change *change, uint64_t size)
{
	const struct far_record *record = change->record;

	if (size > value_size(record))
		return grow(change, size);
	return record->value_kind >= FAR_VALUE_EXTENT ? cut_pages(change, size) : cut_small(change, size);
}
