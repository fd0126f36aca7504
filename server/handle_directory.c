// Requests on names by their directory's id: lookup (and hold, which needs no name), create, link, unlink, rmdir, rename, and both kinds of listing.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "server/directory.h"
#include "server/eviction.h"
#include "server/expiry.h"
#include "server/holds.h"
#include "server/namespace.h"
#include "server/object_acl.h"
#include "server/operations.h"
#include "server/record.h"
#include "server/session.h"
#include "server/value.h"

// Finds the name, of `length`, that the request has behind its struct. -ESTALE, -ENOTDIR, -ENAMETOOLONG, -EINVAL, -ENOENT.
static int find_name(struct request *request, uint64_t parent, uint32_t length, struct far_record **directory, struct far_record **name)
{
	struct far_span span;
	int error;

	if (request->tail_length != length)
		return -EPROTO;
	span = request_take(request, length);
	error = far_name_check(span.bytes, span.length);
	if (!error)
		error = namespace_directory(request->server, parent, directory);
	if (error)
		return error;
	*name = namespace_find(request->server, *directory, span);
	return *name ? 0 : -ENOENT;
}

int handle_lookup(struct request *request)
{
	const struct far_lookup_request *message = request->message;
	struct far_record *directory, *name;
	struct far_record *object;
	int error = find_name(request, message->parent, message->name_length, &directory, &name);

	if (error)
		return error;
	object = namespace_target(request->server, name);
	eviction_use(request->server, object);
	return reply_entry(request, object);
}

// Whether an object may be found by its id alone. One without links lives on for those who hold it: asking for it, this session shows that its own hold is on its way back.
static bool may_hold(const struct request *request, const struct far_record *object)
{
	bool has_own = hold_exists(request->lane->session, object_id(request->server, object));

	if (object_is_nameless(object))
		return false;
	return object->nlink > 0 || object->holds > (has_own ? 1U : 0U);
}

int handle_hold(struct request *request)
{
	const struct far_object_request *message = request->message;
	struct far_record *object = object_by_id(request->server, message->id);

	if (object && request->flags & FAR_HOLD_PARENT) {
		if (!object_is_directory(object))
			return -ENOTDIR;
		if (object->nlink == 0) // it is nowhere any more
			return -ESTALE;
		if (object != request->server->root)
			object = object_by_id(request->server, object->parent);
	}
	return object && may_hold(request, object) ? reply_entry(request, object) : -ESTALE;
}

// `not_of_type`: what it is refused with if it is a directory and should not be, or the other way round.
static int remove_name(struct request *request, bool is_directory, int not_of_type)
{
	const struct far_remove_request *message = request->message;
	struct far_record *directory, *name, *object;
	int error = find_name(request, message->parent, message->name_length, &directory, &name);

	if (error)
		return error;
	object = namespace_target(request->server, name);
	if (message->expected && object_id(request->server, object) != message->expected)
		return -ESTALE;
	return object_is_directory(object) == is_directory ? namespace_remove(request->server, directory, name) : not_of_type;
}

int handle_unlink(struct request *request)
{
	return remove_name(request, false, -EISDIR);
}

int handle_rmdir(struct request *request)
{
	return remove_name(request, true, -ENOTDIR);
}

// --- create ---

static int check_type(uint32_t mode, uint32_t target_length)
{
	if (S_ISLNK(mode))
		return target_length == 0 ? -EINVAL : target_length > FAR_SYMLINK_MAX ? -ENAMETOOLONG : 0;
	if (target_length)
		return -EINVAL;
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISFIFO(mode) || S_ISSOCK(mode) || S_ISCHR(mode) || S_ISBLK(mode) ? 0 : -EINVAL;
}

// A symlink's target is its value.
static int store_target(struct server *server, struct far_record *symlink, struct far_span target)
{
	struct far_record value;
	int error;

	if (target.length <= FAR_INLINE_MAX && target.length <= record_inline_room(symlink)) {
		value_replace_inline(server, symlink, target.bytes, target.length);
		return 0;
	}
	error = value_build(server, target.bytes, target.length, &value);
	if (!error)
		value_replace(server, symlink, &value);
	return error;
}

