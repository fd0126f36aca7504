// What locks.c (who has what) and locks_wait.c (who waits for what) share.
#ifndef SERVER_LOCKS_INSIDE_H
#define SERVER_LOCKS_INSIDE_H

#include <sys/queue.h>

#include "server/locks.h"

// In its file's list, by first byte, and in its owner's. Locks of one owner in one file do not overlap, and those alike do not touch.
struct lock {
	TAILQ_ENTRY(lock) in_file;
	LIST_ENTRY(lock) in_owner;
	struct lock_owner *owner;
	struct lock_file *file;
	uint64_t start, end;
	uint32_t pid;
	bool is_exclusive;
};

// Waiting: in its file's queue, by arrival, its owner's list and its client's tickets. Finished: in its client's list alone.
struct lock_wait {
	TAILQ_ENTRY(lock_wait) in_file;
	LIST_ENTRY(lock_wait) in_owner;
	struct lock_wait *next_finished;
	struct lock_owner *owner;
	struct lock_file *file;
	struct lock_request request;
	int error;
};

TAILQ_HEAD(lock_list, lock);
TAILQ_HEAD(wait_list, lock_wait);

// Lives while it has a lock or a wait.
struct lock_owner {
	struct lock_client *client;
	uint64_t number;
	enum lock_kind kind;
	LIST_HEAD(, lock) locks;
	LIST_HEAD(, lock_wait) waits;
	uint64_t mark; // of the last search for deadlocks that came by
	struct lock_owner *next_to_search;
	bool is_in_use; // by the request under way: stays, whatever it has
};

// Lives while it has a lock or a wait, or is to be looked at.
struct lock_file {
	uint64_t id;
	struct lock_list held[LOCK_KINDS];
	struct wait_list waiting[LOCK_KINDS];
	bool is_changed; // in locks->changed: somebody who waits may be served now
	struct lock_file *next_changed;
	bool is_in_use; // as an owner's
};

// --- locks.c ---

// Whether a lock is another owner's, and in the way.
static inline bool lock_is_in_way(const struct lock *lock, const struct lock_owner *owner, const struct lock_request *request)
{
	return lock->owner != owner && lock->start <= request->end && lock->end >= request->start &&
	       (lock->is_exclusive || request->is_exclusive);
}

// The first lock that is; `owner` may be NULL.
struct lock *locks_find_conflict(const struct lock_file *file, const struct lock_owner *owner, const struct lock_request *request);

// Makes the range the owner's, in the way asked for, or nobody's. Others must not be in the way. -ENOLCK, -ENOMEM: nothing is changed.
enum lock_change { LOCK_CLEAR, LOCK_SET };
int locks_change(
        struct locks *locks, struct lock_owner *owner, struct lock_file *file, const struct lock_request *request, enum lock_change change);

// Ends one lock, whole.
void locks_end(struct locks *locks, struct lock *lock);

void locks_mark_changed(struct locks *locks, struct lock_file *file);

// Frees an owner, a file, that has nothing any more; others stay.
void locks_settle_owner(struct lock_owner *owner);
void locks_settle_file(struct locks *locks, struct lock_file *file);

// --- locks_wait.c ---

// Takes the end of a wait that no notice has told of yet: then none will.
bool locks_take_ticket(struct locks *locks, struct lock_client *client, uint64_t ticket, int *error);

// Whether one that waits, and came before `wait` (NULL: anyone), had better be served first.
bool locks_is_behind(
        const struct lock_file *file, const struct lock_owner *owner, const struct lock_request *request, const struct lock_wait *wait);

// Whether those that the owner would wait for wait, by a chain of record locks, for the owner.
bool locks_is_deadlock(struct locks *locks, struct lock_owner *owner, const struct lock_file *file, const struct lock_request *request);

// Queues the request: 1, -ENOLCK, -ENOMEM.
int locks_begin_wait(struct locks *locks, struct lock_owner *owner, struct lock_file *file, const struct lock_request *request);

// Serves who can be served, in all files that changed.
void locks_serve(struct locks *locks);

void locks_end_wait(struct locks *locks, struct lock_wait *wait);

#endif
