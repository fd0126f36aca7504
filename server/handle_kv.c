// Requests by key: put, publish, delete, rename, mkdir, stat, upload. (get: handle_read.c, list: handle_directory.c.)
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "far/broken.h"
#include "server/eviction.h"
#include "server/expiry.h"
#include "server/holds.h"
#include "server/namespace.h"
#include "server/operations.h"
#include "server/put.h"
#include "server/quota.h"
#include "server/record.h"
#include "server/session.h"
#include "server/space.h"
#include "server/upload.h"
#include "server/value.h"

static struct namespace_owner session_owner(const struct request *request)
{
	return (struct namespace_owner){request->lane->session->uid, request->lane->session->gid};
}

// A change that was refused because of the version tells the current one; object NULL = there is none.
static int refuse_version(struct request *request, const struct far_record *object)
{
	struct far_change_reply *reply = request->reply;

	reply->location = (struct far_location){0};
	if (object)
		reply_identify(request->server, object, &reply->location);
	request->reply_length = sizeof(*reply);
	return -ECANCELED;
}

static int reply_identity(struct request *request, const struct far_record *object)
{
	struct far_change_reply *reply = request->reply;

	reply_identify(request->server, object, &reply->location);
	request->reply_length = sizeof(*reply);
	return 0;
}

// A stored value in one piece (or none) is located in the reply, so that the first get needs no request.
static int reply_stored(struct request *request, const struct far_record *object)
{
	struct far_change_reply *reply = request->reply;
	uint32_t located = reply_locate(request->server, object, 0, &reply->location, (struct far_wire_extent *)(reply + 1), 1);

	if (reply->location.flags & FAR_LOCATION_PARTIAL)
		return reply_identity(request, object);
	request->reply_length = (uint32_t)sizeof(*reply) + located * (uint32_t)sizeof(struct far_wire_extent);
	return 0;
}

// --- put and publish ---

static int store(struct server *server, struct far_record *object, const struct new_value *new)
{
	struct far_record value;
	int error;

	if (new->built) {
		error = quota_require_value(server, object, new->built);
		if (!error)
			value_replace(server, object, new->built);
		return error;
	}
	if (new->bytes.length <= FAR_INLINE_MAX &&new->bytes.length <= record_inline_room(object)) {
		value_replace_inline(server, object, new->bytes.bytes, new->bytes.length);
		return 0;
	}
	error = value_build(server, new->bytes.bytes, new->bytes.length, &value);
	if (error)
		return error;
	error = quota_require_value(server, object, &value);
	if (error)
		value_release(server, &value);
	else
		value_replace(server, object, &value);
	return error;
}

// Bytes in front of the key.
static uint32_t ttl_length(const struct request *request)
{
	return request->flags & FAR_PUT_HAS_TTL ? (uint32_t)sizeof(uint64_t) : 0;
}

static void take_ttl(struct request *request, struct new_value *new)
{
	if (request->flags & FAR_PUT_HAS_TTL)
		memcpy(&new->ttl_ms, request_take(request, sizeof(new->ttl_ms)).bytes, sizeof(new->ttl_ms));
}

static int check_ttl(const struct request *request, const struct new_value *new)
{
	if (!(request->flags & FAR_PUT_HAS_TTL))
		return 0;
	return request->flags & FAR_PUT_KEEPS_TTL || new->ttl_ms == 0 || new->ttl_ms > FAR_TTL_MAX_MS ? -EINVAL : 0;
}

// Behind all lookups, which may remove objects whose time is over, and before anything changes: give_ttl will find its memory.
static int reserve_ttl(struct request *request)
{
	return request->flags & FAR_PUT_HAS_TTL ? expiry_reserve(request->server) : 0;
}

// The object is a file with a name, and the memory is there: it cannot fail.
static void give_ttl(struct request *request, struct far_record *object, const struct new_value *new)
{
	if (request->flags & FAR_PUT_HAS_TTL)
		expiry_set(request->server, object, new->ttl_ms);
	else if (!(request->flags & FAR_PUT_KEEPS_TTL))
		expiry_clear(request->server, object);
}

static int put_existing(struct request *request, struct far_record *object, const struct new_value *new)
{
	int error = store(request->server, object, new);

	if (error)
		return error;
	object_touch_content(request->server, object);
	eviction_use(request->server, object);
	give_ttl(request, object, new);
	return reply_stored(request, object);
}

static int put_new(struct request *request, struct far_record *directory, struct far_span name, const struct new_value *new)
{
	const struct far_put_request *message = request->message;
	struct namespace_owner owner = session_owner(request);
	struct object_new made = {
	        .directory = directory,
	        .name = name,
	        .mode = S_IFREG | (message->mode & 07777),
	        .uid = owner.uid,
	        .gid = owner.gid,
	        .value_room = !new->built &&new->bytes.length <= FAR_INLINE_MAX ? new->bytes.length : 0,
	};
	struct far_record *object;
	int error = object_make(request->server, &made, &object);

	if (error)
		return error;
	error = store(request->server, object, new);
	if (!error) {
		give_ttl(request, object, new);
		error = namespace_add(request->server, directory, object);
	}
	if (error) {
		if (new->built)
			object->value_kind = FAR_VALUE_EMPTY; // it stays the caller's
		object_destroy(request->server, object);
		return error;
	}
	return reply_stored(request, object);
}

