#include <string.h>

#include "client/cli/top.h"

// Of all quotas those that are nearest to a limit, found in one pass: at most a few are kept, the nearest first.

static double part_of(uint64_t used, uint64_t limit)
{
	return limit ? (double)used / (double)limit : 0;
}

int top_quotas_note(void *context, const void *key, size_t key_length, const struct far_quota *quota)
{
	struct top_quotas *quotas = context;
	double bytes = part_of(quota->bytes, quota->bytes_limit), objects = part_of(quota->objects, quota->objects_limit);
	double used = bytes > objects ? bytes : objects;
	size_t place = quotas->count;

	quotas->all++;
	while (place > 0 && used > quotas->nearest[place - 1].used)
		place--;
	if (place == TOP_QUOTAS || key_length > sizeof(quotas->nearest[0].key))
		return 0;
	if (quotas->count < TOP_QUOTAS)
		quotas->count++;
	memmove(&quotas->nearest[place + 1], &quotas->nearest[place], (quotas->count - 1 - place) * sizeof(quotas->nearest[0]));
	quotas->nearest[place].quota = *quota;
	quotas->nearest[place].used = used;
	quotas->nearest[place].key_length = key_length;
	memcpy(quotas->nearest[place].key, key, key_length);
	return 0;
}
