// The events that wait for one lane to take them: bounded, in order. A change that is still to be told when the same key changes again is told once, with the newer version. What finds no room is counted, and from then
// on all that follows, until what waits has been taken and the count with it: so who watches hears what was told before the gap, that there is one, and what came behind it. Writer thread only.
#ifndef SERVER_WATCH_QUEUE_H
#define SERVER_WATCH_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "far/key.h"
#include "far/wire.h"
#include "server/id_table.h"

// What happened. The keys are borrowed.
struct watch_note {
	enum far_event_kind kind;
	bool is_directory;
	bool takes_along; // a directory that moves, with all below it
	uint64_t version;
	struct far_span key;
	struct far_span new_key; // of renames, else empty
};

struct watch_event;

// Embedded in its owner.
struct watch_queue {
	TAILQ_HEAD(watch_event_list, watch_event) events;
	struct id_table open; // changes that a later one may join: hash of kind and key -> event
	uint64_t bytes;       // of the events
	uint64_t *all_bytes;  // of all queues, the server's: what each has beyond FAR_WATCH_QUEUE_SHARE
	uint32_t event_max;   // bytes of one in a message
	uint64_t lost;        // behind the last of the events
};

void watch_queue_init(struct watch_queue *queue, uint64_t *all_bytes, uint32_t event_max);
void watch_queue_fini(struct watch_queue *queue);

void watch_queue_add(struct watch_queue *queue, const struct watch_note *note);

// What was added of this kind, key and version, and has not been taken, has not happened after all.
void watch_queue_retract(struct watch_queue *queue, const struct watch_note *note);

// Counts as lost what nobody can name.
void watch_queue_lose(struct watch_queue *queue);

bool watch_queue_is_empty(const struct watch_queue *queue);

// Moves events, oldest first, to `to` as they stand in a message, as many as fit; *count gets how many. Returns the bytes.
uint32_t watch_queue_take(struct watch_queue *queue, char *to, uint32_t room, uint32_t *count);

#endif
