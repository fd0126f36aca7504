#include "fsd/channel_ring.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "far/clock.h"
#include "far/log.h"
#include "fsd/profiling.h"

// FUSE over io_uring: the kernel puts requests into entries that we have given it, and wakes us; we answer in the entry and give it back, which asks for the next request. The kernel has a
// queue for each processor; a request comes by the queue of the processor that its program runs on. One thread serves a queue, pinned to that processor, so nothing is handed over.
//
// A request that is answered later (a lock is waited for) keeps its entry. Another one takes its place, so that the queue never runs dry. Whoever answers it fills the entry and has the
// ring's thread give it back: only that one may touch its io_uring.
//
// An entry is the kernel's header block, and behind a page the payload: a request's names or data, then its answer's data. The request's header and first argument are put right before the
// payload, where libfuse finds them in one piece with it.

#define SUBMIT_NS 20000ULL // answers wait for each other at most so long
#define AGAIN_NS 100000L
#define SUBMIT_TRIES 1000
#define SUBMIT_NAP_NS 1000000L
#define WAKE_DATA 0ULL // user_data of the wake-up's read; entries have their address

// --- submissions ---

static void give_up(struct channel_ring *ring, const char *why, int error)
{
	log_error("%s: %s; mount with -o ring=off", why, strerror(-error));
	ring->is_over = true;
	fuse_session_exit(ring->worker->channel->session);
	pthread_kill(ring->worker->channel->main, SIGUSR1);
}

// NULL: the kernel takes nothing any more, and the mount ends.
static struct io_uring_sqe *next_sqe(struct channel_ring *ring)
{
	const struct timespec nap = {.tv_nsec = SUBMIT_NAP_NS};
	int result = 0;

	for (int i = 0; i < SUBMIT_TRIES; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

		if (sqe)
			return sqe;
		result = io_uring_submit(&ring->uring);
		if (result <= 0)
			nanosleep(&nap, NULL); // short of memory
	}
	give_up(ring, "the kernel takes no answers by the ring", result);
	return NULL;
}

static void command(struct channel_ring *ring, struct ring_entry *entry, uint32_t number)
{
	struct io_uring_sqe *sqe = next_sqe(ring);
	struct fuse_uring_cmd_req *request;
	bool is_register = number == FUSE_IO_URING_CMD_REGISTER;

	if (!sqe)
		return;
	request = (struct fuse_uring_cmd_req *)(void *)sqe->cmd;
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, 0, is_register ? entry->parts : NULL, is_register ? 2 : 0, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	sqe->cmd_op = number;
	*request = (struct fuse_uring_cmd_req){.qid = entry->queue};
	if (!is_register)
		request->commit_id = entry->header->ring_ent_in_out.commit_id;
	if (!is_register)
		ring->dry[entry->queue] = 0;
	io_uring_sqe_set_data(sqe, entry);
}

static void listen_for_wakes(struct channel_ring *ring)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	if (!sqe)
		return;
	io_uring_prep_read(sqe, ring->wake_fd, &ring->wakes, sizeof(ring->wakes), 0);
	sqe->user_data = WAKE_DATA;
}

// --- entries ---

struct ring_entry *ring_add_entry(struct channel_ring *ring, unsigned queue, void *place)
{
	struct ring_entry *entry = calloc(1, sizeof(*entry));
	void *memory = place ? place : MAP_FAILED;

	if (entry && !place)
		memory = mmap(NULL, RING_ENTRY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!entry || memory == MAP_FAILED) {
		free(entry);
		return NULL;
	}
	entry->is_given = place != NULL;
	entry->ring = ring;
	entry->queue = (uint16_t)queue;
	entry->place = memory;
	entry->header = (struct fuse_uring_req_header *)(void *)((char *)memory + CHANNEL_BUFFER);
	entry->parts[0] = (struct iovec){entry->header, sizeof(*entry->header)};
	entry->parts[1] = (struct iovec){(char *)memory + CHANNEL_PAGE, CHANNEL_BUFFER - CHANNEL_PAGE};
	pthread_mutex_lock(&ring->mutex); // others may be looking for theirs
	entry->next = ring->entries;
	ring->entries = entry;
	pthread_mutex_unlock(&ring->mutex);
	return entry;
}

