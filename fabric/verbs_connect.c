#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/verbs.h"
#include "far/log.h"

// Connections by librdmacm: listening, connecting, and what its manager tells of lanes. The route decides which device is used. Queue pairs are this provider's own (verbs_device.c tells
// why), so it moves them through their states itself, by the attributes that the manager knows.

#define BACKLOG 256
#define RESOLVE_MS 500
#define READS_MAX 16     // reads and atomics of a lane that devices work on at once
#define RETRY_TIMEOUT 16 // 4.096 us << 16: 268 ms until the device sends again
#define RETRY_COUNT 7    // 2 s in all until it gives up
#define RNR_FOREVER 7 // no peer runs out of buffers (verbs.h); if another one robs it of them, it is served when that one's lane has ended
#define RNR_PAUSE 12  // 0.64 ms
#define NO_LISTENER 8 // reasons of refusals, from the InfiniBand specification
#define REFUSED_BY_US 28

// What the manager told, kept beyond its acknowledgement.
struct cm_event {
	enum rdma_cm_event_type type;
	int status;
	struct rdma_cm_id *id;
	uint8_t responder_resources, initiator_depth;
	uint32_t qp_number;
	uint8_t private_length;
	_Alignas(8) char private_data[256];
};

static bool next_event(struct verbs *verbs, struct cm_event *out)
{
	struct rdma_cm_event *event;

	if (rdma_get_cm_event(verbs->cm, &event))
		return false;
	*out = (struct cm_event){
	        .type = event->event,
	        .status = event->status,
	        .id = event->id,
	        .responder_resources = event->param.conn.responder_resources,
	        .initiator_depth = event->param.conn.initiator_depth,
	        .qp_number = event->param.conn.qp_num,
	};
	switch (event->event) {
	case RDMA_CM_EVENT_CONNECT_REQUEST:
	case RDMA_CM_EVENT_CONNECT_RESPONSE:
	case RDMA_CM_EVENT_REJECTED:
		out->private_length = event->param.conn.private_data ? event->param.conn.private_data_len : 0;
		memcpy(out->private_data, event->param.conn.private_data, out->private_length);
		break;
	default:
		break;
	}
	rdma_ack_cm_event(event);
	return true;
}

static int fail(struct fabric_error *error, const char *what, const struct fabric_address *address, int code, const char *advice)
{
	char text[384];

	snprintf(error->text, sizeof(error->text), "cannot %s %.100s: %s%.100s", what, fabric_address_format(address, text), strerror(code),
	        advice);
	return -code;
}

// --- queue pairs ---

static int move(struct verbs_lane *lane, enum ibv_qp_state state)
{
	struct ibv_qp_attr attributes = {.qp_state = state};
	int mask;

	if (rdma_init_qp_attr(lane->id, &attributes, &mask))
		return -errno;
	if (state == IBV_QPS_INIT)
		attributes.qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC;
	if (state == IBV_QPS_RTR)
		attributes.min_rnr_timer = RNR_PAUSE;
	if (state == IBV_QPS_RTS) {
		attributes.timeout = RETRY_TIMEOUT;
		attributes.retry_cnt = RETRY_COUNT;
		attributes.rnr_retry = RNR_FOREVER;
	}
	return -ibv_modify_qp(lane->qp, &attributes, mask);
}

static int move_all(struct verbs_lane *lane)
{
	int result = move(lane, IBV_QPS_RTR);

	return result ? result : move(lane, IBV_QPS_RTS);
}

static struct verbs_hello hello_of(const struct verbs *verbs)
{
	uint32_t credits = verbs->base.options.depth + 1;

	return (struct verbs_hello){
	        .magic = VERBS_MAGIC,
	        .version = VERBS_VERSION,
	        .message_size = verbs->base.options.message_size,
	        .credits = credits < VERBS_CREDITS ? credits : VERBS_CREDITS,
	};
}

static uint8_t least(int device, uint8_t wanted)
{
	uint8_t most = device < READS_MAX ? (uint8_t)device : READS_MAX;

	return wanted < most ? wanted : most;
}

static struct rdma_conn_param parameters_of(const struct verbs_lane *lane, const struct verbs_hello *hello)
{
	const struct verbs *verbs = verbs_of(lane->base.fabric);

