// Lookups, which hold what they find, and giving holds back. Where the pool is mapped a name is found in the index, and its object held without asking, if it is held already.
#include <errno.h>
#include <string.h>

#include "client/call.h"
#include "client/files.h"
#include "client/held.h"
#include "client/locate.h"
#include "client/probe.h"
#include "far/attr.h"
#include "far/key.h"

// Remembers where an entry's value is, so that reading the file needs no request of its own.
static void take_location(struct far_lane *lane, const struct reply *reply)
{
	const struct far_entry_reply *entry = (const struct far_entry_reply *)reply->message;
	const struct far_wire_extent *extents = (const struct far_wire_extent *)(entry + 1);
	struct located located;

	if (!S_ISREG(entry->attr.mode) || entry->location.extents > FAR_EXTENTS_PER_REPLY ||
	        sizeof(*entry) + entry->location.extents * sizeof(*extents) > reply->length)
		return;
	if (locate_take(lane, &entry->location, extents, 0, &located) && located.id == entry->attr.id)
		locate_add_file(lane, &located);
}

static int call_for_entry(struct far_lane *lane, struct call *request, struct far_attr *attr)
{
	struct reply reply;
	int error = call(lane, request, sizeof(struct far_entry_reply), &reply);

	if (!error) {
		*attr = ((const struct far_entry_reply *)reply.message)->attr;
		take_location(lane, &reply);
		lane_note_hold(lane, attr->id);
	}
	reply_release(lane, &reply);
	return error;
}

static void remember_place(struct far_lane *lane, const struct look *look, uint64_t offset)
{
	struct probed probed;

	if (S_ISREG(look->record.mode) && probe_locate(lane, look, offset, 0, &probed))
		locate_add_file(lane, &probed.located);
}

// 1, -ENOENT, 0 (the server has to be asked) or another negative errno.
static int lookup_alone(struct far_lane *lane, uint64_t parent, struct far_span name, struct far_attr *attr)
{
	const struct look *look;
	uint64_t offset;
	int result;

	if (!lane->connection || !lane->pool.loads)
		return 0;
	result = probe_name(lane, parent, name, &look, &offset);
	if (result == 1 && !held_add(lane->session->held, look->record.id, lane->epoch))
		return 0;
	if (result == 1) {
		far_record_attr(&look->record, attr);
		remember_place(lane, look, offset);
	}
	if (result == 1 || result == -ENOENT)
		count(&lane->statistics.one_sided, 1);
	return result;
}

static int ask(struct far_lane *lane, uint64_t parent, struct far_span name, struct far_attr *attr)
{
	struct far_lookup_request message = {.parent = parent, .name_length = (uint16_t)name.length};
	// Not the value: when the file is read it may be another already, so the bytes are fetched, with the record's word, from where they are.
	struct call request = {
	        .op = FAR_OP_LOOKUP,
	        .flags = FAR_GET_LOCATE | FAR_GET_NO_VALUE,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{name.bytes, name.length}},
	};

	return call_for_entry(lane, &request, attr);
}

int far_lookup(struct far_lane *lane, uint64_t parent, const char *name, size_t name_length, struct far_attr *attr)
{
	struct far_span span = {name, (uint32_t)name_length};
	int result = far_name_check(name, (uint32_t)name_length);

	if (result)
		return result;
	call_notice(lane);
	result = lookup_alone(lane, parent, span, attr);
	if (result == 1)
		return 0;
	return result == -ENOENT ? result : ask(lane, parent, span, attr);
}

int far_hold(struct far_lane *lane, uint64_t id, unsigned flags, struct far_attr *attr)
{
	struct far_object_request message = {.id = id};
	struct call request = {
	        .op = FAR_OP_HOLD,
	        .flags = (uint16_t)(FAR_GET_LOCATE | FAR_GET_NO_VALUE | flags),
	        .message = &message,
	        .length = sizeof(message),
	};

	return call_for_entry(lane, &request, attr);
}

static void queue_forget(struct far_lane *lane, uint64_t id, uint64_t holds)
{
	if (lane->forget_count == LANE_FORGETS)
		far_forget_flush(lane);
	if (lane->forget_count == LANE_FORGETS) // no connection: the session, and with it all holds, will end
		lane->forget_count = 0;
	lane->forgets[lane->forget_count++] = (struct far_forget){.id = id, .holds = holds};
	if (lane->forget_count == LANE_FORGETS)
		far_forget_flush(lane);
}

void far_forget(struct far_lane *lane, uint64_t id, uint64_t holds)
{
	holds = held_drop(lane->session->held, id, holds);
	if (holds > 0)
		queue_forget(lane, id, holds);
}

void far_forget_flush(struct far_lane *lane)
{
	// A lane that does nothing else may not be connected (any more).
	if (lane->forget_count > 0 && call_ready(lane) == 0)
		call_send_forgets(lane);
}
