#include "served.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "far/check.h"
#include "server/check.h"
#include "testing.h"

static struct served_lane *client_of(const struct lane *lane)
{
	return lane->connection;
}

static int plain_post_write(struct lane *lane, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context)
{
	struct served_lane *client = client_of(lane);

	(void)context;
	if (client->pushes_refused) {
		client->pushes_refused--;
		return -EAGAIN;
	}
	if (rkey != 1 || offset > SERVED_BUFFER_LENGTH || length > SERVED_BUFFER_LENGTH - offset)
		return -EACCES;
	memcpy(client->buffer + offset, local, length);
	return 0;
}

static int plain_grant(struct lane *lane, uint64_t pool_offset, uint64_t length, void **region, uint64_t *rkey)
{
	(void)lane;
	(void)length;
	*region = NULL;
	*rkey = pool_offset; // the "client" writes by it
	return 0;
}

static void plain_seal(struct lane *lane, void *region, uint64_t length)
{
	(void)region;
	client_of(lane)->sealed = length;
}

static void plain_revoke(struct lane *lane, void *region)
{
	(void)region;
	client_of(lane)->revoked++;
}

static void plain_notify(struct lane *lane)
{
	client_of(lane)->notified++;
}

static void plain_set_scope(struct lane *lane, uint64_t scope)
{
	(void)lane;
	(void)scope;
}

static uint64_t plain_read_section(const struct lane *lane)
{
	return client_of(lane)->section;
}

static const struct lane_transport plain = {
        .post_write = plain_post_write,
        .grant = plain_grant,
        .seal = plain_seal,
        .revoke = plain_revoke,
        .notify = plain_notify,
        .set_scope = plain_set_scope,
        .read_section = plain_read_section,
};

static const struct lane_transport plain_mapped = {
        .has_loads = true,
        .post_write = plain_post_write,
        .grant = plain_grant,
        .seal = plain_seal,
        .revoke = plain_revoke,
        .notify = plain_notify,
        .set_scope = plain_set_scope,
        .read_section = plain_read_section,
};

static struct server *open_server(uint64_t pool_bytes, bool is_evicting)
{
	struct server_options options = {.pool = {.length = pool_bytes, .hugepages = POOL_HUGEPAGES_NEVER, .is_shared = true},
	        .message_size = FAR_MESSAGE_SIZE_DEFAULT,
	        .is_evicting = is_evicting};
	struct server *server;
	char reason[256];

	assert_int_equal(server_open(&options, &server, reason), 0);
	return server;
}

struct server *served_open(uint64_t pool_bytes)
{
	return open_server(pool_bytes, false);
}

struct server *served_open_evicting(uint64_t pool_bytes)
{
	return open_server(pool_bytes, true);
}

void served_close(struct server *server)
{
	server_close(server);
}

struct served_lane *served_connect(struct server *server, bool has_loads)
{
	struct served_lane *client = calloc(1, sizeof(*client));

	assert_non_null(client);
	client->buffer = calloc(1, SERVED_BUFFER_LENGTH);
	assert_non_null(client->buffer);
	client->lane.server = server;
	client->lane.transport = has_loads ? &plain_mapped : &plain;
	client->lane.connection = client;
	client->lane.peer = "test";
	client->lane.message_size = FAR_MESSAGE_SIZE_DEFAULT;
	lane_init(&client->lane);
	return client;
}

static struct served_lane *join(struct server *server, bool has_loads)
{
	struct served_lane *client = served_connect(server, has_loads);
	struct far_hello_request hello = {
	        .magic = FAR_WIRE_MAGIC, .wire_version = FAR_WIRE_VERSION, .client = "test", .uid = 1000, .gid = 1000};

	assert_int_equal(served_call(client, FAR_OP_HELLO, 0, &hello, sizeof(hello), (struct served_parts){0}), FAR_STATUS_OK);
	return client;
}

struct served_lane *served_join(struct server *server)
{
	return join(server, false);
}

