// The fabric: how bytes move between two processes, with the semantics of an RDMA reliable connection.
//
// One `struct fabric` is a progress context of one thread: it owns lanes (connections), registered regions and one queue of events.
// A server thread has one per provider, with many lanes; a client lane has one of its own. Nothing here is thread-safe:
// a fabric and all it owns belong to one thread at a time, and nothing is shared between two fabrics but the memory they register.
//
// Ordering: what one lane posts reaches the peer in the order posted, and completes in that order. A message posted behind a write is
// seen by the peer only after the written bytes are. A read posted behind a read fetches its bytes after the first has fetched its own.
// Local memory given to a post must stay untouched until its event; a message is copied (or built in place) and free at once.
// Errors: 0 or a positive count on success, a negative errno on failure. -EAGAIN from a post means: no credit or queue space now,
// poll and try again; -EINVAL and -ENOTSUP: nothing was posted. Any other error of a post, and any error of the connection, ends the lane
// with one FABRIC_CLOSED event; posted operations that had no event yet get none.
//
// Providers: verbs.c, tcp.c, shm.c, each a const table (provider.h) in fabric.c's array. All of this header works the same over each.
#ifndef FABRIC_FABRIC_H
#define FABRIC_FABRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fabric/wait.h"

struct fabric;
struct fabric_lane;
struct fabric_region;

// What an rdma address asks for behind its `?`. 0 or empty: a rule decides (verbs_ways.h), or the default.
struct fabric_rdma {
	bool is_by_socket; // connect=socket: queue pairs are told of over a TCP connection, which then is the lane's life line; else by the connection manager (connect=cm)
	bool has_gid;
	uint8_t gid_index; // gid=, with connect=socket only
	uint8_t port;      // port= of the device, from 1
	char device[64];   // device=
	uint32_t depth;    // depth=: of a lane, instead of fabric_options.depth
	uint32_t receives; // receives=: messages that the receive queue of a device's lanes holds
};

#define FABRIC_RDMA_RECEIVES_MIN 64U
#define FABRIC_RDMA_RECEIVES_MAX 65536U

// A parsed address: `rdma://host:port[?name=value&...]`, `tcp://host:port` (port 0 listens on a free one; IPv6 in brackets), `shm:///absolute/path.sock`.
struct fabric_address {
	char provider[8]; // "rdma", "tcp" or "shm"
	char host[256];   // without brackets; empty for shm
	uint16_t port;
	char path[108]; // shm: the unix socket, a sun_path
	struct fabric_rdma rdma;
};

// The text of what went wrong in a set-up call: what failed, with which value, what to do. Empty on success.
struct fabric_error {
	char text[256];
};

struct fabric_caps {
	bool is_one_sided;         // reads and writes take no time of the process whose memory they reach
	bool has_loads;            // remote regions are mapped: fabric_remote.loads is set, reads cost no message
	bool has_atomics;          // fabric_post_compare_swap / fetch_add work, atomic with each other
	bool are_atomics_coherent; // and with the atomics of the peer's CPU
	bool is_registered_only; // local memory of reads and writes must lie in a region of this fabric (shm: of writes; reads go into any memory)
	bool is_registration_cheap; // registering is bookkeeping, not pinning: may be done for one operation
	bool is_best_blocked_in;    // fabric_block of this context costs less than waiting for its descriptor
	bool has_shared_listeners;  // fabric_share_listeners works
	uint32_t inline_max;        // messages up to this size cost no extra copy or DMA
	struct wait_limits wait;    // how polling for events pays
};

// What a context has done since it was opened, counted as it is handed to the provider: so what an operation costs can be told exactly. The provider's own part is counted by rdma alone.
struct fabric_statistics {
	uint64_t sends;    // messages of the owner's
	uint64_t receives; // messages that the owner has given back
	uint64_t reads;
	uint64_t writes;
	uint64_t atomics;
	uint64_t controls;    // messages of the provider's own: credits and keys that no other message took along
	uint64_t doorbells;   // calls that handed posts to the device, as many at once as there were
	uint64_t completions; // taken off the device's queues, of receives as of posts
};

