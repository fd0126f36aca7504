#include "server/pool_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

// Small blocks and records: slabs of 64 KiB, each cut into blocks of one size class. A class keeps a list of its slabs with room; a slab's freed blocks are
// chained through their own memory (records: behind the word, which must keep its count, layout.h R1). The slab of an address is found through a table by page.
// An empty block slab goes back to the pages at once, an empty record slab only under need: records are type-stable (R3).

#define CACHE_LINE 64U
#define EXPECTED_MAX 2048U // bytes of one block

static uint32_t class_of(uint32_t size)
{
	uint32_t step;
	uint32_t power;

	if (size <= BLOCK_FINE_MAX)
		return (size + FAR_GRANULE - 1) / FAR_GRANULE - 1;
	power = 31U - (uint32_t)__builtin_clz(size - 1); // 2^power < size <= 2^(power + 1), power >= 9
	step = (size - 1 - (1U << power)) >> (power - 3);
	return BLOCK_FINE_MAX / FAR_GRANULE + (power - 9) * 8 + step;
}

static uint32_t class_size(uint32_t class)
{
	uint32_t coarse;

	if (class < BLOCK_FINE_MAX / FAR_GRANULE)
		return (class + 1) * FAR_GRANULE;
	coarse = class - BLOCK_FINE_MAX / FAR_GRANULE;
	return (1U << (9 + coarse / 8)) + ((coarse % 8 + 1) << (6 + coarse / 8));
}

uint32_t pool_block_round(uint32_t size)
{
	return class_size(class_of(size));
}

int slabs_init(struct slabs *slabs, uint64_t length)
{
	for (unsigned kind = 0; kind < SLAB_KINDS; kind++)
		for (unsigned class = 0; class < BLOCK_CLASSES; class ++)
			slabs->with_room[kind][class] = SLAB_NONE;
	slabs->unused = SLAB_NONE;
	// Ids of an earlier start of the server must not name objects of this one.
	if (getrandom(&slabs->generation, sizeof(slabs->generation), 0) != sizeof(slabs->generation))
		slabs->generation = (uint32_t)(uintptr_t)slabs;
	slabs->generation &= 0x7fffff;
	slabs->of_page = mmap(NULL, (length >> FAR_PAGE_SHIFT) * sizeof(uint32_t), PROT_READ | PROT_WRITE,
	        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slabs->of_page == MAP_FAILED) {
		slabs->of_page = NULL;
		return -ENOMEM;
	}
	return 0;
}

void slabs_fini(struct slabs *slabs, uint64_t length)
{
	if (slabs->of_page)
		munmap(slabs->of_page, (length >> FAR_PAGE_SHIFT) * sizeof(uint32_t));
	free(slabs->slabs);
}

static uint64_t block_offset(const struct slab *slab, uint32_t number)
{
	return ((uint64_t)slab->page << FAR_PAGE_SHIFT) + (uint64_t)number * slab->size;
}

static uint16_t *chain_link(const struct pool *pool, const struct slab *slab, uint32_t number)
{
	return pool_at(pool, block_offset(slab, number) + (slab->kind == SLAB_RECORDS ? RECORD_CHAIN_OFFSET : 0));
}

static void room_list_add(struct slabs *slabs, uint32_t index)
{
	struct slab *slab = &slabs->slabs[index];
	uint32_t *head = &slabs->with_room[slab->kind][slab->class];

	slab->previous = SLAB_NONE;
	slab->next = *head;
	if (*head != SLAB_NONE)
		slabs->slabs[*head].previous = index;
	*head = index;
}

static void room_list_remove(struct slabs *slabs, uint32_t index)
{
	struct slab *slab = &slabs->slabs[index];

	if (slab->previous != SLAB_NONE)
		slabs->slabs[slab->previous].next = slab->next;
	else
		slabs->with_room[slab->kind][slab->class] = slab->next;
	if (slab->next != SLAB_NONE)
		slabs->slabs[slab->next].previous = slab->previous;
}

// A free descriptor, or SLAB_NONE: no heap. Doubling keeps this off all but a logarithmic number of allocations.
static uint32_t descriptor_take(struct slabs *slabs)
{
	uint32_t index = slabs->unused;

	if (index != SLAB_NONE) {
		slabs->unused = slabs->slabs[index].next;
		return index;
	}
	if (slabs->count == slabs->capacity) {
		uint32_t capacity = slabs->capacity ? slabs->capacity * 2 : 64;
		struct slab *grown = realloc(slabs->slabs, capacity * sizeof(*grown));

		if (!grown)
			return SLAB_NONE;
		slabs->slabs = grown;
		slabs->capacity = capacity;
	}
	return slabs->count++;
}

