#include <errno.h>
#include <string.h>

#include "fabric/tcp.h"

// What a lane receives: the stream is cut into frames, whose payloads go where they belong. Parsing stops, and with it reading, when the owner has not released messages, the event
// queue is full, or there is no room for a reply; tcp_parse goes on later.
//
// A served lane takes payloads through its input buffer and looks at the region anew for every stretch: rights may end while a long write comes in (P3). A
// connecting lane receives large payloads straight into place: its memory is its own business.

#define DIRECT_MIN 16384U // less than this is not worth a receive of its own

static uint32_t buffered(const struct tcp_lane *lane)
{
	return lane->input_end - lane->input_start;
}

static void consume(struct tcp_lane *lane, uint32_t length)
{
	lane->input_start += length;
	if (lane->input_start == lane->input_end)
		lane->input_start = lane->input_end = 0;
}

// --- payloads ---

static char *message_slot(struct tcp_lane *lane)
{
	for (uint32_t i = 0; i < TCP_MESSAGES; i++)
		if (!(lane->messages_taken & 1U << i))
			return lane->messages + (size_t)i * lane->base.message_size;
	return NULL;
}

static void end_message(struct tcp_lane *lane)
{
	uint32_t slot = (uint32_t)((size_t)(lane->payload_to - lane->messages) / lane->base.message_size);

	lane->messages_taken |= 1U << slot;
	tcp_event(tcp_of(lane->base.fabric),
	        (struct fabric_event){
	                .kind = FABRIC_RECEIVED, .lane = &lane->base, .message = lane->payload_to, .length = (uint32_t)lane->frame.length});
}

static void end_pending(struct tcp_lane *lane)
{
	const struct tcp_pending *pending = &lane->pending[lane->pending_first];

	if (pending->context)
		tcp_event(tcp_of(lane->base.fabric),
		        (struct fabric_event){.kind = FABRIC_DONE, .lane = &lane->base, .context = pending->context});
	lane->pending_first = (lane->pending_first + 1) % FAR_LANE_DEPTH;
	lane->pending_count--;
}

// The payload is complete. 0, or an error: there was no room for the answer although it was looked for.
static int end_payload(struct tcp_lane *lane)
{
	struct tcp_frame done = {.magic = TCP_MAGIC, .type = TCP_WRITE_DONE};

	if (lane->frame.type == TCP_SEND)
		end_message(lane);
	else if (lane->frame.type == TCP_READ_REPLY)
		end_pending(lane);
	else if (lane->frame.type == TCP_WRITE_ASKING)
		return tcp_put_frame(lane, &done, NULL, false, 0);
	return 0;
}

static bool is_write(const struct tcp_frame *frame)
{
	return frame->type == TCP_WRITE || frame->type == TCP_WRITE_ASKING;
}

// Moves buffered payload to its place. 0, or a negative errno.
static int take_payload(struct tcp_lane *lane)
{
	uint64_t part = buffered(lane) < lane->payload_left ? buffered(lane) : lane->payload_left;
	char *to = lane->payload_to + lane->payload_done;

	if (is_write(&lane->frame) && !tcp_has_output_room(lane))
		return -EAGAIN;
	if (is_write(&lane->frame))
		to = tcp_reach(lane, lane->frame.rkey, lane->frame.offset + lane->payload_done, part, FABRIC_REMOTE_WRITE);
	if (!to)
		return -EACCES;
	memcpy(to, lane->input + lane->input_start, part);
	consume(lane, (uint32_t)part);
	lane->payload_done += part;
	lane->payload_left -= part;
	return lane->payload_left == 0 ? end_payload(lane) : 0;
}

// --- frames ---

