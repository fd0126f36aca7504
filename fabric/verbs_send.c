#include <errno.h>
#include <string.h>

#include "fabric/verbs.h"

// Messages out: built in slots of registered memory, which are free again when the device has sent them. Every message takes along the credits that are owed and the records that wait.
//
// The last credit is for messages of the provider's own only, so two lanes that have run out of credit can still tell each other that there is some. It comes back with whatever the
// peer sends next: the peer that needs credit is one that sends.

static bool has_room(const struct verbs_lane *lane, uint32_t credits, uint32_t slots, uint32_t limit)
{
	return lane->credits >= credits && lane->free_count >= slots && verbs_has_work_room(lane, 1, limit);
}

void *verbs_send_reserve(struct fabric_lane *base, uint32_t length)
{
	struct verbs_lane *lane = verbs_lane_of(base);

	(void)length;
	if (!verbs_is_open(lane) || !has_room(lane, 2, lane->reserved_slot == VERBS_SLOTS ? 2 : 1, lane->depths.queue - VERBS_QUEUE_SPARE))
		return NULL;
	if (lane->reserved_slot == VERBS_SLOTS)
		lane->reserved_slot = lane->free_slots[--lane->free_count];
	return lane->slots + (size_t)lane->reserved_slot * lane->slot_size + sizeof(struct verbs_header);
}

// Puts the records that wait behind the message's bytes. Returns how many.
static uint8_t add_records(struct verbs_lane *lane, char *message, uint32_t length)
{
	uint32_t count = lane->record_count < VERBS_RECORDS ? lane->record_count : VERBS_RECORDS;

	if (count == 0)
		return 0;
	memcpy(message + verbs_records_offset(length), lane->records, count * sizeof(lane->records[0]));
	lane->record_count -= count;
	memmove(lane->records, lane->records + count, lane->record_count * sizeof(lane->records[0]));
	return (uint8_t)count;
}

static void send_slot(struct verbs_lane *lane, uint8_t slot, uint32_t length, enum verbs_kind kind)
{
	char *message = lane->slots + (size_t)slot * lane->slot_size;
	uint8_t records = add_records(lane, message, length);
	uint32_t total = records ? verbs_records_offset(length) + records * (uint32_t)sizeof(struct verbs_record)
	                         : (uint32_t)sizeof(struct verbs_header) + length;
	struct ibv_sge piece = {.addr = (uintptr_t)message, .length = total, .lkey = lane->slots_mr->lkey};
	struct verbs_work work = {.slot = slot, .is_bye = kind == VERBS_BYE};
	struct ibv_send_wr *request;

	*(struct verbs_header *)(void *)message =
	        (struct verbs_header){.length = length, .credits = (uint16_t)lane->owed, .records = records, .kind = (uint8_t)kind};
	lane->owed = 0;
	lane->credits--;
	request = verbs_work_add(lane, IBV_WR_SEND, &piece, &work, kind == VERBS_BYE);
	if (total <= lane->inline_max)
		request->send_flags |= IBV_SEND_INLINE;
}

bool verbs_send_control(struct verbs_lane *lane, enum verbs_kind kind)
{
	if (!has_room(lane, 1, 1, lane->depths.queue))
		return false;
	fabric_tally(&lane->base.fabric->tallies.controls, 1);
	send_slot(lane, lane->free_slots[--lane->free_count], 0, kind);
	return true;
}

int verbs_send(struct fabric_lane *base, uint32_t length)
{
	struct verbs_lane *lane = verbs_lane_of(base);
	uint8_t slot = lane->reserved_slot;

	if (!verbs_is_open(lane))
		return -ENOTCONN; // the slot goes with the lane
	verbs_scope_sync(lane, false);
	// More than one message can take along: those in front go ahead of it, as long as there is credit for both.
	while (lane->record_count > VERBS_RECORDS && has_room(lane, 2, 1, lane->depths.queue - VERBS_QUEUE_SPARE))
		verbs_send_control(lane, VERBS_CONTROL);
	lane->reserved_slot = VERBS_SLOTS;
	send_slot(lane, slot, length, VERBS_MESSAGE);
	return 0;
}

// What is to be said without waiting for a message that could take it along.
static void send_due(struct verbs_lane *lane)
{
	verbs_scope_sync(lane, false);
	if (lane->owes_answer && verbs_send_control(lane, VERBS_ANSWER))
		lane->owes_answer = lane->record_count > 0; // the rest follows by another one
	if (lane->owed >= lane->depths.return_at)
		verbs_send_control(lane, VERBS_CONTROL);
}

int verbs_flush(struct fabric_lane *base)
{
	struct verbs_lane *lane = verbs_lane_of(base);

	if (!verbs_is_open(lane))
		return -ENOTCONN;
	send_due(lane);
	return verbs_ring(lane);
}

void verbs_mark_dirty(struct verbs_lane *lane)
{
	struct verbs *verbs = verbs_of(lane->base.fabric);

	if (lane->is_dirty)
		return;
	lane->is_dirty = true;
	lane->next_dirty = verbs->dirty;
	verbs->dirty = lane;
}

void verbs_forget_dirty(struct verbs_lane *lane)
{
	struct verbs_lane **link = &verbs_of(lane->base.fabric)->dirty;

	if (!lane->is_dirty)
		return;
	while (*link != lane)
		link = &(*link)->next_dirty;
	*link = lane->next_dirty;
	lane->is_dirty = false;
}

static bool is_still_due(const struct verbs_lane *lane)
{
	return verbs_is_open(lane) && (lane->owes_answer || lane->owed >= lane->depths.return_at);
}

// Flushes every lane with something to send. One that could not say all stays on the list.
void verbs_flush_dirty(struct verbs *verbs)
{
	struct verbs_lane *lane = verbs->dirty;

	verbs->dirty = NULL;
	while (lane) {
		struct verbs_lane *next = lane->next_dirty;

		lane->is_dirty = false;
		if (verbs_is_open(lane))
			verbs_flush(&lane->base);
		else if (lane->state == VERBS_ENDING)
			verbs_ring(lane);
		if (is_still_due(lane))
			verbs_mark_dirty(lane);
		lane = next;
	}
}
