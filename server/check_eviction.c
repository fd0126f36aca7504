// The check, eviction: an object that may be evicted is in a queue, any other that is in one may be there until its turn comes; the queues lead to as many objects as say that they are in them, and count as many.
// The second is part of the count (check_count.c), and judged if the queues have not changed meanwhile.
#include <string.h>
#include <sys/stat.h>

#include "server/check_inside.h"
#include "server/eviction.h"

static const char *const queue_names[EVICTION_QUEUES] = {"no", "young", "old", "main"};

void check_eviction(struct check *check, const struct far_record *object)
{
	enum eviction_queue queue = EVICTION_QUEUE(object->eviction);
	bool is_evictable = check->server->eviction && S_ISREG(object->mode) && object->nlink > 0;
	bool is_kept = object->holds > 0 || object->flags & FAR_RECORD_PINNED;

	if (queue != EVICTION_QUEUE_NONE && !is_evictable)
		check_found(check, FAR_CHECK_EVICTION, object, "it is in the %s queue, but is never evicted", queue_names[queue]);
	if (queue == EVICTION_QUEUE_NONE && is_evictable && !is_kept)
		check_found(check, FAR_CHECK_EVICTION, object, "it is in no queue, and nothing keeps it");
}

void check_queues_begin(struct check *check)
{
	memset(check->queued, 0, sizeof(check->queued));
	if (check->server->eviction)
		eviction_policy_walk_begin(check->server->eviction->policy, &check->queues);
}

bool check_queues_go_on(struct check *check)
{
	const struct eviction *eviction = check->server->eviction;

	while (eviction && eviction_policy_walk(eviction->policy, &check->queues))
		if (check_is_due(check))
			return false;
	return true;
}

bool check_queues_are_unchanged(const struct check *check)
{
	const struct eviction *eviction = check->server->eviction;

	return !eviction || eviction_policy_is_unchanged(eviction->policy, &check->queues);
}

void check_queues_judge(struct check *check)
{
	for (unsigned queue = EVICTION_QUEUE_YOUNG; check->server->eviction && queue < EVICTION_QUEUES; queue++) {
		uint64_t counted = eviction_policy_count(check->server->eviction->policy, queue);

		if (check->queued[queue] != counted || check->queues.found[queue] != counted)
			check_found(check, FAR_CHECK_EVICTION, NULL,
			        "%llu objects say that they are in the %s queue; it leads to %llu, and counts %llu",
			        (unsigned long long)check->queued[queue], queue_names[queue],
			        (unsigned long long)check->queues.found[queue], (unsigned long long)counted);
	}
}
