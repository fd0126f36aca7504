#include "server/operations.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "far/log.h"
#include "far/status.h"
#include "server/grant.h"

#define GET_FLAGS (FAR_GET_LOCATE | FAR_GET_NO_VALUE | FAR_GET_ALLOW_PARTIAL_PUSH)
#define RENAME_FLAGS (FAR_RENAME_NOREPLACE | FAR_RENAME_EXCHANGE)
#define WRITE_FLAGS (FAR_WRITE_APPEND | FAR_WRITE_RANGES | FAR_WRITE_KILL_SUIDGID)

// A hello is read up to its version first: other versions may have other sizes.
#define HELLO_SIZE offsetof(struct far_hello_request, client_pid)

static const struct operation operations[FAR_OP_LIMIT] = {
        [FAR_OP_HELLO] = {"hello", handle_hello, HELLO_SIZE, 0, .has_tail = true},
        [FAR_OP_PING] = {"ping", handle_ping, sizeof(struct far_request), 0},
        [FAR_OP_STATFS] = {"statfs", handle_statfs, sizeof(struct far_request), 0},
        [FAR_OP_FORGET] = {"forget", handle_forget, sizeof(struct far_forget_request), 0, .has_tail = true, .is_mutation = true,
                .has_no_reply = true},
        [FAR_OP_GET] = {"get", handle_get, sizeof(struct far_get_request), GET_FLAGS, .has_tail = true},
        [FAR_OP_PUT] = {"put", handle_put, sizeof(struct far_put_request), FAR_PUT_EXPECT_VERSION | FAR_PUT_RANGES, .has_tail = true,
                .is_mutation = true},
        [FAR_OP_DELETE] = {"delete", handle_delete, sizeof(struct far_delete_request), FAR_DELETE_EXPECT_VERSION, .has_tail = true,
                .is_mutation = true},
        [FAR_OP_STAT] = {"stat", handle_stat, sizeof(struct far_key_request), 0, .has_tail = true},
        [FAR_OP_RENAME] = {"rename", handle_rename, sizeof(struct far_rename_request), RENAME_FLAGS, .has_tail = true, .is_mutation = true},
        [FAR_OP_MKDIR] = {"mkdir", handle_mkdir, sizeof(struct far_mkdir_request), 0, .has_tail = true, .is_mutation = true},
        [FAR_OP_LIST] = {"list", handle_list, sizeof(struct far_list_request), 0, .has_tail = true},
        [FAR_OP_UPLOAD] = {"upload", handle_upload, sizeof(struct far_upload_request), 0, .is_mutation = true},
        [FAR_OP_PUBLISH] = {"publish", handle_publish, sizeof(struct far_put_request), FAR_PUT_EXPECT_VERSION, .has_tail = true,
                .is_mutation = true},
        // Entries that add a hold change the record's count of holders.
        [FAR_OP_LOOKUP] = {"lookup", handle_lookup, sizeof(struct far_lookup_request), FAR_GET_LOCATE, .has_tail = true,
                .is_mutation = true},
        [FAR_OP_GETATTR] = {"getattr", handle_getattr, sizeof(struct far_object_request), 0},
        [FAR_OP_SETATTR] = {"setattr", handle_setattr, sizeof(struct far_setattr_request), 0, .is_mutation = true},
        [FAR_OP_CREATE] = {"create", handle_create, sizeof(struct far_create_request), FAR_GET_LOCATE, .has_tail = true,
                .is_mutation = true},
        [FAR_OP_LINK] = {"link", handle_link, sizeof(struct far_link_request), FAR_GET_LOCATE, .has_tail = true, .is_mutation = true},
        [FAR_OP_UNLINK] = {"unlink", handle_unlink, sizeof(struct far_lookup_request), 0, .has_tail = true, .is_mutation = true},
        [FAR_OP_RMDIR] = {"rmdir", handle_rmdir, sizeof(struct far_lookup_request), 0, .has_tail = true, .is_mutation = true},
        [FAR_OP_RENAME_AT] = {"rename-at", handle_rename_at, sizeof(struct far_rename_at_request), RENAME_FLAGS, .has_tail = true,
                .is_mutation = true},
        [FAR_OP_READDIR] = {"readdir", handle_readdir, sizeof(struct far_list_request), FAR_LIST_HOLD, .has_tail = true,
                .is_mutation = true},
        [FAR_OP_READ] = {"read", handle_read, sizeof(struct far_read_request), GET_FLAGS},
        [FAR_OP_WRITE] = {"write", handle_write, sizeof(struct far_write_request), WRITE_FLAGS, .has_tail = true, .is_mutation = true},
        [FAR_OP_READLINK] = {"readlink", handle_readlink, sizeof(struct far_object_request), 0},
        [FAR_OP_EXTENTS] = {"extents", handle_extents, sizeof(struct far_read_request), GET_FLAGS},
};

