#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include "fabric/resolve.h"
#include "fabric/verbs_connection.h"
#include "far/cleanup.h"
#include "far/log.h"

// The side that listens. The address decides which device serves; for a wildcard, and for a socket's address that is none of a device, all do whose link is up. They are opened now: registering
// the pool takes too long for the moment when somebody connects.

static const char *listen_advice(int code)
{
	switch (code) {
	case EADDRINUSE:
		return ": another program listens there: choose another port with --listen";
	case EADDRNOTAVAIL:
		return ": it is no address of this host";
	case ENODEV:
		return ": no RDMA device has this address (rdma link; ibv_devinfo)";
	default:
		return "";
	}
}

static bool is_wildcard(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
	return ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
}

// 0 if there is one that serves.
static int open_ways(
        struct verbs *verbs, const struct verbs_way *ways, int count, const struct fabric_rdma *rdma, struct fabric_error *error)
{
	struct verbs_device *device;
	bool is_served = false;
	int result = -ENODEV;

	for (int i = 0; i < count; i++) {
		result = verbs_device_get(verbs, ways[i].device, ways[i].port, rdma, &device, error);
		is_served |= result == 0;
		if (result && count > 1)
			log_warning("rdma: a device does not serve: %s", error->text);
		if (!result)
			log_info("rdma: serves device=%s port=%u gid=%u because=%s", ways[i].device, ways[i].port, ways[i].gid.gid_index,
			        verbs_way_reason(&ways[i], rdma));
	}
	if (is_served)
		error->text[0] = '\0';
	return is_served ? 0 : result;
}

// Where the connection manager binds to an address, it knows the device.
static int find_ways(struct verbs *verbs, const struct verbs_target *target, struct verbs_way *ways, struct fabric_error *error)
{
	bool is_any = is_wildcard(target->peer);
	const struct verbs_wish wish = {.rdma = &target->address->rdma, .asked = is_any ? NULL : target->peer};
	int count = verbs_ways_find(verbs, &wish, ways, error);
	int asked = 0;

	if (count <= 0 || is_any)
		return count;
	while (asked < count && ways[asked].reach == VERBS_REACH_ASKED)
		asked++;
	return asked || !target->address->rdma.is_by_socket ? asked : count;
}

static int open_devices(
        struct verbs *verbs, const struct verbs_target *target, const struct verbs_listener *listener, struct fabric_error *error)
{
	struct verbs_way ways[VERBS_WAYS];
	int count = find_ways(verbs, target, ways, error);

	if (count > 0)
		return open_ways(verbs, ways, count, &listener->rdma, error);
	return count || (listener->id && listener->id->verbs) ? count : -ENODEV;
}

static int open_listener(
        struct verbs *verbs, const struct verbs_target *target, struct verbs_listener *listener, struct fabric_error *error)
{
	bool is_by_socket = listener->rdma.is_by_socket;
	int result = is_by_socket ? verbs_socket_bind(target, listener) : verbs_cm_bind(verbs, target, listener, error);

	if (result)
		return result;
	if (verbs->lanes && !verbs->is_server) // its receives and regions are made for connecting
		return -EBUSY;
	verbs->is_server = true;
	result = open_devices(verbs, target, listener, error);
	if (result)
		return result;
	return is_by_socket ? verbs_socket_start(verbs, listener) : verbs_cm_start(verbs, listener, error);
}

static void close_listener(const struct verbs_listener *listener)
{
	if (listener->id)
		rdma_destroy_id(listener->id);
	if (listener->socket >= 0)
		close(listener->socket);
}

int verbs_listen(struct fabric *fabric, const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error)
{
	struct verbs *verbs = verbs_of(fabric);
	struct verbs_listener *listener;
	CLEANUP(addrinfo) struct addrinfo *list = NULL;
	struct verbs_target target = {.address = address};
	int result = fabric_resolve(address, AI_PASSIVE, &list, error);

	if (result)
		return result;
	if (verbs->listener_count == VERBS_LISTENERS)
		return verbs_fail(error, "listen on", address, EMFILE, ": too many listeners of one provider");
	target.peer = list->ai_addr;
	target.peer_length = list->ai_addrlen;
	listener = &verbs->listeners[verbs->listener_count];
	*listener = (struct verbs_listener){.socket = -1, .rdma = address->rdma};
	result = open_listener(verbs, &target, listener, error);
	if (result)
		close_listener(listener);
	if (result)
		return error->text[0] ? result : verbs_fail(error, "listen on", address, -result, listen_advice(-result));
	verbs->listener_count++;
	if (bound) {
		*bound = *address;
		bound->rdma = (struct fabric_rdma){.is_by_socket = address->rdma.is_by_socket};
		bound->port = listener->id ? verbs_cm_port(listener) : verbs_socket_port(listener);
	}
	return 0;
}

void verbs_listeners_close(struct verbs *verbs)
{
	while (verbs->pending)
		verbs_handshake_end(verbs, verbs->pending);
	for (unsigned i = 0; i < verbs->listener_count; i++)
		close_listener(&verbs->listeners[i]);
	verbs->listener_count = 0;
}
