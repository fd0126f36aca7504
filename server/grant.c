#include "server/grant.h"

#include <string.h>

#include "server/eviction.h"
#include "server/lane.h"
#include "server/space.h"
#include "server/watch.h"

#define AFFORDABLE_SHIFT 2U                // a quarter of what is free may be one grant
#define GRANTED_SHIFT (FAR_PAGE_SHIFT + 2) // of the pool may be granted, a quarter too, by evicting what is there
#define GRANT_LEAST_PAGES 16U              // 64 KiB: a smaller grant would not hold one value that does not fit a message well

static struct grant *grant_at(struct lane_grants *grants, uint32_t position)
{
	return &grants->ring[(grants->first + position) % FAR_GRANTS_PER_LANE];
}

static bool is_taken(const struct grant *grant, uint32_t page)
{
	return grant->taken[page / 64] >> (page % 64) & 1;
}

// How large the next grant may be: as a pool fills up grants shrink, so that what is granted in advance stays a small part of what is free.
static uint32_t pages_affordable(const struct server *server)
{
	uint64_t spare = pool_free_bytes(server->pool) >> (FAR_PAGE_SHIFT + AFFORDABLE_SHIFT);

	if (spare >= server->grant_pages)
		return server->grant_pages;
	return spare > GRANT_LEAST_PAGES ? (uint32_t)spare : GRANT_LEAST_PAGES;
}

// With eviction there is room for lanes that use grants: as much is kept free as lets the next one be large.
static uint32_t take_pages(const struct lane *lane, bool is_mutation, uint32_t *pages)
{
	struct server *server = lane->server;
	bool may_evict = server->eviction && is_mutation && lane->grants.wanted > 0 &&
	                 server->granted_pages < pool_length(server->pool) >> GRANTED_SHIFT;
	uint32_t page;

	if (may_evict)
		eviction_keep_free(server, (uint64_t)server->grant_pages << (FAR_PAGE_SHIFT + AFFORDABLE_SHIFT));
	page = pool_pages_alloc_most(server->pool, pages_affordable(server), GRANT_LEAST_PAGES, pages);
	if (!page && may_evict) {
		page = space_alloc_pages(server, GRANT_LEAST_PAGES, GRANT_LEAST_PAGES, pages);
		index_settle(server->index);
	}
	return page;
}

bool grant_offer(struct lane *lane, bool is_mutation, struct far_grant *wire)
{
	struct lane_grants *grants = &lane->grants;
	struct server *server = lane->server;
	struct grant *grant;
	uint32_t page, pages;

	if (grants->count >= (grants->wanted ? grants->wanted : 1))
		return false;
	page = take_pages(lane, is_mutation, &pages);
	if (!page)
		return false;
	grant = grant_at(grants, grants->count);
	*grant = (struct grant){.page = page, .pages = pages};
	if (lane->transport->grant(
	            lane, (uint64_t)page << FAR_PAGE_SHIFT, (uint64_t)pages << FAR_PAGE_SHIFT, &grant->region, &grant->rkey)) {
		pool_pages_free(server->pool, page, pages);
		return false;
	}
	grant->id = ++grants->last_id;
	grants->count++;
	server->granted_pages += pages;
	*wire = (struct far_grant){
	        .rkey = grant->rkey, .id = grant->id, .length = pages << FAR_PAGE_SHIFT, .pool_offset = (uint64_t)page << FAR_PAGE_SHIFT};
	return true;
}

void grant_want_more(struct lane *lane)
{
	struct lane_grants *grants = &lane->grants;

	if (grants->wanted <= grants->count && grants->count < FAR_GRANTS_PER_LANE)
		grants->wanted = grants->count + 1;
}

// Checks one range against where the lane is: `position` in its grants, `committed` pages of that one. Both move on.
static int range_check(struct lane_grants *grants, const struct far_range *range, uint32_t *position, uint32_t *committed)
{
	const struct grant *grant;

	while (*position < grants->count && grant_at(grants, *position)->id != range->grant) {
		++*position;
		*committed = *position < grants->count ? grant_at(grants, *position)->committed : 0;
	}
	if (*position == grants->count)
		return -EINVAL;
	grant = grant_at(grants, *position);
	if (range->length == 0 || range->offset % FAR_PAGE_SIZE || range->offset >> FAR_PAGE_SHIFT < *committed)
		return -EINVAL;
	if ((uint64_t)range->offset + range->length > (uint64_t)grant->pages << FAR_PAGE_SHIFT)
		return -EINVAL;
	*committed = (range->offset + range->length + FAR_PAGE_SIZE - 1) >> FAR_PAGE_SHIFT;
	return 0;
}

int grant_commit(struct lane *lane, const struct far_range *ranges, uint32_t count, struct value_source *sources)
{
	struct lane_grants *grants = &lane->grants;
	uint32_t positions[FAR_RANGES_PER_REQUEST];
	uint32_t position = 0;
	uint32_t committed = grants->count ? grant_at(grants, 0)->committed : 0;

	if (count > FAR_RANGES_PER_REQUEST)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		int error = range_check(grants, &ranges[i], &position, &committed);

		if (error)
			return error;
		positions[i] = position;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct grant *grant = grant_at(grants, positions[i]);

		grant->committed = (ranges[i].offset + ranges[i].length + FAR_PAGE_SIZE - 1) >> FAR_PAGE_SHIFT;
		lane->transport->seal(lane, grant->region, (uint64_t)grant->committed << FAR_PAGE_SHIFT);
		sources[i] = (struct value_source){
		        .bytes = pool_at(lane->server->pool, ((uint64_t)grant->page << FAR_PAGE_SHIFT) + ranges[i].offset),
		        .length = ranges[i].length,
		        .grant = grant,
		};
	}
	// A range in a later grant gives up what is left in the earlier ones.
	for (uint32_t i = 0; i < position; i++)
		grant_at(grants, i)->committed = grant_at(grants, i)->pages;
	return 0;
}

void grant_take(struct server *server, struct grant *grant, uint32_t pool_page, uint32_t pages)
{
	server->granted_pages -= pages;
	watch_note_pages(server->pool, pool_page, pages);
	for (uint32_t page = pool_page - grant->page; pages > 0; page++, pages--)
		grant->taken[page / 64] |= 1ULL << (page % 64);
}

// The right to write ends before the pages get another use.
static void drop_first(struct lane *lane)
{
	struct lane_grants *grants = &lane->grants;
	struct grant *grant = grant_at(grants, 0);
	uint32_t page = 0;

	lane->transport->revoke(lane, grant->region);
	while (page < grant->pages) {
		uint32_t start = page;

		while (page < grant->pages && is_taken(grant, page) == is_taken(grant, start))
			page++;
		if (is_taken(grant, start))
			continue;
		pool_pages_free(lane->server->pool, grant->page + start, page - start);
		lane->server->granted_pages -= page - start;
	}
	grants->first = (grants->first + 1) % FAR_GRANTS_PER_LANE;
	grants->count--;
}

void grant_settle(struct lane *lane)
{
	struct lane_grants *grants = &lane->grants;

	while (grants->count > 0 && grant_at(grants, 0)->committed == grant_at(grants, 0)->pages) {
		drop_first(lane);
		grants->wanted = grants->wanted ? grants->wanted * 2 : 2;
		if (grants->wanted > FAR_GRANTS_PER_LANE)
			grants->wanted = FAR_GRANTS_PER_LANE;
	}
}

void grant_drop_all(struct lane *lane)
{
	while (lane->grants.count > 0)
		drop_first(lane);
}
