// How lanes of the rdma provider come about: by the connection manager (verbs_cm*.c) or by an exchange over a socket (verbs_exchange.c, verbs_socket_*.c), and what both share (verbs_hello.c).
//
// verbs_connect.c and verbs_listen.c are in front of both: they find the addresses and the ways, and leave the rest to one of them.
#ifndef FABRIC_VERBS_CONNECTION_H
#define FABRIC_VERBS_CONNECTION_H

#include "fabric/verbs.h"

#define VERBS_RETRY_COUNT 6 // 2 s in all until a device gives up; 7 would be one more for most devices, but for ever for Soft-RoCE

// Whom a lane is connected to, by one of the ways there are; for a listener where it listens.
struct verbs_target {
	const struct fabric_address *address;
	const struct sockaddr *peer;
	socklen_t peer_length;
	const struct verbs_way *way; // NULL: the connection manager finds one
	uint64_t deadline_ns;
};

// --- verbs_hello.c ---
int verbs_fail(struct fabric_error *error, const char *what, const struct fabric_address *address, int code, const char *advice);
void verbs_name_peer(struct verbs_lane *lane, const struct sockaddr *address);
// Moves the queue pair to the attributes' state; what is the same however lanes connect is filled in here.
int verbs_move(struct verbs_lane *lane, struct ibv_qp_attr *attributes, int mask);
struct verbs_hello verbs_hello_of(const struct verbs_lane *lane);
// What the device does, and the peer (NULL: not known yet) goes along with.
struct verbs_reads verbs_reads_of(const struct verbs_device *device, const struct verbs_reads *peer);
// What is wrong with the other side's hello, or NULL.
const char *verbs_hello_fault(const struct verbs_hello *hello);
void verbs_take_hello(struct verbs_lane *lane, const struct verbs_hello *hello);
struct verbs_refusal verbs_refusal_of(const char *reason);
// -EPROTO, and the refusal's own words if it came from a FarFS server.
int verbs_take_refusal(const void *bytes, size_t length, struct fabric_error *error);
// The peer has what it needs: the owner is told of the new lane.
void verbs_lane_accepted(struct verbs *verbs, struct verbs_lane *lane);
void verbs_lane_connected(struct verbs *verbs, struct verbs_lane *lane);

// --- verbs_cm.c ---
// Opens the channel to the connection manager, where that has not been done.
int verbs_cm_open(struct verbs *verbs, struct fabric_error *error);
// What the manager told, kept beyond its acknowledgement.
struct verbs_cm_event {
	enum rdma_cm_event_type type;
	int status;
	struct rdma_cm_id *id, *listener;
	uint8_t responder_resources, initiator_depth;
	uint32_t qp_number;
	uint8_t private_length;
	_Alignas(8) char private_data[256];
};

// Takes the next event off the channel, and acknowledges it. False: there is none.
bool verbs_cm_next(struct rdma_event_channel *channel, struct verbs_cm_event *event);
// What an event means for the lane it belongs to.
void verbs_cm_take(struct verbs *verbs, const struct verbs_cm_event *event);
// Takes what the connection manager has to say. Returns whether it was anything.
bool verbs_cm_poll(struct verbs *verbs);
struct rdma_conn_param verbs_cm_parameters(const struct verbs_lane *lane, const struct verbs_hello *hello, const struct verbs_reads *peer);
// What is wrong with the other side's hello, or NULL.
const char *verbs_cm_fault(const struct verbs_cm_event *event, struct verbs_hello *hello);
// The queue pair's states: to the first one, and from there to where it sends and receives, once the other side is known.
int verbs_cm_move(struct verbs_lane *lane, enum ibv_qp_state state);
int verbs_cm_ready(struct verbs_lane *lane);

// --- verbs_cm_listen.c ---
// To the address, and, once its devices are open, for clients.
int verbs_cm_bind(struct verbs *verbs, const struct verbs_target *target, struct verbs_listener *listener, struct fabric_error *error);
int verbs_cm_start(struct verbs *verbs, const struct verbs_listener *listener, struct fabric_error *error);
uint16_t verbs_cm_port(const struct verbs_listener *listener);
// Someone wants to connect.
void verbs_cm_request(struct verbs *verbs, const struct verbs_cm_event *event);

// --- verbs_cm_connect.c ---
int verbs_cm_connect(struct verbs *verbs, const struct verbs_target *target, struct verbs_lane **lane, struct fabric_error *error);

// --- verbs_exchange.c ---
// What this side tells of the lane over a socket.
struct verbs_exchange verbs_exchange_of(const struct verbs_lane *lane, enum verbs_letter kind, const struct verbs_reads *peer);
// What is wrong with the head of a letter, the rest of which has not been read, or NULL.
const char *verbs_letter_fault(const struct verbs_letter_head *head, enum verbs_letter kind);
// What is wrong with the rest of it, or NULL.
const char *verbs_exchange_fault(const struct verbs_exchange *exchange);
// The letter's GID; of the entry's other fields only the type.
struct ibv_gid_entry verbs_exchange_gid(const struct verbs_exchange *exchange);
// Moves the lane's queue pair to where it sends and receives. May wait for a neighbour to answer, a second at most.
int verbs_exchange_move(struct verbs_lane *lane, const struct verbs_exchange *mine, const struct verbs_exchange *theirs);
// The socket becomes the lane's life line, watched for its end. Takes the socket if it succeeds.
int verbs_lifeline_take(struct verbs_lane *lane, int fd);
void verbs_lifeline_look(struct verbs_lane *lane);

// --- verbs_socket_connect.c ---
int verbs_socket_connect(struct verbs *verbs, const struct verbs_target *target, struct verbs_lane **lane, struct fabric_error *error);

// --- verbs_socket_listen.c ---
// The same for a socket.
int verbs_socket_bind(const struct verbs_target *target, struct verbs_listener *listener);
int verbs_socket_start(struct verbs *verbs, struct verbs_listener *listener);
uint16_t verbs_socket_port(const struct verbs_listener *listener);
void verbs_socket_accept(struct verbs *verbs, struct verbs_listener *listener);
void verbs_handshake_look(struct verbs *verbs, struct verbs_handshake *handshake);
// Ends it, the lane excepted; waits until its thread is done.
void verbs_handshake_end(struct verbs *verbs, struct verbs_handshake *handshake);
void verbs_handshakes_expire(struct verbs *verbs);

#endif
