// Inside the rdma provider: contexts, lanes and what their files do for each other.
//
// A lane is a reliable connected queue pair, made by librdmacm's connection manager. A device is opened when the first listener or connection leads to it, and stays open with the context;
// regions are registered with every device there is, and with a later one when it is opened. All lanes of a device take what they receive from one shared receive queue, which holds a buffer
// for every message that the peers of all lanes may have under way: each has so many credits, so nobody is ever told to try again later (RNR). Receives and sends complete into one queue for
// some dozens of lanes, the same for both, so what a peer sent before it ended is found before its end.
//
// Posts are chained and handed to the device by one ibv_post_send in flush. Only every few of them, and those with a context, ask for a completion; a completion stands for all before it.
#ifndef FABRIC_VERBS_H
#define FABRIC_VERBS_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include "fabric/provider.h"
#include "fabric/verbs_ways.h"
#include "fabric/verbs_wire.h"
#include "far/limits.h"

#define VERBS_CREDITS 17U       // most messages of one peer in our hands, one of them reserved for giving credit back
#define VERBS_CREDITS_RETURN 4U // so many owed are given back without a message that would take them along
#define VERBS_SLOTS 32U         // messages of a lane that the device may still be sending
#define VERBS_QUEUE 256U        // work requests of a lane, at most (verbs_depths.c)
#define VERBS_QUEUE_SPARE 16U   // and these for what the provider has to say
#define VERBS_CHAIN 32U         // handed over at once
#define VERBS_SIGNAL_EVERY 8U
#define VERBS_PIECES 16U // work requests of one operation that is longer than the device's messages
#define VERBS_INLINE 256U
#define VERBS_SPIN_NS 100000U       // a round trip with 1 MiB
#define VERBS_SPIN_SOFT_NS 5000000U // where the device is software, in a machine that may be emulated
#define VERBS_LANES_PER_QUEUE 64U   // of one completion queue
#define VERBS_RECEIVES 32768U       // of the shared receive queue of one that listens: 1,900 lanes
#define VERBS_RECEIVES_CLIENT 4096U
#define VERBS_REMOTES 256U // regions of the peer that a lane knows
#define VERBS_RECORDS_WAITING 64U
#define VERBS_BUCKETS 256U
#define VERBS_LISTENERS 8U
#define VERBS_DEVICES 8U // of one context; no host has more that lead anywhere
#define VERBS_HANDSHAKES 64U
#define VERBS_BUFFER_FRONT 56U // in front of what the device writes: struct verbs_buffer up to its header

struct verbs;
struct verbs_device;
struct verbs_handshake;
struct verbs_lane;

// A receive buffer: this, then the rest of the message. On its lane's list while the owner has it, or it waits in an event.
struct verbs_buffer {
	struct verbs_buffer *next;
	struct verbs_buffer **link;
	uint64_t unused[4];
	uint32_t lkey;
	uint32_t padding;
	struct verbs_header header;
};

// Receive buffers that were added at once. Freed with the device only: which of a shared queue's buffers are under way nobody can tell.
struct verbs_slab {
	struct verbs_slab *next;
	struct ibv_mr *mr;
	char *buffers;
};

// What the context's epoll descriptor watches; its tag is this and a pointer to what it belongs to.
enum verbs_watched {
	VERBS_WATCH_CM,
	VERBS_WATCH_COMPLETIONS, // of a device
	VERBS_WATCH_DEVICE,
	VERBS_WATCH_PROBE,     // the timer of lanes that are silent
	VERBS_WATCH_LISTENER,  // a socket's
	VERBS_WATCH_HANDSHAKE, // the socket of one, or its thread's end
	VERBS_WATCH_LANE,      // its life line
	VERBS_WATCH_TIMER,     // of handshakes
};
#define VERBS_WATCH_MASK 7U

struct verbs_queue {
	struct verbs_queue *next;
	struct verbs_device *device;
	struct ibv_cq *cq;
	bool is_armed; // its next completion makes the channel readable
	unsigned lanes;
	unsigned room;
};

// Memory that a device knows: that of one region, and of later regions inside it.
struct verbs_memory {
	struct verbs_memory *next;
	struct ibv_mr *mr;
	char *base;
	uint64_t length;
	unsigned users;
	bool is_bindable; // windows can lie in it
};

// A region as one lane's peer may reach it: a memory window, bound to that lane's queue pair. Spare ones stay with their lane.
struct verbs_window {
	struct verbs_window *next_of_region;
	struct verbs_window *next_of_lane;
	struct verbs_lane *lane;
	struct verbs_region *region;
	struct ibv_mw *mw;
	uint32_t key; // as bound
};

// A region at one device.
struct verbs_attachment {
	struct verbs_memory *memory; // NULL: not registered with it
	bool is_windowed;            // peers reach it by windows; else by the key of its own memory
};

