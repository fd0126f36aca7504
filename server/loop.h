// An I/O thread: polls the fabrics, dispatches what came in, flushes the replies of each batch, and when nothing has come for a while (fabric/wait.h) arms everything
// and blocks, so that an idle server uses no CPU.
#ifndef SERVER_LOOP_H
#define SERVER_LOOP_H

#include "fabric/fabric.h"
#include "server/server.h"

struct loop;

// `number` of the I/O thread that will run it, 0 for the process's own.
int loop_new(struct server *server, unsigned number, struct loop **loop);

// Disconnects all lanes and ends the listeners. loop_free(NULL) does nothing.
void loop_free(struct loop *loop);

// Listens; `bound` gets the address with the port chosen.
int loop_listen(struct loop *loop, const struct fabric_address *address, struct fabric_address *bound, struct fabric_error *error);

// Whether another loop can share what this one listens on.
bool loop_can_share(const struct loop *loop);

// The calling thread's loop serves, from now on, lanes that come in on the listeners of `first`, in turn with all others that do. `first` does not run meanwhile.
int loop_share(struct loop *loop, struct loop *first, struct fabric_error *error);

// Others look at the server's metrics from now on: the loop publishes them, at least once a second. log_interval_ns: and logs them so often, 0 = never.
void loop_tell_metrics(struct loop *loop, uint64_t log_interval_ns);

// Runs until `stop_fd` becomes readable. 0, or a negative errno if waiting is broken.
int loop_run(struct loop *loop, int stop_fd);

#endif
