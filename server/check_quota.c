// The check, quotas: what each has on account against what is there, counted by the same walk as its first count (quota_count.h), with which changes meanwhile are put on both accounts; and the flags of directories against the table.
#include <sys/stat.h>

#include "server/check_inside.h"
#include "server/quota.h"

void check_own_quota(struct check *check, const struct far_record *object)
{
	if (object->flags & FAR_RECORD_QUOTA && (!S_ISDIR(object->mode) || !check->server->quotas || !quota_of(check->server, object)))
		check_found(check, FAR_CHECK_QUOTA, object, "it has a quota by its flags only");
}

static void judge(struct check *check, const struct quota *quota)
{
	const struct quota_amount *met = &quota->count.met;

	if (quota->used.bytes == met->bytes && quota->used.objects == met->objects)
		return;
	check_found(check, FAR_CHECK_QUOTA, check_object(check, quota->id),
	        "its quota is charged %llu bytes and %llu objects, but there are %llu and %llu", (unsigned long long)quota->used.bytes,
	        (unsigned long long)quota->used.objects, (unsigned long long)met->bytes, (unsigned long long)met->objects);
}

// The cursor: the last one that is done, and the one that is being counted anew.
bool check_quotas(struct check *check)
{
	struct server *server = check->server;
	struct quota *quota;

	while ((quota = quota_behind(server, check->at[0])) != NULL) {
		if (!quota->is_counted) { // its first count comes first
			if (!quota_count_step(server, quota, check_time_left(check)))
				return false;
			continue;
		}
		if (check->at[1] != quota->number) {
			check->at[1] = quota->number;
			quota_count_begin(server, quota);
		}
		if (!quota_count_step(server, quota, check_time_left(check)))
			return false;
		judge(check, quota);
		check->at[0] = quota->number;
		if (check_is_due(check))
			return false;
	}
	return true;
}

void check_end_quotas(struct check *check)
{
	for (struct quota *quota = quota_behind(check->server, 0); quota; quota = quota->next)
		quota->count.is_under_way &= !quota->is_counted;
}
