// Requests about the session itself and the server: hello, ping, statfs, forget.
#include <errno.h>
#include <string.h>

#include "far/clock.h"
#include "server/holds.h"
#include "server/operations.h"
#include "server/quota.h"
#include "server/record.h"
#include "server/session.h"
#include "server/space.h"

// The largest value that fits a reply with its location in one piece and a grant.
static uint32_t eager_limit(const struct lane *lane)
{
	uint32_t fits =
	        lane->message_size - (uint32_t)(sizeof(struct far_get_reply) + sizeof(struct far_wire_extent) + sizeof(struct far_grant));
	uint32_t limit = lane->server->eager_limit;

	return limit && limit < fits ? limit : fits;
}

static int refuse_wire_version(struct request *request)
{
	struct far_hello_reply *reply = request->reply;

	memset(&reply->wire_version, 0, sizeof(*reply) - sizeof(reply->header));
	reply->wire_version = FAR_WIRE_VERSION;
	request->reply_length = sizeof(*reply);
	return -EPROTONOSUPPORT;
}

int handle_hello(struct request *request)
{
	const struct far_hello_request *message = request->message;
	struct far_hello_reply *reply = request->reply;
	struct server *server = request->server;
	struct lane *lane = request->lane;
	int error;

	if (message->magic != FAR_WIRE_MAGIC)
		return -EPROTO;
	// Another version's hello may have another size: only what is before the version counts until here.
	if (message->wire_version != FAR_WIRE_VERSION)
		return refuse_wire_version(request);
	if (message->header.length != sizeof(*message) || lane->session)
		return -EPROTO;
	if (message->authentication != 0)
		return -EOPNOTSUPP;
	error = session_join(lane, message);
	if (error)
		return error;
	memset(&reply->wire_version, 0, sizeof(*reply) - sizeof(reply->header));
	reply->wire_version = FAR_WIRE_VERSION;
	reply->eager_limit = eager_limit(lane);
	reply->session = lane->session->id;
	memcpy(reply->secret, lane->session->secret, sizeof(reply->secret));
	reply->boot_id = pool_header(server->pool)->boot_id;
	reply->pool_rkey = lane->pool_rkey;
	reply->pool_length = pool_length(server->pool);
	reply->segment_shift = pool_segment_shift(server->pool);
	reply->lanes_max = FAR_LANES_PER_SESSION;
	memcpy(reply->server, "far-server " FAR_VERSION, sizeof("far-server " FAR_VERSION));
	request->reply_length = sizeof(*reply);
	return 0;
}

int handle_ping(struct request *request)
{
	if (request->flags & FAR_PING_WANT_GRANT)
		grant_want_more(request->lane);
	return 0;
}

// What the quotas above an object leave, as the space that there is.
static void apply_quotas(const struct server *server, const struct far_record *object, struct far_statfs_reply *space)
{
	const struct quota *of_bytes, *of_objects;

	quota_tightest(server, object, &of_bytes, &of_objects);
	if (of_bytes) {
		space->total = of_bytes->limits.bytes;
		space->free = quota_bytes_left(of_bytes);
		space->objects = of_bytes->used.objects;
	}
	if (of_objects) {
		space->objects = of_objects->used.objects;
		space->objects_left = quota_objects_left(of_objects);
	}
	if (space->free < space->available)
		space->available = space->free;
}

int handle_statfs(struct request *request)
{
	const struct far_statfs_request *message = request->message;
	const struct far_record *object = message->id ? object_peek(request->server, message->id) : NULL;
	struct far_statfs_reply *reply = request->reply;
	struct far_statfs_reply space = {.objects_left = UINT64_MAX};
	const struct server *server = request->server;

	if (message->id && !object)
		return -ESTALE;
	space.total = pool_length(server->pool);
	space.free = space_free_bytes(server);
	space.available = space_available_bytes(server);
	space.objects = server->figures.objects;
	space.sessions = server->session_count;
	space.operations = server->figures.operations;
	space.reads = server->figures.bytes_out;
	space.writes = server->figures.bytes_in;
	space.segment_size = 1ULL << pool_segment_shift(server->pool);
	space.boot_id = pool_header(server->pool)->boot_id;
	space.uptime_ns = clock_now_ns() - server->started_ns;
	if (object)
		apply_quotas(server, object, &space);
	*reply = space;
	request->reply_length = sizeof(*reply);
	return 0;
}

// An entry of what is still held, and can be let go of by a name. False: no room.
static bool tell_held(const struct request *request, const struct far_record *object, uint32_t *length)
{
	struct far_span name = record_name(request->server->pool, object);
	struct far_let_go entry = {.id = object->id, .parent = object->parent, .name_length = name.length};

	if (request->reply_room - *length < sizeof(entry) + name.length)
		return false;
	memcpy((char *)request->reply + *length, &entry, sizeof(entry));
	memcpy((char *)request->reply + *length + sizeof(entry), name.bytes, name.length);
	*length += (uint32_t)sizeof(entry) + name.length;
	return true;
}

int handle_let_go(struct request *request)
{
	struct session *session = request->lane->session;
	struct far_let_go_reply *reply = request->reply;
	uint32_t length = sizeof(*reply), count = 0;

	for (; session->let_go_count > 0; session->let_go_count--) {
		uint64_t id = session->let_go[session->let_go_count - 1];
		const struct far_record *object = record_by_id(request->server->pool, id);

		if (!object || object->nlink != 1 || !hold_exists(session, id))
			continue;
		if (!tell_held(request, object, &length))
			break;
		count++;
	}
	reply->count = count;
	reply->reserved = 0;
	request->reply_length = length;
	return 0;
}

int handle_forget(struct request *request)
{
	const struct far_forget_request *message = request->message;
	const struct far_forget *forgets = (const struct far_forget *)request->tail;

	if (request->tail_length != message->count * sizeof(struct far_forget))
		return -EPROTO;
	for (uint32_t i = 0; i < message->count; i++)
		if (forgets[i].holds > 0)
			hold_drop(request->server, request->lane->session, forgets[i].id, forgets[i].holds);
	return 0;
}
