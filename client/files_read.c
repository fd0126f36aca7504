#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "client/call.h"
#include "client/fetch.h"
#include "client/file_location.h"
#include "client/files.h"
#include "far/least.h"

// Reading files by id. The extents of a file are remembered; while its word is the same (no new or moved pages, no other size) reads are one-sided and ask nobody.

// The remembered location if it tells about the whole range, which is cut at the end of the file.
const struct located *file_find(const struct far_lane *lane, uint64_t id, uint64_t offset, uint64_t *length)
{
	const struct located *located = locate_find_file(lane, id, offset);

	if (!located)
		return NULL;
	*length = offset < located->size ? least(*length, located->size - offset) : 0;
	return *length == 0 || (offset >= located->begin && offset + *length <= located->end) ? located : NULL;
}

// Checks a get reply's parts and remembers the location. NULL: it makes no sense.
static const struct located *take(struct far_lane *lane, const struct reply *reply, uint64_t offset, struct located *located)
{
	const struct far_get_reply *message = (const struct far_get_reply *)reply->message;
	const struct far_wire_extent *extents = (const struct far_wire_extent *)(message + 1);

	if (message->location.extents > FAR_EXTENTS_PER_REPLY ||
	        sizeof(*message) + message->location.extents * sizeof(*extents) > reply->length ||
	        !locate_take(lane, &message->location, extents, offset, located))
		return NULL;
	locate_add_file(lane, located);
	return located;
}

// Where the server may push to.
static struct far_buffer push_buffer(const struct far_lane *lane, const char *buffer, size_t length, bool *is_staging)
{
	*is_staging = !lane_has_memory(lane, buffer, length);
	if (*is_staging)
		return lane_push_buffer(lane, lane_staging(lane), least(length, LANE_STAGING - FAR_PAGE_SIZE));
	return lane_push_buffer(lane, buffer, length);
}

// Asks the server for the range. Returns bytes, fewer than asked only at the end of the file or of what one reply covers.
static ssize_t ask(struct far_lane *lane, uint64_t id, char *buffer, size_t length, uint64_t offset)
{
	bool is_staging = false;
	struct far_read_request message = {.id = id, .offset = offset, .length = length};
	struct call request = {
	        .op = FAR_OP_READ,
	        .flags = FAR_GET_LOCATE | FAR_GET_ALLOW_PARTIAL_PUSH,
	        .message = &message,
	        .length = sizeof(message),
	};
	const struct far_get_reply *answer;
	struct located located;
	struct reply reply;
	ssize_t result;

	if (length > lane->eager_limit && !lane->caps->has_loads)
		message.push = push_buffer(lane, buffer, length, &is_staging);
	result = call(lane, &request, sizeof(*answer), &reply);
	answer = (const struct far_get_reply *)reply.message;
	if (result == 0 && !take(lane, &reply, offset, &located)) {
		result = -EPROTO;
	} else if (result == 0 && answer->how == FAR_GET_EAGER) {
		uint64_t front = sizeof(*answer) + answer->location.extents * sizeof(struct far_wire_extent);

		result = answer->length <= length && front + answer->length <= reply.length ? (ssize_t)answer->length : -EPROTO;
		if (result > 0)
			memcpy(buffer, (const char *)answer + front, (size_t)result);
	} else if (result == 0 && answer->how == FAR_GET_PUSHED) {
		result = answer->length <= message.push.length ? (ssize_t)answer->length : -EPROTO;
		if (result > 0 && is_staging)
			memcpy(buffer, lane_staging(lane), (size_t)result);
	} else if (result == 0) {
		uint64_t part = offset < located.size ? least(length, located.end - least(offset, located.end)) : 0;
		int fetched = fetch(lane, &located, FETCH_FILE, buffer, offset, least(part, located.size - least(offset, located.size)));

		result = fetched < 0 ? fetched : fetched == 0 ? -EAGAIN : (ssize_t)least(part, located.size - least(offset, located.size));
	}
	reply_release(lane, &reply);
	return result;
}

// Asks where the range is. The whole window is located, if one reply can tell so much; else from the offset on.
static int locate_from(struct far_lane *lane, uint64_t id, uint64_t offset)
{
	struct far_read_request message = {.id = id, .offset = offset, .length = UINT64_MAX};
	struct call request = {.op = FAR_OP_EXTENTS, .message = &message, .length = sizeof(message)};
	struct located located;
	struct reply reply;
	int error = call(lane, &request, sizeof(struct far_get_reply), &reply);

	if (!error && !take(lane, &reply, offset, &located))
		error = -EPROTO;
	reply_release(lane, &reply);
	return error;
}

int file_locate(struct far_lane *lane, uint64_t id, uint64_t offset, uint64_t length)
{
	int error = locate_from(lane, id, LOCATE_WINDOW_START(offset));
	uint64_t part = length;

	if (error || file_find(lane, id, offset, &part) || offset == LOCATE_WINDOW_START(offset))
		return error;
	return locate_from(lane, id, offset);
}

#define ATTEMPTS 64 // a file that changes that often while it is read is read through the server's eager pieces

