#include "server/watch.h"

#include <errno.h>
#include <sys/mman.h>

#include "server/pool_inside.h"

static uint64_t *bits_map(uint64_t count)
{
	void *bits = mmap(NULL, (count + 7) / 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return bits == MAP_FAILED ? NULL : bits;
}

static void bits_unmap(uint64_t **bits, uint64_t count)
{
	if (*bits)
		munmap(*bits, (count + 7) / 8);
	*bits = NULL;
}

int watch_begin(struct pool *pool)
{
	watch_end(pool);
	pool->pages.noted = bits_map(pool->length >> FAR_PAGE_SHIFT);
	pool->slabs.noted = bits_map(pool->length / FAR_GRANULE);
	if (pool->pages.noted && pool->slabs.noted)
		return 0;
	watch_end(pool);
	return -ENOMEM;
}

void watch_end(struct pool *pool)
{
	bits_unmap(&pool->pages.noted, pool->length >> FAR_PAGE_SHIFT);
	bits_unmap(&pool->slabs.noted, pool->length / FAR_GRANULE);
}

void watch_note_pages(struct pool *pool, uint32_t page, uint32_t pages)
{
	if (pool->pages.noted)
		pages_note(&pool->pages, page, pages);
}

void watch_note_block(struct pool *pool, uint64_t offset)
{
	slabs_note(&pool->slabs, offset);
}

bool watch_has_page(const struct pool *pool, uint32_t page)
{
	return pool->pages.noted[page >> 6] >> (page & 63) & 1;
}

bool watch_has_block(const struct pool *pool, uint64_t offset)
{
	uint64_t granule = offset / FAR_GRANULE;

	return pool->slabs.noted[granule >> 6] >> (granule & 63) & 1;
}
