#include "server/object.h"

#include <stdatomic.h>
#include <sys/stat.h>

#include "far/attr.h"
#include "far/broken.h"
#include "server/eviction.h"
#include "server/expiry.h"
#include "server/namespace.h"
#include "server/object_acl.h"
#include "server/quota.h"
#include "server/record.h"
#include "server/space.h"
#include "server/value.h"
#include "server/watchers.h"
#include "server/window.h"

// Writer thread only. An object is destroyed at the moment when it has neither names (nlink) nor holders.

uint64_t object_id(const struct server *server, const struct far_record *object)
{
	return object == server->root ? FAR_ROOT_ID : object->id;
}

struct far_record *object_peek(const struct server *server, uint64_t id)
{
	return id == FAR_ROOT_ID ? server->root : record_by_id(server->pool, id);
}

// The object of an id. One whose time is over loses its names; it is gone unless somebody holds it.
static struct far_record *find(struct server *server, uint64_t id)
{
	struct far_record *object = object_peek(server, id);
	bool is_held;

	if (!object)
		return NULL;
	eviction_meet(server, object);
	quota_meet(server, object);
	if (!expiry_is_over(server, object))
		return object;
	is_held = object->holds > 0;
	namespace_remove_names(server, object, UINT32_MAX);
	return is_held ? object : NULL;
}

struct far_record *object_by_id(struct server *server, uint64_t id)
{
	struct far_record *object = find(server, id);

	window_settle(server, object);
	return object;
}

struct far_record *object_visited(struct server *server, uint64_t id, const struct session *session)
{
	struct far_record *object = find(server, id);

	window_visit(server, object, session);
	return object;
}

bool object_is_directory(const struct far_record *object)
{
	return S_ISDIR(object->mode);
}

int object_require_value(const struct far_record *object)
{
	if (S_ISREG(object->mode))
		return 0;
	if (S_ISDIR(object->mode))
		return -EISDIR;
	return S_ISLNK(object->mode) ? -ELOOP : -EINVAL;
}

void object_get_attr(const struct server *server, const struct far_record *object, struct far_attr *attr)
{
	far_record_attr(object, attr);
	attr->id = object_id(server, object);
}

// Only ctime counts for the order: mtime may have been set to any time by its owner.
void object_touch_status(struct server *server, struct far_record *object)
{
	int64_t now = server_now(server);

	object->ctime_ns = now > object->ctime_ns ? now : object->ctime_ns + 1;
}

void object_touch_content(struct server *server, struct far_record *object)
{
	xattr_drop_capability(server, object);
	object_touch_status(server, object);
	object->mtime_ns = object->ctime_ns;
	if (!object_is_directory(object))
		watchers_note(server, FAR_EVENT_CHANGED, object);
}

void object_touch_attributes(struct server *server, struct far_record *object)
{
	object_touch_status(server, object);
	watchers_note(server, FAR_EVENT_ATTRIBUTES, object);
}

int object_make(struct server *server, const struct object_new *new, struct far_record **out)
{
	uint64_t parent = new->directory ? object_id(server, new->directory) : 0;
	uint64_t offset = space_new_record(server, parent, new->name, new->value_room);
	struct far_record *object;
	int error;

	if (!offset)
		return -ENOSPC;
	object = record_at(server->pool, offset);
	object->mode = new->mode;
	object->uid = new->uid;
	object->gid = new->gid;
	if (new->directory &&new->directory->mode & S_ISGID) {
		object->gid = new->directory->gid;
		if (S_ISDIR(new->mode))
			object->mode |= S_ISGID;
	}
	object->nlink = S_ISDIR(new->mode) ? 2 : 1;
	if (S_ISCHR(new->mode) || S_ISBLK(new->mode))
		object->u.special.device = new->device;
	object->btime_ns = server_now(server);
	object->atime_ns = object->mtime_ns = object->ctime_ns = object->btime_ns;
	if (new->directory) {
		object->name_hash = (uint32_t)index_hash(server->index, parent, new->name);
		eviction_expect(server, object->name_hash);
	}
	atomic_store_explicit(&object->version, server->last_version + 1, memory_order_relaxed);
	error = object_acl_inherit(server, new->directory, object, new->umask);
	if (error)
		object_destroy(server, object);
	*out = object;
	return error;
}

int object_make_nameless(struct server *server, const struct object_new *new, struct far_record **out)
{
	int error = object_make(server, new, out);

	if (error)
		return error;
	(*out)->nlink = 0;
	record_publish(*out, FAR_RECORD_ORPHAN);
	return 0;
}

bool object_is_nameless(const struct far_record *object)
{
	return object->nlink == 0 && object->parent == 0;
}

void object_note_version(struct server *server, const struct far_record *object)
{
	uint64_t version = atomic_load_explicit(&object->version, memory_order_relaxed);

	if (version > server->last_version)
		server->last_version = version;
}

// The block of a name that did not fit into its record.
static void release_name(struct server *server, struct far_record *record)
{
	struct far_span name = record_name(server->pool, record);

	if (record->flags & FAR_RECORD_LONG_NAME)
		reclaim_block(server->reclaim, (uint64_t)((const char *)name.bytes - (const char *)pool_base(server->pool)), name.length);
}

void object_destroy(struct server *server, struct far_record *object)
{
	struct far_record value;

	value_detach(object, &value);
	// R1: cached locations are void before anything below can be reused.
	if (!FAR_BROKEN_UNDEAD)
		record_publish(object, FAR_RECORD_FREE);
	expiry_clear(server, object);
	if (S_ISREG(object->mode) || S_ISLNK(object->mode))
		value_release(server, &value);
	xattr_remove_all(server, object);
	release_name(server, object);
	reclaim_record(server->reclaim, record_offset(server->pool, object), record_size(object));
}

// Who holds it may keep it for ever. R10: readers see the deadline until they see that the name is gone.
static void orphan(struct server *server, struct far_record *object)
{
	record_publish(object, FAR_RECORD_ORPHAN);
	expiry_clear(server, object);
}

void object_settle(struct server *server, struct far_record *object)
{
	if (object->nlink > 0)
		record_publish(object, FAR_RECORD_LIVE);
	else if (object->holds > 0)
		orphan(server, object);
	else
		object_destroy(server, object);
}

void object_kill_suidgid(struct far_record *object)
{
	if (S_ISDIR(object->mode))
		return;
	object->mode &= ~(uint32_t)S_ISUID;
	if (object->mode & S_IXGRP)
		object->mode &= ~(uint32_t)S_ISGID;
}
