#include "fsd/channel.h"

#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

// Classic /dev/fuse: every thread reads the one descriptor; the kernel wakes one of those that wait. Once the file system is unmounted every read ends
// with ENODEV, and with it its thread. When a signal ends the daemon instead, the threads finish the request they are at; those that wait for one are woken. The
// descriptor is closed only when no thread reads it any more, so that its number cannot become something else under one of them.

#define LEAVE_TRIES 20U // of LEAVE_NAP_NS: then the process ends without its threads
#define LEAVE_NAP_NS 100000000L

struct worker {
	struct channel *channel;
	void *thread;
	void *buffer;
	pthread_t id;
};

struct channel {
	struct fuse_session *session;
	const struct channel_hooks *hooks;
	pthread_t main;
	_Atomic unsigned running;
	unsigned begun;
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
