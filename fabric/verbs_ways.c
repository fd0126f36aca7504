#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabric/verbs.h"
#include "fabric/verbs_gid.h"
#include "far/cleanup.h"

// Looks at every port of every device, and keeps those that serve. What is wrong with the others is told only if none is left.

#define GIDS 512U
#define NEAR 10 // the kernel's distance of a NUMA node to itself

struct search {
	const struct verbs *verbs;
	const struct verbs_wish *wish;
	struct verbs_way *ways;
	int count;
	int result; // why the first one that does not serve does not
	struct fabric_error *error;
};

__attribute__((format(printf, 3, 4))) static void does_not_serve(struct search *search, int result, const char *what, ...)
{
	va_list arguments;

	if (search->result)
		return;
	search->result = result;
	va_start(arguments, what);
	vsnprintf(search->error->text, sizeof(search->error->text), what, arguments);
	va_end(arguments);
}

// --- NUMA ---

static int read_number(const char *path, int skipped, int otherwise)
{
	FILE *file = fopen(path, "re");
	int number = otherwise;

	if (!file)
		return otherwise;
	for (int i = 0; i <= skipped; i++)
		if (fscanf(file, "%d", &number) != 1)
			number = otherwise;
	fclose(file);
	return number;
}

static int distance_of(const struct ibv_device *device)
{
	char path[IBV_SYSFS_PATH_MAX + 32];
	unsigned cpu, node;
	int device_node;

	snprintf(path, sizeof(path), "%s/device/numa_node", device->ibdev_path);
	device_node = read_number(path, 0, -1);
	if (device_node < 0 || getcpu(&cpu, &node))
		return NEAR;
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/distance", node);
	return read_number(path, device_node, NEAR);
}

// --- GIDs ---

static void no_such_gid(struct search *search, const struct verbs_way *way, const struct ibv_gid_entry *gids, ssize_t count)
{
	char list[256] = "none", text[80];
	size_t length = 0;

	for (ssize_t i = 0; i < count && length < sizeof(list); i++)
		if (gids[i].port_num == way->port)
			length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%u = %s", length ? ", " : "", gids[i].gid_index,
			        verbs_gid_format(&gids[i], text));
	does_not_serve(search, -EADDRNOTAVAIL, "device %.40s port %u has no GID %u: there are %.140s", way->device, way->port,
	        search->wish->rdma->gid_index, list);
}

static bool choose_gid(struct search *search, struct verbs_way *way, const struct ibv_gid_entry *gids, ssize_t count)
{
	const struct verbs_wish *wish = search->wish;
	const struct ibv_gid_entry *best = NULL;
	enum verbs_reach best_reach = VERBS_REACH_UNKNOWN;

	for (ssize_t i = 0; i < count; i++) {
		const struct ibv_gid_entry *gid = &gids[i];
		enum verbs_reach reach;

		if (gid->port_num != way->port || (wish->rdma->has_gid && gid->gid_index != wish->rdma->gid_index))
			continue;
		reach = verbs_gid_reach(gid, wish->peer, wish->asked);
		// RoCE v1 has the same addresses: by its rank it comes behind.
		if (best && (verbs_gid_rank(gid, wish->peer) > verbs_gid_rank(best, wish->peer) ||
		                    (verbs_gid_rank(gid, wish->peer) == verbs_gid_rank(best, wish->peer) && reach >= best_reach)))
			continue;
		best = gid;
		best_reach = reach;
	}
	if (!best) {
		no_such_gid(search, way, gids, count);
		return false;
	}
	way->gid = *best;
	way->reach = best_reach;
	return true;
}

// --- ports and devices ---

static void look_at_port(
        struct search *search, struct ibv_context *context, struct verbs_way *way, const struct ibv_gid_entry *gids, ssize_t count)
{
	struct ibv_port_attr port;

	if (ibv_query_port(context, way->port, &port)) {
		does_not_serve(search, -EIO, "device %.64s does not tell what port %u can do", way->device, way->port);
		return;
	}
	if (port.state != IBV_PORT_ACTIVE) {
		does_not_serve(search, -ENETDOWN,
		        "the link of device %.64s port %u is down (state %s): check cable, switch and `ibv_devinfo`", way->device,
		        way->port, ibv_port_state_str(port.state));
		return;
	}
	way->link_layer = port.link_layer;
	way->lid = port.lid;
	way->mtu = port.active_mtu;
	if (search->count < (int)VERBS_WAYS && choose_gid(search, way, gids, count))
		search->ways[search->count++] = *way;
}

