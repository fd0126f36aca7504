// Inside the tcp provider: contexts, lanes and what their files do for each other.
//
// A context serves or connects, by its first listen or connect. One that serves keeps a receive and at most one send of every lane in its io_uring, all of them
// submitted and reaped by one io_uring_enter. One that connects has nothing under way between calls, because its lanes may be used by another thread next time: polling
// submits non-blocking operations, which complete on the spot; blocking submits what there is to send and a receive, and ends both.
//
// Flow control is TCP's: a lane whose owner does not take its messages, or whose peer does not take what is sent, is not read any further.
#ifndef FABRIC_TCP_H
#define FABRIC_TCP_H

#include <liburing.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "fabric/provider.h"
#include "fabric/tcp_frame.h"
#include "far/limits.h"

#define TCP_INPUT 131072U  // stream bytes taken in at once
#define TCP_OUTPUT 65536U  // frames and copied payloads waiting in one batch
#define TCP_PIECES 96U     // pieces of one batch: copied stretches and live memory between them
#define TCP_COPY_MAX 4096U // payloads up to this are copied into the batch
#define TCP_MESSAGES 8U    // received and not yet released
#define TCP_EVENTS 1024U   // of a context, waiting for poll
#define TCP_OUTBOXES 63U   // contexts beside the one that listens
#define TCP_HANDSHAKES 64U // connections that have not said hello
#define TCP_HANDSHAKE_MS 5000

// What waits to be sent: a batch is filled while the one before is under way.
struct tcp_batch {
	char *bytes;
	uint32_t used;
	uint32_t done_count;
	uint32_t piece_count;
	uint32_t live; // pieces that are other memory than bytes
	struct iovec pieces[TCP_PIECES];
	uint64_t done[FAR_LANE_DEPTH]; // contexts of writes whose memory is free once this is sent
};

// What the peer has to answer; answers come in the order of the questions.
struct tcp_pending {
	char *local;
	uint64_t length;
	uint64_t context;
	uint32_t answer; // enum tcp_frame_type
};

struct tcp_lane {
	struct fabric_lane base;
	struct tcp_lane *next, **link; // of the context's lanes
	int socket;
	bool is_client;
	bool has_hello;          // the peer's has come
	bool is_closed;          // FABRIC_CLOSED is queued or was given
	bool is_gone;            // disconnected; freed with its last operation in the ring
	bool is_writable_wanted; // client: epoll waits for room, too
	int closed_status;
	uint64_t accepted_ns;
	unsigned in_ring; // operations
	bool is_receiving;
	bool has_more; // the last receive left bytes in the socket
	bool is_sending;
	bool is_immediate; // server: that send succeeds at once, without a completion, or has one
	bool is_congested; // server: the last such send did not succeed
	struct tcp_lane *next_immediate;
	bool is_stalled; // parsing waits for room
	bool is_unsent;  // in the context's list
	struct tcp_lane *next_unsent;

	char *input;
	uint32_t input_start, input_end;
	struct tcp_frame frame; // under way: its payload is not complete
	uint64_t payload_left;  // of that frame, 0 = between frames
	uint64_t payload_done;
	char *payload_to;   // local memory that takes it
	bool is_into_place; // client: the receive under way goes there

	struct tcp_batch batches[2];
	unsigned filling;      // batches[filling]; the other one is under way
	struct iovec *sending; // rest of the one under way
	uint32_t sending_count;
	struct msghdr header;

	struct tcp_pending pending[FAR_LANE_DEPTH];
	unsigned pending_first, pending_count;

	char *messages;          // TCP_MESSAGES x message size
	uint32_t messages_taken; // bit set
};

struct tcp_region {
	struct fabric_region base;
	uint32_t index;
};

struct tcp {
	struct fabric base;
	struct io_uring ring;
	bool has_ring;
	bool is_closing;
	bool is_server;
	int epoll_fd;
	int wake_fd; // server: an eventfd that the ring signals while armed
	bool is_armed;
	bool is_watching;           // server: the ring watches the descriptor that tcp_block was given
	bool has_stalled;           // server: some lane may be
	bool is_room_wanted;        // server: by the owner of a lane that had none for a frame
	struct tcp_lane *unsent;    // server: lanes with frames that were not flushed
	struct tcp_lane *immediate; // server: lanes with immediate sends
	int listeners[8];
	unsigned listener_count;
	int inbox;                  // server: connections that another context has accepted for this one; -1: there is none (tcp_share.c)
	int outboxes[TCP_OUTBOXES]; // others' inboxes, which take turns with this context
	unsigned outbox_count, outbox_next;
	struct tcp_lane *lanes;
	struct tcp_lane *gone; // disconnected, still in the ring
	unsigned handshakes;
	bool has_timer;
	struct __kernel_timespec timer;
	struct tcp_region **regions;
	uint32_t region_count;
	uint64_t rkey_seed[2];
	uint64_t rkey_count;
	struct fabric_event events[TCP_EVENTS];
	unsigned event_first, event_count;
};

static inline struct tcp *tcp_of(const struct fabric *fabric)
{
	return (struct tcp *)(uintptr_t)fabric;
}

static inline struct tcp_lane *tcp_lane_of(const struct fabric_lane *lane)
{
	return (struct tcp_lane *)(uintptr_t)lane;
}

// --- tcp.c ---
// Queues an event. The caller has made sure of room (tcp_has_event_room).
void tcp_event(struct tcp *tcp, struct fabric_event event);
static inline bool tcp_has_event_room(const struct tcp *tcp)
{
	return tcp->event_count + 2 * FAR_LANE_DEPTH + 2 < TCP_EVENTS;
}
// The lane is dead: tells its owner once. No more is read or sent.
void tcp_close_lane(struct tcp_lane *lane, int status);
struct io_uring_sqe *tcp_sqe(struct tcp *tcp);
int tcp_open_ring(struct tcp *tcp, bool is_server, struct fabric_error *error);

