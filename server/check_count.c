// The check, counts: as many names in the index, as many objects, and as many of them in each queue of eviction, as the server counts. A count has a longer step, so that of a server of middling size all is counted
// at one moment; more is counted over several steps and judged if no name and no object of a queue came or went meanwhile.
#include <stdatomic.h>

#include "server/check_inside.h"
#include "server/index_inside.h"
#include "server/record.h"

static void begin(struct check *check)
{
	check->count_changes = check->server->index->changes;
	check->names = check->objects = 0;
	check_queues_begin(check);
	if (check->deadline_ns != UINT64_MAX)
		check->deadline_ns += FAR_CHECK_COUNT_NS;
	check_rewind(check);
}

static void count_bucket(struct check *check, uint64_t number)
{
	const struct far_bucket *bucket = check_bucket(check, number);
	uint64_t left = check->server->index->entries + 2;

	for (; bucket && left-- > 0; bucket = check_overflow(check, bucket))
		for (unsigned i = 0; i < FAR_BUCKET_SLOTS; i++)
			check->names += atomic_load_explicit(&bucket->slots[i], memory_order_relaxed) != 0;
}

static void count_slab(struct check *check, const struct slab *slab)
{
	uint64_t base = (uint64_t)slab->page << FAR_PAGE_SHIFT;

	for (uint32_t number = 0; number < slab->fresh; number++) {
		const struct far_record *record = record_at(check->server->pool, base + (uint64_t)number * slab->size);
		unsigned state = check_state(record);

		if (state != FAR_RECORD_LIVE && state != FAR_RECORD_WRITTEN)
			continue;
		check->objects++;
		check->queued[EVICTION_QUEUE(record->eviction)]++;
	}
}

// Buckets first, then the slabs of records, then the queues. True: all are counted.
static bool go_on(struct check *check)
{
	const struct index *index = check->server->index;
	const struct slabs *slabs = &check->server->pool->slabs;

	for (; check->at[0] < index->buckets; check->at[0]++) {
		if (check->at[0] % 64 == 63 && check_is_due(check))
			return false;
		count_bucket(check, check->at[0]);
	}
	for (; check->at[1] < slabs->count; check->at[1]++) {
		if (check_is_due(check))
			return false;
		if (slabs->slabs[check->at[1]].size && slabs->slabs[check->at[1]].kind == SLAB_RECORDS)
			count_slab(check, &slabs->slabs[check->at[1]]);
	}
	return check_queues_go_on(check);
}

static void judge(struct check *check)
{
	const struct server *server = check->server;

	if (check->names != index_count(server->index))
		check_found(check, FAR_CHECK_COUNT, NULL, "the index counts %llu names, but has %llu",
		        (unsigned long long)index_count(server->index), (unsigned long long)check->names);
	if (check->objects != server->figures.objects + 1)
		check_found(check, FAR_CHECK_COUNT, NULL, "%llu objects are counted, but there are %llu",
		        (unsigned long long)server->figures.objects, (unsigned long long)check->objects - 1);
	check_queues_judge(check);
}

bool check_count(struct check *check)
{
	if (check->count_tries == 0) {
		check->count_tries = 1;
		begin(check);
	}
	if (!go_on(check))
		return false;
	if (check->count_changes == check->server->index->changes && check_queues_are_unchanged(check)) {
		judge(check);
		return true;
	}
	if (++check->count_tries > CHECK_TRIES) {
		check->figures.unsettled++;
		return true;
	}
	begin(check);
	return false;
}
