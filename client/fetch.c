#include "client/fetch.h"

#include <errno.h>
#include <string.h>

#include "client/call.h"
#include "far/broken.h"

// Two ways to fetch bytes, one rule. Where the pool is mapped: copy, then look at the record again. Elsewhere: reads of the value and, behind them on the same
// lane, of the record's head and the epoch, posted together: one round trip. The trailing reads land in the last page of the lane's staging.

#define TRAILER_OFFSET (LANE_STAGING - FAR_PAGE_SIZE)
#define FETCH_CHUNK (LANE_STAGING / 2) // through staging, where local memory must be registered
#define POST_MAX (4U << 20)            // one post carries so much: the time limit is for the next piece, not for a whole value

struct trailer {
	uint64_t word; // the first three fields of struct far_record
	uint64_t version;
	uint64_t size;
	uint64_t epoch; // and the field behind it
	uint64_t is_busy;
};
static_assert(offsetof(struct far_pool_header, is_busy) == offsetof(struct far_pool_header, location_epoch) + 8, "fetched together");
static_assert(sizeof(struct trailer) <= FAR_PAGE_SIZE - FETCH_SCRATCH, "the scratch is behind it");

static bool is_as_located(const struct located *located, enum fetch_rule rule, uint64_t word, uint64_t version, uint64_t epoch)
{
	if (FAR_BROKEN_STALE_READ)
		return true;
	return word == located->word && epoch == located->epoch && (rule == FETCH_FILE || version == located->version);
}

bool fetch_is_current(const struct far_lane *lane, const struct located *located, enum fetch_rule rule)
{
	const struct far_pool_header *header = lane->pool.loads;
	const struct far_record *record = (const struct far_record *)((const char *)lane->pool.loads + located->record);

	// R4. Pairs with the releases of record_publish and value_write.c's begin on the server: if any byte loaded before was a later one, the word or version loaded
	// now is later, too.
	atomic_thread_fence(memory_order_acquire);
	return is_as_located(located, rule, atomic_load_explicit(&record->word, memory_order_relaxed),
	        atomic_load_explicit(&record->version, memory_order_relaxed),
	        atomic_load_explicit(&header->location_epoch, memory_order_relaxed));
}

// Goes through the pieces of a range: stored ones are handed to `stored`, holes become zeros.
typedef int fetch_piece(struct far_lane *lane, char *to, uint64_t pool_offset, uint64_t length);

static int each_piece(
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
	memcpy(to, (const char *)lane->pool.loads + pool_offset, length);
	return 0;
}

// Posts a read, waiting for room in the lane's queue.
static int post_read(struct far_lane *lane, char *to, uint64_t pool_offset, uint64_t length, uint64_t context)
{
	for (;;) {
		int error = fabric_post_read(lane->connection, to, lane->pool.rkey, pool_offset, length, context);

		if (error != -EAGAIN) {
			lane->posts += error == 0 && context != 0;
			return error;
		}
		error = fabric_flush(lane->connection);
		if (error)
			return error;
		error = call_poll(lane);
		if (error)
			return error;
	}
}

static int post_piece(struct far_lane *lane, char *to, uint64_t pool_offset, uint64_t length)
{
	int error = 0;

	for (uint64_t done = 0; done < length && !error; done += POST_MAX)
		error = post_read(lane, to + done, pool_offset + done, length - done < POST_MAX ? length - done : POST_MAX, 1);
	return error;
}

static int fetch_posted(
        struct far_lane *lane, const struct located *located, enum fetch_rule rule, char *to, uint64_t offset, uint64_t length)
{
	struct trailer *trailer = (struct trailer *)(lane_staging(lane) + TRAILER_OFFSET);
	int error = each_piece(lane, located, to, offset, length, post_piece);

