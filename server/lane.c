#include "server/lane.h"

#include <errno.h>

#include "server/session.h"
#include "server/watchers.h"

void lane_init(struct lane *lane)
{
	struct server *server = lane->server;

	lane->number = ++server->lane_last;
	lane->next = server->lanes;
	if (lane->next)
		lane->next->previous = lane;
	server->lanes = lane;
	server->lane_count++;
	if (!lane->transport->has_loads)
		return;
	lane->mapped_next = server->mapped_lanes;
	if (lane->mapped_next)
		lane->mapped_next->mapped_previous = lane;
	server->mapped_lanes = lane;
}

static void unlist_mapped(struct lane *lane)
{
	if (!lane->transport->has_loads)
		return;
	if (lane->mapped_next)
		lane->mapped_next->mapped_previous = lane->mapped_previous;
	if (lane->mapped_previous)
		lane->mapped_previous->mapped_next = lane->mapped_next;
	else
		lane->server->mapped_lanes = lane->mapped_next;
}

static void unlist(struct lane *lane)
{
	lane->server->lane_count--;
	if (lane->next)
		lane->next->previous = lane->previous;
	if (lane->previous)
		lane->previous->next = lane->next;
	else
		lane->server->lanes = lane->next;
}

void lane_fini(struct lane *lane)
{
	watchers_drop(lane); // first: what follows may be something to tell
	unlist_mapped(lane);
	unlist(lane);
	while (lane->transfer_count > 0)
		lane_transfer_done(lane);
	grant_drop_all(lane);
	if (lane->session)
		session_leave(lane);
}

int lane_push(struct lane *lane, const void *bytes, uint64_t rkey, uint64_t offset, uint64_t length)
{
	uint64_t ticket;
	int error;

	if (lane->transfer_count == FAR_LANE_DEPTH)
		return -EAGAIN;
	ticket = reclaim_transfer_begin(lane->server->reclaim);
	error = lane->transport->post_write(lane, bytes, rkey, offset, length, 1);
	if (error) {
		reclaim_transfer_end(lane->server->reclaim, ticket);
		return error;
	}
	lane->transfers[(lane->transfer_first + lane->transfer_count++) % FAR_LANE_DEPTH] = ticket;
	return 0;
}

// What one lane posts completes in the order posted, so the oldest ticket is the one that ends.
void lane_transfer_done(struct lane *lane)
{
	if (lane->transfer_count == 0)
		return;
	reclaim_transfer_end(lane->server->reclaim, lane->transfers[lane->transfer_first]);
	lane->transfer_first = (lane->transfer_first + 1) % FAR_LANE_DEPTH;
	lane->transfer_count--;
}
