// Records: names, ids and words of objects, by the rules of layout.h. Writer thread only.
#ifndef SERVER_RECORD_H
#define SERVER_RECORD_H

#include "far/key.h"
#include "server/pool.h"

#define RECORD_FRONT 256U // bytes, in cache lines: the fixed part, and the name and value of a small one

// A new record with room for `name` and `value_room` more bytes behind it (0..FAR_INLINE_MAX); its id has the next generation of that memory; state FREE until
// record_publish. The name is set; parent is given. All else is 0. Returns the offset, or 0: pool full.
uint64_t record_new(struct pool *pool, uint64_t parent, struct far_span name, uint32_t value_room);

// Frees the name's block if it has one. The record's memory itself is the caller's to hand to reclaim (size: record_size).
uint32_t record_size(const struct far_record *record);

static inline struct far_record *record_at(const struct pool *pool, uint64_t offset)
{
	return pool_at(pool, offset);
}
uint64_t record_offset(const struct pool *pool, const struct far_record *record);

// The live or orphan object of this id, or NULL: safe for any id from the wire. FAR_ROOT_ID is not known here.
struct far_record *record_by_id(const struct pool *pool, uint64_t id);

struct far_span record_name(const struct pool *pool, const struct far_record *record);

// Sets another parent and name; a name that does not fit gets a block. -ENOSPC changes nothing. The old long name's block goes to *old_block (0 = none), for reclaim.
int record_rename(
        struct pool *pool, struct far_record *record, uint64_t parent, struct far_span name, uint64_t *old_block, uint32_t *old_size);

// This record is looked at soon: the whole of a small one comes from memory at once, not line by line as its parts are needed.
static inline void record_expect(const struct far_record *record)
{
	for (uint32_t line = 0; line < RECORD_FRONT; line += 64)
		__builtin_prefetch((const char *)record + line);
}

// The inline value of this record is read or written soon. Its front is on its way to the cache already.
static inline void record_expect_value(const struct far_record *record)
{
	for (uint32_t line = RECORD_FRONT; line < record_size(record); line += 64)
		__builtin_prefetch((const char *)record + line, 1);
}

// Bytes that an inline value of this record can have, and where they are (pool offset). Depends on the name's length.
uint32_t record_inline_room(const struct far_record *record);
uint64_t record_inline_offset(const struct pool *pool, const struct far_record *record);

// R1: the next word with this state, stored with release.
void record_publish(struct far_record *record, enum far_record_state state);

// The next word of a record in which nothing has changed: the value, whose checksum fits, is not looked at.
void record_renew(struct far_record *record);

#endif
