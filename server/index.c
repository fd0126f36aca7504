#include "server/index.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "far/bucket.h"
#include "server/index_inside.h"
#include "server/record.h"

// Linear hashing (W. Litwin, VLDB 1980): with n buckets in use, 2^L <= n < 2^(L+1), a hash belongs to bucket h mod 2^(L+1) if that is below n, else to
// h mod 2^L. Growing by one splits bucket n - 2^L into itself and bucket n; shrinking merges the last one back. Neither needs a name: the
// record keeps the hash's low half.
//
// A bucket is one cache line: 7 slots and a link to an overflow bucket (a pool block); see far/bucket.h for what remote readers find where. Slots change by single
// 8-byte stores; a reader that meets a split on its way may miss an entry, and sees by R9
// that something went on.

#define BUCKETS_MIN FAR_CHUNK_BUCKETS
#define LOAD_MAX 80U // entries per 100 slots: above, the table grows by one bucket an insertion
#define LOAD_MIN 40U

static uint64_t load(const _Atomic uint64_t *slot)
{
	return atomic_load_explicit(slot, memory_order_relaxed);
}

// Release pairs with the acquire of a remote reader of the slot: the record it leads to is there.
static void store(_Atomic uint64_t *slot, uint64_t value)
{
	atomic_store_explicit(slot, value, memory_order_release);
}

static struct far_bucket *bucket_at(const struct index *index, uint64_t number)
{
	const uint64_t *table = pool_at(index->pool, index->table);

	return (struct far_bucket *)pool_at(index->pool, table[number >> FAR_CHUNK_SHIFT]) + (number & (FAR_CHUNK_BUCKETS - 1));
}

static struct far_bucket *overflow_of(const struct index *index, const struct far_bucket *bucket)
{
	uint64_t offset = load(&bucket->overflow);

	return offset ? pool_at(index->pool, offset) : NULL;
}

// --- what readers know of the whole (R9) ---

static void unsettle(const struct index *index)
{
	_Atomic uint64_t *names = &pool_header(index->pool)->names;

	if (load(names) % 2 == 0)
		atomic_store_explicit(names, load(names) + 1, memory_order_relaxed); // seen before the slots, which are stored with release
}

void index_settle(const struct index *index)
{
	_Atomic uint64_t *names = &pool_header(index->pool)->names;

	if (load(names) % 2)
		store(names, load(names) + 1); // pairs with the acquire of who finds no entry
}

// --- chunks ---

static int chunk_add(struct index *index, uint64_t chunk)
{
	uint64_t *table;
	uint32_t page;

	if (chunk >= (uint64_t)index->table_pages * (FAR_PAGE_SIZE / sizeof(uint64_t))) {
		uint32_t pages = pool_pages_alloc(index->pool, index->table_pages * 2);
		uint64_t old = index->table;

		if (pages == 0)
			return -ENOSPC;
		index->table = (uint64_t)pages << FAR_PAGE_SHIFT;
		memcpy(pool_at(index->pool, index->table), pool_at(index->pool, old), (size_t)index->table_pages * FAR_PAGE_SIZE);
		store(&pool_header(index->pool)->index_table, index->table);
		pool_pages_free(index->pool, (uint32_t)(old >> FAR_PAGE_SHIFT), index->table_pages);
		index->table_pages *= 2;
	}
	page = pool_pages_alloc(index->pool, CHUNK_PAGES);
	if (page == 0)
		return -ENOSPC;
	table = pool_at(index->pool, index->table);
	table[chunk] = (uint64_t)page << FAR_PAGE_SHIFT;
	memset(pool_at(index->pool, table[chunk]), 0, (size_t)CHUNK_PAGES * FAR_PAGE_SIZE);
	return 0;
}

// Gives the last chunk back, and half the table when a quarter of it would do.
static void chunk_drop(struct index *index, uint64_t chunk)
{
	const uint64_t *table = pool_at(index->pool, index->table);
	uint32_t half = index->table_pages / 2;

	pool_pages_free(index->pool, (uint32_t)(table[chunk] >> FAR_PAGE_SHIFT), CHUNK_PAGES);
	if (half == 0 || chunk > (uint64_t)half * (FAR_PAGE_SIZE / sizeof(uint64_t)) / 2)
		return;
	pool_pages_free(index->pool, (uint32_t)(index->table >> FAR_PAGE_SHIFT) + half, half);
	index->table_pages = half;
}

int index_new(struct pool *pool, struct index **out)
{
	struct index *index = calloc(1, sizeof(*index));
	uint32_t page;

	if (!index)
		return -ENOMEM;
	index->pool = pool;
	index->seed = pool_header(pool)->boot_id;
	page = pool_pages_alloc(pool, 1);
	if (page == 0) {
		free(index);
		return -ENOSPC;
	}
	index->table = (uint64_t)page << FAR_PAGE_SHIFT;
	index->table_pages = 1;
	if (chunk_add(index, 0)) {
		pool_pages_free(pool, page, 1);
		free(index);
		return -ENOSPC;
	}
	index->buckets = BUCKETS_MIN;
	store(&pool_header(pool)->names, 2);
	store(&pool_header(pool)->index_table, index->table);
	store(&pool_header(pool)->index_buckets, index->buckets);
	*out = index;
	return 0;
}

