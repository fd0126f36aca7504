#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "server/expiry.h"
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

// R10. What is left is rounded down: a lease ends before the deadline.
static void lease(struct server *server, const struct far_record *object, struct far_location *location)
{
	uint64_t left_ms = expiry_left_ns(server, object) / 1000000U;

	location->flags = FAR_LOCATION_EXPIRES;
	location->lease_ms = (uint16_t)(left_ms < FAR_LEASE_MAX_MS ? left_ms : FAR_LEASE_MAX_MS);
}

uint32_t reply_locate(struct server *server, const struct far_record *object, uint64_t offset, struct far_location *location,
        struct far_wire_extent *extents, uint32_t room)
{
	bool is_partial = false;
	uint32_t count;

	reply_identify(server, object, location);
	if (object->flags & FAR_RECORD_EXPIRES)
		lease(server, object, location);
	location->record = record_offset(server->pool, object);
	location->epoch = atomic_load_explicit(&pool_header(server->pool)->location_epoch, memory_order_relaxed);
	location->size = value_size(object);
	if (!extents || (!S_ISREG(object->mode) && !S_ISLNK(object->mode)))
		return 0;
	count = value_locate(server->pool, object, offset, extents, room, &is_partial);
	location->extents = (uint16_t)count;
	if (is_partial)
		location->flags |= FAR_LOCATION_PARTIAL;
	return count;
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

void reply_written(struct request *request, const struct far_record *object, uint64_t offset, uint64_t length)
{
	struct far_write_reply *reply = request->reply;

	reply->offset = offset;
	reply->size = value_size(object);
	reply->word = atomic_load_explicit(&object->word, memory_order_relaxed);
	reply->version = atomic_load_explicit(&object->version, memory_order_relaxed);
	reply->mtime_ns = object->mtime_ns;
	reply->length = length;
	request->reply_length = sizeof(*reply);
}

// A small value travels with the entry, so that reading a small file needs no request of its own.
int reply_entry(struct request *request, struct far_record *object)
{
	struct far_entry_reply *reply = request->reply;
	struct far_wire_extent *extents = (struct far_wire_extent *)(reply + 1);
	struct server *server = request->server;
	bool is_locating = request->flags & FAR_GET_LOCATE;
	bool has_value = !(request->flags & FAR_GET_NO_VALUE) && (S_ISREG(object->mode) || S_ISLNK(object->mode)) &&
	                 value_size(object) <= FAR_BLOCK_MAX;
	int error = hold_add(request->server, request->lane->session, object);
	uint32_t length, value_length;

	if (error)
		return error;
	object_get_attr(server, object, &reply->attr);
	length = (uint32_t)sizeof(*reply) + (uint32_t)sizeof(*extents) * reply_locate(server, object, 0, &reply->location,
	                                                                         is_locating ? extents : NULL, FAR_EXTENTS_PER_REPLY);
	has_value = has_value && length + value_size(object) <= request->reply_room;
	value_length = has_value ? (uint32_t)value_size(object) : 0;
	reply->has_value = has_value;
	reply->value_length = value_length;
	if (has_value)
		value_read(server->pool, object, 0, value_length, (char *)request->reply + length);
	request->server->figures.bytes_out += value_length;
	request->reply_length = length + value_length;
	return 0;
}
