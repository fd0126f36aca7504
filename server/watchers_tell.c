// From records to keys, and to those who watch them. Keys are made of the names on the way up to the root, so nothing is kept for the sake of watching; it costs some 20 ns a directory while anybody watches anything.
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "server/lane.h"
#include "server/namespace.h"
#include "server/record.h"
#include "server/watchers_inside.h"

// A key, made from its end.
struct path {
	uint32_t start;
	char bytes[FAR_KEY_MAX];
};

static struct far_span span_of(const struct path *path)
{
	return (struct far_span){path->bytes + path->start, FAR_KEY_MAX - path->start};
}

static bool path_prepend(struct path *path, struct far_span name)
{
	bool is_last = path->start == FAR_KEY_MAX;

	if (name.length + (is_last ? 0 : 1) > path->start)
		return false;
	if (!is_last)
		path->bytes[--path->start] = '/';
	path->start -= name.length;
	memcpy(path->bytes + path->start, name.bytes, name.length);
	return true;
}

static const struct far_record *directory_of(const struct server *server, uint64_t id)
{
	return id == FAR_ROOT_ID ? server->root : record_by_id(server->pool, id);
}

// False: it has no key.
static bool path_make(const struct server *server, const struct far_record *directory, struct far_span name, struct path *path)
{
	path->start = FAR_KEY_MAX;
	while (directory && path_prepend(path, name)) {
		if (directory == server->root)
			return true;
		name = record_name(server->pool, directory);
		directory = directory_of(server, directory->parent);
	}
	return false;
}

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
	struct path path;
	struct watch_note note = {
	        .kind = act->kind,
	        .is_directory = S_ISDIR(object->mode),
	        .version = atomic_load_explicit(&object->version, memory_order_relaxed),
	};

	if (!path_make(server, directory_of(server, name->parent), record_name(server->pool, name), &path))
		return;
	note.key = span_of(&path);
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
	struct path from, to;
	bool has_key = path_make(server, rename->from, rename->name, &from);
	bool has_new_key = path_make(server, rename->to, rename->new_name, &to);
	struct watch_note note = {
	        .kind = rename->kind,
	        .is_directory = rename->is_directory,
	        .takes_along = rename->is_directory,
	        .version = rename->version,
	};

	if (has_key && has_new_key) {
		note.new_key = span_of(&to);
	} else if (has_key) {
		note.kind = FAR_EVENT_DELETED;
	} else if (has_new_key) {
		note.kind = FAR_EVENT_CREATED;
		from = to;
	} else {
		return;
	}
	note.key = span_of(&from);
	watchers_for_each(server->watchers, &note, queue, NULL);
}
