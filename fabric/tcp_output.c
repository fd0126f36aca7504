#include <errno.h>
#include <string.h>

#include "fabric/tcp.h"

// What a lane sends. Frames gather in a batch: headers and small payloads are copied into its bytes, large payloads stay where they are (live) and are copied by the kernel when
// their turn comes. One send of a lane is under way at a time, so the stream keeps its order; what is posted meanwhile makes the next batch.
//
// Order of READs: a reply copied at once would be older than live replies ahead of it. So while anything live is unsent, later replies stay live, too: the
// kernel takes their bytes after those ahead (tcp.h's callers rely on it: layout.h R4).

static struct tcp_batch *filling(struct tcp_lane *lane)
{
	return &lane->batches[lane->filling];
}

bool tcp_has_output(const struct tcp_lane *lane)
{
	return lane->sending_count > 0 || lane->batches[lane->filling].piece_count > 0;
}

bool tcp_has_output_room(const struct tcp_lane *lane)
{
	const struct tcp_batch *batch = &lane->batches[lane->filling];

	return batch->used + sizeof(struct tcp_frame) + TCP_COPY_MAX <= TCP_OUTPUT && batch->piece_count + 2 <= TCP_PIECES;
}

// Makes the last piece reach over `length` more copied bytes.
static void add_copied(struct tcp_batch *batch, uint32_t length)
{
	struct iovec *last = batch->piece_count ? &batch->pieces[batch->piece_count - 1] : NULL;
	char *from = batch->bytes + batch->used;

	if (last && (char *)last->iov_base + last->iov_len == from)
		last->iov_len += length;
	else
		batch->pieces[batch->piece_count++] = (struct iovec){from, length};
	batch->used += length;
}

// A served lane's frames go into the ring at the next poll, if nobody flushes before.
static void note_unsent(struct tcp_lane *lane)
{
	struct tcp *tcp = tcp_of(lane->base.fabric);

	if (lane->is_client || lane->is_unsent)
		return;
	lane->is_unsent = true;
	lane->next_unsent = tcp->unsent;
	tcp->unsent = lane;
}

int tcp_put_frame(struct tcp_lane *lane, const struct tcp_frame *frame, const void *payload, bool is_live, uint64_t context)
{
	struct tcp_batch *batch = filling(lane);
	bool is_behind_live = batch->live > 0 || (lane->sending_count > 0 && lane->batches[!lane->filling].live > 0);
	uint64_t length = payload ? frame->length : 0;
	bool is_copied = length <= TCP_COPY_MAX && !(is_live && is_behind_live);

	if (!tcp_has_output_room(lane) || (context && batch->done_count == FAR_LANE_DEPTH)) {
		tcp_of(lane->base.fabric)->is_room_wanted = true;
		return -EAGAIN;
	}
	note_unsent(lane);
	memcpy(batch->bytes + batch->used, frame, sizeof(*frame));
	add_copied(batch, sizeof(*frame));
	if (length > 0 && is_copied) {
		memcpy(batch->bytes + batch->used, payload, length);
		add_copied(batch, (uint32_t)length);
	} else if (length > 0) {
		batch->pieces[batch->piece_count++] = (struct iovec){(void *)(uintptr_t)payload, length};
		batch->live++;
	}
	if (context)
		batch->done[batch->done_count++] = context;
	return 0;
}

void *tcp_send_reserve(struct fabric_lane *base, uint32_t length)
{
	struct tcp_lane *lane = tcp_lane_of(base);
	struct tcp_batch *batch = filling(lane);
	uint32_t start = (batch->used + 7) & ~7U;

	if (lane->is_closed)
		return NULL;
	if (start + sizeof(struct tcp_frame) + length > TCP_OUTPUT || batch->piece_count + 2 > TCP_PIECES) {
		tcp_of(base->fabric)->is_room_wanted = true;
		return NULL;
	}
	return batch->bytes + start + sizeof(struct tcp_frame);
}

int tcp_send(struct fabric_lane *base, uint32_t length)
{
	struct tcp_lane *lane = tcp_lane_of(base);
	struct tcp_batch *batch = filling(lane);
	struct tcp_frame frame = {.magic = TCP_MAGIC, .type = TCP_SEND, .length = length};

	if (lane->is_closed)
		return -ENOTCONN;
	note_unsent(lane);
	batch->used = (batch->used + 7) & ~7U; // messages are built aligned; the gap is no part of any piece
	memcpy(batch->bytes + batch->used, &frame, sizeof(frame));
	add_copied(batch, (uint32_t)sizeof(frame) + length);
	return 0;
}

