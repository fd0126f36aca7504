// The value of one object: where its bytes are, reading them, replacing them whole, and changing them in place. Values are inline in the record, in one small block, or in whole
// pages (extents) with holes.
//
// Invariants: bytes of stored pages behind the value's size are zero, so growing needs no clearing, and there may be more pages than the size asks for (reserved ones); bytes of an inline value or block behind the size are
// undefined. An EMPTY value may have a size: it is one hole. Writer thread only; what remote readers see follows layout.h's rules R1, R2 and R6.
#ifndef SERVER_VALUE_H
#define SERVER_VALUE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "far/wire.h"
#include "server/server.h"

struct grant;

// --- reading (value.c) ---

// A stretch of a value: stored bytes, or a hole (pool_offset 0).
struct value_piece {
	uint64_t offset;
	uint64_t length;
	uint64_t pool_offset;
};

static inline uint64_t value_size(const struct far_record *record)
{
	return atomic_load_explicit(&record->size, memory_order_relaxed);
}

// The piece that begins at `offset`, cut at `end` (offset < end <= size).
struct value_piece value_piece_at(const struct pool *pool, const struct far_record *record, uint64_t offset, uint64_t end);

// Copies a range that lies within the value.
void value_read(const struct pool *pool, const struct far_record *record, uint64_t offset, uint64_t length, void *to);

// The extents from the one that covers `offset` (or the first behind it) on, at most `room`. *is_partial: there are more. Returns how many.
uint16_t value_locate(const struct pool *pool, const struct far_record *record, uint64_t offset, struct far_wire_extent *extents,
        uint32_t room, bool *is_partial);

// --- whole values (value_store.c) ---

// Bytes to be stored: in a message (grant NULL), or in a lane's grant, whose pages may become the value's own.
struct value_source {
	const void *bytes;
	uint64_t length;
	struct grant *grant;
};

// Moves a record's value fields into `value`, a record that stands for the value alone, and leaves the record as it was (no change of kind: replace it next).
void value_detach(const struct far_record *record, struct far_record *value);

// Puts the bytes into new memory: `value` describes it. -ENOSPC changes nothing.
int value_build(struct server *server, const void *bytes, uint64_t length, struct far_record *value);

// Makes a value of granted pages without copying; each source but the last must be whole pages. -EINVAL, -ENOSPC change nothing.
int value_build_granted(struct server *server, const struct value_source *sources, uint32_t count, struct far_record *value);

// Makes `value` the record's: version + 1, new word, the old value goes to reclaim. A new object (state FREE) gets it without those.
void value_replace(struct server *server, struct far_record *record, const struct far_record *value);

// The same with bytes that fit record_inline_room, which go into the record itself (R6).
void value_replace_inline(struct server *server, struct far_record *record, const void *bytes, uint32_t length);

// Gives a detached value's memory to reclaim.
void value_release(struct server *server, struct far_record *value);

// --- changes in place (value_write.c) ---

// One change of a value, made of one or more writes: the version is raised once.
struct value_change {
	struct server *server;
	struct far_record *record;
	bool is_begun;
	bool is_hidden;    // the record is BUSY, and becomes `state` again
	bool stays_hidden; // until more is done than the step under way
	unsigned state;
};

// Writes at offset; the value grows as needed. Returns the bytes written, fewer than asked (but > 0) if memory or a quota ran out meanwhile, or -ENOSPC, -EDQUOT.
int64_t value_write(struct value_change *change, uint64_t offset, const struct value_source *source);

// Writes the bytes of all sources, one behind the other: readers find all of them or none (value_whole.c). The version is raised once. -ENOSPC, -EDQUOT change nothing.
int value_write_whole(
        struct server *server, struct far_record *record, uint64_t offset, const struct value_source *sources, uint32_t count);

// Cuts or grows (by a hole). -ENOSPC and -EDQUOT change nothing.
int value_truncate(struct value_change *change, uint64_t size);

// Clears what a store that was under way during a truncation left behind the end.
void value_clear_tail(struct server *server, struct far_record *record);

// --- space within a value (value_space.c) ---

// Fills the holes in the pages of [offset, end) with pages of zeros, so that no later write there wants memory; `end` may lie behind the value's. At most VALUE_FILL_MAX bytes.
// The value is in pages from then on. -ENOSPC, -EDQUOT: none was filled, and it is where it was.
#define VALUE_FILL_MAX (4U << 20)
int value_fill(struct value_change *change, uint64_t offset, uint64_t end);

// Whether quotas allow that there be pages in all of [offset, end). -EDQUOT.
int value_require_pages(struct server *server, const struct far_record *record, uint64_t offset, uint64_t end);

// How many bytes of the pages of [offset, end) are holes.
uint64_t value_holes(const struct pool *pool, const struct far_record *record, uint64_t offset, uint64_t end);

// Zeros what is stored of [offset, end), where it is.
void value_clear(struct value_change *change, uint64_t offset, uint64_t end);

// Makes holes of the whole pages in [offset, end) and zeros the rest. The size stays. Cannot fail: without memory to cut pages out of the middle of a run they are zeroed.
void value_punch(struct value_change *change, uint64_t offset, uint64_t end);

// Looks from *offset (below the size) for stored bytes, or else for a hole, of which there is one at the end. VALUE_SEEK_MORE: looked at many extents, go on from *offset.
enum value_seek { VALUE_SEEK_MORE, VALUE_SEEK_FOUND, VALUE_SEEK_NONE };
enum value_seek value_seek(const struct pool *pool, const struct far_record *record, bool for_hole, uint64_t *offset);

// --- copying (value_copy.c) ---

// Copies a range that lies within `source` (which may be the change's own value, if the ranges do not overlap). Bytes move as the server's thread has time for: returns how far
// it came (> 0), or -ENOSPC, -EDQUOT. Holes that meet holes stay holes.
int64_t value_copy(struct value_change *change, uint64_t to, const struct far_record *source, uint64_t from, uint64_t length);

#endif
