#include "server/space.h"

#include <stdlib.h>

#include "far/log.h"
#include "server/eviction.h"
#include "server/record.h"

bool space_reclaim(struct server *server)
{
	uint64_t waiting = reclaim_bytes(server->reclaim);

	if (waiting > 0)
		reclaim_run(server->reclaim);
	return reclaim_bytes(server->reclaim) < waiting || eviction_make_room(server);
}

uint32_t space_alloc_pages(struct server *server, uint32_t want, uint32_t least, uint32_t *got)
{
	uint32_t page;

	if (want > pool_pages_max(server->pool))
		want = pool_pages_max(server->pool);
	do
		page = pool_pages_alloc_most(server->pool, want, least, got);
	while (page == 0 && space_reclaim(server));
	return page;
}

uint64_t space_alloc_block(struct server *server, uint32_t size)
{
	uint64_t offset;

	do
		offset = pool_block_alloc(server->pool, size);
	while (offset == 0 && space_reclaim(server));
	return offset;
}

uint64_t space_new_record(struct server *server, uint64_t parent, struct far_span name, uint32_t value_room)
{
	uint64_t offset;

	do
		offset = record_new(server->pool, parent, name, value_room);
	while (offset == 0 && space_reclaim(server));
	return offset;
}

int space_keep_reserve(struct server *server)
{
	uint32_t got;

	if (server->reserve_page == 0)
		server->reserve_page = space_alloc_pages(server, SPACE_RESERVE_PAGES, SPACE_RESERVE_PAGES, &got);
	return server->reserve_page ? 0 : -ENOSPC;
}

void space_use_reserve(struct server *server)
{
	if (server->reserve_page == 0) {
		log_error("no memory for a change that was under way, not even in the reserve: stopping pool=%llu",
		        (unsigned long long)pool_length(server->pool));
		abort();
	}
	pool_pages_free(server->pool, server->reserve_page, SPACE_RESERVE_PAGES);
	server->reserve_page = 0;
}

uint64_t space_granted_bytes(const struct server *server)
{
	return server->granted_pages << FAR_PAGE_SHIFT;
}

uint64_t space_free_bytes(const struct server *server)
{
	return pool_free_bytes(server->pool) + reclaim_bytes(server->reclaim) + space_granted_bytes(server);
}

uint64_t space_available_bytes(const struct server *server)
{
	uint64_t reserve = server->reserve_page ? (uint64_t)SPACE_RESERVE_PAGES << FAR_PAGE_SHIFT : 0;

	if (!server->eviction)
		return space_free_bytes(server) - space_granted_bytes(server);
	return pool_length(server->pool) - index_bytes(server->index) - reserve - space_granted_bytes(server);
}
