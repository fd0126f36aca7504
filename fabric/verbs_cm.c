#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fabric/verbs_connection.h"

// The words of librdmacm's connection manager. Queue pairs are this provider's own (verbs_device.c tells why), so it moves them through their states itself, by the attributes that the
// manager knows.

int verbs_cm_open(struct verbs *verbs, struct fabric_error *error)
{
	int result;

	if (verbs->cm)
		return 0;
	verbs->cm = rdma_create_event_channel();
	result = verbs->cm ? verbs_watch(verbs, verbs->cm->fd, VERBS_WATCH_CM, NULL) : -errno;
	if (result == 0)
		return 0;
	snprintf(error->text, sizeof(error->text),
	        "cannot reach the RDMA connection manager: %s: is the module rdma_ucm loaded? connect=socket does without",
	        strerror(-result));
	if (verbs->cm)
		rdma_destroy_event_channel(verbs->cm);
	verbs->cm = NULL;
	return result;
}

bool verbs_cm_next(struct rdma_event_channel *channel, struct verbs_cm_event *out)
{
	struct rdma_cm_event *event;

	if (rdma_get_cm_event(channel, &event))
		return false;
	*out = (struct verbs_cm_event){
	        .type = event->event,
	        .status = event->status,
	        .id = event->id,
	        .listener = event->listen_id,
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

int verbs_cm_move(struct verbs_lane *lane, enum ibv_qp_state state)
{
	struct ibv_qp_attr attributes = {.qp_state = state};
	int mask;

	return rdma_init_qp_attr(lane->id, &attributes, &mask) ? -errno : verbs_move(lane, &attributes, mask);
}

int verbs_cm_ready(struct verbs_lane *lane)
{
	int result = verbs_cm_move(lane, IBV_QPS_RTR);

	return result ? result : verbs_cm_move(lane, IBV_QPS_RTS);
}

struct rdma_conn_param verbs_cm_parameters(const struct verbs_lane *lane, const struct verbs_hello *hello, const struct verbs_reads *peer)
{
	struct verbs_reads reads = verbs_reads_of(lane->device, peer);

	return (struct rdma_conn_param){
	        .private_data = hello,
	        .private_data_len = sizeof(*hello),
	        .responder_resources = reads.taken,
	        .initiator_depth = reads.posted,
	        .retry_count = VERBS_RETRY_COUNT,
	        .rnr_retry_count = 7,
	        .srq = 1,
	        .qp_num = lane->qp->qp_num,
	};
}

const char *verbs_cm_fault(const struct verbs_cm_event *event, struct verbs_hello *hello)
{
	if (event->private_length < sizeof(*hello))
		return "not a FarFS peer";
	memcpy(hello, event->private_data, sizeof(*hello));
	return verbs_hello_fault(hello);
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
		verbs_lane_hung_up(lane);
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
