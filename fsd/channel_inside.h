// What the parts of the channel share: channel.c (threads), channel_answer.c (the way back), channel_classic.c (/dev/fuse), channel_ring.c (io_uring).
#ifndef FSD_CHANNEL_INSIDE_H
#define FSD_CHANNEL_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "fsd/channel.h"

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

struct channel_ring;

struct worker {
	struct channel *channel;
	void *thread; // what thread_begin returned
	void *buffer;
	pthread_t id;
	_Atomic uint64_t counts[CHANNEL_OPCODES]; // its own to write, for all to read

	// The request under way, and the place for its answer's data.
	const struct fuse_in_header *request;
	void *place;

	struct channel_ring *ring; // NULL: it reads /dev/fuse
};

struct channel {
	struct fuse_session *session;
	const struct channel_hooks *hooks;
	pthread_t main;
	_Atomic unsigned running;
	unsigned begun;      // workers; [0] reads /dev/fuse in any case
	unsigned ring_count; // rings that there shall be: one for each worker but the first

	// Whether there will be rings is known when INIT has been answered: until then only worker 0 runs.
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool is_complete; // no more workers begin
	bool wants_rings;
	unsigned prepared; // workers but the first that have a ring, or know that they have none
	unsigned rings;    // those that have one: all of them, or 0
	bool is_settled;
	uint64_t agreed; // bits of INIT, set before is_settled
	struct worker workers[];
};

extern _Thread_local struct worker *channel_worker;

// --- channel.c ---

// Counts the request and has it answered, on the calling worker.
void channel_process(struct worker *worker, struct fuse_in_header *request, size_t length);

// --- channel_answer.c ---

// From now on the answers of libfuse pass through us: INIT's is changed, those to requests of a ring go there. False: this libfuse answers by itself, so that there are no rings, and
// nothing is agreed on that it does not know.
bool answer_watch(struct channel *channel);
void answer_unwatch(void);

// Sends an answer where its request came from. Bytes sent, or -1 with errno set.
ssize_t answer_send(int fd, struct iovec *parts, int count);

// --- channel_interrupts.c ---

// Takes libfuse's answer that it does not know what an INTERRUPT is about, if that may be a request of a ring's. False: it is another answer.
struct fuse_out_header;
bool interrupts_keep(struct channel *channel, const struct fuse_out_header *answer);

// A request waits for its answer: what has been kept for it is said now.
void interrupts_say(struct channel *channel, uint64_t unique);

// --- channel_classic.c ---

void classic_serve(struct worker *worker);

// --- channel_ring.c ---

// Prepares a ring for the worker, to be served by the calling thread alone: all that can fail for want of something. NULL with errno set.
struct channel_ring *ring_new(struct worker *worker, unsigned number, unsigned of);
void ring_free(struct channel_ring *ring);

// Gives the ring's entries to the kernel and serves until the end.
void ring_serve(struct channel_ring *ring);

// As channel_defer and channel_resume.
struct channel_later *ring_defer(struct channel_ring *ring, bool is_alone);
void ring_resume(struct channel_ring *ring, struct channel_later *later);

// Whether the request has come by a ring of the channel and waits to be answered later.
bool ring_has_parked(struct channel *channel, uint64_t unique);

// Makes ring_serve look whether the session has ended.
void ring_wake(struct channel_ring *ring);

// Takes an answer if its request came by a ring of the channel: from the worker that is at it, or later from any thread. False: the request came by /dev/fuse.
bool ring_answer(struct channel *channel, const struct iovec *parts, int count);

#endif
