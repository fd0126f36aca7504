// What eviction.c, which evicts for requests, and eviction_ahead.c, which does so between them, share. Private to the two.
#ifndef SERVER_EVICTION_INSIDE_H
#define SERVER_EVICTION_INSIDE_H

#include "server/eviction.h"
#include "server/reclaim.h"

#define EVICTION_AT_ONCE 8U // objects: the next requests find their memory without
#define EVICTION_AHEAD 64U  // of eviction_keep_free, a request, unless it was in vain

// Evicted memory that waits for readers to end is not the next request's yet. From this part of the pool on, evicting more would not help it.
#define EVICTION_WAITING_PART 4U

static inline bool eviction_is_waiting(const struct server *server, uint32_t part)
{
	return reclaim_bytes(server->reclaim) > pool_length(server->pool) / part;
}

// Evicts the next one by the policy, while is_evicting. False: there is none.
bool eviction_one(struct eviction *eviction, struct eviction_effort *effort);

#endif
