#include "server/window.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/object.h"
#include "server/record.h"
#include "server/session.h"
#include "server/space.h"
#include "server/value.h"
#include "server/watchers.h"
#include "server/window_inside.h"

// Closing never waits. The word changes, so no store begins behind it; one that had begun is within a read section, and until those that are open now have ended the window
// lingers: memory that is freed meanwhile is not reused (reclaim), the version is raised once more when it is over, and bytes that came to lie behind a new end are cleared.

static struct window *window_of(const struct server *server, const struct far_record *object)
{
	return (struct window *)(uintptr_t)*id_table_find(&server->windows, object->id);
}

static struct far_window_cell *cell_of(const struct window *window)
{
	return pool_at(window->server->pool, window->cell);
}

// Returns how many writes were new.
static uint64_t count_in(struct window *window)
{
	struct far_window_cell *cell = cell_of(window);
	// Acquire pairs with the client's release: the time of a write that is counted is there.
	uint64_t writes = atomic_load_explicit(&cell->writes, memory_order_acquire);
	uint64_t stored = atomic_load_explicit(&cell->stored, memory_order_acquire);
	uint64_t fresh = writes - window->counted;
	int64_t time = atomic_load_explicit(&cell->mtime_ns, memory_order_relaxed);
	struct far_record *object = window->object;

	// One whose bytes were still to come when it was counted moves the time once more: others may have read the old ones under the time it had.
	if (fresh == 0 && stored == window->stored)
		return 0;
	window->counted = writes;
	window->stored = stored;
	atomic_store_explicit(&object->version, atomic_load_explicit(&object->version, memory_order_relaxed) + fresh, memory_order_relaxed);
	// The client's clock is this host's, but its word need not be taken for a time to come.
	if (time > server_now(window->server))
		time = server_now(window->server);
	object->ctime_ns = time > object->ctime_ns ? time : object->ctime_ns + 1;
	object->mtime_ns = object->ctime_ns;
	return fresh;
}

static int open_check(const struct lane *lane, const struct far_record *object)
{
	bool has_pages = object->value_kind == FAR_VALUE_EXTENT || object->value_kind == FAR_VALUE_EXTENTS;

	if (!pool_is_shared(lane->server->pool) || !lane->transport->has_loads)
		return -EOPNOTSUPP;
	if (object->mode & (S_ISUID | S_ISGID)) // each write may have to clear them
		return -EOPNOTSUPP;
	if (object->flags & FAR_RECORD_CAPABLE)
		return -EOPNOTSUPP;                             // the first write ends that, which is the server's to see
	if (watchers_await_changes(lane->server, NULL, object)) // so is each write, then
		return -EOPNOTSUPP;
	return S_ISREG(object->mode) && has_pages && object->nlink > 0 ? 0 : -EOPNOTSUPP;
}

static int window_new(struct lane *lane, struct far_record *object)
{
	struct server *server = lane->server;
	struct window *window = calloc(1, sizeof(*window));
	uint64_t *entry = id_table_add(&server->windows, object->id);
	uint64_t cell = space_alloc_block(server, sizeof(struct far_window_cell));

	if (!window || !entry || !cell) {
		if (cell)
			pool_block_free(server->pool, cell, sizeof(struct far_window_cell));
		if (entry)
			id_table_remove(&server->windows, object->id);
		free(window);
		return cell ? -ENOMEM : -ENOSPC;
	}
	*window = (struct window){.server = server, .object = object, .id = object->id, .session = lane->session, .cell = cell};
	memset(cell_of(window), 0, sizeof(struct far_window_cell));
	*entry = (uint64_t)(uintptr_t)window;
	object->flags |= FAR_RECORD_WINDOW;
	record_publish(object, FAR_RECORD_WRITTEN);
	return 0;
}

int window_open(struct lane *lane, struct far_record *object, struct far_window_reply *reply)
{
	int error = open_check(lane, object);

	reply->is_new = !(object->flags & FAR_RECORD_WINDOW);
	if (!error && reply->is_new)
		error = window_new(lane, object);
	if (error)
		return error;
	reply->cell = window_of(lane->server, object)->cell;
	reply->word = atomic_load_explicit(&object->word, memory_order_relaxed);
	return 0;
}

static void window_free(struct window *window)
{
	pool_block_free(window->server->pool, window->cell, sizeof(struct far_window_cell));
	free(window);
}

// No store through the window is under way any more.
void window_linger_over(struct reclaim_call *call)
{
	struct window *window = (struct window *)call;
	struct far_record *object = record_by_id(window->server->pool, window->id);
	// A value that has left its pages meanwhile is out of reach, and sealed with its version (R8).
	bool is_in_pages = object && object->value_kind >= FAR_VALUE_EXTENT;

	if (is_in_pages && count_in(window) == 0)
		atomic_store_explicit(
		        &object->version, atomic_load_explicit(&object->version, memory_order_relaxed) + 1, memory_order_relaxed);
	if (is_in_pages) {
		value_clear_tail(window->server, object);
		watchers_note(window->server, FAR_EVENT_CHANGED, object);
	}
	window->server->lingering_windows--;
	window_free(window);
}

void window_close(struct server *server, struct far_record *object)
{
	struct window *window = window_of(server, object);

	count_in(window);
	object->flags &= ~FAR_RECORD_WINDOW & FAR_RECORD_FLAGS;
	id_table_remove(&server->windows, object->id);
	record_publish(object, FAR_RECORD_LIVE);
	// seq_cst pairs with fabric_read_begin, as in reclaim: we see the section of a client that has seen the old word.
	atomic_thread_fence(memory_order_seq_cst);
	if (session_read_sections(server, NULL, 0) == 0) {
		count_in(window);
		window_free(window);
		return;
	}
	atomic_store_explicit(&object->version, atomic_load_explicit(&object->version, memory_order_relaxed) + 1, memory_order_relaxed);
	server->lingering_windows++;
	window->call.run = window_linger_over;
	reclaim_later(server->reclaim, &window->call);
}

void window_visit(struct server *server, struct far_record *object, const struct session *session)
{
	if (!object || !(object->flags & FAR_RECORD_WINDOW))
		return;
	if (window_of(server, object)->session == session)
		count_in(window_of(server, object));
	else
		window_close(server, object);
}

// `session` NULL: those of what the watch names.
static void close_some(struct server *server, const struct session *session, const struct watch *watch)
{
	uint32_t position = 0;
	struct id_slot slot;

	while (id_table_next(&server->windows, &position, &slot)) {
		struct window *window = (struct window *)(uintptr_t)slot.number;

		if (session ? window->session != session : !watchers_await_changes(server, watch, window->object))
			continue;
		window_close(server, window->object);
		position--; // what is removed leaves its slot to one that comes later, if to any (id_table_remove)
	}
}

void window_close_all(struct server *server, const struct session *session)
{
	close_some(server, session, NULL);
}

void window_close_watched(struct server *server, const struct watch *watch)
{
	if (watchers_want_changes(server, watch))
		close_some(server, NULL, watch);
}
