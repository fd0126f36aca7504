#include "server/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "far/log.h"
#include "server/operations.h"
#include "server/session.h"

// --- the lane's transport over the fabric ---

static struct connection *connection_of(const struct lane *lane)
{
	return lane->connection;
}

static int transport_post_write(struct lane *lane, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context)
{
	return fabric_post_write(connection_of(lane)->fabric_lane, local, rkey, offset, length, context);
}

static int transport_grant(struct lane *lane, uint64_t pool_offset, uint64_t length, void **out, uint64_t *rkey)
{
	const struct network *network = connection_of(lane)->network;
	struct pool *pool = lane->server->pool;
	struct fabric_memory memory = {pool_at(pool, pool_offset), length, pool_fd(pool), pool_offset};
	struct fabric_region *region;
	// To this lane alone: what one lane was granted, no other one of its session commits.
	int error = fabric_register(network->fabric, &memory, FABRIC_REMOTE_WRITE, lane->number, &region);

	if (error)
		return error;
	*out = region;
	*rkey = fabric_region_rkey(region);
	return 0;
}

static void transport_seal(struct lane *lane, void *region, uint64_t length)
{
	(void)lane;
	fabric_region_seal(region, length);
}

static void transport_revoke(struct lane *lane, void *region)
{
	(void)lane;
	fabric_unregister(region);
}

// The lane joins a session: from now on it can be granted memory.
static void transport_set_scope(struct lane *lane, uint64_t scope)
{
	fabric_lane_set_scope(connection_of(lane)->fabric_lane, scope ? lane->number : 0);
}

static void enlist(struct connection *connection)
{
	if (connection->is_noticed)
		return;
	connection->is_noticed = true;
	connection->next_noticed = connection->network->noticed;
	connection->network->noticed = connection;
}

// By any I/O thread's hand: the lane's own is told. It looks by itself behind what it does (tend in loop.c).
static void transport_notify(struct lane *lane)
{
	const struct network *network = connection_of(lane)->network;

	enlist(connection_of(lane));
	if (lane->server->writer.io_thread != network->io_thread)
		bell_ring(network->bell);
}

static uint64_t transport_read_section(const struct lane *lane)
{
	return fabric_read_section(connection_of(lane)->fabric_lane);
}

static const struct lane_transport transport = {
        .has_loads = false,
        .post_write = transport_post_write,
        .grant = transport_grant,
        .seal = transport_seal,
        .revoke = transport_revoke,
        .notify = transport_notify,
        .set_scope = transport_set_scope,
        .read_section = transport_read_section,
};

static const struct lane_transport mapped_transport = {
        .has_loads = true,
        .post_write = transport_post_write,
        .grant = transport_grant,
        .seal = transport_seal,
        .revoke = transport_revoke,
        .notify = transport_notify,
        .set_scope = transport_set_scope,
        .read_section = transport_read_section,
};

// --- networks ---

int network_open(struct network *network, const char *provider, struct server *server, struct fabric_error *error)
{
	struct fabric_options options = {.message_size = server->message_size, .is_sharing = pool_is_shared(server->pool)};
	struct fabric_memory pool = {pool_base(server->pool), pool_length(server->pool), pool_fd(server->pool), 0};
	struct fabric_memory zeros = {(void *)(uintptr_t)server->zeros, SERVER_ZEROS_LENGTH, -1, 0};
	int result = fabric_open(provider, &options, &network->fabric, error);

	if (result)
		return result;
	network->server = server;
	snprintf(network->provider, sizeof(network->provider), "%s", provider);
	result = fabric_register(network->fabric, &pool, FABRIC_REMOTE_READ, 0, &network->pool_region);
	if (!result)
		result = fabric_register(network->fabric, &zeros, 0, 0, &network->zeros_region);
	if (result)
		snprintf(error->text, sizeof(error->text), "cannot register the pool with provider %s: %s", provider, strerror(-result));
	return result;
}

// What the network did in all, beside what the handlers counted: writes are pushes of values.
static void log_statistics(const struct network *network)
{
	struct fabric_statistics all;

	fabric_statistics(network->fabric, &all);
	log_info("network closed provider=%s sends=%llu receives=%llu writes=%llu controls=%llu doorbells=%llu completions=%llu",
	        network->provider, (unsigned long long)all.sends, (unsigned long long)all.receives, (unsigned long long)all.writes,
	        (unsigned long long)all.controls, (unsigned long long)all.doorbells, (unsigned long long)all.completions);
}

void network_close(struct network *network)
{
	if (network->fabric)
		log_statistics(network);
	fabric_close(network->fabric);
	*network = (struct network){0};
}

// --- connections ---

struct connection *connection_new(struct network *network, struct fabric_lane *fabric_lane)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	struct lane *lane;

	if (!connection)
		return NULL;
	connection->network = network;
	connection->fabric_lane = fabric_lane;
	lane = &connection->lane;
	lane->server = network->server;
	lane->transport = fabric_caps(network->fabric)->has_loads ? &mapped_transport : &transport;
	lane->connection = connection;
	lane->peer = fabric_lane_peer(fabric_lane);
	lane->pool_rkey = fabric_region_rkey(network->pool_region);
	lane->message_size = fabric_lane_message_size(fabric_lane);
	lane_init(lane);
	fabric_lane_set_owner(fabric_lane, connection);
	log_debug("lane opened peer=%s io_thread=%u", lane->peer, network->io_thread);
	return connection;
}