struct fabric_options {
	uint32_t message_size; // largest message, header included (FAR_MESSAGE_SIZE_MIN..MAX); both sides use the smaller of theirs
	uint32_t depth;        // messages and operations of a lane under way, 1..FAR_LANE_DEPTH; 0 = FAR_LANE_DEPTH
	uint32_t
	        turn; // of this context among its owner's: where several ways lead to a peer, as several devices do, turns take them one after the other
	// A listener's: peers of this process's own user, and root, get memory they may load from writable, too (fabric_remote.stores). Those could reach this process's memory
	// in any case (ptrace, /proc/PID/mem), so for them no border is taken away; others never get it. Providers without mapped memory have no use for it.
	bool is_sharing;
};

enum fabric_right {
	FABRIC_REMOTE_READ = 1,
	FABRIC_REMOTE_WRITE = 2,
	FABRIC_REMOTE_ATOMIC = 4,
};

// Memory to register. `fd` is the memfd that backs it, or -1 where there is none; `base` maps it from `fd_offset`. shm passes it to peers: for any
// right it must be there and be sealed against shrinking (F_SEAL_SHRINK), and fd_offset be page-aligned, else -EINVAL.
struct fabric_memory {
	void *base;
	size_t length;
	int fd;
	uint64_t fd_offset;
};

// Allocates memory that every provider can register: page-aligned, zeroed, a memfd that cannot shrink. length is rounded up to whole pages.
// Returns 0, -EINVAL (length 0) or the errno of the allocation. Cost: system calls; for set-up, not per operation.
int fabric_memory_new(size_t length, struct fabric_memory *memory);

// Unmaps and closes it; unregister it first. Does nothing for a zeroed struct.
void fabric_memory_free(struct fabric_memory *memory);

// Remote memory as one lane addresses it: made by fabric_import from an rkey that the peer told.
struct fabric_remote {
	uint64_t rkey;
	uint64_t length;
	const void *loads; // the mapped memory where caps.has_loads and the right is read, else NULL; valid while the lane is
	// The same memory where the peer is sharing it, else NULL. Whoever stores to it keeps to what was granted, by himself, and does it inside a read section or
	// in memory that is granted for the life of the lane.
	void *stores;
};

enum fabric_event_kind {
	FABRIC_ACCEPTED, // a new lane came in on a listener
	FABRIC_RECEIVED, // a message: `message`, `length`; valid until fabric_receive_release
	FABRIC_DONE,     // a posted read, write or atomic with a context other than 0 is complete (`context`, `status`)
	FABRIC_CLOSED,   // the lane is dead, `status` says why (-ECONNRESET, -EPROTO...); the owner must fabric_disconnect it
};

struct fabric_event {
	enum fabric_event_kind kind;
	int status;
	struct fabric_lane *lane;
	uint64_t context;
	const void *message;
	uint32_t length;
};

// --- addresses (address.c) ---

// Parses an address with a scheme. Returns 0, or -EINVAL with the text of what is wrong.
int fabric_address_parse(const char *text, struct fabric_address *address, struct fabric_error *error);

// Chooses for a client: an address with a scheme is parsed; a bare `host[:port]` (default port FAR_PORT_DEFAULT) becomes shm if the host is
// this one and its server's socket (fabric_address_local_socket) accepts, rdma if a device reaches it, else tcp. `why` (NULL or >= 128 bytes) gets the reason,
// fit for the log. Returns 0 or -EINVAL.
int fabric_address_choose(const char *text, struct fabric_address *address, char *why, struct fabric_error *error);

// The unix socket on which a server with this TCP port offers shm: <runtime folder>/<port>.sock. The runtime folder is $FARFS_RUNTIME_DIR,
// else /run/farfs for root, else $XDG_RUNTIME_DIR/farfs, else /tmp/farfs-<uid>. Returns 0 or -ENAMETOOLONG.
int fabric_address_local_socket(uint16_t port, char path[108]);