struct served_lane *served_join_mapped(struct server *server)
{
	return join(server, true);
}

void served_leave(struct served_lane *client)
{
	lane_fini(&client->lane);
	server_settle(client->lane.server);
	free(client->buffer);
	free(client);
}

uint32_t served_raw(struct served_lane *client, const void *message, uint32_t length)
{
	const struct far_reply *reply = (const struct far_reply *)client->reply;
	uint32_t reply_length = operations_dispatch(client->lane.server, &client->lane, message, length, client->reply);

	if (reply_length == OPERATIONS_LATER)
		return reply_length;
	// Posts complete before the next request here.
	while (client->lane.transfer_count > 0)
		lane_transfer_done(&client->lane);
	if (reply_length && reply->flags & FAR_REPLY_GRANT) {
		memcpy(&client->grant, client->reply + reply_length - sizeof(client->grant), sizeof(client->grant));
		client->granted++;
		client->written = 0;
	}
	server_settle(client->lane.server);
	return reply_length;
}

int served_call(struct served_lane *client, unsigned op, unsigned flags, void *fixed, uint32_t fixed_length, struct served_parts parts)
{
	struct far_request *header = fixed;
	const struct far_reply *reply = (const struct far_reply *)client->reply;
	uint32_t reply_length;

	*header = (struct far_request){(uint16_t)op, (uint16_t)flags, fixed_length + parts.first_length + parts.second_length, 77};
	memcpy(client->message, fixed, fixed_length);
	if (parts.first_length)
		memcpy(client->message + fixed_length, parts.first, parts.first_length);
	if (parts.second_length)
		memcpy(client->message + fixed_length + parts.first_length, parts.second, parts.second_length);
	reply_length = served_raw(client, client->message, header->length);
	if (reply_length == 0)
		return -1;
	if (reply_length == OPERATIONS_LATER)
		return SERVED_LATER;
	assert_int_equal(reply->length, reply_length);
	assert_int_equal(reply->op, op);
	assert_int_equal(reply->tag, 77);
	assert_true(reply_length <= client->lane.message_size);
	return reply->status;
}

static struct served_parts text(const char *string)
{
	return (struct served_parts){.first = string, .first_length = (uint32_t)strlen(string)};
}

static struct served_parts texts(const char *first, const char *second)
{
	return (struct served_parts){first, (uint32_t)strlen(first), second, (uint32_t)strlen(second)};
}

int served_put(struct served_lane *client, const char *key, const void *value, uint32_t length)
{
	struct far_put_request put = {.value_length = length, .mode = 0644, .key_length = (uint16_t)strlen(key)};

	return served_call(client, FAR_OP_PUT, 0, &put, sizeof(put), (struct served_parts){key, (uint32_t)strlen(key), value, length});
}

int served_put_expecting(struct served_lane *client, const char *key, const void *value, uint32_t length, uint64_t expected)
{
	struct far_put_request put = {.value_length = length, .mode = 0644, .key_length = (uint16_t)strlen(key), .expected = expected};

	return served_call(client, FAR_OP_PUT, FAR_PUT_EXPECT_VERSION, &put, sizeof(put),
	        (struct served_parts){key, (uint32_t)strlen(key), value, length});
}

int served_get(struct served_lane *client, const char *key, unsigned flags)
{
	struct far_get_request get = {
	        .push = {.rkey = 1, .length = SERVED_BUFFER_LENGTH}, .length = UINT64_MAX, .key_length = (uint16_t)strlen(key)};

	return served_call(client, FAR_OP_GET, flags, &get, sizeof(get), text(key));
}

int served_delete(struct served_lane *client, const char *key)
{
	struct far_delete_request request = {.key_length = (uint16_t)strlen(key)};

	return served_call(client, FAR_OP_DELETE, 0, &request, sizeof(request), text(key));
}

static int with_attr(struct served_lane *client, int status, struct far_attr *attr)
{
	if (status == FAR_STATUS_OK && attr)
		*attr = ((const struct far_attr_reply *)client->reply)->attr;
	return status;
}

