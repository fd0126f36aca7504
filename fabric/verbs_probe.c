#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fabric/verbs.h"
#include "far/log.h"

// Peers that are gone without a word: a host that lost its power or its link says no goodbye, and a server has nothing to send by which its device would notice. So every lane on which
// nothing was completed for a while gets a write of no bytes, which the peer's device answers without the peer's CPU. Where no answer comes, the device gives up after its retries
// (verbs_hello.c), and the lane ends like any other that fails. Clients need no such thing: they notice at their next call.

#define PROBE_SECONDS 10

static void set_timer(struct verbs *verbs, time_t seconds)
{
	const struct itimerspec time = {.it_interval.tv_sec = seconds, .it_value.tv_sec = seconds};

	timerfd_settime(verbs->probe_fd, 0, &time, NULL);
	verbs->is_probing = seconds > 0;
}

void verbs_probe_begin(struct verbs *verbs)
{
	if (verbs->is_probing)
		return;
	if (verbs->probe_fd < 0) {
		verbs->probe_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (verbs->probe_fd < 0 || verbs_watch(verbs, verbs->probe_fd, VERBS_WATCH_PROBE, NULL)) {
			log_warning("rdma: no timer: peers that are gone without a word are not noticed error=%s", strerror(errno));
			verbs_probe_end(verbs);
			return;
		}
	}
	set_timer(verbs, PROBE_SECONDS);
}

void verbs_probe_end(struct verbs *verbs)
{
	if (verbs->probe_fd >= 0)
		close(verbs->probe_fd);
	verbs->probe_fd = -1;
	verbs->is_probing = false;
}

static void probe(struct verbs_lane *lane)
{
	const struct verbs_work work = {.slot = VERBS_SLOTS};
	const struct ibv_sge none = {0};

	if (lane->done != lane->proven) {
		lane->proven = lane->done;
		return;
	}
	if (!verbs_has_work_room(lane, 1, lane->depths.queue - VERBS_QUEUE_SPARE))
		return; // what is under way proves as much
	verbs_work_add(lane, IBV_WR_RDMA_WRITE, &none, &work, true);
	lane->proven = lane->posted;
	verbs_ring(lane);
}

void verbs_probe_lanes(struct verbs *verbs)
{
	uint64_t times;

	if (read(verbs->probe_fd, &times, sizeof(times)) < 0)
		return;
	// Where our own link is down nobody can answer, and that tells nothing of the peers.
	for (struct verbs_lane *lane = verbs->lanes; lane; lane = lane->next)
		if (verbs_is_open(lane) && !lane->device->is_link_down)
			probe(lane);
	if (!verbs->lanes)
		set_timer(verbs, 0);
}
