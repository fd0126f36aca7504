// What watchers.c and watchers_tell.c share.
#ifndef SERVER_WATCHERS_INSIDE_H
#define SERVER_WATCHERS_INSIDE_H

#include "server/watch_queue.h"
#include "server/watchers.h"

// One watched key, or beginning of keys.
struct watch {
	LIST_ENTRY(watch) in_watcher;
	LIST_ENTRY(watch) in_all;
	struct watch *previous, *next; // with the same anchor
	struct watcher *watcher;
	uint64_t anchor; // hash of the directory, or key, that all keys that it may name have on their way: how a changed key finds it
	uint32_t kinds;
	uint32_t length;
	bool is_beginning;
	char key[];
};

// A lane that watches.
struct watcher {
	LIST_HEAD(, watch) watches; // they end together
	LIST_ENTRY(watcher) in_all;
	uint32_t kinds; // of all its watches
	struct lane *lane;
	struct watch_queue queue;
	uint64_t mark; // of the last event that was held against it, so that it is told once
};

struct watchers {
	struct id_table anchors; // hash -> the first struct watch there
	LIST_HEAD(, watch) watches;
	LIST_HEAD(, watcher) watchers;
	uint32_t of_changes; // watches that want FAR_EVENT_CHANGED
	uint64_t bytes;      // of all queues
	uint64_t mark;
};

// Whether the watch is one of the key, of whatever kinds.
bool watch_names(const struct watch *watch, struct far_span key);

// Calls `act` once for each watcher that is to hear of the note, with `context`.
typedef void watchers_act(void *context, struct watcher *watcher, const struct watch_note *note);
void watchers_for_each(struct watchers *watchers, const struct watch_note *note, watchers_act *act, void *context);

#endif
