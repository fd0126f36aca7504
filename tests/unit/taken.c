#include "taken.h"

#include <stdlib.h>

#include "testing.h"

#define PAGES_AT_ONCE 64U

static void take(struct taken *taken, uint64_t at, uint32_t size, bool is_block)
{
	if (taken->count == taken->room) {
		taken->room = taken->room ? taken->room * 2 : 256;
		taken->pieces = realloc(taken->pieces, taken->room * sizeof(*taken->pieces));
		assert_non_null(taken->pieces);
	}
	taken->pieces[taken->count++] = (struct taken_piece){at, size, is_block};
}

void taken_pages(struct taken *taken, uint32_t leave)
{
	uint32_t got;

	while (pool_free_bytes(taken->pool) / FAR_PAGE_SIZE > leave) {
		uint64_t most = pool_free_bytes(taken->pool) / FAR_PAGE_SIZE - leave;
		uint32_t page = pool_pages_alloc_most(taken->pool, most < PAGES_AT_ONCE ? (uint32_t)most : PAGES_AT_ONCE, 1, &got);

		if (!page)
			return;
		take(taken, page, got, false);
	}
}

void taken_blocks(struct taken *taken)
{
	uint64_t block;

	for (uint32_t size = FAR_BLOCK_MAX; size > 0; size -= FAR_GRANULE)
		while ((block = pool_block_alloc(taken->pool, size)) != 0)
			take(taken, block, size, true);
}

void taken_leave_pages(struct taken *taken, uint32_t pages)
{
	for (uint32_t i = 0; i < taken->count; i++)
		for (struct taken_piece *piece = &taken->pieces[i]; pages > 0 && !piece->is_block && piece->size > 1; pages--)
			pool_pages_free(taken->pool, (uint32_t)piece->at + --piece->size, 1);
	assert_int_equal(pages, 0);
}

void taken_give_back(struct taken *taken)
{
	for (uint32_t i = 0; i < taken->count; i++) {
		const struct taken_piece *piece = &taken->pieces[i];

		if (piece->is_block)
			pool_block_free(taken->pool, piece->at, piece->size);
		else
			pool_pages_free(taken->pool, (uint32_t)piece->at, piece->size);
	}
	free(taken->pieces);
	*taken = (struct taken){.pool = taken->pool};
}
