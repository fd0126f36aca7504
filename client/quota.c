#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/call.h"
#include "client/error.h"
#include "client/quota.h"

// Quotas of directories: set, get, remove and list; and what a server says of the one that was in a request's way.

// The entries of a reply that have not been taken.
struct entries {
	const char *at, *end;
	uint32_t left;
};

static struct entries entries_of(const void *message, uint32_t length)
{
	const struct far_quota_reply *reply = message;

	return (struct entries){(const char *)(reply + 1), (const char *)message + length, reply->count};
}

// The next one. -EPROTO: it is not whole.
static int take(struct entries *entries, struct far_quota *quota, struct far_span *key)
{
	struct far_quota_entry entry;

	if ((size_t)(entries->end - entries->at) < sizeof(entry))
		return -EPROTO;
	memcpy(&entry, entries->at, sizeof(entry));
	entries->at += sizeof(entry);
	if ((size_t)(entries->end - entries->at) < entry.key_length)
		return -EPROTO;
	*key = (struct far_span){entries->at, entry.key_length};
	entries->at += entry.key_length;
	entries->left--;
	*quota = (struct far_quota){
	        .bytes_limit = entry.bytes_limit,
	        .objects_limit = entry.objects_limit,
	        .bytes = entry.bytes,
	        .objects = entry.objects,
	        .refusals = entry.refusals,
	        .flags = entry.state & FAR_QUOTA_ENTRY_COUNTING ? FAR_QUOTA_COUNTING : 0,
	};
	return 0;
}

// --- what was refused ---

static void tell_use(char *text, size_t room, uint64_t used, uint64_t limit, const char *of_what)
{
	size_t length = strlen(text);

	if (limit)
		snprintf(text + length, room - length, "%s%llu of %llu %s", length ? ", " : "", (unsigned long long)used,
		        (unsigned long long)limit, of_what);
}

void quota_note_refusal(const struct far_reply *message, uint32_t length)
{
	struct entries entries;
	struct far_quota quota;
	struct far_span key;
	char use[128] = "";

	error_note_quota((struct far_span){"", 0}, NULL);
	if (length < sizeof(struct far_quota_reply))
		return;
	entries = entries_of(message, length);
	if (entries.left == 0 || take(&entries, &quota, &key))
		return;
	tell_use(use, sizeof(use), quota.bytes, quota.bytes_limit, "bytes");
	tell_use(use, sizeof(use), quota.objects, quota.objects_limit, "objects");
	error_note_quota(key, use);
}

// --- calls ---

static int error_of_quota(int error, const char *what, const void *key, size_t key_length)
{
	if (error == -ENODATA)
		return error_because(error, what, key, key_length, "the directory has no quota");
	if (error == -EPERM)
		return error_because(error, what, key, key_length, "quotas are for root to set and remove");
	if (error == -EINVAL && key_length == 0)
		return error_because(error, what, "/", 1, "a quota has a limit of bytes or of objects, below 2^62");
	if (error == -EMFILE)
		return error_because(error, what, key, key_length, "the server has as many quotas as it can have");
	if (error == -ENOTDIR)
		return error_because(error, what, key, key_length, "not a directory: quotas are of directories");
	return error_of_key(error, what, key, key_length);
}

// `quota` may be NULL.
static int call_for_quota(far_session *session, const char *what, unsigned flags, struct far_quota_request *message,
        const struct far_span *key, struct far_quota *quota)
{
	struct call request = {
	        .op = FAR_OP_QUOTA,
	        .flags = (uint16_t)flags,
	        .is_change = flags & (FAR_QUOTA_SET | FAR_QUOTA_REMOVE),
	        .message = message,
	        .length = sizeof(*message),
	        .parts = {*key},
	};
	struct far_quota told;
	struct far_lane *lane;
	struct far_span of;
	struct reply reply;
	int error = key->length ? far_key_check(key->bytes, key->length) : 0;

	if (!error)
		error = lane_acquire(session, &lane);
	if (error)
		return error_of_quota(error, what, key->bytes, key->length);
	message->key_length = (uint16_t)key->length;
	error = call(lane, &request, sizeof(struct far_quota_reply), &reply);
	if (!error && quota) {
		struct entries entries = entries_of(reply.message, reply.length);

		error = take(&entries, &told, &of);
		if (!error)
			*quota = told;
	}
	reply_release(lane, &reply);
	lane_release(lane);
	return error_of_quota(error, what, key->bytes, key->length);
}

