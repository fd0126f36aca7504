// Objects: records that have attributes and a value, as the protocol sees them: ids, attributes, times, life and death. The names are namespace.h's.
#ifndef SERVER_OBJECT_H
#define SERVER_OBJECT_H

#include <stdbool.h>

#include "far/key.h"
#include "far/wire.h"
#include "server/server.h"

// What a new object starts with.
struct object_new {
	struct far_record *directory; // NULL: a nameless one
	struct far_span name;
	uint32_t mode, uid, gid;
	uint32_t umask; // taken off the mode unless the directory has a default ACL
	uint64_t device;
	uint32_t value_room; // bytes for an inline value
};

// The id on the wire: the root has FAR_ROOT_ID. Also the `parent` of what is in a directory.
uint64_t object_id(const struct server *server, const struct far_record *object);

// The live or orphan object of an id, or NULL, as it is: only to look at.
struct far_record *object_peek(const struct server *server, uint64_t id);

// The same for a request, which may change it: an object whose time is over is gone, and a write window on it ends.
struct far_record *object_by_id(struct server *server, uint64_t id);

// The same for what a session does with an object beside its own write window: that stays open, another's does not.
struct far_record *object_visited(struct server *server, uint64_t id, const struct session *session);

bool object_is_directory(const struct far_record *object);

// 0 if it is a regular object; -EISDIR, -ELOOP for a symlink, -EINVAL for another.
int object_require_value(const struct far_record *object);

void object_get_attr(const struct server *server, const struct far_record *object, struct far_attr *attr);

// Stamp a change; ctime strictly increases over the changes of one object, mtime is set to the same. A change of content ends file capabilities.
void object_touch_status(struct server *server, struct far_record *object);
void object_touch_content(struct server *server, struct far_record *object);

// object_touch_status for attributes that have changed, which is told to those who watch; object_touch_content tells of values, and leaves directories to what is told of the names in them.
void object_touch_attributes(struct server *server, struct far_record *object);

// Makes an object that nobody can see yet: state FREE, version 1, no name in the index, nlink 1 (directories 2). A directory with S_ISGID gives its group, and
// S_ISGID to a directory. -ENOSPC.
int object_make(struct server *server, const struct object_new *new, struct far_record **object);

// Makes an object without a name, and lets those see it who know its id: it lives while somebody holds it, so the caller adds a hold, or destroys it. -ENOSPC.
int object_make_nameless(struct server *server, const struct object_new *new, struct far_record **object);

// A name of the object goes: objects made from now on begin above its version, so that what is stored there anew is not mistaken for it.
void object_note_version(struct server *server, const struct far_record *object);

// True while an object that began without a name has not got one.
bool object_is_nameless(const struct far_record *object);

// Ends an object that was made but never published, or that has neither name nor holder: value and record go to reclaim.
void object_destroy(struct server *server, struct far_record *object);

// Called when a name or a hold went: destroys the object if it was the last, makes it an orphan if somebody holds it, else publishes a new word.
void object_settle(struct server *server, struct far_record *object);

// Clears set-uid, and set-gid where group-execute is set, of what is no directory. A set-gid bit that nobody executes gives no rights; members of the group may keep it.
void object_kill_suidgid(struct far_record *object);

#endif
