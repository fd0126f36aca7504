#include "server/watchers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "server/session.h"
#include "server/watchers_inside.h"
#include "server/window.h"

int watchers_new(struct watchers **out)
{
	struct watchers *watchers = calloc(1, sizeof(*watchers));

	if (!watchers)
		return -ENOMEM;
	LIST_INIT(&watchers->watches);
	LIST_INIT(&watchers->watchers);
	*out = watchers;
	return 0;
}

// All lanes have ended.
void watchers_free(struct watchers *watchers)
{
	if (!watchers)
		return;
	id_table_fini(&watchers->anchors);
	free(watchers);
}

// --- who is to hear of what ---

// Keys' anchors are hashed component by component, each with the hash of the directory above it: that of a key passes those of all directories on its way.
#define ANCHOR_ROOT 1U

static uint64_t anchor_below(uint64_t directory, struct far_span name)
{
	uint64_t hash = XXH3_64bits_withSeed(name.bytes, name.length, directory);

	return hash ? hash : ANCHOR_ROOT;
}

static uint64_t anchor_of(struct far_span path)
{
	uint64_t anchor = ANCHOR_ROOT;
	struct far_span name;

	while (far_key_next(&path, &name))
		anchor = anchor_below(anchor, name);
	return anchor;
}

// Whether `key` is `top`, or below it.
static bool is_below(struct far_span key, const char *top, uint32_t length)
{
	if (length == 0)
		return true;
	if (key.length < length || memcmp(key.bytes, top, length) != 0)
		return false;
	return key.length == length || ((const char *)key.bytes)[length] == '/';
}

bool watch_names(const struct watch *watch, struct far_span key)
{
	if (watch->is_beginning)
		return key.length >= watch->length && memcmp(key.bytes, watch->key, watch->length) == 0;
	return is_below(key, watch->key, watch->length);
}

static void act_once(struct watchers *watchers, const struct watch *watch, const struct watch_note *note, watchers_act *act, void *context)
{
	if (!(watch->kinds & note->kind) || watch->watcher->mark == watchers->mark)
		return;
	watch->watcher->mark = watchers->mark;
	act(context, watch->watcher, note);
}

// Those whose anchor is the key, or a directory above it, are all that may name it.
static void for_key(struct watchers *watchers, struct far_span key, const struct watch_note *note, watchers_act *act, void *context)
{
	struct far_span rest = key, name;
	uint64_t anchor = ANCHOR_ROOT;
	bool is_left;

	do {
		const uint64_t *first = id_table_find(&watchers->anchors, anchor);

		for (const struct watch *watch = first ? (const struct watch *)(uintptr_t)*first : NULL; watch; watch = watch->next)
			if (watch_names(watch, key))
				act_once(watchers, watch, note, act, context);
		is_left = far_key_next(&rest, &name);
		if (is_left)
			anchor = anchor_below(anchor, name);
	} while (is_left);
}

// What is watched below a directory that moves: all of it goes along.
static void for_below(struct watchers *watchers, struct far_span top, const struct watch_note *note, watchers_act *act, void *context)
{
	const struct watch *watch;

	LIST_FOREACH(watch, &watchers->watches, in_all)
	{
		if (is_below((struct far_span){watch->key, watch->length}, top.bytes, top.length))
			act_once(watchers, watch, note, act, context);
	}
}

void watchers_for_each(struct watchers *watchers, const struct watch_note *note, watchers_act *act, void *context)
{
	watchers->mark++;
	for_key(watchers, note->key, note, act, context);
	if (note->takes_along)
		for_below(watchers, note->key, note, act, context);
	if (note->new_key.length == 0)
		return;
	for_key(watchers, note->new_key, note, act, context);
	if (note->takes_along)
		for_below(watchers, note->new_key, note, act, context);
}

// --- beginning and ending ---

int watchers_check_key(const struct watch_wish *wish)
{
	return wish->is_beginning || wish->key.length == 0 ? far_beginning_check(wish->key.bytes, wish->key.length)
	                                                   : far_key_check(wish->key.bytes, wish->key.length);
}