// Writes the address as fabric_address_parse reads it. Returns `text`.
char *fabric_address_format(const struct fabric_address *address, char text[384]);

// A socket that listens at a tcp address, for what speaks another protocol than a fabric. Returns it, or a negative errno with the text of what is wrong; *bound gets
// the address with the port chosen.
int fabric_listen_stream(const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error);

// --- contexts ---

// Opens a context of the provider named ("tcp", "shm", "rdma"). -EPROTONOSUPPORT if it is not built in, -ENODEV if no device serves.
int fabric_open(const char *provider, const struct fabric_options *options, struct fabric **fabric, struct fabric_error *error);

// Disconnects every lane, unregisters every region, ends every listener. fabric_close(NULL) does nothing.
void fabric_close(struct fabric *fabric);

const struct fabric_caps *fabric_caps(const struct fabric *fabric);

// May be called by any thread while the context is open.
void fabric_statistics(const struct fabric *fabric, struct fabric_statistics *statistics);

// Listens. `bound` (may be NULL) gets the address that clients connect to: with the port that was chosen, without what concerns this side only. shm: makes the socket with mode 0600, replaces one that no process
// answers on, and removes it on close. -EADDRINUSE, -EADDRNOTAVAIL, -EACCES.
int fabric_listen(struct fabric *fabric, const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error);

// From now on lanes that come in on the listeners of `listening` are served by that context, by `fabric`, and by all that were added before, in turn. Both are of the same provider; `fabric` is the calling
// thread's, and whoever owns `listening` does not use it meanwhile. Afterwards each is its thread's alone, as ever. Polling of `listening` has ended when `fabric` is closed.
// -ENOTSUP where caps.has_shared_listeners is false, -EINVAL (64 share already, or `fabric` does).
int fabric_share_listeners(struct fabric *fabric, struct fabric *listening, struct fabric_error *error);

// Connects and waits at most timeout_ms. -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, -ENOENT, -EACCES, -EPROTO (not a FarFS server).
int fabric_connect(
        struct fabric *fabric, const struct fabric_address *address, int timeout_ms, struct fabric_lane **lane, struct fabric_error *error);

// Ends the lane and frees it; unsent messages may be lost. Must follow FABRIC_CLOSED, may come before it. NULL does nothing.
void fabric_disconnect(struct fabric_lane *lane);

// Ends the lane but keeps it until FABRIC_CLOSED, which comes once the peer can no longer touch our memory through it: one that stores by itself (fabric_remote.stores) has to let go
// first. For an owner that gives the lane's memory another use.
void fabric_shut(struct fabric_lane *lane);

// What the owner hangs on a lane.
void fabric_lane_set_owner(struct fabric_lane *lane, void *owner);
void *fabric_lane_owner(const struct fabric_lane *lane);

// The largest message that both sides agreed on.
uint32_t fabric_lane_message_size(const struct fabric_lane *lane);

// A name of the peer for the log: an address, or "pid 1234". Lives as long as the lane.
const char *fabric_lane_peer(const struct fabric_lane *lane);

// Limits which regions this lane's peer can reach: those of scope 0 and those of `scope`. A new lane has scope 0.
void fabric_lane_set_scope(struct fabric_lane *lane, uint64_t scope);

// --- registered memory ---

// Registers memory for this fabric's lanes (those with the scope, 0 = all) and as local memory of posts. Rights are what peers may do.
// A client's region is made known to its peers at once, in order with later messages of its lanes.
int fabric_register(
        struct fabric *fabric, const struct fabric_memory *memory, unsigned rights, uint64_t scope, struct fabric_region **region);

// Revokes: no access through this region's rkey is begun after the return. NULL does nothing.
void fabric_unregister(struct fabric_region *region);

// The 64-bit name peers use: never reused within a fabric's life, not to be guessed from another.
uint64_t fabric_region_rkey(const struct fabric_region *region);

// Takes write rights off the first `length` bytes of a region (a grant's committed part). Where the device cannot do this
// for a part, the right ends with fabric_unregister.
void fabric_region_seal(struct fabric_region *region, uint64_t length);

