#include "server/record.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <xxhash.h>

// A record: the fixed part, the name's area (sized by the first name, at least 8 bytes), the room of an inline value. A later name that does not
// fit its area stands in a block of its own, whose offset takes the area's first 8 bytes.

static char *name_area(struct far_record *record)
{
	return (char *)(record + 1);
}

static uint32_t name_room_for(uint32_t length)
{
	uint32_t room = (length + FAR_NAME_UNIT - 1) & ~(FAR_NAME_UNIT - 1);

	return room ? room : FAR_NAME_UNIT;
}

static uint64_t long_name_block(const struct far_record *record)
{
	uint64_t block;

	memcpy(&block, record + 1, sizeof(block));
	return block;
}

uint64_t record_new(struct pool *pool, uint64_t parent, struct far_span name, uint32_t value_room)
{
	uint32_t name_room = name_room_for(name.length);
	uint32_t size = pool_block_round((uint32_t)sizeof(struct far_record) + name_room + value_room);
	uint64_t offset = pool_record_alloc(pool, size);
	struct far_record *record;
	uint64_t generation;
	uint64_t version;
	uint64_t word;

	if (offset == 0)
		return 0;
	record = record_at(pool, offset);
	generation = (FAR_ID_GENERATION(record->id) + 1) & 0xffffff;
	if (generation == 0)
		generation = 1;
	word = atomic_load_explicit(&record->word, memory_order_relaxed);
	version = 0;
	memset(&record->size, 0, sizeof(*record) - offsetof(struct far_record, size));
	atomic_store_explicit(&record->version, version, memory_order_relaxed);
	atomic_store_explicit(&record->word, FAR_WORD_MAKE(FAR_WORD_CHANGE(word) + 1, FAR_RECORD_FREE), memory_order_relaxed);
	record->id = generation << FAR_ID_POSITION_BITS | offset / FAR_GRANULE;
	record->parent = parent;
	record->granules = (uint8_t)((size - sizeof(*record)) / FAR_GRANULE);
	record->name_units = name_room / FAR_NAME_UNIT & 0x3f;
	record->name_length = (uint8_t)name.length;
	memcpy(name_area(record), name.bytes ? name.bytes : "", name.length);
	return offset;
}

uint32_t record_size(const struct far_record *record)
{
	return (uint32_t)sizeof(*record) + far_record_room(record);
}

uint64_t record_offset(const struct pool *pool, const struct far_record *record)
{
	return (uint64_t)((const char *)record - (const char *)pool_base(pool));
}

struct far_record *record_by_id(const struct pool *pool, uint64_t id)
{
	uint64_t offset = FAR_ID_POSITION(id) * FAR_GRANULE;
	struct far_record *record;
	unsigned state;

	if (!pool_record_exists(pool, offset))
		return NULL;
	record = record_at(pool, offset);
	state = FAR_WORD_STATE(atomic_load_explicit(&record->word, memory_order_relaxed));
	// BUSY is an object that the caller itself is changing.
	return record->id == id && state != FAR_RECORD_FREE && state != FAR_RECORD_LINK ? record : NULL;
}

struct far_span record_name(const struct pool *pool, const struct far_record *record)
{
	const void *bytes = record->flags & FAR_RECORD_LONG_NAME ? pool_at(pool, long_name_block(record)) : (const void *)(record + 1);

	return (struct far_span){bytes, record->name_length};
}

int record_rename(
        struct pool *pool, struct far_record *record, uint64_t parent, struct far_span name, uint64_t *old_block, uint32_t *old_size)
{
	uint64_t block = 0;

	*old_block = 0;
	*old_size = 0;
	if (name.length > far_record_name_room(record)) {
		block = pool_block_alloc(pool, name.length);
		if (block == 0)
			return -ENOSPC;
	}
	if (record->flags & FAR_RECORD_LONG_NAME) {
		*old_block = long_name_block(record);
		*old_size = record->name_length;
	}
	if (block) {
		memcpy(pool_at(pool, block), name.bytes, name.length);
		memcpy(name_area(record), &block, sizeof(block));
		record->flags |= FAR_RECORD_LONG_NAME;
	} else {
		memmove(name_area(record), name.bytes, name.length);
		record->flags &= ~FAR_RECORD_LONG_NAME & FAR_RECORD_FLAGS;
	}
	record->name_length = (uint8_t)name.length;
	record->parent = parent;
	return 0;
}

uint32_t record_inline_room(const struct far_record *record)
{
	uint32_t room = far_record_room(record) - far_record_name_room(record);

	return room < FAR_INLINE_MAX ? room : FAR_INLINE_MAX;
}

uint64_t record_inline_offset(const struct pool *pool, const struct far_record *record)
{
	return record_offset(pool, record) + sizeof(*record) + far_record_name_room(record);
}

// R8. Whatever changed the value or its version: what is published has the checksum that fits.
static void seal(struct far_record *record)
{
	const char *value = (const char *)(record + 1) + far_record_name_room(record);

	record->u.behind.checksum = XXH3_64bits_withSeed(value, atomic_load_explicit(&record->size, memory_order_relaxed),
	        atomic_load_explicit(&record->version, memory_order_relaxed));
}

static void next_word(struct far_record *record, enum far_record_state state)
{
	uint64_t word = atomic_load_explicit(&record->word, memory_order_relaxed);

	// Release: what the record says and leads to is in place before a reader (acquire, R4) can see this word. The fence behind it keeps
	// later changes of what the old word led to from being seen before the word (R1).
	atomic_store_explicit(&record->word, FAR_WORD_MAKE(FAR_WORD_CHANGE(word) + 1, state), memory_order_release);
	atomic_thread_fence(memory_order_release);
}

void record_publish(struct far_record *record, enum far_record_state state)
{
	// The value of what is free nobody may take for one.
	if (record->value_kind == FAR_VALUE_INLINE && state != FAR_RECORD_BUSY && state != FAR_RECORD_FREE)
		seal(record);
	next_word(record, state);
}

void record_renew(struct far_record *record)
{
	next_word(record, (enum far_record_state)FAR_WORD_STATE(atomic_load_explicit(&record->word, memory_order_relaxed)));
}
