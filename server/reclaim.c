#include "server/reclaim.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "far/log.h"
#include "server/reclaim_inside.h"
#include "server/watch.h"

// Memory comes in to the open batch. A run closes it: from then on the batch waits for the read sections open at that moment and for the transfers begun until then, both
// of which cover every reader that could have found the memory before it was unlinked. Batches become free in the order they were closed.

#define BATCH_ITEMS 4096U // a fuller open batch asks for a run

int reclaim_new(struct pool *pool, const struct reclaim_readers *readers, struct reclaim **out)
{
	struct reclaim *reclaim = calloc(1, sizeof(*reclaim));

	if (!reclaim)
		return -ENOMEM;
	reclaim->pool = pool;
	reclaim->readers = *readers;
	reclaim->window = 64;
	reclaim->done = calloc(reclaim->window, 1);
	reclaim->open = calloc(1, sizeof(*reclaim->open));
	if (!reclaim->done || !reclaim->open) {
		reclaim_free(reclaim);
		return -ENOMEM;
	}
	*out = reclaim;
	return 0;
}

static uint64_t item_bytes(const struct item *item)
{
	if (item->kind == ITEM_CALL)
		return 0;
	return item->kind == ITEM_PAGES ? (uint64_t)item->size * FAR_PAGE_SIZE : pool_block_round(item->size);
}

static void give_back(struct reclaim *reclaim, const struct item *item)
{
	struct reclaim_call *call = (struct reclaim_call *)(uintptr_t)item->offset;

	if (item->kind == ITEM_CALL)
		call->run(call);
	else if (item->kind == ITEM_PAGES)
		pool_pages_free(reclaim->pool, (uint32_t)item->offset, item->size);
	else if (item->kind == ITEM_BLOCK)
		pool_block_free(reclaim->pool, item->offset, item->size);
	else
		pool_record_free(reclaim->pool, item->offset, item->size);
}

static void batch_free(struct batch *batch)
{
	if (!batch)
		return;
	free(batch->sections);
	free(batch->items);
	free(batch);
}

static void batch_empty(struct reclaim *reclaim, struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++) {
		reclaim->bytes -= item_bytes(&batch->items[i]);
		give_back(reclaim, &batch->items[i]);
	}
	batch->count = 0;
	free(batch->sections);
	batch->sections = NULL;
	batch->section_count = 0;
}

void reclaim_free(struct reclaim *reclaim)
{
	if (!reclaim)
		return;
	while (reclaim->oldest) {
		struct batch *batch = reclaim->oldest;

		reclaim->oldest = batch->next;
		batch_empty(reclaim, batch);
		batch_free(batch);
	}
	if (reclaim->open)
		batch_empty(reclaim, reclaim->open);
	batch_free(reclaim->open);
	batch_free(reclaim->spare);
	free(reclaim->done);
	free(reclaim);
}

static void add(struct reclaim *reclaim, struct item item)
{
	struct batch *batch = reclaim->open;

	if (batch->count >= BATCH_ITEMS) {
		reclaim_run(reclaim);
		batch = reclaim->open;
	}
	if (batch->count == batch->capacity) {
		uint32_t capacity = batch->capacity ? batch->capacity * 2 : 64;
		struct item *items = realloc(batch->items, capacity * sizeof(*items));

		if (!items) {
			log_error("no memory to remember freed pool memory: %llu bytes of the pool are lost until the next start",
			        (unsigned long long)item_bytes(&item));
			return;
		}
		batch->items = items;
		batch->capacity = capacity;
	}
	batch->items[batch->count++] = item;
	reclaim->bytes += item_bytes(&item);
	reclaim->retired += item_bytes(&item);
}

void reclaim_pages(struct reclaim *reclaim, uint32_t page, uint32_t pages)
{
	watch_note_pages(reclaim->pool, page, pages);
	add(reclaim, (struct item){page, pages, ITEM_PAGES});
}

void reclaim_block(struct reclaim *reclaim, uint64_t offset, uint32_t size)
{
	watch_note_block(reclaim->pool, offset);
	add(reclaim, (struct item){offset, size, ITEM_BLOCK});
}

