// The single writer: all of a struct server is looked at and changed by one thread at a time. With one I/O thread it is that one, and the calls below do nothing. Of several each
// becomes the writer for the requests that one poll of its lanes has brought, and stops being it before it sends their replies: a role that goes round, not a thread that requests are handed to
// (docs/architecture.md says why). Lanes, fabrics and connections belong to their I/O thread all the time, so what a handler asks of its own lane (pushes, grants, replies) needs no further agreement. Who holds the
// role waits for nothing but memory, and for what a bounded piece of work takes.
#ifndef SERVER_WRITER_H
#define SERVER_WRITER_H

#include <pthread.h>
#include <stdbool.h>

#include "far/broken.h"

struct writer {
	bool is_shared; // by several I/O threads; set while there is still one
	pthread_mutex_t role;
};

// 0 or a negative errno.
int writer_init(struct writer *writer);
void writer_fini(struct writer *writer);

// More threads are about to come.
void writer_share(struct writer *writer);

// What the one before has done is seen from here on: release and acquire of the mutex.
static inline void writer_begin(struct writer *writer)
{
	if (writer->is_shared && !FAR_BROKEN_TWO_WRITERS)
		pthread_mutex_lock(&writer->role);
}

static inline void writer_end(struct writer *writer)
{
	if (writer->is_shared && !FAR_BROKEN_TWO_WRITERS)
		pthread_mutex_unlock(&writer->role);
}

#endif
