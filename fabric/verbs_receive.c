#include <errno.h>

#include "fabric/verbs.h"
#include "fabric/verbs_connection.h"

// Messages in. Lengths, kinds, credits and records are the peer's word: they are checked here, once, and a peer that breaks the rules loses its lane. One that sends more than its credit
// allows takes buffers of others until its queue pair is in the error state, which makes the others' devices try again, but nobody loses anything.

static void hold(struct verbs_lane *lane, struct verbs_buffer *buffer)
{
	buffer->next = lane->buffers;
	if (buffer->next)
		buffer->next->link = &buffer->next;
	buffer->link = &lane->buffers;
	lane->buffers = buffer;
}

static void let_go(struct verbs_buffer *buffer)
{
	*buffer->link = buffer->next;
	if (buffer->next)
		buffer->next->link = buffer->link;
}

void verbs_buffers_reclaim(struct verbs_lane *lane)
{
	while (lane->buffers) {
		struct verbs_buffer *buffer = lane->buffers;

		let_go(buffer);
		verbs_receive_post(lane->device, buffer);
	}
}

static void owe(struct verbs_lane *lane)
{
	lane->held--;
	if (++lane->owed >= lane->depths.return_at)
		verbs_mark_dirty(lane);
}

void verbs_receive_release(struct fabric_lane *base, const void *message)
{
	struct verbs_lane *lane = verbs_lane_of(base);
	struct verbs_buffer *buffer =
	        (struct verbs_buffer *)((uintptr_t)message - offsetof(struct verbs_buffer, header) - sizeof(struct verbs_header));

	let_go(buffer);
	verbs_receive_post(lane->device, buffer); // before its credit can be told
	owe(lane);
}

// 0, or -EPROTO.
static int check(const struct verbs_lane *lane, const struct verbs_header *header, uint32_t length)
{
	uint32_t expected;

	if (length < sizeof(*header) || header->length > lane->base.message_size || header->records > VERBS_RECORDS)
		return -EPROTO;
	expected = (uint32_t)sizeof(*header) + header->length;
	if (header->records)
		expected = verbs_records_offset(header->length) + header->records * (uint32_t)sizeof(struct verbs_record);
	if (length != expected || header->kind < VERBS_MESSAGE || header->kind > VERBS_BYE)
		return -EPROTO;
	if ((header->kind == VERBS_MESSAGE) != (header->length > 0))
		return -EPROTO;
	// It had all credits that are neither held nor owed.
	if (lane->held + lane->owed >= lane->depths.credits || lane->credits + header->credits > lane->credits_max)
		return -EPROTO;
	return 0;
}

static void become_known(struct verbs_lane *lane)
{
	struct verbs *verbs = verbs_of(lane->base.fabric);

	if (lane->state != VERBS_CONNECTING || lane->is_client)
		return;
	// The first message has overtaken the connection manager's word that the lane is there. Over a socket it is that word.
	if (lane->id)
		rdma_notify(lane->id, IBV_EVENT_COMM_EST);
	verbs_lane_accepted(verbs, lane);
}

static void take(struct verbs_lane *lane, struct verbs_buffer *buffer)
{
	struct verbs *verbs = verbs_of(lane->base.fabric);
	struct verbs_header header = buffer->header;

	lane->held++;
	if (header.kind == VERBS_MESSAGE) {
		hold(lane, buffer);
		verbs_event(verbs, (struct fabric_event){.kind = FABRIC_RECEIVED,
		                           .lane = &lane->base,
		                           .message = (char *)(&buffer->header + 1),
		                           .length = header.length});
		return;
	}
	verbs_receive_post(lane->device, buffer);
	owe(lane);
	if (header.kind == VERBS_ASK) {
		lane->owes_answer = true;
		verbs_mark_dirty(lane);
	} else if (header.kind == VERBS_ANSWER) {
		lane->answers++;
	} else if (header.kind == VERBS_BYE) {
		verbs_close_lane(lane, -ECONNRESET);
	}
}

void verbs_received(struct verbs_device *device, struct verbs_lane *lane, struct verbs_buffer *buffer, uint32_t length)
{
	const struct verbs_header *header = &buffer->header;
	int result;

	if (lane)
		become_known(lane);
	if (!lane || !verbs_is_open(lane)) {
		verbs_receive_post(device, buffer);
		return;
	}
	result = check(lane, header, length);
	if (result == 0 && header->records)
		result = verbs_take_records(lane, (const char *)header + verbs_records_offset(header->length), header->records);
	if (result) {
		verbs_receive_post(device, buffer);
		verbs_close_lane(lane, result);
		return;
	}
	lane->credits += header->credits;
	take(lane, buffer);
}
