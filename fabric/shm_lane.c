#include "fabric/shm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

// A lane's memory, from the memfd to its two rings. Both sides compute the same places from the message size.

uint32_t shm_ring_size(uint32_t message_size)
{
	uint32_t size = FAR_PAGE_SIZE;

	while (size < SHM_RING_MESSAGES * message_size)
		size *= 2;
	return size;
}

size_t shm_lane_memory_size(uint32_t message_size)
{
	return SHM_CONTROL_SIZE + 2 * (size_t)shm_ring_size(message_size);
}

static void shm_lane_place_rings(struct shm_lane *lane, uint32_t message_size)
{
	uint32_t size = shm_ring_size(message_size);
	unsigned char *to_server = (unsigned char *)lane->control + SHM_CONTROL_SIZE;
	unsigned char *to_client = to_server + size;
	struct shm_control *control = lane->control;

	lane->out = (struct shm_ring_out){.bytes = lane->is_server ? to_client : to_server, .size = size};
	lane->out.shared = lane->is_server ? &control->to_client : &control->to_server;
	lane->in.bytes = lane->is_server ? to_server : to_client;
	lane->in.shared = lane->is_server ? &control->to_server : &control->to_client;
	lane->in.size = size;
	lane->base.read_section = &control->read_section;
	lane->base.message_size = message_size;
}

static void shm_lane_know_peer(struct shm_lane *lane)
{
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);

	if (getsockopt(lane->socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && lane->is_server)
		lane->is_sharing = lane->base.fabric->options.is_sharing && (peer.uid == geteuid() || peer.uid == 0);
	snprintf(lane->base.peer, sizeof(lane->base.peer), "pid %d", (int)peer.pid);
}

static int shm_lane_enter(struct shm_fabric *fabric, struct shm_lane *lane)
{
	if (fabric->lane_count == fabric->lane_capacity) {
		unsigned capacity = fabric->lane_capacity ? 2 * fabric->lane_capacity : 4;
		struct shm_lane **lanes = realloc(fabric->lanes, capacity * sizeof(struct shm_lane *));
		struct shm_lane **hot;

		if (!lanes)
			return -ENOMEM;
		fabric->lanes = lanes;
		hot = realloc(fabric->hot, capacity * sizeof(struct shm_lane *));
		if (!hot)
			return -ENOMEM;
		fabric->hot = hot;
		fabric->lane_capacity = capacity;
	}
	lane->index = fabric->lane_count;
	fabric->lanes[fabric->lane_count++] = lane;
	return 0;
}

int shm_lane_new(struct shm_fabric *fabric, int socket, int memory, uint32_t message_size, bool is_server, struct shm_lane **out)
{
	struct shm_lane *lane = calloc(1, sizeof(*lane));
	int result = -ENOMEM;
	void *map;

	if (!lane)
		return -ENOMEM;
	lane->base.fabric = &fabric->base;
	lane->source = SHM_SOURCE_LANE;
	lane->is_server = is_server;
	lane->is_announced = !is_server;
	lane->mapped = shm_lane_memory_size(message_size);
	map = mmap(NULL, lane->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (map == MAP_FAILED)
		goto fail;
	lane->control = map;
	lane->socket = socket;
	shm_lane_place_rings(lane, message_size);
	if (is_server) {
		map = mmap(NULL, lane->in.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map == MAP_FAILED)
			goto fail;
		lane->in.copy = map;
	}
	shm_lane_know_peer(lane);
	result = shm_lane_enter(fabric, lane);
	if (result < 0)
		goto fail;
	shm_lane_heat(lane);
	*out = lane;
	return 0;
fail:
	if (lane->in.copy)
		munmap(lane->in.copy, lane->in.size);
	if (lane->control)
		munmap(lane->control, lane->mapped);
	free(lane);
	return result;
}

void shm_lane_free(struct shm_lane *lane)
{
	struct shm_fabric *fabric = shm_lane_fabric(lane);

	if (lane->is_hot) {
		fabric->hot[lane->hot_index] = fabric->hot[--fabric->hot_count];
		fabric->hot[lane->hot_index]->hot_index = lane->hot_index;
	}
	fabric->lanes[lane->index] = fabric->lanes[--fabric->lane_count];
	fabric->lanes[lane->index]->index = lane->index;
	epoll_ctl(fabric->epoll, EPOLL_CTL_DEL, lane->socket, NULL); // a forked child may keep the socket open
	close(lane->socket);
	shm_imports_free(lane);
	if (lane->in.copy)
		munmap(lane->in.copy, lane->in.size);
	munmap(lane->control, lane->mapped);
	free(lane);
}
