// A lane as the server sees it: one connection of a session, with its grants and its transfers under way. How messages and bytes move is the transport's
// business (loop.c over the fabric; tests over plain memory), so that a reply can be computed without a connection.
// Owned by who made it (the loop's connections, a test); used by the writer only, on the I/O thread of its connection; but for `notify` and `read_section`, which the writer calls from any.
#ifndef SERVER_LANE_H
#define SERVER_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/grant.h"

struct session;
struct watcher;

struct lane_transport {
	bool has_loads; // peers map the pool and have read sections

	// As fabric_post_write; context is not 0. Completions are told by lane_transfer_done, in order.
	int (*post_write)(struct lane *lane, const void *local, uint64_t rkey, uint64_t offset, uint64_t length, uint64_t context);

	// Makes a part of the pool writable to the lane's session, and told apart by rkey.
	int (*grant)(struct lane *lane, uint64_t pool_offset, uint64_t length, void **region, uint64_t *rkey);
	void (*seal)(struct lane *lane, void *region, uint64_t length);
	void (*revoke)(struct lane *lane, void *region);

	// There are notices or events for the client: operations_notices makes the message, once there is credit.
	void (*notify)(struct lane *lane);

	void (*set_scope)(struct lane *lane, uint64_t scope);
	uint64_t (*read_section)(const struct lane *lane);
};

struct lane {
	struct server *server;
	const struct lane_transport *transport;
	void *connection; // the transport's
	const char *peer; // name for the log
	uint64_t number;  // unique over the server's life
	uint64_t pool_rkey;
	uint32_t message_size;
	uint64_t late_since_ns;  // its message under way could not be carried out at first, monotonic; 0: none is late
	bool is_closing;         // broke the protocol: to be disconnected once its last reply is out
	struct session *session; // NULL before hello
	struct watcher *watcher; // NULL: it watches nothing
	struct lane_grants grants;
	uint64_t transfers[FAR_LANE_DEPTH]; // tickets of writes under way, oldest first
	uint32_t transfer_first;
	uint32_t transfer_count;
	struct lane *previous, *next;               // server->lanes
	struct lane *mapped_previous, *mapped_next; // lanes with loads: server->mapped_lanes
};

// Prepares a lane whose server, transport, connection, peer, pool_rkey and message_size are set.
void lane_init(struct lane *lane);

// The lane is gone (its connection is ended already): transfers, grants and, with the session's last lane, all that the session holds come back.
void lane_fini(struct lane *lane);

// Writes pool memory (or zeros) to the client's memory; the memory is not reused until lane_transfer_done. -EAGAIN and other errors: nothing was posted.
int lane_push(struct lane *lane, const void *bytes, uint64_t rkey, uint64_t offset, uint64_t length);
void lane_transfer_done(struct lane *lane);

#endif
