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
// with ENODEV, and with it its thread.

#define LEAVE_SECONDS 2 // a busy file system is detached: its descriptor ends with the process

struct channel {
	struct fuse_session *session;
	const struct channel_hooks *hooks;
	pthread_t main;
	_Atomic unsigned running;
};

struct worker {
	struct channel *channel;
	void *thread;
	void *buffer;
	pthread_t id;
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

void channel_block_signals(void)
{
	sigset_t set;

	end_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
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
	channel->hooks->thread_end(channel->hooks->context, worker->thread);
	atomic_fetch_sub_explicit(&channel->running, 1, memory_order_release); // pairs with the acquire in wait_for_end
	pthread_kill(channel->main, SIGUSR1);
	return NULL;
}

static void wait_for_end(struct channel *channel)
{
	struct timespec limit = {.tv_sec = LEAVE_SECONDS};
	bool is_leaving = false;
	sigset_t set;

	end_signals(&set);
	while (atomic_load_explicit(&channel->running, memory_order_acquire) > 0) {
		int number = sigtimedwait(&set, NULL, is_leaving ? &limit : NULL);

		if (number < 0 && errno == EAGAIN)
			break;
		if (number < 0 || is_leaving)
			continue;
		fuse_session_exit(channel->session);
		fuse_session_unmount(channel->session);
		is_leaving = true;
	}
}

int channel_serve(struct fuse_session *session, unsigned threads, const struct channel_hooks *hooks)
{
	struct channel channel = {.session = session, .hooks = hooks, .main = pthread_self()};
	struct worker *workers = calloc(threads, sizeof(*workers));
	unsigned begun = 0;

	if (!workers)
		return -ENOMEM;
	for (unsigned i = 0; i < threads; i++) {
		struct worker *worker = &workers[begun];

		worker->channel = &channel;
		worker->thread = hooks->thread_begin(hooks->context, CHANNEL_BUFFER, &worker->buffer);
		if (!worker->thread)
			continue;
		atomic_fetch_add_explicit(&channel.running, 1, memory_order_relaxed);
		if (pthread_create(&worker->id, NULL, work, worker) == 0) {
			begun++;
			continue;
		}
		atomic_fetch_sub_explicit(&channel.running, 1, memory_order_relaxed);
		hooks->thread_end(hooks->context, worker->thread);
	}
	if (begun > 0)
		wait_for_end(&channel);
	if (atomic_load_explicit(&channel.running, memory_order_acquire) == 0) {
		for (unsigned i = 0; i < begun; i++)
			pthread_join(workers[i].id, NULL);
		free(workers);
	}
	return begun > 0 ? 0 : -ENOMEM;
}
