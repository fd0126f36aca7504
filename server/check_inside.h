// What the parts of the check share. Each part has a step function that goes on where the check's cursor is and returns true when its part is done.
#ifndef SERVER_CHECK_INSIDE_H
#define SERVER_CHECK_INSIDE_H

#include "far/layout.h"
#include "server/check.h"
#include "server/eviction_policy.h"
#include "server/pool_inside.h"

#define CHECK_FINDINGS_MAX 1000U // told; more are counted
#define CHECK_TRIES 4U           // counts of what changes meanwhile
#define CHECK_DEPTH_MAX 65536U   // directories above another; deeper ones are not judged
#define CHECK_SLAB_WORDS (SLAB_BYTES / FAR_GRANULE / 64)

// The count of one directory's entries.
struct check_walk {
	uint64_t id;     // 0 = none under way
	uint64_t wanted; // cookies from here on are still to be met
	uint64_t entries, subdirectories;
	bool is_over; // nothing behind `wanted`
	bool is_broken;
	unsigned tries;
	// As it was when the count began.
	uint64_t size, next_cookie;
	int64_t ctime_ns;
	uint32_t nlink;
};

struct check {
	struct server *server;
	const struct session *session;
	uint64_t number;
	unsigned part;        // of check.c's table
	uint64_t deadline_ns; // 0 = one unit, UINT64_MAX = none
	unsigned is_asked;    // how often whether the step is over
	uint64_t at[2];       // the part's cursor
	struct check_walk walk;

	uint64_t *page_owned;  // a bit a page
	uint64_t *block_owned; // a bit a granule, set where a block begins

	uint64_t count_changes, names, objects; // check_count.c
	unsigned count_tries;
	uint64_t queued[EVICTION_QUEUES]; // objects, by the queue that their state names
	struct eviction_walk queues;

	struct far_check_figures figures;
	struct check_finding *findings; // CHECK_FINDINGS_MAX at most
	uint32_t finding_capacity, finding_first, finding_count;
};

typedef bool check_part(struct check *check);
check_part check_records, check_index, check_sessions, check_links, check_expiry, check_owners, check_slabs, check_segments, check_quotas,
        check_count;

// True once the step has taken its time: the part returns at the next place where it can go on later.
bool check_is_due(struct check *check);

// What the step has left, ns.
uint64_t check_time_left(const struct check *check);

// The part begins anew, or the next one does.
void check_rewind(struct check *check);

void check_found(struct check *check, enum far_check_kind kind, const struct far_record *object, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

// --- memory (check_memory.c) ---

// Whether a block of that size, or a record, begins there and was handed out sometime: what may be looked at.
bool check_is_block(const struct pool *pool, uint64_t offset, uint32_t size);
// Bytes of the block that begins there and was handed out sometime, or 0.
uint32_t check_block_size(const struct pool *pool, uint64_t offset);
struct far_record *check_record_at(const struct pool *pool, uint64_t offset);

// Notes an owner. False: it is not what it should be, and a finding tells so; it must not be followed. `what` names it, like "extent".
bool check_own_pages(struct check *check, const struct far_record *object, uint64_t page, uint64_t pages, const char *what);
bool check_own_block(struct check *check, const struct far_record *object, uint64_t offset, uint32_t size, const char *what);
void check_own_record(struct check *check, const struct far_record *record);

bool check_is_page_owned(const struct check *check, uint32_t page);
bool check_is_block_owned(const struct check *check, uint64_t offset);

// The slab's blocks that are free: a bit each. Returns whether the chain is sound.
bool check_slab_chain(const struct pool *pool, const struct slab *slab, uint64_t free[CHECK_SLAB_WORDS]);

// --- objects ---

unsigned check_state(const struct far_record *record);

// The record's name if it can be read.
bool check_has_name(const struct pool *pool, const struct far_record *record, struct far_span *name);

// The object of an id, FAR_ROOT_ID too, or NULL.
struct far_record *check_object(const struct check *check, uint64_t id);

// check_names.c: the name of a record, by record, index, parent and directory.
void check_name(struct check *check, const struct far_record *record);

// The block of a name that stands outside its record. An object without a name still has that of its last one.
void check_own_name(struct check *check, const struct far_record *record);
void check_ancestors(struct check *check, const struct far_record *directory);

// check_names.c: how many slots of its chain lead to the record, how many to another record with the same name.
struct check_slots {
	unsigned own, others;
	bool has_wrong_tag;
};
struct check_slots check_slots_of(const struct check *check, const struct far_record *record, struct far_span name);

// Finds a bucket of the index, or the next of its chain; NULL: none, or it is nowhere.
struct far_bucket *check_bucket(const struct check *check, uint64_t number);
struct far_bucket *check_overflow(const struct check *check, const struct far_bucket *bucket);

// check_value.c
void check_value(struct check *check, const struct far_record *object);

// Only where its bytes are: also of a record that stands for a value alone.
void check_place_of_value(struct check *check, const struct far_record *value);

// check_expiry.c: whether the object has a deadline by its flags and by the table; and the pages that the table owns.
void check_deadline(struct check *check, const struct far_record *object);
void check_own_expiry(struct check *check);

// check_eviction.c: whether the object is in a queue of eviction by its state. Then, as a part of the count, how many the queues lead to: true: all is counted.
void check_eviction(struct check *check, const struct far_record *object);
void check_queues_begin(struct check *check);
bool check_queues_go_on(struct check *check);
bool check_queues_are_unchanged(const struct check *check);
void check_queues_judge(struct check *check);

// check_quota.c: that it has a quota if it says so; and nothing is counted any more.
void check_own_quota(struct check *check, const struct far_record *object);
void check_end_quotas(struct check *check);

// check_attributes.c: extended attributes.
void check_attributes(struct check *check, const struct far_record *object);

// check_tree.c: what the directory's tree has under the cookie, 0 = nothing.
uint64_t check_tree_find(const struct check *check, const struct far_record *directory, uint64_t cookie);
void check_tree_begin(struct check *check, const struct far_record *directory);

// Goes on with the count under way. True: it is over.
bool check_tree_go_on(struct check *check);

#endif
