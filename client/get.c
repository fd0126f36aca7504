#include "client/get.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/call.h"
#include "client/error.h"
#include "client/fetch.h"
#include "client/probe.h"
#include "fabric/wait.h"

// Gets. Warm: the location is remembered, the bytes are fetched one-sidedly and checked; no request. Cold and the server busy: the key is looked up in the index one-sidedly (probe.c). Cold: one request, whose reply has the bytes (eager), or
// follows on their being pushed into our memory, or tells where they are. A value in more pieces than one reply locates is put together from several, all of one version; if it
// changes meanwhile, all starts again.

// A range of a key's value on its way to a buffer.
struct get {
	struct far_lane *lane;
	struct far_span key;
	struct locate_hash hash;
	enum fetch_rule rule;
	char *buffer;
	uint64_t offset;   // of buffer[0] in the value
	uint64_t length;   // of the buffer
	uint64_t begun_ns; // before the first request
	uint64_t known;    // not if this is the version still; 0 = in any case
	// What has been found out:
	uint64_t done;
	uint64_t size;
	uint64_t version;
	uint64_t word;
	bool is_begun;     // size, version and word are known
	bool is_same;      // it is the known version: nothing was fetched
	unsigned restarts; // because the value changed
};

#define PUSH_MAX (16U << 20) // bytes of one push: the time limit is for one, not for a whole value
#define RESTARTS_FEW 4       // so often the value is fetched in the ways that cost least; then in those that changes cannot outrun

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool get_warm(struct get *get, int *error)
{
	const struct located *located = locate_find_key(get->lane, get->hash);
	uint64_t good_until_ns;
	uint64_t version;
	uint64_t size;
	uint64_t length;
	int result;

	*error = 0;
	if (!located)
		return false;
	call_notice(get->lane);
	if (!get->lane->connection) // what was remembered is void
		return false;
	size = located->size;
	good_until_ns = located->good_until_ns;
	length = get->offset < size ? least(get->length, size - get->offset) : 0;
	located = locate_find_range(get->lane, located, get->offset, length);
	if (!located)
		return false;
	version = located->version;
	result = fetch(get->lane, located, get->rule, get->buffer, get->offset, length);
	if (result == 1 && locate_is_over(good_until_ns)) {
		locate_drop_key(get->lane, get->hash);
		return false;
	}
	if (result == 1) {
		count(&get->lane->statistics.one_sided, 1);
		count(&get->lane->statistics.bytes_read, length);
		get->done = length;
		get->size = size;
		get->version = version;
		return true;
	}
	if (result < 0) {
		*error = result;
		return result != -EIO; // the connection broke: the cold way connects again
	}
	locate_drop_file(get->lane, located->id, get->offset);
	locate_drop_key(get->lane, get->hash);
	count(&get->lane->statistics.one_sided_retries, 1);
	return false;
}

// Finds the key without asking, if the server would rather have it so.
static bool get_probed(struct get *get)
{
	struct far_lane *lane = get->lane;
	struct probed probed;
	uint64_t length;

	if (!lane->is_probing || !lane->connection || probe(lane, get->key, &probed) != 1)
		return false;
	length = get->offset < probed.located.size ? least(get->length, probed.located.size - get->offset) : 0;
	if (probed.bytes && length > 0)
		memcpy(get->buffer, probed.bytes + get->offset, length);
	else if (length > 0 && fetch(lane, &probed.located, get->rule, get->buffer, get->offset, length) != 1)
		return false;
	locate_add_key(lane, get->hash, &probed.located);
	count(&lane->statistics.one_sided, 1);
	count(&lane->statistics.probes, 1);
	count(&lane->statistics.bytes_read, length);
	get->done = length;
	get->size = probed.located.size;
	get->version = probed.located.version;
	return true;
}

// Where the server may push to: the buffer itself where registering it costs nothing, else staging. Nothing where the value fits a message or the pool is mapped.
struct push_target {
	struct far_buffer wire;
	struct fabric_region *region; // made for this call
	bool is_staging;
};

static struct push_target push_target_make(const struct get *get)
{
	struct far_lane *lane = get->lane;
	struct fabric_memory memory = {.length = get->length - get->done, .fd = -1};
	struct push_target target = {0};