static void free_chain(struct index *index, struct far_bucket *bucket)
{
	uint64_t offset = load(&bucket->overflow);

	while (offset) {
		uint64_t next = load(&((struct far_bucket *)pool_at(index->pool, offset))->overflow);

		pool_block_free(index->pool, offset, sizeof(struct far_bucket));
		offset = next;
	}
	store(&bucket->overflow, 0);
}

void index_free(struct index *index)
{
	if (!index)
		return;
	for (uint64_t number = 0; number < index->buckets; number++)
		free_chain(index, bucket_at(index, number));
	for (uint64_t chunk = (index->buckets + FAR_CHUNK_BUCKETS - 1) >> FAR_CHUNK_SHIFT; chunk-- > 0;)
		chunk_drop(index, chunk);
	pool_pages_free(index->pool, (uint32_t)(index->table >> FAR_PAGE_SHIFT), index->table_pages);
	free(index);
}

// --- chains ---

uint64_t index_hash(const struct index *index, uint64_t parent, struct far_span name)
{
	return far_bucket_hash(index->seed, parent, name.bytes, name.length);
}

static bool is_named(const struct index *index, const struct far_record *record, uint32_t hash, uint64_t parent, struct far_span name)
{
	return record->name_hash == hash && record->parent == parent && record->name_length == name.length &&
	       memcmp(record_name(index->pool, record).bytes, name.bytes, name.length) == 0;
}

void index_expect(const struct index *index, uint32_t name_hash)
{
	__builtin_prefetch(bucket_at(index, far_bucket_number(index->buckets, name_hash)));
}

uint64_t index_expect_entry(const struct index *index, uint64_t hash)
{
	const struct far_bucket *bucket = bucket_at(index, far_bucket_number(index->buckets, (uint32_t)hash));
	const struct far_bucket *next = overflow_of(index, bucket);

	for (unsigned i = 0; i < FAR_BUCKET_SLOTS; i++) {
		uint64_t slot = load(&bucket->slots[i]);

		if (far_slot_has_tag(slot, hash)) {
			record_expect(record_at(index->pool, far_slot_record(slot)));
			return far_slot_record(slot);
		}
	}
	if (next)
		__builtin_prefetch(next);
	return 0;
}

void index_expect_rest(const struct index *index, uint32_t name_hash)
{
	const struct far_bucket *next = overflow_of(index, bucket_at(index, far_bucket_number(index->buckets, name_hash)));

	if (next)
		__builtin_prefetch(next);
}

uint64_t index_find(const struct index *index, uint64_t parent, struct far_span name)
{
	uint64_t hash = index_hash(index, parent, name);
	const struct far_bucket *bucket = bucket_at(index, far_bucket_number(index->buckets, (uint32_t)hash));

	for (; bucket; bucket = overflow_of(index, bucket)) {
		for (unsigned i = 0; i < FAR_BUCKET_SLOTS; i++) {
			uint64_t slot = load(&bucket->slots[i]);
			uint64_t offset = far_slot_record(slot);

			if (!far_slot_has_tag(slot, hash))
				continue;
			record_expect(record_at(index->pool, offset));
			if (is_named(index, record_at(index->pool, offset), (uint32_t)hash, parent, name))
				return offset;
		}
	}
	return 0;
}

// An empty slot of the chain, adding an overflow bucket if there is none. NULL: no memory.
static _Atomic uint64_t *empty_slot(struct index *index, struct far_bucket *bucket)
{
	struct far_bucket *added;
	uint64_t offset;

	for (;;) {
		struct far_bucket *next = overflow_of(index, bucket);

		for (unsigned i = 0; i < FAR_BUCKET_SLOTS; i++)
			if (load(&bucket->slots[i]) == 0)
				return &bucket->slots[i];
		if (!next)
			break;
		bucket = next;
	}
	offset = pool_block_alloc(index->pool, sizeof(struct far_bucket));
	if (offset == 0)
		return NULL;
	added = pool_at(index->pool, offset);
	memset(added, 0, sizeof(*added));
	store(&bucket->overflow, offset);
	return &added->slots[0];
}

// Fills holes from the chain's end and frees overflow buckets that became empty.
static void compact(struct index *index, struct far_bucket *head)
{
	for (;;) {
		struct far_bucket *before = NULL;
		struct far_bucket *last = head;
		unsigned used = 0;

		while (overflow_of(index, last)) {
			before = last;
			last = overflow_of(index, last);
		}
		if (!before)
			return;
		for (unsigned i = 0; i < FAR_BUCKET_SLOTS; i++) {
			uint64_t slot = load(&last->slots[i]);

			if (slot == 0)
				continue;
			for (struct far_bucket *to = head; slot && to != last; to = overflow_of(index, to)) {
				for (unsigned j = 0; slot && j < FAR_BUCKET_SLOTS; j++) {
					if (load(&to->slots[j]))
						continue;
					store(&to->slots[j], slot); // in both places for a moment, never in none
					store(&last->slots[i], 0);
					slot = 0;
				}
			}
			used += slot != 0;
		}
		if (used)
			return;
		pool_block_free(index->pool, load(&before->overflow), sizeof(struct far_bucket));
		store(&before->overflow, 0);
	}
}

