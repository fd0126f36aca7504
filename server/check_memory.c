// The check, memory: who owns which pages, blocks and records, and at the end whether all that is handed out has one owner and nothing else has.
#include <stdatomic.h>
#include <string.h>

#include "server/check_inside.h"
#include "server/record.h"
#include "server/watch.h"

static bool has_bit(const uint64_t *bits, uint64_t bit)
{
	return bits[bit >> 6] >> (bit & 63) & 1;
}

static void set_bit(uint64_t *bits, uint64_t bit)
{
	bits[bit >> 6] |= 1ULL << (bit & 63);
}

// The slab that has a block beginning at the offset which was handed out at some time, or NULL.
static const struct slab *slab_of(const struct pool *pool, uint64_t offset, enum slab_kind kind)
{
	const struct slab *slab;
	uint64_t inside;
	uint32_t index;

	if (offset >= pool->length || offset % FAR_GRANULE)
		return NULL;
	index = pool->slabs.of_page[offset >> FAR_PAGE_SHIFT];
	if (index == 0 || index > pool->slabs.count)
		return NULL;
	slab = &pool->slabs.slabs[index - 1];
	if (slab->size == 0 || slab->kind != kind || offset < (uint64_t)slab->page << FAR_PAGE_SHIFT)
		return NULL;
	inside = offset - ((uint64_t)slab->page << FAR_PAGE_SHIFT);
	return inside % slab->size == 0 && inside / slab->size < slab->fresh ? slab : NULL;
}

bool check_is_block(const struct pool *pool, uint64_t offset, uint32_t size)
{
	const struct slab *slab = slab_of(pool, offset, SLAB_BLOCKS);

	return slab && size > 0 && size <= FAR_BLOCK_MAX && slab->size == pool_block_round(size);
}

uint32_t check_block_size(const struct pool *pool, uint64_t offset)
{
	const struct slab *slab = slab_of(pool, offset, SLAB_BLOCKS);

	return slab ? slab->size : 0;
}

struct far_record *check_record_at(const struct pool *pool, uint64_t offset)
{
	return slab_of(pool, offset, SLAB_RECORDS) ? record_at(pool, offset) : NULL;
}

bool check_is_page_owned(const struct check *check, uint32_t page)
{
	return has_bit(check->page_owned, page);
}

bool check_is_block_owned(const struct check *check, uint64_t offset)
{
	return has_bit(check->block_owned, offset / FAR_GRANULE);
}

// --- owners ---

// Pages of one run are told of together.
static void own_run(struct check *check, const struct far_record *object, uint32_t page, uint32_t pages, const char *what)
{
	const struct pool *pool = check->server->pool;
	uint32_t freed = 0, twice = 0, first = 0;

	for (uint32_t i = page; i < page + pages; i++) {
		bool is_free = !has_bit(pool->pages.bitmap, i);
		bool is_twice = has_bit(check->page_owned, i) && !watch_has_page(pool, i);

		if ((is_free || is_twice) && freed + twice == 0)
			first = i;
		freed += is_free;
		twice += is_twice;
		set_bit(check->page_owned, i);
	}
	check->figures.pages += pages;
	if (freed)
		check_found(check, FAR_CHECK_FREED, object, "%s: %u of %u pages are free, page %u first", what, freed, pages, first);
	if (twice)
		check_found(
		        check, FAR_CHECK_TWICE, object, "%s: %u of %u pages have another owner, page %u first", what, twice, pages, first);
}

bool check_own_pages(struct check *check, const struct far_record *object, uint64_t page, uint64_t pages, const char *what)
{
	const struct pages *all = &check->server->pool->pages;
	uint64_t end = check->server->pool->length >> FAR_PAGE_SHIFT;

	if (pages == 0 || page >= end || pages > end - page ||
	        (pages > 1 && page >> all->segment_pages_shift != (page + pages - 1) >> all->segment_pages_shift)) {
		check_found(check, FAR_CHECK_OUTSIDE, object, "%s: %llu pages from page %llu on are not inside one segment of the pool",
		        what, (unsigned long long)pages, (unsigned long long)page);
		return false;
	}
	own_run(check, object, (uint32_t)page, (uint32_t)pages, what);
	return true;
}