	if (lane->caps->has_loads || memory.length <= lane->eager_limit)
		return target;
	memory.base = get->buffer + get->done;
	if (get->restarts < RESTARTS_FEW)
		memory.length = least(memory.length, PUSH_MAX);
	if (lane_has_memory(lane, memory.base, memory.length)) {
		target.wire = lane_push_buffer(lane, memory.base, memory.length);
		return target;
	}
	if (lane->caps->is_registration_cheap && fabric_register(lane->fabric, &memory, FABRIC_REMOTE_WRITE, 0, &target.region) == 0) {
		target.wire = (struct far_buffer){fabric_region_rkey(target.region), 0, memory.length};
		return target;
	}
	target.is_staging = true;
	target.wire = lane_push_buffer(lane, lane_staging(lane), least(memory.length, LANE_STAGING));
	return target;
}

// Takes a reply's bytes, wherever they are. Returns how many, -EAGAIN if they changed on the way.
static ssize_t take_bytes(struct get *get, const struct reply *reply, const struct push_target *target)
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
		if (message->length > target->wire.length || message->length > room)
			return -EPROTO;
		if (target->is_staging)
			memcpy(get->buffer + get->done, lane_staging(get->lane), message->length);
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

// Asks the server once for what is still missing.
static ssize_t ask(struct get *get)
{
	struct push_target target = push_target_make(get);
	struct far_get_request message = {
	        .push = target.wire,
	        .offset = get->offset + get->done,
	        .length = get->length - get->done,
	        .key_length = (uint16_t)get->key.length,
	};
	struct call request = {
	        .op = FAR_OP_GET,
	        .flags = FAR_GET_LOCATE | FAR_GET_ALLOW_PARTIAL_PUSH,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{0}, get->key},
	};
	const struct far_get_reply *answer;
	struct reply reply;
	ssize_t result;

	if (get->known && !get->is_begun) {
		request.flags |= FAR_GET_IF_NEWER;
		request.parts[0] = (struct far_span){&get->known, sizeof(get->known)};
	}
	result = call(get->lane, &request, sizeof(*answer), &reply);

	answer = (const struct far_get_reply *)reply.message;
	if (result == 0 && get->is_begun && (answer->location.version != get->version || answer->location.word != get->word)) {
		result = -EAGAIN;
	} else if (result == 0) {
		get->is_begun = true;
		get->size = answer->location.size;
		get->version = answer->location.version;
		get->word = answer->location.word;
		result = take_bytes(get, &reply, &target);
	}
	reply_release(get->lane, &reply);
	fabric_unregister(target.region);
	return result;
}

// Fills the buffer, or as much as there is of the value, all of one version.
static int get_cold(struct get *get)
{
	uint64_t deadline_ns;

	get->begun_ns = wait_now_ns();
	deadline_ns = get->begun_ns + (uint64_t)get->lane->session->timeout_ms * 1000000U;
	for (;;) {
		ssize_t got = ask(get);

		if (got == -EAGAIN) { // the value changed: from the start
			get->done = 0;
			get->is_begun = false;
			get->restarts++;
			if (wait_now_ns() > deadline_ns)
				return error_set(-ETIMEDOUT, "get: the value changed faster than it could be read");
			continue;
		}
		if (got < 0)
			return error_of_key((int)got, "get", get->key.bytes, get->key.length);
		get->done += (uint64_t)got;
		if (get->is_same || get->done == get->length || get->offset + get->done >= get->size)
			break;
		if (got == 0)
			return error_set(-EPROTO, "get: the server's reply leads nowhere");
	}
	count(&get->lane->statistics.bytes_read, get->done);
	return 0;
}

static void get_prepare(struct get *get, struct far_span key)
{
	get->key = key;
	get->hash = locate_hash_key(get->lane, key.bytes, key.length);
	get->rule = get_rule(key.bytes, key.length);
}

static int get_begin(far_session *session, const void *key, size_t key_length, struct get *get)
{
	int error = far_key_check(key, key_length);

	if (error) {
		error_of_key(error, "get", key, key_length);
		return error;
	}
	error = lane_acquire(session, &get->lane);
	if (error)
		return error;
	get_prepare(get, (struct far_span){key, (uint32_t)key_length});
	return 0;
}