static void forget_notices(struct connection *connection)
{
	struct connection **link = &connection->network->noticed;

	while (connection->is_noticed && *link != connection)
		link = &(*link)->next_noticed;
	if (connection->is_noticed)
		*link = connection->next_noticed;
}

// The lane is told first: its peer's name lives as long as the fabric's lane, but transfers out of the pool end with that.
void connection_free(struct connection *connection)
{
	char peer[96];

	snprintf(peer, sizeof(peer), "%s", connection->lane.peer);
	log_debug("lane closed peer=%s", peer);
	fabric_disconnect(connection->fabric_lane);
	connection->fabric_lane = NULL;
	connection->lane.peer = peer;
	forget_notices(connection); // before others' locks are freed: this one's session takes none any more
	lane_fini(&connection->lane);
	free(connection->stalled);
	free(connection);
}

void connection_shut(struct connection *connection)
{
	if (connection->is_shut)
		return;
	connection->is_shut = true;
	fabric_shut(connection->fabric_lane);
}

static bool send_stalled(struct connection *connection)
{
	void *space;

	if (connection->stalled_length == 0)
		return true;
	space = fabric_send_reserve(connection->fabric_lane, connection->stalled_length);
	if (!space)
		return false;
	memcpy(space, connection->stalled, connection->stalled_length);
	fabric_send(connection->fabric_lane, connection->stalled_length);
	connection->stalled_length = 0;
	connection->is_dirty = true;
	return true;
}

// The reply is made aside: writes to the client go into the lane's queue before it, or none is due, or not yet (false).
static bool handle_aside(struct connection *connection, const void *message, uint32_t length)
{
	struct lane *lane = &connection->lane;
	uint32_t reply_length;

	if (!connection->stalled)
		connection->stalled = malloc(lane->message_size);
	if (!connection->stalled)
		return false;
	reply_length = operations_dispatch(lane->server, lane, message, length, connection->stalled);
	if (reply_length == OPERATIONS_LATER)
		return false;
	connection->stalled_length = reply_length;
	connection->is_dirty = true;
	send_stalled(connection);
	return true;
}

// False: no credit for the reply now, or no memory for what is asked, nothing was done.
// The message is private memory: no provider delivers one that its sender can still change.
static bool handle(struct connection *connection, const void *message, uint32_t length)
{
	struct lane *lane = &connection->lane;
	uint32_t reply_length;
	void *reply;

	if (!send_stalled(connection) || operations_must_wait(lane->server, message, length))
		return false;
	if (operations_is_silent(message, length) || operations_may_push(message, length) ||
	        operations_may_be_late(lane->server, message, length))
		return handle_aside(connection, message, length);
	reply = fabric_send_reserve(connection->fabric_lane, lane->message_size);
	if (!reply)
		return false;
	reply_length = operations_dispatch(lane->server, lane, message, length, reply);
	fabric_send(connection->fabric_lane, reply_length);
	connection->is_dirty = true;
	return true;
}

static void keep(struct connection *connection, const void *message, uint32_t length)
{
	if (connection->waiting_count == FAR_LANE_DEPTH) {
		// Credits do not allow this many.
		log_warning("more messages than credits: lane closed peer=%s", connection->lane.peer);
		connection->lane.is_closing = true;
		fabric_receive_release(connection->fabric_lane, message);
		return;
	}
	connection->waiting[(connection->waiting_first + connection->waiting_count++) % FAR_LANE_DEPTH] =
	        (struct waiting_message){message, length};
}

void connection_receive(struct connection *connection, const void *message, uint32_t length)
{
	if (connection->lane.is_closing || (connection->waiting_count == 0 && handle(connection, message, length)))
		fabric_receive_release(connection->fabric_lane, message);
	else
		keep(connection, message, length);
}

bool connection_resume(struct connection *connection)
{
	while (connection->waiting_count > 0) {
		const struct waiting_message *first = &connection->waiting[connection->waiting_first];

		if (!connection->lane.is_closing && !handle(connection, first->message, first->length))
			return true;
		fabric_receive_release(connection->fabric_lane, first->message);
		connection->waiting_first = (connection->waiting_first + 1) % FAR_LANE_DEPTH;
		connection->waiting_count--;
	}
	return !send_stalled(connection);
}

// Notices go between replies. True: all are sent.
static bool send_notices(struct connection *connection, bool *is_moving)
{
	struct lane *lane = &connection->lane;
	bool was_unsent = connection->is_unsent;
	void *message;
	uint32_t length;

	while (operations_has_notices(lane) && !lane->is_closing && !connection->is_shut) {
		message = send_stalled(connection) ? fabric_send_reserve(connection->fabric_lane, lane->message_size) : NULL;
		if (!message) {
			*is_moving |= !was_unsent;
			connection->is_unsent = true;
			return false;
		}
		length = operations_notices(lane, message, lane->message_size);
		fabric_send(connection->fabric_lane, length);
		*is_moving |= was_unsent;
	}
	connection->is_unsent = false;
	return true;
}

bool network_send_notices(struct network *network, bool *is_moving)
{
	struct connection *connection = network->noticed, *next;

	network->noticed = NULL;
	for (; connection; connection = next) {
		next = connection->next_noticed;
		connection->is_noticed = false;
		connection->is_dirty = true;
		if (!send_notices(connection, is_moving))
			enlist(connection);
		connection_flush(connection);
	}
	return network->noticed != NULL;
}

void connection_flush(struct connection *connection)
{
	if (!connection->is_dirty)
		return;
	connection->is_dirty = false;
	fabric_flush(connection->fabric_lane);
}
