#include "server/io_threads.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "far/log.h"
#include "server/placement.h"

// A loop lives and dies on its own thread: io_uring wants one thread to make and to use its ring. Threads are started one after the other, so what a start shares needs no lock.

struct io_thread {
	struct io_threads *all;
	unsigned number; // the process's own is 0
	pthread_t thread;
	int start_error;
	int end_error;
};

struct io_threads {
	struct server *server;
	struct loop *first;
	struct io_threads_options options;
	int stop_fd; // readable: all end
	sem_t started;
	struct fabric_error reason;
	unsigned count; // started
	struct io_thread threads[IO_THREADS_MAX - 1];
};

unsigned io_threads_choose(unsigned cpus)
{
	unsigned count = cpus < 8 ? 1 : cpus / 4;

	return count < 4 ? count : 4;
}

static void settle_on_cpu(const struct io_threads *threads, unsigned number)
{
	if (CPU_COUNT(threads->options.cpus) >= (int)threads->options.count)
		placement_settle(threads->options.cpus, number);
}

static void *run(void *context)
{
	struct io_thread *thread = context;
	struct io_threads *all = thread->all;
	struct loop *loop = NULL;
	char name[16];
	int error;

	snprintf(name, sizeof(name), "far-io-%u", thread->number);
	pthread_setname_np(pthread_self(), name);
	settle_on_cpu(all, thread->number);
	error = loop_new(all->server, thread->number, &loop);
	if (!error)
		error = loop_share(loop, all->first, &all->reason);
	thread->start_error = error;
	sem_post(&all->started);
	if (!error) {
		thread->end_error = loop_run(loop, all->stop_fd);
		if (thread->end_error) {
			log_error("an I/O thread cannot wait for events: the server stops thread=%u error=\"%s\"", thread->number,
			        strerror(-thread->end_error));
			kill(getpid(), SIGTERM);
		}
	}
	loop_free(loop);
	return NULL;
}

static int start_one(struct io_threads *threads, struct fabric_error *error)
{
	struct io_thread *thread = &threads->threads[threads->count];
	int result;

	*thread = (struct io_thread){.all = threads, .number = threads->count + 1};
	result = -pthread_create(&thread->thread, NULL, run, thread);
	if (!result) {
		while (sem_wait(&threads->started) && errno == EINTR)
			;
		threads->count++;
		result = thread->start_error;
	}
	if (result)
		snprintf(error->text, sizeof(error->text), "%s", threads->reason.text[0] ? threads->reason.text : strerror(-result));
	return result;
}

// NULL: errno says why.
static struct io_threads *threads_new(struct server *server, struct loop *first, const struct io_threads_options *options)
{
	struct io_threads *threads = calloc(1, sizeof(*threads));

	if (!threads)
		return NULL;
	threads->server = server;
	threads->first = first;
	threads->options = *options;
	threads->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (threads->stop_fd < 0) {
		free(threads);
		return NULL;
	}
	sem_init(&threads->started, 0, 0);
	return threads;
}

int io_threads_start(struct server *server, struct loop *first, const struct io_threads_options *options, struct io_threads **out,
        struct fabric_error *error)
{
	struct io_threads_options chosen = *options;
	unsigned cpus = placement_count_cpus(options->cpus);
	struct io_threads *threads;
	int result = 0;

	*out = NULL;
	if (chosen.count == 0)
		chosen.count = loop_can_share(first) ? io_threads_choose(cpus) : 1;
	if (chosen.count > 1 && !loop_can_share(first)) {
		log_warning(
		        "nothing that is listened on can be spread over I/O threads, as tcp can on x86-64: one serves all io_threads=%u",
		        chosen.count);
		chosen.count = 1;
	}
	if (chosen.count == 1)
		return 0;
	if (chosen.count > cpus)
		log_warning("more I/O threads than CPUs io_threads=%u cpus=%u", chosen.count, cpus);
	threads = threads_new(server, first, &chosen);
	if (!threads)
		return -errno;
	writer_share(&server->writer);
	while (!result && threads->count + 1 < chosen.count)
		result = start_one(threads, error);
	if (result) {
		io_threads_stop(threads);
		return result;
	}
	settle_on_cpu(threads, 0);
	log_info("I/O threads serve io_threads=%u", chosen.count);
	*out = threads;
	return 0;
}

int io_threads_stop(struct io_threads *threads)
{
	const uint64_t one = 1;
	int error = 0;

	if (!threads)
		return 0;
	if (write(threads->stop_fd, &one, sizeof(one)) < 0)
		log_error("I/O threads cannot be told to stop error=\"%s\"", strerror(errno));
	for (unsigned i = 0; i < threads->count; i++) {
		pthread_join(threads->threads[i].thread, NULL);
		error = error ? error : threads->threads[i].end_error;
	}
	sem_destroy(&threads->started);
	close(threads->stop_fd);
	free(threads);
	return error;
}