static bool has_pending_room(const struct tcp_lane *lane)
{
	return lane->pending_count < FAR_LANE_DEPTH;
}

static void add_pending(struct tcp_lane *lane, struct tcp_pending pending)
{
	lane->pending[(lane->pending_first + lane->pending_count++) % FAR_LANE_DEPTH] = pending;
}

int tcp_post_read(struct fabric_lane *base, void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context)
{
	struct tcp_lane *lane = tcp_lane_of(base);
	struct tcp_frame frame = {.magic = TCP_MAGIC, .type = TCP_READ, .rkey = rkey, .offset = offset, .length = length};
	int error;

	if (lane->is_closed)
		return -ENOTCONN;
	if (!has_pending_room(lane))
		return -EAGAIN;
	error = tcp_put_frame(lane, &frame, NULL, false, 0);
	if (!error)
		add_pending(lane, (struct tcp_pending){local, length, context, TCP_READ_REPLY});
	return error;
}

// A connecting side's write is done when the server says that the bytes are in place. A server's push is done when the kernel has taken the bytes: their memory is
// free then, the stream keeps the message behind them behind them, and no idle client has to be waited for.
int tcp_post_write(struct fabric_lane *base, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context)
{
	struct tcp_lane *lane = tcp_lane_of(base);
	struct tcp_frame frame = {.magic = TCP_MAGIC, .type = TCP_WRITE, .rkey = rkey, .offset = offset, .length = length};

	int error;

	if (lane->is_closed)
		return -ENOTCONN;
	if (context == 0 || !lane->is_client)
		return tcp_put_frame(lane, &frame, local, false, context);
	if (!has_pending_room(lane))
		return -EAGAIN;
	frame.type = TCP_WRITE_ASKING;
	error = tcp_put_frame(lane, &frame, local, false, 0);
	if (!error)
		add_pending(lane, (struct tcp_pending){NULL, length, context, TCP_WRITE_DONE});
	return error;
}

static int post_atomic(struct tcp_lane *lane, const struct tcp_frame *frame, const uint64_t *operands, uint64_t *result, uint64_t context)
{
	int error;

	if (lane->is_closed)
		return -ENOTCONN;
	if (!has_pending_room(lane))
		return -EAGAIN;
	error = tcp_put_frame(lane, frame, operands, false, 0);
	if (!error)
		add_pending(lane, (struct tcp_pending){(char *)result, sizeof(*result), context, TCP_ATOMIC_REPLY});
	return error;
}

int tcp_post_compare_swap(
        struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t expected, uint64_t desired, uint64_t context)
{
	const uint64_t operands[2] = {expected, desired};
	struct tcp_frame frame = {.magic = TCP_MAGIC, .type = TCP_COMPARE_SWAP, .rkey = rkey, .offset = offset, .length = sizeof(operands)};

	return post_atomic(tcp_lane_of(lane), &frame, operands, result, context);
}

int tcp_post_fetch_add(struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t addend, uint64_t context)
{
	struct tcp_frame frame = {.magic = TCP_MAGIC, .type = TCP_FETCH_ADD, .rkey = rkey, .offset = offset, .length = sizeof(addend)};

	return post_atomic(tcp_lane_of(lane), &frame, &addend, result, context);
}

// --- the socket ---

// Takes the filled batch as the one to send.
static void turn(struct tcp_lane *lane)
{
	struct tcp_batch *batch = filling(lane);

	lane->sending = batch->pieces;
	lane->sending_count = batch->piece_count;
	lane->filling = !lane->filling;
}

// The batch has left: writes from its memory are done.
static void finish(struct tcp_lane *lane)
{
	struct tcp_batch *batch = &lane->batches[!lane->filling];
	struct tcp *tcp = tcp_of(lane->base.fabric);

	for (uint32_t i = 0; i < batch->done_count; i++)
		tcp_event(tcp, (struct fabric_event){.kind = FABRIC_DONE, .lane = &lane->base, .context = batch->done[i]});
	batch->used = 0;
	batch->done_count = 0;
	batch->piece_count = 0;
	batch->live = 0;
}

