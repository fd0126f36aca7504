// Lock requests that wait. A serving thread asks the server and goes on; how the wait ends, by a lock, by a signal, or by the server's end, is told by one thread with a lane of its own, which takes the
// session's notices. It begins with the first request that has to wait. So any number of blocked processes occupies one thread, and no lane that anybody else uses.
//
// A wait survives a broken connection: it is asked for again, in the same session or the next one.
#ifndef FSD_LOCK_WAITS_H
#define FSD_LOCK_WAITS_H

#include "client/files.h"
#include "fsd/filesystem.h"
#include "fsd/lock_holders.h"

struct lock_waits;

// One request. The caller fills in `lock` but for the ticket.
struct lock_wait {
	fuse_req_t request;
	struct far_lock lock;
	struct lock_holder holder;
	bool is_trial; // not to wait but for closes that the kernel has not told of yet: a moment, then -EAGAIN
};

// NULL: no memory.
struct lock_waits *lock_waits_new(far_session *session, struct lock_holders *holders);

// Asks by the calling thread's lane, and answers the request, now or later. The holder is noted.
void lock_waits_ask(struct lock_waits *waits, struct far_lane *lane, const struct lock_wait *wait);

// No operation is under way any more. Ends the thread, answers what waits (-EIO) and frees; NULL does nothing. -EBUSY: the thread waits for the server still, and nothing is freed.
int lock_waits_end(struct lock_waits *waits);

#endif
