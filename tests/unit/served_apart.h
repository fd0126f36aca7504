// A server in a process of its own, over a fabric, for tests of the client: it can be held, so that what is sent to it stays under way, and killed.
#ifndef TESTS_SERVED_APART_H
#define TESTS_SERVED_APART_H

#include <stdint.h>
#include <sys/types.h>

#include "fabric/fabric.h"

struct served_apart;

// What serves at the address, in the other process: tells where it listens (served_apart_listens), and does not return.
typedef void served_apart_serve(const struct served_apart *apart, const struct fabric_address *address, int ready);

struct served_apart {
	pid_t pid; // 0 = none runs
	served_apart_serve *serve;
	uint64_t pool_bytes;
	char folder[64]; // of the socket
	char address[400];
};

// Starts one of this provider, "shm" or "tcp", and waits until it listens; it ends with the process that started it.
void served_apart_start(struct served_apart *apart, const char *provider, uint64_t pool_bytes);

// The same by a server that the test has.
void served_apart_start_by(struct served_apart *apart, const char *provider, served_apart_serve *serve);
void served_apart_listens(const struct fabric_address *bound, int ready);

// Another one at the same address, with nothing stored.
void served_apart_start_again(struct served_apart *apart);

// Nothing that comes to it is looked at, once this has returned; and it goes on.
void served_apart_hold(struct served_apart *apart);
void served_apart_go_on(struct served_apart *apart);

// It is gone, held or not, once this has returned.
void served_apart_kill(struct served_apart *apart);

// Kills it if it still runs, and removes what it had in the file system.
void served_apart_end(struct served_apart *apart);

#endif
