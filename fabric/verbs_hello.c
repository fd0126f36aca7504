#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "fabric/verbs_connection.h"
#include "far/log.h"

// What both ways of connecting share: what the two sides say of themselves, how one is refused, and the states of a queue pair.

#define READS_MAX 16     // reads and atomics of a lane that devices work on at once
#define RETRY_TIMEOUT 16 // 4.096 us << 16: 268 ms until the device sends again
#define RNR_FOREVER 7 // no peer runs out of buffers (verbs.h); if another one robs it of them, it is served when that one's lane has ended
#define RNR_PAUSE 12  // 0.64 ms

int verbs_fail(struct fabric_error *error, const char *what, const struct fabric_address *address, int code, const char *advice)
{
	char text[384];

	snprintf(error->text, sizeof(error->text), "cannot %s %.100s: %s%.100s", what, fabric_address_format(address, text), strerror(code),
	        advice);
	return -code;
}

void verbs_name_peer(struct verbs_lane *lane, const struct sockaddr *address)
{
	socklen_t length = address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	char *peer = lane->base.peer;
	char host[64], port[16];

	if (getnameinfo(address, length, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(peer, sizeof(lane->base.peer), "rdma peer");
	else
		snprintf(peer, sizeof(lane->base.peer), strchr(host, ':') ? "rdma [%s]:%s" : "rdma %s:%s", host, port);
}

int verbs_move(struct verbs_lane *lane, struct ibv_qp_attr *attributes, int mask)
{
	if (attributes->qp_state == IBV_QPS_INIT)
		attributes->qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC;
	if (attributes->qp_state == IBV_QPS_RTR)
		attributes->min_rnr_timer = RNR_PAUSE;
	if (attributes->qp_state == IBV_QPS_RTS) {
		attributes->timeout = RETRY_TIMEOUT;
		attributes->retry_cnt = VERBS_RETRY_COUNT;
		attributes->rnr_retry = RNR_FOREVER;
	}
	return -ibv_modify_qp(lane->qp, attributes, mask);
}

struct verbs_hello verbs_hello_of(const struct verbs_lane *lane)
{
	return (struct verbs_hello){
	        .magic = VERBS_MAGIC,
	        .version = VERBS_VERSION,
	        .message_size = lane->base.message_size,
	        .credits = lane->depths.credits,
	};
}

static uint8_t least(int device, uint8_t wanted)
{
	uint8_t most = device < READS_MAX ? (uint8_t)device : READS_MAX;

	return wanted < most ? wanted : most;
}

struct verbs_reads verbs_reads_of(const struct verbs_device *device, const struct verbs_reads *peer)
{
	return (struct verbs_reads){
	        .taken = least(device->attributes.max_qp_rd_atom, peer ? peer->posted : READS_MAX),
	        .posted = least(device->attributes.max_qp_init_rd_atom, peer ? peer->taken : READS_MAX),
	};
}

const char *verbs_hello_fault(const struct verbs_hello *hello)
{
	if (hello->magic != VERBS_MAGIC)
		return "not a FarFS peer";
	if (hello->version != VERBS_VERSION)
		return hello->version ? "another version of the rdma protocol" : "asked only whether a server is there";
	if (hello->message_size < FAR_MESSAGE_SIZE_MIN || hello->message_size > FAR_MESSAGE_SIZE_MAX || hello->message_size % 8)
		return "a message size out of bounds";
	return hello->credits < 2 || hello->credits > UINT16_MAX ? "credits out of bounds" : NULL;
}

void verbs_take_hello(struct verbs_lane *lane, const struct verbs_hello *hello)
{
	if (hello->message_size < lane->base.message_size)
		lane->base.message_size = hello->message_size;
	lane->credits = hello->credits;
	lane->credits_max = hello->credits;
}

struct verbs_refusal verbs_refusal_of(const char *reason)
{
	struct verbs_refusal refusal = {.magic = VERBS_MAGIC, .version = VERBS_VERSION};

	snprintf(refusal.text, sizeof(refusal.text), "%.80s (this side: version %u)", reason, VERBS_VERSION);
	log_debug("rdma: connection refused reason=%s", reason);
	return refusal;
}

int verbs_take_refusal(const void *bytes, size_t length, struct fabric_error *error)
{
	const struct verbs_refusal *refusal = bytes;

	if (length >= sizeof(*refusal) && refusal->magic == VERBS_MAGIC)
		snprintf(error->text, sizeof(error->text), "the server refused the connection: %.*s", (int)sizeof(refusal->text) - 1,
		        refusal->text);
	return -EPROTO;
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

void verbs_lane_connected(struct verbs *verbs, struct verbs_lane *lane)
{
	verbs->handshakes--;
	lane->state = VERBS_OPEN;
	lane->is_known = true;
	verbs_scope_sync(lane, true);
}