static uint32_t hash_of_slot(const struct index *index, uint64_t slot)
{
	return record_at(index->pool, far_slot_record(slot))->name_hash;
}

// Moves the entries of one chain that now belong to bucket `to`. False: no memory on the way; what was moved stays moved.
static bool move_entries(struct index *index, struct far_bucket *from, uint64_t to, uint64_t buckets)
{
	struct far_bucket *target = bucket_at(index, to);

	for (struct far_bucket *bucket = from; bucket; bucket = overflow_of(index, bucket)) {
		for (unsigned i = 0; i < FAR_BUCKET_SLOTS; i++) {
			uint64_t slot = load(&bucket->slots[i]);
			_Atomic uint64_t *place;

			if (slot == 0 || far_bucket_number(buckets, hash_of_slot(index, slot)) != to)
				continue;
			place = empty_slot(index, target);
			if (!place)
				return false;
			store(place, slot);
			store(&bucket->slots[i], 0);
		}
	}
	return true;
}

// --- growing and shrinking ---

static void set_buckets(struct index *index, uint64_t buckets)
{
	index->buckets = buckets;
	store(&pool_header(index->pool)->index_buckets, buckets);
}

// One more bucket. Without memory the table stays as it is and chains get longer.
static void grow(struct index *index)
{
	uint64_t added = index->buckets;
	uint64_t split = added - (1ULL << (63U - (unsigned)__builtin_clzll(added)));
	struct far_bucket *from;

	if ((added & (FAR_CHUNK_BUCKETS - 1)) == 0 && chunk_add(index, added >> FAR_CHUNK_SHIFT))
		return;
	from = bucket_at(index, split);
	if (!move_entries(index, from, added, added + 1)) {
		// Back to where it was: what came from there has room there.
		move_entries(index, bucket_at(index, added), split, added);
		free_chain(index, bucket_at(index, added));
		if ((added & (FAR_CHUNK_BUCKETS - 1)) == 0)
			chunk_drop(index, added >> FAR_CHUNK_SHIFT);
		return;
	}
	set_buckets(index, added + 1);
	compact(index, from);
}

static void shrink(struct index *index)
{
	uint64_t last = index->buckets - 1;
	uint64_t into = last - (1ULL << (63U - (unsigned)__builtin_clzll(last)));
	struct far_bucket *bucket = bucket_at(index, last);

	if (!move_entries(index, bucket, into, last)) {
		move_entries(index, bucket_at(index, into), last, last + 1);
		return;
	}
	set_buckets(index, last);
	free_chain(index, bucket);
	if ((last & (FAR_CHUNK_BUCKETS - 1)) == 0)
		chunk_drop(index, last >> FAR_CHUNK_SHIFT);
}

int index_insert(struct index *index, uint64_t record)
{
	const struct far_record *entry = record_at(index->pool, record);
	uint64_t hash = index_hash(index, entry->parent, record_name(index->pool, entry));
	_Atomic uint64_t *place = empty_slot(index, bucket_at(index, far_bucket_number(index->buckets, (uint32_t)hash)));

	if (!place)
		return -ENOSPC;
	unsettle(index);
	store(place, far_bucket_slot(hash, record));
	index->entries++;
	index->changes++;
	if (index->entries * 100 > index->buckets * FAR_BUCKET_SLOTS * LOAD_MAX)
		grow(index);
	return 0;
}

void index_remove(struct index *index, uint64_t record)
{
	const struct far_record *entry = record_at(index->pool, record);
	struct far_bucket *head = bucket_at(index, far_bucket_number(index->buckets, entry->name_hash));

	for (struct far_bucket *bucket = head; bucket; bucket = overflow_of(index, bucket)) {
		for (unsigned i = 0; i < FAR_BUCKET_SLOTS; i++) {
			if (far_slot_record(load(&bucket->slots[i])) != record)
				continue;
			unsettle(index);
			store(&bucket->slots[i], 0);
			compact(index, head);
			index->entries--;
			index->changes++;
			if (index->buckets > BUCKETS_MIN && index->entries * 100 < index->buckets * FAR_BUCKET_SLOTS * LOAD_MIN)
				shrink(index);
			return;
		}
	}
}

uint64_t index_count(const struct index *index)
{
	return index->entries;
}

uint64_t index_bytes(const struct index *index)
{
	uint64_t chunks = (index->buckets + FAR_CHUNK_BUCKETS - 1) / FAR_CHUNK_BUCKETS;

	return (chunks * CHUNK_PAGES + index->table_pages) << FAR_PAGE_SHIFT;
}
