// What the files that change values share (value_change.c; the small values' part is value_write.c's). Nobody else includes it. Writer thread only.
#ifndef SERVER_VALUE_INSIDE_H
#define SERVER_VALUE_INSIDE_H

#include "server/value.h"

static inline uint64_t value_least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t value_page_floor(uint64_t offset)
{
	return offset & ~(uint64_t)(FAR_PAGE_SIZE - 1);
}

static inline uint64_t value_page_ceiling(uint64_t offset)
{
	return value_page_floor(offset + FAR_PAGE_SIZE - 1);
}

static inline void value_set_size(struct far_record *record, uint64_t size)
{
	atomic_store_explicit(&record->size, size, memory_order_relaxed);
}

// R2: the new version is visible before any byte that is stored behind this. Once a change.
void value_begin(struct value_change *change);

// R6: between hide and show the bytes of an inline value, a block or a tail may change, and so may what the record says of where its value is and how long.
void value_hide(struct value_change *change);

// R1: the new word, if anything was hidden, and nothing more is to be.
void value_show(struct value_change *change);

// An extent_release that gives the pages to reclaim; its context is the server.
void value_reclaim_pages(void *server, uint32_t page, uint32_t pages);

// Whether the value is small (not in pages) and stays so if it reaches up to `end`.
bool value_is_small(const struct far_record *record, uint64_t end);

// Whether it has bytes that are not in pages.
static inline bool value_has_small_bytes(const struct far_record *record)
{
	return record->value_kind == FAR_VALUE_INLINE || record->value_kind == FAR_VALUE_BLOCK;
}

// Where the bytes of an inline value or block are.
char *value_small_bytes(const struct value_change *change);

// Makes sure that the small value can have so many bytes: writes within need no more memory. -ENOSPC, -EDQUOT change nothing.
int value_small_reserve(struct value_change *change, uint64_t size);

#endif
