// Requests on extended attributes: get, set, list, remove. A value or list that does not fit one reply is fetched part by part; a stamp that is the same in each shows that they are
// of one moment. A value that does not fit a request is written into an upload first, whose memory becomes the attribute's.
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <xxhash.h>

#include "far/xattr_name.h"
#include "server/object_acl.h"
#include "server/operations.h"
#include "server/record.h"
#include "server/session.h"
#include "server/upload.h"
#include "server/value.h"
#include "server/xattr_facts.h"

// Bytes of one part that go into the reply.
struct part {
	char *to;
	uint32_t room;
	uint32_t offset; // of the whole
	uint32_t length; // of the whole, so far
	uint32_t filled;
};

static struct part part_begin(const struct request *request, uint32_t offset)
{
	struct far_xattr_reply *reply = request->reply;

	return (struct part){.to = (char *)(reply + 1), .room = request->reply_room - (uint32_t)sizeof(*reply), .offset = offset};
}

// The next bytes of the whole: those of the part are copied.
static void part_add(struct part *part, const char *bytes, uint32_t length)
{
	uint32_t skip = part->offset > part->length ? part->offset - part->length : 0;

	part->length += length;
	if (skip >= length || part->filled == part->room)
		return;
	length -= skip;
	if (length > part->room - part->filled)
		length = part->room - part->filled;
	memcpy(part->to + part->filled, bytes + skip, length);
	part->filled += length;
}

static int part_reply(struct request *request, const struct part *part, uint64_t stamp)
{
	struct far_xattr_reply *reply = request->reply;

	reply->stamp = stamp;
	reply->length = part->length;
	reply->reserved = 0;
	request->reply_length = (uint32_t)sizeof(*reply) + part->filled;
	return 0;
}

// What get and remove begin with. An object that is only looked at keeps its write windows.
static int take_name(struct request *request, struct far_span *name)
{
	const struct far_xattr_get_request *message = request->message;

	if (request->tail_length != message->name_length)
		return -EPROTO;
	*name = request_take(request, message->name_length);
	return far_xattr_check_name(name->bytes, name->length);
}

// --- get and list ---

static int get_fact(struct request *request, struct far_span name)
{
	const struct far_xattr_get_request *message = request->message;
	const struct far_record *object = object_visited(request->server, message->id, request->lane->session);
	struct part part = part_begin(request, message->offset);
	char value[XATTR_FACT_MAX];
	int length = object ? xattr_fact_get(request->server, object, name, value) : -ESTALE;

	if (length < 0)
		return length;
	part_add(&part, value, (uint32_t)length);
	return part_reply(request, &part, 0);
}

int handle_xattr_get(struct request *request)
{
	const struct far_xattr_get_request *message = request->message;
	const struct far_record *object = object_peek(request->server, message->id);
	struct part part = part_begin(request, message->offset);
	const struct xattr *attribute;
	struct far_span name;
	int error = take_name(request, &name);

	if (error)
		return error;
	if (!object)
		return -ESTALE;
	if (xattr_fact_is_name(name))
		return get_fact(request, name);
	attribute = xattr_find(request->server, object, name);
	if (!attribute)
		return -ENODATA;
	part.length = attribute->value_length;
	if (part.offset < part.length)
		part.filled = part.length - part.offset < part.room ? part.length - part.offset : part.room;
	if (part.filled)
		xattr_read(request->server, attribute, part.offset, part.filled, part.to);
	return part_reply(request, &part, attribute->stamp);
}

