// Eviction for a quota: with --full=evict a request that a quota is in the way of takes from what is below the quota's directory, as one that finds no memory takes from all. The queues of eviction_policy.h know nothing of directories, so here a
// hand goes round (CLOCK: F. Corbato, 1969) by the walk of quota_count.h: what was used since it came by has one use less, and is recalled, so that readers whom nobody sees are seen the next time; what was not goes. Where so many in a
// row had to stay whatever may go does, used or not. What may is eviction.h's to say. Writer thread only.
#include "server/eviction.h"
#include "server/quota.h"

#define STAYING_MAX 4096U    // names in a row: from then on any file is welcome
#define LOOKS_MAX (1U << 17) // of a request: it is to end within some milliseconds

static bool look_at_next(struct server *server, struct quota *quota, bool is_any)
{
	struct far_record *name = quota_walk_next(server, quota, &quota->hand);

	server->quotas->looked_at++;
	if (name)
		return eviction_take(server, name, is_any);
	quota->hand = (struct quota_place){quota->id, 0};
	return false;
}

bool quota_evict(struct server *server, struct quota *quota)
{
	uint64_t most = 2 * quota->used.objects + STAYING_MAX;

	if (!eviction_may_take(server))
		return false;
	for (uint64_t staying = 0; staying < most && server->quotas->looked_at < LOOKS_MAX; staying++)
		if (look_at_next(server, quota, staying >= STAYING_MAX || staying >= most / 2))
			return true;
	return false;
}
