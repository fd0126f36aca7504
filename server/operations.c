#include "server/operations.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "far/log.h"
#include "far/status.h"
#include "server/eviction.h"
#include "server/grant.h"
#include "server/metrics.h"
#include "server/quota.h"
#include "server/session.h"

#define GET_FLAGS (FAR_GET_LOCATE | FAR_GET_NO_VALUE | FAR_GET_ALLOW_PARTIAL_PUSH)
#define PUT_TTL_FLAGS (FAR_PUT_HAS_TTL | FAR_PUT_KEEPS_TTL)
#define RENAME_FLAGS (FAR_RENAME_NOREPLACE | FAR_RENAME_EXCHANGE)
#define WRITE_FLAGS (FAR_WRITE_APPEND | FAR_WRITE_RANGES | FAR_WRITE_KILL_SUIDGID)
#define LOCK_FLAGS (FAR_LOCK_EXCLUSIVE | FAR_LOCK_FLOCK | FAR_LOCK_WAIT | FAR_LOCK_TEST | FAR_LOCK_UNLOCK)
#define FALLOCATE_FLAGS (FAR_FALLOCATE_KEEP_SIZE | FAR_FALLOCATE_PUNCH_HOLE | FAR_FALLOCATE_ZERO | FAR_FALLOCATE_KILL_SUIDGID)

// A hello is read up to its version first: other versions may have other sizes.
#define HELLO_SIZE offsetof(struct far_hello_request, client_pid)

