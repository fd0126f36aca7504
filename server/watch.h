// Watching the pool: from begin to end it is noted which pages, blocks and records were handed out, given back, or passed from one owner to another. For the checker (check.h), which
// walks step by step while the server goes on: what was noted since it began, it cannot judge; for all else, what it saw of an owner at any time holds at every time.
// Nothing is watched otherwise: then a note costs a look at a pointer. Writer thread only.
#ifndef SERVER_WATCH_H
#define SERVER_WATCH_H

#include "server/pool.h"

// -ENOMEM: no memory for the notes (a bit a page and a bit a granule, touched as they are used).
int watch_begin(struct pool *pool);
void watch_end(struct pool *pool);

// What has another owner now without having been given back meanwhile. pages.c and block.c note the rest.
void watch_note_pages(struct pool *pool, uint32_t page, uint32_t pages);
void watch_note_block(struct pool *pool, uint64_t offset);

// Only while watching.
bool watch_has_page(const struct pool *pool, uint32_t page);
bool watch_has_block(const struct pool *pool, uint64_t offset);

#endif
