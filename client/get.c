#include "client/get_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/error.h"
#include "client/probe.h"
#include "far/clock.h"
#include "far/least.h"

// Gets. Warm: the location is remembered, the bytes are fetched one-sidedly and checked; no request. Cold and the server busy: the key is looked up in the index one-sidedly (probe.c). Cold: requests (get_ask.c).

bool get_warm(struct get *get, int *error)
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

// Asks the server once for what is still missing. As get_take.
static int ask(struct get *get)
{
	struct get_push push = get_push_new(get, lane_staging(get->lane), LANE_STAGING);
	struct far_get_request message;
	struct call request;
	struct reply reply;
	int result;

	get_request(get, &push, &message, &request);
	result = call(get->lane, &request, sizeof(struct far_get_reply), &reply);
	result = get_take(get, result, &reply, &push);
	reply_release(get->lane, &reply);
	get_push_end(&push);
	return result;
}

// Fills the buffer, or as much as there is of the value, all of one version.
static int get_cold(struct get *get)
{
	int result;

	get->begun_ns = clock_now_ns();
	do
		result = ask(get);
	while (result == 1);
	return result;
}

void get_prepare(struct get *get, struct far_span key)
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

bool get_is_still(struct get *get, int *error)
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
	if (!get_is_still(&get, &error)) {
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
