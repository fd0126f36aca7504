#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "fabric/resolve.h"
#include "fabric/verbs_connection.h"
#include "fabric/verbs_gid.h"
#include "far/clock.h"

// Connecting by the connection manager.

#define RESOLVE_MS 500
#define PROBE_NS 400000000U
#define NO_LISTENER 8 // reasons of refusals, from the InfiniBand specification
#define REFUSED_BY_US 28

// Waits for the next thing the manager has to say of the identifier; what it says of others is taken meanwhile.
static int await(struct verbs *verbs, const struct rdma_cm_id *id, uint64_t deadline_ns, struct verbs_cm_event *event)
{
	for (;;) {
		struct pollfd descriptor = {.fd = verbs->cm->fd, .events = POLLIN};
		uint64_t now_ns = clock_now_ns();

		while (verbs_cm_next(verbs->cm, event)) {
			if (event->id == id)
				return 0;
			verbs_cm_take(verbs, event);
		}
		if (now_ns >= deadline_ns)
			return -ETIMEDOUT;
		poll(&descriptor, 1, (int)((deadline_ns - now_ns) / 1000000) + 1);
	}
}

static int take_refusal(const struct verbs_cm_event *event, struct fabric_error *error)
{
	if (event->status != REFUSED_BY_US)
		return event->status == NO_LISTENER ? -ECONNREFUSED : -ECONNRESET;
	return verbs_take_refusal(event->private_data, event->private_length, error);
}

// Waits until the manager tells of what is expected.
static int expect(struct verbs *verbs, const struct rdma_cm_id *id, enum rdma_cm_event_type type, uint64_t deadline_ns,
        struct verbs_cm_event *event, struct fabric_error *error)
{
	int result = await(verbs, id, deadline_ns, event);

	if (result || event->type == type)
		return result;
	switch (event->type) {
	case RDMA_CM_EVENT_ADDR_ERROR:
		return event->status == -ETIMEDOUT ? -EHOSTUNREACH : event->status ? event->status : -EHOSTUNREACH;
	case RDMA_CM_EVENT_REJECTED:
		return take_refusal(event, error);
	case RDMA_CM_EVENT_UNREACHABLE:
		return event->status == -ETIMEDOUT ? -ETIMEDOUT : -EHOSTUNREACH;
	default:
		return event->status < 0 ? event->status : -EHOSTUNREACH;
	}
}

static int left_ms(uint64_t deadline_ns)
{
	uint64_t now_ns = clock_now_ns();

	return now_ns < deadline_ns ? (int)((deadline_ns - now_ns) / 1000000) + 1 : 1;
}

// The address that a lane by this way comes from, which binds it to the way's device. False: it has none, the manager finds the way.
static bool find_source(const struct verbs_way *way, struct sockaddr_storage *source)
{
	return way && verbs_gid_address(&way->gid, source);
}

static int find_route(struct verbs *verbs, struct rdma_cm_id *id, const struct verbs_target *target, struct fabric_error *error)
{
	struct sockaddr_storage source;
	struct sockaddr *from = find_source(target->way, &source) ? (struct sockaddr *)&source : NULL;
	struct sockaddr *to = (struct sockaddr *)(uintptr_t)target->peer;
	uint64_t deadline_ns = target->deadline_ns;
	struct verbs_cm_event event;
	int result;

	do { // a neighbour's answer can be lost
		int ms = left_ms(deadline_ns);

		if (rdma_resolve_addr(id, from, to, ms < RESOLVE_MS ? ms : RESOLVE_MS))
			return -errno;
		result = expect(verbs, id, RDMA_CM_EVENT_ADDR_RESOLVED, deadline_ns, &event, error);
	} while (result == -EHOSTUNREACH && left_ms(deadline_ns) > 1);
	if (result)
		return result;
	if (rdma_resolve_route(id, left_ms(deadline_ns)))
		return -errno;
	return expect(verbs, id, RDMA_CM_EVENT_ROUTE_RESOLVED, deadline_ns, &event, error);
}

