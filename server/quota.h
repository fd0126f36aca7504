// Quotas: a directory may have limits on the bytes and on the number of objects of all that is below it.
//
// What an object is charged (quota_charge_of) is a function of its record: the record's own memory with the name and an inline value, the block or pages of its value, a record's fixed part for each further name, and what its extended attributes have. It is
// charged to every quota above its first name; objects without a name are charged to nobody, and a directory is not charged to its own quota, but for its attributes: nothing else would limit them. The memory of directories' trees is not counted.
//
// Handlers need not say what they change. namespace_find and object_by_id tell of each object that the request under way finds (quota_meet): its charge is remembered, and behind the request what it has become is put on
// account (quota_settle). Names that come and go are told where they do (quota_add, quota_losing, quota_drop), so removal by expiry and eviction is seen as well. Directories are not met: their charge changes by attributes alone, which tell of it (quota_attributes_changed), and they do not leave the
// domain of the quotas above them (quota_may_move). Before something may grow it is asked for: quota_require where names come, quota_room where a value gets memory, quota_require_attributes.
//
// A quota set on a directory that has objects counts them between operations (quota_count.h); until it has, the limits hold against what has been counted.
//
// Where no quota is set server.quotas is NULL, and each of these is one branch. Writer thread only.
#ifndef SERVER_QUOTA_H
#define SERVER_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "server/quota_count.h"
#include "server/server.h"

#define QUOTA_MET 8U // more than a request finds of files that it still changes

struct quota {
	uint64_t number;            // they are listed in the order of these, which are never used again
	uint64_t id;                // of the directory
	struct quota_amount limits; // UINT64_MAX: none of that kind
	struct quota_amount used;
	struct quota_count count;
	struct quota_place hand; // of eviction (quota_evict.c)
	uint64_t stayed;         // names that it has passed since one went, in this request and those before
	bool is_in_vain;         // so many that nothing is likely to go
	bool is_counted;         // `used` is complete; else it is what the count under way has met
	bool was_exceeded;       // somebody was refused since the limits were set: said once
	uint64_t refusals;
	struct quota *next;
};

// What an object, by its name, is charged.
struct quota_charge {
	uint64_t bytes; // 0: it is charged to nobody
	uint64_t parent;
	uint64_t cookie;
};

struct quota_met {
	const struct far_record *object; // NULL: a free place
	struct quota_charge before;
	uint64_t turn; // of quotas.turns, when it was found last
};

#define QUOTA_NEAR_BITS 4

// The nearest quota at or above a directory, or NULL: what was asked for lately, so that a deep tree is not climbed for each of its directories. It stays
// what it is when directories move: they do not leave it.
struct quota_near {
	uint64_t directory; // 0: a free place
	struct quota *quota;
};

struct quotas {
	struct id_table by_directory; // id -> struct quota *
	struct quota *first, *last;   // by number
	uint32_t counting;            // that make their first count
	struct quota_met met[QUOTA_MET];
	uint64_t turns; // one for each that was found
	struct quota_near near[1U << QUOTA_NEAR_BITS];
	uint32_t looked_at;     // by eviction, for the request under way
	struct quota *short_of; // the last one that something was asked of that it does not allow
};

// Sets or changes the limits (0: none of that kind) of a directory. -ENOTDIR, -ENOENT (it has been removed), -EINVAL (no limit at all, or one above FAR_QUOTA_LIMIT_MAX), -EMFILE (FAR_QUOTAS_MAX), -ENOMEM.
int quota_set(struct server *server, struct far_record *directory, const struct quota_amount *limits);

// -ENODATA: it has none.
int quota_remove(struct server *server, struct far_record *directory);

// The next one at or above the directory *id, which becomes the id of what is above that; 0: nothing is. NULL: there are no more.
struct quota *quota_next_above(const struct server *server, uint64_t *id);

// The quota of a directory, or NULL; the nearest at or above the directory of an id; and the first with a number above one.
struct quota *quota_of(const struct server *server, const struct far_record *directory);
struct quota *quota_nearest(const struct server *server, uint64_t directory);
struct quota *quota_behind(const struct server *server, uint64_t number);

// Those at or above an object that leave least, of bytes and of objects; NULL: there is none with such a limit.
void quota_tightest(
        const struct server *server, const struct far_record *object, const struct quota **of_bytes, const struct quota **of_objects);

static inline uint64_t quota_bytes_left(const struct quota *quota)
{
	return quota->limits.bytes > quota->used.bytes ? quota->limits.bytes - quota->used.bytes : 0;
}

static inline uint64_t quota_objects_left(const struct quota *quota)
{
	return quota->limits.objects > quota->used.objects ? quota->limits.objects - quota->used.objects : 0;
}

uint32_t quota_count_all(const struct server *server);

// A request, or a part of it, has come to -EDQUOT: counts it, and says so once until the limits are set anew. The quota that was in its way, or NULL.
struct quota *quota_refuse(struct server *server);