struct verbs_region {
	struct fabric_region base;
	struct verbs_region *next, **link;
	struct verbs_attachment attachments[VERBS_DEVICES]; // by the device's index
	struct verbs_window *windows;                       // of lanes of any device
};

struct verbs_remote {
	uint64_t rkey;
	uint64_t base;
	uint64_t length;
	uint32_t key;
};

enum verbs_state {
	VERBS_CONNECTING,
	VERBS_OPEN,
	VERBS_ENDING, // goodbye is on its way: ends when the device has sent it
	VERBS_CLOSED, // the queue pair is in the error state: the peer reaches nothing through it
};

// What is to be known of a work request when it completes.
struct verbs_work {
	uint64_t context;
	uint8_t slot; // to be freed; VERBS_SLOTS: none
	bool is_operation;
	bool is_bye;
};

// How many reads and atomics one side works on at once, and posts at once.
struct verbs_reads {
	uint8_t taken, posted;
};

// The sizes of a lane's queues.
struct verbs_depths {
	uint32_t operations; // under way
	uint32_t credits;    // messages that the peer may have under way
	uint32_t return_at;  // so many owed credits are given back without a message that would take them along
	uint32_t queue;      // work requests
	uint32_t posts;      // of them for operations
	uint32_t windows;    // and for opening windows; the rest is for messages, which their slots limit
};

struct verbs_lane {
	struct fabric_lane base;
	struct verbs_lane *next, **link; // of the context's
	struct verbs_lane *next_in_bucket;
	struct verbs_lane *next_dirty;
	struct verbs_device *device;
	struct rdma_cm_id *id;             // where the connection manager made the lane
	int socket;                        // its life line where a socket did, else -1
	struct verbs_handshake *handshake; // of which this lane is still a part
	struct verbs_way way;
	struct ibv_qp *qp;
	struct verbs_queue *queue;
	enum verbs_state state;
	bool is_client;
	bool is_known; // to the owner: it gets the end as an event
	bool is_gone;  // disconnected by the owner; freed with its end
	bool is_dirty;
	bool is_disconnected; // the connection manager or the socket's other end knows of the end
	uint64_t begun_ns;
	uint32_t inline_max;
	struct verbs_depths depths;

	// Credits: messages the peer still takes; messages of the peer that we have, and those given back that it was not told of yet.
	uint32_t credits, credits_max;
	uint32_t held, owed;
	struct verbs_buffer *buffers; // held
	bool owes_answer;
	uint32_t answers;

	// Sending.
	struct ibv_mr *slots_mr;
	char *slots;
	uint32_t slot_size;
	uint8_t free_slots[VERBS_SLOTS];
	uint32_t free_count;
	uint8_t reserved_slot; // VERBS_SLOTS: none
	struct ibv_send_wr chain[VERBS_CHAIN];
	struct ibv_sge sges[VERBS_CHAIN];
	uint32_t chained;
	uint64_t posted, done; // work requests, counted
	uint32_t operations;   // of them reads, writes and atomics
	uint32_t unsignalled;  // since the last that asks for a completion
	uint64_t proven;       // `done` when the peer was last known to be there, or once it has answered the last probe
	struct verbs_work works[VERBS_QUEUE];

	// Regions: what the peer may reach here, and is to be told; what we may reach there.
	uint64_t bound_scope;
	struct verbs_window *windows, *spare_windows;
	struct verbs_record records[VERBS_RECORDS_WAITING];
	uint32_t record_count;
	struct verbs_remote remotes[VERBS_REMOTES];
	uint32_t remote_count;
	uint32_t last_remote;
};

// An opened device and what its lanes share.
struct verbs_device {
	struct verbs *verbs;
	unsigned index;
	const char *name;
	struct ibv_context *context;
	struct ibv_device_attr attributes;
	uint32_t message_max;   // one operation
	bool has_windows;       // of type 2B
	bool has_loose_windows; // which do not keep to their bounds
	bool is_broken;         // it said so itself
	bool is_link_down;
	bool is_limit_told; // the log knows that lanes are less deep than was asked for
	struct ibv_pd *pd;
	struct ibv_comp_channel *completions;
	struct ibv_srq *srq;
	uint32_t receives_max, receives, receives_promised;
	struct verbs_slab *slabs;
	struct verbs_queue *queues;
	struct verbs_memory *memories;
	unsigned lane_count;
	struct verbs_lane *buckets[VERBS_BUCKETS]; // by queue pair number
};

struct verbs_listener {
	struct rdma_cm_id *id; // or
	int socket;            // -1
	bool is_paused;        // there were no descriptors to accept with
	struct fabric_rdma rdma;
};

