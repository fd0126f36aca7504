// The check, names: that a name leads to its record by the index and by its directory, and the record to both.
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "server/check_inside.h"
#include "server/index_inside.h"
#include "server/object.h"
#include "server/record.h"

unsigned check_state(const struct far_record *record)
{
	return FAR_WORD_STATE(atomic_load_explicit(&record->word, memory_order_relaxed));
}

struct far_record *check_object(const struct check *check, uint64_t id)
{
	return id == FAR_ROOT_ID ? check->server->root : record_by_id(check->server->pool, id);
}

bool check_has_name(const struct pool *pool, const struct far_record *record, struct far_span *name)
{
	uint64_t block;

	if (record->flags & FAR_RECORD_LONG_NAME) {
		memcpy(&block, record + 1, sizeof(block));
		if (!check_is_block(pool, block, record->name_length))
			return false;
	} else if (record->name_length > far_record_name_room(record) || far_record_name_room(record) > far_record_room(record)) {
		return false;
	}
	*name = record_name(pool, record);
	return true;
}

// --- index ---

struct far_bucket *check_bucket(const struct check *check, uint64_t number)
{
	const struct index *index = check->server->index;
	const struct pool *pool = check->server->pool;
	const uint64_t *table = pool_at(pool, index->table);
	uint64_t chunk = table[number >> FAR_CHUNK_SHIFT];

	if (chunk == 0 || chunk % FAR_PAGE_SIZE || chunk >= pool->length || pool->length - chunk < (uint64_t)CHUNK_PAGES * FAR_PAGE_SIZE)
		return NULL;
	return (struct far_bucket *)pool_at(pool, chunk) + (number & (FAR_CHUNK_BUCKETS - 1));
}

struct far_bucket *check_overflow(const struct check *check, const struct far_bucket *bucket)
{
	uint64_t offset = atomic_load_explicit(&bucket->overflow, memory_order_relaxed);

	return check_is_block(check->server->pool, offset, sizeof(*bucket)) ? pool_at(check->server->pool, offset) : NULL;
}

static bool has_same_name(const struct pool *pool, const struct far_record *record, const struct far_record *other, struct far_span name)
{
	struct far_span other_name;

	return other != record && other->parent == record->parent && other->name_hash == record->name_hash &&
	       check_has_name(pool, other, &other_name) && other_name.length == name.length &&
	       memcmp(other_name.bytes, name.bytes, name.length) == 0;
}

static void count_slot(
        const struct check *check, const struct far_record *record, struct far_span name, uint64_t slot, struct check_slots *slots)
{
	const struct pool *pool = check->server->pool;
	uint64_t hash = index_hash(check->server->index, record->parent, name);
	const struct far_record *other = slot ? check_record_at(pool, far_slot_record(slot)) : NULL;

	if (other == record) {
		slots->own++;
		slots->has_wrong_tag |= !far_slot_has_tag(slot, hash);
	} else if (other && far_slot_has_tag(slot, hash)) {
		slots->others += has_same_name(pool, record, other, name);
	}
}

struct check_slots check_slots_of(const struct check *check, const struct far_record *record, struct far_span name)
{
	const struct index *index = check->server->index;
	uint64_t hash = index_hash(index, record->parent, name);
	const struct far_bucket *bucket = check_bucket(check, far_bucket_number(index->buckets, (uint32_t)hash));
	struct check_slots slots = {0};
	uint64_t left = index->entries + 2; // a chain that bites its own tail ends, too

	for (; bucket && left-- > 0; bucket = check_overflow(check, bucket))
		for (unsigned i = 0; i < FAR_BUCKET_SLOTS; i++)
			count_slot(check, record, name, atomic_load_explicit(&bucket->slots[i], memory_order_relaxed), &slots);
	return slots;
}

static void check_slots(struct check *check, const struct far_record *record, struct far_span name)
{
	struct check_slots slots = check_slots_of(check, record, name);

	if (slots.own != 1 || slots.has_wrong_tag)
		check_found(check, FAR_CHECK_INDEX, record, "%u slots of the index lead to it by its name%s", slots.own,
		        slots.has_wrong_tag ? ", with a wrong tag" : "");
	if (slots.others)
		check_found(check, FAR_CHECK_INDEX, record, "%u other records have the same name", slots.others);
}

// --- one bucket ---