void quota_free_all(struct server *server);

// Evicts something below the quota's directory, for a request that it is in the way of (quota_evict.c). False: nothing has gone.
bool quota_evict(struct server *server, struct quota *quota);

// What an object with a name is charged.
struct quota_charge quota_charge_of(const struct server *server, const struct far_record *object);

// Bytes of it that are the value's, also of a record that stands for a value alone.
uint64_t quota_value_bytes(const struct far_record *value);

// --- through the functions below, which know whether there are any ---

void quotas_meet(struct server *server, const struct far_record *object);
void quotas_add(struct server *server, const struct far_record *object);
void quotas_drop(struct server *server, struct far_record *object);
void quotas_offer(struct server *server, const struct far_record *name);
void quotas_settle(struct server *server);
int quotas_require(struct server *server, uint64_t directory, uint64_t bytes, uint64_t objects);
uint64_t quotas_room(struct server *server, const struct far_record *object, uint64_t wanted);
int quotas_require_value(struct server *server, const struct far_record *object, const struct far_record *value);
int quotas_require_attributes(struct server *server, const struct far_record *object, uint64_t more);
void quotas_attributes_changed(struct server *server, const struct far_record *object, uint64_t before);

struct quota_move {
	const struct far_record *object; // whose first name moves
	uint64_t from, to;               // directories
	uint64_t cookie;                 // that it has in the latter then
	const struct far_record *goes;   // what leaves `to` for it, or NULL
};
int quotas_may_move(struct server *server, const struct quota_move *move);

// The request under way has found this object, and may change it.
static inline void quota_meet(struct server *server, const struct far_record *object)
{
	if (server->quotas)
		quotas_meet(server, object);
}

// It has got its first name, and is published.
static inline void quota_add(struct server *server, const struct far_record *object)
{
	if (server->quotas)
		quotas_add(server, object);
}

// It has lost its last one, which its record still has. Behind a quota_meet from before. A directory's own quota ends with it.
static inline void quota_drop(struct server *server, struct far_record *object)
{
	if (server->quotas)
		quotas_drop(server, object);
}

// It may be evicted from now on, or is new: quotas below which nothing could be look there next.
static inline void quota_offer(struct server *server, const struct far_record *name)
{
	if (server->quotas)
		quotas_offer(server, name);
}

// Puts on account what has become of what was met, and forgets it.
static inline void quota_settle(struct server *server)
{
	if (server->quotas)
		quotas_settle(server);
}

// Whether so much more may be below a directory. -EDQUOT.
static inline int quota_require(struct server *server, uint64_t directory, uint64_t bytes, uint64_t objects)
{
	return server->quotas ? quotas_require(server, directory, bytes, objects) : 0;
}

// The same for one more object, as it is.
static inline int quota_require_object(struct server *server, uint64_t directory, const struct far_record *object)
{
	return server->quotas ? quotas_require(server, directory, quota_charge_of(server, object).bytes, 1) : 0;
}

// How many bytes, `wanted` at most, the object's value may take more. What has no name yet may take any number.
static inline uint64_t quota_room(struct server *server, const struct far_record *object, uint64_t wanted)
{
	return server->quotas && wanted ? quotas_room(server, object, wanted) : wanted;
}

// The same in pages.
static inline uint32_t quota_pages(struct server *server, const struct far_record *object, uint32_t wanted)
{
	return (uint32_t)(quota_room(server, object, (uint64_t)wanted << FAR_PAGE_SHIFT) >> FAR_PAGE_SHIFT);
}

// Whether the object's value may have as much memory as this one, which a record that stands for it describes. -EDQUOT.
static inline int quota_require_value(struct server *server, const struct far_record *object, const struct far_record *value)
{
	return server->quotas ? quotas_require_value(server, object, value) : 0;
}

// Whether an object's attributes may have so many bytes more. -EDQUOT.
static inline int quota_require_attributes(struct server *server, const struct far_record *object, uint64_t more)
{
	return server->quotas ? quotas_require_attributes(server, object, more) : 0;
}

// An object's attributes had so many bytes, and have others.
static inline void quota_attributes_changed(struct server *server, const struct far_record *object, uint64_t before)
{
	if (server->quotas)
		quotas_attributes_changed(server, object, before);
}

// Whether an object with a name there may get a further one there, or such a one may move: a limit could be passed by what is charged elsewhere. -EXDEV.
static inline int quota_may_link(const struct server *server, uint64_t from, uint64_t to)
{
	return server->quotas && quota_nearest(server, from) != quota_nearest(server, to) ? -EXDEV : 0;
}

// -EXDEV: a directory leaves the domain of a quota or comes into one. -EDQUOT.
static inline int quota_may_move(struct server *server, const struct quota_move *move)
{
	return server->quotas ? quotas_may_move(server, move) : 0;
}

#endif
