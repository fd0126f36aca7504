#include "client/fetch.h"

#include <string.h>

#include "client/fetch_inside.h"
#include "client/profile.h"
#include "far/broken.h"

// Two ways to fetch bytes, one rule. Where the pool is mapped: copy, then look at the record again. Elsewhere: posted reads (fetch_posted.c).

bool fetch_is_as_located(const struct located *located, enum fetch_rule rule, const struct fetch_found *found)
{
	if (FAR_BROKEN_STALE_READ)
		return true;
	return found->word == located->word && found->id == located->id && (rule == FETCH_FILE || found->version == located->version) &&
	       (rule != FETCH_PATH || found->epoch == located->epoch);
}

bool fetch_is_current(const struct far_lane *lane, const struct located *located, enum fetch_rule rule)
{
	const struct far_pool_header *header = lane->pool.loads;
	const struct far_record *record = (const struct far_record *)((const char *)lane->pool.loads + located->record);
	struct fetch_found found;

	// R4. Pairs with the releases of record_publish and value_write.c's begin on the server: if any byte loaded before was a later one, the word or version loaded
	// now is later, too.
	atomic_thread_fence(memory_order_acquire);
	found = (struct fetch_found){
	        .word = atomic_load_explicit(&record->word, memory_order_relaxed),
	        .version = atomic_load_explicit(&record->version, memory_order_relaxed),
	        .id = record->id,
	        .epoch = atomic_load_explicit(&header->location_epoch, memory_order_relaxed),
	};
	return fetch_is_as_located(located, rule, &found);
}

int fetch_each_piece(
        struct far_lane *lane, const struct located *located, char *buffer, uint64_t offset, uint64_t length, fetch_piece *stored)
{
	uint64_t end = offset + length;
	uint64_t at = offset;

	for (uint32_t i = 0; i < located->count && at < end; i++) {
		const struct far_wire_extent *extent = &located->extents[i];
		uint64_t extent_end = extent->value_offset + extent->length;
		uint64_t from = extent->value_offset > at ? extent->value_offset : at;
		uint64_t to = extent_end < end ? extent_end : end;
		int error;

		if (from >= to)
			continue;
		if (from > at)
			memset(buffer + (at - offset), 0, from - at);
		error = stored(lane, buffer + (from - offset), extent->pool_offset + (from - extent->value_offset), to - from);
		if (error)
			return error;
		at = to;
	}
	if (end > at)
		memset(buffer + (at - offset), 0, end - at);
	return 0;
}

static int copy_piece(struct far_lane *lane, char *to, uint64_t pool_offset, uint64_t length)
{
	enum profile_stage before = profile_enter(PROFILE_COPY);

	memcpy(to, (const char *)lane->pool.loads + pool_offset, length);
	profile_leave(before);
	return 0;
}

void fetch_prefetch(const struct far_lane *lane, const struct located *located)
{
	const char *pool = lane->pool.loads;

	__builtin_prefetch(pool + located->record);
	if (located->count > 0)
		__builtin_prefetch(pool + located->extents[0].pool_offset);
}

int fetch(struct far_lane *lane, const struct located *located, enum fetch_rule rule, void *buffer, uint64_t offset, uint64_t length)
{
	if (lane->pool.loads) {
		if (FAR_BROKEN_TORN_READ)
			return fetch_is_current(lane, located, rule) &&
			       fetch_each_piece(lane, located, buffer, offset, length, copy_piece) == 0;
		fetch_each_piece(lane, located, buffer, offset, length, copy_piece);
		return fetch_is_current(lane, located, rule);
	}
	return fetch_posted(lane, located, rule, buffer, offset, length);
}

// R5: what a location leads to that holds inside a read section is not reused before the section ends. A value replaced meanwhile is read as it was; bytes changed in place are
// told by the version under the same word, and small values, which change in place under another, are not read this way.
int fetch_held(struct far_lane *lane, const struct located *located, enum fetch_rule rule, void *buffer, uint64_t offset, uint64_t length)
{
	const struct far_record *record = (const struct far_record *)((const char *)lane->pool.loads + located->record);
	bool is_whole;

	if (!lane->pool.loads || located->size <= FAR_BLOCK_MAX)
		return fetch(lane, located, rule, buffer, offset, length);
	fabric_read_begin(lane->connection);
	is_whole = fetch_is_current(lane, located, rule);
	if (is_whole) {
		fetch_each_piece(lane, located, buffer, offset, length, copy_piece);
		atomic_thread_fence(memory_order_acquire); // the copy before this look at the version; pairs with value_write.c's begin
		is_whole = atomic_load_explicit(&record->version, memory_order_relaxed) == located->version ||
		           atomic_load_explicit(&record->word, memory_order_relaxed) != located->word;
	}
	fabric_read_end(lane->connection);
	return is_whole;
}

int fetch_parts(struct far_lane *lane, const struct fetch_part *parts, unsigned count)
{
	if (!lane->pool.loads)
		return fetch_parts_posted(lane, parts, count);
	for (unsigned i = 0; i < count; i++) {
		memcpy(parts[i].to, (const char *)lane->pool.loads + parts[i].offset, parts[i].length);
		atomic_thread_fence(memory_order_acquire); // each part before the next one; pairs with record_publish
	}
	return 0;
}
