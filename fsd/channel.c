#include "fsd/channel.h"

#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "fsd/fuse_kernel.h"

// Classic /dev/fuse: every thread reads the one descriptor; the kernel wakes one of those that wait. Once the file system is unmounted every read ends
// with ENODEV, and with it its thread. When a signal ends the daemon instead, the threads finish the request they are at; those that wait for one are woken. The
// descriptor is closed only when no thread reads it any more, so that its number cannot become something else under one of them.
//
// libfuse parses and answers; two things pass by it, since an older one does not know them: operations that hooks.newer answers, and flags of INIT. Those are put into libfuse's own
// answer to INIT on its way out, which its hook for custom input and output lets us see.

#define LEAVE_TRIES 20U // of LEAVE_NAP_NS: then the process ends without its threads
#define LEAVE_NAP_NS 100000000L

struct worker {
	struct channel *channel;
	void *thread;
	void *buffer;
	pthread_t id;
	_Atomic uint64_t counts[CHANNEL_OPCODES]; // its own to write, for all to read
};

struct channel {
	struct fuse_session *session;
	const struct channel_hooks *hooks;
	pthread_t main;
	_Atomic unsigned running;
	unsigned begun;
	uint64_t agreed; // set while INIT is answered, before the kernel sends anything else
	struct worker workers[];
};

static _Thread_local struct worker *this_worker;

void *channel_thread(void)
{
	return this_worker->thread;
}

void *channel_buffer(void)
{
	return this_worker->buffer;
}

const struct fuse_in_header *channel_request(void)
{
	return this_worker->buffer;
}

static void count(struct worker *worker)
{
	uint32_t opcode = ((const struct fuse_in_header *)worker->buffer)->opcode;
	_Atomic uint64_t *counter = &worker->counts[opcode < CHANNEL_OPCODES ? opcode : 0];

	// Nobody else writes it, so adding needs no lock.
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

void channel_counts(uint64_t counts[CHANNEL_OPCODES])
{
	const struct channel *channel = this_worker->channel;

	memset(counts, 0, CHANNEL_OPCODES * sizeof(*counts));
	for (unsigned i = 0; i < channel->begun; i++)
		for (unsigned opcode = 0; opcode < CHANNEL_OPCODES; opcode++)
			counts[opcode] += atomic_load_explicit(&channel->workers[i].counts[opcode], memory_order_relaxed);
}

bool channel_has_agreed(uint64_t init_flag)
{
	return this_worker->channel->agreed & init_flag;
}

int channel_answer(const struct fuse_in_header *request, int error, const void *bytes, size_t length)
{
	struct fuse_out_header header = {
	        .len = (uint32_t)(sizeof(header) + (error ? 0 : length)), .error = error, .unique = request->unique};
	struct iovec parts[] = {{&header, sizeof(header)}, {(void *)(uintptr_t)bytes, error ? 0 : length}};

	return writev(fuse_session_fd(this_worker->channel->session), parts, 2) < 0 ? -errno : 0;
}

// --- INIT ---

static uint64_t offered_flags(const struct fuse_init_in *offer)
{
	return offer->flags | (offer->flags & FUSE_INIT_EXT ? (uint64_t)offer->flags2 << 32 : 0);
}

// Adds our flags to an answer to INIT.
static void agree(struct channel *channel, const struct fuse_init_in *offer, struct fuse_init_out *answer)
{
	channel->agreed = offered_flags(offer) & channel->hooks->init_flags;
	answer->flags |= (uint32_t)channel->agreed;
	if (channel->agreed >> 32) {
		answer->flags |= FUSE_INIT_EXT;
		answer->flags2 |= (uint32_t)(channel->agreed >> 32);
	}
}

static bool is_init_answer(const struct iovec *parts, int count)
{
	const struct fuse_in_header *request = this_worker ? channel_request() : NULL;
	const struct fuse_out_header *header = parts[0].iov_base;

	return request && request->opcode == FUSE_INIT && count == 2 && parts[0].iov_len == sizeof(*header) && header->error == 0 &&
	       header->unique == request->unique && parts[1].iov_len >= sizeof(struct fuse_init_out);
}

static ssize_t write_answer(int fd, struct iovec *parts, int count, void *userdata)
{
	(void)userdata;
	if (is_init_answer(parts, count))
		agree(this_worker->channel, (const struct fuse_init_in *)(channel_request() + 1), parts[1].iov_base);
	return writev(fd, parts, count);
}

static ssize_t read_request(int fd, void *buffer, size_t length, void *userdata)
{
	(void)userdata;
	return read(fd, buffer, length);
}

// A libfuse that does not take the hook answers INIT by itself: then nothing more is agreed on.
static void watch_init(struct fuse_session *session)
{
	static const struct fuse_custom_io io = {.writev = write_answer, .read = read_request};

	fuse_session_custom_io(session, &io, fuse_session_fd(session));
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

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct channel *channel = worker->channel;

	this_worker = worker;
	while (!fuse_session_exited(channel->session)) {
		struct fuse_buf request = {.mem = worker->buffer};
		int got = fuse_session_receive_buf(channel->session, &request);

		if (got == -EINTR)
			continue;
		if (got <= 0)
			break;
		count(worker);
		if (!channel->hooks->newer || !channel->hooks->newer(channel->hooks->context, request.mem))
			fuse_session_process_buf(channel->session, &request);
	}
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
		for (unsigned i = 0; i < channel->begun; i++)
			pthread_kill(channel->workers[i].id, SIGUSR2);
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
	channel->hooks->thread_end(channel->hooks->context, worker->thread);
}

int channel_serve(struct fuse_session *session, unsigned threads, const struct channel_hooks *hooks)
{
	struct channel *channel = calloc(1, sizeof(*channel) + threads * sizeof(channel->workers[0]));

	if (!channel)
		return -ENOMEM;
	channel->session = session;
	channel->hooks = hooks;
	channel->main = pthread_self();
	watch_init(session);
	for (unsigned i = 0; i < threads; i++)
		begin_thread(channel);
	if (channel->begun == 0) {
		free(channel);
		return -ENOMEM;
	}
	if (hooks->begun)
		hooks->begun(hooks->context);
	wait_for_end(channel);
	if (is_running(channel))
		return -EBUSY; // what a thread may still use stays
	for (unsigned i = 0; i < channel->begun; i++)
		end_thread(channel, &channel->workers[i]);
	free(channel);
	return 0;
}
