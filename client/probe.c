#include "client/probe.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "client/look.h"
#include "client/record_of.h"
#include "far/bucket.h"
#include "far/key.h"

// What is found is believed by what the record says of itself (R6: parent, name, state), and by the location epoch where directories are on the way; the index only hints at it.
// So whatever is out of the ordinary (a bucket that moves, a long name, a link, a deadline, a value in many pieces) is left to the server, and a key that is not there, too.

// Where the chunk's entry and the bucket are, by what the lane knows of the index.
static uint64_t entry_offset(const struct far_lane *lane, uint64_t number)
{
	return lane->index.table + (number >> FAR_CHUNK_SHIFT) * sizeof(uint64_t);
}

static uint64_t bucket_offset(const struct far_lane *lane, uint64_t number)
{
	uint64_t chunk = lane->index.chunks[(number >> FAR_CHUNK_SHIFT) % LANE_CHUNKS];

	return chunk ? chunk + (number & (FAR_CHUNK_BUCKETS - 1)) * sizeof(struct far_bucket) : 0;
}

// Takes what the look shows of the index. Returns whether all was as it was known: then the bucket is the right one.
static bool take_index(struct far_lane *lane, const struct look_bucket *look, uint64_t number, uint32_t hash)
{
	struct lane_index *index = &lane->index;
	uint64_t table = atomic_load_explicit(&look->header.index_table, memory_order_relaxed);
	uint64_t buckets = atomic_load_explicit(&look->header.index_buckets, memory_order_relaxed);
	uint64_t *chunk = &index->chunks[(number >> FAR_CHUNK_SHIFT) % LANE_CHUNKS];
	bool is_same =
	        index->buckets && table == index->table && *chunk == look->chunk && buckets && far_bucket_number(buckets, hash) == number;

	if (table != index->table)
		memset(index->chunks, 0, sizeof(index->chunks));
	else if (index->buckets)
		*chunk = look->chunk % FAR_PAGE_SIZE ? 0 : look->chunk;
	index->table = table;
	index->buckets = buckets;
	return is_same;
}

#define BUCKET_TRIES 4 // nothing known, no chunk known, then the bucket; and once more because the index grew

// 1, 0 or a negative errno.
static int find_bucket(struct far_lane *lane, uint32_t hash, const struct look_bucket **look)
{
	for (int i = 0; i < BUCKET_TRIES; i++) {
		uint64_t number = lane->index.buckets ? far_bucket_number(lane->index.buckets, hash) : 0;
		uint64_t bucket = lane->index.buckets ? bucket_offset(lane, number) : 0;
		int result = look_at_bucket(lane, bucket, lane->index.buckets ? entry_offset(lane, number) : 0, look);

		if (result != 1)
			return result;
		if (take_index(lane, *look, number, hash) && bucket)
			return 1;
	}
	return 0;
}

#define CHAIN_MAX 3 // buckets of one chain; about every eighth entry is not in the first

static uint64_t matching_slot(const struct look_bucket *bucket, uint64_t hash)
{
	for (unsigned i = 0; i < FAR_BUCKET_SLOTS; i++)
		if (far_slot_has_tag(bucket->slots[i], hash))
			return bucket->slots[i];
	return 0;
}

// The pool offset of the record that the index has for the hash. 1, 0, -ENOENT (it has none) or another negative errno.
static int find_record(struct far_lane *lane, uint64_t hash, uint64_t *offset)
{
	const struct look_bucket *bucket;
	int result = find_bucket(lane, (uint32_t)hash, &bucket);

	for (int i = 1; result == 1; i++) {
		uint64_t slot = matching_slot(bucket, hash);
		uint64_t overflow = bucket->slots[FAR_BUCKET_SLOTS];

		*offset = far_slot_record(slot);
		if (slot)
			return 1;
		if (overflow == 0 || i == CHAIN_MAX)
			return overflow == 0 ? -ENOENT : 0;
		result = look_at_bucket(lane, overflow, 0, &bucket);
	}
	return result;
}

static bool is_named(const struct look *look, uint64_t parent, struct far_span name, uint32_t hash)
{
	const struct far_record *record = &look->record;

	// R10: whether a deadline is over the server knows.
	return FAR_WORD_STATE(look->word) == FAR_RECORD_LIVE && record->parent == parent && record->name_hash == hash &&
	       record->name_length == name.length && !(record->flags & (FAR_RECORD_LONG_NAME | FAR_RECORD_EXPIRES)) &&
	       memcmp(look->behind, name.bytes, name.length) == 0;
}

// The record of a name, with so much of what is behind its fixed part. 1 with its pool offset, 0, -ENOENT (the index has none) or another negative errno.
static int find_name(
        struct far_lane *lane, uint64_t parent, struct far_span name, uint32_t behind, const struct look **look, uint64_t *offset)
{
	uint64_t hash = far_bucket_hash(lane->boot_id, parent, name.bytes, name.length);
	int result = find_record(lane, hash, offset);

	if (result != 1)
		return result;
	result = look_at(lane, *offset, behind, look);
	return result == 1 ? is_named(*look, parent, name, (uint32_t)hash) : result;
}

// --- names that are not there ---

static bool is_directory(struct far_lane *lane, uint64_t id)
{
	const struct far_record *record = record_mapped(lane, id);

	return record && S_ISDIR(record->mode) &&
	       FAR_WORD_STATE(atomic_load_explicit(&record->word, memory_order_acquire)) == FAR_RECORD_LIVE;
}