static void own_block(struct check *check, const struct far_record *object, uint64_t offset, const char *what)
{
	if (has_bit(check->block_owned, offset / FAR_GRANULE) && !watch_has_block(check->server->pool, offset))
		check_found(check, FAR_CHECK_TWICE, object, "%s: the block at %llu has another owner", what, (unsigned long long)offset);
	set_bit(check->block_owned, offset / FAR_GRANULE);
	check->figures.blocks++;
}

bool check_own_block(struct check *check, const struct far_record *object, uint64_t offset, uint32_t size, const char *what)
{
	if (!check_is_block(check->server->pool, offset, size)) {
		check_found(check, FAR_CHECK_OUTSIDE, object, "%s: no block of %u bytes begins at %llu", what, size,
		        (unsigned long long)offset);
		return false;
	}
	own_block(check, object, offset, what);
	return true;
}

void check_own_record(struct check *check, const struct far_record *record)
{
	own_block(check, record, record_offset(check->server->pool, record), "record");
}

// --- slabs ---

// The link through a freed block to the next one.
static uint16_t chain_next(const struct pool *pool, const struct slab *slab, uint32_t number)
{
	uint64_t offset = ((uint64_t)slab->page << FAR_PAGE_SHIFT) + (uint64_t)number * slab->size;
	uint16_t next;

	memcpy(&next, (char *)pool_at(pool, offset) + (slab->kind == SLAB_RECORDS ? RECORD_CHAIN_OFFSET : 0), sizeof(next));
	return next;
}

bool check_slab_chain(const struct pool *pool, const struct slab *slab, uint64_t free[CHECK_SLAB_WORDS])
{
	uint32_t length = 0;
	uint32_t number = slab->free_head;

	memset(free, 0, CHECK_SLAB_WORDS * sizeof(free[0]));
	while (number != UINT16_MAX) {
		if (number >= slab->fresh || has_bit(free, number))
			return false;
		set_bit(free, number);
		length++;
		number = chain_next(pool, slab, number);
	}
	return length + slab->used == slab->fresh;
}

static bool is_listed(const struct slabs *slabs, uint32_t index)
{
	const struct slab *slab = &slabs->slabs[index];
	bool is_first = slab->previous == SLAB_NONE;

	if (!is_first && slab->previous >= slabs->count)
		return false;
	if (slab->next != SLAB_NONE && (slab->next >= slabs->count || slabs->slabs[slab->next].previous != index))
		return false;
	return is_first ? slabs->with_room[slab->kind][slab->class] == index : slabs->slabs[slab->previous].next == index;
}

// What is wrong with the slab's descriptor, or NULL.
static const char *slab_fault(const struct pool *pool, uint32_t index)
{
	const struct slabs *slabs = &pool->slabs;
	const struct slab *slab = &slabs->slabs[index];

	if (slab->kind >= SLAB_KINDS || slab->class >= BLOCK_CLASSES || slab->size % FAR_GRANULE ||
	        slab->capacity != SLAB_BYTES / slab->size)
		return "its kind, class, size and capacity do not fit together";
	if (slab->used > slab->fresh || slab->fresh > slab->capacity)
		return "more blocks are used than were ever handed out, or handed out than there are";
	if (((uint64_t)slab->page + SLAB_PAGES) << FAR_PAGE_SHIFT > pool->length)
		return "it is not inside the pool";
	for (uint32_t i = 0; i < SLAB_PAGES; i++)
		if (slabs->of_page[slab->page + i] != index + 1)
			return "the table of pages has another slab there";
	if (slab->used < slab->capacity && !is_listed(slabs, index))
		return "it has room, but is not in the list of those that have";
	return NULL;
}

