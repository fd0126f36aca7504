// A ring of the channel: one thread's io_uring and the entries that it has with the kernel. Of channel_ring*.c alone.
#ifndef FSD_CHANNEL_RING_H
#define FSD_CHANNEL_RING_H

#include <liburing.h>

#include "fsd/channel_inside.h"
#include "fsd/fuse_kernel.h"

#define RING_QUEUES_MAX 4096U // processors that a kernel is built for, at most
#define RING_ENTRY_BYTES (CHANNEL_BUFFER + CHANNEL_PAGE)

struct ring_entry {
	struct ring_entry *next;          // of the ring
	struct ring_entry *next_answered; // of those to be given back
	struct channel_ring *ring;
	struct fuse_uring_req_header *header;
	struct iovec parts[2]; // header and payload, as the kernel is told
	void *place;           // a page, and the payload behind it
	bool is_given;         // place is the thread's (hooks.thread_memory)
	uint64_t header_unique;
	_Atomic uint64_t unique; // of the request that has no answer yet, or 0
	uint16_t queue;
	bool is_parked; // its request will be answered later; under the ring's mutex
};

struct channel_ring {
	struct worker *worker;
	struct io_uring uring;
	int wake_fd;
	uint64_t wakes; // read from it
	bool is_open;   // uring is
	bool is_over;
	int processor; // that its thread stays on; -1: any

	struct ring_entry *current; // whose request is under way
	bool is_answered;           // it is
	bool is_deferred;           // it will be, by hooks.finish
	unsigned deferred;          // requests that are

	// By the kernel's number of the queue: entries there shall be for new requests, all, and those whose requests wait for their answers.
	unsigned *depth, *total, *parked;
	unsigned queues; // length of these
	// 0, or the file of a request that has been parked since the kernel last got an entry back: it may keep others that came when there was no entry (channel_ring_kick.c).
	uint64_t *dry;
	bool is_any_dry;

	pthread_mutex_t mutex; // of the lists: answers come from other threads, too
	struct ring_entry *entries;
	struct ring_entry *answered;
};

// place: RING_ENTRY_BYTES, or NULL: they are made. NULL: no memory.
// Makes the kernel look for requests that it keeps for a queue, by one that it sends by itself; it is to be answered like any other (FUSE_NOTIFY_REPLY).
// file: a regular one that the kernel has in use.
void ring_kick(const struct channel_ring *ring, unsigned queue, uint64_t file);

struct ring_entry *ring_add_entry(struct channel_ring *ring, unsigned queue, void *place);

#endif