// Client side: makes the peer's region of this rkey and length addressable. May wait for a round trip: for set-up. -EKEYREJECTED for a wrong
// rkey where that shows already here.
int fabric_import(struct fabric_lane *lane, uint64_t rkey, uint64_t length, struct fabric_remote *remote);

// --- posts ---

// Space for a message of up to `length` bytes in the lane's send queue, 8-byte aligned, or NULL: no credit now, poll and try again
// (or `length` is above the lane's message size). At most one reservation at a time; fabric_send ends it; a client
// posts nothing else on the lane between the two. After NULL the armed context's descriptor also wakes when room comes back. The space may be
// visible to the peer already: fill it, do not read values back from it that decide anything.
void *fabric_send_reserve(struct fabric_lane *lane, uint32_t length);

// Sends the reserved message with its true length (<= reserved). Goes out at the next fabric_flush or fabric_poll.
int fabric_send(struct fabric_lane *lane, uint32_t length);

// Fetches remote[offset .. offset+length) into local memory. context 0 = no event on success.
int fabric_post_read(struct fabric_lane *lane, void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context);

// Writes local memory to remote[offset ..). Event (context != 0) when local memory is free again and the bytes are placed.
int fabric_post_write(struct fabric_lane *lane, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context);

// 8-byte atomics at a multiple of 8; the old value lands in *result. -ENOTSUP where caps.has_atomics is false.
int fabric_post_compare_swap(
        struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t expected, uint64_t desired, uint64_t context);
int fabric_post_fetch_add(struct fabric_lane *lane, uint64_t *result, uint64_t rkey, uint64_t offset, uint64_t addend, uint64_t context);

// Rings the doorbell for all that was posted on the lane.
int fabric_flush(struct fabric_lane *lane);

// A wrong rkey, range or right in a posted operation is found by the peer: it ends the lane with status -EACCES (as a NAK does on an RC queue pair).

// --- events ---

// Makes progress, never blocks, and returns up to `count` events. If the owner disconnects a lane over one of them, the later ones of that lane in
// the same batch are void.
int fabric_poll(struct fabric *fabric, struct fabric_event *events, int count);

// How many reads, writes and atomics of peers this context has carried out by itself. They give no event, but a thread that polls had better go on
// polling while this grows.
uint64_t fabric_served(const struct fabric *fabric);

// Gives a message's buffer, and with it a credit, back. Messages of a lane may be released in any order.
void fabric_receive_release(struct fabric_lane *lane, const void *message);

// A descriptor that becomes readable once an event is there after fabric_arm.
int fabric_fd(const struct fabric *fabric);

// Sends what waits to be sent, and asks for the wake-up. Returns 1 if events are there already (do not block: poll), 0 when it is safe to block on fabric_fd.
int fabric_arm(struct fabric *fabric);

// Sends what waits to be sent, and blocks until there may be something to poll for, `wake_fd` is readable, or the time is over (UINT64_MAX: never).
// wake_fd: fabric_fd, or an epoll descriptor that watches it and what else shall end the wait. Returns 1: poll now (a signal does this, too), 0 at the timeout,
// or a negative errno. No fabric_arm is needed before it.
int fabric_block(struct fabric *fabric, int wake_fd, uint64_t timeout_ns);

// Polls for a short measured time (wait.c, adaptive), then blocks, for one context. Returns like fabric_poll, 0 at the timeout
// (timeout_ms < 0: none).
int fabric_wait(struct fabric *fabric, struct fabric_event *events, int count, int timeout_ms);

// --- read sections (layout.h R5) ---

// Between begin and end, memory that the peer frees is not reused: for reading mapped memory (fabric_remote.loads) without a copy.
// Short: one operation. No system call. Where there are no loads, both do nothing.
void fabric_read_begin(struct fabric_lane *lane);
void fabric_read_end(struct fabric_lane *lane);

// The owner of the memory asks: a snapshot of the lane's read section, odd while one is open. Memory freed when it was odd may be
// reused once it differs.
uint64_t fabric_read_section(const struct fabric_lane *lane);

#endif
