#include <errno.h>

#include "client/call.h"
#include "client/files.h"
#include "client/window.h"

// Writes of several requests that came together. Those that fit a message each leave one behind the other, and their replies come so; the others are written by themselves. A write whose reply does not come may
// have been done: it is not sent again.

#define NOT_SENT (-EAGAIN)

static bool send_one(struct far_lane *lane, const struct far_write *write, uint64_t *tag)
{
	struct far_write_request message = {.id = write->id, .offset = write->offset, .length = write->length};
	struct call request = {
	        .op = FAR_OP_WRITE,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{write->buffer, (uint32_t)write->length}},
	};

	if (write->length == 0 || write->length > lane->message_size - sizeof(message) || call_queue(lane, &request))
		return false;
	*tag = message.header.tag;
	return true;
}

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

static void write_at_once(struct far_lane *lane, struct far_write *writes, unsigned number_of)
{
	uint64_t tags[FAR_WRITES_MAX];
	bool is_sent[FAR_WRITES_MAX] = {false};

	for (unsigned i = 0; i < number_of && lane->connection; i++)
		is_sent[i] = send_one(lane, &writes[i], &tags[i]);
	for (unsigned i = 0; i < number_of; i++)
		if (is_sent[i])
			writes[i].result = lane->connection ? receive_one(lane, &writes[i], tags[i]) : -EIO;
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