// What is there instead of the expected version, with its value if that was asked for and fits.
static int refuse_put(struct request *request, const struct far_record *object)
{
	struct far_change_reply *reply = request->reply;
	int error = refuse_version(request, object);
	uint64_t size = object ? value_size(object) : 0;

	if (!object || !(request->flags & FAR_PUT_TELL_CURRENT))
		return error;
	reply->location.size = size;
	if (size > request->reply_room - sizeof(*reply) || size > server_eager_limit(request->server))
		return error;
	value_read(request->server->pool, object, 0, size, reply + 1);
	request->reply_length += (uint32_t)size;
	request->server->figures.bytes_out += size;
	return error;
}

int put_store(struct request *request, struct far_span key, const struct new_value *new)
{
	const struct far_put_request *message = request->message;
	struct server *server = request->server;
	bool is_conditional = request->flags & FAR_PUT_EXPECT_VERSION;
	struct far_record *directory, *name, *object = NULL;
	struct namespace_made made;
	struct far_span last;
	int error = check_ttl(request, new);

	if (error)
		return error;
	if (is_conditional && message->expected != 0) {
		error = namespace_resolve(server, key, &object);
		if (error == -ENOENT)
			return refuse_put(request, NULL);
		if (error)
			return error;
	}
	error = namespace_make_parents(server, key, session_owner(request), &made, &directory, &last);
	if (error)
		return error;
	name = namespace_find(server, directory, last);
	object = name ? namespace_target(server, name) : NULL;
	if (object && object_require_value(object))
		return object_require_value(object);
	if (object && is_conditional && !FAR_BROKEN_LOST_CAS &&
	        atomic_load_explicit(&object->version, memory_order_relaxed) != message->expected)
		return refuse_put(request, object);
	error = reserve_ttl(request);
	if (!error)
		error = object ? put_existing(request, object, new) : put_new(request, directory, last, new);
	if (error) {
		expiry_unreserve(server);
		namespace_unmake_parents(server, &made);
	}
	return error;
}

int put_store_for(const struct request *request, const struct far_put_request *put, struct far_span key, const struct new_value *new,
        struct put_answer *answer)
{
	struct request one = *request;

	one.message = put;
	one.flags = put->header.flags;
	one.reply = answer;
	one.reply_room = sizeof(*answer);
	return put_store(&one, key, new);
}

static int put_ranges(struct request *request, struct far_span key, uint64_t ttl_ms)
{
	const struct far_put_request *message = request->message;
	const struct far_range *ranges = (const struct far_range *)request->tail;
	struct far_range aligned[FAR_RANGES_PER_REQUEST];
	struct value_source sources[FAR_RANGES_PER_REQUEST];
	struct far_record value;
	uint64_t length = 0;
	int error;

	if (message->ranges > FAR_RANGES_PER_REQUEST)
		return -EINVAL;
	memcpy(aligned, ranges, message->ranges * sizeof(*ranges)); // behind a key they stand anywhere
	for (uint32_t i = 0; i < message->ranges; i++)
		length += aligned[i].length;
	if (length != message->value_length)
		return -EPROTO;
	error = grant_commit(request->lane, aligned, message->ranges, sources);
	if (!error)
		error = far_key_check(key.bytes, key.length);
	if (!error)
		error = value_build_granted(request->server, sources, message->ranges, &value);
	if (error)
		return error;
	request->server->figures.bytes_in += length;
	error = put_store(request, key, &(struct new_value){.built = &value, .ttl_ms = ttl_ms});
	if (error)
		value_release(request->server, &value);
	return error;
}

int handle_put(struct request *request)
{
	const struct far_put_request *message = request->message;
	bool has_ranges = request->flags & FAR_PUT_RANGES;
	uint64_t behind = has_ranges ? message->ranges * sizeof(struct far_range) : message->value_length;
	uint32_t front = ttl_length(request) + message->key_length;
	struct new_value new = {0};
	struct far_span key;
	int error;

	if (request->tail_length < front || request->tail_length - front != behind)
		return -EPROTO;
	take_ttl(request, &new);
	key = request_take(request, message->key_length);
	if (has_ranges)
		return put_ranges(request, key, new.ttl_ms);
	error = far_key_check(key.bytes, key.length);
	if (error)
		return error;
	new.bytes = request_take(request, request->tail_length);
	error = put_store(request, key, &new);
	if (!error)
		request->server->figures.bytes_in += new.bytes.length;
	return error;
}

int handle_upload(struct request *request)
{
	const struct far_upload_request *message = request->message;
	struct server *server = request->server;
	struct namespace_owner owner = session_owner(request);
	struct object_new new = {.name = {"", 0}, .mode = S_IFREG | 0600, .uid = owner.uid, .gid = owner.gid};
	struct far_record *upload;
	int error;

	if (message->size_hint > (server->eviction ? space_available_bytes(server) : space_free_bytes(server)))
		return -ENOSPC;
	error = object_make_nameless(server, &new, &upload);
	if (error)
		return error;
	error = hold_add(server, request->lane->session, upload);
	if (error) {
		object_destroy(server, upload);
		return error;
	}
	if (server->eviction) // a large value comes: there will be memory for it
		grant_want_more(request->lane);
	reply_attr(request, upload);
	return 0;
}

