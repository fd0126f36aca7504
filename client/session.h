// A session and its lanes, inside libfar.
//
// A session owns up to `lanes_max` lanes; a lane is one connection with a fabric context, a registered buffer, its grants and its caches of locations, all used by
// one thread at a time: the thread that holds lane->mutex. A thread prefers the lane it used last, so that mutex is uncontended while there are no more
// threads than lanes. Order of locks: registry (lane.c), session->mutex, lane->mutex; a lane's is never waited for under the session's.
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/files.h"
#include "client/held.h"
#include "fabric/fabric.h"
#include "far.h"
#include "far/layout.h"
#include "far/limits.h"
#include "far/wire.h"

struct key_cache;
struct file_cache;

// What a lane counts; far_statistics sums it up. Written by the lane's thread, read by any (relaxed).
struct lane_statistics {
	_Atomic uint64_t requests;
	_Atomic uint64_t one_sided;
	_Atomic uint64_t one_sided_retries;
	_Atomic uint64_t probes;
	_Atomic uint64_t bytes_read;
	_Atomic uint64_t bytes_written;
	_Atomic uint64_t reconnects;
};

// Memory of the server that this lane may fill: see far_grant.
struct lane_grant {
	uint64_t rkey;
	uint32_t id;
	uint32_t length;
	uint32_t used; // whole pages
	uint64_t pool_offset;
};

// What a lane knows of a file it writes to again and again, and of its write window (window.h).
struct lane_window {
	uint64_t id;     // 0 = empty
	uint64_t word;   // of the open window, 0 = none
	uint64_t cell;   // pool offset
	uint64_t size;   // of the file after the last write
	uint32_t writes; // since then that left it so
	uint32_t wanted; // of those before a window is asked for
};

// What a lane knows of the server's index (probe.h), and directories that it found there.
struct lane_directory {
	uint64_t low, high; // hash of the path
	uint64_t id;
	uint64_t epoch; // where is_below: the path was that directory's at this location epoch
	bool is_below;  // it is not the root
};

#define LANE_CHUNKS 64U // 458,752 entries
#define LANE_DIRECTORIES 64U
struct lane_index {
	uint64_t table;
	uint64_t buckets;             // 0: nothing is known
	uint64_t chunks[LANE_CHUNKS]; // pool offsets, 0 = not known
	struct lane_directory directories[LANE_DIRECTORIES];
};

#define LANE_WINDOWS 64 // files
#define LANE_FORGETS 64 // holds given back, sent together
#define LANE_REPLIES 64 // replies that came while another was awaited: FAR_LANE_DEPTH at most

struct far_lane {
	struct far_session *session;
	pthread_mutex_t mutex;
	unsigned claims;   // threads that prefer this lane; under session->mutex
	bool is_exclusive; // lane_take: no other thread may have it; under session->mutex

	struct fabric *fabric;          // lives over reconnects
	struct fabric_lane *connection; // NULL: not connected
	bool was_senseless;             // the last one ended for what the server sent
	struct fabric_memory memory;    // FAR_LANE_BUFFER: the caller's half, then the library's
	struct fabric_region *region;
	struct fabric_memory further; // what the lane's user asked for beside it (far_lane_memory), or nothing
	struct fabric_region *further_region;
	struct fabric_remote pool;
	const struct fabric_caps *caps;
	uint64_t boot_id;
	uint64_t pool_length;
	uint32_t eager_limit;
	uint32_t message_size;
	int timeout_ms;       // of each wait for the server: the session's, unless whoever has the lane is in a hurry
	uint64_t retry_at_ns; // no attempt to connect before
	uint64_t connections;
	uint64_t looked_at_ns; // when the connection's end was last looked for (coarse clock)
	int broken;            // the connection has ended with this errno, but replies that came before are still to be taken

	uint64_t tag;
	uint64_t posts_done; // events of posts with a context
	uint64_t posts;
	const void *replies[LANE_REPLIES]; // came in, not taken yet: a ring
	unsigned reply_first, reply_count;

	struct lane_grant grants[FAR_GRANTS_PER_LANE];
	unsigned grant_first, grant_count;

	struct far_forget forgets[LANE_FORGETS];
	unsigned forget_count;

	struct lane_window windows[LANE_WINDOWS];

	bool is_probing;    // keys are found in the index: the server had it so when last heard of (lane_note_probing)
	bool has_sgid_left; // far_sgid_left
	uint64_t root;      // pool offset of the root's record, 0 = not known
	struct lane_index index;

