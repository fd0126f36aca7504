// Further I/O threads beside the process's own: each has a loop, with lanes that come in on the first one's listeners and are served by it from then on. All are equal in what they do for their
// lanes; who may touch the server is the writer's matter (writer.h).
#ifndef SERVER_IO_THREADS_H
#define SERVER_IO_THREADS_H

#include <sched.h>

#include "server/loop.h"

#define IO_THREADS_MAX 64U // contexts that share listeners (fabric.h)

struct io_threads;

struct io_threads_options {
	unsigned count;        // of all I/O threads, the calling one included; 0: a rule decides
	const cpu_set_t *cpus; // an empty set: any
};

// How many that rule takes on so many CPUs: one on fewer than 8, else one for each 4, and 4 at most: more than clients and handlers of that many CPUs keep busy.
unsigned io_threads_choose(unsigned cpus);

// Starts them, and waits until they serve. `first` listens already, and is run by the calling thread afterwards. Where there are as many CPUs as threads each gets one of its own. *threads is NULL where there
// is to be one alone, or nothing that `first` listens on can be shared, which is logged. A negative errno with its text: none has been started.
int io_threads_start(struct server *server, struct loop *first, const struct io_threads_options *options, struct io_threads **threads,
        struct fabric_error *error);

// Ends them; `first` does not run any more. 0, or the negative errno that has ended one before: it has stopped the process by SIGTERM then. io_threads_stop(NULL) is 0.
int io_threads_stop(struct io_threads *threads);

#endif