// What a completion belongs to: the operation in the low bits of its user_data, above them a lane's address or a listener's number.
enum tcp_operation { TCP_OP_ACCEPT, TCP_OP_RECEIVE, TCP_OP_SEND, TCP_OP_TIMER, TCP_OP_WAKE, TCP_OP_CANCEL, TCP_OP_INBOX };
#define TCP_OP_BITS 3
static inline uint64_t tcp_tag(const struct tcp_lane *lane, enum tcp_operation operation)
{
	return (uint64_t)(uintptr_t)lane | operation;
}
static inline uint64_t tcp_accept_tag(unsigned listener)
{
	return (uint64_t)listener << TCP_OP_BITS | TCP_OP_ACCEPT;
}

// --- tcp.c, too ---
// One of the lane's operations has ended: frees a lane that only waited for this.
void tcp_operation_ended(struct tcp_lane *lane);

// --- tcp_block.c ---
int tcp_block(struct fabric *fabric, int wake_fd, uint64_t timeout_ns);
// Server: everything that lanes have to do next goes into the ring.
void tcp_prepare_lanes(struct tcp *tcp);
// Server: somebody waits for room that a send under way leaves without a word.
bool tcp_is_room_due(struct tcp *tcp);

// --- tcp_connect.c ---
int tcp_listen(struct fabric *fabric, const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error);
int tcp_connect(
        struct fabric *fabric, const struct fabric_address *address, int timeout_ms, struct fabric_lane **lane, struct fabric_error *error);
void tcp_disconnect(struct fabric_lane *lane);
void tcp_accept_arm(struct tcp *tcp, unsigned listener);
void tcp_accepted(struct tcp *tcp, unsigned listener, int result, unsigned flags);
// A connection that came in is this context's.
void tcp_adopt(struct tcp *tcp, int socket);
void tcp_timer(struct tcp *tcp);
void tcp_lane_free(struct tcp_lane *lane);
// A hello has come. 0, or a negative errno: another protocol.
int tcp_take_hello(struct tcp_lane *lane, const struct tcp_frame *frame);

// --- tcp_share.c ---
int tcp_share_listeners(struct fabric *fabric, struct fabric *listening, struct fabric_error *error);
// False: the connection stays this context's.
bool tcp_hand_over(struct tcp *tcp, int socket);
// Adopts what has come.
void tcp_take_inbox(struct tcp *tcp);
void tcp_close_boxes(struct tcp *tcp);

// --- tcp_output.c ---
void *tcp_send_reserve(struct fabric_lane *lane, uint32_t length);
int tcp_send(struct fabric_lane *lane, uint32_t length);
int tcp_post_read(struct fabric_lane *lane, void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context);
int tcp_post_write(struct fabric_lane *lane, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context);
int tcp_post_compare_swap(
        struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t expected, uint64_t desired, uint64_t context);
int tcp_post_fetch_add(struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t addend, uint64_t context);
int tcp_flush(struct fabric_lane *lane);
// Adds a frame with a payload (NULL: none) to the batch. is_live: the payload may not be copied now unless nothing live is ahead of it. -EAGAIN: no room.
int tcp_put_frame(struct tcp_lane *lane, const struct tcp_frame *frame, const void *payload, bool is_live, uint64_t context);
bool tcp_has_output_room(const struct tcp_lane *lane);
// A send has ended (bytes sent, or a negative errno).
void tcp_sent(struct tcp_lane *lane, int result);
// Server: finishes the immediate sends, which have succeeded.
void tcp_sent_immediately(struct tcp *tcp);
// The lane's send has a completion: it did not succeed immediately, if it was to.
void tcp_sent_late(struct tcp_lane *lane);
// Prepares a send of what waits in the ring; tcp_sent takes its result.
struct io_uring_sqe *tcp_send_begin(struct tcp_lane *lane, int flags);
bool tcp_has_output(const struct tcp_lane *lane);

// --- tcp_input.c ---
// Server: keeps a receive in the ring if the lane can take more.
void tcp_receive_arm(struct tcp_lane *lane);
// Client: takes what is there. True if something was.
bool tcp_receive_now(struct tcp_lane *lane);
void tcp_received(struct tcp_lane *lane, int result);
// Client: prepares a receive in the ring, with these flags for MSG_*. False: there is no room for more now. tcp_receive_end takes its result.
bool tcp_receive_begin(struct tcp_lane *lane, int flags);
void tcp_receive_end(struct tcp_lane *lane, int result);
// Goes on with input that had to wait.
void tcp_parse(struct tcp_lane *lane);
void tcp_receive_release(struct fabric_lane *lane, const void *message);

// --- tcp_region.c ---
int tcp_add_region(
        struct fabric *fabric, const struct fabric_memory *memory, unsigned rights, uint64_t scope, struct fabric_region **region);
void tcp_remove_region(struct fabric_region *region);
int tcp_import(struct fabric_lane *lane, uint64_t rkey, uint64_t length, struct fabric_remote *remote);
// The memory that a lane's peer may reach with this right, or NULL: wrong rkey, scope, right or range, or a sealed part.
char *tcp_reach(const struct tcp_lane *lane, uint64_t rkey, uint64_t offset, uint64_t length, enum fabric_right right);

// --- tcp_responder.c ---
// Does what a complete request frame asks (READ, atomics with their operands). 0, -EAGAIN (no room for the reply now), -EACCES.
int tcp_respond(struct tcp_lane *lane, const struct tcp_frame *frame, const uint64_t *operands);

#endif