// Finds where the payload of a frame goes. 0, -EAGAIN (there is no room for it now) or an error that ends the lane.
static int begin_payload(struct tcp_lane *lane, const struct tcp_frame *frame)
{
	const struct tcp_pending *pending = &lane->pending[lane->pending_first];
	char *to = NULL;

	if (frame->type == TCP_SEND) {
		to = message_slot(lane);
		if (!to)
			return -EAGAIN;
	} else if (frame->type == TCP_READ_REPLY) {
		if (lane->pending_count == 0 || pending->answer != TCP_READ_REPLY || pending->length != frame->length)
			return -EPROTO;
		to = pending->local;
	} else {
		to = tcp_reach(lane, frame->rkey, frame->offset, frame->length, FABRIC_REMOTE_WRITE);
		if (!to)
			return -EACCES;
	}
	lane->frame = *frame;
	lane->payload_to = to;
	lane->payload_done = 0;
	lane->payload_left = frame->length;
	return 0;
}

// An answer without a payload.
static int take_answer(struct tcp_lane *lane, const struct tcp_frame *frame)
{
	const struct tcp_pending *pending = &lane->pending[lane->pending_first];

	if (lane->pending_count == 0 || pending->answer != frame->type)
		return -EPROTO;
	if (pending->local)
		memcpy(pending->local, &frame->offset, sizeof(frame->offset));
	end_pending(lane);
	return 0;
}

// Deals with one frame whose header, and operands if any, are buffered. `operands` bytes stand behind the header.
static int take_frame(struct tcp_lane *lane, const struct tcp_frame *frame)
{
	uint64_t operands[2] = {0};
	uint32_t length = sizeof(*frame);
	int error;

	switch (frame->type) {
	case TCP_SEND:
	case TCP_READ_REPLY:
	case TCP_WRITE:
	case TCP_WRITE_ASKING:
		error = begin_payload(lane, frame);
		break;
	case TCP_ATOMIC_REPLY:
	case TCP_WRITE_DONE:
		error = take_answer(lane, frame);
		break;
	case TCP_NAK:
		return frame->offset > 0 && frame->offset < 4096 ? -(int)frame->offset : -EPROTO;
	case TCP_HELLO:
		return -EPROTO;
	default:
		length += (uint32_t)tcp_frame_payload(frame);
		if (buffered(lane) < length)
			return -ENODATA;
		memcpy(operands, lane->input + lane->input_start + sizeof(*frame), length - sizeof(*frame));
		error = tcp_respond(lane, frame, operands);
		break;
	}
	if (!error)
		consume(lane, length);
	return error;
}

// One step. 0 = go on, -ENODATA = more input is needed, -EAGAIN = room is needed, else the lane's end.
static int step(struct tcp_lane *lane)
{
	struct tcp_frame frame;
	int error;

	if (!tcp_has_event_room(tcp_of(lane->base.fabric)))
		return -EAGAIN;
	if (lane->payload_left > 0)
		return buffered(lane) ? take_payload(lane) : -ENODATA;
	if (buffered(lane) < sizeof(frame))
		return -ENODATA;
	memcpy(&frame, lane->input + lane->input_start, sizeof(frame));
	error = tcp_frame_check(&frame, lane->base.message_size);
	if (error)
		return error;
	if (!lane->has_hello) {
		error = tcp_take_hello(lane, &frame);
		if (!error)
			consume(lane, sizeof(frame));
		return error;
	}
	return take_frame(lane, &frame);
}

