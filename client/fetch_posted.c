#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "client/call.h"
#include "client/fetch_inside.h"
#include "client/profile.h"
#include "far/broken.h"

// Fetching by posted reads, all of one round trip.
//
// A value behind its record comes with it by one read, whose bytes may be of different moments: its checksum tells (R8). Other values are read first and, behind
// them on the same lane, the record's head. A directory's rename is told by the epoch only, so a key below one takes a read of that, too. What is read beside the value
// lands in the last page of the lane's staging.

#define ASIDE_OFFSET (LANE_STAGING - FAR_PAGE_SIZE)
#define FETCH_CHUNK (LANE_STAGING / 2) // through staging, where local memory must be registered
#define POST_MAX (4U << 20)            // one post carries so much: the time limit is for the next piece, not for a whole value

// The most that lies in front of the end of a value behind its record.
#define RECORD_MAX (sizeof(struct far_record) + FAR_NAME_MAX + 1 + FAR_INLINE_MAX)

struct aside {
	uint64_t epoch; // and the field behind it
	uint64_t probing;
	uint64_t unused[6];
	union {
		struct far_record record;
		char bytes[RECORD_MAX];
	};
};
static_assert(sizeof(struct aside) <= FAR_PAGE_SIZE - FETCH_SCRATCH, "the scratch is behind it");
static_assert(offsetof(struct far_pool_header, probing) == offsetof(struct far_pool_header, location_epoch) + 8, "fetched together");

#define HEAD_LENGTH (offsetof(struct far_record, id) + sizeof(uint64_t))

static struct aside *aside_of(const struct far_lane *lane)
{
	return (struct aside *)(lane_staging(lane) + ASIDE_OFFSET);
}

static void copy(char *to, const char *from, uint64_t length)
{
	enum profile_stage before = profile_enter(PROFILE_COPY);

	memcpy(to, from, length);
	profile_leave(before);
}

