#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fabric/verbs.h"

// What listening and connecting share: the words of librdmacm's connection manager, the hellos, and the states of a queue pair. Queue pairs are this provider's own (verbs_device.c tells
// why), so it moves them through their states itself, by the attributes that the manager knows.

#define READS_MAX 16     // reads and atomics of a lane that devices work on at once
#define RETRY_TIMEOUT 16 // 4.096 us << 16: 268 ms until the device sends again
#define RETRY_COUNT 6    // 2 s in all until it gives up; 7 would be one more for most devices, but for ever for Soft-RoCE
#define RNR_FOREVER 7 // no peer runs out of buffers (verbs.h); if another one robs it of them, it is served when that one's lane has ended
#define RNR_PAUSE 12  // 0.64 ms

bool verbs_cm_next(struct rdma_event_channel *channel, struct verbs_cm_event *out)
{
	struct rdma_cm_event *event;

	if (rdma_get_cm_event(channel, &event))
		return false;
	*out = (struct verbs_cm_event){
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
		if (!event->param.conn.private_data)
			break;
		out->private_length = event->param.conn.private_data_len;
		memcpy(out->private_data, event->param.conn.private_data, out->private_length);
		break;
	default:
		break;
	}
	rdma_ack_cm_event(event);
	return true;
}

int verbs_cm_fail(struct fabric_error *error, const char *what, const struct fabric_address *address, int code, const char *advice)
{
	char text[384];

	snprintf(error->text, sizeof(error->text), "cannot %s %.100s: %s%.100s", what, fabric_address_format(address, text), strerror(code),
	        advice);
	return -code;
}

int verbs_cm_move(struct verbs_lane *lane, enum ibv_qp_state state)
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

int verbs_cm_ready(struct verbs_lane *lane)
{
	int result = verbs_cm_move(lane, IBV_QPS_RTR);

	return result ? result : verbs_cm_move(lane, IBV_QPS_RTS);
}

struct verbs_hello verbs_cm_hello(const struct verbs *verbs)
{
	uint32_t credits = verbs->base.options.depth + 1;

	return (struct verbs_hello){
	        .magic = VERBS_MAGIC,
	        .version = VERBS_VERSION,
	        .message_size = verbs->base.options.message_size,
	        .credits = credits < VERBS_CREDITS ? credits : VERBS_CREDITS,
	};
}

uint8_t verbs_cm_least(int device, uint8_t wanted)
{
	uint8_t most = device < READS_MAX ? (uint8_t)device : READS_MAX;

	return wanted < most ? wanted : most;
}

struct rdma_conn_param verbs_cm_parameters(const struct verbs_lane *lane, const struct verbs_hello *hello)
{
	return (struct rdma_conn_param){
	        .private_data = hello,
	        .private_data_len = sizeof(*hello),
	        .responder_resources = verbs_cm_least(lane->device->attributes.max_qp_rd_atom, READS_MAX),
	        .initiator_depth = verbs_cm_least(lane->device->attributes.max_qp_init_rd_atom, READS_MAX),
	        .retry_count = RETRY_COUNT,
	        .rnr_retry_count = RNR_FOREVER,
	        .srq = 1,
	        .qp_num = lane->qp->qp_num,
	};
}

// What is wrong with the other side's hello, or NULL.
const char *verbs_cm_fault(const struct verbs_cm_event *event, struct verbs_hello *hello)
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

void verbs_cm_take_hello(struct verbs_lane *lane, const struct verbs_hello *hello)
{
	if (hello->message_size < lane->base.message_size)
		lane->base.message_size = hello->message_size;
	lane->credits = hello->credits;
	lane->credits_max = hello->credits;
}

void verbs_cm_take(struct verbs *verbs, const struct verbs_cm_event *event)
{
	struct verbs_lane *lane = event->id->context;

	if (event->type == RDMA_CM_EVENT_CONNECT_REQUEST) {
		verbs_cm_request(verbs, event);
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
		verbs_queue_drain(lane->queue);
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
	struct verbs_cm_event event;

	if (!verbs_cm_next(verbs->cm, &event))
		return false;
	verbs_cm_take(verbs, &event);
	return true;
}
