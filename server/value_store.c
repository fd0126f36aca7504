// Whole values: built aside in memory of their own, then put into a record in one step. The order of stores is rule R1: the new word (release) before the old memory
// goes to reclaim, so a reader of the old bytes finds the word changed.
#include <stdatomic.h>
#include <string.h>

#include "server/extent_map.h"
#include "server/grant.h"
#include "server/record.h"
#include "server/space.h"
#include "server/value_inside.h"

void value_detach(const struct far_record *record, struct far_record *value)
{
	memset(value, 0, sizeof(*value));
	value->value_kind = record->value_kind;
	value->u = record->u;
	value_set_size(value, value_size(record));
}

// The pages stay with the grant.
static void leave_pages(void *context, uint32_t page, uint32_t pages)
{
	(void)context;
	(void)page;
	(void)pages;
}

void value_release(struct server *server, struct far_record *value)
{
	if (value->value_kind == FAR_VALUE_BLOCK)
		reclaim_block(server->reclaim, value->u.value.block, value->u.value.extents);
	else if (value->value_kind >= FAR_VALUE_EXTENT)
		extent_map_remove(server->pool, value, 0, UINT32_MAX, value_reclaim_pages, server);
	value->value_kind = FAR_VALUE_EMPTY;
}

static int build_block(struct server *server, const void *bytes, uint32_t length, struct far_record *value)
{
	uint64_t block = space_alloc_block(server, length);

	if (!block)
		return -ENOSPC;
	memcpy(pool_at(server->pool, block), bytes, length);
	value->value_kind = FAR_VALUE_BLOCK;
	value->u.value.block = block;
	value->u.value.extents = pool_block_round(length);
	return 0;
}

// Adds pages behind file_page with the front of `bytes`. Returns how many pages, or -ENOSPC.
static int64_t add_pages(struct server *server, const char *bytes, uint64_t length, uint32_t file_page, struct far_record *value)
{
	uint32_t wanted = (uint32_t)((length + FAR_PAGE_SIZE - 1) >> FAR_PAGE_SHIFT);
	uint32_t pages = 0;
	uint32_t page = space_alloc_pages(server, wanted, 1, &pages);
	uint64_t room = (uint64_t)pages << FAR_PAGE_SHIFT;
	uint64_t part = length < room ? length : room;
	char *at = pool_at(server->pool, (uint64_t)page << FAR_PAGE_SHIFT);
	int error;

	if (!page)
		return -ENOSPC;
	memcpy(at, bytes, part);
	memset(at + part, 0, room - part);
	SPACE_TRY(server, error, extent_map_insert(server->pool, value, (struct far_extent){file_page, page, pages, 0}));
	if (error)
		pool_pages_free(server->pool, page, pages);
	return error ? error : (int64_t)pages;
}

static int build_pages(struct server *server, const char *bytes, uint64_t length, struct far_record *value)
{
	uint64_t done = 0;

	while (done < length) {
		int64_t pages = add_pages(server, bytes + done, length - done, (uint32_t)(done >> FAR_PAGE_SHIFT), value);

		if (pages < 0) {
			value_release(server, value);
			return (int)pages;
		}
		done += (uint64_t)pages << FAR_PAGE_SHIFT;
	}
	return 0;
}

int value_build(struct server *server, const void *bytes, uint64_t length, struct far_record *value)
{
	int error = 0;

	memset(value, 0, sizeof(*value));
	if (length > FAR_BLOCK_MAX)
		error = build_pages(server, bytes, length, value);
	else if (length > 0)
		error = build_block(server, bytes, (uint32_t)length, value);
	value_set_size(value, length);
	return error;
}

static uint32_t source_page(const struct server *server, const struct value_source *source)
{
	return (uint32_t)((uint64_t)((const char *)source->bytes - (const char *)pool_base(server->pool)) >> FAR_PAGE_SHIFT);
}

static uint32_t source_pages(const struct value_source *source)
{
	return (uint32_t)((source->length + FAR_PAGE_SIZE - 1) >> FAR_PAGE_SHIFT);
}

int value_build_granted(struct server *server, const struct value_source *sources, uint32_t count, struct far_record *value)
{
	uint32_t file_page = 0;
	uint64_t size = 0;
	int error = 0;

	memset(value, 0, sizeof(*value));
	for (uint32_t i = 0; i + 1 < count; i++)
		if (sources[i].length % FAR_PAGE_SIZE)
			return -EINVAL;
	for (uint32_t i = 0; i < count && !error; i++) {
		uint32_t pages = source_pages(&sources[i]);
		uint32_t page = source_page(server, &sources[i]);
		char *end = pool_at(server->pool, ((uint64_t)page << FAR_PAGE_SHIFT) + sources[i].length);

		memset(end, 0, ((uint64_t)pages << FAR_PAGE_SHIFT) - sources[i].length);
		SPACE_TRY(server, error, extent_map_insert(server->pool, value, (struct far_extent){file_page, page, pages, 0}));
		file_page += pages;
		size += sources[i].length;
	}
	if (error) {
		extent_map_remove(server->pool, value, 0, UINT32_MAX, leave_pages, NULL);
		return error;
	}
	for (uint32_t i = 0; i < count; i++)
		grant_take(server, sources[i].grant, source_page(server, &sources[i]), source_pages(&sources[i]));
	value_set_size(value, size);
	return 0;
}

static void set_value(struct far_record *record, const struct far_record *value)
{
	record->value_kind = value->value_kind;
	record->u = value->u;
	value_set_size(record, value_size(value));
}

static void raise_version(struct far_record *record)
{
	uint64_t version = atomic_load_explicit(&record->version, memory_order_relaxed);

	atomic_store_explicit(&record->version, version + 1, memory_order_relaxed);
}

void value_replace(struct server *server, struct far_record *record, const struct far_record *value)
{
	unsigned state = FAR_WORD_STATE(atomic_load_explicit(&record->word, memory_order_relaxed));
	struct far_record old;

	if (state == FAR_RECORD_FREE) {
		set_value(record, value);
		return;
	}
	value_detach(record, &old);
	record_publish(record, FAR_RECORD_BUSY); // R6: readers of the record itself never see half of the new place
	set_value(record, value);
	raise_version(record);
	record_publish(record, state);
	value_release(server, &old);
}

void value_replace_inline(struct server *server, struct far_record *record, const void *bytes, uint32_t length)
{
	unsigned state = FAR_WORD_STATE(atomic_load_explicit(&record->word, memory_order_relaxed));
	struct far_record value = {.value_kind = length ? FAR_VALUE_INLINE : FAR_VALUE_EMPTY};
	struct far_record old;

	value_detach(record, &old);
	value_set_size(&value, length);
	if (state != FAR_RECORD_FREE) {
		record_publish(record, FAR_RECORD_BUSY);
		atomic_thread_fence(memory_order_release); // R6: BUSY before the bytes; pairs with the reader's acquire after its copy
		raise_version(record);
	}
	memcpy(pool_at(server->pool, record_inline_offset(server->pool, record)), bytes, length);
	set_value(record, &value);
	if (state == FAR_RECORD_FREE)
		return;
	record_publish(record, state);
	value_release(server, &old);
}
