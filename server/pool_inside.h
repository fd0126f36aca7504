// What pool.c, pool_map.c, pages.c and block.c share: the pool's parts. Private to them.
#ifndef SERVER_POOL_INSIDE_H
#define SERVER_POOL_INSIDE_H

#include "server/pool.h"

#define SEGMENT_CLASSES 16 // classes of the longest free run: 2^0 .. 2^14 pages, and none
#define SLAB_PAGES 16U     // 64 KiB: the largest class still has 16 blocks a slab
#define SLAB_BYTES (SLAB_PAGES * FAR_PAGE_SIZE)

// Size classes of blocks: every 16 bytes up to 512 (32 classes), then 8 between powers of two up to 4096.
#define BLOCK_FINE_MAX 512U
#define BLOCK_CLASSES 56U

// One segment's page allocator. Its bitmap has one bit a page, 1 = taken.
struct segment_pages {
	uint32_t free;     // pages
	uint32_t longest;  // no free run is longer: exact after a search that failed, else an upper bound
	uint32_t previous; // neighbours in the list of its class; UINT32_MAX ends
	uint32_t next;
};

struct pages {
	uint64_t *bitmap;
	struct segment_pages *segments;
	uint32_t heads[SEGMENT_CLASSES];
	uint32_t segment_count;
	uint32_t segment_pages_shift; // log2 of pages in a segment
	uint64_t free;                // pages
	uint64_t *noted;              // one bit a page, or NULL: not watched (watch.h)
};

enum slab_kind { SLAB_BLOCKS, SLAB_RECORDS, SLAB_KINDS };

#define SLAB_NONE UINT32_MAX
#define RECORD_CHAIN_OFFSET 16 // the chain of freed records overwrites `size`, never word and version

// A run of SLAB_PAGES pages cut into blocks of one class. Freed blocks are chained by their number through the block's own memory.
struct slab {
	uint32_t page;
	uint32_t size; // of one block; 0 = this descriptor is not in use
	uint16_t class;
	uint16_t kind;      // enum slab_kind
	uint16_t capacity;  // blocks
	uint16_t used;      // blocks handed out
	uint16_t fresh;     // blocks from this one on were never handed out
	uint16_t free_head; // number of the first freed block, UINT16_MAX = none
	uint32_t previous;  // neighbours in the list of slabs with room
	uint32_t next;
};

struct slabs {
	struct slab *slabs;
	uint32_t count;    // descriptors in use or on the unused chain
	uint32_t capacity; // descriptors allocated
	uint32_t unused;   // chain through next
	uint32_t *of_page; // page -> slab + 1, 0 = none; mapped lazily
	uint32_t with_room[SLAB_KINDS][BLOCK_CLASSES];
	uint32_t empty[SLAB_KINDS]; // slabs without a block handed out
	uint64_t room;              // bytes of slabs that are not handed out
	uint64_t *noted;            // one bit a granule, set where a block begins; NULL: not watched (watch.h)
	uint32_t generation;        // the highest of any record's id: new record memory goes on from it
};

struct pool {
	char *base;
	uint64_t length;
	int fd;
	bool is_shared;
	bool has_hugetlb; // pages the kernel has promised
	unsigned segment_shift;
	char backing[192];
	struct pages pages;
	struct slabs slabs;
};

#define POOL_REASON_SIZE 256

// Maps pool->length bytes and fills fd, base and backing. A negative errno: `reason` says what failed and what to do.
int pool_map(struct pool *pool, const struct pool_options *options, char *reason);

// Bytes that such a pool could take now, or 0: not known.
uint64_t pool_memory_available(const struct pool_options *options);

int pages_init(struct pages *pages, uint64_t length, unsigned segment_shift);
void pages_fini(struct pages *pages);

// For watch.h: notes pages, while watched.
void pages_note(struct pages *pages, uint32_t page, uint32_t count);

// The same of a block, if watched.
static inline void slabs_note(struct slabs *slabs, uint64_t offset)
{
	uint64_t granule = offset / FAR_GRANULE;

	if (slabs->noted)
		slabs->noted[granule >> 6] |= 1ULL << (granule & 63);
}

int slabs_init(struct slabs *slabs, uint64_t length);
void slabs_fini(struct slabs *slabs, uint64_t length);

#endif
