// Eviction for a quota: with --full=evict a request that a quota is in the way of takes from what is below the quota's directory, as one that finds no memory takes from all. The queues of eviction_policy.h know nothing of directories, so here a
// hand goes round (CLOCK: F. Corbato, 1969) by the walk of quota_count.h: what was used since it came by has one use less, and is recalled, so that readers whom nobody sees are seen the next time; what was not goes. Where so many in a
// row had to stay whatever may go does, used or not. What may is eviction.h's to say.
//
// Where the hand has come round in vain, requests do not look at all of it again for each refusal: each goes on for a few names, and what may go from now on (quota_offer) is where the hand goes. Writer thread only.
#include <sys/stat.h>

#include "server/eviction.h"
#include "server/quota.h"

#define STAYING_MAX 4096U        // names in a row: from then on any file is welcome
#define LOOKS_AT_ONCE (1U << 14) // of a request that can be carried out again: about a millisecond
#define LOOKS_IN_ALL (1U << 17)  // of one that cannot
#define LOOKS_IN_VAIN 64U        // of a request, behind two turns of the hand in which all stayed

// Two turns of the hand: who was used loses that in one.
static uint64_t looks_due(const struct quota *quota)
{
	return 2 * quota->used.objects + STAYING_MAX;
}

static bool look_at_next(struct server *server, struct quota *quota)
{
	struct far_record *name = quota_walk_next(server, quota, &quota->hand);
	bool is_any = quota->stayed >= STAYING_MAX || quota->stayed >= looks_due(quota) / 2;

	server->quotas->looked_at++;
	quota->stayed++;
	if (name)
		return eviction_take(server, name, is_any);
	quota->hand = (struct quota_place){quota->id, 0};
	return false;
}

// The request under way has looked at so many that it is to end.
static bool has_looked_long(struct server *server)
{
	uint32_t looks = server->quotas->looked_at;

	return looks >= LOOKS_IN_ALL || (looks >= LOOKS_AT_ONCE && eviction_put_off(server));
}

bool quota_evict(struct server *server, struct quota *quota)
{
	uint64_t end = quota->is_in_vain ? quota->stayed + LOOKS_IN_VAIN : looks_due(quota);

	if (!eviction_may_take(server))
		return false;
	while (quota->stayed < end) {
		if (has_looked_long(server))
			return false;
		if (look_at_next(server, quota)) {
			quota->stayed = 0;
			quota->is_in_vain = false;
			return true;
		}
	}
	quota->is_in_vain = true;
	return false;
}

void quotas_offer(struct server *server, const struct far_record *name)
{
	uint64_t at = name->parent;
	struct quota *quota;

	if (!server->eviction || !S_ISREG(name->mode))
		return;
	while ((quota = quota_next_above(server, &at)) != NULL)
		if (quota->is_in_vain)
			quota->hand = (struct quota_place){name->parent, name->cookie - 1};
}
