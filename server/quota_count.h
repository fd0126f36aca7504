// Counting what is below a directory while it changes: a walk from entry to entry, depth first, each directory in the order of its cookies and what is in it right behind itself. What stands before the walk's place has been counted, what
// stands behind it will be; so a change is put on the count's account if it is before the place, and else left to the walk. A directory that moves might carry what is counted to where it is not: then a second count begins anew, and during a first it may not (quota_may_move). One
// that is removed is empty: the place is behind it then.
//
// By the same walk a quota's first count is made, between operations, far fsck counts anew what should be on account, and eviction looks for what may go (quota_evict.c). Writer thread only.
#ifndef SERVER_QUOTA_COUNT_H
#define SERVER_QUOTA_COUNT_H

#include <stdbool.h>
#include <stdint.h>

struct far_record;
struct quota;
struct quota_charge;
struct server;

struct quota_amount {
	uint64_t bytes, objects;
};

// Behind the entry of a directory that has this cookie.
struct quota_place {
	uint64_t directory, cookie;
};

struct quota_count {
	bool is_under_way;
	struct quota_place place;
	struct quota_amount met;
};

// Moves a place on to the next name below the quota's directory, and into it if that is a directory. NULL: there are no more.
struct far_record *quota_walk_next(const struct server *server, const struct quota *quota, struct quota_place *place);

// The attributes of the directory itself are counted at once.
void quota_count_begin(const struct server *server, struct quota *quota);

// Goes on for about so long. True: the count under way, if any, has come to its end; a first one is the quota's account now.
bool quota_count_step(struct server *server, struct quota *quota, uint64_t budget_ns);

// Whether the name at that place has been counted.
bool quota_count_has(const struct server *server, const struct quota *quota, const struct quota_charge *charge);

// Whether the walk is in a directory, at whatever depth.
bool quota_count_is_in(const struct server *server, const struct quota *quota, const struct far_record *directory);

// A directory goes, empty: places in it are behind it from now on.
void quota_walk_leave(struct quota *quota, const struct far_record *directory);

// Whether some quota makes its first count.
bool quota_is_counting(const struct server *server);

// The first counts of quotas, for about so long. True: there is more, and the next turn is to go on.
bool quota_sweep(struct server *server, uint64_t budget_ns);

#endif