	uint64_t epoch;                 // of the server's session that the connection joined
	far_notice_taker *notice_taker; // NULL: notices do not come here
	void *notice_context;
	// NULL: the lane watches nothing. Is called with each message of events (watch.c), whole but not looked into.
	void (*events_taker)(void *context, const struct far_events *events, uint32_t length);
	void *events_context;

	struct key_cache *keys;
	struct file_cache *files;
	struct lane_statistics statistics;
};

// far_pool_header.probing came by. Where the server's own process carries out our reads, they cost it more than being asked.
static inline void lane_note_probing(struct far_lane *lane, uint64_t probing)
{
	lane->is_probing = probing == FAR_PROBING_ALL || (probing == FAR_PROBING_FREE && lane->caps->is_one_sided);
}

struct far_session {
	uint64_t serial;          // unique in this process: what threads remember lanes by
	struct far_session *next; // registry
	struct fabric_address address;
	char address_text[384];
	char chosen_because[128];
	char name[32];
	int timeout_ms;
	unsigned lanes_max;
	uint64_t cache_entries;
	uint64_t seed[2];       // of the location caches' hash
	_Atomic uint64_t epoch; // sessions that the server has begun for us; written under the mutex
	struct held *held;
	_Atomic int let_go_fd; // woken when the server would have objects back; -1: nothing is
	_Atomic bool is_let_go_told;

	pthread_mutex_t mutex; // guards what follows
	struct far_lane *lanes[FAR_LANES_PER_SESSION];
	unsigned lane_count;
	uint64_t id; // of the session at the server, 0 = none yet
	uint64_t secret[2];
	uint64_t boot_id;
};

// A reply said that the server now has one more hold of ours. Only where the pool is mapped that spares requests.
static inline void lane_note_hold(struct far_lane *lane, uint64_t id)
{
	if (lane->pool.loads)
		held_note(lane->session->held, id, lane->epoch);
}

// A reply said that there is something to let go of (let_go.c).
void let_go_note(struct far_session *session);

// --- lane.c ---

// The calling thread's lane, locked; connects if need be. lane_release unlocks it. -EDEADLK: the thread is inside a call on it (a far_source calls back).
int lane_acquire(struct far_session *session, struct far_lane **lane);
void lane_release(struct far_lane *lane);

// A lane that nobody else gets until lane_give_back. Its user need not lock it, and may be another thread at each use, one at a time. -EMFILE: there are no more.
int lane_take(struct far_session *session, struct far_lane **lane);
void lane_give_back(struct far_lane *lane);

// Connects a lane that is not, within limits: -ENOTCONN at once while the server was found away a moment ago. Caches and grants of an earlier connection are gone.
int lane_connect(struct far_lane *lane);

// Ends the connection: nothing that was under way on it counts any more.
void lane_drop(struct far_lane *lane);

struct far_lane *lane_new(struct far_session *session);
void lane_free(struct far_lane *lane);

void session_register(struct far_session *session);
void session_unregister(struct far_session *session);

// The library's half of the lane's buffer.
#define LANE_STAGING (FAR_LANE_BUFFER / 2)
static inline char *lane_staging(const struct far_lane *lane)
{
	return (char *)lane->memory.base + LANE_STAGING;
}

static inline bool memory_has(const struct fabric_memory *memory, const void *bytes, uint64_t length)
{
	uintptr_t base = (uintptr_t)memory->base;
	uintptr_t at = (uintptr_t)bytes;

	return at >= base && at - base <= memory->length && length <= memory->length - (at - base);
}

// Whether memory lies in what the lane has registered.
static inline bool lane_has_memory(const struct far_lane *lane, const void *bytes, uint64_t length)
{
	return memory_has(&lane->memory, bytes, length) || memory_has(&lane->further, bytes, length);
}

// The same memory, as the server may push into it.
static inline struct far_buffer lane_push_buffer(const struct far_lane *lane, const void *bytes, uint64_t length)
{
	bool is_further = !memory_has(&lane->memory, bytes, length);
	const struct fabric_memory *memory = is_further ? &lane->further : &lane->memory;

	return (struct far_buffer){
	        .rkey = fabric_region_rkey(is_further ? lane->further_region : lane->region),
	        .offset = (uint64_t)((const char *)bytes - (const char *)memory->base),
	        .length = length,
	};
}

// Whether posts may read or fill the memory as it is.
static inline bool lane_can_post(const struct far_lane *lane, const void *bytes, uint64_t length)
{
	return !lane->caps->is_registered_only || lane_has_memory(lane, bytes, length);
}

static inline void count(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

#endif