static int create(struct request *request, struct object_new *new, struct far_span target)
{
	struct server *server = request->server;
	struct far_record *object;
	int error;

	new->value_room = target.length <= FAR_INLINE_MAX ? target.length : 0;
	error = object_make(server, new, &object);
	if (error)
		return error;
	if (target.length)
		error = store_target(server, object, target);
	if (!error)
		error = namespace_add(server, new->directory, object);
	if (error) {
		object_destroy(server, object);
		return error;
	}
	error = reply_entry(request, object);
	if (error)
		namespace_remove(server, new->directory, object);
	return error;
}

int handle_create(struct request *request)
{
	const struct far_create_request *message = request->message;
	struct object_new new = {.mode = message->mode & (S_IFMT | 07777),
	        .uid = message->uid,
	        .gid = message->gid,
	        .device = message->device,
	        .umask = message->umask};
	struct far_span target;
	int error;

	if (request->tail_length != (uint32_t)message->name_length + message->target_length)
		return -EPROTO;
	new.name = request_take(request, message->name_length);
	target = request_take(request, message->target_length);
	error = far_name_check(new.name.bytes, new.name.length);
	if (!error)
		error = check_type(new.mode, target.length);
	if (!error)
		error = namespace_directory(request->server, message->parent, &new.directory);
	if (!error && namespace_find(request->server, new.directory, new.name))
		error = -EEXIST;
	return error ? error : create(request, &new, target);
}

int handle_tmpfile(struct request *request)
{
	const struct far_create_request *message = request->message;
	struct object_new new = {.name = {"", 0}, .mode = message->mode & (S_IFMT | 07777), .uid = message->uid, .gid = message->gid};
	struct far_record *directory, *object;
	int error;

	if (!S_ISREG(new.mode) || message->name_length || message->target_length)
		return -EINVAL;
	error = namespace_directory(request->server, message->parent, &directory);
	if (error)
		return error;
	if (directory->nlink == 0)
		return -ENOENT;
	if (directory->mode & S_ISGID)
		new.gid = directory->gid;
	error = object_make_nameless(request->server, &new, &object);
	if (error)
		return error;
	error = object_acl_inherit(request->server, directory, object, message->umask);
	if (!error)
		error = reply_entry(request, object);
	if (error)
		object_destroy(request->server, object);
	return error;
}

int handle_link(struct request *request)
{
	const struct far_link_request *message = request->message;
	struct far_record *directory;
	struct far_record *object = object_by_id(request->server, message->id);
	struct far_span name;
	int error;

	if (request->tail_length != message->name_length)
		return -EPROTO;
	name = request_take(request, message->name_length);
	error = far_name_check(name.bytes, name.length);
	if (!error && !object)
		error = -ESTALE;
	if (!error && object_is_directory(object))
		error = -EPERM;
	// What has no name yet is its maker's.
	if (!error && object_is_nameless(object) && !hold_exists(request->lane->session, message->id))
		error = -ENOENT;
	if (!error)
		error = namespace_directory(request->server, message->parent, &directory);
	if (!error && namespace_find(request->server, directory, name))
		error = -EEXIST;
	if (!error)
		error = namespace_link(request->server, object, directory, name);
	return error ? error : reply_entry(request, object);
}

int handle_rename_at(struct request *request)
{
	const struct far_rename_at_request *message = request->message;
	struct namespace_rename rename = {.expected = message->expected, .flags = request->flags};
	struct far_record *moved;
	int error;

	if (request->tail_length != (uint32_t)message->name_length + message->new_name_length)
		return -EPROTO;
	rename.name = request_take(request, message->name_length);
	rename.new_name = request_take(request, message->new_name_length);
	error = far_name_check(rename.name.bytes, rename.name.length);
	if (!error)
		error = far_name_check(rename.new_name.bytes, rename.new_name.length);
	if (!error)
		error = namespace_directory(request->server, message->parent, &rename.from);
	if (!error)
		error = namespace_directory(request->server, message->new_parent, &rename.to);
	return error ? error : namespace_rename(request->server, &rename, &moved);
}

