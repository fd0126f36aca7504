#include <errno.h>

#include "client/call.h"
#include "client/files.h"
#include "client/window.h"

// Writes of several requests that came together. Those that fit a message each leave one behind the other, and their replies come so; the others are written by themselves. A write whose reply does not come may
// have been done: it is not sent again.

#define NOT_SENT (-EAGAIN)

static ssize_t receive_one(struct far_lane *lane, const struct far_write *write, uint64_t tag)
{
	struct reply reply;
	int64_t result = call_receive(lane, sizeof(struct far_write_reply), &reply);
	const struct far_write_reply *message = (const struct far_write_reply *)reply.message;

	if (result == 0 && (message->header.op != FAR_OP_WRITE || message->header.tag != tag || message->length > write->length))
		result = call_lost(lane, -EPROTO);
	if (result == 0) {
		result = message->length ? (int64_t)message->length : -ENOSPC;
		window_note(lane, write->id, message->size);
		count(&lane->statistics.bytes_written, message->length);
	}
	reply_release(lane, &reply);
	return (ssize_t)result;
}

// Those that are on their way, in order.
struct owed {
	unsigned first, end;
	struct {
		unsigned number;
		uint64_t tag;
	} of[FAR_WRITES_MAX];
};

static void receive_next(struct far_lane *lane, struct far_write *writes, struct owed *owed)
{
	struct far_write *write = &writes[owed->of[owed->first].number];

	write->result = lane->connection ? receive_one(lane, write, owed->of[owed->first].tag) : -EIO;
	owed->first++;
}

static void send_one(struct far_lane *lane, struct far_write *writes, unsigned number, struct owed *owed)
{
	const struct far_write *write = &writes[number];
	struct far_write_request message = {.id = write->id, .offset = write->offset, .length = write->length};
	struct call request = {
	        .op = FAR_OP_WRITE,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{write->buffer, (uint32_t)write->length}},
	};
	int queued = 0;

	while (lane->connection && (queued = call_try(lane, &request)) == 0 && owed->first < owed->end)
		receive_next(lane, writes, owed);
	if (lane->connection && queued == 0)
		queued = call_queue(lane, &request) == 0;
	if (queued <= 0)
		return;
	owed->of[owed->end].number = number;
	owed->of[owed->end].tag = message.header.tag;
	owed->end++;
}

static void write_at_once(struct far_lane *lane, struct far_write *writes, unsigned number_of)
{
	struct owed owed = {0};

	for (unsigned i = 0; i < number_of && lane->connection; i++)
		if (writes[i].length > 0 && writes[i].length <= lane->message_size - sizeof(struct far_write_request))
			send_one(lane, writes, i, &owed);
	while (owed.first < owed.end)
		receive_next(lane, writes, &owed);
}

void far_write_many(struct far_lane *lane, struct far_write *writes, unsigned number_of)
{
	for (unsigned i = 0; i < number_of; i++)
		writes[i].result = NOT_SENT;
	call_notice(lane);
	if (lane->forget_count > 0)
		call_send_forgets(lane);
	if (!lane->caps->has_loads && call_ready(lane) == 0)
		write_at_once(lane, writes, number_of);
	for (unsigned i = 0; i < number_of; i++) {
		struct far_write *write = &writes[i];
		ssize_t rest = 0;
		size_t done = write->result > 0 ? (size_t)write->result : 0;

		// What was written in part goes on where it stopped.
		if (write->result == NOT_SENT || (write->result > 0 && done < write->length))
			rest = far_write(
			        lane, write->id, (const char *)write->buffer + done, write->length - done, write->offset + done, 0);
		if (write->result == NOT_SENT)
			write->result = rest;
		else if (rest > 0)
			write->result += rest;
	}
}