static void advance(struct tcp_lane *lane, size_t sent)
{
	while (lane->sending_count > 0 && sent >= lane->sending->iov_len) {
		sent -= lane->sending->iov_len;
		lane->sending++;
		lane->sending_count--;
	}
	if (lane->sending_count == 0) {
		finish(lane);
		return;
	}
	lane->sending->iov_base = (char *)lane->sending->iov_base + sent;
	lane->sending->iov_len -= sent;
}

void tcp_sent(struct tcp_lane *lane, int result)
{
	lane->is_sending = false;
	if (lane->is_closed)
		return;
	if (result >= 0)
		advance(lane, (size_t)result);
	else if (result != -EAGAIN && result != -EINTR)
		tcp_close_lane(lane, result == -EPIPE ? -ECONNRESET : result);
}

struct io_uring_sqe *tcp_send_begin(struct tcp_lane *lane, int flags)
{
	struct io_uring_sqe *sqe = tcp_sqe(tcp_of(lane->base.fabric));

	if (lane->sending_count == 0)
		turn(lane);
	lane->header = (struct msghdr){.msg_iov = lane->sending, .msg_iovlen = lane->sending_count};
	io_uring_prep_sendmsg(sqe, lane->socket, &lane->header, (unsigned)flags | MSG_NOSIGNAL);
	io_uring_sqe_set_data64(sqe, tcp_tag(lane, TCP_OP_SEND));
	lane->is_sending = true;
	return sqe;
}

// Client: sends on the spot, as much as the socket takes.
static void send_now(struct tcp_lane *lane)
{
	struct tcp *tcp = tcp_of(lane->base.fabric);
	struct io_uring_cqe *cqe;

	while (tcp_has_output(lane) && !lane->is_closed) {
		uint32_t before;
		int result;

		tcp_send_begin(lane, MSG_DONTWAIT);
		before = lane->sending_count;
		if (io_uring_submit_and_wait(&tcp->ring, 1) < 0 || io_uring_peek_cqe(&tcp->ring, &cqe) < 0) {
			tcp_close_lane(lane, -EIO);
			return;
		}
		result = cqe->res;
		io_uring_cqe_seen(&tcp->ring, cqe);
		tcp_sent(lane, result);
		if (result == -EAGAIN || (lane->sending_count > 0 && lane->sending_count == before && result <= 0))
			return;
	}
}

// A served lane's send is tried without waiting, and reports only if it did not take all: so replies wake nobody who blocks in the ring for requests. MSG_WAITALL is what
// makes a short send a failed one.
static void send_immediately(struct tcp_lane *lane)
{
	struct tcp *tcp = tcp_of(lane->base.fabric);

	tcp_send_begin(lane, MSG_DONTWAIT | MSG_WAITALL)->flags |= IOSQE_CQE_SKIP_SUCCESS;
	lane->is_immediate = true;
	lane->next_immediate = tcp->immediate;
	tcp->immediate = lane;
}

void tcp_sent_late(struct tcp_lane *lane)
{
	struct tcp_lane **link = &tcp_of(lane->base.fabric)->immediate;

	if (!lane->is_immediate)
		return;
	while (*link != lane)
		link = &(*link)->next_immediate;
	*link = lane->next_immediate;
	lane->is_immediate = false;
	lane->is_congested = true;
}

static void sent_immediately(struct tcp_lane *lane)
{
	lane->is_immediate = false;
	lane->is_sending = false;
	lane->in_ring--;
	lane->sending_count = 0;
	if (!lane->is_closed)
		finish(lane);
	tcp_flush(&lane->base);
	tcp_operation_ended(lane);
}

void tcp_sent_immediately(struct tcp *tcp)
{
	struct tcp_lane *lane = tcp->immediate;

	tcp->immediate = NULL; // flushing adds those of the next time
	while (lane) {
		struct tcp_lane *next = lane->next_immediate;

		if (tcp_has_event_room(tcp)) {
			sent_immediately(lane);
		} else { // next time
			lane->next_immediate = tcp->immediate;
			tcp->immediate = lane;
		}
		lane = next;
	}
}

int tcp_flush(struct fabric_lane *base)
{
	struct tcp_lane *lane = tcp_lane_of(base);

	if (lane->is_closed)
		return -ENOTCONN;
	if (lane->is_client) {
		send_now(lane);
		return 0;
	}
	if (lane->is_sending || !tcp_has_output(lane))
		return 0;
	if (lane->is_congested)
		tcp_send_begin(lane, 0);
	else
		send_immediately(lane);
	lane->is_congested = false;
	lane->in_ring++;
	return 0;
}
