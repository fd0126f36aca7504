// The check, in one step: owners of memory that are few (grants, what waits in reclaim, windows, the index's and the deadlines' pages, the reserve), and the sums of free space. Memory passes between
// them and values, so they are met at one moment. The step takes as long as they are many: about 10 ns for each item in reclaim, each segment and each slab of 64 KiB.
#include <stdatomic.h>

#include "server/check_inside.h"
#include "server/index_inside.h"
#include "server/lane.h"
#include "server/reclaim_inside.h"
#include "server/record.h"
#include "server/space.h"
#include "server/window_inside.h"

// --- grants ---

static bool is_taken(const struct grant *grant, uint32_t page)
{
	return grant->taken[page / 64] >> (page % 64) & 1;
}

// Pages that no value took. Returns how many.
static uint32_t own_grant(struct check *check, const struct grant *grant)
{
	uint32_t granted = 0;
	uint32_t page = 0;

	while (page < grant->pages) {
		uint32_t first = page;

		while (page < grant->pages && !is_taken(grant, page))
			page++;
		if (page > first)
			check_own_pages(check, NULL, grant->page + first, page - first, "grant");
		granted += page - first;
		while (page < grant->pages && is_taken(grant, page))
			page++;
	}
	return granted;
}

static void own_grants(struct check *check)
{
	const struct server *server = check->server;
	uint64_t granted = 0;

	for (const struct lane *lane = server->lanes; lane; lane = lane->next)
		for (uint32_t i = 0; i < lane->grants.count; i++)
			granted += own_grant(check, &lane->grants.ring[(lane->grants.first + i) % FAR_GRANTS_PER_LANE]);
	if (granted != server->granted_pages)
		check_found(check, FAR_CHECK_SPACE, NULL, "%llu pages are granted, but %llu are counted", (unsigned long long)granted,
		        (unsigned long long)server->granted_pages);
}

// --- reclaim ---

// A record in reclaim may not say any more that it is one.
static void own_dead_record(struct check *check, uint64_t offset)
{
	const struct far_record *record = check_record_at(check->server->pool, offset);

	if (!record) {
		check_found(check, FAR_CHECK_OUTSIDE, NULL, "reclaim: no record is at %llu", (unsigned long long)offset);
		return;
	}
	check_own_record(check, record);
	if (check_state(record) != FAR_RECORD_FREE)
		check_found(check, FAR_CHECK_FREED, record, "it waits for its memory to be used again, but is in state %u",
		        check_state(record));
}

// Returns the bytes.
static uint64_t own_item(struct check *check, const struct item *item)
{
	const struct reclaim_call *call = (const struct reclaim_call *)(uintptr_t)item->offset;

	switch (item->kind) {
	case ITEM_PAGES:
		check_own_pages(check, NULL, item->offset, item->size, "reclaim");
		return (uint64_t)item->size * FAR_PAGE_SIZE;
	case ITEM_BLOCK:
		check_own_block(check, NULL, item->offset, item->size, "reclaim");
		return pool_block_round(item->size);
	case ITEM_RECORD:
		own_dead_record(check, item->offset);
		return pool_block_round(item->size);
	default:
		if (call->run == window_linger_over)
			check_own_block(check, NULL, ((const struct window *)call)->cell, sizeof(struct far_window_cell), "window");
		return 0;
	}
}

static uint64_t own_batch(struct check *check, const struct batch *batch)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < batch->count; i++)
		bytes += own_item(check, &batch->items[i]);
	return bytes;
}

static void own_reclaim(struct check *check)
{
	const struct reclaim *reclaim = check->server->reclaim;
	uint64_t bytes = own_batch(check, reclaim->open);

	for (const struct batch *batch = reclaim->oldest; batch; batch = batch->next)
		bytes += own_batch(check, batch);
	if (bytes != reclaim->bytes)
		check_found(check, FAR_CHECK_SPACE, NULL, "%llu bytes wait in reclaim, but %llu are counted", (unsigned long long)bytes,
		        (unsigned long long)reclaim->bytes);
}

// --- windows, index, reserve ---

static void own_windows(struct check *check)
{
	uint32_t position = 0;
	struct id_slot slot;

	while (id_table_next(&check->server->windows, &position, &slot)) {
		const struct window *window = (const struct window *)(uintptr_t)slot.number;
		const struct far_record *object = check_object(check, slot.id);

		check_own_block(check, object, window->cell, sizeof(struct far_window_cell), "window");
		if (!object || !(object->flags & FAR_RECORD_WINDOW))
			check_found(check, FAR_CHECK_WINDOW, object, "a write window is open on %llx, which knows nothing of it",
			        (unsigned long long)slot.id);
	}
}

static void own_index(struct check *check)
{
	const struct index *index = check->server->index;
	const struct far_pool_header *header = pool_header(check->server->pool);
	const uint64_t *table = pool_at(check->server->pool, index->table);
	uint64_t chunks = (index->buckets + FAR_CHUNK_BUCKETS - 1) >> FAR_CHUNK_SHIFT;

	check_own_pages(check, NULL, index->table >> FAR_PAGE_SHIFT, index->table_pages, "index");
	for (uint64_t chunk = 0; chunk < chunks; chunk++)
		check_own_pages(check, NULL, table[chunk] >> FAR_PAGE_SHIFT, CHUNK_PAGES, "index");
	if (atomic_load_explicit(&header->index_table, memory_order_relaxed) != index->table ||
	        atomic_load_explicit(&header->index_buckets, memory_order_relaxed) != index->buckets)
		check_found(check, FAR_CHECK_INDEX, NULL, "the pool's header tells clients of another index");
}

// --- sums ---

static void check_sums(struct check *check)
{
	const struct pool *pool = check->server->pool;
	uint64_t empty[SLAB_KINDS] = {0};
	uint64_t free = 0;

	for (uint32_t i = 0; i < pool->pages.segment_count; i++)
		free += pool->pages.segments[i].free;
	if (free != pool->pages.free)
		check_found(check, FAR_CHECK_SPACE, NULL, "%llu pages are free in the segments, but %llu are counted",
		        (unsigned long long)free, (unsigned long long)pool->pages.free);
	for (uint32_t i = 0; i < pool->slabs.count; i++)
		if (pool->slabs.slabs[i].size && pool->slabs.slabs[i].kind < SLAB_KINDS)
			empty[pool->slabs.slabs[i].kind] += pool->slabs.slabs[i].used == 0;
	for (unsigned kind = 0; kind < SLAB_KINDS; kind++)
		if (empty[kind] != pool->slabs.empty[kind])
			check_found(check, FAR_CHECK_SPACE, NULL, "%llu slabs of kind %u are empty, but %u are counted",
			        (unsigned long long)empty[kind], kind, pool->slabs.empty[kind]);
}

bool check_owners(struct check *check)
{
	check_own_pages(check, NULL, 0, 1, "header");
	if (check->server->reserve_page)
		check_own_pages(check, NULL, check->server->reserve_page, SPACE_RESERVE_PAGES, "reserve");
	own_grants(check);
	own_reclaim(check);
	own_windows(check);
	own_index(check);
	check_own_expiry(check);
	check_sums(check);
	return true;
}