static const struct operation operations[FAR_OP_LIMIT] = {
        [FAR_OP_HELLO] = {.name = "hello", .handle = handle_hello, .request_size = HELLO_SIZE, .has_tail = true},
        [FAR_OP_PING] = {.name = "ping", .handle = handle_ping, .request_size = sizeof(struct far_request), .flags = FAR_PING_WANT_GRANT},
        [FAR_OP_STATFS] = {.name = "statfs", .handle = handle_statfs, .request_size = sizeof(struct far_statfs_request)},
        [FAR_OP_FORGET] = {.name = "forget",
                .handle = handle_forget,
                .request_size = sizeof(struct far_forget_request),
                .has_tail = true,
                .is_mutation = true,
                .has_no_reply = true},
        [FAR_OP_GET] = {.name = "get",
                .handle = handle_get,
                .request_size = sizeof(struct far_get_request),
                .flags = GET_FLAGS | FAR_GET_IF_NEWER,
                .has_tail = true},
        [FAR_OP_PUT] = {.name = "put",
                .handle = handle_put,
                .request_size = sizeof(struct far_put_request),
                .flags = FAR_PUT_EXPECT_VERSION | FAR_PUT_TELL_CURRENT | FAR_PUT_RANGES | PUT_TTL_FLAGS,
                .has_tail = true,
                .is_mutation = true,
                .wants_memory = true,
                .granted = FAR_PUT_RANGES},
        [FAR_OP_DELETE] = {.name = "delete",
                .handle = handle_delete,
                .request_size = sizeof(struct far_delete_request),
                .flags = FAR_DELETE_EXPECT_VERSION,
                .has_tail = true,
                .is_mutation = true},
        [FAR_OP_STAT] = {.name = "stat", .handle = handle_stat, .request_size = sizeof(struct far_key_request), .has_tail = true},
        [FAR_OP_RENAME] = {.name = "rename",
                .handle = handle_rename,
                .request_size = sizeof(struct far_rename_request),
                .flags = RENAME_FLAGS,
                .has_tail = true,
                .is_mutation = true},
        [FAR_OP_MKDIR] = {.name = "mkdir",
                .handle = handle_mkdir,
                .request_size = sizeof(struct far_mkdir_request),
                .has_tail = true,
                .is_mutation = true},
        [FAR_OP_LIST] = {.name = "list", .handle = handle_list, .request_size = sizeof(struct far_list_request), .has_tail = true},
        [FAR_OP_UPLOAD] = {.name = "upload",
                .handle = handle_upload,
                .request_size = sizeof(struct far_upload_request),
                .is_mutation = true,
                .wants_memory = true},
        [FAR_OP_PUBLISH] = {.name = "publish",
                .handle = handle_publish,
                .request_size = sizeof(struct far_put_request),
                .flags = FAR_PUT_EXPECT_VERSION | FAR_PUT_TELL_CURRENT | PUT_TTL_FLAGS,
                .has_tail = true,
                .is_mutation = true,
                .wants_memory = true},
        [FAR_OP_COUNTER] = {.name = "counter",
                .handle = handle_counter,
                .request_size = sizeof(struct far_counter_request),
                .flags = FAR_COUNTER_CREATE | FAR_COUNTER_SET | FAR_COUNTER_CAS,
                .has_tail = true,
                .is_mutation = true,
                .wants_memory = true},
        [FAR_OP_EXPIRE] = {.name = "expire",
                .handle = handle_expire,
                .request_size = sizeof(struct far_expire_request),
                .flags = FAR_EXPIRE_PERSIST,
                .has_tail = true,
                .is_mutation = true},
        [FAR_OP_TTL] = {.name = "ttl", .handle = handle_ttl, .request_size = sizeof(struct far_key_request), .has_tail = true},
        [FAR_OP_LET_GO] = {.name = "let-go", .handle = handle_let_go, .request_size = sizeof(struct far_request), .is_mutation = true},
        [FAR_OP_PIN] = {.name = "pin",
                .handle = handle_pin,
                .request_size = sizeof(struct far_key_request),
                .flags = FAR_PIN_REMOVE,
                .has_tail = true,
                .is_mutation = true},
        [FAR_OP_QUOTA] = {.name = "quota",
                .handle = handle_quota,
                .request_size = sizeof(struct far_quota_request),
                .flags = FAR_QUOTA_SET | FAR_QUOTA_REMOVE | FAR_QUOTA_LIST,
                .has_tail = true,
                .is_mutation = true},
        [FAR_OP_GET_MANY] = {.name = "get-many",
                .handle = handle_get_many,
                .request_size = sizeof(struct far_many_request),
                .has_tail = true},
        [FAR_OP_PUT_MANY] = {.name = "put-many",
                .handle = handle_put_many,
                .request_size = sizeof(struct far_many_request),
                .has_tail = true,
                .is_mutation = true,
                .wants_memory = true,
                .has_results = true},
        [FAR_OP_PUT_RANGE] = {.name = "put-range",
                .handle = handle_put_range,
                .request_size = sizeof(struct far_put_range_request),
                .flags = FAR_PUT_RANGE_APPEND | FAR_PUT_RANGE_GRANTED | FAR_PUT_RANGE_CREATE,
                .has_tail = true,
                .is_mutation = true,
                .wants_memory = true,
                .granted = FAR_PUT_RANGE_GRANTED},
        [FAR_OP_CHECK] = {.name = "check", .handle = handle_check, .request_size = sizeof(struct far_check_request), .is_mutation = true},
        [FAR_OP_METRICS] = {.name = "metrics", .handle = handle_metrics, .request_size = sizeof(struct far_metrics_request)},
        [FAR_OP_WATCH] = {.name = "watch",
                .handle = handle_watch,
                .request_size = sizeof(struct far_watch_request),
                .flags = FAR_WATCH_BEGINS,
                .has_tail = true,
                .is_mutation = true},
        // Entries that add a hold change the record's count of holders.
        [FAR_OP_LOOKUP] = {.name = "lookup",
                .handle = handle_lookup,
                .request_size = sizeof(struct far_lookup_request),
                .flags = FAR_GET_LOCATE | FAR_GET_NO_VALUE,
                .has_tail = true,
                .is_mutation = true},
        [FAR_OP_HOLD] = {.name = "hold",
                .handle = handle_hold,
                .request_size = sizeof(struct far_object_request),
                .flags = FAR_GET_LOCATE | FAR_GET_NO_VALUE | FAR_HOLD_PARENT,
                .is_mutation = true},
        [FAR_OP_GETATTR] = {.name = "getattr", .handle = handle_getattr, .request_size = sizeof(struct far_object_request)},
        [FAR_OP_SETATTR] = {.name = "setattr",
                .handle = handle_setattr,
                .request_size = sizeof(struct far_setattr_request),
                .is_mutation = true},
        [FAR_OP_CREATE] = {.name = "create",
                .handle = handle_create,
                .request_size = sizeof(struct far_create_request),
                .flags = FAR_GET_LOCATE,
                .has_tail = true,
                .is_mutation = true,
                .wants_memory = true},
        [FAR_OP_LINK] = {.name = "link",
                .handle = handle_link,
                .request_size = sizeof(struct far_link_request),
                .flags = FAR_GET_LOCATE,
                .has_tail = true,
                .is_mutation = true},
        [FAR_OP_UNLINK] = {.name = "unlink",
                .handle = handle_unlink,
                .request_size = sizeof(struct far_remove_request),
                .has_tail = true,
                .is_mutation = true},
        [FAR_OP_RMDIR] = {.name = "rmdir",
                .handle = handle_rmdir,
                .request_size = sizeof(struct far_remove_request),
                .has_tail = true,
                .is_mutation = true},
        [FAR_OP_RENAME_AT] = {.name = "rename-at",
                .handle = handle_rename_at,
                .request_size = sizeof(struct far_rename_at_request),
                .flags = RENAME_FLAGS,
                .has_tail = true,
                .is_mutation = true},
        [FAR_OP_READDIR] = {.name = "readdir",
                .handle = handle_readdir,
                .request_size = sizeof(struct far_list_request),
                .flags = FAR_LIST_HOLD,
                .has_tail = true,
                .is_mutation = true},
        [FAR_OP_READ] = {.name = "read", .handle = handle_read, .request_size = sizeof(struct far_read_request), .flags = GET_FLAGS},
        [FAR_OP_WRITE] = {.name = "write",
                .handle = handle_write,
                .request_size = sizeof(struct far_write_request),
                .flags = WRITE_FLAGS,
                .has_tail = true,
                .is_mutation = true,
                .wants_memory = true,
                .granted = FAR_WRITE_RANGES},
        [FAR_OP_READLINK] = {.name = "readlink", .handle = handle_readlink, .request_size = sizeof(struct far_object_request)},
        [FAR_OP_WINDOW] = {.name = "window",
                .handle = handle_window,
                .request_size = sizeof(struct far_object_request),
                .is_mutation = true},
        [FAR_OP_TMPFILE] = {.name = "tmpfile",
                .handle = handle_tmpfile,
                .request_size = sizeof(struct far_create_request),
                .flags = FAR_GET_LOCATE,
                .is_mutation = true},
        [FAR_OP_EXTENTS] = {.name = "extents",
                .handle = handle_extents,
                .request_size = sizeof(struct far_read_request),
                .flags = GET_FLAGS},
        [FAR_OP_XATTR_GET] = {.name = "xattr-get",
                .handle = handle_xattr_get,
                .request_size = sizeof(struct far_xattr_get_request),
                .has_tail = true},
        [FAR_OP_XATTR_SET] = {.name = "xattr-set",
                .handle = handle_xattr_set,
                .request_size = sizeof(struct far_xattr_set_request),
                .flags = FAR_XATTR_CREATE | FAR_XATTR_REPLACE | FAR_XATTR_KILL_SGID,
                .has_tail = true,
                .is_mutation = true,
                .wants_memory = true},
        [FAR_OP_XATTR_LIST] = {.name = "xattr-list",
                .handle = handle_xattr_list,
                .request_size = sizeof(struct far_xattr_get_request),
                .flags = FAR_XATTR_FACTS},
        [FAR_OP_XATTR_REMOVE] = {.name = "xattr-remove",
                .handle = handle_xattr_remove,
                .request_size = sizeof(struct far_xattr_get_request),
                .has_tail = true,
                .is_mutation = true},
        [FAR_OP_LOCK] = {.name = "lock",
                .handle = handle_lock,
                .request_size = sizeof(struct far_lock_request),
                .flags = LOCK_FLAGS,
                .is_mutation = true},
        [FAR_OP_LOCK_CANCEL] = {.name = "lock-cancel",
                .handle = handle_lock_cancel,
                .request_size = sizeof(struct far_cancel_request),
                .is_mutation = true},
        [FAR_OP_NOTICES] = {.name = "notices", .handle = handle_notices, .request_size = sizeof(struct far_request), .is_mutation = true},
        [FAR_OP_FALLOCATE] = {.name = "fallocate",
                .handle = handle_fallocate,
                .request_size = sizeof(struct far_fallocate_request),
                .flags = FALLOCATE_FLAGS,
                .is_mutation = true,
                .wants_memory = true},
        [FAR_OP_SEEK] = {.name = "seek", .handle = handle_seek, .request_size = sizeof(struct far_seek_request), .flags = FAR_SEEK_HOLE},
        [FAR_OP_COPY] = {.name = "copy",
                .handle = handle_copy,
                .request_size = sizeof(struct far_copy_request),
                .flags = FAR_COPY_KILL_SUIDGID,
                .is_mutation = true,
                .wants_memory = true},
        [FAR_OP_TOUCH] = {.name = "touch",
                .handle = handle_touch,
                .request_size = sizeof(struct far_touch_request),
                .flags = FAR_TOUCH_ALWAYS,
                .has_tail = true,
                .is_mutation = true,
                .has_no_reply = true},
};

