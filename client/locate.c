#include "client/locate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

// Two caches of fixed size. Keys: entries of two cache lines, found by a 128-bit hash seeded at random, which stands for the key (two keys with one hash: 2^-128);
// a set is 4 neighbours, a full one gives up a random entry. Files: one entry a slot for each window of a file, with room for one reply's extents; a key
// whose value is in more than one extent leads there by its id.

#define SET 4U
#define FILE_ENTRIES 256U

struct key_entry {
	struct locate_hash hash; // 0, 0 = empty
	struct located located;
	struct far_wire_extent extent;
};
static_assert(sizeof(struct key_entry) == 128, "two cache lines");

struct key_cache {
	struct key_entry *entries;
	uint64_t mask;
};

struct file_entry {
	struct located located; // id 0 = empty
	struct far_wire_extent extents[FAR_EXTENTS_PER_REPLY];
};

struct file_cache {
	struct file_entry entries[FILE_ENTRIES];
};

int locate_new(uint64_t entries, struct key_cache **keys, struct file_cache **files)
{
	uint64_t rounded = SET;

	*files = calloc(1, sizeof(**files));
	if (!*files)
		return -ENOMEM;
	if (entries == 0)
		return 0;
	while (rounded < entries && rounded < 1ULL << 32)
		rounded *= 2;
	*keys = calloc(1, sizeof(**keys));
	if (!*keys)
		return -ENOMEM;
	(*keys)->mask = rounded - 1;
	(*keys)->entries =
	        mmap(NULL, rounded * sizeof(struct key_entry), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if ((*keys)->entries == MAP_FAILED) {
		(*keys)->entries = NULL;
		return -ENOMEM;
	}
	return 0;
}

void locate_free(struct key_cache *keys, struct file_cache *files)
{
	if (keys && keys->entries)
		munmap(keys->entries, (keys->mask + 1) * sizeof(struct key_entry));
	free(keys);
	free(files);
}

void locate_clear(struct key_cache *keys, struct file_cache *files)
{
	if (keys)
		madvise(keys->entries, (keys->mask + 1) * sizeof(struct key_entry), MADV_DONTNEED); // reads zero again
	for (unsigned i = 0; files && i < FILE_ENTRIES; i++)
		files->entries[i].located.id = 0;
}

static bool is_inside(uint64_t offset, uint64_t length, uint64_t limit)
{
	return offset <= limit && length <= limit - offset;
}

bool locate_take(const struct far_lane *lane, const struct far_location *location, const struct far_wire_extent *extents, uint64_t offset,
        struct located *located)
{
	uint64_t last = offset;

	*located = (struct located){
	        .id = location->id,
	        .record = location->record,
	        .word = location->word,
	        .version = location->version,
	        .epoch = location->epoch,
	        .size = location->size,
	        .begin = offset,
	        .end = location->size,
	        .extents = extents,
	        .count = location->extents,
	};
	if (location->size > FAR_FILE_MAX || location->record == 0 || location->record % FAR_GRANULE ||
	        !is_inside(location->record, sizeof(struct far_record), lane->pool_length))
		return false;
	for (uint32_t i = 0; i < location->extents; i++) {
		if (!is_inside(extents[i].pool_offset, extents[i].length, lane->pool_length) || extents[i].length == 0 ||
		        (i > 0 && extents[i].value_offset < last) || extents[i].value_offset > UINT64_MAX - extents[i].length)
			return false;
		last = extents[i].value_offset + extents[i].length;
	}
	if (location->flags & FAR_LOCATION_PARTIAL)
		located->end = location->extents ? last : offset;
	return true;
}

uint64_t locate_good_until(const struct far_location *location, uint64_t sent_ns)
{
	return location->flags & FAR_LOCATION_EXPIRES ? sent_ns + location->lease_ms * 1000000ULL : 0;
}

struct locate_hash locate_hash_key(const struct far_lane *lane, const void *key, size_t length)
{
	XXH128_hash_t hash = XXH3_128bits_withSeed(key, length, lane->session->seed[0]);

	return (struct locate_hash){hash.low64, hash.high64 | 1}; // never 0, 0
}

static struct key_entry *find(const struct far_lane *lane, struct locate_hash hash)
{
	struct key_entry *set;

	if (!lane->keys)
		return NULL;
	set = &lane->keys->entries[hash.low & lane->keys->mask & ~(uint64_t)(SET - 1)];
	for (unsigned i = 0; i < SET; i++)
		if (set[(hash.low + i) & (SET - 1)].hash.low == hash.low && set[(hash.low + i) & (SET - 1)].hash.high == hash.high)
			return &set[(hash.low + i) & (SET - 1)];
	return NULL;
}

void locate_prefetch(const struct far_lane *lane, struct locate_hash hash)
{
	const char *entry;

	if (!lane->keys)
		return;
	entry = (const char *)&lane->keys->entries[hash.low & lane->keys->mask];
	__builtin_prefetch(entry);
	__builtin_prefetch(entry + 64);
}

const struct located *locate_find_key(const struct far_lane *lane, struct locate_hash hash)
{
	struct key_entry *entry = find(lane, hash);

	return entry ? &entry->located : NULL;
}

// Where a new entry goes: an empty place of the set, the hash's own first; else some entry gives way.
static struct key_entry *place_for(struct far_lane *lane, struct locate_hash hash)
{
	struct key_entry *set = &lane->keys->entries[hash.low & lane->keys->mask & ~(uint64_t)(SET - 1)];

	for (unsigned i = 0; i < SET; i++)
		if (set[(hash.low + i) & (SET - 1)].hash.high == 0)
			return &set[(hash.low + i) & (SET - 1)];
	return &set[(hash.high >> 32) & (SET - 1)];
}

// Whether what is remembered covers what is new: then only the version is taken over (it changes under the same word by writes in place).
static bool take_version(struct located *old, const struct located *new)
{
	if (old->id != new->id || old->word != new->word || old->epoch != new->epoch || old->begin > new->begin || old->end < new->end)
		return false;
	old->version = new->version;
	old->good_until_ns = new->good_until_ns;
	return true;
}

void locate_add_key(struct far_lane *lane, struct locate_hash hash, const struct located *located)
{
	struct key_entry *entry = find(lane, hash);

	if (!lane->keys || (entry && take_version(&entry->located, located)))
		return;
	if (!entry)
		entry = place_for(lane, hash);
	entry->hash = hash;
	entry->located = *located;
	entry->located.extents = &entry->extent;
	if (located->count == 1) {
		entry->extent = located->extents[0];
	} else if (located->count > 1) {
		entry->located.count = 0;
		entry->located.end = entry->located.begin;
		locate_add_file(lane, located);
	}
}

const struct located *locate_find_range(const struct far_lane *lane, const struct located *key, uint64_t offset, uint64_t length)
{
	const struct located *file;

	if (length == 0 || (offset >= key->begin && offset + length <= key->end))
		return key;
	file = locate_find_file(lane, key->id, offset);
	if (!file || file->word != key->word || file->epoch != key->epoch || offset < file->begin || offset + length > file->end)
		return NULL;
	return file;
}

void locate_drop_key(struct far_lane *lane, struct locate_hash hash)
{
	struct key_entry *entry = find(lane, hash);

	if (entry)
		entry->hash = (struct locate_hash){0, 0};
}

static struct file_entry *file_slot(const struct far_lane *lane, uint64_t id, uint64_t offset)
{
	return &lane->files->entries[((id + offset / LOCATE_WINDOW) * 0x9e3779b97f4a7c15ULL) >> 56 & (FILE_ENTRIES - 1)];
}

static bool is_of(const struct file_entry *entry, uint64_t id, uint64_t offset)
{
	return entry->located.id == id && entry->located.begin / LOCATE_WINDOW == offset / LOCATE_WINDOW;
}

const struct located *locate_find_file(const struct far_lane *lane, uint64_t id, uint64_t offset)
{
	struct file_entry *entry = file_slot(lane, id, offset);

	return is_of(entry, id, offset) ? &entry->located : NULL;
}

void locate_add_file(struct far_lane *lane, const struct located *located)
{
	struct file_entry *entry = file_slot(lane, located->id, located->begin);

	if (located->count > FAR_EXTENTS_PER_REPLY || (is_of(entry, located->id, located->begin) && take_version(&entry->located, located)))
		return;
	entry->located = *located;
	memmove(entry->extents, located->extents, located->count * sizeof(entry->extents[0]));
	entry->located.extents = entry->extents;
}

void locate_drop_file(struct far_lane *lane, uint64_t id, uint64_t offset)
{
	struct file_entry *entry = file_slot(lane, id, offset);

	if (is_of(entry, id, offset))
		entry->located.id = 0;
}