// Reads one-sidedly if the location is remembered and holds. 0 bytes asked for at the end of the file is such a case, too. -EAGAIN: ask.
static ssize_t read_warm(struct far_lane *lane, uint64_t id, char *buffer, size_t length, uint64_t offset)
{
	uint64_t part = length;
	const struct located *located = file_find(lane, id, offset, &part);
	int fetched;

	if (!located)
		return -EAGAIN;
	fetched = fetch(lane, located, FETCH_FILE, buffer, offset, part);
	if (fetched == 1) {
		count(&lane->statistics.one_sided, 1);
		return (ssize_t)part;
	}
	locate_drop_file(lane, id, offset);
	count(&lane->statistics.one_sided_retries, fetched == 0);
	return -EAGAIN;
}

static ssize_t read_some(struct far_lane *lane, uint64_t id, char *buffer, size_t length, uint64_t offset)
{
	bool is_window_known = locate_find_file(lane, id, offset) != NULL;
	ssize_t result = read_warm(lane, id, buffer, length, offset);

	// Reads here and there in one window: worth knowing all of it, once.
	if (result == -EAGAIN && is_window_known && locate_find_file(lane, id, offset)) {
		if (file_locate(lane, id, offset, length) == 0)
			result = read_warm(lane, id, buffer, length, offset);
	}
	for (int attempt = 0; result == -EAGAIN && attempt < ATTEMPTS; attempt++)
		result = ask(lane, id, buffer, length, offset);
	return result == -EAGAIN ? ask(lane, id, buffer, least(length, FAR_PAGE_SIZE), offset) : result;
}

// Whether the file ended there by the location that was good a moment ago: then there is no need to ask.
static bool is_end(const struct far_lane *lane, uint64_t id, uint64_t offset)
{
	const struct located *located = lane->connection ? locate_find_file(lane, id, offset) : NULL;

	return located && offset >= located->size;
}

ssize_t far_read(struct far_lane *lane, uint64_t id, void *buffer, size_t length, uint64_t offset)
{
	size_t done = 0;
	int error;

	call_notice(lane);
	error = call_ready(lane);
	if (error)
		return error;
	while (done < length) {
		ssize_t got = read_some(lane, id, (char *)buffer + done, length - done, offset + done);

		if (got < 0)
			return done ? (ssize_t)done : got;
		if (got == 0)
			break;
		done += (size_t)got;
		if (done < length && is_end(lane, id, offset + done))
			break;
	}
	count(&lane->statistics.bytes_read, done);
	return (ssize_t)done;
}

// --- without a copy ---

static const char zeros[1 << 16] __attribute__((aligned(4096)));

// One more piece; false: there are too many.
static bool add_piece(struct iovec *pieces, int count, int *used, const void *bytes, uint64_t length)
{
	if (*used == count)
		return false;
	pieces[(*used)++] = (struct iovec){(void *)(uintptr_t)bytes, length};
	return true;
}

static int map_pieces(
        const struct far_lane *lane, const struct located *located, uint64_t offset, uint64_t end, struct iovec *pieces, int count)
{
	uint64_t at = offset;
	uint32_t i = 0;
	int used = 0;

	while (at < end) {
		const struct far_wire_extent *extent;
		uint64_t next;

		while (i < located->count && located->extents[i].value_offset + located->extents[i].length <= at)
			i++;
		extent = &located->extents[i];
		if (i < located->count && extent->value_offset <= at) {
			next = least(end, extent->value_offset + extent->length);
			if (!add_piece(pieces, count, &used,
			            (const char *)lane->pool.loads + extent->pool_offset + (at - extent->value_offset), next - at))
				return -EOPNOTSUPP;
		} else {
			next = i < located->count ? least(end, extent->value_offset) : end;
			next = least(next, at + sizeof(zeros));
			if (!add_piece(pieces, count, &used, zeros, next - at))
				return -EOPNOTSUPP;
		}
		at = next;
	}
	return used;
}

int far_read_mapped(struct far_lane *lane, uint64_t id, size_t length, uint64_t offset, struct iovec *pieces, int room)
{
	if (!lane->caps->has_loads)
		return -EOPNOTSUPP;
	call_notice(lane);
	for (int attempt = 0; attempt < 3; attempt++) {
		uint64_t part = length;
		const struct located *located = lane->connection ? file_find(lane, id, offset, &part) : NULL;
		int result;

		// R6: small values change where they are. Their bytes are copied and then looked at again.
		if (located && located->size <= FAR_BLOCK_MAX)
			return -EOPNOTSUPP;
		if (located) {
			fabric_read_begin(lane->connection);
			// R5: the word is looked at inside the section, so what it leads to stays until the section ends.
			if (fetch_is_current(lane, located, FETCH_FILE)) {
				result = part ? map_pieces(lane, located, offset, offset + part, pieces, room) : 0;
				if (result <= 0)
					fabric_read_end(lane->connection);
				count(&lane->statistics.one_sided, 1);
				return result;
			}
			fabric_read_end(lane->connection);
			locate_drop_file(lane, id, offset);
		}
		result = file_locate(lane, id, offset, length);
		if (result)
			return result;
	}
	return -EOPNOTSUPP; // it changes too often: the copying way settles it
}

void far_read_mapped_end(struct far_lane *lane)
{
	fabric_read_end(lane->connection);
}