const struct operation *operations_find(unsigned op)
{
	return op < FAR_OP_LIMIT && operations[op].handle ? &operations[op] : NULL;
}

bool operations_is_silent(const void *message, uint32_t length)
{
	const struct far_request *header = message;

	return length >= sizeof(*header) && (header->op == FAR_OP_FORGET || header->op == FAR_OP_TOUCH);
}

// Of a message that has not been checked yet.
static bool wants_memory(const void *message, uint32_t length)
{
	const struct far_request *header = message;
	const struct operation *operation = length >= sizeof(*header) ? operations_find(header->op) : NULL;

	return operation && operation->wants_memory;
}

bool operations_must_wait(struct server *server, const void *message, uint32_t length)
{
	return server->eviction && wants_memory(message, length) && eviction_has_to_wait(server);
}

bool operations_may_be_late(const struct server *server, const void *message, uint32_t length)
{
	return server->eviction && wants_memory(message, length);
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
	metrics_add(&lane->server->metrics->malformed, 1);
	*reply = (struct far_reply){
	        .op = has_header ? header->op : 0,
	        .status = FAR_STATUS_PROTOCOL,
	        .length = sizeof(*reply),
	        .tag = has_header ? header->tag : 0,
	};
	return operations_is_silent(header, length) ? 0 : (uint32_t)sizeof(*reply);
}