const struct operation *operations_find(unsigned op)
{
	return op < FAR_OP_LIMIT && operations[op].handle ? &operations[op] : NULL;
}

bool operations_is_silent(const void *message, uint32_t length)
{
	const struct far_request *header = message;

	return length >= sizeof(*header) && header->op == FAR_OP_FORGET;
}

bool operations_may_push(const void *message, uint32_t length)
{
	const struct far_request *header = message;

	static_assert(offsetof(struct far_get_request, push) == offsetof(struct far_read_request, push), "read below");
	if (length < sizeof(struct far_get_request) || (header->op != FAR_OP_GET && header->op != FAR_OP_READ))
		return false;
	return ((const struct far_get_request *)message)->push.length > 0 && !(header->flags & FAR_GET_NO_VALUE);
}

// What is wrong with the fixed part, or NULL.
static const char *malformed(const struct lane *lane, const struct far_request *header, uint32_t length, const struct operation **operation)
{
	if (length < sizeof(*header) || length > lane->message_size)
		return "length";
	if (header->length != length)
		return "length in the header";
	*operation = operations_find(header->op);
	if (!*operation)
		return "op";
	if (length < (*operation)->request_size || (!(*operation)->has_tail && length > (*operation)->request_size))
		return "length for this op";
	if (header->flags & ~(*operation)->flags)
		return "flags";
	if (!lane->session && header->op != FAR_OP_HELLO)
		return "op before hello";
	return NULL;
}

static uint32_t refuse(struct lane *lane, const struct far_request *header, uint32_t length, const char *what, struct far_reply *reply)
{
	bool has_header = length >= sizeof(*header);

	log_warning("malformed message: lane closed wrong=\"%s\" op=%u length=%u peer=%s", what, has_header ? header->op : 0U, length,
	        lane->peer);
	lane->is_closing = true;
	*reply = (struct far_reply){
	        .op = has_header ? header->op : 0,
	        .status = FAR_STATUS_PROTOCOL,
	        .length = sizeof(*reply),
	        .tag = has_header ? header->tag : 0,
	};
	return operations_is_silent(header, length) ? 0 : (uint32_t)sizeof(*reply);
}

static void append_grant(struct lane *lane, struct far_reply *reply)
{
	struct far_grant grant;

	if (!lane->session || !grant_offer(lane, &grant))
		return;
	memcpy((char *)reply + reply->length, &grant, sizeof(grant));
	reply->length += (uint32_t)sizeof(grant);
	reply->flags |= FAR_REPLY_GRANT;
}

uint32_t operations_dispatch(struct server *server, struct lane *lane, const void *message, uint32_t length, void *reply_bytes)
{
	const struct far_request *header = message;
	struct far_reply *reply = reply_bytes;
	const struct operation *operation = NULL;
	const char *wrong = malformed(lane, header, length, &operation);
	struct request request;
	int error;

	server->figures.operations++;
	server->now_ns = 0;
	if (wrong)
		return refuse(lane, header, length, wrong, reply);
	request = (struct request){
	        .server = server,
	        .lane = lane,
	        .message = message,
	        .flags = header->flags,
	        .tail = (const char *)message + operation->request_size,
	        .tail_length = length - operation->request_size,
	        .reply = reply,
	        .reply_room = lane->message_size - (uint32_t)sizeof(struct far_grant),
	};
	error = operation->handle(&request);
	if (error == -EPROTO)
		return refuse(lane, header, length, operation->name, reply);
	grant_settle(lane);
	if (operation->has_no_reply)
		return 0;
	*reply = (struct far_reply){
	        .op = header->op,
	        .status = (uint16_t)far_status_of_error(error),
	        .length = request.reply_length ? request.reply_length : (uint32_t)sizeof(*reply),
	        .tag = header->tag,
	};
	append_grant(lane, reply);
	return reply->length;
}