int probe_name(struct far_lane *lane, uint64_t parent, struct far_span name, const struct look **look, uint64_t *offset)
{
	const struct far_pool_header *header = lane->pool.loads;
	uint64_t names = atomic_load_explicit(&header->names, memory_order_acquire); // R9: pairs with the release of index_settle
	int result = find_name(lane, parent, name, name.length, look, offset);

	if (result != -ENOENT)
		return result;
	if (!FAR_NAMES_ARE_SETTLED(names) || !is_directory(lane, parent))
		return 0;
	atomic_thread_fence(memory_order_acquire); // all that was looked at before this look at the counter; pairs with index.c's stores
	return atomic_load_explicit(&header->names, memory_order_relaxed) == names ? -ENOENT : 0;
}

// --- directories ---

static struct lane_directory *directory_slot(struct far_lane *lane, struct locate_hash hash)
{
	return &lane->index.directories[hash.low % LANE_DIRECTORIES];
}

// From directory to directory. They are one path if none was renamed on the way.
static int walk(struct far_lane *lane, struct far_span path, struct lane_directory *directory)
{
	struct far_span name;

	*directory = (struct lane_directory){.id = FAR_ROOT_ID};
	while (path.length > 0) {
		const struct look *look;
		uint64_t offset;
		int result;

		far_key_next(&path, &name);
		result = find_name(lane, directory->id, name, name.length, &look, &offset);
		if (result != 1)
			return result;
		if (!S_ISDIR(look->record.mode) || (directory->is_below && directory->epoch != look->epoch))
			return 0;
		directory->id = look->record.id;
		directory->epoch = look->epoch;
		directory->is_below = true;
	}
	return 1;
}

// The directory that a key lies in, remembered or found.
static int find_directory(struct far_lane *lane, struct far_span path, struct lane_directory *directory)
{
	struct locate_hash hash = locate_hash_key(lane, path.bytes, path.length);
	struct lane_directory *known = directory_slot(lane, hash);
	int result;

	if (path.length > 0 && known->low == hash.low && known->high == hash.high) {
		*directory = *known;
		return 1;
	}
	result = walk(lane, path, directory);
	if (result != 1 || path.length == 0)
		return result;
	directory->low = hash.low;
	directory->high = hash.high;
	*known = *directory;
	return 1;
}

// --- the value ---

static bool is_inside(const struct far_lane *lane, const struct far_wire_extent *extent)
{
	return extent->length == 0 ||
	       (extent->pool_offset <= lane->pool_length && extent->length <= lane->pool_length - extent->pool_offset);
}

bool probe_locate(const struct far_lane *lane, const struct look *look, uint64_t offset, uint32_t behind, struct probed *probed)
{
	const struct far_record *record = &look->record;
	uint64_t stored = look->size;

	*probed = (struct probed){0};
	if (look->size > FAR_FILE_MAX)
		return false;
	probed->located = (struct located){
	        .id = record->id,
	        .record = offset,
	        .word = look->word,
	        .version = look->version,
	        .epoch = look->epoch,
	        .size = look->size,
	        .end = look->size,
	        .extents = &probed->extent,
	        .count = look->size > 0,
	};
	switch (record->value_kind) {
	case FAR_VALUE_EMPTY:
		probed->located.count = 0;
		return true;
	case FAR_VALUE_INLINE:
		probed->extent.pool_offset = offset + sizeof(*record) + far_record_name_room(record);
		if (far_record_name_room(record) + look->size <= behind)
			probed->bytes = look->behind + far_record_name_room(record);
		break;
	case FAR_VALUE_BLOCK:
		probed->extent.pool_offset = record->u.value.block;
		break;
	case FAR_VALUE_EXTENT:
		probed->extent.pool_offset = record->u.value.block;
		if (stored > (uint64_t)record->u.value.pages << FAR_PAGE_SHIFT)
			stored = (uint64_t)record->u.value.pages << FAR_PAGE_SHIFT;
		break;
	default:
		return false;
	}
	probed->extent.value_offset = 0;
	probed->extent.length = stored;
	return is_inside(lane, &probed->extent);
}

static int probe_key(struct far_lane *lane, struct far_span key, struct probed *probed)
{
	const char *slash = memrchr(key.bytes, '/', key.length);
	struct far_span path = {key.bytes, slash ? (uint32_t)(slash - (const char *)key.bytes) : 0};
	struct far_span name = {slash ? slash + 1 : key.bytes, key.length - path.length - (slash != NULL)};
	struct lane_directory directory;
	const struct look *look;
	uint64_t offset;
	int result;

	result = find_directory(lane, path, &directory);
	if (result == 1)
		result = find_name(lane, directory.id, name, LOOK_BEHIND, &look, &offset);
	if (result != 1)
		return result;
	if (directory.is_below && directory.epoch != look->epoch) {
		memset(lane->index.directories, 0, sizeof(lane->index.directories));
		return 0;
	}
	return S_ISREG(look->record.mode) && probe_locate(lane, look, offset, LOOK_BEHIND, probed);
}

int probe(struct far_lane *lane, struct far_span key, struct probed *probed)
{
	int result = probe_key(lane, key, probed);

	return result == -ENOENT ? 0 : result;
}
