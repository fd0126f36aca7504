#include "server/value.h"

#include <string.h>
#include <sys/stat.h>

#include "server/extent_map.h"
#include "server/record.h"

static struct value_piece piece_of_pages(const struct pool *pool, const struct far_record *record, uint64_t offset, uint64_t end)
{
	struct value_piece piece = {.offset = offset, .length = end - offset};
	struct far_extent extent;
	uint64_t start, stored;

	if (!extent_map_find(pool, record, (uint32_t)(offset >> FAR_PAGE_SHIFT), &extent))
		return piece;
	start = (uint64_t)extent.file_page << FAR_PAGE_SHIFT;
	if (start > offset) {
		if (start < end)
			piece.length = start - offset;
		return piece;
	}
	stored = ((uint64_t)extent.pages << FAR_PAGE_SHIFT) - (offset - start);
	if (stored < piece.length)
		piece.length = stored;
	piece.pool_offset = ((uint64_t)extent.pool_page << FAR_PAGE_SHIFT) + (offset - start);
	return piece;
}

struct value_piece value_piece_at(const struct pool *pool, const struct far_record *record, uint64_t offset, uint64_t end)
{
	struct value_piece piece = {.offset = offset, .length = end - offset};

	switch (record->value_kind) {
	case FAR_VALUE_INLINE:
		piece.pool_offset = record_inline_offset(pool, record) + offset;
		return piece;
	case FAR_VALUE_BLOCK:
		piece.pool_offset = record->u.value.block + offset;
		return piece;
	case FAR_VALUE_EMPTY:
		return piece;
	default:
		return piece_of_pages(pool, record, offset, end);
	}
}

void value_read(const struct pool *pool, const struct far_record *record, uint64_t offset, uint64_t length, void *to)
{
	uint64_t end = offset + length;
	char *at = to;

	while (offset < end) {
		struct value_piece piece = value_piece_at(pool, record, offset, end);

		if (piece.pool_offset)
			memcpy(at, pool_at(pool, piece.pool_offset), piece.length);
		else
			memset(at, 0, piece.length);
		at += piece.length;
		offset += piece.length;
	}
}

uint16_t value_locate(const struct pool *pool, const struct far_record *record, uint64_t offset, struct far_wire_extent *extents,
        uint32_t room, bool *is_partial)
{
	uint64_t size = value_size(record);
	uint16_t count = 0;

	*is_partial = false;
	offset &= ~(uint64_t)(FAR_PAGE_SIZE - 1);
	while (offset < size) {
		struct value_piece piece = value_piece_at(pool, record, offset, size);

		offset += piece.length;
		if (!piece.pool_offset)
			continue;
		if (count == room) {
			*is_partial = true;
			break;
		}
		extents[count++] = (struct far_wire_extent){piece.offset, piece.pool_offset, piece.length};
	}
	return count;
}