struct verbs {
	struct fabric base;
	int epoll_fd;
	struct rdma_event_channel *cm; // from the first use on
	bool is_server;
	bool is_armed;
	uint32_t polls;
	int probe_fd; // a timer, -1: none yet
	bool is_probing;
	struct verbs_listener listeners[VERBS_LISTENERS];
	unsigned listener_count;
	int timer_fd; // runs while there are handshakes over sockets; -1: there never were
	struct verbs_handshake *pending;

	struct verbs_device *devices[VERBS_DEVICES]; // with gaps

	struct verbs_lane *lanes, *dirty;
	unsigned lane_count, handshakes;
	unsigned ended; // lanes to be freed
	struct verbs_region *regions, **regions_end;

	struct fabric_event *events; // a ring
	uint32_t event_first, event_count, event_room;
};

static inline struct verbs *verbs_of(const struct fabric *fabric)
{
	return (struct verbs *)(uintptr_t)fabric;
}

static inline struct verbs_lane *verbs_lane_of(const struct fabric_lane *lane)
{
	return (struct verbs_lane *)(uintptr_t)lane;
}

static inline bool verbs_is_open(const struct verbs_lane *lane)
{
	return lane->state == VERBS_OPEN;
}

// --- verbs_device.c ---
// The device of that name; opens it, and registers the regions there are, where it is not open yet. 0, or a negative errno with its text.
int verbs_device_get(struct verbs *verbs, const char *name, uint8_t port, const struct fabric_rdma *rdma, struct verbs_device **out,
        struct fabric_error *error);
// The one of that name, if it is open, else NULL.
struct verbs_device *verbs_device_find(const struct verbs *verbs, const char *name);
void verbs_devices_close(struct verbs *verbs);
// ibv_reg_mr that explains what is wrong (error may be NULL: to the log). NULL with errno.
struct ibv_mr *verbs_register(struct verbs_device *device, void *base, size_t length, int access, struct fabric_error *error);

// --- verbs_queue.c ---
// A completion queue with room for one more lane, counted there; NULL: no memory.
struct verbs_queue *verbs_queue_get(struct verbs_device *device);
void verbs_queues_free(struct verbs_device *device);
// Receive buffers for one more lane are posted. 0, -ENOMEM, -ENOSPC (the shared queue is full).
int verbs_receives_promise(struct verbs_device *device, uint32_t count);
void verbs_receive_post(struct verbs_device *device, struct verbs_buffer *buffer);
void verbs_receives_free(struct verbs_device *device);

// --- verbs_depths.c ---
// Queues of a lane for so many operations under way, as far as the device goes.
struct verbs_depths verbs_depths_choose(const struct ibv_device_attr *device, uint32_t wanted);
// The receive queue of a device's lanes; wanted 0: the default.
uint32_t verbs_depths_receives(const struct ibv_device_attr *device, uint32_t wanted, bool is_server);
// The same for a lane of this device, and to the log where it is less than was asked for.
struct verbs_depths verbs_depths_of(struct verbs_device *device, const struct fabric_rdma *rdma);

// --- verbs_listen.c ---
int verbs_listen(struct fabric *fabric, const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error);
void verbs_listeners_close(struct verbs *verbs);

// --- verbs_connect.c ---
int verbs_connect(
        struct fabric *fabric, const struct fabric_address *address, int timeout_ms, struct fabric_lane **lane, struct fabric_error *error);

// --- verbs_lane.c ---
// A lane of this device; its queue pair is made, not connected.
int verbs_lane_new(struct verbs_device *device, const struct fabric_rdma *rdma, bool is_client, struct verbs_lane **out);
// The other side says by its connection, not by the lane, that it is gone.
void verbs_lane_hung_up(struct verbs_lane *lane);
void verbs_lane_free(struct verbs_lane *lane);
struct verbs_lane *verbs_lane_find(const struct verbs_device *device, uint32_t qp_number);
void verbs_disconnect(struct fabric_lane *lane);
void verbs_shut(struct fabric_lane *lane);
// The lane is dead: its queue pair reaches nothing any more, its owner is told once.
void verbs_close_lane(struct verbs_lane *lane, int status);
// Frees the lanes that ended and whose owner is done with them.
void verbs_lanes_sweep(struct verbs *verbs);

// --- verbs_send.c ---
void *verbs_send_reserve(struct fabric_lane *lane, uint32_t length);
int verbs_send(struct fabric_lane *lane, uint32_t length);
// A message of the provider's own. False: no room or credit for it now.
bool verbs_send_control(struct verbs_lane *lane, enum verbs_kind kind);
int verbs_flush(struct fabric_lane *lane);
void verbs_mark_dirty(struct verbs_lane *lane);
void verbs_flush_dirty(struct verbs *verbs);
void verbs_forget_dirty(struct verbs_lane *lane);