static void slab_release(struct pool *pool, uint32_t index)
{
	struct slabs *slabs = &pool->slabs;
	struct slab *slab = &slabs->slabs[index];

	room_list_remove(slabs, index);
	slabs->empty[slab->kind]--;
	slabs->room -= SLAB_BYTES;
	for (uint32_t i = 0; i < SLAB_PAGES; i++)
		slabs->of_page[slab->page + i] = 0;
	pool_pages_free(pool, slab->page, SLAB_PAGES);
	slab->size = 0;
	slab->next = slabs->unused;
	slabs->unused = index;
}

static uint32_t slab_new(struct pool *pool, enum slab_kind kind, uint32_t class)
{
	struct slabs *slabs = &pool->slabs;
	uint32_t page = pool_pages_alloc(pool, SLAB_PAGES);
	uint32_t index = page ? descriptor_take(slabs) : SLAB_NONE;

	if (index == SLAB_NONE) {
		if (page)
			pool_pages_free(pool, page, SLAB_PAGES);
		return SLAB_NONE;
	}
	slabs->slabs[index] = (struct slab){
	        .page = page,
	        .size = class_size(class),
	        .class = (uint16_t) class,
	        .kind = (uint16_t)kind,
	        .capacity = (uint16_t)(SLAB_BYTES / class_size(class)),
	        .free_head = UINT16_MAX,
	};
	for (uint32_t i = 0; i < SLAB_PAGES; i++)
		slabs->of_page[page + i] = index + 1;
	slabs->empty[kind]++;
	slabs->room += SLAB_BYTES;
	room_list_add(slabs, index);
	return index;
}

// What is handed out next is written to soon; where it was used long ago it is in no cache. Fresh memory lies in a row, which the processor sees by itself.
static void expect_next(const struct pool *pool, enum slab_kind kind, uint32_t class)
{
	uint32_t index = pool->slabs.with_room[kind][class];
	const struct slab *slab = &pool->slabs.slabs[index];
	const char *next;

	if (index == SLAB_NONE || slab->free_head == UINT16_MAX)
		return;
	next = pool_at(pool, block_offset(slab, slab->free_head));
	for (uint32_t line = 0; line < slab->size && line < EXPECTED_MAX; line += CACHE_LINE)
		__builtin_prefetch(next + line, 1);
}

static uint64_t slab_take(struct pool *pool, enum slab_kind kind, uint32_t size)
{
	struct slabs *slabs = &pool->slabs;
	uint32_t class = class_of(size);
	uint32_t index = slabs->with_room[kind][class];
	struct slab *slab;
	uint32_t number;

	if (index == SLAB_NONE)
		index = slab_new(pool, kind, class);
	if (index == SLAB_NONE)
		return 0;
	slab = &slabs->slabs[index];
	if (slab->free_head != UINT16_MAX) {
		number = slab->free_head;
		slab->free_head = *chain_link(pool, slab, number);
	} else {
		number = slab->fresh++;
		if (kind == SLAB_RECORDS) {
			struct far_record *record = pool_at(pool, block_offset(slab, number));

			// Pages that held values before: the word of new record memory is 0, its generation goes on from the highest.
			memset(record, 0, sizeof(*record));
			record->id = (uint64_t)slabs->generation << FAR_ID_POSITION_BITS;
		}
	}
	if (slab->used++ == 0)
		slabs->empty[kind]--;
	slabs->room -= slab->size;
	if (slab->used == slab->capacity)
		room_list_remove(slabs, index);
	slabs_note(slabs, block_offset(slab, number));
	expect_next(pool, kind, class);
	return block_offset(slab, number);
}