	return (struct rdma_conn_param){
	        .private_data = hello,
	        .private_data_len = sizeof(*hello),
	        .responder_resources = least(verbs->attributes.max_qp_rd_atom, READS_MAX),
	        .initiator_depth = least(verbs->attributes.max_qp_init_rd_atom, READS_MAX),
	        .retry_count = RETRY_COUNT,
	        .rnr_retry_count = RNR_FOREVER,
	        .srq = 1,
	        .qp_num = lane->qp->qp_num,
	};
}

// What is wrong with the other side's hello, or NULL.
static const char *hello_fault(const struct cm_event *event, struct verbs_hello *hello)
{
	if (event->private_length < sizeof(*hello))
		return "not a FarFS peer";
	memcpy(hello, event->private_data, sizeof(*hello));
	if (hello->magic != VERBS_MAGIC)
		return "not a FarFS peer";
	if (hello->version != VERBS_VERSION)
		return hello->version ? "another version of the rdma protocol" : "asked only whether a server is there";
	if (hello->message_size < FAR_MESSAGE_SIZE_MIN || hello->message_size > FAR_MESSAGE_SIZE_MAX || hello->message_size % 8)
		return "a message size out of bounds";
	return hello->credits < 2 || hello->credits > UINT16_MAX ? "credits out of bounds" : NULL;
}

static void take_hello(struct verbs_lane *lane, const struct verbs_hello *hello)
{
	if (hello->message_size < lane->base.message_size)
		lane->base.message_size = hello->message_size;
	lane->credits = hello->credits;
	lane->credits_max = hello->credits;
}

// --- the side that listens ---

static void refuse(struct rdma_cm_id *id, const char *reason)
{
	struct verbs_refusal refusal = {.magic = VERBS_MAGIC, .version = VERBS_VERSION};

	snprintf(refusal.text, sizeof(refusal.text), "%s (this side: version %u)", reason, VERBS_VERSION);
	log_debug("rdma: connection refused reason=%s", reason);
	rdma_reject(id, &refusal, sizeof(refusal));
	rdma_destroy_id(id);
}

static int accept_lane(struct verbs *verbs, const struct cm_event *event, const struct verbs_hello *theirs, struct fabric_error *error)
{
	struct verbs_hello mine = hello_of(verbs);
	struct rdma_conn_param parameters;
	struct verbs_lane *lane;
	int result = verbs_device_open(verbs, event->id->verbs, event->id->port_num, error);

	if (!result)
		result = verbs_lane_new(verbs, event->id, false, &lane);
	if (result)
		return result;
	take_hello(lane, theirs);
	parameters = parameters_of(lane, &mine);
	parameters.responder_resources = least(verbs->attributes.max_qp_rd_atom, event->initiator_depth);
	parameters.initiator_depth = least(verbs->attributes.max_qp_init_rd_atom, event->responder_resources);
	result = move(lane, IBV_QPS_INIT);
	if (!result)
		result = move_all(lane);
	if (!result && rdma_accept(event->id, &parameters))
		result = -errno;
	if (result) {
		lane->id = NULL; // it stays the caller's, to refuse with
		verbs_lane_free(lane);
	}
	return result;
}

static void take_request(struct verbs *verbs, const struct cm_event *event)
{
	struct fabric_error error = {""};
	struct verbs_hello hello;
	const char *fault = hello_fault(event, &hello);
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
}

// --- what the manager tells ---

static void take_event(struct verbs *verbs, const struct cm_event *event)
{
	struct verbs_lane *lane = event->id->context;

	if (event->type == RDMA_CM_EVENT_CONNECT_REQUEST) {
		take_request(verbs, event);
		return;
	}
	if (!lane)
		return;
	switch (event->type) {
	case RDMA_CM_EVENT_ESTABLISHED:
		if (!lane->is_client)
			verbs_lane_accepted(verbs, lane);
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
		// What had come before is in the queue by now.
		verbs_queue_drain(verbs, lane->queue);
		verbs_close_lane(lane, -ECONNRESET);
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		verbs_close_lane(lane, -ENODEV);
		break;
	case RDMA_CM_EVENT_CONNECT_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
	case RDMA_CM_EVENT_REJECTED:
		verbs_close_lane(lane, -ECONNRESET);
		break;
	default: // the rest is of no consequence for a lane: time-wait, address changes
		break;
	}
}