// --- verbs_post.c ---
// A new work request at the chain's end with its one piece of local memory (length 0: none); its opcode's own fields are the caller's to fill. The caller has looked for room.
struct ibv_send_wr *verbs_work_add(
        struct verbs_lane *lane, enum ibv_wr_opcode opcode, const struct ibv_sge *piece, const struct verbs_work *work, bool is_signalled);
// What completes: a work request by its position, told from a receive's buffer by the lowest bit.
static inline uint64_t verbs_work_id(uint64_t position)
{
	return position << 1 | 1;
}
static inline bool verbs_is_work(uint64_t id)
{
	return id & 1;
}
static inline uint64_t verbs_work_position(uint64_t id)
{
	return id >> 1;
}
static inline bool verbs_has_work_room(const struct verbs_lane *lane, uint32_t count, uint32_t limit)
{
	return lane->posted - lane->done + count <= limit;
}
// Hands the chain to the device.
int verbs_ring(struct verbs_lane *lane);
int verbs_post_read(struct fabric_lane *lane, void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context);
int verbs_post_write(struct fabric_lane *lane, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context);
int verbs_post_compare_swap(
        struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t expected, uint64_t desired, uint64_t context);
int verbs_post_fetch_add(struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t addend, uint64_t context);

// --- verbs_probe.c ---
// A server's lanes are looked after from now on.
void verbs_probe_begin(struct verbs *verbs);
void verbs_probe_end(struct verbs *verbs);
// The timer's time has come.
void verbs_probe_lanes(struct verbs *verbs);

// --- verbs_receive.c ---
// A message has come in for the lane (NULL: for one that is gone).
void verbs_received(struct verbs_device *device, struct verbs_lane *lane, struct verbs_buffer *buffer, uint32_t length);
void verbs_receive_release(struct fabric_lane *lane, const void *message);
// Takes back what the owner holds.
void verbs_buffers_reclaim(struct verbs_lane *lane);

// --- verbs_region.c ---
int verbs_add_region(
        struct fabric *fabric, const struct fabric_memory *memory, unsigned rights, uint64_t scope, struct fabric_region **region);
void verbs_remove_region(struct fabric_region *region);
int verbs_import(struct fabric_lane *lane, uint64_t rkey, uint64_t length, struct fabric_remote *remote);
// Registers the region with the device.
int verbs_region_attach(struct verbs_device *device, struct verbs_region *region, struct fabric_error *error);
void verbs_region_detach(struct verbs_device *device, struct verbs_region *region);
// The bytes at the front that peers cannot reach any more: what was sealed before they were told of the region, where all they may do is write. What is sealed later ends with it.
uint64_t verbs_sealed_part(const struct verbs_region *region);
// The device's access flags for a region's rights.
int verbs_access(unsigned rights);
// The key of local memory for posts, or -ENOENT: not registered.
int verbs_local_key(const struct verbs_device *device, const void *bytes, uint64_t length, uint32_t *lkey);
// The peer's region of this rkey, or NULL: it told of none.
const struct verbs_remote *verbs_remote_find(struct verbs_lane *lane, uint64_t rkey);
// Asks the peer for the records that wait there. False: no answer came until then, or the lane has ended.
bool verbs_ask(struct verbs_lane *lane, uint64_t deadline_ns);
// Takes the records of a message. -EPROTO.
int verbs_take_records(struct verbs_lane *lane, const char *records, uint32_t count);

// --- verbs_window.c ---
// Opens a new lane, or one that changed its scope, to the regions of its scope.
void verbs_scope_sync(struct verbs_lane *lane, bool is_new);
// Makes a region reachable to the lane's peer, who is told with the next message. -EAGAIN: no room for that now.
int verbs_region_expose(struct verbs_lane *lane, struct verbs_region *region);
// Ends what lanes were given of the region; no access by it is begun after the return.
void verbs_region_revoke(struct verbs *verbs, struct verbs_region *region);
void verbs_windows_free(struct verbs_lane *lane);
int verbs_tell(struct verbs_lane *lane, struct verbs_record record);

// --- verbs_poll.c ---
void verbs_event(struct verbs *verbs, struct fabric_event event);
int verbs_events_grow(struct verbs *verbs, uint32_t lanes);
void verbs_events_forget(struct verbs *verbs, const struct verbs_lane *lane);
// Takes completions off all queues. Returns how many there were.
int verbs_progress(struct verbs *verbs);
void verbs_queue_drain(struct verbs_queue *queue);
int verbs_poll(struct fabric *fabric, struct fabric_event *events, int count);
int verbs_arm(struct fabric *fabric);
// Makes the descriptor non-blocking and has it wake the context.
int verbs_watch(struct verbs *verbs, int fd, enum verbs_watched what, void *whose);

#endif
