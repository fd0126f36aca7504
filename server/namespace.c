#include "server/namespace.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "server/directory.h"
#include "server/eviction.h"
#include "server/expiry.h"
#include "server/quota.h"
#include "server/record.h"
#include "server/space.h"
#include "server/watchers.h"
#include "server/window.h"

// Whether the object's time is over, by one of its names. Then all of them go; else it stays for the request.
static bool is_expired(struct server *server, struct far_record *name)
{
	struct far_record *object = name;

	if (FAR_WORD_STATE(atomic_load_explicit(&name->word, memory_order_relaxed)) == FAR_RECORD_LINK)
		object = record_by_id(server->pool, name->u.special.target);
	if (!expiry_is_over(server, object)) {
		eviction_meet(server, object);
		quota_meet(server, object);
		return false;
	}
	namespace_remove_names(server, object, UINT32_MAX);
	return true;
}

struct far_record *namespace_find(struct server *server, const struct far_record *directory, struct far_span name)
{
	uint64_t offset = index_find(server->index, object_id(server, directory), name);

	struct far_record *found = offset ? record_at(server->pool, offset) : NULL;

	if (found && is_expired(server, found))
		return NULL;
	window_settle(server, found);
	return found;
}

struct far_record *namespace_target(struct server *server, struct far_record *name)
{
	if (FAR_WORD_STATE(atomic_load_explicit(&name->word, memory_order_relaxed)) == FAR_RECORD_LINK)
		name = record_by_id(server->pool, name->u.special.target);
	window_settle(server, name);
	return name;
}

int namespace_resolve_parent(struct server *server, struct far_span key, struct far_record **directory, struct far_span *last)
{
	struct far_record *at = server->root;
	struct far_record *name;

	far_key_next(&key, last);
	while (key.length > 0) {
		name = namespace_find(server, at, *last);
		if (!name)
			return -ENOENT;
		at = namespace_target(server, name);
		if (!object_is_directory(at))
			return -ENOTDIR;
		far_key_next(&key, last);
	}
	*directory = at;
	return 0;
}

int namespace_resolve(struct server *server, struct far_span key, struct far_record **object)
{
	struct far_record *directory, *name;
	struct far_span last;
	int error;

	*object = server->root;
	if (key.length == 0)
		return 0;
	error = namespace_resolve_parent(server, key, &directory, &last);
	if (error)
		return error;
	name = namespace_find(server, directory, last);
	if (!name)
		return -ENOENT;
	*object = namespace_target(server, name);
	return 0;
}

int namespace_directory(struct server *server, uint64_t id, struct far_record **directory)
{
	*directory = object_by_id(server, id);
	if (!*directory)
		return -ESTALE;
	return object_is_directory(*directory) ? 0 : -ENOTDIR;
}

int namespace_add(struct server *server, struct far_record *directory, struct far_record *object)
{
	uint64_t offset = record_offset(server->pool, object);
	int error;

	if (directory->nlink == 0)
		return -ENOENT;
	error = quota_require_object(server, object_id(server, directory), object);
	if (error)
		return error;
	SPACE_TRY(server, error, index_insert(server->index, offset));
	if (error)
		return error;
	SPACE_TRY(server, error, directory_insert(server->pool, directory, offset));
	if (error) {
		index_remove(server->index, offset);
		return error;
	}
	if (object_is_directory(object))
		directory->nlink++;
	object_touch_content(server, directory);
	record_publish(object, FAR_RECORD_LIVE);
	server->figures.objects++;
	watchers_note_name(server, FAR_EVENT_CREATED, object, object);
	eviction_add(server, object);
	quota_add(server, object);
	return 0;
}

int namespace_create(struct server *server, const struct object_new *new, struct far_record **object)
{
	int error = object_make(server, new, object);

	if (error)
		return error;
	error = namespace_add(server, new->directory, *object);
	if (error)
		object_destroy(server, *object);
	return error;
}

// --- parents of a key ---

static int make_missing(struct server *server, struct far_record *parent, struct far_span name, struct namespace_owner owner,
        struct namespace_made *made, struct far_record **out)
{
	struct object_new new = {.directory = parent, .name = name, .mode = S_IFDIR | 0755, .uid = owner.uid, .gid = owner.gid};
	int error;

	if (made->count == 0) {
		made->base = parent;
		made->base_mtime_ns = parent->mtime_ns;
		made->base_ctime_ns = parent->ctime_ns;
	}
	error = namespace_create(server, &new, out);
	if (error)
		return error;
	made->deepest = *out;
	made->count++;
	return 0;
}

int namespace_make_parents(struct server *server, struct far_span key, struct namespace_owner owner, struct namespace_made *made,
        struct far_record **directory, struct far_span *last)
{
	struct far_record *at = server->root;
	struct far_record *name;
	int error = 0;

	memset(made, 0, sizeof(*made));
	far_key_next(&key, last);
	while (key.length > 0 && !error) {
		name = made->count ? NULL : namespace_find(server, at, *last);
		if (!name)
			error = make_missing(server, at, *last, owner, made, &at);
		else
			at = namespace_target(server, name);
		if (!error && !object_is_directory(at))
			error = -ENOTDIR;
		far_key_next(&key, last);
	}
	if (error)
		namespace_unmake_parents(server, made);
	*directory = at;
	return error;
}

void namespace_unmake_parents(struct server *server, const struct namespace_made *made)
{
	struct far_record *directory = made->deepest;

	for (uint32_t i = 0; i < made->count; i++) {
		struct far_record *parent = object_by_id(server, directory->parent);

		// An empty directory with one name: its removal needs no memory and cannot fail.
		watchers_unmake(server, directory);
		namespace_take_out(server, parent, directory);
		directory = parent;
	}
	if (made->count > 0) {
		made->base->mtime_ns = made->base_mtime_ns;
		made->base->ctime_ns = made->base_ctime_ns;
	}
}