// Data of an answer, gathered where the kernel takes it from; what has been put there already stays.
static void fill(struct ring_entry *entry, const struct iovec *parts, int count)
{
	char *payload = entry->parts[1].iov_base;
	size_t length = 0;

	memcpy(entry->header->in_out, parts[0].iov_base, sizeof(struct fuse_out_header));
	for (int i = 1; i < count && length + parts[i].iov_len <= entry->parts[1].iov_len; i++) {
		if (parts[i].iov_base != payload + length)
			memmove(payload + length, parts[i].iov_base, parts[i].iov_len);
		length += parts[i].iov_len;
	}
	entry->header->ring_ent_in_out.payload_sz = (uint32_t)length;
}

// --- answers ---

void ring_wake(struct channel_ring *ring)
{
	uint64_t one = 1;

	if (write(ring->wake_fd, &one, sizeof(one)) < 0)
		log_error("a ring cannot be woken: %s", strerror(errno));
}

// Under the ring's mutex. NULL: it did not come by this ring, or is answered.
static struct ring_entry *find_unanswered(const struct channel_ring *ring, uint64_t unique)
{
	struct ring_entry *entry = ring->entries;

	while (entry && atomic_load_explicit(&entry->unique, memory_order_relaxed) != unique)
		entry = entry->next;
	return entry;
}

// By another thread, or by this one for an earlier request.
static bool answer_later(struct channel_ring *ring, uint64_t unique, const struct iovec *parts, int count)
{
	struct ring_entry *entry;

	pthread_mutex_lock(&ring->mutex);
	entry = find_unanswered(ring, unique);
	if (entry) {
		atomic_store_explicit(&entry->unique, 0, memory_order_relaxed);
		entry->is_parked = false;
		fill(entry, parts, count);
		entry->next_answered = ring->answered;
		ring->answered = entry;
	}
	pthread_mutex_unlock(&ring->mutex);
	if (entry)
		ring_wake(ring);
	return entry != NULL;
}

bool ring_answer(struct channel *channel, const struct iovec *parts, int count)
{
	const struct fuse_out_header *header = parts[0].iov_base;
	struct channel_ring *own = channel_worker ? channel_worker->ring : NULL;
	struct ring_entry *current = own ? own->current : NULL;

	if (current && current->header_unique == header->unique) {
		fill(current, parts, count);
		atomic_store_explicit(&current->unique, 0, memory_order_relaxed);
		own->is_answered = true;
		return true;
	}
	if (header->unique == 0 || !(channel->agreed & FUSE_OVER_IO_URING)) // a notification
		return false;
	for (unsigned i = 1; i < channel->begun; i++)
		if (channel->workers[i].ring && answer_later(channel->workers[i].ring, header->unique, parts, count))
			return true;
	return false;
}

static bool has_parked(struct channel_ring *ring, uint64_t unique)
{
	const struct ring_entry *entry;
	bool is_parked;

	pthread_mutex_lock(&ring->mutex);
	entry = find_unanswered(ring, unique);
	is_parked = entry && entry->is_parked;
	pthread_mutex_unlock(&ring->mutex);
	return is_parked;
}

bool ring_has_parked(struct channel *channel, uint64_t unique)
{
	for (unsigned i = 1; i < channel->begun; i++)
		if (channel->workers[i].ring && has_parked(channel->workers[i].ring, unique))
			return true;
	return false;
}

static void give_back_answered(struct channel_ring *ring)
{
	struct ring_entry *entry;

	pthread_mutex_lock(&ring->mutex);
	entry = ring->answered;
	ring->answered = NULL;
	pthread_mutex_unlock(&ring->mutex);
	for (; entry; entry = entry->next_answered) {
		ring->parked[entry->queue]--;
		command(ring, entry, FUSE_IO_URING_CMD_COMMIT_AND_FETCH);
	}
}

// --- requests ---

