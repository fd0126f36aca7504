// What index.c keeps, for the checker to look through. Private to the two.
#ifndef SERVER_INDEX_INSIDE_H
#define SERVER_INDEX_INSIDE_H

#include "far/bucket.h"
#include "server/index.h"

#define CHUNK_PAGES (FAR_CHUNK_BUCKETS * (uint32_t)sizeof(struct far_bucket) / FAR_PAGE_SIZE)

struct index {
	struct pool *pool;
	uint64_t buckets;
	uint64_t entries;
	uint64_t changes; // entries ever added and removed
	uint64_t seed;
	uint64_t table;       // pool offset of the chunk table
	uint32_t table_pages; // its size
};

#endif
