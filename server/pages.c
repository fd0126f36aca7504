#include "server/pool_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Page runs: one bit a page, and for each segment a bound on its longest free run. Segments hang in lists by the power of two of that bound, so a run
// is found without looking at segments that cannot have it; inside a segment the first fit is taken, which keeps the long runs at its end.
// Small runs come from the segments with the shortest sufficient runs, so long runs stay whole for large values.

#define NO_SEGMENT UINT32_MAX

static unsigned class_of(uint32_t longest)
{
	return longest ? 31U - (unsigned)__builtin_clz(longest) + 1 : 0;
}

static void list_remove(struct pages *pages, uint32_t index)
{
	struct segment_pages *segment = &pages->segments[index];

	if (segment->previous != NO_SEGMENT)
		pages->segments[segment->previous].next = segment->next;
	else
		pages->heads[class_of(segment->longest)] = segment->next;
	if (segment->next != NO_SEGMENT)
		pages->segments[segment->next].previous = segment->previous;
}

static void list_add(struct pages *pages, uint32_t index)
{
	struct segment_pages *segment = &pages->segments[index];
	uint32_t *head = &pages->heads[class_of(segment->longest)];

	segment->previous = NO_SEGMENT;
	segment->next = *head;
	if (*head != NO_SEGMENT)
		pages->segments[*head].previous = index;
	*head = index;
}

static void set_longest(struct pages *pages, uint32_t index, uint32_t longest)
{
	struct segment_pages *segment = &pages->segments[index];

	if (class_of(segment->longest) == class_of(longest)) {
		segment->longest = longest;
		return;
	}
	list_remove(pages, index);
	segment->longest = longest;
	list_add(pages, index);
}

static void mark(uint64_t *bitmap, uint32_t page, uint32_t pages, bool taken)
{
	while (pages > 0) {
		uint32_t bit = page & 63;
		uint32_t count = pages < 64 - bit ? pages : 64 - bit;
		uint64_t mask = (count == 64 ? ~0ULL : (1ULL << count) - 1) << bit;

		if (taken)
			bitmap[page >> 6] |= mask;
		else
			bitmap[page >> 6] &= ~mask;
		page += count;
		pages -= count;
	}
}

void pages_note(struct pages *pages, uint32_t page, uint32_t count)
{
	mark(pages->noted, page, count, true);
}

int pages_init(struct pages *pages, uint64_t length, unsigned segment_shift)
{
	uint64_t count = length >> segment_shift;

	pages->segment_pages_shift = segment_shift - FAR_PAGE_SHIFT;
	pages->segment_count = (uint32_t)count;
	pages->bitmap = calloc(length >> FAR_PAGE_SHIFT >> 6, sizeof(uint64_t));
	pages->segments = calloc(count, sizeof(*pages->segments));
	if (!pages->bitmap || !pages->segments)
		return -ENOMEM;
	for (unsigned i = 0; i < SEGMENT_CLASSES; i++)
		pages->heads[i] = NO_SEGMENT;
	for (uint32_t i = pages->segment_count; i-- > 0;) {
		pages->segments[i].free = 1U << pages->segment_pages_shift;
		pages->segments[i].longest = 1U << pages->segment_pages_shift;
		list_add(pages, i);
	}
	pages->free = length >> FAR_PAGE_SHIFT;
	mark(pages->bitmap, 0, 1, true); // the header's page
	pages->segments[0].free--;
	pages->free--;
	return 0;
}

void pages_fini(struct pages *pages)
{
	free(pages->bitmap);
	free(pages->segments);
}

// The first page at or behind `page` whose bit is `taken`, or `end`.
static uint32_t find_bit(const uint64_t *bitmap, uint32_t page, uint32_t end, bool taken)
{
	while (page < end) {
		uint64_t word = taken ? bitmap[page >> 6] : ~bitmap[page >> 6];

		word >>= page & 63;
		if (word) {
			page += (uint32_t)__builtin_ctzll(word);
			return page < end ? page : end;
		}
		page = (page | 63) + 1;
	}
	return end;
}

// The last taken page below `page`, + 1, or `begin`.
static uint32_t run_start(const uint64_t *bitmap, uint32_t page, uint32_t begin)
{
	while (page > begin && !(bitmap[(page - 1) >> 6] & 1ULL << ((page - 1) & 63))) {
		if ((page & 63) == 0 && page - begin >= 64 && bitmap[(page >> 6) - 1] == 0)
			page -= 64;
		else
			page--;
	}
	return page;
}

