// Grants: pool pages handed to one lane in advance, into which its client writes large values by itself (promise P3: no other memory is ever writable to it).
// A lane has up to FAR_GRANTS_PER_LANE, filled front to back. A committed range is sealed before anything looks at its bytes; pages of it that became part of a value
// are marked taken, everything else (ranges of requests that failed, ranges that were copied, gaps, the rest) goes back to the pool when the grant is used up or
// the lane ends, after the right to write is revoked. Writer thread only.
#ifndef SERVER_GRANT_H
#define SERVER_GRANT_H

#include <stdbool.h>
#include <stdint.h>

#include "far/wire.h"
#include "server/value.h"

struct lane;

struct grant {
	uint32_t id;
	uint32_t page; // first page in the pool
	uint32_t pages;
	uint32_t committed; // pages at the front
	uint64_t taken[(FAR_GRANT_SIZE >> FAR_PAGE_SHIFT) / 64];
	void *region; // the transport's
	uint64_t rkey;
};

struct lane_grants {
	struct grant ring[FAR_GRANTS_PER_LANE];
	uint32_t first;
	uint32_t count;
	uint32_t wanted; // how many this lane should have: 1, more once it has used some up
	uint32_t last_id;
};

// Makes one more grant if the lane is due one and the pool has room; behind a mutation room is made for it by eviction, if the server evicts. False: none.
bool grant_offer(struct lane *lane, bool is_mutation, struct far_grant *wire);

// The lane is due one more than it has, up to FAR_GRANTS_PER_LANE.
void grant_want_more(struct lane *lane);

// Checks the ranges of one request, in order, against the lane's grants, commits them (seals; they count as used whatever becomes of the request) and
// gives them as sources. -EINVAL commits nothing. The sources hold until grant_settle.
int grant_commit(struct lane *lane, const struct far_range *ranges, uint32_t count, struct value_source *sources);

// Marks pages as a value's own.
void grant_take(struct server *server, struct grant *grant, uint32_t pool_page, uint32_t pages);

// After a request: ends the grants that are used up.
void grant_settle(struct lane *lane);

// The lane ends: all its grants do.
void grant_drop_all(struct lane *lane);

#endif
