#include <errno.h>

#include "client/error.h"
#include "client/key_request.h"
#include "client/locate.h"

// Changes of names: delete, rename, mkdir.

void key_request_delete(struct key_request *request, struct far_span key, const uint64_t *expected)
{
	request->message.delete = (struct far_delete_request){.expected = expected ? *expected : 0, .key_length = (uint16_t)key.length};
	request->call = (struct call){
	        .op = FAR_OP_DELETE,
	        .flags = expected ? FAR_DELETE_EXPECT_VERSION : 0,
	        .is_change = true,
	        .message = &request->message,
	        .length = sizeof(request->message.delete),
	        .parts = {key},
	};
}

uint64_t key_reply_version(const struct reply *reply)
{
	bool has_one = reply->message && reply->length >= sizeof(struct far_change_reply);

	return has_one ? ((const struct far_change_reply *)reply->message)->location.version : 0;
}

static int delete (far_session *session, const void *key, size_t key_length, const uint64_t *expected, uint64_t *version)
{
	struct key_request request;
	struct far_lane *lane;
	struct reply reply;
	int error = far_key_check(key, key_length);

	if (error)
		return error_of_key(error, "delete", key, key_length);
	error = lane_acquire(session, &lane);
	if (error)
		return error;
	key_request_delete(&request, (struct far_span){key, (uint32_t)key_length}, expected);
	locate_drop_key(lane, locate_hash_key(lane, key, key_length));
	error = call(lane, &request.call, sizeof(struct far_reply), &reply);
	if (error == -ECANCELED && version)
		*version = key_reply_version(&reply);
	reply_release(lane, &reply);
	lane_release(lane);
	return error_of_key(error, "delete", key, key_length);
}

int far_delete(far_session *session, const void *key, size_t key_length)
{
	return delete (session, key, key_length, NULL, NULL);
}

int far_delete_version(far_session *session, const void *key, size_t key_length, uint64_t expected, uint64_t *version)
{
	return delete (session, key, key_length, &expected, version);
}

int far_rename(far_session *session, const void *from, size_t from_length, const void *to, size_t to_length)
{
	struct far_rename_request message = {.from_length = (uint16_t)from_length, .to_length = (uint16_t)to_length};
	struct call request = {
	        .op = FAR_OP_RENAME,
	        .is_change = true,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{from, (uint32_t)from_length}, {to, (uint32_t)to_length}},
	};
	struct far_lane *lane;
	struct reply reply;
	int error = far_key_check(from, from_length);

	if (error)
		return error_of_key(error, "rename", from, from_length);
	error = far_key_check(to, to_length);
	if (error)
		return error_of_key(error, "rename to", to, to_length);
	error = lane_acquire(session, &lane);
	if (error)
		return error;
	locate_drop_key(lane, locate_hash_key(lane, from, from_length));
	locate_drop_key(lane, locate_hash_key(lane, to, to_length));
	error = call(lane, &request, sizeof(struct far_reply), &reply);
	reply_release(lane, &reply);
	lane_release(lane);
	return error_of_key(error, "rename", from, from_length);
}

int far_mkdir(far_session *session, const void *key, size_t key_length, uint32_t mode)
{
	struct far_mkdir_request message = {.mode = mode, .key_length = (uint16_t)key_length};
	struct call request = {
	        .op = FAR_OP_MKDIR,
	        .is_change = true,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{key, (uint32_t)key_length}},
	};
	struct far_lane *lane;
	struct reply reply;
	int error = far_key_check(key, key_length);

	if (error)
		return error_of_key(error, "mkdir", key, key_length);
	error = lane_acquire(session, &lane);
	if (error)
		return error;
	error = call(lane, &request, sizeof(struct far_reply), &reply);
	reply_release(lane, &reply);
	lane_release(lane);
	return error_of_key(error, "mkdir", key, key_length);
}
