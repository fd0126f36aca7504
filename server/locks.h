// Locks of objects as POSIX (fcntl) and flock(2) have them, for owners of many clients, with waiting in order. Knows nothing of sessions, lanes or messages: a client is whoever embeds
// a lock_client.
//
// Record locks are ranges of an owner: what it locks anew replaces what it had there, ranges that touch and are alike become one, and a hole cut into one makes two. A flock lock is one whole
// range; to change it while another owner is in the way means to give it up first (flock(2)). The two kinds do not see each other.
//
// Waiting is fair: who waits is served in the order of arrival, and who comes later and would be in the way of one that waits waits behind it. Only owners that hold a lock already
// pass by: others may be waiting for them. So no queue adds a deadlock to those that the locks make by themselves, and those are found (record locks only; flock waits for ever).
//
// Writer thread only. Everything is on the heap, and bounded: see limits.h.
#ifndef SERVER_LOCKS_H
#define SERVER_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/id_table.h"

enum lock_kind { LOCK_RECORD, LOCK_FLOCK, LOCK_KINDS };

struct lock_client;
struct lock_file;
struct lock_wait;

// One for all clients; zeroed memory but for `finished` is none locked.
struct locks {
	struct id_table files; // object id -> struct lock_file
	uint32_t count;        // held, waiting and finished
	uint64_t mark;         // of the last search for deadlocks
	struct lock_file *changed;
	void (*finished)(struct lock_client *client); // the client has waits that ended: locks_take_finished
};

// Zeroed memory is a client without locks.
struct lock_client {
	struct id_table owners[LOCK_KINDS]; // number -> struct lock_owner
	struct id_table tickets;            // of what waits -> struct lock_wait
	struct lock_wait *finished_first, *finished_last;
	uint32_t count;
};

struct lock_request {
	uint64_t file;
	uint64_t owner; // not 0
	uint64_t start; // first and last byte, start <= end <= FAR_LOCK_END; flock: 0 and FAR_LOCK_END
	uint64_t end;
	uint64_t ticket; // locks_wait: not 0
	uint32_t pid;
	enum lock_kind kind;
	bool is_exclusive;
};

struct lock_found {
	const struct lock_client *client;
	uint64_t start, end;
	uint32_t pid;
	bool is_exclusive;
};

// Whether a lock of another owner is in the way, and the one that begins first.
bool locks_test(const struct locks *locks, const struct lock_client *client, const struct lock_request *request, struct lock_found *found);

// Whether anybody has locked some of the object, or waits to.
bool locks_exist(const struct locks *locks, uint64_t file);

// Locks at once: 0, -EAGAIN (another owner is in the way; what waits is not), -ENOLCK (bounds), -ENOMEM.
int locks_set(struct locks *locks, struct lock_client *client, const struct lock_request *request);

// Locks (0), or waits for it (1): the ticket's end is then told by locks_take_finished. A ticket that waits already goes on waiting. -EDEADLK, -ENOLCK, -ENOMEM.
int locks_wait(struct locks *locks, struct lock_client *client, const struct lock_request *request);

// Unlocks the range. -ENOLCK, -ENOMEM: a hole in a range would have made two, and there is no room for them; a whole object always can.
int locks_clear(struct locks *locks, struct lock_client *client, const struct lock_request *request);

// Takes a wait back: it never gets its lock. -EEXIST, or another error: it has ended so, by the lock or the error, which is not told again. -ENOENT: nothing waits by this ticket.
int locks_cancel(struct locks *locks, struct lock_client *client, uint64_t ticket);

// The oldest wait that has ended and was not told yet: its ticket, and 0 (it has the lock) or a negative errno in *error. False: none.
bool locks_take_finished(struct locks *locks, struct lock_client *client, uint64_t *ticket, int *error);

// The client is gone, with all its locks and waits.
void locks_drop_client(struct locks *locks, struct lock_client *client);

#endif