int served_stat(struct served_lane *client, const char *key, struct far_attr *attr)
{
	struct far_key_request request = {.key_length = (uint16_t)strlen(key)};

	return with_attr(client, served_call(client, FAR_OP_STAT, 0, &request, sizeof(request), text(key)), attr);
}

int served_rename(struct served_lane *client, const char *from, const char *to, unsigned flags)
{
	struct far_rename_request request = {.from_length = (uint16_t)strlen(from), .to_length = (uint16_t)strlen(to)};

	return served_call(client, FAR_OP_RENAME, flags, &request, sizeof(request), texts(from, to));
}

int served_mkdir(struct served_lane *client, const char *key)
{
	struct far_mkdir_request request = {.mode = 0755, .key_length = (uint16_t)strlen(key)};

	return served_call(client, FAR_OP_MKDIR, 0, &request, sizeof(request), text(key));
}

int served_tmpfile(struct served_lane *client, uint64_t parent, uint32_t mode, struct far_attr *attr)
{
	struct far_create_request request = {.parent = parent, .mode = mode, .uid = 1000, .gid = 1000};
	int status = served_call(client, FAR_OP_TMPFILE, 0, &request, sizeof(request), (struct served_parts){0});

	if (status == FAR_STATUS_OK && attr)
		*attr = ((const struct far_entry_reply *)client->reply)->attr;
	return status;
}

int served_symlink(struct served_lane *client, uint64_t parent, const char *name, const char *target, struct far_attr *attr)
{
	struct far_create_request request = {
	        .parent = parent, .mode = 0120777, .name_length = (uint16_t)strlen(name), .target_length = (uint16_t)strlen(target)};

	return with_attr(client, served_call(client, FAR_OP_CREATE, 0, &request, sizeof(request), texts(name, target)), attr);
}

int served_create(struct served_lane *client, uint64_t parent, const char *name, uint32_t mode, struct far_attr *attr)
{
	struct far_create_request request = {
	        .parent = parent, .mode = mode, .uid = 5, .gid = 6, .device = 0x103, .name_length = (uint16_t)strlen(name)};

	return with_attr(client, served_call(client, FAR_OP_CREATE, 0, &request, sizeof(request), text(name)), attr);
}

int served_lookup(struct served_lane *client, uint64_t parent, const char *name, struct far_attr *attr)
{
	struct far_lookup_request request = {.parent = parent, .name_length = (uint16_t)strlen(name)};

	return with_attr(client, served_call(client, FAR_OP_LOOKUP, FAR_GET_LOCATE, &request, sizeof(request), text(name)), attr);
}

int served_hold(struct served_lane *client, uint64_t id, unsigned flags, struct far_attr *attr)
{
	struct far_object_request request = {.id = id};

	return with_attr(client, served_call(client, FAR_OP_HOLD, flags, &request, sizeof(request), (struct served_parts){0}), attr);
}

int served_unlink(struct served_lane *client, unsigned op, uint64_t parent, const char *name)
{
	struct far_remove_request request = {.parent = parent, .name_length = (uint16_t)strlen(name)};

	return served_call(client, op, 0, &request, sizeof(request), text(name));
}

int served_link(struct served_lane *client, uint64_t id, uint64_t parent, const char *name, struct far_attr *attr)
{
	struct far_link_request request = {.id = id, .parent = parent, .name_length = (uint16_t)strlen(name)};

	return with_attr(client, served_call(client, FAR_OP_LINK, 0, &request, sizeof(request), text(name)), attr);
}

int served_getattr(struct served_lane *client, uint64_t id, struct far_attr *attr)
{
	struct far_object_request request = {.id = id};

	return with_attr(client, served_call(client, FAR_OP_GETATTR, 0, &request, sizeof(request), (struct served_parts){0}), attr);
}

