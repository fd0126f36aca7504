// Copies from one value to another, or within one: bytes move once, within the pool, as writes do (value_write.c), so readers see them by the same rules.
#include <string.h>

#include "server/value_inside.h"

// What one request may move: less than a millisecond of the server's only thread, as long as a large put takes.
#define COPY_MAX (4U << 20)

struct copy {
	struct value_change *change;
	const struct far_record *source;
	uint64_t from, to, end; // of the source, of the target; where the source's range ends
	uint64_t cost;          // in bytes
};

static void advance(struct copy *copy, uint64_t length, uint64_t cost)
{
	copy->from += length;
	copy->to += length;
	copy->cost += cost;
}

// How many of `length` bytes of the target from `to` on are a hole already, or behind its end: 0, some, or all.
static uint64_t hole_of_target(const struct copy *copy, uint64_t length)
{
	const struct far_record *target = copy->change->record;
	uint64_t size = value_size(target);
	struct value_piece piece;

	if (target->value_kind <= FAR_VALUE_BLOCK && copy->to >= size)
		return length;
	piece = value_piece_at(copy->change->server->pool, target, copy->to, copy->to + length);
	return piece.pool_offset ? 0 : piece.length;
}

// Zeros instead of a hole of the source. The target's pages stay: they may have been reserved.
static int copy_hole(struct copy *copy, uint64_t length)
{
	uint64_t hole = hole_of_target(copy, length);
	int error = 0;

	if (hole == 0)
		length = value_least(length, COPY_MAX - copy->cost);
	else
		length = hole;
	if (hole == 0)
		value_clear(copy->change, copy->to, copy->to + length);
	if (copy->to + length > value_size(copy->change->record))
		error = value_truncate(copy->change, copy->to + length);
	if (!error)
		advance(copy, length, hole ? FAR_PAGE_SIZE : length);
	return error;
}

static int copy_step(struct copy *copy)
{
	struct pool *pool = copy->change->server->pool;
	struct value_piece piece = value_piece_at(pool, copy->source, copy->from, copy->end);
	struct value_source source = {.length = value_least(piece.length, COPY_MAX - copy->cost)};
	char small[FAR_BLOCK_MAX];
	int64_t written;

	if (!piece.pool_offset)
		return copy_hole(copy, piece.length);
	source.bytes = pool_at(pool, piece.pool_offset);
	// Within one small value the bytes may move on their way.
	if (copy->source->value_kind <= FAR_VALUE_BLOCK) {
		memcpy(small, source.bytes, source.length);
		source.bytes = small;
	}
	written = value_write(copy->change, copy->to, &source);
	if (written < 0)
		return (int)written;
	advance(copy, (uint64_t)written, (uint64_t)written);
	return (uint64_t)written < source.length ? -ENOSPC : 0;
}

int64_t value_copy(struct value_change *change, uint64_t to, const struct far_record *source, uint64_t from, uint64_t length)
{
	struct copy copy = {.change = change, .source = source, .from = from, .to = to, .end = from + length};
	int error = 0;

	while (!error && copy.from < copy.end && copy.cost < COPY_MAX)
		error = copy_step(&copy);
	return copy.from > from ? (int64_t)(copy.from - from) : error;
}
