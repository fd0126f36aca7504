// One-sided reads by the rules of layout.h (R4, R5).
#ifndef CLIENT_FETCH_H
#define CLIENT_FETCH_H

#include "client/locate.h"

// Parts of the pool that are wanted one behind the other.
struct fetch_part {
	void *to; // in the lane's scratch
	uint64_t offset;
	uint64_t length;
};

// Memory of the lane that posts may fill, FETCH_SCRATCH bytes: until its next use.
#define FETCH_SCRATCH (FAR_PAGE_SIZE / 2)
void *fetch_scratch(const struct far_lane *lane);

// Fetches parts that lie inside of the pool, each after the one before it. 0 or a negative errno (-EIO: the connection is gone).
int fetch_parts(struct far_lane *lane, const struct fetch_part *parts, unsigned count);

// What has to be as it was for the bytes to count.
enum fetch_rule {
	FETCH_FILE,  // word and id: a file's pages, read by id
	FETCH_VALUE, // the version, too: a value whole
	FETCH_PATH,  // and the epoch: by a key with directories in it, which may have been renamed
};

// Fetches [offset, offset + length) of the value into buffer; the range lies within [begin, end). 1: done; 0: the location is out of date, the buffer's
// content is void; or a negative errno.
int fetch(struct far_lane *lane, const struct located *located, enum fetch_rule rule, void *buffer, uint64_t offset, uint64_t length);

// Where the fabric has loads: has the record and the value's first bytes fetched into the processor's cache.
void fetch_prefetch(const struct far_lane *lane, const struct located *located);

// Several fetches of files' bytes in one round trip, where the fabric has no loads: each is posted, call_wait_posts waits for all, and then each is asked whether it holds.
#define FETCH_POSTS 32U // of different numbers, 0 and up, before the end
struct fetch_post {
	uint64_t word, id; // of the location
};

// -EOPNOTSUPP: not in this way (fetch it by itself); -EIO...: the connection is gone, and with it what was posted.
int fetch_post(struct far_lane *lane, const struct located *located, void *buffer, uint64_t offset, uint64_t length, unsigned number,
        struct fetch_post *post);
bool fetch_post_holds(const struct far_lane *lane, unsigned number, const struct fetch_post *post);

// Fetches the fronts of several values in one round trip, where the fabric has no loads. result of each: 1 or 0 as fetch, -EOPNOTSUPP: not in this way (fetch it by itself). 0, or a negative errno: the connection is gone.
#define FETCH_FRONTS 128U
struct fetch_front {
	struct located located; // of at most one extent
	struct far_wire_extent extent;
	enum fetch_rule rule;
	int result;
	void *buffer;
	uint64_t length; // up to located.size
	// the library's: where it lands
	char *head;
	char *bytes;
};
int fetch_fronts(struct far_lane *lane, struct fetch_front *fronts, unsigned count);

// As fetch, for values that are replaced faster than they can be copied: where the pool is mapped a location that holds at the begin is good to the end.
int fetch_held(struct far_lane *lane, const struct located *located, enum fetch_rule rule, void *buffer, uint64_t offset, uint64_t length);

// Whether the location still holds, where the fabric has loads. Acquire: loads made before this are ordered before the check.
bool fetch_is_current(const struct far_lane *lane, const struct located *located, enum fetch_rule rule);

#endif
