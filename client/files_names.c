#include <errno.h>
#include <string.h>

#include "client/call.h"
#include "client/files.h"
#include "client/locate.h"
#include "client/look.h"
#include "client/record_of.h"
#include "far/attr.h"
#include "far/key.h"

// File calls about names and attributes.

static int check_name(size_t name_length)
{
	return name_length > FAR_NAME_MAX ? -ENAMETOOLONG : name_length == 0 ? -EINVAL : 0;
}

// Sends a request whose reply begins with a far_reply and a far_attr, and takes the attributes.
static int call_for_attr(struct far_lane *lane, struct call *request, uint32_t reply_minimum, struct far_attr *attr)
{
	struct reply reply;
	int error = call(lane, request, reply_minimum, &reply);

	if (!error)
		memcpy(attr, reply.message + 1, sizeof(*attr));
	reply_release(lane, &reply);
	return error;
}
static_assert(offsetof(struct far_attr_reply, attr) == sizeof(struct far_reply), "attributes follow the header");
static_assert(offsetof(struct far_entry_reply, attr) == sizeof(struct far_reply), "attributes follow the header");

// One whose reply tells of an object that is held from now on.
static int call_for_new(struct far_lane *lane, struct call *request, struct far_attr *attr)
{
	int error = call_for_attr(lane, request, sizeof(struct far_entry_reply), attr);

	if (!error)
		lane_note_hold(lane, attr->id);
	return error;
}

static int call_for_status(struct far_lane *lane, struct call *request)
{
	struct reply reply;
	int error = call(lane, request, sizeof(struct far_reply), &reply);

	reply_release(lane, &reply);
	return error;
}

// Where an object's record is: its id tells, but for the root's.
static uint64_t record_of(struct far_lane *lane, uint64_t id)
{
	const struct far_pool_header *header = lane->pool.loads;
	const struct look_bucket *look;

	if (id != FAR_ROOT_ID)
		return FAR_ID_POSITION(id) * FAR_GRANULE;
	if (lane->root == 0 && header)
		lane->root =
		        atomic_load_explicit(&header->root, memory_order_acquire); // pairs with the server's release: the record is there
	else if (lane->root == 0 && look_at_bucket(lane, 0, 0, &look) == 1)
		lane->root = atomic_load_explicit(&look->header.root, memory_order_relaxed);
	return lane->root;
}

// Whether the record is this object's. While this session holds the object the record stays its own.
static bool is_object(const struct far_record *record, uint64_t id)
{
	return id == FAR_ROOT_ID ? S_ISDIR(record->mode) : record->id == id;
}

const struct far_record *record_mapped(struct far_lane *lane, uint64_t id)
{
	const struct far_record *record;
	uint64_t offset;

	if (!lane->connection || !lane->pool.loads)
		return NULL;
	offset = record_of(lane, id);
	if (offset == 0 || offset > lane->pool_length - sizeof(*record))
		return NULL;
	record = (const struct far_record *)((const char *)lane->pool.loads + offset);
	return is_object(record, id) ? record : NULL;
}

// Where the pool is mapped, attributes are read where they are. The word before and behind tells whether they are of one piece (R6).
static bool getattr_mapped(const struct far_lane *lane, uint64_t id, uint64_t offset, struct far_attr *attr)
{
	const struct far_record *record = (const struct far_record *)((const char *)lane->pool.loads + offset);
	uint64_t word;
	unsigned state;

	if (offset > lane->pool_length - sizeof(*record))
		return false;
	word = atomic_load_explicit(&record->word, memory_order_acquire); // pairs with record_publish
	state = FAR_WORD_STATE(word);
	if (!is_object(record, id) || (state != FAR_RECORD_LIVE && state != FAR_RECORD_ORPHAN))
		return false;
	far_record_attr(record, attr);
	atomic_thread_fence(memory_order_acquire); // what was read above was read before this look at the word
	return atomic_load_explicit(&record->word, memory_order_relaxed) == word;
}

