// Which device, port and GID a lane uses: the rule, and what overrides it.
//
// A way is a port of a device with one of its GIDs. The rule, in this order: what the address names (device=, port=, gid=); a port whose link is up; a device that leads to the peer, best one
// on the peer's own network; the device next to this thread's CPU; and of a port's GIDs, RoCE v2 with an IPv4 address where the peer has one, else the first that fits. Ways that
// are equal by all of this take turns.
#ifndef FABRIC_VERBS_WAYS_H
#define FABRIC_VERBS_WAYS_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "fabric/fabric.h"

#define VERBS_WAYS 64U // of one host: GIDs are chosen already

struct verbs;

// How a way leads to the peer, best first.
enum verbs_reach {
	VERBS_REACH_ASKED,   // it has the very address that the peer asked for
	VERBS_REACH_NETWORK, // it is on the peer's network
	VERBS_REACH_ROUTE,   // the kernel's route leads through it
	VERBS_REACH_SELF,    // it has the peer's address itself: used where nothing else leads there
	VERBS_REACH_UNKNOWN, // no address tells (InfiniBand, or the peer's address is of another network)
};

struct verbs_way {
	char device[64];
	uint8_t port;
	uint8_t link_layer; // IBV_LINK_LAYER_*
	uint16_t lid;
	enum ibv_mtu mtu;
	struct ibv_gid_entry gid;
	enum verbs_reach reach;
	int distance;   // from this thread's CPU: as the kernel tells between NUMA nodes, 10 = same
	unsigned lanes; // that use the device already
};

// What is asked of the rule.
struct verbs_wish {
	const struct fabric_rdma *rdma;
	const struct sockaddr *peer;  // whom to reach, or NULL
	const struct sockaddr *asked; // the address of this host that the peer asked for, or NULL
	bool is_opened_only;          // only devices that this context has opened: asks the kernel less, and registers nothing
};

// All ways that serve, best first: their number, or a negative errno with a text that lists what there is.
int verbs_ways_find(const struct verbs *verbs, const struct verbs_wish *wish, struct verbs_way *ways, struct fabric_error *error);

// Puts them in order, and of those that are as good as the best one, that of this turn first.
void verbs_ways_order(struct verbs_way *ways, int count, unsigned turn);

// Why this one, for the log.
const char *verbs_way_reason(const struct verbs_way *way, const struct fabric_rdma *rdma);

#endif