// Takes the first run of `want` pages in the segment, or finds the longest one (>= least): *got pages. Returns its first page, or 0 and knows the longest run then.
static uint32_t take_in_segment(struct pages *pages, uint32_t index, uint32_t want, uint32_t least, uint32_t *got)
{
	uint32_t begin = index << pages->segment_pages_shift;
	uint32_t end = begin + (1U << pages->segment_pages_shift);
	uint32_t best = 0;
	uint32_t best_length = 0;
	uint32_t page = begin;

	while (best_length < want && (page = find_bit(pages->bitmap, page, end, false)) < end) {
		uint32_t run_end = find_bit(pages->bitmap, page, end, true);

		if (run_end - page > best_length) {
			best = page;
			best_length = run_end - page;
		}
		page = run_end;
	}
	if (best_length < want)
		set_longest(pages, index, best_length);
	if (best_length < least)
		return 0;
	*got = best_length < want ? best_length : want;
	mark(pages->bitmap, best, *got, true);
	if (pages->noted)
		pages_note(pages, best, *got);
	pages->segments[index].free -= *got;
	pages->free -= *got;
	return best;
}

// A run of `want` pages from a segment whose bound allows it: the tightest class first.
static uint32_t take(struct pages *pages, uint32_t want)
{
	uint32_t got;

	for (unsigned class = class_of(want); class < SEGMENT_CLASSES; class ++) {
		uint32_t index = pages->heads[class];

		while (index != NO_SEGMENT) {
			uint32_t next = pages->segments[index].next;
			uint32_t page = pages->segments[index].longest >= want ? take_in_segment(pages, index, want, want, &got) : 0;

			if (page)
				return page;
			index = next;
		}
	}
	return 0;
}

uint32_t pool_pages_alloc(struct pool *pool, uint32_t pages)
{
	uint32_t page;

	if (pages == 0 || pages > pool_pages_max(pool))
		return 0;
	page = take(&pool->pages, pages);
	if (!page && pool->slabs.empty[SLAB_RECORDS] > 0) {
		pool_records_trim(pool);
		page = take(&pool->pages, pages);
	}
	return page;
}

uint32_t pool_pages_alloc_most(struct pool *pool, uint32_t want, uint32_t least, uint32_t *got)
{
	uint32_t max = pool_pages_max(pool);

	want = want < max ? want : max;
	for (;;) {
		uint32_t page = want >= least ? pool_pages_alloc(pool, want) : 0;

		if (page) {
			*got = want;
			return page;
		}
		if (want <= least)
			return 0;
		// Every segment whose bound was too high has been searched: the bounds are near the truth now.
		for (unsigned class = SEGMENT_CLASSES; class -- > 0;) {
			uint32_t index = pool->pages.heads[class];

			if (index == NO_SEGMENT || pool->pages.segments[index].longest < least)
				continue;
			page = take_in_segment(&pool->pages, index, want, least, got);
			if (page)
				return page;
		}
		want = want / 2 > least ? want / 2 : least;
	}
}

void pool_pages_free(struct pool *pool, uint32_t page, uint32_t pages)
{
	struct pages *all = &pool->pages;
	uint32_t index = page >> all->segment_pages_shift;
	uint32_t begin = index << all->segment_pages_shift;
	uint32_t end = begin + (1U << all->segment_pages_shift);
	uint32_t run;

	mark(all->bitmap, page, pages, false);
	if (all->noted)
		pages_note(all, page, pages);
	all->segments[index].free += pages;
	all->free += pages;
	run = find_bit(all->bitmap, page + pages, end, true) - run_start(all->bitmap, page, begin);
	if (run > all->segments[index].longest)
		set_longest(all, index, run);
}

bool pool_may_have_slab(const struct pool *pool)
{
	for (unsigned class = class_of(SLAB_PAGES); class < SEGMENT_CLASSES; class ++)
		if (pool->pages.heads[class] != NO_SEGMENT)
			return true;
	return pool->slabs.empty[SLAB_RECORDS] > 0;
}

uint32_t pool_pages_max(const struct pool *pool)
{
	return 1U << pool->pages.segment_pages_shift;
}
