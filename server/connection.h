// Connections: lanes over the fabric. A connection takes its lane's messages in order, has them dispatched and sends the replies; while the peer takes no replies it handles
// none of its requests, so neither it nor the server grows (the peer runs out of credits). Owned by the loop, and used by its thread: what comes to handling messages, and lanes' beginning and end, as the writer.
#ifndef SERVER_CONNECTION_H
#define SERVER_CONNECTION_H

#include <stdbool.h>

#include "fabric/fabric.h"
#include "server/bell.h"
#include "server/lane.h"

// What the connections of one fabric have in common.
struct network {
	char provider[8];
	struct server *server;
	struct fabric *fabric;
	struct fabric_region *pool_region;
	struct fabric_region *zeros_region;
	struct bell *bell;          // of the I/O thread
	unsigned io_thread;         // its number
	struct connection *noticed; // those with notices to send; the writer's
};

struct waiting_message {
	const void *message;
	uint32_t length;
};

struct connection {
	struct lane lane;
	struct network *network;
	struct fabric_lane *fabric_lane;
	struct connection *previous, *next;             // all connections of the loop
	struct waiting_message waiting[FAR_LANE_DEPTH]; // received, not handled for want of credit or memory
	uint32_t waiting_first;
	uint32_t waiting_count;
	void *stalled; // a reply that found no credit, message_size bytes; NULL until first needed
	uint32_t stalled_length;
	uint64_t closing_since_ns; // 0 = is_closing has not been acted on
	bool is_dirty;             // has replies to flush
	bool is_noticed;           // in network->noticed; the writer's
	bool is_unsent;            // there because notices had no credit
	struct connection *next_noticed;
	bool is_shut; // only its end is awaited
};

// Opens the provider's fabric and registers the pool. One network serves all listeners of a provider.
int network_open(struct network *network, const char *provider, struct server *server, struct fabric_error *error);
void network_close(struct network *network);

// A lane came in. NULL: no memory; the lane has no owner then, and is left to its peer's patience.
struct connection *connection_new(struct network *network, struct fabric_lane *fabric_lane);

// Disconnects; all that the lane had comes back.
void connection_free(struct connection *connection);

// Ends the lane; FABRIC_CLOSED follows, and only then connection_free.
void connection_shut(struct connection *connection);

// Handles a message, or keeps it for connection_resume.
void connection_receive(struct connection *connection, const void *message, uint32_t length);

// Sends notices where there are any. True if some have to wait for credit. *is_moving is set if a lane took some of what waited, or has newly come to wait.
bool network_send_notices(struct network *network, bool *is_moving);

// Goes on with what waits. True if something still does.
bool connection_resume(struct connection *connection);

// Rings the doorbell for the replies since the last flush.
void connection_flush(struct connection *connection);

#endif