bool verbs_cm_poll(struct verbs *verbs)
{
	struct cm_event event;

	if (!next_event(verbs, &event))
		return false;
	take_event(verbs, &event);
	return true;
}

static int resolve(const struct fabric_address *address, int flags, struct addrinfo **list, struct fabric_error *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
	char port[8];
	int result;

	snprintf(port, sizeof(port), "%u", address->port);
	result = getaddrinfo(address->host, port, &hints, list);
	if (result == 0)
		return 0;
	snprintf(error->text, sizeof(error->text), "rdma://%.150s: cannot resolve the host: %s", address->host, gai_strerror(result));
	return -EHOSTUNREACH;
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

// A wildcard address belongs to no device: the first whose link is up serves.
static struct ibv_context *first_device(struct ibv_context **contexts)
{
	for (int i = 0; contexts && contexts[i]; i++) {
		struct ibv_port_attr port;

		if (ibv_query_port(contexts[i], 1, &port) == 0 && port.state == IBV_PORT_ACTIVE)
			return contexts[i];
	}
	return contexts ? contexts[0] : NULL;
}

static int open_listener(struct verbs *verbs, struct rdma_cm_id *id, const struct addrinfo *info, struct fabric_error *error)
{
	struct ibv_context **contexts = NULL;
	struct ibv_context *device;
	int result;

	if (rdma_bind_addr(id, info->ai_addr))
		return -errno;
	if (verbs->lanes && !verbs->is_server) // its receives and regions are made for connecting
		return -EBUSY;
	device = id->verbs;
	if (!device) {
		contexts = rdma_get_devices(NULL);
		device = first_device(contexts);
	}
	verbs->is_server = true;
	result = device ? verbs_device_open(verbs, device, id->port_num ? id->port_num : 1, error) : -ENODEV;
	if (contexts)
		rdma_free_devices(contexts);
	if (!result && rdma_listen(id, BACKLOG))
		result = -errno;
	return result;
}

int verbs_listen(struct fabric *fabric, const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error)
{
	struct verbs *verbs = verbs_of(fabric);
	struct rdma_cm_id *id;
	struct addrinfo *list;
	int result = resolve(address, AI_PASSIVE, &list, error);

	if (result)
		return result;
	if (verbs->listener_count == VERBS_LISTENERS) {
		freeaddrinfo(list);
		return fail(error, "listen on", address, EMFILE, ": too many listeners of one provider");
	}
	result = rdma_create_id(verbs->cm, &id, NULL, RDMA_PS_TCP) ? -errno : 0;
	if (!result) {
		result = open_listener(verbs, id, list, error);
		if (result)
			rdma_destroy_id(id);
	}
	freeaddrinfo(list);
	if (result)
		return error->text[0] ? result : fail(error, "listen on", address, -result, listen_advice(-result));
	verbs->listeners[verbs->listener_count++] = id;
	if (bound) {
		*bound = *address;
		bound->port = ntohs(rdma_get_src_port(id));
	}
	return 0;
}

// --- the side that connects ---

// Waits for the next thing the manager has to say of the identifier; what it says of others is taken meanwhile.
static int await(struct verbs *verbs, const struct rdma_cm_id *id, uint64_t deadline_ns, struct cm_event *event)
{
	for (;;) {
		struct pollfd descriptor = {.fd = verbs->cm->fd, .events = POLLIN};
		uint64_t now_ns = wait_now_ns();

		while (next_event(verbs, event)) {
			if (event->id == id)
				return 0;
			take_event(verbs, event);
		}
		if (now_ns >= deadline_ns)
			return -ETIMEDOUT;
		poll(&descriptor, 1, (int)((deadline_ns - now_ns) / 1000000) + 1);
	}
}

// The refusal's own words, where it came from a FarFS server.
static int take_refusal(const struct cm_event *event, struct fabric_error *error)
{
	const struct verbs_refusal *refusal = (const struct verbs_refusal *)(const void *)event->private_data;

	if (event->status != REFUSED_BY_US)
		return event->status == NO_LISTENER ? -ECONNREFUSED : -ECONNRESET;
	if (event->private_length >= sizeof(*refusal) && refusal->magic == VERBS_MAGIC)
		snprintf(error->text, sizeof(error->text), "the server refused the connection: %.*s", (int)sizeof(refusal->text) - 1,
		        refusal->text);
	return -EPROTO;
}

// Waits until the manager tells of what is expected.
static int expect(struct verbs *verbs, const struct rdma_cm_id *id, enum rdma_cm_event_type type, uint64_t deadline_ns,
        struct cm_event *event, struct fabric_error *error)
{
	int result = await(verbs, id, deadline_ns, event);

	log_debug("rdma: want %s got %s %d", rdma_event_str(type), result ? "-" : rdma_event_str(event->type),
	        result ? result : event->status);
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
	uint64_t now_ns = wait_now_ns();

	return now_ns < deadline_ns ? (int)((deadline_ns - now_ns) / 1000000) + 1 : 1;
}

static int find_route(
        struct verbs *verbs, struct rdma_cm_id *id, const struct addrinfo *info, uint64_t deadline_ns, struct fabric_error *error)
{
	struct cm_event event;
	int result;

	do { // a neighbour's answer can be lost
		int ms = left_ms(deadline_ns);

		if (rdma_resolve_addr(id, NULL, info->ai_addr, ms < RESOLVE_MS ? ms : RESOLVE_MS))
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
	struct verbs_hello mine = hello_of(verbs), theirs;
	struct rdma_conn_param parameters = parameters_of(lane, &mine);
	struct cm_event event;
	const char *fault;
	int result = move(lane, IBV_QPS_INIT);

	if (!result && rdma_connect(lane->id, &parameters))
		result = -errno;
	if (!result)
		result = expect(verbs, lane->id, RDMA_CM_EVENT_CONNECT_RESPONSE, deadline_ns, &event, error);
	if (result)
		return result;
	fault = hello_fault(&event, &theirs);
	if (fault) {
		snprintf(error->text, sizeof(error->text), "what listens there is %s", fault);
		return -EPROTO;
	}
	take_hello(lane, &theirs);
	result = move_all(lane);
	return result || rdma_establish(lane->id) == 0 ? result : -errno;
}

static int connect_lane(
        struct verbs *verbs, struct rdma_cm_id *id, uint64_t deadline_ns, struct verbs_lane **out, struct fabric_error *error)
{
	struct verbs_lane *lane;
	int result = verbs_device_open(verbs, id->verbs, id->port_num, error);

	if (!result)
		result = verbs_lane_new(verbs, id, true, &lane);
	if (result)
		return result;
	result = shake_hands(verbs, lane, deadline_ns, error);
	if (result) {
		lane->id = NULL; // it stays the caller's
		verbs_lane_free(lane);
		return result;
	}
	verbs->handshakes--;
	lane->state = VERBS_OPEN;
	lane->is_known = true;
	verbs_scope_sync(lane, true);
	*out = lane;
	return 0;
}

static const char *connect_advice(int code)
{
	switch (code) {
	case ECONNREFUSED:
		return ": does far-server listen there with --listen rdma://?";
	case ENODEV:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return ": no RDMA device reaches it (rdma link; rping -c -a HOST)";
	default:
		return "";
	}
}

int verbs_connect(
        struct fabric *fabric, const struct fabric_address *address, int timeout_ms, struct fabric_lane **out, struct fabric_error *error)
{
	uint64_t deadline_ns = wait_now_ns() + (uint64_t)timeout_ms * 1000000U;
	struct verbs *verbs = verbs_of(fabric);
	struct verbs_lane *lane = NULL;
	struct rdma_cm_id *id;
	struct addrinfo *list;
	int result = resolve(address, 0, &list, error);

	if (result)
		return result;
	verbs_lanes_sweep(verbs);
	result = rdma_create_id(verbs->cm, &id, NULL, RDMA_PS_TCP) ? -errno : 0;
	if (!result) {
		result = find_route(verbs, id, list, deadline_ns, error);
		if (!result)
			result = connect_lane(verbs, id, deadline_ns, &lane, error);
		if (result)
			rdma_destroy_id(id);
	}
	freeaddrinfo(list);
	if (result)
		return error->text[0] ? result : fail(error, "connect to", address, -result, connect_advice(-result));
	*out = &lane->base;
	return 0;
}