// The queue pair follows what both sides agreed on.
static int shake_hands(struct verbs *verbs, struct verbs_lane *lane, uint64_t deadline_ns, struct fabric_error *error)
{
	struct verbs_hello mine = verbs_hello_of(lane), theirs;
	struct rdma_conn_param parameters = verbs_cm_parameters(lane, &mine, NULL);
	struct verbs_cm_event event;
	const char *fault;
	int result = verbs_cm_move(lane, IBV_QPS_INIT);

	if (!result && rdma_connect(lane->id, &parameters))
		result = -errno;
	if (!result)
		result = expect(verbs, lane->id, RDMA_CM_EVENT_CONNECT_RESPONSE, deadline_ns, &event, error);
	if (result)
		return result;
	fault = verbs_cm_fault(&event, &theirs);
	if (fault) {
		snprintf(error->text, sizeof(error->text), "what listens there is %s", fault);
		return -EPROTO;
	}
	verbs_take_hello(lane, &theirs);
	result = verbs_cm_ready(lane);
	return result || rdma_establish(lane->id) == 0 ? result : -errno;
}

// The manager can have found another device than was asked for, where the way has no address that binds it.
static int check_device(const struct rdma_cm_id *id, const struct fabric_rdma *rdma, struct fabric_error *error)
{
	const char *name = ibv_get_device_name(id->verbs->device);

	if ((!rdma->device[0] || strcmp(rdma->device, name) == 0) && (!rdma->port || rdma->port == id->port_num))
		return 0;
	snprintf(error->text, sizeof(error->text), "the route leads through device %.64s port %u, not through %.64s port %u", name,
	        id->port_num, rdma->device[0] ? rdma->device : name, rdma->port ? rdma->port : id->port_num);
	return -EXDEV;
}

static int connect_lane(
        struct verbs *verbs, struct rdma_cm_id *id, const struct verbs_target *target, struct verbs_lane **out, struct fabric_error *error)
{
	const struct fabric_rdma *rdma = &target->address->rdma;
	struct verbs_device *device;
	struct verbs_lane *lane;
	int result = find_route(verbs, id, target, error);

	if (!result)
		result = check_device(id, rdma, error);
	if (!result)
		result = verbs_device_get(verbs, ibv_get_device_name(id->verbs->device), id->port_num, rdma, &device, error);
	if (!result)
		result = verbs_lane_new(device, rdma, true, &lane);
	if (result)
		return result;
	lane->id = id;
	id->context = lane;
	verbs_name_peer(lane, rdma_get_peer_addr(id));
	result = shake_hands(verbs, lane, target->deadline_ns, error);
	if (result) {
		lane->id = NULL; // it stays the caller's
		verbs_lane_free(lane);
		return result;
	}
	verbs_lane_connected(verbs, lane);
	*out = lane;
	return 0;
}

int verbs_cm_connect(struct verbs *verbs, const struct verbs_target *target, struct verbs_lane **lane, struct fabric_error *error)
{
	struct rdma_cm_id *id;
	int result = verbs_cm_open(verbs, error);

	if (result)
		return result;
	if (rdma_create_id(verbs->cm, &id, NULL, RDMA_PS_TCP))
		return -errno;
	result = connect_lane(verbs, id, target, lane, error);
	if (result)
		rdma_destroy_id(id);
	return result;
}

// --- asking whether a server is there ---

// A server refuses a request of version 0 with its text; where nobody listens, or another protocol does, there is none.
static bool is_refused_kindly(struct verbs *probe, struct rdma_cm_id *id, const struct addrinfo *info)
{
	const struct verbs_target target = {.peer = info->ai_addr, .deadline_ns = clock_now_ns() + PROBE_NS};
	struct verbs_hello question = {.magic = VERBS_MAGIC};
	struct rdma_conn_param parameters = {.private_data = &question, .private_data_len = sizeof(question)};
	struct fabric_error error = {""};
	struct verbs_cm_event event;

	if (find_route(probe, id, &target, &error) || rdma_connect(id, &parameters))
		return false;
	return expect(probe, id, RDMA_CM_EVENT_CONNECT_RESPONSE, target.deadline_ns, &event, &error) == -EPROTO && error.text[0];
}

bool verbs_answers(const struct fabric_address *address)
{
	struct verbs probe = {.cm = rdma_create_event_channel()};
	struct fabric_error error;
	struct addrinfo *list;
	struct rdma_cm_id *id;
	bool is_there = false;

	if (!probe.cm)
		return false;
	if (fcntl(probe.cm->fd, F_SETFL, O_NONBLOCK) == 0 && fabric_resolve(address, 0, &list, &error) == 0) {
		if (rdma_create_id(probe.cm, &id, NULL, RDMA_PS_TCP) == 0) {
			is_there = is_refused_kindly(&probe, id, list);
			rdma_destroy_id(id);
		}
		freeaddrinfo(list);
	}
	rdma_destroy_event_channel(probe.cm);
	return is_there;
}
