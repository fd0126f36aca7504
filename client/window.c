#include "client/window.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "client/call.h"
#include "client/fetch.h"
#include "client/file_location.h"
#include "client/profile.h"

// A window is asked for after some writes that left the file's size as it was, and costs a request. Others who look at the file end it, and holes cannot be written through it: a
// file with either is better written by requests, so each window that ends makes the next one dearer.

#define WRITES_FIRST 4U
#define WRITES_MOST 4096U

static struct lane_window *window_of(struct far_lane *lane, uint64_t id)
{
	return &lane->windows[id * 0x9e3779b97f4a7c15ULL >> 58 & (LANE_WINDOWS - 1)];
}

// No window now, and the next one is dearer.
static void lose(struct lane_window *window)
{
	window->word = 0;
	window->writes = 0;
	if (window->wanted < WRITES_MOST)
		window->wanted *= 2;
}

// Opens a window, or finds the one that the session has. False: there is none.
static bool open_window(struct far_lane *lane, struct lane_window *window)
{
	struct far_object_request message = {.id = window->id};
	struct call request = {.op = FAR_OP_WINDOW, .message = &message, .length = sizeof(message)};
	struct far_window_reply answer = {.cell = UINT64_MAX};
	bool was_open = window->word != 0;
	struct reply reply;

	if (call(lane, &request, sizeof(answer), &reply) == 0)
		answer = *(const struct far_window_reply *)reply.message;
	reply_release(lane, &reply);
	if (window->id != message.id)
		return false; // the connection was replaced
	// One that had to be opened again was ended by somebody.
	if ((was_open && answer.is_new) || answer.cell % 8 || answer.cell > lane->pool.length - sizeof(struct far_window_cell)) {
		lose(window);
		return false;
	}
	window->word = answer.word;
	window->cell = answer.cell;
	return true;
}

void window_note(struct far_lane *lane, uint64_t id, uint64_t size)
{
	struct lane_window *window = window_of(lane, id);

	if (!lane->pool.stores)
		return;
	if (window->id != id)
		*window = (struct lane_window){.id = id, .wanted = WRITES_FIRST};
	window->writes = size == window->size ? window->writes + 1 : 0;
	window->size = size;
}

// The location of the range under the window's word, if all of it is in pages.
static const struct located *find_pages(struct far_lane *lane, const struct lane_window *window, uint64_t offset, uint64_t length)
{
	uint64_t part = length;
	uint64_t at = offset;
	const struct located *located = file_find(lane, window->id, offset, &part);

	if (!located || located->word != window->word) {
		if (file_locate(lane, window->id, offset, length))
			return NULL;
		part = length;
		located = file_find(lane, window->id, offset, &part);
	}
	if (!located || located->word != window->word || part < length)
		return NULL;
	for (uint32_t i = 0; i < located->count && at < offset + length; i++)
		if (located->extents[i].value_offset <= at && located->extents[i].value_offset + located->extents[i].length > at)
			at = located->extents[i].value_offset + located->extents[i].length;
	return at >= offset + length ? located : NULL;
}

static void store(const struct far_lane *lane, const struct located *located, const char *bytes, uint64_t offset, uint64_t length)
{
	enum profile_stage before = profile_enter(PROFILE_COPY);

	for (uint32_t i = 0; i < located->count && length > 0; i++) {
		const struct far_wire_extent *extent = &located->extents[i];
		uint64_t skip = offset - extent->value_offset;
		uint64_t part;

		if (extent->value_offset > offset || skip >= extent->length)
			continue;
		part = extent->length - skip < length ? extent->length - skip : length;
		memcpy((char *)lane->pool.stores + extent->pool_offset + skip, bytes, part);
		bytes += part;
		offset += part;
		length -= part;
	}
	profile_leave(before);
}

static struct far_window_cell *cell_of(const struct far_lane *lane, const struct lane_window *window)
{
	return (struct far_window_cell *)((char *)lane->pool.stores + window->cell);
}

// Both counts pair with the acquires in the server's window.c.
static void count_in(struct far_window_cell *cell, _Atomic uint64_t *counter)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	atomic_store_explicit(&cell->mtime_ns, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec, memory_order_relaxed);
	atomic_fetch_add_explicit(counter, 1, memory_order_release);
}

// R2 and R7: the write is counted before its first byte is seen.
static void begin_write(struct far_window_cell *cell)
{
	count_in(cell, &cell->writes);
	atomic_thread_fence(memory_order_release);
}

// Whether the lane has a window on the file, or has one now because it is worth it.
static bool has_window(struct far_lane *lane, struct lane_window *window)
{
	if (window->word)
		return true;
	return window->writes >= window->wanted && lane->connection && open_window(lane, window);
}

// Writes if the window is open still. False: it is not, or not under this word.
static bool write_pages(struct far_lane *lane, const struct lane_window *window, const struct located *located, const void *bytes,
        size_t length, uint64_t offset)
{
	bool is_current;

	fabric_read_begin(lane->connection);
	is_current = fetch_is_current(lane, located, FETCH_FILE);
	if (is_current) {
		begin_write(cell_of(lane, window));
		store(lane, located, bytes, offset, length);
		count_in(cell_of(lane, window), &cell_of(lane, window)->stored);
	}
	fabric_read_end(lane->connection);
	count(&lane->statistics.one_sided, is_current);
	return is_current;
}

bool window_write(struct far_lane *lane, uint64_t id, const void *bytes, size_t length, uint64_t offset)
{
	struct lane_window *window = window_of(lane, id);

	if (window->id != id || !lane->pool.stores || length == 0)
		return false;
	call_notice(lane);
	if (!has_window(lane, window))
		return false;
	for (int attempt = 0; attempt < 2; attempt++) {
		const struct located *located = find_pages(lane, window, offset, length);

		if (located && write_pages(lane, window, located, bytes, length, offset))
			return true;
		// Pages that other lanes of the session have moved are found under the window's new word.
		if (window->id != id || !lane->connection || !open_window(lane, window))
			return false;
	}
	lose(window);
	return false;
}