int get_front(struct far_lane *lane, struct far_span key, void *buffer, uint64_t length, uint64_t *size, uint64_t *version)
{
	struct get get = {.lane = lane, .buffer = buffer, .length = length};
	int error;

	get_prepare(&get, key);
	if (!get_warm(&get, &error) && !get_probed(&get))
		error = get_cold(&get);
	if (error)
		return error;
	*size = get.size;
	*version = get.version;
	return 0;
}

ssize_t far_get_into(far_session *session, const void *key, size_t key_length, void *buffer, size_t length, uint64_t offset, uint64_t *size,
        uint64_t *version)
{
	struct get get = {.buffer = buffer, .length = length, .offset = offset};
	int error = get_begin(session, key, key_length, &get);

	if (error)
		return error;
	if (!get_warm(&get, &error) && !get_probed(&get))
		error = get_cold(&get);
	lane_release(get.lane);
	if (error)
		return error;
	if (size)
		*size = get.size;
	if (version)
		*version = get.version;
	return (ssize_t)get.done;
}

// A first look at a value of unknown size: what fits staging is there afterwards.
static int get_first(struct get *get)
{
	const struct located *located = locate_find_key(get->lane, get->hash);
	char *staging = lane_staging(get->lane);
	int error;

	get->buffer = staging;
	get->length = LANE_STAGING - FAR_PAGE_SIZE;
	if (located && located->size > get->length) {
		get->size = located->size; // more than staging holds: fetched where it belongs
		return 0;
	}
	if (get_warm(get, &error))
		return error;
	return get_probed(get) ? 0 : get_cold(get);
}

static int get_whole(struct get *get, void **value)
{
	int error;

	for (;;) {
		uint64_t size = get->size;
		char *bytes = malloc(size + 1);

		if (!bytes)
			return error_set(-ENOMEM, "get: no memory for a value of %llu bytes", (unsigned long long)size);
		if (get->done == size) {
			memcpy(bytes, get->buffer, size);
			bytes[size] = '\0';
			*value = bytes;
			return 0;
		}
		*get = (struct get){.lane = get->lane,
		        .key = get->key,
		        .hash = get->hash,
		        .rule = get->rule,
		        .known = get->known,
		        .buffer = bytes,
		        .length = size};
		if (!get_warm(get, &error) && !get_probed(get))
			error = get_cold(get);
		if (!error && get->is_same) {
			free(bytes);
			return 0;
		}
		if (!error && get->size == size) {
			bytes[size] = '\0';
			*value = bytes;
			return 0;
		}
		free(bytes);
		if (error)
			return error;
		get->done = 0; // it has another size by now
	}
}

int far_get(far_session *session, const void *key, size_t key_length, void **value, size_t *length, uint64_t *version)
{
	struct get get = {0};
	int error = get_begin(session, key, key_length, &get);

	if (error)
		return error;
	error = get_first(&get);
	if (!error)
		error = get_whole(&get, value);
	lane_release(get.lane);
	if (error)
		return error;
	*length = get.size;
	if (version)
		*version = get.version;
	return 0;
}

// Whether what is remembered of the key is the known version, and holds: then nothing moves.
static bool is_still(struct get *get, int *error)
{
	const struct located *located = locate_find_key(get->lane, get->hash);
	struct get look = {.lane = get->lane, .key = get->key, .hash = get->hash, .rule = get->rule};

	*error = 0;
	if (!get->known || !located || located->version != get->known)
		return false;
	if (!get_warm(&look, error))
		return false;
	get->version = look.version;
	get->is_same = look.version == get->known;
	return *error || get->is_same;
}

int far_get_if_newer(
        far_session *session, const void *key, size_t key_length, uint64_t known, void **value, size_t *length, uint64_t *version)
{
	struct get get = {.known = known};
	void *bytes = NULL;
	int error = get_begin(session, key, key_length, &get);

	if (error)
		return error;
	if (!is_still(&get, &error)) {
		error = get_first(&get);
		if (!error && !get.is_same)
			error = get_whole(&get, &bytes);
	}
	lane_release(get.lane);
	if (error)
		return error;
	if (version)
		*version = get.version;
	if (get.is_same || get.version == known) {
		free(bytes);
		*value = NULL;
		*length = 0;
		return 0;
	}
	*value = bytes;
	*length = get.size;
	return 1;
}
