#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "server/holds.h"
#include "server/record.h"
#include "server/request.h"
#include "server/session.h"
#include "server/value.h"

void reply_identify(const struct server *server, const struct far_record *object, struct far_location *location)
{
	*location = (struct far_location){
	        .id = object_id(server, object),
	        .word = atomic_load_explicit(&object->word, memory_order_relaxed),
	        .version = atomic_load_explicit(&object->version, memory_order_relaxed),
	};
}

void reply_locate(const struct server *server, const struct far_record *object, uint64_t offset, struct far_location *location,
        struct far_wire_extent *extents, uint32_t room)
{
	bool is_partial = false;

	reply_identify(server, object, location);
	location->record = record_offset(server->pool, object);
	location->epoch = atomic_load_explicit(&pool_header(server->pool)->location_epoch, memory_order_relaxed);
	location->size = value_size(object);
	if (!extents || (!S_ISREG(object->mode) && !S_ISLNK(object->mode)))
		return;
	location->extents = value_locate(server->pool, object, offset, extents, room, &is_partial);
	if (is_partial)
		location->flags = FAR_LOCATION_PARTIAL;
}

void reply_attr(struct request *request, const struct far_record *object)
{
	struct far_attr_reply *reply = request->reply;

	object_get_attr(request->server, object, &reply->attr);
	request->reply_length = sizeof(*reply);
}

void reply_kill_suidgid(struct request *request, struct far_record *object)
{
	object_kill_suidgid(object);
	if (object->mode & S_ISGID)
		request->reply_flags |= FAR_REPLY_SGID;
}

// A small value travels with the entry, so that reading a small file needs no request of its own.
int reply_entry(struct request *request, struct far_record *object)
{
	struct far_entry_reply *reply = request->reply;
	struct far_wire_extent *extents = (struct far_wire_extent *)(reply + 1);
	const struct server *server = request->server;
	bool is_locating = request->flags & FAR_GET_LOCATE;
	bool has_value = !(request->flags & FAR_GET_NO_VALUE) && (S_ISREG(object->mode) || S_ISLNK(object->mode)) &&
	                 value_size(object) <= FAR_BLOCK_MAX;
	int error = hold_add(request->server, request->lane->session, object);
	uint32_t length;

	if (error)
		return error;
	object_get_attr(server, object, &reply->attr);
	reply_locate(server, object, 0, &reply->location, is_locating ? extents : NULL, FAR_EXTENTS_PER_REPLY);
	length = (uint32_t)sizeof(*reply) + reply->location.extents * (uint32_t)sizeof(*extents);
	reply->value_length = 0;
	reply->has_value = has_value && length + value_size(object) <= request->reply_room;
	if (reply->has_value) {
		reply->value_length = (uint32_t)value_size(object);
		value_read(server->pool, object, 0, reply->value_length, (char *)request->reply + length);
		request->server->figures.bytes_out += reply->value_length;
	}
	request->reply_length = length + reply->value_length;
	return 0;
}
