// From records to keys, and to those who watch them. Keys are made of the names on the way up to the root, so nothing is kept for the sake of watching; it costs some 20 ns a directory while anybody watches anything.
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "server/key_path.h"
#include "server/lane.h"
#include "server/namespace.h"
#include "server/record.h"
#include "server/watchers_inside.h"

static void queue(void *context, struct watcher *watcher, const struct watch_note *note)
{
	(void)context;
	watch_queue_add(&watcher->queue, note);
	watcher->lane->transport->notify(watcher->lane);
}

static void retract(void *context, struct watcher *watcher, const struct watch_note *note)
{
	(void)context;
	watch_queue_retract(&watcher->queue, note);
}

static void tell_all_of_loss(struct watchers *watchers, enum far_event_kind kind)
{
	struct watcher *watcher;

	LIST_FOREACH(watcher, &watchers->watchers, in_all)
	{
		if (!(watcher->kinds & kind))
			continue;
		watch_queue_lose(&watcher->queue);
		watcher->lane->transport->notify(watcher->lane);
	}
}

// --- one name ---

struct act {
	enum far_event_kind kind;
	watchers_act *act;
	void *context;
	const struct watch *only; // NULL: all who are to hear of it
};

static void for_name(struct server *server, const struct act *act, const struct far_record *name, const struct far_record *object)
{
	struct key_path path;
	struct watch_note note = {
	        .kind = act->kind,
	        .is_directory = S_ISDIR(object->mode),
	        .version = atomic_load_explicit(&object->version, memory_order_relaxed),
	};

	if (!key_path_of(server, name, &path))
		return;
	note.key = key_path_span(&path);
	if (!act->only)
		watchers_for_each(server->watchers, &note, act->act, act->context);
	else if (watch_names(act->only, note.key))
		act->act(act->context, act->only->watcher, &note);
}

void watchers_tell_name(struct server *server, enum far_event_kind kind, const struct far_record *name, const struct far_record *object)
{
	for_name(server, &(struct act){.kind = kind, .act = queue}, name, object);
}

// It was told in this very request, so it is still in the queues.
void watchers_retract_name(struct server *server, const struct far_record *directory)
{
	for_name(server, &(struct act){.kind = FAR_EVENT_CREATED, .act = retract}, directory, directory);
}

// --- all names of an object ---

static void for_object(struct server *server, const struct act *act, const struct far_record *object)
{
	const uint64_t *head = S_ISDIR(object->mode) ? NULL : id_table_find(&server->links, object->id);

	if (object->nlink == 0 || object == server->root)
		return;
	for_name(server, act, object, object);
	for (uint64_t offset = head ? *head : 0; offset; offset = record_at(server->pool, offset)->u.special.device)
		for_name(server, act, record_at(server->pool, offset), object);
}

static bool has_too_many_names(const struct far_record *object)
{
	return !S_ISDIR(object->mode) && object->nlink > FAR_WATCH_NAMES_MAX;
}

void watchers_tell_object(struct server *server, enum far_event_kind kind, const struct far_record *object)
{
	if (has_too_many_names(object))
		tell_all_of_loss(server->watchers, kind);
	else
		for_object(server, &(struct act){.kind = kind, .act = queue}, object);
}

static void find(void *context, struct watcher *watcher, const struct watch_note *note)
{
	(void)watcher;
	(void)note;
	*(bool *)context = true;
}

bool watchers_want_changes(const struct server *server, const struct watch *watch)
{
	return watch ? watch->kinds & FAR_EVENT_CHANGED : server->watchers->of_changes > 0;
}

bool watchers_await_changes(struct server *server, const struct watch *watch, const struct far_record *object)
{
	bool is_found = false;

	if (!watchers_want_changes(server, watch))
		return false;
	if (has_too_many_names(object)) // told to all
		return true;
	for_object(server, &(struct act){.kind = FAR_EVENT_CHANGED, .act = find, .context = &is_found, .only = watch}, object);
	return is_found;
}

// --- renames ---

void watchers_tell_rename(struct server *server, const struct watch_rename *rename)
{
	struct key_path from, to;
	bool has_key = key_path_make(server, rename->from, rename->name, &from);
	bool has_new_key = key_path_make(server, rename->to, rename->new_name, &to);
	struct watch_note note = {
	        .kind = rename->kind,
	        .is_directory = rename->is_directory,
	        .takes_along = rename->is_directory,
	        .version = rename->version,
	};

	if (has_key && has_new_key) {
		note.new_key = key_path_span(&to);
	} else if (has_key) {
		note.kind = FAR_EVENT_DELETED;
	} else if (has_new_key) {
		note.kind = FAR_EVENT_CREATED;
		from = to;
	} else {
		return;
	}
	note.key = key_path_span(&from);
	watchers_for_each(server->watchers, &note, queue, NULL);
}
