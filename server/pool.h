// The pool: all value and metadata memory of a server, one memfd mapped once. Its first page is the far_pool_header; the rest is cut into
// segments, and segments into pages. Pages are handed out as runs that never cross a segment's end (pages.c), small blocks come out of page
// runs by size class (block.c). Everything is a pool offset (bytes) or page number; offset 0 and page 0 are never handed out.
// Owned by the server; used by the writer thread only. Unless it is shared the memfd is sealed against further writable mappings
// (F_SEAL_FUTURE_WRITE): clients that map it can only read (promise P3).
#ifndef SERVER_POOL_H
#define SERVER_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "far/layout.h"

struct pool;

enum pool_hugepages { POOL_HUGEPAGES_TRY, POOL_HUGEPAGES_REQUIRE, POOL_HUGEPAGES_NEVER };

enum pool_numa {
	POOL_NUMA_ANY,    // where the kernel puts it
	POOL_NUMA_PREFER, // on the node while that has memory
	POOL_NUMA_BIND,   // on the node alone
};

struct pool_options {
	uint64_t length;               // FAR_POOL_MIN..FAR_POOL_MAX, rounded up to whole segments
	enum pool_hugepages hugepages; // TRY: hugetlbfs, else transparent hugepages by madvise, else plain; pool_backing says which
	uint64_t hugepage_size;        // 1 GiB, or 2 MiB, which 0 is too. TRY comes from 1 GiB to 2 MiB before transparent ones
	enum pool_numa numa;
	int numa_node;
	bool is_prefaulted; // touch every page at start
	bool is_shared;     // clients of this process's own user map it writable (fabric_options.is_sharing)
};

// Maps and formats the pool. `reason` (256 bytes) gets what failed and what to do. -EINVAL, -ENOMEM.
int pool_open(const struct pool_options *options, struct pool **pool, char *reason);
void pool_close(struct pool *pool);

void *pool_base(const struct pool *pool);
uint64_t pool_length(const struct pool *pool);
int pool_fd(const struct pool *pool);
bool pool_is_shared(const struct pool *pool);
unsigned pool_segment_shift(const struct pool *pool);
struct far_pool_header *pool_header(const struct pool *pool);
const char *pool_backing(
        const struct pool *pool); // "2 MiB hugepages (hugetlb), on NUMA node 1", "transparent 2 MiB hugepages", "4 KiB pages", and why

static inline void *pool_at(const struct pool *pool, uint64_t offset)
{
	return (char *)pool_base(pool) + offset;
}

// --- page runs (pages.c) ---

// A run of exactly `pages` pages in one segment. Returns its first page, or 0: no such run is free.
uint32_t pool_pages_alloc(struct pool *pool, uint32_t pages);

// The largest run that can be had of at most `want` and at least `least` pages. Returns its first page and *got, or 0.
uint32_t pool_pages_alloc_most(struct pool *pool, uint32_t want, uint32_t least, uint32_t *got);

// Gives back any part of what was allocated, in pieces of any size.
void pool_pages_free(struct pool *pool, uint32_t page, uint32_t pages);

// The most pages one run can have: a segment's.
uint32_t pool_pages_max(const struct pool *pool);

// --- small blocks (block.c) ---

// Size classes are multiples of FAR_GRANULE up to 512 and then about 1/8 apart, up to FAR_BLOCK_MAX. pool_block_round tells the true size.
uint32_t pool_block_round(uint32_t size);

// A block of at least `size` bytes (1..FAR_BLOCK_MAX), 16-byte aligned, contents undefined. Returns its offset, or 0: pool full.
uint64_t pool_block_alloc(struct pool *pool, uint32_t size);
void pool_block_free(struct pool *pool, uint64_t offset, uint32_t size); // the size asked for, or its rounding

// --- record memory (block.c, with slabs of their own: type-stable, layout.h R3) ---

// Memory for a record with `size` bytes in all (sizeof(struct far_record) + what is behind it; <= FAR_BLOCK_MAX). Words of memory that never held a record
// are 0 (state FREE); a reused record keeps its old word, so that the change counter goes on. Returns the offset, or 0.
uint64_t pool_record_alloc(struct pool *pool, uint32_t size);
void pool_record_free(struct pool *pool, uint64_t offset, uint32_t size);

// True if a record of some class begins at this offset (allocated or free): makes ids from the wire safe to follow.
bool pool_record_exists(const struct pool *pool, uint64_t offset);

// Records in one piece of memory, which goes back to the pages once all of them are free.
struct pool_slab {
	uint64_t offset;
	uint32_t size;    // of a record's memory
	uint32_t records; // that were ever handed out: the first ones
};

// Of some slabs of records behind *at (0 = from the start) the one with the fewest in use, but not none; *at moves on. False: there is none.
bool pool_records_sparse(const struct pool *pool, uint32_t *at, struct pool_slab *slab);

// Gives empty record slabs back to the pages; raises location_epoch first (R3). Called by itself when pages run out.
void pool_records_trim(struct pool *pool);

// --- figures ---

// Bytes that new pages, blocks and records can still take: empty slabs count as free. After everything allocated was freed it is what it was at the start.
uint64_t pool_free_bytes(const struct pool *pool);

// These, and what is left in slabs that are in use: all that is not handed out, in whatever sizes it can be had.
uint64_t pool_room_bytes(const struct pool *pool);

// Whether memory for more blocks or records of any size can be had, without a search: it may tell so in vain until an allocation has failed.
bool pool_may_have_slab(const struct pool *pool);

#endif
