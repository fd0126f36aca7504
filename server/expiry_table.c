#include "server/expiry_table.h"

#include <errno.h>
#include <stdlib.h>

#include "far/bucket.h"
#include "server/space.h"

#define ENTRIES_MAX (UINT32_MAX / 2) // buckets are as many as entries, and stay below 2^32

// --- chunks ---

// Adds this run of pages, which are free again if it fails; 0: there were none.
static int chunks_add(struct expiry_table *table, struct expiry_chunks *chunks, uint32_t page)
{
	if (page && chunks->count == chunks->room) {
		uint32_t room = chunks->room ? chunks->room * 2 : 16;
		uint32_t *pages = realloc(chunks->pages, room * sizeof(*pages));

		if (!pages) {
			pool_pages_free(table->server->pool, page, EXPIRY_CHUNK_PAGES);
			return -ENOMEM;
		}
		chunks->pages = pages;
		chunks->room = room;
	}
	if (!page)
		return -ENOSPC;
	chunks->pages[chunks->count++] = page;
	return 0;
}

// What this evicts may have had entries here.
static uint32_t new_pages(const struct expiry_table *table)
{
	uint32_t got;

	return space_alloc_pages(table->server, EXPIRY_CHUNK_PAGES, EXPIRY_CHUNK_PAGES, &got);
}

static void chunks_keep(struct expiry_table *table, struct expiry_chunks *chunks, uint32_t count)
{
	while (chunks->count > count)
		pool_pages_free(table->server->pool, chunks->pages[--chunks->count], EXPIRY_CHUNK_PAGES);
}

static void *chunk_at(const struct expiry_table *table, const struct expiry_chunks *chunks, uint32_t chunk)
{
	return pool_at(table->server->pool, (uint64_t)chunks->pages[chunk] << FAR_PAGE_SHIFT);
}

static void chunks_fini(struct expiry_table *table, struct expiry_chunks *chunks)
{
	chunks_keep(table, chunks, 0);
	free(chunks->pages);
	*chunks = (struct expiry_chunks){0};
}

void expiry_table_fini(struct expiry_table *table)
{
	chunks_fini(table, &table->entry_chunks);
	chunks_fini(table, &table->bucket_chunks);
	table->count = table->buckets = 0;
}

struct expiry_entry *expiry_table_at(const struct expiry_table *table, uint32_t number)
{
	struct expiry_entry *entries = chunk_at(table, &table->entry_chunks, number / EXPIRY_CHUNK_ENTRIES);

	return &entries[number % EXPIRY_CHUNK_ENTRIES];
}

// --- buckets ---

static uint32_t *bucket_at(const struct expiry_table *table, uint32_t number)
{
	uint32_t *heads = chunk_at(table, &table->bucket_chunks, number / EXPIRY_CHUNK_BUCKETS);

	return &heads[number % EXPIRY_CHUNK_BUCKETS];
}

// Ids differ mostly at the bottom, by multiples of a record's size: a multiply spreads them to the top.
static uint32_t *bucket_of(const struct expiry_table *table, uint64_t id)
{
	return bucket_at(table, (uint32_t)far_bucket_number(table->buckets, (uint32_t)(id * 0x9e3779b97f4a7c15ULL >> 32)));
}

static void bucket_push(struct expiry_table *table, uint32_t number)
{
	struct expiry_entry *entry = expiry_table_at(table, number);
	uint32_t *head = bucket_of(table, entry->id);

	entry->chain = *head;
	*head = number;
}

// What leads to the entry in its bucket's chain.
static uint32_t *bucket_link(const struct expiry_table *table, uint64_t id, uint32_t number)
{
	uint32_t *link = bucket_of(table, id);

	while (*link != number)
		link = &expiry_table_at(table, *link)->chain;
	return link;
}

// One bucket's entries are told anew where they belong.
static void bucket_spread(struct expiry_table *table, uint32_t chain)
{
	while (chain != EXPIRY_NONE) {
		uint32_t next = expiry_table_at(table, chain)->chain;

		bucket_push(table, chain);
		chain = next;
	}
}