	if (!error)
		error = post_read(lane, (char *)trailer, located->record, offsetof(struct trailer, epoch), 1);
	if (!error)
		error = post_read(lane, (char *)&trailer->epoch, offsetof(struct far_pool_header, location_epoch), 2 * sizeof(uint64_t), 1);
	if (error)
		return lane->connection ? call_lost(lane, error) : error;
	error = call_wait_posts(lane);
	if (error)
		return error;
	lane->is_server_busy = trailer->is_busy;
	return is_as_located(located, rule, trailer->word, trailer->version, trailer->epoch);
}

void *fetch_scratch(const struct far_lane *lane)
{
	return lane_staging(lane) + TRAILER_OFFSET + (FAR_PAGE_SIZE - FETCH_SCRATCH);
}

int fetch_parts(struct far_lane *lane, const struct fetch_part *parts, unsigned count)
{
	int error = 0;

	for (unsigned i = 0; i < count && lane->pool.loads; i++) {
		memcpy(parts[i].to, (const char *)lane->pool.loads + parts[i].offset, parts[i].length);
		// Each part before the next one; pairs with record_publish.
		atomic_thread_fence(memory_order_acquire);
	}
	if (lane->pool.loads)
		return 0;
	for (unsigned i = 0; i < count && !error; i++)
		error = post_read(lane, parts[i].to, parts[i].offset, parts[i].length, 1);
	if (error)
		return lane->connection ? call_lost(lane, error) : error;
	return call_wait_posts(lane);
}

// Memory that must be registered is fetched into staging and copied. An empty range is checked, too: its answer is the value's size.
static int fetch_staged(
        struct far_lane *lane, const struct located *located, enum fetch_rule rule, char *buffer, uint64_t offset, uint64_t length)
{
	uint64_t done = 0;

	do {
		uint64_t part = length - done < FETCH_CHUNK ? length - done : FETCH_CHUNK;
		int result = fetch_posted(lane, located, rule, lane_staging(lane), offset + done, part);

		if (result <= 0)
			return result;
		if (part > 0)
			memcpy(buffer + done, lane_staging(lane), part);
		done += part;
	} while (done < length);
	return 1;
}

int fetch(struct far_lane *lane, const struct located *located, enum fetch_rule rule, void *buffer, uint64_t offset, uint64_t length)
{
	if (lane->pool.loads) {
		if (FAR_BROKEN_TORN_READ)
			return fetch_is_current(lane, located, rule) && each_piece(lane, located, buffer, offset, length, copy_piece) == 0;
		each_piece(lane, located, buffer, offset, length, copy_piece);
		return fetch_is_current(lane, located, rule);
	}
	if (lane_can_post(lane, buffer, length))
		return fetch_posted(lane, located, rule, buffer, offset, length);
	return fetch_staged(lane, located, rule, buffer, offset, length);
}

// R5: what a location leads to that holds inside a read section is not reused before the section ends. A value replaced meanwhile is read as it was; bytes changed in place are
// told by the version under the same word, and small values, which change in place under another, are not read this way.
int fetch_held(struct far_lane *lane, const struct located *located, void *buffer, uint64_t offset, uint64_t length)
{
	const struct far_record *record = (const struct far_record *)((const char *)lane->pool.loads + located->record);
	bool is_whole;

	if (!lane->pool.loads || located->size <= FAR_BLOCK_MAX)
		return fetch(lane, located, FETCH_VALUE, buffer, offset, length);
	fabric_read_begin(lane->connection);
	is_whole = fetch_is_current(lane, located, FETCH_VALUE);
	if (is_whole) {
		each_piece(lane, located, buffer, offset, length, copy_piece);
		atomic_thread_fence(memory_order_acquire); // the copy before this look at the version; pairs with value_write.c's begin
		is_whole = atomic_load_explicit(&record->version, memory_order_relaxed) == located->version ||
		           atomic_load_explicit(&record->word, memory_order_relaxed) != located->word;
	}
	fabric_read_end(lane->connection);
	return is_whole;
}