static void judge_block(struct check *check, const struct slab *slab, uint32_t number, bool is_free)
{
	const struct pool *pool = check->server->pool;
	uint64_t offset = ((uint64_t)slab->page << FAR_PAGE_SHIFT) + (uint64_t)number * slab->size;
	bool is_owned = has_bit(check->block_owned, offset / FAR_GRANULE);
	const char *what = slab->kind == SLAB_RECORDS ? "record" : "block";

	if (is_free && slab->kind == SLAB_RECORDS && check_state(record_at(pool, offset)) != FAR_RECORD_FREE)
		check_found(check, FAR_CHECK_FREED, NULL, "the record at %llu is free by its slab, but not by its state",
		        (unsigned long long)offset);
	if (watch_has_block(pool, offset)) {
		check->figures.unsettled++;
		return;
	}
	if (!is_free && !is_owned)
		check_found(check, FAR_CHECK_LEAK, NULL, "the %s of %u bytes at %llu was handed out, but belongs to nothing", what,
		        slab->size, (unsigned long long)offset);
	if (is_free && is_owned)
		check_found(check, FAR_CHECK_FREED, NULL, "the %s of %u bytes at %llu is in use, but free by its slab", what, slab->size,
		        (unsigned long long)offset);
}

static void judge_slab(struct check *check, uint32_t index)
{
	const struct pool *pool = check->server->pool;
	const struct slab *slab = &pool->slabs.slabs[index];
	const char *fault = slab_fault(pool, index);
	uint64_t free[CHECK_SLAB_WORDS];

	if (fault) {
		check_found(
		        check, FAR_CHECK_SLAB, NULL, "slab %u of blocks of %u bytes at page %u: %s", index, slab->size, slab->page, fault);
		return;
	}
	check_own_pages(check, NULL, slab->page, SLAB_PAGES, "slab");
	if (!check_slab_chain(pool, slab, free)) {
		check_found(check, FAR_CHECK_SLAB, NULL, "slab %u of blocks of %u bytes at page %u: its chain of free blocks is broken",
		        index, slab->size, slab->page);
		return;
	}
	for (uint32_t number = 0; number < slab->fresh; number++)
		judge_block(check, slab, number, has_bit(free, number));
}

bool check_slabs(struct check *check)
{
	const struct slabs *slabs = &check->server->pool->slabs;

	for (; check->at[0] < slabs->count; check->at[0]++) {
		if (check_is_due(check))
			return false;
		if (slabs->slabs[check->at[0]].size)
			judge_slab(check, (uint32_t)check->at[0]);
	}
	return true;
}

// --- segments ---

// A segment's own figures.
static void judge_bound(struct check *check, uint32_t index)
{
	const struct pages *pages = &check->server->pool->pages;
	const struct segment_pages *segment = &pages->segments[index];
	uint32_t begin = index << pages->segment_pages_shift;
	uint32_t free = 0, run = 0, longest = 0;

	for (uint32_t page = begin; page < begin + (1U << pages->segment_pages_shift); page++) {
		run = has_bit(pages->bitmap, page) ? 0 : run + 1;
		free += run > 0;
		longest = run > longest ? run : longest;
	}
	if (free != segment->free)
		check_found(check, FAR_CHECK_SPACE, NULL, "segment %u: %u pages are free, but %u are counted", index, free, segment->free);
	if (longest > segment->longest)
		check_found(check, FAR_CHECK_SPACE, NULL, "segment %u: a run of %u pages is free, but none above %u is expected", index,
		        longest, segment->longest);
}

static bool is_leaked(struct check *check, uint32_t page)
{
	const struct pool *pool = check->server->pool;

	return has_bit(pool->pages.bitmap, page) && !has_bit(check->page_owned, page) && !watch_has_page(pool, page);
}

static void judge_pages(struct check *check, uint32_t index)
{
	const struct pool *pool = check->server->pool;
	uint32_t page = index << pool->pages.segment_pages_shift;
	uint32_t end = page + (1U << pool->pages.segment_pages_shift);

	while (page < end) {
		uint32_t first = page;

		while (page < end && is_leaked(check, page))
			page++;
		if (page > first)
			check_found(check, FAR_CHECK_LEAK, NULL, "%u pages from page %u on were handed out, but belong to nothing",
			        page - first, first);
		else
			check->figures.unsettled += watch_has_page(pool, page++);
	}
}

bool check_segments(struct check *check)
{
	for (; check->at[0] < check->server->pool->pages.segment_count; check->at[0]++) {
		if (check_is_due(check))
			return false;
		judge_bound(check, (uint32_t)check->at[0]);
		judge_pages(check, (uint32_t)check->at[0]);
	}
	return true;
}
