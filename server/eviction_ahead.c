#include "server/eviction_inside.h"
#include "server/quota.h"

// Objects behind one request that had to evict by itself. The next one that has to tells how much room there has to be by then: where sizes differ, less than was kept.
#define CATCH_UP_MAX 256U

// One object goes however often it was in vain: it tells when large ones are due again.
void eviction_keep_free(struct server *server, uint64_t bytes)
{
	struct eviction *eviction = server->eviction;
	struct eviction_effort before;

	if (!eviction)
		return;
	before = eviction->request;
	eviction->is_evicting = true;
	for (uint32_t left = eviction->ahead;
	        left > 0 && pool_free_bytes(server->pool) < bytes && !eviction_is_waiting(server, EVICTION_WAITING_PART); left--) {
		if (!eviction_one(eviction, &eviction->request))
			break;
		reclaim_run(server->reclaim);
	}
	eviction->is_evicting = false;
	if (eviction->request.freed_pages - before.freed_pages < (eviction->request.freed - before.freed) / 2)
		eviction->ahead -= eviction->ahead / 2;
	else if (eviction->request.ended > before.ended)
		eviction->ahead = EVICTION_AHEAD;
	index_settle(server->index);
}

// What is not handed out, and what is on its way back.
static uint64_t room(const struct server *server)
{
	return pool_room_bytes(server->pool) + reclaim_bytes(server->reclaim);
}

// From now on as much room is kept as there is, if there is none but what is left in slabs.
static void set_level(struct eviction *eviction)
{
	eviction->level = pool_may_have_slab(eviction->server->pool) ? 0 : room(eviction->server);
	eviction->catch_up_left = CATCH_UP_MAX;
	eviction->is_level_due = false;
}

static bool is_below_level(const struct eviction *eviction)
{
	return room(eviction->server) < eviction->level && eviction->catch_up_left > 0;
}

void eviction_catch_up(struct server *server)
{
	struct eviction *eviction = server->eviction;
	struct eviction_effort effort;

	if (!eviction)
		return;
	if (eviction->is_level_due)
		set_level(eviction);
	if (!is_below_level(eviction))
		return;
	if (pool_may_have_slab(server->pool)) {
		eviction->level = 0;
		return;
	}
	server_begin(server);
	eviction_effort_begin(&effort);
	eviction->is_evicting = true;
	for (uint32_t count = 0; count < EVICTION_AT_ONCE && is_below_level(eviction); count++) {
		eviction->catch_up_left--;
		if (!eviction_one(eviction, &effort))
			eviction->level = 0;
	}
	eviction->is_evicting = false;
	index_settle(server->index);
	quota_settle(server);
}
