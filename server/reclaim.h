// Reclaim: memory that was unlinked but that a remote reader may still be looking at (layout.h R1, R3, R5; promise P5).
// The writer publishes the change first (new word, release), then hands the memory in here; it goes back to the pool when every lane's read section
// that was open at that time has ended and every posted transfer out of the pool that had begun by then is complete. With none, that is at once.
// Writer thread only.
#ifndef SERVER_RECLAIM_H
#define SERVER_RECLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "server/pool.h"

struct reclaim;

// `sections` asks for the open read sections: fills up to `count` {lane number, snapshot} pairs of lanes whose snapshot is odd, returns how many there are.
struct reclaim_section {
	uint64_t lane;
	uint64_t snapshot;
};
struct reclaim_readers {
	void *context;
	int (*sections)(void *context, struct reclaim_section *sections, int count);
	// True if the section of that lane is over: the lane is gone or its snapshot differs.
	bool (*is_over)(void *context, const struct reclaim_section *section);
};

int reclaim_new(struct pool *pool, const struct reclaim_readers *readers, struct reclaim **reclaim);
void reclaim_free(struct reclaim *reclaim); // frees what is waiting, too

void reclaim_pages(struct reclaim *reclaim, uint32_t page, uint32_t pages);
void reclaim_block(struct reclaim *reclaim, uint64_t offset, uint32_t size);
void reclaim_record(struct reclaim *reclaim, uint64_t offset, uint32_t size);

// Runs once every reader that could have found something before now has ended, as for memory. Embedded by its owner.
struct reclaim_call {
	void (*run)(struct reclaim_call *call);
};
void reclaim_later(struct reclaim *reclaim, struct reclaim_call *call);

// A transfer out of the pool by the fabric begins; the ticket ends it.
uint64_t reclaim_transfer_begin(struct reclaim *reclaim);
void reclaim_transfer_end(struct reclaim *reclaim, uint64_t ticket);

// Gives back what has become free. Called once a loop, and by allocation before it says full. Returns whether anything is still waiting.
bool reclaim_run(struct reclaim *reclaim);

// Bytes that wait here: free space for statfs.
uint64_t reclaim_bytes(const struct reclaim *reclaim);

// Bytes that were ever handed in, whether they wait still or not: never falls.
uint64_t reclaim_bytes_retired(const struct reclaim *reclaim);

#endif
