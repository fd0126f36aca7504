#include <string.h>

#include "client/call.h"
#include "client/error.h"
#include "client/stat.h"

// Attributes of a key.

void stat_of_attr(const struct far_attr *attr, struct far_stat *stat)
{
	*stat = (struct far_stat){
	        .id = attr->id,
	        .version = attr->version,
	        .size = attr->size,
	        .blocks = attr->blocks,
	        .atime_ns = attr->atime_ns,
	        .mtime_ns = attr->mtime_ns,
	        .ctime_ns = attr->ctime_ns,
	        .btime_ns = attr->btime_ns,
	        .mode = attr->mode,
	        .uid = attr->uid,
	        .gid = attr->gid,
	        .nlink = attr->nlink,
	};
}

int far_stat(far_session *session, const void *key, size_t key_length, struct far_stat *stat)
{
	struct far_key_request message = {.key_length = (uint16_t)key_length};
	struct call request = {
	        .op = FAR_OP_STAT,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{key, (uint32_t)key_length}},
	};
	struct far_lane *lane;
	struct reply reply;
	int error = key_length ? far_key_check(key, key_length) : 0;

	if (error)
		return error_of_key(error, "stat", key, key_length);
	error = lane_acquire(session, &lane);
	if (error)
		return error;
	error = call(lane, &request, sizeof(struct far_attr_reply), &reply);
	if (!error)
		stat_of_attr(&((const struct far_attr_reply *)reply.message)->attr, stat);
	reply_release(lane, &reply);
	lane_release(lane);
	return error_of_key(error, "stat", key, key_length);
}