static void slab_give(struct pool *pool, uint64_t offset)
{
	struct slabs *slabs = &pool->slabs;
	uint32_t index = slabs->of_page[offset >> FAR_PAGE_SHIFT] - 1;
	struct slab *slab = &slabs->slabs[index];
	uint64_t inside = offset - ((uint64_t)slab->page << FAR_PAGE_SHIFT);
	uint32_t number = (uint32_t)(inside / slab->size);

	assert(inside % slab->size == 0 && number < slab->fresh && slab->used > 0);
	slabs_note(slabs, offset);
	*chain_link(pool, slab, number) = slab->free_head;
	slab->free_head = (uint16_t)number;
	slabs->room += slab->size;
	if (slab->used-- == slab->capacity)
		room_list_add(slabs, index);
	if (slab->used > 0)
		return;
	slabs->empty[slab->kind]++;
	if (slab->kind == SLAB_BLOCKS)
		slab_release(pool, index);
}

uint64_t pool_block_alloc(struct pool *pool, uint32_t size)
{
	return size == 0 || size > FAR_BLOCK_MAX ? 0 : slab_take(pool, SLAB_BLOCKS, size);
}

void pool_block_free(struct pool *pool, uint64_t offset, uint32_t size)
{
	assert(pool_block_round(size) == pool->slabs.slabs[pool->slabs.of_page[offset >> FAR_PAGE_SHIFT] - 1].size);
	(void)size;
	slab_give(pool, offset);
}

uint64_t pool_record_alloc(struct pool *pool, uint32_t size)
{
	uint64_t offset = size < sizeof(struct far_record) || size > FAR_BLOCK_MAX ? 0 : slab_take(pool, SLAB_RECORDS, size);
	struct far_record *record;
	uint32_t generation;

	if (offset == 0)
		return 0;
	record = pool_at(pool, offset);
	generation = (uint32_t)FAR_ID_GENERATION(record->id) & 0xffffff;
	if (generation >= pool->slabs.generation)
		pool->slabs.generation = (generation + 1) & 0xffffff;
	return offset;
}

void pool_record_free(struct pool *pool, uint64_t offset, uint32_t size)
{
	(void)size;
	slab_give(pool, offset);
}

bool pool_record_exists(const struct pool *pool, uint64_t offset)
{
	const struct slabs *slabs = &pool->slabs;
	const struct slab *slab;
	uint64_t inside;
	uint32_t index;

	if (offset >= pool->length || offset % FAR_GRANULE)
		return false;
	index = slabs->of_page[offset >> FAR_PAGE_SHIFT];
	if (index == 0)
		return false;
	slab = &slabs->slabs[index - 1];
	inside = offset - ((uint64_t)slab->page << FAR_PAGE_SHIFT);
	return slab->kind == SLAB_RECORDS && inside % slab->size == 0 && inside / slab->size < slab->fresh;
}

void pool_records_trim(struct pool *pool)
{
	struct slabs *slabs = &pool->slabs;

	if (slabs->empty[SLAB_RECORDS] == 0)
		return;
	// R3: whoever trusts a word in this memory has to look at the epoch behind it. Release: before any other use of the memory.
	atomic_fetch_add_explicit(&pool_header(pool)->location_epoch, 1, memory_order_release);
	for (unsigned class = 0; class < BLOCK_CLASSES; class ++) {
		uint32_t index = slabs->with_room[SLAB_RECORDS][class];

		while (index != SLAB_NONE) {
			uint32_t next = slabs->slabs[index].next;

			if (slabs->slabs[index].used == 0)
				slab_release(pool, index);
			index = next;
		}
	}
}

#define SPARSE_LOOKED_AT 64U

bool pool_records_sparse(const struct pool *pool, uint32_t *at, struct pool_slab *out)
{
	const struct slabs *slabs = &pool->slabs;
	const struct slab *found = NULL;

	for (uint32_t i = 0; i < SPARSE_LOOKED_AT && i < slabs->count; i++) {
		const struct slab *slab = &slabs->slabs[(*at)++ % slabs->count];

		if (slab->size > 0 && slab->kind == SLAB_RECORDS && slab->used > 0 && (!found || slab->used < found->used))
			found = slab;
	}
	if (found)
		*out = (struct pool_slab){(uint64_t)found->page << FAR_PAGE_SHIFT, found->size, found->fresh};
	return found;
}

uint64_t pool_room_bytes(const struct pool *pool)
{
	return pool->pages.free * FAR_PAGE_SIZE + pool->slabs.room;
}

uint64_t pool_free_bytes(const struct pool *pool)
{
	return pool->pages.free * FAR_PAGE_SIZE + (uint64_t)pool->slabs.empty[SLAB_RECORDS] * SLAB_BYTES;
}
