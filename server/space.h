// Memory for handlers: the pool's allocations, tried again after reclaim and eviction, and the reserve. The reserve is a run of pages kept back so that a change that has begun
// (a rename, an object taking over another of its names) can always be brought to its end: it is given up for the step that found no memory and taken back as soon as there is some.
#ifndef SERVER_SPACE_H
#define SERVER_SPACE_H

#include <errno.h>

#include "far/key.h"
#include "server/server.h"

// The reserve, 256 KiB: one step needs at most a few blocks of classes that have no free one, each of which may take a slab of pages.
#define SPACE_RESERVE_PAGES 64U

// As the pool's functions; 0 only when reclaim had nothing left to give either, nor eviction. What eviction may take meanwhile: eviction.h.
uint32_t space_alloc_pages(struct server *server, uint32_t want, uint32_t least, uint32_t *got);
uint64_t space_alloc_block(struct server *server, uint32_t size);
uint64_t space_new_record(struct server *server, uint64_t parent, struct far_span name, uint32_t value_room);

// True if memory came back from reclaim, or objects were evicted: an operation that failed with -ENOSPC is worth another try.
bool space_reclaim(struct server *server);

// Tries `step` (an expression that may give -ENOSPC) again as long as there is something to give; its last result is in `error`.
#define SPACE_TRY(server, error, step) \
	do {                           \
		(error) = (step);      \
	} while ((error) == -ENOSPC && space_reclaim(server))

// Makes sure that the reserve is there. 0, or -ENOSPC: nothing may be begun that cannot be undone.
int space_keep_reserve(struct server *server);

// Gives the reserve up, for a step behind space_keep_reserve that must not fail. Ends the process if it is gone already: no invariant could be kept.
void space_use_reserve(struct server *server);

#define SPACE_MUST(server, step)                      \
	do {                                          \
		int space_error;                      \
		SPACE_TRY(server, space_error, step); \
		if (space_error == 0)                 \
			break;                        \
		space_use_reserve(server);            \
	} while (1)

// Bytes not used by objects or structures: free pool memory, what waits in reclaim, and grants that hold nothing.
uint64_t space_free_bytes(const struct server *server);
uint64_t space_granted_bytes(const struct server *server);

// What new values may take of it: not what is granted; with eviction also what objects have, as if none were kept.
uint64_t space_available_bytes(const struct server *server);

#endif
