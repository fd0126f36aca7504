// One server: the pool with all that lives in it, and the sessions that use it. Everything here belongs to the writer.
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "far/wire.h"
#include "server/id_table.h"
#include "server/index.h"
#include "server/load.h"
#include "server/locks.h"
#include "server/pool.h"
#include "server/reclaim.h"
#include "server/writer.h"

struct check;
struct eviction;
struct expiry;
struct lane;
struct metrics;
struct quotas;
struct session;
struct watchers;

struct server_options {
	struct pool_options pool;
	uint32_t message_size; // largest message, FAR_MESSAGE_SIZE_MIN..MAX
	uint32_t eager_limit;  // largest value inside a message, FAR_BLOCK_MAX.. ; 0 = what a message holds
	enum load_probing probing;
	bool is_evicting; // --full=evict
};

struct server_figures {
	uint64_t objects; // live ones, the root not counted
	uint64_t operations;
	uint64_t bytes_out; // of values, eager or pushed
	uint64_t bytes_in;
	uint64_t evicted; // objects
	uint64_t evicted_bytes;
	uint64_t quota_refusals; // requests, or parts of them that have results of their own
};

struct server {
	struct writer writer;
	struct pool *pool;
	struct reclaim *reclaim;
	struct index *index;
	struct far_record *root;
	struct id_table windows;    // object id -> struct window
	uint32_t lingering_windows; // closed, but a store through them may be under way
	struct id_table links;      // object id -> record offset of its newest additional name (namespace_link.c)
	struct expiry *expiry;
	struct eviction *eviction; // NULL: full is -ENOSPC
	struct quotas *quotas;     // NULL while no directory has one (quota.h)
	uint64_t quota_last;       // numbers given out
	uint64_t last_version;     // the highest of what has lost a name (object_note_version)
	uint64_t xattr_stamp;      // of the last extended attribute set (xattr.h)
	struct locks locks;
	struct watchers *watchers;
	uint32_t watch_count; // keys that lanes watch; 0 = nobody: nothing is told

	struct session *sessions[FAR_SESSIONS_MAX];
	uint32_t session_count;
	uint32_t session_last; // id counter, see session.c
	uint64_t lane_last;    // lane numbers given out
	struct lane *lanes;    // all, by lane->next
	uint32_t lane_count;
	struct lane *mapped_lanes; // those with loads

	const void *zeros; // ZEROS_LENGTH bytes that read 0 and use no memory: source of holes in pushes
	uint32_t reserve_page;
	uint32_t grant_pages;   // of one grant
	uint64_t granted_pages; // in grants and not taken for a value
	uint32_t message_size;
	uint32_t eager_limit;
	enum load_probing probing;
	uint32_t busy_loops;

	int64_t now_ns;                 // CLOCK_REALTIME of the request under way, 0 = not asked yet
	uint64_t (*monotonic_ns)(void); // CLOCK_MONOTONIC; tests have another
	uint64_t monotonic_now_ns;      // of the request under way, 0 = not asked yet (expiry.h)
	uint64_t started_ns;
	struct check *check; // the one under way, or NULL
	struct server_figures figures;
	struct metrics *metrics; // what other threads may read
};

#define SERVER_ZEROS_LENGTH (1U << 20)

// Opens the pool and makes the root directory. `reason` (256 bytes) gets what failed and what to do.
int server_open(const struct server_options *options, struct server **server, char *reason);

// Every lane must have ended. server_close(NULL) does nothing.
void server_close(struct server *server);

// The time of the request under way, ns since 1970: one clock read at most per request.
int64_t server_now(struct server *server);

// A loop has become busy, or calm again. Tells clients whether they had better find keys by themselves: while any is busy.
void server_set_busy(struct server *server, bool is_busy);
enum far_probing server_probing(const struct server *server);

// Begins a request, or what the server does of itself: its times are asked for anew.
void server_begin(struct server *server);

// After a turn of the loop: freed memory comes back, the reserve is filled up. True while memory waits for readers to end.
bool server_settle(struct server *server);

// The largest value that travels in a message, as far as the message has room.
static inline uint32_t server_eager_limit(const struct server *server)
{
	return server->eager_limit ? server->eager_limit : UINT32_MAX;
}

#endif
