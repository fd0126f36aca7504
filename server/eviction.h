// Eviction: with --full=evict a request that finds no memory takes it from objects that have not been used for long, instead of failing (eviction_policy.h chooses); and as much as requests take is evicted behind their replies, so that
// the next ones do find some (eviction_ahead.c). An object is evicted as it is deleted: by
// namespace_remove_names, its record dead before any of its memory is used again (layout.h R1), so nobody reads a part of it, and it is gone for keys, mounts and one-sided readers alike.
//
// Evicted are regular files with a name. Not those that a session holds (what is open, or known to a mount's kernel), that are pinned (FAR_RECORD_PINNED), locked, or have a write window or many names; and
// never what the request under way has found: its handler has pointers to it, so namespace_find and object_by_id tell of each (eviction_meet). Directories, symlinks and special files stay. Where
// nothing is left to evict it is -ENOSPC as ever.
//
// Memory comes back in the sizes that objects had. Where whole pages are wanted and small objects are all there is, the records of a slab are evicted together, out of turn: waiting for a slab to become empty by
// itself would cost most of the cache.
//
// Recalls (eviction_policy.h) give the record another word: locations of it that clients remember are void, as after any change, and who reads it next asks. Only where --full=evict is asked for is any of this
// there: server.eviction is NULL otherwise. Writer thread only.
#ifndef SERVER_EVICTION_H
#define SERVER_EVICTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "server/eviction_policy.h"
#include "server/server.h"

#define EVICTION_MET 8U // more than a request finds of files that it still needs

// What has been evicted for one purpose so far.
struct eviction_effort {
	uint64_t freed;       // bytes
	uint64_t freed_pages; // of them, in pages
	uint64_t slabs_from;  // bytes from which on slabs are emptied, unless much was in pages
	uint64_t ended;       // objects
};

struct eviction {
	struct server *server;
	struct eviction_policy *policy;
	const struct far_record *met[EVICTION_MET]; // by the request under way, the last ones
	uint32_t met_next;
	uint32_t slabs_at;              // where to look for a slab to be emptied
	struct eviction_effort request; // for the one under way
	uint32_t ahead;                 // objects that eviction_keep_free may evict next time
	uint64_t level;                 // bytes of room that the last request that had to evict has left; 0: it is not to be kept
	uint32_t catch_up_left;         // objects that may go to keep it
	bool is_level_due;              // one has had to since these were taken down
	bool is_evicting;
	uint64_t waiting_since_ns; // somebody has to, and nothing has come back; 0: nobody ever had to
	uint64_t returned;         // bytes that had come back by then, ever
	bool can_wait;             // the request under way, if it is not carried out now
	bool is_short;             // it found no memory, or a quota in its way, but there will be some room
};

int eviction_new(struct server *server); // -ENOMEM
void eviction_free(struct eviction *eviction);

void eviction_effort_begin(struct eviction_effort *effort);

// A request begins.
static inline void eviction_begin(struct eviction *eviction)
{
	if (!eviction)
		return;
	for (uint32_t i = 0; i < EVICTION_MET; i++)
		eviction->met[i] = NULL;
	eviction_effort_begin(&eviction->request);
}

// The request under way has found this object, which stays while it goes on.
static inline void eviction_meet(struct server *server, const struct far_record *object)
{
	struct eviction *eviction = server->eviction;

	if (eviction && !eviction->is_evicting && S_ISREG(object->mode))
		eviction->met[eviction->met_next++ % EVICTION_MET] = object;
}

// The value is read or written.
static inline void eviction_use(struct server *server, struct far_record *object)
{
	if (server->eviction)
		eviction_policy_use(&object->eviction);
}

// One whose name has this hash gets it soon.
static inline void eviction_expect(const struct server *server, uint32_t name_hash)
{
	if (server->eviction)
		eviction_policy_expect(server->eviction->policy, name_hash);
}

// An object has got its first name, and is published. It stays while the request goes on.
void eviction_add(struct server *server, const struct far_record *object);

// It has lost its last one.
void eviction_drop(struct server *server, struct far_record *object);

// What kept it (a hold, a pin) has ended.
void eviction_consider(struct server *server, const struct far_record *object);

// The object stays until it is unpinned, or ends. Kept in any case, though nothing is evicted. -EISDIR, -ELOOP, -EINVAL (not a regular file).
int eviction_pin(struct server *server, struct far_record *object);

// -ENODATA: it was not pinned. Else as eviction_pin.
int eviction_unpin(struct server *server, struct far_record *object);

// Evicts some objects for a request that found no memory. False: nothing has gone. Called by space.c alone.
bool eviction_make_room(struct server *server);

// Whether the request that begins can be carried out later instead: then it evicts little at once, and little while what it has evicted waits for readers, and if it fails for that it is short. It has been late since then (0: it
// has not), and not for ever.
void eviction_let_wait(struct server *server, bool can_wait, uint64_t late_since_ns);

static inline bool eviction_is_short(const struct server *server)
{
	return server->eviction && server->eviction->is_short;
}

// Between operations, for requests that cannot be carried out again: whether so much evicted memory waits for readers to end that who wants memory had better wait, too. Not for long: a reader that does not end is not to stop the others.
bool eviction_has_to_wait(struct server *server);

// The request under way has taken so much time that others are to have their turn. False: it cannot be carried out later.
static inline bool eviction_put_off(struct server *server)
{
	server->eviction->is_short |= server->eviction->can_wait;
	return server->eviction->can_wait;
}

// For quota_evict.c, which chooses by itself: whether there is eviction, none is under way, and the request has not had so many go that others are to have their turn (then it is short, if it can wait).
bool eviction_may_take(struct server *server);

// Evicts this one, by its first name, if it may go and, unless any is welcome, was not used lately. Else it has one use less, and who reads it one-sidedly will be seen to.
bool eviction_take(struct server *server, struct far_record *name, bool is_any);

// Between operations: evicts a few objects if there are fewer bytes free in whole pages than this. Where small ones are all that goes, which bring no pages back, half as many the next time, down to one.
void eviction_keep_free(struct server *server, uint64_t bytes);

// Between operations, behind their replies: while the pool is full, evicts a few objects if requests have taken more than there was behind the last one that had to evict. So the next ones need not.
void eviction_catch_up(struct server *server);

#endif