int served_write(struct served_lane *client, uint64_t id, uint64_t offset, const void *bytes, uint32_t length, unsigned flags)
{
	struct far_write_request request = {.id = id, .offset = offset, .length = length};

	return served_call(client, FAR_OP_WRITE, flags, &request, sizeof(request), (struct served_parts){bytes, length, NULL, 0});
}

int served_read(struct served_lane *client, uint64_t id, uint64_t offset, uint64_t length, unsigned flags)
{
	struct far_read_request request = {
	        .push = {.rkey = 1, .length = SERVED_BUFFER_LENGTH}, .id = id, .offset = offset, .length = length};

	return served_call(client, FAR_OP_READ, flags, &request, sizeof(request), (struct served_parts){0});
}

int served_truncate(struct served_lane *client, uint64_t id, uint64_t size)
{
	struct far_setattr_request request = {.id = id, .size = size, .valid = FAR_SET_SIZE};

	return served_call(client, FAR_OP_SETATTR, 0, &request, sizeof(request), (struct served_parts){0});
}

void served_forget(struct served_lane *client, uint64_t id, uint64_t holds)
{
	struct far_forget_request request = {.count = 1};
	struct far_forget forget = {id, holds};

	assert_int_equal(
	        served_call(client, FAR_OP_FORGET, 0, &request, sizeof(request), (struct served_parts){&forget, sizeof(forget), NULL, 0}),
	        -1);
}

struct far_range served_fill(struct served_lane *client, const void *bytes, uint32_t length)
{
	struct far_range range = {.grant = client->grant.id, .offset = client->written, .length = length};

	assert_true(client->grant.id != 0 && client->written + length <= client->grant.length);
	memcpy((uint8_t *)pool_at(client->lane.server->pool, client->grant.rkey) + client->written, bytes, length);
	client->written += (length + FAR_PAGE_SIZE - 1) & ~(FAR_PAGE_SIZE - 1);
	return range;
}

static void value_by_extents(struct served_lane *client, const struct far_get_reply *reply, uint64_t offset, uint8_t *to)
{
	const struct far_wire_extent *extents = (const struct far_wire_extent *)(reply + 1);
	uint64_t end = offset + reply->length;

	memset(to, 0, reply->length);
	for (uint16_t i = 0; i < reply->location.extents; i++) {
		uint64_t from = extents[i].value_offset > offset ? extents[i].value_offset : offset;
		uint64_t until = extents[i].value_offset + extents[i].length < end ? extents[i].value_offset + extents[i].length : end;

		if (from < until)
			memcpy(to + (from - offset),
			        pool_at(client->lane.server->pool, extents[i].pool_offset + (from - extents[i].value_offset)),
			        until - from);
	}
}

void served_value(struct served_lane *client, uint64_t offset, void *to)
{
	const struct far_get_reply *reply = (const struct far_get_reply *)client->reply;

	if (reply->how == FAR_GET_EAGER)
		memcpy(to, client->reply + sizeof(*reply) + reply->location.extents * sizeof(struct far_wire_extent), reply->length);
	else if (reply->how == FAR_GET_PUSHED)
		memcpy(to, client->buffer, reply->length);
	else
		value_by_extents(client, reply, offset, to);
}

uint64_t served_free_bytes(struct served_lane *client)
{
	struct far_statfs_request request = {.id = 0};

	server_settle(client->lane.server);
	assert_int_equal(served_call(client, FAR_OP_STATFS, 0, &request, sizeof(request), (struct served_parts){0}), FAR_STATUS_OK);
	return ((const struct far_statfs_reply *)client->reply)->free;
}

void served_fail_on_findings(struct check *check)
{
	const struct check_finding *finding = check_peek(check);

	if (finding)
		fail_msg("%s: %.*s", far_check_name(finding->kind), (int)finding->length, finding->text);
}

void served_assert_sound(struct served_lane *client)
{
	struct check *check;

	assert_int_equal(check_begin(client->lane.server, client->lane.session, &check), 0);
	while (!check_step(check, UINT64_MAX))
		;
	served_fail_on_findings(check);
	check_end(check);
}
