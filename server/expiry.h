// Expiry: objects with a deadline (layout.h R10). Its time is the server's CLOCK_MONOTONIC, so steps of the clock move no deadline. The deadline is the object's, not a name's: at the deadline
// all its names go, by an ordinary removal, and who holds the object keeps it. Directories have none.
//
// Two ways lead there. Whoever asks for an object by name or id meets it through namespace_find or object_by_id, which remove it first if its time is over: so nobody sees it from its
// deadline on. And the loop sweeps: the wheel (expiry_wheel.h) hands out what is due, a bounded time a turn. The record's flag FAR_RECORD_EXPIRES says that there is a deadline; objects
// without it cost nothing, neither memory nor a look at the clock. Writer thread only.
#ifndef SERVER_EXPIRY_H
#define SERVER_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

#include "far/layout.h"

struct expiry;
struct server;

// Its memory is the pool's, and -ENOMEM here the heap's.
int expiry_new(struct server *server, struct expiry **expiry);
void expiry_free(struct expiry *expiry); // expiry_free(NULL) does nothing

// CLOCK_MONOTONIC of the request under way, ns: one look at the clock at most, so all of a request is of one moment.
uint64_t expiry_now_ns(struct server *server);

// Makes sure that the next expiry_set finds memory: -ENOSPC, -ENOMEM.
int expiry_reserve(struct server *server);

// No expiry_set follows after all.
void expiry_unreserve(struct server *server);

// Sets or moves the deadline to `ttl_ms` from now. -EINVAL (not 1..FAR_TTL_MAX_MS), -EISDIR, -ENOENT (the object has no name that could go), -ENOSPC, -ENOMEM.
int expiry_set(struct server *server, struct far_record *object, uint64_t ttl_ms);

// Takes the deadline away, if there is one.
void expiry_clear(struct server *server, struct far_record *object);

// What is left, ms, rounded up; 0: no deadline.
uint64_t expiry_left_ms(struct server *server, const struct far_record *object);

// The same, ns; UINT64_MAX: no deadline.
uint64_t expiry_left_ns(struct server *server, const struct far_record *object);

static inline bool expiry_is_over(struct server *server, const struct far_record *object)
{
	return object->flags & FAR_RECORD_EXPIRES && expiry_left_ns(server, object) == 0;
}

// Removes what is due, for about so long. True: there is more, and the next turn is to go on.
bool expiry_sweep(struct server *server, uint64_t budget_ns);

// When there is something to sweep, CLOCK_MONOTONIC; UINT64_MAX: nothing has a deadline.
uint64_t expiry_due_ns(const struct server *server);

// The same as how long until then.
uint64_t expiry_wait_ns(const struct server *server);

#endif