// What a beginning has behind its last slash may end in the midst of a name.
static uint32_t anchor_length(const struct watch_wish *wish)
{
	const char *slash = wish->is_beginning && wish->key.length ? memrchr(wish->key.bytes, '/', wish->key.length) : NULL;

	if (!wish->is_beginning)
		return wish->key.length;
	return slash ? (uint32_t)(slash - (const char *)wish->key.bytes) : 0;
}

static struct watcher *watcher_of(struct lane *lane)
{
	struct watchers *watchers = lane->server->watchers;
	struct watcher *watcher = lane->watcher ? lane->watcher : calloc(1, sizeof(*watcher));

	if (!watcher || watcher == lane->watcher)
		return watcher;
	watcher->lane = lane;
	LIST_INIT(&watcher->watches);
	watch_queue_init(&watcher->queue, &watchers->bytes, lane->message_size - (uint32_t)sizeof(struct far_events));
	LIST_INSERT_HEAD(&watchers->watchers, watcher, in_all);
	lane->watcher = watcher;
	return watcher;
}

int watchers_add(struct lane *lane, const struct watch_wish *wish)
{
	struct server *server = lane->server;
	struct watcher *watcher;
	struct watch *watch;
	uint64_t *first;

	if (lane->session->watches == FAR_WATCHES_PER_SESSION || server->watch_count == FAR_WATCHES_MAX)
		return -EMFILE;
	watcher = watcher_of(lane);
	watch = watcher ? malloc(sizeof(*watch) + wish->key.length) : NULL;
	if (!watch)
		return -ENOMEM;
	*watch = (struct watch){.watcher = watcher, .kinds = wish->kinds, .length = wish->key.length, .is_beginning = wish->is_beginning};
	memcpy(watch->key, wish->key.bytes, wish->key.length);
	watch->anchor = anchor_of((struct far_span){watch->key, anchor_length(wish)});
	first = id_table_add(&server->watchers->anchors, watch->anchor);
	if (!first) {
		free(watch);
		return -ENOMEM;
	}
	watch->next = (struct watch *)(uintptr_t)*first;
	if (watch->next)
		watch->next->previous = watch;
	*first = (uintptr_t)watch;
	LIST_INSERT_HEAD(&watcher->watches, watch, in_watcher);
	LIST_INSERT_HEAD(&server->watchers->watches, watch, in_all);
	watcher->kinds |= watch->kinds;
	server->watchers->of_changes += (watch->kinds & FAR_EVENT_CHANGED) != 0;
	lane->session->watches++;
	server->watch_count++;
	window_close_watched(server, watch);
	return 0;
}

static void drop(struct server *server, struct watch *watch)
{
	struct id_table *anchors = &server->watchers->anchors;

	if (watch->next)
		watch->next->previous = watch->previous;
	if (watch->previous)
		watch->previous->next = watch->next;
	else if (watch->next)
		*id_table_find(anchors, watch->anchor) = (uintptr_t)watch->next;
	else
		id_table_remove(anchors, watch->anchor);
	LIST_REMOVE(watch, in_watcher);
	LIST_REMOVE(watch, in_all);
	server->watchers->of_changes -= (watch->kinds & FAR_EVENT_CHANGED) != 0;
	watch->watcher->lane->session->watches--;
	server->watch_count--;
	free(watch);
}

void watchers_drop(struct lane *lane)
{
	struct watcher *watcher = lane->watcher;

	if (!watcher)
		return;
	while (!LIST_EMPTY(&watcher->watches))
		drop(lane->server, LIST_FIRST(&watcher->watches));
	watch_queue_fini(&watcher->queue);
	LIST_REMOVE(watcher, in_all);
	lane->watcher = NULL;
	free(watcher);
}

// --- taking ---

bool watchers_have_events(const struct lane *lane)
{
	return lane->watcher && !watch_queue_is_empty(&lane->watcher->queue);
}

uint32_t watchers_take(struct lane *lane, char *to, uint32_t room, uint32_t *count)
{
	return watch_queue_take(&lane->watcher->queue, to, room, count);
}