void reclaim_record(struct reclaim *reclaim, uint64_t offset, uint32_t size)
{
	watch_note_block(reclaim->pool, offset);
	add(reclaim, (struct item){offset, size, ITEM_RECORD});
}

void reclaim_later(struct reclaim *reclaim, struct reclaim_call *call)
{
	add(reclaim, (struct item){(uint64_t)(uintptr_t)call, 0, ITEM_CALL});
}

uint64_t reclaim_transfer_begin(struct reclaim *reclaim)
{
	if (reclaim->next - reclaim->low == reclaim->window) {
		uint8_t *done = calloc(reclaim->window * 2, 1);

		// Without memory the oldest transfer's place is shared: the two then end together, later than they might.
		if (done) {
			for (uint64_t ticket = reclaim->low; ticket < reclaim->next; ticket++)
				done[ticket & (reclaim->window * 2 - 1)] = reclaim->done[ticket & (reclaim->window - 1)];
			free(reclaim->done);
			reclaim->done = done;
			reclaim->window *= 2;
		} else {
			return reclaim->next - 1;
		}
	}
	reclaim->done[reclaim->next & (reclaim->window - 1)] = 0;
	return reclaim->next++;
}

void reclaim_transfer_end(struct reclaim *reclaim, uint64_t ticket)
{
	reclaim->done[ticket & (reclaim->window - 1)] = 1;
	while (reclaim->low < reclaim->next && reclaim->done[reclaim->low & (reclaim->window - 1)])
		reclaim->low++;
}

// Closes the open batch. False: no memory for a new one, it stays open.
static bool close_open(struct reclaim *reclaim)
{
	struct batch *fresh = reclaim->spare ? reclaim->spare : calloc(1, sizeof(*fresh));
	struct batch *batch = reclaim->open;
	struct reclaim_section few[16];
	int count;

	if (!fresh)
		return false;
	reclaim->spare = NULL;
	// Pairs with the fence between a reader's opening its section and its look at the word: either we see the section, or it sees the new word (R5).
	atomic_thread_fence(memory_order_seq_cst);
	count = reclaim->readers.sections(reclaim->readers.context, few, 16);
	if (count > 0) {
		batch->sections = malloc((size_t)count * sizeof(few[0]));
		if (!batch->sections) {
			reclaim->spare = fresh;
			return false;
		}
		batch->section_count = reclaim->readers.sections(reclaim->readers.context, batch->sections, count);
		if (batch->section_count > count)
			batch->section_count = count;
	}
	batch->tickets = reclaim->next;
	batch->next = NULL;
	if (reclaim->newest)
		reclaim->newest->next = batch;
	else
		reclaim->oldest = batch;
	reclaim->newest = batch;
	reclaim->open = fresh;
	return true;
}

static bool is_free(struct reclaim *reclaim, const struct batch *batch)
{
	if (reclaim->low < batch->tickets)
		return false;
	for (int i = 0; i < batch->section_count; i++)
		if (!reclaim->readers.is_over(reclaim->readers.context, &batch->sections[i]))
			return false;
	// Pairs with the release that ends a section: what the reader loaded, it loaded before we write there.
	atomic_thread_fence(memory_order_acquire);
	return true;
}

bool reclaim_run(struct reclaim *reclaim)
{
	if (reclaim->open->count > 0)
		close_open(reclaim);
	while (reclaim->oldest && is_free(reclaim, reclaim->oldest)) {
		struct batch *batch = reclaim->oldest;

		reclaim->oldest = batch->next;
		if (!reclaim->oldest)
			reclaim->newest = NULL;
		batch_empty(reclaim, batch);
		if (reclaim->spare)
			batch_free(batch);
		else
			reclaim->spare = batch;
	}
	return reclaim->oldest || reclaim->open->count > 0;
}

uint64_t reclaim_bytes(const struct reclaim *reclaim)
{
	return reclaim->bytes;
}

uint64_t reclaim_bytes_retired(const struct reclaim *reclaim)
{
	return reclaim->retired;
}