// Returns the reply's length with it. A reply may lie where the client can write (shm): nothing is read back from there.
static uint32_t append_grant(struct lane *lane, bool is_mutation, struct far_reply *reply, uint32_t length, uint16_t *flags)
{
	struct far_grant grant;

	if (!lane->session || !grant_offer(lane, is_mutation, &grant))
		return length;
	memcpy((char *)reply + length, &grant, sizeof(grant));
	*flags |= FAR_REPLY_GRANT;
	return length + (uint32_t)sizeof(grant);
}

static uint16_t busy_flags(const struct server *server)
{
	enum far_probing probing = server_probing(server);

	return probing == FAR_PROBING_ALL ? FAR_REPLY_BUSY | FAR_REPLY_PROBE : probing ? FAR_REPLY_BUSY : 0;
}

// What has used grants up, or has told of -ENOSPC in its reply, cannot be carried out again.
static bool can_be_late(const struct operation *operation, const struct far_request *header)
{
	return operation->wants_memory && !operation->has_results && !(header->flags & operation->granted);
}

uint32_t operations_dispatch(struct server *server, struct lane *lane, const void *message, uint32_t length, void *reply_bytes)
{
	const struct far_request *header = message;
	struct far_reply *reply = reply_bytes;
	const struct operation *operation = NULL;
	const char *wrong = malformed(lane, header, length, &operation);
	struct metrics_operation *figures;
	struct request request;
	uint64_t begun_ns;
	uint16_t flags;
	int error;

	server_begin(server);
	if (wrong) {
		server->figures.operations++;
		return refuse(lane, header, length, wrong, reply);
	}
	figures = &server->metrics->operations[header->op];
	begun_ns = metrics_begin(figures);
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
	eviction_let_wait(server, can_be_late(operation, header), lane->late_since_ns);
	error = operation->handle(&request);
	index_settle(server->index);
	quota_settle(server);
	if ((error == -ENOSPC || error == -EDQUOT) && eviction_is_short(server)) {
		if (lane->late_since_ns == 0)
			lane->late_since_ns = server->monotonic_ns();
		return OPERATIONS_LATER;
	}
	lane->late_since_ns = 0;
	server->figures.operations++;
	metrics_end(figures, begun_ns, error);
	if (error == -EDQUOT)
		reply_over_quota(&request);
	if (error == -EPROTO)
		return refuse(lane, header, length, operation->name, reply);
	if (lane->session)
		lane->session->operations++;
	grant_settle(lane);
	if (operation->has_no_reply)
		return 0;
	flags = request.reply_flags | busy_flags(server);
	if (lane->session && lane->session->let_go_count > 0)
		flags |= FAR_REPLY_LET_GO;
	length = append_grant(
	        lane, operation->is_mutation, reply, request.reply_length ? request.reply_length : (uint32_t)sizeof(*reply), &flags);
	*reply = (struct far_reply){
	        .op = header->op,
	        .status = (uint16_t)far_status_of_error(error),
	        .flags = flags,
	        .length = length,
	        .tag = header->tag,
	};
	return length;
}
