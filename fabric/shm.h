// Inside the shm provider: what its files share. See shm.c for the tour.
#ifndef FABRIC_SHM_H
#define FABRIC_SHM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fabric/provider.h"
#include "fabric/shm_ring.h"
#include "fabric/shm_wire.h"

struct shm_fabric;
struct shm_lane;

// What an epoll event leads to; the first member of each thing watched.
enum shm_source { SHM_SOURCE_LISTENER, SHM_SOURCE_GREETING, SHM_SOURCE_LANE };

struct shm_listener {
	enum shm_source source;
	int socket;
	bool is_stalled; // accept ran out of descriptors: tried again at the next check
	char path[108];
	dev_t device; // of the socket's file: removed at the end only if it is still ours
	ino_t inode;
	struct shm_listener *next;
};

// A connection that has not said hello yet. They are bounded in number and time, and never waited for.
struct shm_greeting {
	enum shm_source source;
	int socket;
	uint64_t deadline_ns;      // 0: dropped at the end of this check, when no event of the batch can name it any more
	struct shm_greeting *next; // younger
};

// open -> draining (the peer is gone, its messages are still delivered) -> ended (CLOSED to be told) -> reported; or open -> ended after an error.
enum shm_state { SHM_OPEN, SHM_DRAINING, SHM_ENDED, SHM_REPORTED };

// A region, ours or a client's: the slot is the low part of its rkey, the rest is random.
struct shm_region {
	struct fabric_region base;
	uint32_t slot;
};

struct shm_region_table {
	struct shm_region **slots;
	uint32_t *free_slots;
	uint32_t capacity;
	uint32_t free_count;
};

// A client's region as its server has it mapped.
struct shm_peer_region {
	unsigned char *base; // NULL: the entry is free
	uint64_t length;
	uint64_t rkey;
	unsigned rights;
};

// A server's region as its client may reach it. The map is of the whole memfd, shared by its regions.
struct shm_import {
	uint64_t rkey;
	uint64_t length;
	const unsigned char *loads; // or NULL
	unsigned char *stores;      // or NULL
};

struct shm_map {
	dev_t device;
	ino_t inode;
	void *base;
	size_t length;
	bool is_writable;
};

enum shm_pending_kind { SHM_PENDING_DONE, SHM_PENDING_READ, SHM_PENDING_REMOTE };

// An operation whose event is still to come, in the order posted.
struct shm_pending {
	enum shm_pending_kind kind;
	uint64_t context;
	uint64_t number;   // SHM_PENDING_REMOTE: done when the server counts beyond it
	void *local;       // SHM_PENDING_READ: target; SHM_PENDING_REMOTE: uint64_t result of an atomic, or NULL
	const void *loads; // SHM_PENDING_READ
	uint64_t length;
};

struct shm_lane {
	struct fabric_lane base;
	enum shm_source source;
	enum shm_state state;
	int end_status;
	int socket;
	bool is_server;    // accepted: the peer is a client and not trusted
	bool is_announced; // FABRIC_ACCEPTED was told
	bool is_sharing;   // server: the peer may have our memory writable
	bool is_peer_gone; // server: its end of the socket is closed
	bool is_hot;       // in the fabric's hot list; a lane with unpublished frames always is
	unsigned hot_index;
	unsigned index;   // in the fabric's lanes
	uint32_t epoch;   // of the last traffic
	unsigned wakeups; // asked for since the socket was drained: bounds the packets in it
	uint32_t notes;   // counted notes: sent (client) or taken (server)
	size_t mapped;
	struct shm_control *control;
	struct shm_ring_out out;
	struct shm_ring_in in;
	uint64_t operations; // client: posted; server: executed
	uint64_t operations_told;
	unsigned pending_first;
	unsigned pending_count;
	struct shm_pending pending[FAR_LANE_DEPTH];
	struct shm_peer_region peer_regions[FAR_REGIONS_PER_LANE]; // server
	struct shm_import *imports;                                // client
	unsigned import_count;
	struct shm_map *maps; // client
	unsigned map_count;
};

struct shm_fabric {
	struct fabric base;
	int epoll;
	bool is_armed; // since the last poll
	unsigned polls;
	unsigned greeting_count;
	uint32_t epoch; // counts SHM_EPOCH_NS while polled
	uint64_t epoch_ns;
	struct shm_listener *listeners;
	struct shm_greeting *greetings; // oldest first
	struct shm_lane **lanes;
	struct shm_lane **hot; // same capacity
	unsigned lane_count, hot_count, lane_capacity;
	unsigned turn; // the hot lane that is polled first
	struct shm_region_table regions;
};

static inline struct shm_fabric *shm_fabric_of(struct fabric *fabric)
{
	return (struct shm_fabric *)fabric;
}

static inline struct shm_lane *shm_lane_of(struct fabric_lane *lane)
{
	return (struct shm_lane *)lane;
}

