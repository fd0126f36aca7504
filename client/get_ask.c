#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/get_inside.h"
#include "far/clock.h"
#include "far/least.h"

// A get's request and its reply, which has the bytes (eager), or follows on their being pushed into our memory, or tells where they are. A value in more pieces than one reply locates is put together from
// several, all of one version; if it changes meanwhile, all starts again.

#define PUSH_MAX (16U << 20) // bytes of one push: the time limit is for one, not for a whole value
#define RESTARTS_FEW 4       // so often the value is fetched in the ways that cost least; then in those that changes cannot outrun

static bool is_pushed(const struct get *get)
{
	return get->buffer && !get->lane->caps->has_loads && get->length - get->done > get->lane->eager_limit;
}

static uint64_t push_length(const struct get *get)
{
	return get->restarts < RESTARTS_FEW ? least(get->length - get->done, PUSH_MAX) : get->length - get->done;
}

uint64_t get_push_staging(const struct get *get)
{
	const struct far_lane *lane = get->lane;
	uint64_t length = push_length(get);

	return !is_pushed(get) || lane->caps->is_registration_cheap || lane_has_memory(lane, get->buffer + get->done, length) ? 0 : length;
}

struct get_push get_push_new(const struct get *get, char *staging, uint64_t room)
{
	struct far_lane *lane = get->lane;
	struct fabric_memory memory = {.length = push_length(get), .fd = -1};
	struct get_push push = {0};

	if (!is_pushed(get))
		return push;
	memory.base = get->buffer + get->done;
	if (lane_has_memory(lane, memory.base, memory.length)) {
		push.wire = lane_push_buffer(lane, memory.base, memory.length);
		return push;
	}
	if (lane->caps->is_registration_cheap && fabric_register(lane->fabric, &memory, FABRIC_REMOTE_WRITE, 0, &push.region) == 0) {
		push.wire = (struct far_buffer){fabric_region_rkey(push.region), 0, memory.length};
		return push;
	}
	push.staged = staging;
	push.wire = lane_push_buffer(lane, staging, least(memory.length, room));
	return push;
}

void get_push_end(struct get_push *push)
{
	fabric_unregister(push->region);
	*push = (struct get_push){0};
}

void get_request(const struct get *get, const struct get_push *push, struct far_get_request *message, struct call *call)
{
	*message = (struct far_get_request){
	        .push = push->wire,
	        .offset = get->offset + get->done,
	        .length = get->length - get->done,
	        .key_length = (uint16_t)get->key.length,
	};
	*call = (struct call){
	        .op = FAR_OP_GET,
	        .flags = FAR_GET_LOCATE | FAR_GET_ALLOW_PARTIAL_PUSH,
	        .message = message,
	        .length = sizeof(*message),
	        .parts = {{0}, get->key},
	};
	if (get->known && !get->is_begun) {
		call->flags |= FAR_GET_IF_NEWER;
		call->parts[0] = (struct far_span){&get->known, sizeof(get->known)};
	}
}

// Takes a reply's bytes, wherever they are. Returns how many, -EAGAIN if they changed on the way.
static ssize_t take_bytes(struct get *get, const struct reply *reply, const struct get_push *push)
{
	const struct far_get_reply *message = (const struct far_get_reply *)reply->message;
	const struct far_wire_extent *extents = (const struct far_wire_extent *)(message + 1);
	const char *bytes = (const char *)(extents + message->location.extents);
	uint64_t room = get->length - get->done;
	uint64_t offset = get->offset + get->done;
	struct located located;
	int result;

	if (sizeof(*message) + message->location.extents * sizeof(*extents) > reply->length ||
	        message->location.extents > FAR_EXTENTS_PER_REPLY || !locate_take(get->lane, &message->location, extents, offset, &located))
		return -EPROTO;
	located.good_until_ns = locate_good_until(&message->location, get->begun_ns);
	if (message->how == FAR_GET_SAME) {
		if (!get->known || located.version != get->known)
			return -EPROTO;
		get->is_same = true;
		locate_add_key(get->lane, get->hash, &located);
		return 0;
	}
	if (message->how == FAR_GET_EAGER) {
		if (message->length > room || message->length > reply->length - (uint64_t)(bytes - (const char *)message))
			return -EPROTO;
		if (message->length > 0)
			memcpy(get->buffer + get->done, bytes, message->length);
		locate_add_key(get->lane, get->hash, &located);
		return (ssize_t)message->length;
	}
	if (message->how == FAR_GET_PUSHED) {
		if (message->length > push->wire.length || message->length > room)
			return -EPROTO;
		if (push->staged)
			memcpy(get->buffer + get->done, push->staged, message->length);
		locate_add_key(get->lane, get->hash, &located);
		return (ssize_t)message->length;
	}
	room = least(room, (located.end < located.size ? located.end : located.size) - least(offset, located.end));
	if (get->restarts < RESTARTS_FEW)
		result = fetch(get->lane, &located, get->rule, get->buffer + get->done, offset, room);
	else
		result = fetch_held(get->lane, &located, get->rule, get->buffer + get->done, offset, room);
	if (result < 0)
		return result;
	if (result == 0)
		return -EAGAIN;
	locate_add_key(get->lane, get->hash, &located);
	return (ssize_t)room;
}

static ssize_t take(struct get *get, int error, const struct reply *reply, const struct get_push *push)
{
	const struct far_get_reply *answer = (const struct far_get_reply *)reply->message;

	if (error)
		return error;
	if (get->is_begun && (answer->location.version != get->version || answer->location.word != get->word))
		return -EAGAIN;
	get->is_begun = true;
	get->size = answer->location.size;
	get->version = answer->location.version;
	get->word = answer->location.word;
	return take_bytes(get, reply, push);
}

int get_restart(struct get *get)
{
	uint64_t deadline_ns = get->begun_ns + (uint64_t)get->lane->timeout_ms * 1000000U;

	get->done = 0;
	get->is_begun = false;
	get->restarts++;
	if (clock_now_ns() > deadline_ns)
		return error_set(-ETIMEDOUT, "get: the value changed faster than it could be read");
	return 1;
}

int get_take(struct get *get, int error, const struct reply *reply, const struct get_push *push)
{
	ssize_t got = take(get, error, reply, push);

	if (got == -EAGAIN)
		return get_restart(get);
	if (got < 0)
		return error_of_key((int)got, "get", get->key.bytes, get->key.length);
	get->done += (uint64_t)got;
	if (get->is_same || get->done == get->length || get->offset + get->done >= get->size) {
		count(&get->lane->statistics.bytes_read, get->done);
		return 0;
	}
	return got == 0 ? error_set(-EPROTO, "get: the server's reply leads nowhere") : 1;
}