int handle_xattr_list(struct request *request)
{
	const struct far_xattr_get_request *message = request->message;
	const struct far_record *object = object_peek(request->server, message->id);
	struct part part = part_begin(request, message->offset);
	uint64_t stamp = 0; // sums are the same whenever the same settings are: each is hashed
	unsigned position = 0;
	const char *fact;

	if (message->name_length)
		return -EPROTO;
	if (!object)
		return -ESTALE;
	for (const struct xattr *attribute = xattr_first(request->server, object); attribute;
	        attribute = xattr_next(request->server, attribute)) {
		struct far_span name = xattr_name(attribute);

		part_add(&part, name.bytes, name.length);
		part_add(&part, "", 1);
		stamp += XXH3_64bits(&attribute->stamp, sizeof(attribute->stamp));
	}
	while (request->flags & FAR_XATTR_FACTS && (fact = xattr_fact_next(request->server, object, &position)) != NULL)
		part_add(&part, fact, (uint32_t)strlen(fact) + 1);
	return part_reply(request, &part, stamp);
}

// --- set and remove ---

// The upload's bytes as a value: stored ones stay where they are, those in its record are copied.
static struct xattr_value upload_value(const struct request *request, const struct far_record *upload, struct far_record *stored)
{
	struct xattr_value value = {.length = (uint32_t)value_size(upload), .stored = stored};

	value_detach(upload, stored);
	if (upload->value_kind == FAR_VALUE_INLINE) {
		value.stored = NULL;
		value.bytes = pool_at(request->server->pool, record_inline_offset(request->server->pool, upload));
	}
	return value;
}

static int set(struct request *request, struct far_record *object, struct far_span name, const struct xattr_value *value)
{
	int error;

	if (object_acl_is_name(name))
		error = object_acl_set(request->server, object, name, value, request->flags);
	else
		error = xattr_set(request->server, object, name, value, request->flags);
	if (!error)
		object_touch_attributes(request->server, object);
	return error;
}

static int set_uploaded(struct request *request, struct far_record *object, struct far_span name)
{
	const struct far_xattr_set_request *message = request->message;
	struct far_record *upload = upload_find(request, message->upload);
	struct xattr_value value;
	struct far_record stored;
	int error;

	if (!upload || upload == object)
		return -ESTALE;
	if (value_size(upload) != message->value_length)
		return -EINVAL;
	value = upload_value(request, upload, &stored);
	error = set(request, object, name, &value);
	if (!error)
		upload_use_up(request, upload, message->upload);
	return error;
}

static bool may_change_fact(const struct request *request, struct far_span name)
{
	return request->lane->session->uid == 0 || !xattr_fact_is_roots(name);
}

int handle_xattr_set(struct request *request)
{
	const struct far_xattr_set_request *message = request->message;
	struct far_record *object = object_by_id(request->server, message->id);
	struct xattr_value value = {.length = message->value_length};
	struct far_span name;
	int error;

	if (request->tail_length != message->name_length + (message->upload ? 0 : (uint64_t)message->value_length))
		return -EPROTO;
	name = request_take(request, message->name_length);
	value.bytes = request->tail;
	error = far_xattr_check_name(name.bytes, name.length);
	if (error)
		return error;
	if (!object)
		return -ESTALE;
	if (message->value_length > FAR_XATTR_VALUE_MAX)
		return -E2BIG;
	if (!may_change_fact(request, name))
		return -EPERM;
	if (xattr_fact_is_name(name))
		return message->upload ? -EPERM
		                       : xattr_fact_set(request->server, object, name, (struct far_span){value.bytes, value.length},
		                                 request->flags);
	return message->upload ? set_uploaded(request, object, name) : set(request, object, name, &value);
}

int handle_xattr_remove(struct request *request)
{
	const struct far_xattr_get_request *message = request->message;
	struct far_record *object = object_by_id(request->server, message->id);
	struct far_span name;
	int error = take_name(request, &name);

	if (error)
		return error;
	if (!object)
		return -ESTALE;
	if (!may_change_fact(request, name))
		return -EPERM;
	if (xattr_fact_is_name(name))
		return xattr_fact_remove(request->server, object, name);
	error = xattr_remove(request->server, object, name);
	if (!error)
		object_touch_attributes(request->server, object);
	return error;
}