static inline struct shm_fabric *shm_lane_fabric(const struct shm_lane *lane)
{
	return (struct shm_fabric *)lane->base.fabric;
}

// --- shm.c: lanes and progress ---

// Watches a descriptor, edge-triggered. 0 or a negative errno.
int shm_watch(struct shm_fabric *fabric, int fd, enum shm_source *source);

// Puts a lane on the list of those that a poll looks at.
void shm_lane_heat(struct shm_lane *lane);

// Ends a lane: its owner gets FABRIC_CLOSED with this status at one of the next polls; the peer is told.
void shm_lane_end(struct shm_lane *lane, int status);

// --- shm_socket.c: notes ---

int shm_note_send(int socket, const struct shm_note *note, int fd); // fd: goes along, or -1
// Returns 1 and a note, with *fd >= 0 if one came along (the caller's then); 0 for a wake-up; -EAGAIN, -ECONNRESET at the end, -EPROTO.
int shm_note_receive(int socket, struct shm_note *note, int *fd);
void shm_wake(int socket);
// Takes what is on a lane's socket. Returns whether it is empty now; if not, others should get their turn.
bool shm_lane_read_socket(struct shm_lane *lane);
// Client: sends a counted note and waits for the server's answer. 0, or a negative errno that has ended the lane.
int shm_lane_ask(struct shm_lane *lane, const struct shm_note *question, struct shm_note *answer, int *fd);
int shm_lane_tell(struct shm_lane *lane, const struct shm_note *note, int fd);

// --- shm_listen.c, shm_connect.c: how lanes begin ---

int shm_listen(struct fabric *fabric, const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error);
void shm_listener_free(struct shm_listener *listener);
void shm_listener_accept(struct shm_fabric *fabric, struct shm_listener *listener);
void shm_greeting_continue(struct shm_fabric *fabric, struct shm_greeting *greeting);
void shm_greetings_expire(struct shm_fabric *fabric, uint64_t now_ns);
void shm_greeting_free(struct shm_fabric *fabric, struct shm_greeting *greeting);
int shm_connect(
        struct fabric *fabric, const struct fabric_address *address, int timeout_ms, struct fabric_lane **lane, struct fabric_error *error);

// --- shm_lane.c: a lane's memory ---

// Makes a lane over a connected socket and the lane's memfd, which it maps; the caller keeps the memfd. Takes the socket over on success.
int shm_lane_new(struct shm_fabric *fabric, int socket, int memory, uint32_t message_size, bool is_server, struct shm_lane **lane);
void shm_lane_free(struct shm_lane *lane);
uint32_t shm_ring_size(uint32_t message_size);
size_t shm_lane_memory_size(uint32_t message_size);

// --- shm_region.c: registered memory ---

int shm_add_region(
        struct fabric *fabric, const struct fabric_memory *memory, unsigned rights, uint64_t scope, struct fabric_region **region);
void shm_remove_region(struct fabric_region *region);
void shm_regions_free(struct shm_fabric *fabric);
// The region of an rkey that this lane's peer may use, or NULL.
struct shm_region *shm_region_find(struct shm_fabric *fabric, uint64_t rkey, uint64_t scope);
// Our region that holds this memory, or NULL.
const struct shm_region *shm_region_of_memory(const struct shm_fabric *fabric, const void *local, uint64_t length);
// Client: tells the server of all regions.
int shm_lane_tell_regions(struct shm_lane *lane);

// --- shm_import.c: the other side's memory ---

int shm_import(struct fabric_lane *lane, uint64_t rkey, uint64_t length, struct fabric_remote *remote);
const struct shm_import *shm_import_find(const struct shm_lane *lane, uint64_t rkey);
// Server: the bytes of a client's region, or NULL.
unsigned char *shm_peer_memory(const struct shm_lane *lane, uint64_t rkey, uint64_t offset, uint64_t length, unsigned right);
// Server: a counted note has come; closes fd if it came along. 0, or a negative errno that ends the lane.
int shm_take_note(struct shm_lane *lane, const struct shm_note *note, int fd);
void shm_imports_free(struct shm_lane *lane);

// --- shm_post.c: posting and completing operations ---

int shm_post_read(struct fabric_lane *lane, void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context);
int shm_post_write(struct fabric_lane *lane, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context);
int shm_post_compare_swap(
        struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t expected, uint64_t desired, uint64_t context);
int shm_post_fetch_add(struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t addend, uint64_t context);
// Fills in events of operations that are complete. Returns how many.
int shm_pending_complete(struct shm_lane *lane, struct fabric_event *events, int count);
bool shm_pending_is_complete(const struct shm_lane *lane);

// --- shm_respond.c: executing a client's operations ---

// Returns the number of bytes copied, or a negative errno that ends the lane.
int64_t shm_respond(struct shm_lane *lane, const struct shm_frame *frame, const void *body);

#endif
