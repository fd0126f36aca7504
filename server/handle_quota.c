// Quotas of directories: set, remove, tell, list; and the reply to what a quota was in the way of.
#include <errno.h>
#include <string.h>

#include "server/key_path.h"
#include "server/namespace.h"
#include "server/operations.h"
#include "server/quota.h"
#include "server/session.h"

static uint64_t tell_limit(uint64_t limit)
{
	return limit == UINT64_MAX ? 0 : limit;
}

// Puts the quota with its directory's key at the end of the reply. False: no room.
static bool add_entry(struct request *request, const struct quota *quota)
{
	struct far_quota_reply *reply = request->reply;
	struct far_quota_entry entry = {
	        .id = quota->id,
	        .bytes_limit = tell_limit(quota->limits.bytes),
	        .objects_limit = tell_limit(quota->limits.objects),
	        .bytes = quota->used.bytes,
	        .objects = quota->used.objects,
	        .refusals = quota->refusals,
	        .state = quota->is_counted ? 0 : FAR_QUOTA_ENTRY_COUNTING,
	};
	struct far_span key = {"", 0};
	struct key_path path;

	if (key_path_of(request->server, object_peek(request->server, quota->id), &path)) // else it is too long to be told
		key = key_path_span(&path);
	entry.key_length = (uint16_t)key.length;
	if (request->reply_room - request->reply_length < sizeof(entry) + key.length)
		return false;
	memcpy((char *)reply + request->reply_length, &entry, sizeof(entry)); // keys have any length: entries stand anywhere
	memcpy((char *)reply + request->reply_length + sizeof(entry), key.bytes, key.length);
	request->reply_length += (uint32_t)sizeof(entry) + key.length;
	reply->cursor = quota->number;
	reply->count++;
	return true;
}

static void begin_reply(struct request *request, uint64_t cursor)
{
	struct far_quota_reply *reply = request->reply;

	reply->cursor = cursor;
	reply->count = 0;
	reply->is_end = 1;
	request->reply_length = sizeof(*reply);
}

void reply_over_quota(struct request *request)
{
	const struct quota *quota = quota_refuse(request->server);

	begin_reply(request, 0);
	if (quota)
		add_entry(request, quota);
}

static int list(struct request *request)
{
	const struct far_quota_request *message = request->message;
	struct far_quota_reply *reply = request->reply;
	const struct quota *quota = quota_behind(request->server, message->cursor);

	begin_reply(request, message->cursor);
	while (quota && add_entry(request, quota))
		quota = quota->next;
	reply->is_end = quota == NULL;
	return 0;
}

static int find(struct request *request, struct far_record **object)
{
	const struct far_quota_request *message = request->message;
	struct far_span key = request_take(request, message->key_length);
	int error = 0;

	if (key.length)
		error = far_key_check(key.bytes, key.length);
	return error ? error : namespace_resolve(request->server, key, object);
}

static int tell(struct request *request, const struct far_record *object)
{
	const struct quota *quota = quota_of(request->server, object);

	if (!quota)
		return -ENODATA;
	begin_reply(request, 0);
	add_entry(request, quota);
	return 0;
}

static int change(struct request *request, struct far_record *object)
{
	const struct far_quota_request *message = request->message;
	const struct quota_amount limits = {message->bytes, message->objects};
	int error;

	if (request->lane->session->uid != 0)
		return -EPERM;
	if (request->flags & FAR_QUOTA_SET) {
		error = quota_set(request->server, object, &limits);
		return error ? error : tell(request, object);
	}
	begin_reply(request, 0);
	return quota_remove(request->server, object);
}

int handle_quota(struct request *request)
{
	const struct far_quota_request *message = request->message;
	unsigned flags = request->flags;
	struct far_record *object;
	int error;

	if (request->tail_length != message->key_length || (message->key_length && flags & FAR_QUOTA_LIST))
		return -EPROTO;
	if (flags & (flags - 1)) // more than one
		return -EINVAL;
	if (flags & FAR_QUOTA_LIST)
		return list(request);
	error = find(request, &object);
	if (error)
		return error;
	return flags & (FAR_QUOTA_SET | FAR_QUOTA_REMOVE) ? change(request, object) : tell(request, object);
}