// In one piece before the payload. NULL: it is not what the kernel sends.
static struct fuse_in_header *put_together(const struct ring_entry *entry)
{
	const struct fuse_in_header *header = (const struct fuse_in_header *)(const void *)entry->header->in_out;
	size_t behind = entry->header->ring_ent_in_out.payload_sz;
	size_t argument = header->len - sizeof(*header) - behind;
	char *start = (char *)entry->parts[1].iov_base - argument - sizeof(*header);

	if (header->len < sizeof(*header) + behind || argument > sizeof(entry->header->op_in) || behind > entry->parts[1].iov_len)
		return NULL;
	memcpy(start, header, sizeof(*header));
	memcpy(start + sizeof(*header), entry->header->op_in, argument);
	return (struct fuse_in_header *)(void *)start;
}

// It will be answered later: another entry takes its place.
static void park(struct channel_ring *ring, struct ring_entry *entry)
{
	unsigned queue = entry->queue;
	struct ring_entry *other;

	pthread_mutex_lock(&ring->mutex);
	entry->is_parked = true;
	pthread_mutex_unlock(&ring->mutex);
	ring->parked[queue]++;
	ring->dry[queue] = ((const struct fuse_in_header *)(const void *)entry->header->in_out)->nodeid;
	ring->is_any_dry = true;
	interrupts_say(ring->worker->channel, entry->header_unique);
	if (ring->total[queue] - ring->parked[queue] >= ring->depth[queue])
		return;
	other = ring_add_entry(ring, queue, NULL);
	if (!other) {
		log_error("no memory to serve beside a request that waits");
		return;
	}
	ring->total[queue]++;
	command(ring, other, FUSE_IO_URING_CMD_REGISTER);
}

static void answer_alone(struct ring_entry *entry, uint64_t unique, int error)
{
	struct fuse_out_header header = {.len = sizeof(header), .error = error, .unique = unique};

	fill(entry, &(struct iovec){&header, sizeof(header)}, 1);
	atomic_store_explicit(&entry->unique, 0, memory_order_relaxed);
	command(entry->ring, entry, FUSE_IO_URING_CMD_COMMIT_AND_FETCH);
}

static void serve(struct channel_ring *ring, struct ring_entry *entry)
{
	struct worker *worker = ring->worker;
	struct fuse_in_header *request = put_together(entry);
	bool is_forget;

	if (!request) {
		const struct fuse_in_header *header = (const struct fuse_in_header *)(const void *)entry->header->in_out;

		log_error("a request of %u bytes with %u of payload is none", header->len, entry->header->ring_ent_in_out.payload_sz);
		answer_alone(entry, header->unique, -EIO);
		return;
	}
	if (request->opcode == FUSE_NOTIFY_REPLY) { // ring_kick
		answer_alone(entry, request->unique, 0);
		return;
	}
	is_forget = request->opcode == FUSE_FORGET || request->opcode == FUSE_BATCH_FORGET;
	worker->place = entry->parts[1].iov_base;
	worker->request = request;
	entry->header_unique = request->unique;
	atomic_store_explicit(&entry->unique, request->unique, memory_order_relaxed);
	ring->current = entry;
	ring->is_answered = false;
	ring->is_deferred = false;
	channel_process(worker, request, request->len);
	ring->current = NULL;
	if (is_forget) // that a listing causes: it comes by the ring, unlike others, and is waited for although it has no answer
		answer_alone(entry, entry->header_unique, 0);
	else if (ring->is_answered)
		command(ring, entry, FUSE_IO_URING_CMD_COMMIT_AND_FETCH);
	else if (!ring->is_deferred)
		park(ring, entry);
}

// --- requests that wait for those that came with them ---

struct channel_later *ring_defer(struct channel_ring *ring, bool is_alone)
{
	if (!is_alone && ring->deferred == 0 && io_uring_cq_ready(&ring->uring) == 0)
		return NULL;
	ring->is_deferred = true;
	ring->deferred++;
	return (struct channel_later *)(void *)ring->current;
}

static void give_back_current(struct channel_ring *ring)
{
	if (ring->current && ring->is_answered) {
		command(ring, ring->current, FUSE_IO_URING_CMD_COMMIT_AND_FETCH);
		ring->deferred--;
	}
	ring->current = NULL;
}

