#include <errno.h>
#include <string.h>

#include "fsd/channel_inside.h"
#include "fsd/fuse_kernel.h"

// An INTERRUPT comes by /dev/fuse and its request by a ring: it may be here first. libfuse then asks the kernel to say it once more (EAGAIN), but for a request of a ring the kernel does not. So it is kept here, and said
// to libfuse again once its request waits for its answer; one that is answered at once has no use for it.

#define KEPT 64U // the oldest is lost: its request was answered long since

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t kept[KEPT]; // what the requests are known by, or 0
static unsigned next;

// Whoever takes it out says it.
static bool take_out(uint64_t unique)
{
	bool is_kept = false;

	pthread_mutex_lock(&mutex);
	for (unsigned i = 0; i < KEPT && !is_kept; i++) {
		is_kept = kept[i] == unique;
		if (is_kept)
			kept[i] = 0;
	}
	pthread_mutex_unlock(&mutex);
	return is_kept;
}

void interrupts_say(struct channel *channel, uint64_t unique)
{
	struct {
		struct fuse_in_header header;
		struct fuse_interrupt_in interrupt;
	} message = {
	        .header = {.len = sizeof(message), .opcode = FUSE_INTERRUPT, .unique = unique | FUSE_INT_REQ_BIT},
	        .interrupt = {.unique = unique},
	};
	const struct fuse_buf buffer = {.mem = &message, .size = sizeof(message)};

	if (take_out(unique))
		fuse_session_process_buf(channel->session, &buffer);
}

bool interrupts_keep(struct channel *channel, const struct fuse_out_header *answer)
{
	uint64_t unique = answer->unique & ~(uint64_t)FUSE_INT_REQ_BIT;

	if (!(answer->unique & FUSE_INT_REQ_BIT) || answer->error != -EAGAIN || !(channel->agreed & FUSE_OVER_IO_URING))
		return false;
	pthread_mutex_lock(&mutex);
	kept[next++ % KEPT] = unique;
	pthread_mutex_unlock(&mutex);
	// It may wait already.
	if (ring_has_parked(channel, unique))
		interrupts_say(channel, unique);
	return true;
}