// Of what the record says of itself only its state and its place in the table count here: the rest is looked at from the record's side.
static void check_slot(struct check *check, uint64_t number, uint64_t slot)
{
	const struct index *index = check->server->index;
	const struct far_record *record = check_record_at(check->server->pool, far_slot_record(slot));
	unsigned state = record ? check_state(record) : FAR_RECORD_FREE;
	uint64_t belongs;

	if (state != FAR_RECORD_LIVE && state != FAR_RECORD_LINK && state != FAR_RECORD_WRITTEN) {
		check_found(check, FAR_CHECK_INDEX, record, "bucket %llu of the index leads to %llu, where no record with a name is",
		        (unsigned long long)number, (unsigned long long)far_slot_record(slot));
		return;
	}
	belongs = far_bucket_number(index->buckets, record->name_hash);
	if (belongs != number)
		check_found(check, FAR_CHECK_INDEX, record, "bucket %llu of the index leads to it, which belongs to bucket %llu",
		        (unsigned long long)number, (unsigned long long)belongs);
}

static void check_chain(struct check *check, uint64_t number)
{
	const struct far_bucket *bucket = check_bucket(check, number);
	uint64_t left = check->server->index->entries + 2;

	if (!bucket)
		check_found(check, FAR_CHECK_INDEX, NULL, "bucket %llu of the index is nowhere in the pool", (unsigned long long)number);
	while (bucket) {
		uint64_t offset = atomic_load_explicit(&bucket->overflow, memory_order_relaxed);

		for (unsigned i = 0; i < FAR_BUCKET_SLOTS; i++) {
			uint64_t slot = atomic_load_explicit(&bucket->slots[i], memory_order_relaxed);

			if (slot)
				check_slot(check, number, slot);
		}
		if (offset == 0)
			return;
		if (left-- == 0) {
			check_found(check, FAR_CHECK_INDEX, NULL, "the chain of bucket %llu of the index has no end",
			        (unsigned long long)number);
			return;
		}
		if (!check_own_block(check, NULL, offset, sizeof(*bucket), "index"))
			return;
		bucket = check_overflow(check, bucket);
	}
}

bool check_index(struct check *check)
{
	for (; check->at[0] < check->server->index->buckets; check->at[0]++) {
		if (check_is_due(check))
			return false;
		check_chain(check, check->at[0]);
	}
	return true;
}

// --- one name ---

static void check_place(struct check *check, const struct far_record *record)
{
	const struct far_record *directory = check_object(check, record->parent);
	uint64_t offset = record_offset(check->server->pool, record);
	uint64_t entry;

	if (!directory || !S_ISDIR(directory->mode) || check_state(directory) != FAR_RECORD_LIVE) {
		check_found(check, FAR_CHECK_PARENT, record, "its directory %llx is %s", (unsigned long long)record->parent,
		        !directory                 ? "not there"
		        : S_ISDIR(directory->mode) ? "removed"
		                                   : "no directory");
		return;
	}
	entry = check_tree_find(check, directory, record->cookie);
	if (entry != offset)
		check_found(check, FAR_CHECK_ENTRY, record, "its directory has the record at %llu under its cookie %llu, not this one",
		        (unsigned long long)entry, (unsigned long long)record->cookie);
}

void check_own_name(struct check *check, const struct far_record *record)
{
	uint64_t block;

	if (!(record->flags & FAR_RECORD_LONG_NAME))
		return;
	memcpy(&block, record + 1, sizeof(block));
	check_own_block(check, record, block, record->name_length, "name");
}

void check_name(struct check *check, const struct far_record *record)
{
	struct far_span name;

	if (!check_has_name(check->server->pool, record, &name) || far_name_check(name.bytes, name.length)) {
		check_found(check, FAR_CHECK_NAME, record, "its name of %u bytes cannot be", record->name_length);
		return;
	}
	check->figures.names++;
	if (record->name_hash != (uint32_t)index_hash(check->server->index, record->parent, name))
		check_found(check, FAR_CHECK_NAME, record, "the hash %08x is not that of its name", record->name_hash);
	check_slots(check, record, name);
	check_place(check, record);
}

// Whoever goes up meets the root, unless it goes round: then one who goes twice as fast meets it. A parent that is none is told of where it is one's own.
void check_ancestors(struct check *check, const struct far_record *directory)
{
	const struct far_record *slow = directory, *fast = directory;

	for (unsigned depth = 0; depth < CHECK_DEPTH_MAX; depth++) {
		for (unsigned i = 0; i < 2; i++) {
			if (fast == check->server->root)
				return;
			fast = check_object(check, fast->parent);
			if (!fast)
				return;
		}
		slow = check_object(check, slow->parent);
		if (slow == fast) {
			check_found(check, FAR_CHECK_CYCLE, directory, "going up from this directory never comes to the root");
			return;
		}
	}
	check->figures.unsettled++;
}
