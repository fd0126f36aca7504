// The single writer: all of a struct server is looked at and changed by one thread at a time. With one I/O thread it is that one, and the calls below do nothing. Of several each
// becomes the writer for the requests that one poll of its lanes has brought, and stops being it before it sends their replies: a role that goes round, not a thread that requests are handed to
// (docs/architecture.md says why). Lanes, fabrics and connections belong to their I/O thread all the time, so what a handler asks of its own lane (pushes, grants, replies) needs no further agreement. Who holds the
// role waits for no peer and for no other lock of ours, but it makes system calls that end by themselves (docs/locking.md).
#ifndef SERVER_WRITER_H
#define SERVER_WRITER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "far/broken.h"

struct writer {
	bool is_shared; // by several I/O threads; set while there is still one
	pthread_mutex_t role;
	unsigned io_thread; // the number of the one that has the role; its own
	// Of those that had to wait for the role: how many do now, and how often one has got it since the start, the first thread not counted. The latter is the writer's.
	_Atomic uint32_t waiting;
	uint32_t served;
};

// 0 or a negative errno.
int writer_init(struct writer *writer);
void writer_fini(struct writer *writer);

// More threads are about to come.
void writer_share(struct writer *writer);

// Waits for the role that somebody else has.
void writer_wait(struct writer *writer, unsigned io_thread);

// What the one before has done is seen from here on: release and acquire of the mutex.
static inline void writer_begin(struct writer *writer, unsigned io_thread)
{
	if (!writer->is_shared || FAR_BROKEN_TWO_WRITERS)
		return;
	if (pthread_mutex_trylock(&writer->role))
		writer_wait(writer, io_thread);
	writer->io_thread = io_thread;
}

static inline void writer_end(struct writer *writer)
{
	if (writer->is_shared && !FAR_BROKEN_TWO_WRITERS)
		pthread_mutex_unlock(&writer->role);
}

static inline bool writer_is_awaited(const struct writer *writer)
{
	return atomic_load_explicit(&writer->waiting, memory_order_relaxed) > 0;
}

// Long work of the first thread is done in steps, between which those come who wait: the mutex alone does not see to it, for who has just given it back gets it again before a sleeper has woken. What `served` is to
// be before another step, asked at the end of one, and whether it is.
static inline uint32_t writer_debt(const struct writer *writer)
{
	return writer->served + atomic_load_explicit(&writer->waiting, memory_order_relaxed);
}

static inline bool writer_owes(const struct writer *writer, uint32_t debt)
{
	return (int32_t)(debt - writer->served) > 0 && writer_is_awaited(writer);
}

#endif