int far_quota_set(far_session *session, const void *key, size_t key_length, uint64_t bytes, uint64_t objects, struct far_quota *quota)
{
	struct far_quota_request message = {.bytes = bytes, .objects = objects};
	const struct far_span span = {key, (uint32_t)key_length};

	if ((!bytes && !objects) || bytes > FAR_QUOTA_LIMIT_MAX || objects > FAR_QUOTA_LIMIT_MAX)
		return error_set(-EINVAL, "quota: limits of %llu bytes and %llu objects: one of them must be above 0, and none above 2^62",
		        (unsigned long long)bytes, (unsigned long long)objects);
	return call_for_quota(session, "set quota of", FAR_QUOTA_SET, &message, &span, quota);
}

int far_quota_get(far_session *session, const void *key, size_t key_length, struct far_quota *quota)
{
	struct far_quota_request message = {.bytes = 0};
	const struct far_span span = {key, (uint32_t)key_length};

	return call_for_quota(session, "quota of", 0, &message, &span, quota);
}

int far_quota_remove(far_session *session, const void *key, size_t key_length)
{
	struct far_quota_request message = {.bytes = 0};
	const struct far_span span = {key, (uint32_t)key_length};

	return call_for_quota(session, "remove quota of", FAR_QUOTA_REMOVE, &message, &span, NULL);
}

// --- the list ---

// The next page, in memory of its own: who is told may use the session. Returns its length, or an error.
static int fetch_page(far_session *session, uint64_t cursor, char *page)
{
	struct far_quota_request message = {.cursor = cursor};
	struct call request = {.op = FAR_OP_QUOTA, .flags = FAR_QUOTA_LIST, .message = &message, .length = sizeof(message)};
	struct far_lane *lane;
	struct reply reply;
	int length = 0;
	int error = lane_acquire(session, &lane);

	if (error)
		return error;
	error = call(lane, &request, sizeof(struct far_quota_reply), &reply);
	if (!error && reply.length > FAR_MESSAGE_SIZE_MAX)
		error = -EPROTO;
	if (!error) {
		memcpy(page, reply.message, reply.length);
		length = (int)reply.length;
	}
	reply_release(lane, &reply);
	lane_release(lane);
	return error ? error : length;
}

static int tell_page(const char *page, int length, far_quota_tell *tell, void *context)
{
	struct entries entries = entries_of(page, (uint32_t)length);
	struct far_quota quota;
	struct far_span key;
	int result = 0;

	while (entries.left > 0 && result == 0) {
		result = take(&entries, &quota, &key);
		if (result == 0)
			result = tell(context, key.bytes, key.length, &quota);
	}
	return result;
}

int far_quota_list(far_session *session, far_quota_tell *tell, void *context)
{
	char *page = calloc(1, FAR_MESSAGE_SIZE_MAX);
	const struct far_quota_reply *reply = (const struct far_quota_reply *)page;
	uint64_t cursor = 0;
	int result;

	if (!page)
		return error_set(-ENOMEM, "quotas: no memory");
	do {
		int length = fetch_page(session, cursor, page);

		if (length < 0) {
			result = error_of_key(length, "quotas", "", 0);
			break;
		}
		result = tell_page(page, length, tell, context);
		cursor = reply->cursor;
	} while (result == 0 && !reply->is_end && reply->count > 0);
	free(page);
	return result;
}
