#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "fabric/resolve.h"
#include "fabric/verbs.h"
#include "far/log.h"

// The side that listens. The address decides which device is used; for a wildcard it is every device whose link is up.

#define BACKLOG 256

static void refuse(struct rdma_cm_id *id, const char *reason)
{
	struct verbs_refusal refusal = {.magic = VERBS_MAGIC, .version = VERBS_VERSION};

	snprintf(refusal.text, sizeof(refusal.text), "%s (this side: version %u)", reason, VERBS_VERSION);
	log_debug("rdma: connection refused reason=%s", reason);
	rdma_reject(id, &refusal, sizeof(refusal));
	rdma_destroy_id(id);
}

static int accept_lane(
        struct verbs *verbs, const struct verbs_cm_event *event, const struct verbs_hello *theirs, struct fabric_error *error)
{
	struct verbs_hello mine = verbs_cm_hello(verbs);
	struct rdma_conn_param parameters;
	struct verbs_device *device;
	struct verbs_lane *lane;
	int result = verbs_device_get(verbs, ibv_get_device_name(event->id->verbs->device), event->id->port_num, &device, error);

	if (!result)
		result = verbs_lane_new(device, event->id, false, &lane);
	if (result)
		return result;
	verbs_cm_take_hello(lane, theirs);
	parameters = verbs_cm_parameters(lane, &mine);
	parameters.responder_resources = verbs_cm_least(device->attributes.max_qp_rd_atom, event->initiator_depth);
	parameters.initiator_depth = verbs_cm_least(device->attributes.max_qp_init_rd_atom, event->responder_resources);
	result = verbs_cm_move(lane, IBV_QPS_INIT);
	if (!result)
		result = verbs_cm_ready(lane);
	if (!result && rdma_accept(event->id, &parameters))
		result = -errno;
	if (result) {
		lane->id = NULL; // it stays the caller's, to refuse with
		verbs_lane_free(lane);
	}
	return result;
}

void verbs_cm_request(struct verbs *verbs, const struct verbs_cm_event *event)
{
	struct fabric_error error = {""};
	struct verbs_hello hello;
	const char *fault = verbs_cm_fault(event, &hello);
	int result;

	event->id->context = NULL;
	if (!fault && verbs->handshakes >= VERBS_HANDSHAKES)
		fault = "too many connections are being made";
	if (fault) {
		refuse(event->id, fault);
		return;
	}
	result = accept_lane(verbs, event, &hello, &error);
	if (result == 0)
		return;
	log_warning("rdma: a connection could not be accepted: %s %s", strerror(-result), error.text);
	refuse(event->id, error.text[0] ? error.text : strerror(-result));
}

void verbs_lane_accepted(struct verbs *verbs, struct verbs_lane *lane)
{
	if (lane->state != VERBS_CONNECTING)
		return;
	verbs->handshakes--;
	lane->state = VERBS_OPEN;
	lane->is_known = true;
	verbs_event(verbs, (struct fabric_event){.kind = FABRIC_ACCEPTED, .lane = &lane->base});
	verbs_scope_sync(lane, true);
	verbs_probe_begin(verbs);
}

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

// A wildcard address belongs to no device: all whose link is up serve. 0 if there is one.
static int open_devices(struct verbs *verbs, struct fabric_error *error)
{
	struct ibv_context **contexts = rdma_get_devices(NULL);
	struct verbs_device *device;
	int result = -ENODEV;

	for (int i = 0; contexts && contexts[i]; i++) {
		int one = verbs_device_get(verbs, ibv_get_device_name(contexts[i]->device), 1, &device, error);

		if (one && one != -ENETDOWN)
			log_warning("rdma: a device does not serve: %s", error->text);
		if (result)
			result = one;
	}
	if (contexts)
		rdma_free_devices(contexts);
	if (result == 0)
		error->text[0] = '\0';
	return result;
}

static int open_listener(struct verbs *verbs, struct rdma_cm_id *id, const struct addrinfo *info, struct fabric_error *error)
{
	struct verbs_device *device;
	int result = -ENODEV;

	if (rdma_bind_addr(id, info->ai_addr))
		return -errno;
	if (verbs->lanes && !verbs->is_server) // its receives and regions are made for connecting
		return -EBUSY;
	verbs->is_server = true;
	if (id->verbs)
		result = verbs_device_get(verbs, ibv_get_device_name(id->verbs->device), id->port_num, &device, error);
	else if (is_wildcard(info->ai_addr))
		result = open_devices(verbs, error);
	if (!result && rdma_listen(id, BACKLOG))
		result = -errno;
	return result;
}

int verbs_listen(struct fabric *fabric, const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error)
{
	struct verbs *verbs = verbs_of(fabric);
	struct rdma_cm_id *id;
	struct addrinfo *list;
	int result = fabric_resolve(address, AI_PASSIVE, &list, error);

	if (result)
		return result;
	if (verbs->listener_count == VERBS_LISTENERS) {
		freeaddrinfo(list);
		return verbs_cm_fail(error, "listen on", address, EMFILE, ": too many listeners of one provider");
	}
	result = rdma_create_id(verbs->cm, &id, NULL, RDMA_PS_TCP) ? -errno : 0;
	if (!result) {
		result = open_listener(verbs, id, list, error);
		if (result)
			rdma_destroy_id(id);
	}
	freeaddrinfo(list);
	if (result)
		return error->text[0] ? result : verbs_cm_fail(error, "listen on", address, -result, listen_advice(-result));
	verbs->listeners[verbs->listener_count++] = id;
	if (bound) {
		*bound = *address;
		bound->port = ntohs(rdma_get_src_port(id));
	}
	return 0;
}
