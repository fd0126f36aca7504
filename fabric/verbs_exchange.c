#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabric/alive.h"
#include "fabric/verbs_connection.h"
#include "fabric/verbs_gid.h"
#include "far/clock.h"

// What two sides tell each other over a socket, and what follows for their queue pairs. Everything in a letter is the peer's word: it is checked here, once. What it says of GIDs and LIDs can be
// wrong all the same; then the queue pair reaches nobody, and the lane does not come about.
//
// Behind that the socket is the lane's life line: its end is the lane's. A host that is gone without a word is noticed by the kernel's own questions.

#define NUMBER_MAX 0xffffffU // 24 bits
#define HOPS 64

static uint32_t new_psn(void)
{
	uint32_t psn = 0;

	if (getrandom(&psn, sizeof(psn), 0) != sizeof(psn))
		psn = (uint32_t)clock_now_ns();
	return psn & NUMBER_MAX;
}

struct verbs_exchange verbs_exchange_of(const struct verbs_lane *lane, enum verbs_letter kind, const struct verbs_reads *peer)
{
	struct verbs_reads reads = verbs_reads_of(lane->device, peer);
	struct verbs_exchange exchange = {
	        .head = {.magic = VERBS_MAGIC, .version = VERBS_VERSION, .length = sizeof(exchange), .kind = kind},
	        .hello = verbs_hello_of(lane),
	        .qp_number = lane->qp->qp_num,
	        .psn = new_psn(),
	        .lid = lane->way.lid,
	        .mtu = (uint8_t)lane->way.mtu,
	        .link_layer = lane->way.link_layer,
	        .gid_type = (uint8_t)lane->way.gid.gid_type,
	        .reads_taken = reads.taken,
	        .reads_posted = reads.posted,
	};

	memcpy(exchange.gid, lane->way.gid.gid.raw, sizeof(exchange.gid));
	return exchange;
}

const char *verbs_letter_fault(const struct verbs_letter_head *head, enum verbs_letter kind)
{
	if (head->magic != VERBS_MAGIC)
		return "not a FarFS peer";
	if (head->version != VERBS_VERSION)
		return "another version of the rdma protocol";
	if (head->kind != kind)
		return "a letter of another kind than is due";
	return head->length != sizeof(struct verbs_exchange) ? "a letter of another length than its kind has" : NULL;
}

const char *verbs_exchange_fault(const struct verbs_exchange *exchange)
{
	const char *fault = verbs_hello_fault(&exchange->hello);

	if (fault)
		return fault;
	if (exchange->qp_number < 2 || exchange->qp_number > NUMBER_MAX) // 0 and 1 are the subnet's own
		return "a queue pair's number out of bounds";
	if (exchange->psn > NUMBER_MAX)
		return "a packet's number out of bounds";
	if (exchange->mtu < IBV_MTU_256 || exchange->mtu > IBV_MTU_4096)
		return "an MTU out of bounds";
	if (exchange->link_layer != IBV_LINK_LAYER_INFINIBAND && exchange->link_layer != IBV_LINK_LAYER_ETHERNET)
		return "a link layer that there is not";
	if (exchange->gid_type > IBV_GID_TYPE_ROCE_V2)
		return "a type of GID that there is not";
	return exchange->reads_taken == 0 || exchange->reads_posted == 0 ? "no reads" : NULL;
}

struct ibv_gid_entry verbs_exchange_gid(const struct verbs_exchange *exchange)
{
	struct ibv_gid_entry gid = {.gid_type = exchange->gid_type};

	memcpy(gid.gid.raw, exchange->gid, sizeof(exchange->gid));
	return gid;
}

static struct ibv_ah_attr path_to(const struct verbs_lane *lane, const struct verbs_exchange *theirs)
{
	struct ibv_ah_attr path = {.dlid = theirs->lid, .port_num = lane->way.port};
	struct ibv_gid_entry gid = verbs_exchange_gid(theirs);

	path.is_global =
	        theirs->link_layer == IBV_LINK_LAYER_ETHERNET || gid.gid.global.subnet_prefix != lane->way.gid.gid.global.subnet_prefix;
	if (path.is_global)
		path.grh = (struct ibv_global_route){.dgid = gid.gid, .sgid_index = (uint8_t)lane->way.gid.gid_index, .hop_limit = HOPS};
	return path;
}

int verbs_exchange_move(struct verbs_lane *lane, const struct verbs_exchange *mine, const struct verbs_exchange *theirs)
{
	const struct verbs_reads peer = {.taken = theirs->reads_taken, .posted = theirs->reads_posted};
	struct verbs_reads reads = verbs_reads_of(lane->device, &peer);
	struct ibv_qp_attr first = {.qp_state = IBV_QPS_INIT, .port_num = lane->way.port};
	struct ibv_qp_attr receiving = {
	        .qp_state = IBV_QPS_RTR,
	        .path_mtu = theirs->mtu < lane->way.mtu ? (enum ibv_mtu)theirs->mtu : lane->way.mtu,
	        .dest_qp_num = theirs->qp_number,
	        .rq_psn = theirs->psn,
	        .max_dest_rd_atomic = reads.taken,
	        .ah_attr = path_to(lane, theirs),
	};
	struct ibv_qp_attr sending = {.qp_state = IBV_QPS_RTS, .sq_psn = mine->psn, .max_rd_atomic = reads.posted};
	int result = verbs_move(lane, &first, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);

	if (!result)
		result = verbs_move(lane, &receiving,
		        IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
		                IBV_QP_MIN_RNR_TIMER);
	if (!result)
		result = verbs_move(lane, &sending,
		        IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC);
	return result;
}

int verbs_lifeline_take(struct verbs_lane *lane, int fd)
{
	int result = verbs_watch(verbs_of(lane->base.fabric), fd, VERBS_WATCH_LANE, lane);

	if (result)
		return result;
	fabric_keep_alive(fd);
	lane->socket = fd;
	return 0;
}

void verbs_lifeline_look(struct verbs_lane *lane)
{
	char byte;
	ssize_t got = recv(lane->socket, &byte, 1, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0) // nothing is due
		verbs_close_lane(lane, -EPROTO);
	else if (got < 0 && errno != ECONNRESET)
		verbs_close_lane(lane, -errno);
	else
		verbs_lane_hung_up(lane);
}