// Reads attributes without asking, where that spares the server's processor. The kernel wants them before it reads a file, and those of each directory on the way to one.
static bool getattr_alone(struct far_lane *lane, uint64_t id, struct far_attr *attr)
{
	const struct look *look;
	uint64_t offset;

	if (!lane->connection || !lane->caps->is_one_sided)
		return false;
	offset = record_of(lane, id);
	if (offset == 0 || !lane->connection)
		return false;
	if (lane->pool.loads) {
		if (!getattr_mapped(lane, id, offset, attr))
			return false;
	} else {
		if (look_at(lane, offset, 0, &look) != 1 || !is_object(&look->record, id))
			return false;
		far_record_attr(&look->record, attr);
	}
	attr->id = id;
	count(&lane->statistics.one_sided, 1);
	return true;
}

int far_getattr(struct far_lane *lane, uint64_t id, struct far_attr *attr)
{
	struct far_object_request message = {.id = id};
	struct call request = {.op = FAR_OP_GETATTR, .message = &message, .length = sizeof(message)};

	call_notice(lane);
	if (getattr_alone(lane, id, attr))
		return 0;
	return call_for_attr(lane, &request, sizeof(struct far_attr_reply), attr);
}

int far_setattr(struct far_lane *lane, uint64_t id, const struct far_setattr_request *change, struct far_attr *attr)
{
	struct far_setattr_request message = *change;
	struct call request = {.op = FAR_OP_SETATTR, .is_change = true, .message = &message, .length = sizeof(message)};

	message.id = id;
	return call_for_attr(lane, &request, sizeof(struct far_attr_reply), attr);
}

int far_create(struct far_lane *lane, const struct far_new *object, struct far_attr *attr)
{
	struct far_create_request message = {
	        .parent = object->parent,
	        .device = object->device,
	        .mode = object->mode,
	        .uid = object->uid,
	        .gid = object->gid,
	        .name_length = (uint16_t)object->name_length,
	        .target_length = (uint16_t)object->target_length,
	        .umask = object->umask,
	};
	struct call request = {
	        .op = FAR_OP_CREATE,
	        .is_change = true,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{object->name, (uint32_t)object->name_length}, {object->target, (uint32_t)object->target_length}},
	};
	int error = check_name(object->name_length);

	if (!error && object->target_length > FAR_SYMLINK_MAX)
		error = -ENAMETOOLONG;
	return error ? error : call_for_new(lane, &request, attr);
}

int far_tmpfile(struct far_lane *lane, const struct far_new *object, struct far_attr *attr)
{
	struct far_create_request message = {
	        .parent = object->parent, .mode = object->mode, .uid = object->uid, .gid = object->gid, .umask = object->umask};
	struct call request = {.op = FAR_OP_TMPFILE, .is_change = true, .message = &message, .length = sizeof(message)};

	return call_for_new(lane, &request, attr);
}

int far_link(struct far_lane *lane, uint64_t id, uint64_t parent, const char *name, size_t name_length, struct far_attr *attr)
{
	struct far_link_request message = {.id = id, .parent = parent, .name_length = (uint16_t)name_length};
	struct call request = {
	        .op = FAR_OP_LINK,
	        .is_change = true,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{name, (uint32_t)name_length}},
	};
	int error = check_name(name_length);

	return error ? error : call_for_new(lane, &request, attr);
}

static int remove_name(struct far_lane *lane, uint16_t op, uint64_t parent, const char *name, size_t name_length, uint64_t expected)
{
	struct far_remove_request message = {.parent = parent, .expected = expected, .name_length = (uint16_t)name_length};
	struct call request = {
	        .op = op,
	        .is_change = true,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{name, (uint32_t)name_length}},
	};
	int error = check_name(name_length);

	return error ? error : call_for_status(lane, &request);
}

int far_unlink(struct far_lane *lane, uint64_t parent, const char *name, size_t name_length)
{
	return remove_name(lane, FAR_OP_UNLINK, parent, name, name_length, 0);
}

