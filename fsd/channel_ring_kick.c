#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "far/log.h"
#include "fsd/channel_ring.h"

// The kernel keeps requests that find no entry of their queue free, and hands one out whenever an entry is given back with an answer; a new entry it only puts to the free ones
// (fuse_uring_do_register, Linux 6.14 to 6.18). So if all entries belong to requests that wait for a lock, and new ones have taken their places, the next requests may be kept for ever:
// until somebody else makes one on that processor, whose answer gives an entry back. That somebody is us: a notification that asks for cached data of a file, none of it, makes the kernel
// send what it has found, by the queue of the processor that the notification is written on. It takes regular files only, so who waits for a lock of a directory is not helped.

#define OWN_UNIQUES (1ULL << 63) // beyond all that the kernel will number its requests with; even, as they are

static void notify(const struct channel_ring *ring, uint64_t file)
{
	static _Atomic uint64_t last;
	struct {
		struct fuse_out_header header;
		struct fuse_notify_retrieve_out retrieve;
	} message = {
	        .header = {.len = sizeof(message), .error = FUSE_NOTIFY_RETRIEVE},
	        .retrieve = {.notify_unique = OWN_UNIQUES + 2 * atomic_fetch_add_explicit(&last, 1, memory_order_relaxed), .nodeid = file},
	};

	// ENOENT: the file has been forgotten, so nobody waits. EINVAL: it is not a regular one.
	if (write(fuse_session_fd(ring->worker->channel->session), &message, sizeof(message)) < 0 && errno != ENOENT && errno != EINVAL &&
	        errno != ENOTCONN && errno != ENODEV)
		log_warning("the kernel does not hand out what waits for a ring: %s", strerror(errno));
}

void ring_kick(const struct channel_ring *ring, unsigned queue, uint64_t file)
{
	cpu_set_t before, there;

	if ((int)queue == ring->processor) {
		notify(ring, file);
		return;
	}
	CPU_ZERO(&there);
	CPU_SET(queue, &there);
	if (sched_getaffinity(0, sizeof(before), &before) || sched_setaffinity(0, sizeof(there), &there))
		return; // nobody can run there, now
	notify(ring, file);
	sched_setaffinity(0, sizeof(before), &before);
}