// One more bucket, if there are more entries than buckets. Without memory, for which nothing is evicted here, the chains become longer, that is all.
static void grow(struct expiry_table *table)
{
	uint32_t last = table->buckets;
	uint32_t split, chain;
	uint32_t *head;

	if (table->count <= table->buckets)
		return;
	if (last % EXPIRY_CHUNK_BUCKETS == 0 && last / EXPIRY_CHUNK_BUCKETS == table->bucket_chunks.count &&
	        chunks_add(table, &table->bucket_chunks, pool_pages_alloc(table->server->pool, EXPIRY_CHUNK_PAGES)))
		return;
	split = last - (1U << (31 - __builtin_clz(last)));
	head = bucket_at(table, split);
	chain = *head;
	*head = EXPIRY_NONE;
	*bucket_at(table, last) = EXPIRY_NONE;
	table->buckets++;
	bucket_spread(table, chain);
}

// Up to two buckets less, so that there are never more than twice as many as entries.
static void shrink(struct expiry_table *table)
{
	for (int i = 0; i < 2 && table->buckets > EXPIRY_CHUNK_BUCKETS && table->buckets / 2 >= table->count; i++) {
		table->buckets--;
		bucket_spread(table, *bucket_at(table, table->buckets));
	}
	chunks_keep(table, &table->bucket_chunks, (table->buckets + EXPIRY_CHUNK_BUCKETS - 1) / EXPIRY_CHUNK_BUCKETS);
}

static int begin_buckets(struct expiry_table *table)
{
	int error = chunks_add(table, &table->bucket_chunks, new_pages(table));

	if (error)
		return error;
	table->buckets = EXPIRY_CHUNK_BUCKETS;
	for (uint32_t i = 0; i < EXPIRY_CHUNK_BUCKETS; i++)
		*bucket_at(table, i) = EXPIRY_NONE;
	return 0;
}

// --- entries ---

uint32_t expiry_table_find(const struct expiry_table *table, uint64_t id)
{
	uint32_t number = table->count ? *bucket_of(table, id) : EXPIRY_NONE;

	while (number != EXPIRY_NONE && expiry_table_at(table, number)->id != id)
		number = expiry_table_at(table, number)->chain;
	return number;
}

int expiry_table_reserve(struct expiry_table *table)
{
	int error = 0;

	if (table->count >= ENTRIES_MAX)
		return -ENOSPC;
	table->is_reserved = true;
	if (table->buckets == 0)
		error = begin_buckets(table);
	if (!error && table->count == table->entry_chunks.count * EXPIRY_CHUNK_ENTRIES)
		error = chunks_add(table, &table->entry_chunks, new_pages(table));
	if (error)
		expiry_table_trim(table);
	return error;
}

void expiry_table_trim(struct expiry_table *table)
{
	table->is_reserved = false;
	if (table->count == 0)
		expiry_table_fini(table);
}

uint32_t expiry_table_add(struct expiry_table *table, uint64_t id)
{
	uint32_t number = table->count++;

	table->is_reserved = false;
	*expiry_table_at(table, number) = (struct expiry_entry){.id = id};
	bucket_push(table, number);
	grow(table);
	return number;
}

uint32_t expiry_table_remove(struct expiry_table *table, uint32_t number)
{
	struct expiry_entry *entry = expiry_table_at(table, number);
	uint32_t last = table->count - 1;

	*bucket_link(table, entry->id, number) = entry->chain;
	if (number != last) {
		const struct expiry_entry *moved = expiry_table_at(table, last);

		*bucket_link(table, moved->id, last) = number;
		*entry = *moved;
	}
	table->count--;
	if (!table->is_reserved)
		expiry_table_trim(table);
	if (!table->is_reserved &&
	        table->count + EXPIRY_CHUNK_ENTRIES + EXPIRY_CHUNK_ENTRIES / 2 <= table->entry_chunks.count * EXPIRY_CHUNK_ENTRIES)
		chunks_keep(table, &table->entry_chunks, table->entry_chunks.count - 1); // not at once: the next one may need it
	if (table->buckets)
		shrink(table);
	return number != last ? last : EXPIRY_NONE;
}