// Posts a read, waiting for room in the lane's queue.
static int post_read(struct far_lane *lane, void *to, uint64_t pool_offset, uint64_t length, uint64_t context)
{
	for (;;) {
		enum profile_stage before = profile_enter(PROFILE_POST);
		int error = fabric_post_read(lane->connection, to, lane->pool.rkey, pool_offset, length, context);

		profile_leave(before);
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

// One that is followed by others without waiting needs no event of its own.
static int post_only_piece(struct far_lane *lane, char *to, uint64_t pool_offset, uint64_t length)
{
	return post_read(lane, to, pool_offset, length, 0);
}

// Ends what was posted with `length` bytes of the record, and waits. 1 or 0, as fetch.
static int look_at_record(struct far_lane *lane, const struct located *located, enum fetch_rule rule, uint64_t length)
{
	struct aside *aside = aside_of(lane);
	int error = post_read(lane, &aside->record, located->record, length, rule != FETCH_PATH);

	if (!error && rule == FETCH_PATH)
		error = post_read(lane, &aside->epoch, offsetof(struct far_pool_header, location_epoch), 2 * sizeof(uint64_t), 1);
	if (error)
		return lane->connection ? call_lost(lane, error) : error;
	error = call_wait_posts(lane);
	if (error)
		return error;
	if (rule == FETCH_PATH)
		lane_note_probing(lane, aside->probing);
	return fetch_is_as_located(located, rule,
	        &(struct fetch_found){.word = atomic_load_explicit(&aside->record.word, memory_order_relaxed),
	                .version = atomic_load_explicit(&aside->record.version, memory_order_relaxed),
	                .id = aside->record.id,
	                .epoch = aside->epoch});
}

void *fetch_scratch(const struct far_lane *lane)
{
	return lane_staging(lane) + ASIDE_OFFSET + (FAR_PAGE_SIZE - FETCH_SCRATCH);
}

int fetch_parts_posted(struct far_lane *lane, const struct fetch_part *parts, unsigned count)
{
	int error = 0;

	for (unsigned i = 0; i < count && !error; i++)
		error = post_read(lane, parts[i].to, parts[i].offset, parts[i].length, i + 1 == count);
	if (error)
		return lane->connection ? call_lost(lane, error) : error;
	return call_wait_posts(lane);
}

// --- several at once ---

struct head {
	_Atomic uint64_t word;
	uint64_t between[(HEAD_LENGTH - 2 * sizeof(uint64_t)) / sizeof(uint64_t)];
	uint64_t id;
};
static_assert(sizeof(struct head) == HEAD_LENGTH, "as a record begins");
static_assert(FETCH_POSTS * sizeof(struct head) <= FETCH_SCRATCH, "fits");

int fetch_post(struct far_lane *lane, const struct located *located, void *buffer, uint64_t offset, uint64_t length, unsigned number,
        struct fetch_post *post)
{
	struct head *heads = fetch_scratch(lane);
	int error;

	if (length > POST_MAX || !lane_can_post(lane, buffer, length))
		return -EOPNOTSUPP;
	*post = (struct fetch_post){located->word, located->id};
	error = fetch_each_piece(lane, located, buffer, offset, length, post_piece);
	if (!error)
		error = post_read(lane, &heads[number], located->record, HEAD_LENGTH, 1);
	return error && lane->connection ? call_lost(lane, error) : error;
}

bool fetch_post_holds(const struct far_lane *lane, unsigned number, const struct fetch_post *post)
{
	const struct head *head = (const struct head *)fetch_scratch(lane) + number;

	return FAR_BROKEN_STALE_READ || (atomic_load_explicit(&head->word, memory_order_relaxed) == post->word && head->id == post->id);
}

// --- one ---

static int fetch_pieces(
        struct far_lane *lane, const struct located *located, enum fetch_rule rule, char *to, uint64_t offset, uint64_t length)
{
	bool is_one = located->count <= 1 && length <= POST_MAX;
	int error = fetch_each_piece(lane, located, to, offset, length, is_one ? post_only_piece : post_piece);

	if (error)
		return lane->connection ? call_lost(lane, error) : error;
	return look_at_record(lane, located, rule, HEAD_LENGTH);
}

// Memory that must be registered is fetched into staging and copied. An empty range is checked, too: its answer is the value's size.
static int fetch_staged(
        struct far_lane *lane, const struct located *located, enum fetch_rule rule, char *buffer, uint64_t offset, uint64_t length)
{
	uint64_t done = 0;

	do {
		uint64_t part = length - done < FETCH_CHUNK ? length - done : FETCH_CHUNK;
		int result = fetch_pieces(lane, located, rule, lane_staging(lane), offset + done, part);

		if (result <= 0)
			return result;
		if (part > 0)
			copy(buffer + done, lane_staging(lane), part);
		done += part;
	} while (done < length);
	return 1;
}

// Whether the value seems to lie behind its record. Its kind tells, once it is here.
static bool is_behind_record(const struct located *located)
{
	const struct far_wire_extent *extent = located->extents;

	return located->count == 1 && extent->value_offset == 0 && extent->length == located->size && located->size <= FAR_INLINE_MAX &&
	       extent->pool_offset >= located->record + sizeof(struct far_record) &&
	       extent->pool_offset + extent->length <= located->record + RECORD_MAX;
}

// -ENOENT: the value is elsewhere. Else as fetch.
static int fetch_with_record(
        struct far_lane *lane, const struct located *located, enum fetch_rule rule, char *buffer, uint64_t offset, uint64_t length)
{
	uint64_t value = located->extents->pool_offset - located->record;
	const struct aside *aside = aside_of(lane);
	const struct far_record *record = &aside->record;
	int result = look_at_record(lane, located, rule, value + located->size);

	if (result <= 0)
		return result;
	if (record->value_kind != FAR_VALUE_INLINE)
		return -ENOENT;
	if (!FAR_BROKEN_TORN_READ && XXH3_64bits_withSeed(aside->bytes + value, located->size,
	                                     atomic_load_explicit(&record->version, memory_order_relaxed)) != record->u.behind.checksum)
		return 0;
	copy(buffer, aside->bytes + value + offset, length);
	return 1;
}

int fetch_posted(struct far_lane *lane, const struct located *located, enum fetch_rule rule, char *buffer, uint64_t offset, uint64_t length)
{
	int result = length > 0 && is_behind_record(located) ? fetch_with_record(lane, located, rule, buffer, offset, length) : -ENOENT;

	if (result != -ENOENT)
		return result;
	if (lane_can_post(lane, buffer, length))
		return fetch_pieces(lane, located, rule, buffer, offset, length);
	return fetch_staged(lane, located, rule, buffer, offset, length);
}

// --- the fronts of several values ---

// Staging is given out front to back; the last page is not part of it.
static char *take_staging(const struct far_lane *lane, uint64_t *used, uint64_t length)
{
	uint64_t rounded = (length + 63) & ~63ULL;
	char *at = lane_staging(lane) + *used;

	if (length > ASIDE_OFFSET || rounded > ASIDE_OFFSET - *used)
		return NULL;
	*used += rounded;
	return at;
}

// A value behind its record comes with it; others are read in front of the record's head, into the caller's memory if it may be posted.
static int post_front(struct far_lane *lane, struct fetch_front *front, uint64_t *used)
{
	const struct located *located = &front->located;
	bool is_behind = front->length > 0 && is_behind_record(located);
	uint64_t head_length = is_behind ? located->extents->pool_offset - located->record + located->size : HEAD_LENGTH;
	int error = 0;

	front->result = -EOPNOTSUPP;
	front->head = take_staging(lane, used, head_length);
	if (!front->head || located->count > 1 || front->length > POST_MAX)
		return 0;
	front->bytes = lane_can_post(lane, front->buffer, front->length) ? front->buffer : NULL;
	if (is_behind)
		front->bytes = front->head + (located->extents->pool_offset - located->record);
	else if (!front->bytes)
		front->bytes = take_staging(lane, used, front->length);
	if (!front->bytes)
		return 0;
	front->result = is_behind;
	if (!is_behind)
		error = fetch_each_piece(lane, located, front->bytes, 0, front->length, post_piece);
	return error ? error : post_read(lane, front->head, located->record, head_length, 1);
}

static int judge_front(const struct far_lane *lane, const struct fetch_front *front)
{
	const struct far_record *record = (const struct far_record *)front->head;
	struct fetch_found found = {
	        .word = atomic_load_explicit(&record->word, memory_order_relaxed),
	        .version = atomic_load_explicit(&record->version, memory_order_relaxed),
	        .id = record->id,
	        .epoch = aside_of(lane)->epoch,
	};

	if (!fetch_is_as_located(&front->located, front->rule, &found))
		return 0;
	if (front->result == 1 && record->value_kind != FAR_VALUE_INLINE)
		return -EOPNOTSUPP; // it only seemed to lie there
	if (front->result == 1 && !FAR_BROKEN_TORN_READ &&
	        XXH3_64bits_withSeed(front->bytes, front->located.size, found.version) != record->u.behind.checksum)
		return 0;
	if (front->bytes != front->buffer && front->length > 0)
		copy(front->buffer, front->bytes, front->length);
	return 1;
}

int fetch_fronts(struct far_lane *lane, struct fetch_front *fronts, unsigned count)
{
	uint64_t used = 0;
	int error = 0;

	for (unsigned i = 0; i < count && !error; i++) {
		fronts[i].located.extents = &fronts[i].extent;
		error = post_front(lane, &fronts[i], &used);
	}
	if (!error)
		error = post_read(lane, &aside_of(lane)->epoch, offsetof(struct far_pool_header, location_epoch), 2 * sizeof(uint64_t), 1);
	if (error)
		return lane->connection ? call_lost(lane, error) : error;
	error = call_wait_posts(lane);
	if (error)
		return error;
	lane_note_probing(lane, aside_of(lane)->probing);
	for (unsigned i = 0; i < count; i++)
		if (fronts[i].result >= 0)
			fronts[i].result = judge_front(lane, &fronts[i]);
	return 0;
}