int far_rmdir(struct far_lane *lane, uint64_t parent, const char *name, size_t name_length, uint64_t expected)
{
	return remove_name(lane, FAR_OP_RMDIR, parent, name, name_length, expected);
}

int far_rename_at(struct far_lane *lane, uint64_t parent, const char *name, size_t name_length, uint64_t new_parent, const char *new_name,
        size_t new_name_length, uint64_t expected, unsigned flags)
{
	struct far_rename_at_request message = {
	        .parent = parent,
	        .new_parent = new_parent,
	        .expected = expected,
	        .name_length = (uint16_t)name_length,
	        .new_name_length = (uint16_t)new_name_length,
	};
	struct call request = {
	        .op = FAR_OP_RENAME_AT,
	        .flags = (uint16_t)flags,
	        .is_change = true,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{name, (uint32_t)name_length}, {new_name, (uint32_t)new_name_length}},
	};
	int error = check_name(name_length);

	if (!error)
		error = check_name(new_name_length);
	return error ? error : call_for_status(lane, &request);
}

int far_readlink(struct far_lane *lane, uint64_t id, char *target)
{
	struct far_object_request message = {.id = id};
	struct call request = {.op = FAR_OP_READLINK, .message = &message, .length = sizeof(message)};
	struct reply reply;
	int result = call(lane, &request, sizeof(struct far_reply), &reply);

	if (!result) {
		uint32_t length = reply.length - (uint32_t)sizeof(struct far_reply);

		result = length > FAR_SYMLINK_MAX ? -EPROTO : (int)length;
		if (result >= 0) {
			memcpy(target, reply.message + 1, length);
			target[length] = '\0';
		}
	}
	reply_release(lane, &reply);
	return result;
}

static int visit_all(const struct reply *reply, far_visit *visit, void *context, struct far_lane *lane, bool with_holds)
{
	const struct far_list_reply *message = (const struct far_list_reply *)reply->message;
	const char *at = (const char *)(message + 1);
	const char *end = (const char *)message + reply->length;
	bool is_stopped = false;

	for (uint32_t i = 0; i < message->count; i++) {
		struct far_entry entry;
		char name[FAR_NAME_MAX + 1];

		if ((size_t)(end - at) < sizeof(entry))
			return -EPROTO;
		memcpy(&entry, at, sizeof(entry));
		at += sizeof(entry);
		if (entry.name_length > FAR_NAME_MAX || entry.name_length > (size_t)(end - at))
			return -EPROTO;
		memcpy(name, at, entry.name_length);
		name[entry.name_length] = '\0';
		at += entry.name_length;
		is_stopped = is_stopped || visit(context, &entry, name) != 0;
		if (is_stopped && with_holds)
			far_forget(lane, entry.attr.id, 1);
		else if (with_holds)
			lane_note_hold(lane, entry.attr.id);
	}
	return is_stopped;
}

int far_readdir(struct far_lane *lane, uint64_t id, uint64_t cookie, size_t bytes, bool with_holds, far_visit *visit, void *context,
        bool *is_end, uint64_t *parent)
{
	struct far_list_request message = {.id = id, .cookie = cookie, .bytes_max = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX};
	struct call request = {
	        .op = FAR_OP_READDIR, .flags = with_holds ? FAR_LIST_HOLD : 0, .message = &message, .length = sizeof(message)};
	struct reply reply;
	int result = call(lane, &request, sizeof(struct far_list_reply), &reply);

	if (!result) {
		const struct far_list_reply *list = (const struct far_list_reply *)reply.message;

		*parent = list->parent_id;
		result = visit_all(&reply, visit, context, lane, with_holds);
		*is_end = list->is_end && result == 0;
	}
	reply_release(lane, &reply);
	return result < 0 ? result : 0;
}

void far_touch(struct far_lane *lane, uint64_t id, bool is_always)
{
	struct far_touch_request message = {.count = 1};
	struct call touch = {
	        .op = FAR_OP_TOUCH,
	        .flags = is_always ? FAR_TOUCH_ALWAYS : 0,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{&id, sizeof(id)}},
	};

	call_offer(lane, &touch);
}
