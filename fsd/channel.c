#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "far/log.h"
#include "fsd/channel_inside.h"
#include "fsd/fuse_kernel.h"
#include "fsd/profiling.h"

// Threads and their ends. The first one reads /dev/fuse in any case: INIT comes there, and later what never comes by a ring (FORGET, INTERRUPT). Where rings are to be had, each other thread
// prepares one, before INIT is answered: once the kernel has been told of rings it waits for them. The answer to INIT tells whether they are used; if not, all read /dev/fuse.

#define LEAVE_TRIES 20U // of LEAVE_NAP_NS: then the process ends without its threads
#define LEAVE_NAP_NS 100000000L

_Thread_local struct worker *channel_worker;

void *channel_thread(void)
{
	return channel_worker->thread;
}

void *channel_place(void)
{
	return channel_worker->place;
}

const struct fuse_in_header *channel_request(void)
{
	return channel_worker->request;
}

void channel_counts(uint64_t counts[CHANNEL_OPCODES])
{
	const struct channel *channel = channel_worker->channel;

	memset(counts, 0, CHANNEL_OPCODES * sizeof(*counts));
	for (unsigned i = 0; i < channel->begun; i++)
		for (unsigned opcode = 0; opcode < CHANNEL_OPCODES; opcode++)
			counts[opcode] += atomic_load_explicit(&channel->workers[i].counts[opcode], memory_order_relaxed);
}

bool channel_has_agreed(uint64_t init_flag)
{
	return channel_worker->channel->agreed & init_flag;
}

int channel_answer(const struct fuse_in_header *request, int error, const void *bytes, size_t length)
{
	struct fuse_out_header header = {
	        .len = (uint32_t)(sizeof(header) + (error ? 0 : length)), .error = error, .unique = request->unique};
	struct iovec parts[] = {{&header, sizeof(header)}, {(void *)(uintptr_t)bytes, error ? 0 : length}};

	return answer_send(fuse_session_fd(channel_worker->channel->session), parts, 2) < 0 ? -errno : 0;
}

struct channel_later *channel_defer(bool is_alone)
{
	return channel_worker->ring && channel_worker->channel->hooks->finish ? ring_defer(channel_worker->ring, is_alone) : NULL;
}

void channel_resume(struct channel_later *later)
{
	ring_resume(channel_worker->ring, later);
}

static const char *name_of(const struct channel *channel)
{
	return channel->agreed & FUSE_OVER_IO_URING ? "ring" : "classic";
}

const char *channel_name(void)
{
	return name_of(channel_worker->channel);
}

// --- requests ---

static void count(struct worker *worker, uint32_t opcode)
{
	_Atomic uint64_t *counter = &worker->counts[opcode < CHANNEL_OPCODES ? opcode : 0];

	// Nobody else writes it, so adding needs no lock.
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

// From now on it is known how requests come.
static void settle(struct channel *channel)
{
	pthread_mutex_lock(&channel->mutex);
	channel->is_settled = true;
	pthread_cond_broadcast(&channel->changed);
	pthread_mutex_unlock(&channel->mutex);
}

void channel_process(struct worker *worker, struct fuse_in_header *request, size_t length)
{
	const struct channel_hooks *hooks = worker->channel->hooks;
	const struct fuse_buf buffer = {.mem = request, .size = length};
	bool is_init = request->opcode == FUSE_INIT;
	uint32_t opcode = request->opcode;
	uint64_t id = request->nodeid, begun = profiling_begin();

	count(worker, opcode);
	if (!hooks->newer || !hooks->newer(hooks->context, request))
		fuse_session_process_buf(worker->channel->session, &buffer);
	profiling_end(begun, hooks->slow_ms, opcode, id);
	if (is_init)
		settle(worker->channel);
}

// --- threads ---

static void end_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1); // a thread has ended
}

// SIGUSR2 only makes a thread's read return.
static void wake(int number)
{
	(void)number;
}

void channel_block_signals(void)
{
	struct sigaction action = {.sa_handler = wake}; // no SA_RESTART
	sigset_t set;

	end_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGUSR2, &action, NULL);
}

static void await(struct channel *channel, bool (*is_so)(const struct channel *))
{
	pthread_mutex_lock(&channel->mutex);
	while (!is_so(channel))
		pthread_cond_wait(&channel->changed, &channel->mutex);
	pthread_mutex_unlock(&channel->mutex);
}

static bool is_prepared(const struct channel *channel)
{
	return channel->is_settled || (channel->is_complete && channel->prepared == channel->begun - 1);
}

static bool is_settled(const struct channel *channel)
{
	return channel->is_settled;
}

// Worker 0: reads /dev/fuse once the others are ready.
static void begin_with_init(struct worker *worker)
{
	struct channel *channel = worker->channel;

	await(channel, is_prepared);
	if (channel->rings < channel->ring_count)
		channel->rings = 0; // all or none
	if (channel->rings || channel->hooks->way != CHANNEL_RING)
		classic_serve(worker);
	settle(channel); // also where INIT never came
}

