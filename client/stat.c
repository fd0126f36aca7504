#include <string.h>

#include "client/error.h"
#include "client/key_request.h"
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
	        .flags = attr->flags & FAR_ATTR_PINNED ? FAR_STAT_PINNED : 0,
	};
}

void key_request_stat(struct key_request *request, struct far_span key)
{
	request->message.key = (struct far_key_request){.key_length = (uint16_t)key.length};
	request->call = (struct call){
	        .op = FAR_OP_STAT,
	        .message = &request->message,
	        .length = sizeof(request->message.key),
	        .parts = {key},
	};
}

int far_stat(far_session *session, const void *key, size_t key_length, struct far_stat *stat)
{
	struct key_request request;
	struct far_lane *lane;
	struct reply reply;
	int error = key_length ? far_key_check(key, key_length) : 0;

	if (error)
		return error_of_key(error, "stat", key, key_length);
	error = lane_acquire(session, &lane);
	if (error)
		return error;
	key_request_stat(&request, (struct far_span){key, (uint32_t)key_length});
	error = call(lane, &request.call, sizeof(struct far_attr_reply), &reply);
	if (!error)
		stat_of_attr(&((const struct far_attr_reply *)reply.message)->attr, stat);
	reply_release(lane, &reply);
	lane_release(lane);
	return error_of_key(error, "stat", key, key_length);
}