// --- listing ---

struct listing {
	const struct far_record *directory;
	struct far_span prefix;
	uint64_t cookie;
	uint32_t bytes_max;
};

static bool has_prefix(struct far_span name, struct far_span prefix)
{
	return name.length >= prefix.length && memcmp(name.bytes, prefix.bytes, prefix.length) == 0;
}

// Adds an entry to the reply. 0: no room for it.
static uint32_t add_entry(struct request *request, struct far_record *name, struct far_span text, char *at, uint32_t room)
{
	struct far_entry entry = {.cookie = name->cookie, .name_length = text.length};
	uint32_t length = (uint32_t)sizeof(entry) + text.length;

	if (length > room)
		return 0;
	object_get_attr(request->server, namespace_target(request->server, name), &entry.attr);
	memcpy(at, &entry, sizeof(entry)); // names have any length: entries stand anywhere
	memcpy(at + sizeof(entry), text.bytes, text.length);
	return length;
}

static int list(struct request *request, struct listing *listing)
{
	struct far_list_reply *reply = request->reply;
	struct pool *pool = request->server->pool;
	uint32_t room = request->reply_room - (uint32_t)sizeof(*reply);
	uint32_t filled = 0;
	uint32_t scanned = 0;
	uint64_t offset;
	int error = 0;

	if (listing->bytes_max < room)
		room = listing->bytes_max;
	reply->parent_id = listing->directory->parent;
	reply->count = 0;
	while ((offset = directory_next(pool, listing->directory, listing->cookie)) != 0 && scanned++ < FAR_LIST_SCAN_MAX) {
		struct far_record *name = record_at(pool, offset);
		struct far_span text = record_name(pool, name);
		uint32_t length;

		if (has_prefix(text, listing->prefix) && !expiry_is_over(request->server, namespace_target(request->server, name))) {
			length = add_entry(request, name, text, (char *)(reply + 1) + filled, room - filled);
			if (!length)
				break;
			if (request->flags & FAR_LIST_HOLD)
				error = hold_add(request->server, request->lane->session, namespace_target(request->server, name));
			if (error)
				break;
			filled += length;
			reply->count++;
		}
		listing->cookie = name->cookie;
	}
	if (error && reply->count == 0)
		return error;
	reply->is_end = offset == 0;
	reply->cookie = listing->cookie;
	request->reply_length = (uint32_t)sizeof(*reply) + filled;
	return 0;
}

int handle_list(struct request *request)
{
	const struct far_list_request *message = request->message;
	struct listing listing = {.prefix = {"", 0}, .cookie = message->cookie, .bytes_max = message->bytes_max};
	struct far_record *directory = NULL;
	struct far_span key;
	int error = 0;

	if (request->tail_length != (uint32_t)message->key_length + message->prefix_length || request->flags & FAR_LIST_HOLD)
		return -EPROTO;
	key = request_take(request, message->key_length);
	listing.prefix = request_take(request, message->prefix_length);
	if (key.length)
		error = far_key_check(key.bytes, key.length);
	if (!error)
		error = namespace_resolve(request->server, key, &directory);
	if (!error && !object_is_directory(directory))
		error = -ENOTDIR;
	listing.directory = directory;
	return error ? error : list(request, &listing);
}

int handle_readdir(struct request *request)
{
	const struct far_list_request *message = request->message;
	struct listing listing = {.prefix = {"", 0}, .cookie = message->cookie, .bytes_max = message->bytes_max};
	struct far_record *directory;
	int error;

	if (request->tail_length)
		return -EPROTO;
	error = namespace_directory(request->server, message->id, &directory);
	listing.directory = directory;
	return error ? error : list(request, &listing);
}
