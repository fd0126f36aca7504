#include "server/writer.h"

// The mutex is of the kind that polls for a while before it sleeps: mostly it is had within the microsecond or two that a few requests take.

int writer_init(struct writer *writer)
{
	pthread_mutexattr_t attributes;
	int error = pthread_mutexattr_init(&attributes);

	if (error)
		return -error;
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
	error = pthread_mutex_init(&writer->role, &attributes);
	pthread_mutexattr_destroy(&attributes);
	return -error;
}

void writer_fini(struct writer *writer)
{
	pthread_mutex_destroy(&writer->role);
}

void writer_wait(struct writer *writer, unsigned io_thread)
{
	atomic_fetch_add_explicit(&writer->waiting, 1, memory_order_relaxed);
	pthread_mutex_lock(&writer->role);
	atomic_fetch_sub_explicit(&writer->waiting, 1, memory_order_relaxed);
	if (io_thread != 0)
		writer->served++;
}

void writer_share(struct writer *writer)
{
	writer->is_shared = true;
}
