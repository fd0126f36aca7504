// Who watches what: keys that lanes have asked to be told of, and the telling. A key that is watched stands for itself and all below it; a beginning of keys for all that begin so, by bytes. A lane is told once of what several of its
// keys name. What happens is told where it happens: names come in namespace_add and namespace_link, go in namespace_remove, move in namespace_rename; values change in object_touch_content. What has no key (it has no name, or a
// path that is longer than FAR_KEY_MAX) is not told. A watched object has no write window (layout.h R7): each change of it is a request. Writer thread only.
#ifndef SERVER_WATCHERS_H
#define SERVER_WATCHERS_H

#include "far/key.h"
#include "server/server.h"

struct lane;
struct watch;
struct watcher;
struct watchers;

int watchers_new(struct watchers **watchers);
void watchers_free(struct watchers *watchers);

// From now on the lane is told of these kinds (enum far_event_kind). `key` is checked (watchers_check_key). -EMFILE (bounds), -ENOMEM.
struct watch_wish {
	struct far_span key;
	uint32_t kinds;
	bool is_beginning;
};
int watchers_add(struct lane *lane, const struct watch_wish *wish);

// 0, -EINVAL, -ENAMETOOLONG.
int watchers_check_key(const struct watch_wish *wish);

// The lane ends.
void watchers_drop(struct lane *lane);

// Whether there is something to tell to the lane; then fills `to` with events as they stand in a message. Returns their bytes, *count gets how many.
bool watchers_have_events(const struct lane *lane);
uint32_t watchers_take(struct lane *lane, char *to, uint32_t room, uint32_t *count);

// Whether somebody is to be told when the value changes: by this watch, or by whichever (NULL).
bool watchers_await_changes(struct server *server, const struct watch *watch, const struct far_record *object);

// Whether that may be of any value.
bool watchers_want_changes(const struct server *server, const struct watch *watch);

// --- telling (watchers_tell.c); through the functions below ---

void watchers_tell_object(struct server *server, enum far_event_kind kind, const struct far_record *object);
void watchers_tell_name(struct server *server, enum far_event_kind kind, const struct far_record *name, const struct far_record *object);
void watchers_retract_name(struct server *server, const struct far_record *directory);

// A rename, before or behind it: the directories' own keys are the same.
struct watch_rename {
	enum far_event_kind kind;
	const struct far_record *from, *to; // directories
	struct far_span name, new_name;
	uint64_t version;
	bool is_directory; // also if only the other one of an exchange is
};
void watchers_tell_rename(struct server *server, const struct watch_rename *rename);

// Something happened to an object, under all its names.
static inline void watchers_note(struct server *server, enum far_event_kind kind, const struct far_record *object)
{
	if (server->watch_count > 0)
		watchers_tell_object(server, kind, object);
}

// A name record's name has come, or is about to go.
static inline void watchers_note_name(
        struct server *server, enum far_event_kind kind, const struct far_record *name, const struct far_record *object)
{
	if (server->watch_count > 0)
		watchers_tell_name(server, kind, name, object);
}

// A directory that an operation has made goes again, because the operation fails: nobody has heard of it.
static inline void watchers_unmake(struct server *server, const struct far_record *directory)
{
	if (server->watch_count > 0)
		watchers_retract_name(server, directory);
}

#endif
