#include "fabric/verbs.h"
#include "fabric/verbs_connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "far/clock.h"

// The rdma provider's table, and its contexts from open to close.

#define CLOSE_NS 100000000U // what was sent before the close gets so long to leave

static bool has_devices(void)
{
	int count = 0;
	struct ibv_device **list = ibv_get_device_list(&count);

	if (list)
		ibv_free_device_list(list);
	return count > 0;
}

static void verbs_free(struct verbs *verbs)
{
	verbs_probe_end(verbs);
	if (verbs->timer_fd >= 0)
		close(verbs->timer_fd);
	if (verbs->cm)
		rdma_destroy_event_channel(verbs->cm);
	if (verbs->epoll_fd >= 0)
		close(verbs->epoll_fd);
	free(verbs->events);
	free(verbs);
}

static int verbs_open(const struct fabric_options *options, struct fabric **out, struct fabric_error *error)
{
	struct verbs *verbs;

	(void)options;
	if (!has_devices()) {
		snprintf(error->text, sizeof(error->text),
		        "no RDMA device on this host: see `ibv_devices`; a driver may be missing (modprobe), or ib_uverbs is not loaded");
		return -ENODEV;
	}
	verbs = calloc(1, sizeof(*verbs));
	if (!verbs)
		return -ENOMEM;
	verbs->base.caps = (struct fabric_caps){.is_one_sided = true,
	        .has_atomics = true,
	        .is_registered_only = true,
	        .inline_max = VERBS_INLINE,
	        .wait = {.spin_max_ns = VERBS_SPIN_NS, .has_device = true}};
	verbs->regions_end = &verbs->regions;
	verbs->probe_fd = -1;
	verbs->timer_fd = -1;
	verbs->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (verbs->epoll_fd < 0) {
		int result = -errno;

		verbs_free(verbs);
		return result;
	}
	*out = &verbs->base;
	return 0;
}

// Lanes that say goodbye get a moment for it.
static void let_lanes_leave(struct verbs *verbs)
{
	uint64_t deadline_ns = clock_now_ns() + CLOSE_NS;

	for (struct verbs_lane *lane = verbs->lanes, *next; lane; lane = next) {
		next = lane->next;
		if (!lane->is_gone)
			verbs_disconnect(&lane->base);
	}
	while (verbs->lanes && clock_now_ns() < deadline_ns) {
		verbs_progress(verbs);
		verbs_lanes_sweep(verbs);
		verbs->event_count = 0;
	}
	while (verbs->lanes)
		verbs_lane_free(verbs->lanes);
}

static void verbs_close(struct fabric *fabric)
{
	struct verbs *verbs = verbs_of(fabric);

	verbs_listeners_close(verbs);
	let_lanes_leave(verbs);
	while (verbs->regions)
		verbs_remove_region(&verbs->regions->base);
	verbs_devices_close(verbs);
	verbs_free(verbs);
}

static int verbs_fd(const struct fabric *fabric)
{
	return verbs_of(fabric)->epoll_fd;
}

const struct fabric_provider fabric_verbs = {
        .name = "rdma",
        .open = verbs_open,
        .close = verbs_close,
        .listen = verbs_listen,
        .share_listeners = fabric_share_nothing,
        .connect = verbs_connect,
        .disconnect = verbs_disconnect,
        .shut = verbs_shut,
        .add_region = verbs_add_region,
        .remove_region = verbs_remove_region,
        .import = verbs_import,
        .send_reserve = verbs_send_reserve,
        .send = verbs_send,
        .post_read = verbs_post_read,
        .post_write = verbs_post_write,
        .post_compare_swap = verbs_post_compare_swap,
        .post_fetch_add = verbs_post_fetch_add,
        .flush = verbs_flush,
        .poll = verbs_poll,
        .receive_release = verbs_receive_release,
        .fd = verbs_fd,
        .arm = verbs_arm,
        .block = fabric_block_armed,
};
