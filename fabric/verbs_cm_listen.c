#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fabric/verbs_connection.h"
#include "far/log.h"

// Listening by the connection manager.

#define BACKLOG 256

static void refuse(struct rdma_cm_id *id, const char *reason)
{
	struct verbs_refusal refusal = verbs_refusal_of(reason);

	rdma_reject(id, &refusal, sizeof(refusal));
	rdma_destroy_id(id);
}

static int accept_lane(
        struct verbs_device *device, const struct verbs_cm_event *event, const struct fabric_rdma *rdma, const struct verbs_hello *theirs)
{
	const struct verbs_reads reads = {.taken = event->responder_resources, .posted = event->initiator_depth};
	struct rdma_conn_param parameters;
	struct verbs_hello mine;
	struct verbs_lane *lane;
	int result = verbs_lane_new(device, rdma, false, &lane);

	if (result)
		return result;
	lane->id = event->id;
	lane->id->context = lane;
	verbs_name_peer(lane, rdma_get_peer_addr(lane->id));
	mine = verbs_hello_of(lane);
	verbs_take_hello(lane, theirs);
	parameters = verbs_cm_parameters(lane, &mine, &reads);
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

static const struct fabric_rdma *find_listener(const struct verbs *verbs, const struct rdma_cm_id *id)
{
	static const struct fabric_rdma none;

	for (unsigned i = 0; i < verbs->listener_count; i++)
		if (verbs->listeners[i].id == id)
			return &verbs->listeners[i].rdma;
	return &none;
}

static bool serves(const struct fabric_rdma *rdma, const struct rdma_cm_id *id)
{
	if (rdma->port && rdma->port != id->port_num)
		return false;
	return !rdma->device[0] || strcmp(rdma->device, ibv_get_device_name(id->verbs->device)) == 0;
}

void verbs_cm_request(struct verbs *verbs, const struct verbs_cm_event *event)
{
	const struct fabric_rdma *rdma = find_listener(verbs, event->listener);
	struct fabric_error error = {""};
	struct verbs_device *device;
	struct verbs_hello hello;
	const char *fault = verbs_cm_fault(event, &hello);
	int result;

	event->id->context = NULL;
	if (!fault && verbs->handshakes >= VERBS_HANDSHAKES)
		fault = "too many connections are being made";
	if (!fault && !serves(rdma, event->id))
		fault = "another device than the one that serves";
	if (fault) {
		refuse(event->id, fault);
		return;
	}
	result = verbs_device_get(verbs, ibv_get_device_name(event->id->verbs->device), event->id->port_num, rdma, &device, &error);
	if (!result)
		result = accept_lane(device, event, rdma, &hello);
	if (result == 0)
		return;
	log_warning("rdma: a connection could not be accepted: %s %s", strerror(-result), error.text);
	refuse(event->id, error.text[0] ? error.text : strerror(-result));
}

int verbs_cm_bind(struct verbs *verbs, const struct verbs_target *target, struct verbs_listener *listener, struct fabric_error *error)
{
	int result = verbs_cm_open(verbs, error);

	if (result)
		return result;
	if (rdma_create_id(verbs->cm, &listener->id, NULL, RDMA_PS_TCP)) {
		listener->id = NULL;
		return -errno;
	}
	return rdma_bind_addr(listener->id, (struct sockaddr *)(uintptr_t)target->peer) ? -errno : 0;
}

int verbs_cm_start(struct verbs *verbs, const struct verbs_listener *listener, struct fabric_error *error)
{
	const struct rdma_cm_id *id = listener->id;
	struct verbs_device *device;
	int result = 0;

	if (id->verbs && !serves(&listener->rdma, id)) {
		snprintf(error->text, sizeof(error->text), "the address is one of device %.64s port %u, but device= or port= name another",
		        ibv_get_device_name(id->verbs->device), id->port_num);
		return -EXDEV;
	}
	if (id->verbs) // else a wildcard's: by those that are open
		result = verbs_device_get(verbs, ibv_get_device_name(id->verbs->device), id->port_num, &listener->rdma, &device, error);
	return result || rdma_listen(listener->id, BACKLOG) == 0 ? result : -errno;
}

uint16_t verbs_cm_port(const struct verbs_listener *listener)
{
	return ntohs(rdma_get_src_port(listener->id));
}
