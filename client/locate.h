// What a lane remembers of where values are: by key (gets) and by object id (files). Entries are only trusted after a fetch has checked them (layout.h R4).
#ifndef CLIENT_LOCATE_H
#define CLIENT_LOCATE_H

#include <stdbool.h>
#include <stddef.h>

#include "client/session.h"
#include "far/clock.h"

// A place of a value's bytes, as fetch.c reads it. Borrowed from a cache or a reply.
struct located {
	uint64_t id;
	uint64_t record;
	uint64_t word;
	uint64_t version;
	uint64_t epoch;
	uint64_t size;
	uint64_t begin; // extents tell all about [begin, end) of the value
	uint64_t end;
	const struct far_wire_extent *extents;
	uint32_t count;
	uint64_t good_until_ns; // by its key (layout.h R10); 0 = no limit
};

// entries 0 = no key cache. Memory is taken as it is used. -ENOMEM.
int locate_new(uint64_t entries, struct key_cache **keys, struct file_cache **files);
void locate_free(struct key_cache *keys, struct file_cache *files);

// Forgets everything: the pool is another.
void locate_clear(struct key_cache *keys, struct file_cache *files);

// Makes what a reply said usable, or returns false if it makes no sense (outside of the pool, out of order). `offset`: what the request asked for.
bool locate_take(const struct far_lane *lane, const struct far_location *location, const struct far_wire_extent *extents, uint64_t offset,
        struct located *located);

// Until when a location is good by its key; `sent_ns`: a time (clock_now_ns) before the request was sent whose reply brought it.
uint64_t locate_good_until(const struct far_location *location, uint64_t sent_ns);

// R10: the clock is looked at behind the word. Only objects with a deadline have a limit.
static inline bool locate_is_over(uint64_t good_until_ns)
{
	return good_until_ns && clock_now_ns() >= good_until_ns;
}

struct locate_hash {
	uint64_t low, high;
};
struct locate_hash locate_hash_key(const struct far_lane *lane, const void *key, size_t length);

// Has the place where the key's entry would be fetched into the processor's cache.
void locate_prefetch(const struct far_lane *lane, struct locate_hash hash);

// The entry of a key, or NULL.
const struct located *locate_find_key(const struct far_lane *lane, struct locate_hash hash);

// Remembers a location. It tells about [begin, end): ranges asked for in any order soon know the whole value. Extents of a value in more than one are remembered as a file's.
void locate_add_key(struct far_lane *lane, struct locate_hash hash, const struct located *located);
void locate_drop_key(struct far_lane *lane, struct locate_hash hash);

// What is remembered of a range of a key's value: the key's entry, or a file's of the same word. NULL: not all of the range.
const struct located *locate_find_range(const struct far_lane *lane, const struct located *key, uint64_t offset, uint64_t length);

// Files are remembered by windows: each stretch of so many bytes of a file has an entry of its own.
#define LOCATE_WINDOW (64ULL << 20)
#define LOCATE_WINDOW_START(offset) ((offset) & ~(LOCATE_WINDOW - 1))

// What is remembered of the window that `offset` lies in, or NULL. It may begin behind the offset or end before it.
const struct located *locate_find_file(const struct far_lane *lane, uint64_t id, uint64_t offset);

// Remembers a location in the window of its begin.
void locate_add_file(struct far_lane *lane, const struct located *located);
void locate_drop_file(struct far_lane *lane, uint64_t id, uint64_t offset);

#endif