void tcp_parse(struct tcp_lane *lane)
{
	int result = 0;

	while (!lane->is_closed && result == 0)
		result = step(lane);
	lane->is_stalled = result == -EAGAIN;
	tcp_of(lane->base.fabric)->has_stalled |= lane->is_stalled;
	if (lane->is_closed || result == -ENODATA || result == -EAGAIN)
		return;
	if (result == -EACCES || result == -EPROTO) {
		struct tcp_frame nak = {.magic = TCP_MAGIC, .type = TCP_NAK, .offset = (uint64_t)-result};

		// Best effort, past what is queued: the peer learns why, if nothing of ours is half sent.
		if (!lane->is_sending && lane->sending_count == 0 && lane->frame.type != TCP_NAK)
			(void)!send(lane->socket, &nak, sizeof(nak), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	tcp_close_lane(lane, result);
}

void tcp_receive_release(struct fabric_lane *base, const void *message)
{
	struct tcp_lane *lane = tcp_lane_of(base);
	size_t slot = (size_t)((const char *)message - lane->messages) / base->message_size;

	lane->messages_taken &= ~(1U << slot);
}

// --- the socket ---

// Makes room for one more header behind what is buffered, and tells how much more there is.
static uint32_t input_room(struct tcp_lane *lane)
{
	if (lane->input_start > 0) {
		memmove(lane->input, lane->input + lane->input_start, buffered(lane));
		lane->input_end -= lane->input_start;
		lane->input_start = 0;
	}
	return TCP_INPUT - lane->input_end;
}

void tcp_receive_arm(struct tcp_lane *lane)
{
	struct io_uring_sqe *sqe;
	uint32_t room;

	// A stalled lane parses on without a receive under way, which would have to find the buffer as it left it.
	if (lane->is_receiving || lane->is_stalled || lane->is_closed)
		return;
	room = input_room(lane);
	if (room == 0) // parsing waits for its owner or its peer
		return;
	sqe = tcp_sqe(tcp_of(lane->base.fabric));
	io_uring_prep_recv(sqe, lane->socket, lane->input + lane->input_end, room, 0);
	// An emptied socket is waited for at once, without a try that finds nothing.
	if (!lane->has_more)
		sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
	io_uring_sqe_set_data64(sqe, tcp_tag(lane, TCP_OP_RECEIVE));
	lane->is_receiving = true;
	lane->in_ring++;
}

void tcp_received(struct tcp_lane *lane, int result)
{
	lane->is_receiving = false;
	if (lane->is_closed)
		return;
	if (result > 0) {
		lane->input_end += (uint32_t)result;
		tcp_parse(lane);
	} else if (result != -EAGAIN && result != -EINTR && result != -ECANCELED) {
		tcp_close_lane(lane, result == 0 ? -ECONNRESET : result);
	}
}

// A large payload in the middle of its way is received where it belongs.
static bool is_direct(const struct tcp_lane *lane)
{
	return lane->payload_left >= DIRECT_MIN && buffered(lane) == 0 &&
	       (lane->frame.type == TCP_READ_REPLY || lane->frame.type == TCP_WRITE);
}

static void received_direct(struct tcp_lane *lane, uint32_t length)
{
	lane->payload_done += length;
	lane->payload_left -= length;
	if (lane->payload_left == 0)
		end_payload(lane); // a reply, or a push: nothing to answer
	tcp_parse(lane);
}

bool tcp_receive_begin(struct tcp_lane *lane, int flags)
{
	struct tcp *tcp = tcp_of(lane->base.fabric);
	struct io_uring_sqe *sqe;
	uint64_t length;
	char *to;

	if (lane->is_closed || !tcp_has_event_room(tcp))
		return false;
	lane->is_into_place = is_direct(lane);
	length = lane->is_into_place ? lane->payload_left : input_room(lane);
	if (length == 0)
		return false;
	if (length > 1U << 30)
		length = 1U << 30;
	to = lane->is_into_place ? lane->payload_to + lane->payload_done : lane->input + lane->input_end;
	sqe = tcp_sqe(tcp);
	io_uring_prep_recv(sqe, lane->socket, to, length, flags);
	if (!(flags & MSG_DONTWAIT))
		sqe->ioprio = IORING_RECVSEND_POLL_FIRST;
	io_uring_sqe_set_data64(sqe, tcp_tag(lane, TCP_OP_RECEIVE));
	return true;
}

void tcp_receive_end(struct tcp_lane *lane, int result)
{
	if (result > 0 && lane->is_into_place)
		received_direct(lane, (uint32_t)result);
	else
		tcp_received(lane, result);
}

bool tcp_receive_now(struct tcp_lane *lane)
{
	struct tcp *tcp = tcp_of(lane->base.fabric);
	struct io_uring_cqe *cqe;
	int result;

	if (!tcp_receive_begin(lane, MSG_DONTWAIT))
		return false;
	if (io_uring_submit_and_wait(&tcp->ring, 1) < 0 || io_uring_peek_cqe(&tcp->ring, &cqe) < 0) {
		tcp_close_lane(lane, -EIO);
		return true;
	}
	result = cqe->res;
	io_uring_cqe_seen(&tcp->ring, cqe);
	tcp_receive_end(lane, result);
	return result != -EAGAIN;
}