int handle_publish(struct request *request)
{
	const struct far_put_request *message = request->message;
	struct far_record *upload = upload_find(request, message->upload);
	struct new_value new = {0};
	struct far_record value;
	struct far_span key;
	int error;

	if (request->tail_length != ttl_length(request) + message->key_length || request->flags & FAR_PUT_RANGES)
		return -EPROTO;
	if (!upload)
		return -ESTALE;
	take_ttl(request, &new);
	key = request_take(request, message->key_length);
	error = far_key_check(key.bytes, key.length);
	if (error)
		return error;
	value_detach(upload, &value);
	new.built = &value;
	// Some small uploads stand in the record itself: those bytes are copied.
	if (upload->value_kind == FAR_VALUE_INLINE) {
		new.built = NULL;
		new.bytes.bytes = pool_at(request->server->pool, record_inline_offset(request->server->pool, upload));
		new.bytes.length = (uint32_t)value_size(upload);
	}
	error = put_store(request, key, &new);
	if (error)
		return error;
	upload_use_up(request, upload, message->upload);
	return 0;
}

// --- the rest ---

int handle_delete(struct request *request)
{
	const struct far_delete_request *message = request->message;
	bool is_conditional = request->flags & FAR_DELETE_EXPECT_VERSION;
	struct far_change_reply *reply = request->reply;
	struct far_record *directory, *name, *object;
	struct far_location gone;
	struct far_span key, last;
	int error;

	if (request->tail_length != message->key_length)
		return -EPROTO;
	key = request_take(request, message->key_length);
	error = far_key_check(key.bytes, key.length);
	if (!error)
		error = namespace_resolve_parent(request->server, key, &directory, &last);
	if (error)
		return error;
	name = namespace_find(request->server, directory, last);
	if (!name)
		return -ENOENT;
	object = namespace_target(request->server, name);
	if (is_conditional && atomic_load_explicit(&object->version, memory_order_relaxed) != message->expected)
		return refuse_version(request, object);
	reply_identify(request->server, object, &gone);
	error = namespace_remove(request->server, directory, name);
	if (error)
		return error;
	reply->location = gone;
	request->reply_length = sizeof(*reply);
	return 0;
}

int handle_stat(struct request *request)
{
	const struct far_key_request *message = request->message;
	struct far_record *object;
	struct far_span key;
	int error = 0;

	if (request->tail_length != message->key_length)
		return -EPROTO;
	key = request_take(request, message->key_length);
	if (key.length)
		error = far_key_check(key.bytes, key.length);
	if (!error)
		error = namespace_resolve(request->server, key, &object);
	if (!error)
		reply_attr(request, object);
	return error;
}

int handle_rename(struct request *request)
{
	const struct far_rename_request *message = request->message;
	struct namespace_rename rename = {.flags = request->flags};
	struct server *server = request->server;
	struct namespace_made made;
	struct far_record *moved;
	struct far_span from, to;
	int error;

	if (request->tail_length != (uint32_t)message->from_length + message->to_length)
		return -EPROTO;
	from = request_take(request, message->from_length);
	to = request_take(request, message->to_length);
	error = far_key_check(from.bytes, from.length);
	if (!error)
		error = far_key_check(to.bytes, to.length);
	if (!error)
		error = namespace_resolve_parent(server, from, &rename.from, &rename.name);
	if (!error && !namespace_find(server, rename.from, rename.name))
		error = -ENOENT;
	if (error)
		return error;
	error = namespace_make_parents(server, to, session_owner(request), &made, &rename.to, &rename.new_name);
	if (error)
		return error;
	error = namespace_rename(server, &rename, &moved);
	if (error) {
		namespace_unmake_parents(server, &made);
		return error;
	}
	return reply_identity(request, moved);
}

int handle_mkdir(struct request *request)
{
	const struct far_mkdir_request *message = request->message;
	struct namespace_owner owner = session_owner(request);
	struct server *server = request->server;
	struct object_new new = {.mode = S_IFDIR | (message->mode & 07777), .uid = owner.uid, .gid = owner.gid};
	struct far_record *name, *object;
	struct namespace_made made;
	struct far_span key;
	int error;

	if (request->tail_length != message->key_length)
		return -EPROTO;
	key = request_take(request, message->key_length);
	error = far_key_check(key.bytes, key.length);
	if (!error)
		error = namespace_make_parents(server, key, owner, &made, &new.directory, &new.name);
	if (error)
		return error;
	name = namespace_find(server, new.directory, new.name);
	if (name) {
		object = namespace_target(server, name);
		error = object_is_directory(object) ? 0 : -EEXIST;
	} else {
		error = namespace_create(server, &new, &object);
	}
	if (!error)
		reply_attr(request, object);
	else
		namespace_unmake_parents(server, &made);
	return error;
}
