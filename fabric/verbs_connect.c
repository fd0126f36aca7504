#include <errno.h>
#include <string.h>

#include "fabric/resolve.h"
#include "fabric/verbs_connection.h"
#include "fabric/verbs_gid.h"
#include "far/cleanup.h"
#include "far/clock.h"
#include "far/log.h"

// The side that connects: which of the peer's addresses, by which of this host's ways, in which order. One way of connecting or the other then does it.
//
// Contexts of one owner take turns: by their number, each begins with another address and another device of those that are as good. What does not get through leaves the rest of the time to
// the next one.

#define ADDRESSES 16U

struct attempt {
	struct verbs *verbs;
	struct verbs_target target;
	uint64_t deadline_ns;
	unsigned left; // addresses and ways that are still to be tried
	struct verbs_lane *lane;
	struct fabric_error *error;
};

static const char *advice(const struct fabric_rdma *rdma, int code)
{
	switch (code) {
	case ECONNREFUSED:
		return rdma->is_by_socket ? ": does far-server listen there with --listen rdma://...?connect=socket?"
		                          : ": does far-server listen there with --listen rdma://?";
	case ENODEV:
	case EHOSTUNREACH:
	case ENETUNREACH:
		return ": no RDMA device reaches it (rdma link; rping -c -a HOST)";
	case ENOSPC:
		return ": the device's receive queue holds no more lanes (receives= in the address)";
	case ETIMEDOUT:
		return rdma->is_by_socket ? ": what listens there does not answer" : "";
	default:
		return "";
	}
}

// What another way cannot make better: the server said no, or this side can't.
static bool is_final(int result)
{
	return result == 0 || result == -EPROTO || result == -ENOMEM;
}

static void log_choice(const struct verbs_lane *lane, const struct verbs_way *way, const struct fabric_rdma *rdma)
{
	const char *why = way ? verbs_way_reason(way, rdma) : "the route leads through it";
	char gid[80];

	if (way && rdma->is_by_socket)
		log_info("rdma: connected by=socket device=%s port=%u gid=%u (%s) because=%s", way->device, way->port, way->gid.gid_index,
		        verbs_gid_format(&way->gid, gid), why);
	else // which GID, the connection manager knows
		log_info("rdma: connected by=cm device=%s port=%u because=%s", lane->device->name, lane->id->port_num, why);
}

static int try_way(struct attempt *attempt, const struct verbs_way *way)
{
	const struct fabric_rdma *rdma = &attempt->target.address->rdma;
	struct verbs_target target = attempt->target;
	uint64_t now_ns = clock_now_ns();
	uint64_t left_ns = now_ns < attempt->deadline_ns ? attempt->deadline_ns - now_ns : 0;
	struct verbs_lane *lane;
	int result;

	attempt->error->text[0] = '\0';
	target.way = way;
	target.deadline_ns = now_ns + left_ns / attempt->left;
	if (attempt->left > 1)
		attempt->left--;
	if (rdma->is_by_socket)
		result = verbs_socket_connect(attempt->verbs, &target, &lane, attempt->error);
	else
		result = verbs_cm_connect(attempt->verbs, &target, &lane, attempt->error);
	if (result == 0) {
		log_choice(lane, way, rdma);
		attempt->lane = lane;
		return 0;
	}
	if (!attempt->error->text[0])
		verbs_fail(attempt->error, "connect to", target.address, -result, advice(rdma, -result));
	log_debug("rdma: %s", attempt->error->text);
	return result;
}

// The ways worth trying, those that lead to the peer best. 0: none is known to, the connection manager may find one.
static int find_ways(struct attempt *attempt, struct verbs_way *ways)
{
	const struct fabric_rdma *rdma = &attempt->target.address->rdma;
	const struct verbs_wish wish = {.rdma = rdma, .peer = attempt->target.peer};
	int count = verbs_ways_find(attempt->verbs, &wish, ways, attempt->error);
	int best = 0;

	if (count < 0)
		return count;
	if (ways[0].reach == VERBS_REACH_UNKNOWN && !rdma->is_by_socket && !rdma->device[0] && !rdma->port)
		return 0;
	while (best < count && ways[best].reach == ways[0].reach)
		best++;
	return best;
}

static int try_address(struct attempt *attempt, const struct addrinfo *info)
{
	struct verbs_way ways[VERBS_WAYS];
	int count, result;

	attempt->target.peer = info->ai_addr;
	attempt->target.peer_length = info->ai_addrlen;
	count = find_ways(attempt, ways);
	if (count <= 0)
		return count ? count : try_way(attempt, NULL);
	attempt->left += (unsigned)count - 1;
	result = try_way(attempt, &ways[0]);
	for (int i = 1; i < count && !is_final(result) && result != -ECONNREFUSED; i++)
		result = try_way(attempt, &ways[i]);
	return result;
}

// The addresses of the host, those that it is called by first.
static unsigned take_addresses(const struct addrinfo *list, const struct addrinfo **addresses)
{
	unsigned count = 0;

	for (const struct addrinfo *info = list; info && count < ADDRESSES; info = info->ai_next)
		if (info->ai_family == list->ai_family)
			addresses[count++] = info;
	return count;
}

int verbs_connect(
        struct fabric *fabric, const struct fabric_address *address, int timeout_ms, struct fabric_lane **out, struct fabric_error *error)
{
	struct attempt attempt = {.verbs = verbs_of(fabric), .target.address = address, .error = error};
	const struct addrinfo *addresses[ADDRESSES];
	CLEANUP(addrinfo) struct addrinfo *list = NULL;
	int result = fabric_resolve(address, 0, &list, error);
	unsigned count;

	if (result)
		return result;
	verbs_lanes_sweep(attempt.verbs);
	attempt.deadline_ns = clock_now_ns() + (uint64_t)timeout_ms * 1000000U;
	count = take_addresses(list, addresses);
	if (count == 0)
		return -EHOSTUNREACH;
	attempt.left = count;
	result = try_address(&attempt, addresses[fabric->options.turn % count]);
	for (unsigned i = 1; i < count && !is_final(result); i++)
		result = try_address(&attempt, addresses[(fabric->options.turn + i) % count]);
	if (result)
		return result;
	*out = &attempt.lane->base;
	return 0;
}
