// The frame of a change of a value: when its version rises, and when its record is BUSY (layout.h R1, R2, R6).
#include <stdatomic.h>

#include "server/record.h"
#include "server/value_inside.h"

void value_begin(struct value_change *change)
{
	uint64_t version = atomic_load_explicit(&change->record->version, memory_order_relaxed);

	if (change->is_begun)
		return;
	change->is_begun = true;
	atomic_store_explicit(&change->record->version, version + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); // pairs with the acquire between a remote reader's copy and its load of the version
}

void value_hide(struct value_change *change)
{
	if (change->is_hidden)
		return;
	change->is_hidden = true;
	change->state = FAR_WORD_STATE(atomic_load_explicit(&change->record->word, memory_order_relaxed));
	record_publish(change->record, FAR_RECORD_BUSY); // its fence puts BUSY before the bytes; pairs as above
}

void value_show(struct value_change *change)
{
	if (!change->is_hidden || change->stays_hidden)
		return;
	change->is_hidden = false;
	record_publish(change->record, (enum far_record_state)change->state);
}

void value_reclaim_pages(void *context, uint32_t page, uint32_t pages)
{
	struct server *server = context;

	reclaim_pages(server->reclaim, page, pages);
}