static void look_at_device(struct search *search, struct ibv_context *context, unsigned lanes)
{
	CLEANUP(free) struct ibv_gid_entry *gids = calloc(GIDS, sizeof(*gids));
	const struct fabric_rdma *rdma = search->wish->rdma;
	struct verbs_way way = {.distance = distance_of(context->device), .lanes = lanes};
	struct ibv_device_attr attributes;
	ssize_t count = gids ? ibv_query_gid_table(context, gids, GIDS, 0) : -ENOMEM;

	snprintf(way.device, sizeof(way.device), "%s", ibv_get_device_name(context->device));
	if (count < 0 || ibv_query_device(context, &attributes)) {
		does_not_serve(search, -EIO, "device %.64s does not tell what it can do", way.device);
		return;
	}
	if (rdma->port > attributes.phys_port_cnt) {
		does_not_serve(search, -ENODEV, "device %.64s has no port %u: its ports are 1 to %u", way.device, rdma->port,
		        attributes.phys_port_cnt);
		return;
	}
	for (unsigned port = 1; port <= attributes.phys_port_cnt; port++) {
		if (rdma->port && rdma->port != port)
			continue;
		way.port = (uint8_t)port;
		look_at_port(search, context, &way, gids, count);
	}
}

static bool is_wanted(const struct search *search, const char *name)
{
	return !search->wish->rdma->device[0] || strcmp(search->wish->rdma->device, name) == 0;
}

static void look_at(struct search *search, struct ibv_device *device)
{
	const char *name = ibv_get_device_name(device);
	const struct verbs_device *opened = verbs_device_find(search->verbs, name);
	struct ibv_context *context;

	if (!is_wanted(search, name))
		return;
	if (opened) {
		look_at_device(search, opened->context, opened->lane_count);
		return;
	}
	context = ibv_open_device(device);
	if (!context) {
		does_not_serve(search, errno ? -errno : -ENODEV, "cannot open the RDMA device %.64s: %s", name, strerror(errno));
		return;
	}
	look_at_device(search, context, 0);
	ibv_close_device(context);
}

// No device was looked at.
static void no_such_device(struct search *search, struct ibv_device **list)
{
	const char *wanted = search->wish->rdma->device;
	char names[160] = "none";
	size_t length = 0;

	for (int i = 0; list && list[i] && length < sizeof(names); i++)
		length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s", i ? ", " : "", ibv_get_device_name(list[i]));
	if (wanted[0])
		does_not_serve(search, -ENODEV, "no RDMA device of this host is called '%.63s': there are %s", wanted, names);
	else
		does_not_serve(search, -ENODEV, "no RDMA device on this host: see `ibv_devices`");
}

static void look_at_all(struct search *search)
{
	struct ibv_device **list = ibv_get_device_list(NULL);

	for (int i = 0; list && list[i]; i++)
		look_at(search, list[i]);
	if (search->count == 0 && !search->result)
		no_such_device(search, list);
	if (list)
		ibv_free_device_list(list);
}

static void look_at_opened(struct search *search)
{
	for (unsigned i = 0; i < VERBS_DEVICES; i++) {
		const struct verbs_device *device = search->verbs->devices[i];

		if (device && !device->is_broken && is_wanted(search, device->name))
			look_at_device(search, device->context, device->lane_count);
	}
	if (search->count == 0)
		does_not_serve(search, -ENODEV, "no device of the server serves");
}

int verbs_ways_find(const struct verbs *verbs, const struct verbs_wish *wish, struct verbs_way *ways, struct fabric_error *error)
{
	struct search search = {.verbs = verbs, .wish = wish, .ways = ways, .error = error};

	if (wish->is_opened_only)
		look_at_opened(&search);
	else
		look_at_all(&search);
	if (search.count == 0)
		return search.result;
	error->text[0] = '\0';
	verbs_ways_order(ways, search.count, verbs->base.options.turn);
	return search.count;
}

static int compare(const void *a, const void *b)
{
	const struct verbs_way *left = a, *right = b;

	if (left->reach != right->reach)
		return left->reach < right->reach ? -1 : 1;
	if (left->distance != right->distance)
		return left->distance < right->distance ? -1 : 1;
	if (left->lanes != right->lanes)
		return left->lanes < right->lanes ? -1 : 1;
	return strcmp(left->device, right->device) ? strcmp(left->device, right->device) : left->port - right->port;
}

static bool is_as_good(const struct verbs_way *a, const struct verbs_way *b)
{
	return a->reach == b->reach && a->distance == b->distance && a->lanes == b->lanes;
}

void verbs_ways_order(struct verbs_way *ways, int count, unsigned turn)
{
	struct verbs_way first;
	unsigned equal = 0;

	qsort(ways, (size_t)count, sizeof(*ways), compare);
	while ((int)equal < count && is_as_good(&ways[equal], &ways[0]))
		equal++;
	for (turn = equal ? turn % equal : 0; turn > 0; turn--) { // once around for each turn: there are few
		first = ways[0];
		memmove(ways, ways + 1, (equal - 1) * sizeof(*ways));
		ways[equal - 1] = first;
	}
}

const char *verbs_way_reason(const struct verbs_way *way, const struct fabric_rdma *rdma)
{
	static const char *const reasons[] = {
	        [VERBS_REACH_ASKED] = "it has the address",
	        [VERBS_REACH_NETWORK] = "it is on the peer's network",
	        [VERBS_REACH_ROUTE] = "the route leads through it",
	        [VERBS_REACH_SELF] = "it has the peer's address itself",
	        [VERBS_REACH_UNKNOWN] = "its link is up",
	};

	return rdma->device[0] ? "the address names it" : reasons[way->reach];
}