void ring_resume(struct channel_ring *ring, struct channel_later *later)
{
	struct ring_entry *entry = (struct ring_entry *)(void *)later;

	give_back_current(ring);
	ring->current = entry;
	ring->is_answered = false;
	ring->worker->request = put_together(entry);
	ring->worker->place = entry->parts[1].iov_base;
}

static void finish_deferred(struct channel_ring *ring)
{
	const struct channel_hooks *hooks = ring->worker->channel->hooks;
	uint64_t begun;

	if (ring->deferred == 0)
		return;
	begun = profiling_begin();
	hooks->finish(hooks->context);
	profiling_end(begun, hooks->slow_ms, 0, 0);
	give_back_current(ring);
}

// What the kernel says of an entry when it gives no request with it.
static void lose(struct channel_ring *ring, int error)
{
	if (error == -ENOTCONN || error == -ECANCELED || error == -ECONNABORTED) {
		ring->is_over = true; // unmounted
		return;
	}
	give_up(ring, "the kernel refuses an entry of the ring", error);
}

static void take(struct channel_ring *ring, const struct io_uring_cqe *cqe)
{
	struct ring_entry *entry = io_uring_cqe_get_data(cqe);
	int result = cqe->res;

	io_uring_cqe_seen(&ring->uring, (struct io_uring_cqe *)(uintptr_t)cqe);
	if (!entry) {
		listen_for_wakes(ring);
		give_back_answered(ring);
	} else if (result < 0) {
		lose(ring, result);
	} else {
		serve(ring, entry);
	}
}

// All that is there now: what comes meanwhile comes after what was put off, and what others answered. Answers go out with the next wait for requests, unless that takes long.
static void take_all(struct channel_ring *ring)
{
	unsigned left = io_uring_cq_ready(&ring->uring);
	uint64_t since = clock_now_ns();
	struct io_uring_cqe *cqe;

	for (; left > 0 && io_uring_peek_cqe(&ring->uring, &cqe) == 0; left--) {
		take(ring, cqe);
		if (clock_now_ns() - since < SUBMIT_NS)
			continue;
		io_uring_submit(&ring->uring);
		since = clock_now_ns();
	}
	finish_deferred(ring);
}

static void pin(const struct channel_ring *ring)
{
	cpu_set_t one;

	if (ring->processor < 0)
		return;
	CPU_ZERO(&one);
	CPU_SET(ring->processor, &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

// What is put off still is looked at again soon.
static int submit_and_wait(struct channel_ring *ring)
{
	struct __kernel_timespec soon = {.tv_nsec = AGAIN_NS};
	struct io_uring_cqe *cqe;

	if (ring->deferred == 0)
		return io_uring_submit_and_wait(&ring->uring, 1);
	return io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, &soon, NULL);
}

// Requests that came while all entries of a queue were under way are taken up only when one is given back, and those of requests that wait are not.
static void kick_dry_queues(struct channel_ring *ring)
{
	unsigned left = ring->queues;

	if (!ring->is_any_dry)
		return;
	ring->is_any_dry = false;
	io_uring_submit(&ring->uring); // their new entries come first
	while (left-- > 0) {
		if (ring->dry[left])
			ring_kick(ring, left, ring->dry[left]);
		ring->dry[left] = 0;
	}
}

void ring_serve(struct channel_ring *ring)
{
	const struct fuse_session *session = ring->worker->channel->session;

	pin(ring);
	listen_for_wakes(ring);
	for (struct ring_entry *entry = ring->entries; entry; entry = entry->next)
		command(ring, entry, FUSE_IO_URING_CMD_REGISTER);
	while (!ring->is_over && !fuse_session_exited((struct fuse_session *)(uintptr_t)session)) {
		int result = submit_and_wait(ring);

		if (result < 0 && result != -EINTR && result != -EAGAIN && result != -EBUSY && result != -ETIME) {
			log_error("a ring ends: %s", strerror(-result));
			break;
		}
		take_all(ring);
		kick_dry_queues(ring);
	}
	// Answers of the last turn; then the kernel gets back what it has given us meanwhile.
	io_uring_submit(&ring->uring);
	io_uring_queue_exit(&ring->uring);
	ring->is_open = false;
}