static void serve_when_settled(struct worker *worker)
{
	struct channel *channel = worker->channel;
	unsigned number = (unsigned)(worker - channel->workers) - 1;
	struct channel_ring *ring = NULL;

	if (channel->wants_rings) {
		ring = ring_new(worker, number, channel->ring_count);
		if (!ring)
			log_warning("a ring cannot be prepared, so requests go by /dev/fuse: %s", strerror(errno));
	}
	pthread_mutex_lock(&channel->mutex);
	worker->ring = ring;
	channel->prepared++;
	channel->rings += ring != NULL;
	pthread_cond_broadcast(&channel->changed);
	pthread_mutex_unlock(&channel->mutex);
	await(channel, is_settled);
	if (channel->agreed & FUSE_OVER_IO_URING)
		ring_serve(ring);
	else if (channel->hooks->way != CHANNEL_RING)
		classic_serve(worker);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct channel *channel = worker->channel;

	channel_worker = worker;
	if (worker == channel->workers)
		begin_with_init(worker);
	else
		serve_when_settled(worker);
	atomic_fetch_sub_explicit(&channel->running, 1, memory_order_release); // pairs with the acquire in is_running
	pthread_kill(channel->main, SIGUSR1);
	return NULL;
}

static bool is_running(const struct channel *channel)
{
	return atomic_load_explicit(&channel->running, memory_order_acquire) > 0;
}

// One thread's end, by ENODEV, is the end of all. Waking is repeated: a thread may just be about to read.
static void wait_for_end(struct channel *channel)
{
	struct timespec nap = {.tv_nsec = LEAVE_NAP_NS};
	bool is_leaving = false;
	unsigned tries = 0;
	sigset_t set;

	end_signals(&set);
	while (is_running(channel) && tries < LEAVE_TRIES) {
		int number = is_leaving ? sigtimedwait(&set, NULL, &nap) : sigwaitinfo(&set, NULL);

		if (number < 0 && errno == EINTR)
			continue;
		tries += number < 0;
		is_leaving = true;
		fuse_session_exit(channel->session);
		settle(channel);
		for (unsigned i = 0; i < channel->begun; i++) {
			pthread_kill(channel->workers[i].id, SIGUSR2);
			if (channel->workers[i].ring)
				ring_wake(channel->workers[i].ring);
		}
	}
}

static int begin_thread(struct channel *channel)
{
	struct worker *worker = &channel->workers[channel->begun];
	const struct channel_hooks *hooks = channel->hooks;
	int error;

	worker->channel = channel;
	worker->thread = hooks->thread_begin(hooks->context, CHANNEL_BUFFER, &worker->buffer);
	if (!worker->thread)
		return -ENOMEM;
	atomic_fetch_add_explicit(&channel->running, 1, memory_order_relaxed);
	error = pthread_create(&worker->id, NULL, work, worker);
	if (error) {
		atomic_fetch_sub_explicit(&channel->running, 1, memory_order_relaxed);
		hooks->thread_end(hooks->context, worker->thread);
		return -error;
	}
	channel->begun++;
	return 0;
}

static void end_thread(const struct channel *channel, struct worker *worker)
{
	pthread_join(worker->id, NULL);
	ring_free(worker->ring);
	channel->hooks->thread_end(channel->hooks->context, worker->thread);
}

static bool wants_rings(const struct channel_hooks *hooks)
{
	return hooks->way != CHANNEL_CLASSIC && channel_is_ring_offered();
}

static struct channel *channel_new(struct fuse_session *session, unsigned threads, const struct channel_hooks *hooks)
{
	struct channel *channel = calloc(1, sizeof(*channel) + (threads + 1) * sizeof(channel->workers[0]));

	if (!channel)
		return NULL;
	channel->session = session;
	channel->hooks = hooks;
	channel->main = pthread_self();
	channel->ring_count = threads;
	pthread_mutex_init(&channel->mutex, NULL);
	pthread_cond_init(&channel->changed, NULL);
	return channel;
}

static void channel_free(struct channel *channel)
{
	pthread_mutex_destroy(&channel->mutex);
	pthread_cond_destroy(&channel->changed);
	free(channel);
}

// One more for rings: /dev/fuse has a reader still.
static void begin_threads(struct channel *channel, unsigned threads)
{
	unsigned wanted = threads + channel->wants_rings;

	for (unsigned i = 0; i < wanted; i++)
		begin_thread(channel);
	pthread_mutex_lock(&channel->mutex);
	channel->is_complete = true;
	pthread_cond_broadcast(&channel->changed);
	pthread_mutex_unlock(&channel->mutex);
}

int channel_serve(struct fuse_session *session, unsigned threads, const struct channel_hooks *hooks)
{
	struct channel *channel = channel_new(session, threads, hooks);
	bool is_refused;

	if (!channel)
		return -ENOMEM;
	channel->wants_rings = answer_watch(channel) && wants_rings(hooks);
	begin_threads(channel, threads);
	if (channel->begun == 0) {
		answer_unwatch();
		channel_free(channel);
		return -ENOMEM;
	}
	await(channel, is_settled);
	is_refused = hooks->way == CHANNEL_RING && !(channel->agreed & FUSE_OVER_IO_URING);
	if (hooks->begun && !is_refused)
		hooks->begun(hooks->context, name_of(channel));
	wait_for_end(channel);
	if (is_running(channel))
		return -EBUSY; // what a thread may still use stays
	answer_unwatch();
	for (unsigned i = 0; i < channel->begun; i++)
		end_thread(channel, &channel->workers[i]);
	channel_free(channel);
	return is_refused ? -EOPNOTSUPP : 0;
}
