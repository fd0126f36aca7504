#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fsd/channel_ring.h"

// Making a ring: which queues it serves, where its thread runs, and all that it may fail for, before the kernel is told anything.

#define ENABLED "/sys/module/fuse/parameters/enable_uring"
#define POSSIBLE "/sys/devices/system/cpu/possible"
#define MEMORY_ENTRIES 128U // of all rings together, about: each is a MiB where large requests are many
#define DEPTH_MAX 16U
#define DEPTH_MIN 4U

bool channel_is_ring_offered(void)
{
	FILE *file = fopen(ENABLED, "re");
	int answer = file ? fgetc(file) : 'N';

	if (file)
		fclose(file);
	return answer == 'Y';
}

// The kernel has a queue for each processor that it can ever have: "0-3,8-11".
static unsigned queue_count(void)
{
	FILE *file = fopen(POSSIBLE, "re");
	unsigned first, last, count = 0;
	int got;

	while (file && (got = fscanf(file, "%u-%u", &first, &last)) > 0) {
		count += got == 2 ? last - first + 1 : 1;
		if (fgetc(file) != ',')
			break;
	}
	if (file)
		fclose(file);
	return count > 0 && count <= RING_QUEUES_MAX ? count : (unsigned)sysconf(_SC_NPROCESSORS_CONF);
}

// Of `of` rings, one for each processor that we may run on, which is this one's; -1 if there is not one for each.
static int processor_of(unsigned number, unsigned of)
{
	cpu_set_t allowed;
	int cpu = -1;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0 || (unsigned)CPU_COUNT(&allowed) != of)
		return -1;
	for (unsigned i = 0; i <= number; i++)
		do
			cpu++;
		while (!CPU_ISSET(cpu, &allowed));
	return cpu;
}

static bool has_ring(int queue, unsigned of)
{
	for (unsigned i = 0; i < of; i++)
		if (processor_of(i, of) == queue)
			return true;
	return false;
}

// How many entries the ring has with each queue: ring->depth and total. Returns their sum.
static unsigned share_queues(struct channel_ring *ring, unsigned number, unsigned of, unsigned count)
{
	unsigned depth = MEMORY_ENTRIES / (ring->processor < 0 ? count : of); // each serves several queues, or its own
	unsigned sum = 0;

	depth = depth > DEPTH_MAX ? DEPTH_MAX : depth < DEPTH_MIN ? DEPTH_MIN : depth;
	for (unsigned queue = 0; queue < count; queue++) {
		bool is_own = (int)queue == ring->processor;

		if (!is_own && (queue % of != number || has_ring((int)queue, of)))
			continue;
		// Where nobody runs there is little to expect.
		ring->depth[queue] = is_own || ring->processor < 0 ? depth : 1;
		ring->total[queue] = ring->depth[queue];
		sum += ring->depth[queue];
	}
	return sum;
}

// Memory for all entries that the fabric of the file system's own reads and fills without a copy; NULL: it does so with any.
static char *given_memory(const struct channel_ring *ring, unsigned entries)
{
	const struct worker *worker = ring->worker;
	const struct channel_hooks *hooks = worker->channel->hooks;

	return hooks->thread_memory ? hooks->thread_memory(hooks->context, worker->thread, (size_t)entries * RING_ENTRY_BYTES) : NULL;
}

static int take_queues(struct channel_ring *ring, unsigned number, unsigned of)
{
	unsigned count = queue_count();
	char *place;

	ring->processor = processor_of(number, of);
	ring->depth = calloc(count, sizeof(*ring->depth));
	ring->total = calloc(count, sizeof(*ring->total));
	ring->parked = calloc(count, sizeof(*ring->parked));
	ring->dry = calloc(count, sizeof(*ring->dry));
	ring->queues = count;
	if (!ring->depth || !ring->total || !ring->parked || !ring->dry)
		return -ENOMEM;
	place = given_memory(ring, share_queues(ring, number, of, count));
	for (unsigned queue = 0; queue < count; queue++) {
		for (unsigned i = 0; i < ring->depth[queue]; i++) {
			if (!ring_add_entry(ring, queue, place))
				return -ENOMEM;
			place = place ? place + RING_ENTRY_BYTES : NULL;
		}
	}
	return 0;
}

static int open_uring(struct channel_ring *ring)
{
	struct io_uring_params parameters = {
	        .flags = IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
	        .cq_entries = 4096,
	};
	int fd = fuse_session_fd(ring->worker->channel->session);
	int error = io_uring_queue_init_params(256, &ring->uring, &parameters);

	if (error)
		return error;
	error = io_uring_register_files(&ring->uring, &fd, 1);
	if (error)
		io_uring_queue_exit(&ring->uring);
	return error;
}

struct channel_ring *ring_new(struct worker *worker, unsigned number, unsigned of)
{
	struct channel_ring *ring = calloc(1, sizeof(*ring));
	int error = -ENOMEM;

	if (!ring)
		return NULL;
	ring->worker = worker;
	pthread_mutex_init(&ring->mutex, NULL);
	ring->wake_fd = eventfd(0, EFD_CLOEXEC);
	error = ring->wake_fd < 0 ? -errno : open_uring(ring);
	if (!error) {
		ring->is_open = true;
		error = take_queues(ring, number, of);
	}
	if (error)
		goto fail;
	return ring;
fail:
	ring_free(ring);
	errno = -error;
	return NULL;
}

void ring_free(struct channel_ring *ring)
{
	if (!ring)
		return;
	if (ring->is_open)
		io_uring_queue_exit(&ring->uring);
	for (struct ring_entry *entry = ring->entries, *next; entry; entry = next) {
		next = entry->next;
		if (!entry->is_given)
			munmap(entry->place, RING_ENTRY_BYTES);
		free(entry);
	}
	if (ring->wake_fd >= 0)
		close(ring->wake_fd);
	free(ring->depth);
	free(ring->total);
	free(ring->parked);
	free(ring->dry);
	pthread_mutex_destroy(&ring->mutex);
	free(ring);
}
