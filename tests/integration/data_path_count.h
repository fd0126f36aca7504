// What an operation costs, counted: by libfar's session (messages, reads, writes, doorbells), by the server (handlers, processor time) and, over rdma, by the devices (packets).
#ifndef TESTS_DATA_PATH_COUNT_H
#define TESTS_DATA_PATH_COUNT_H

#include "tests/integration/libfar_testing.h"

// Per operation. What a provider does not have is not looked at: doorbells and the devices' messages are of rdma alone.
struct cost {
	unsigned requests; // messages to the server
	unsigned reads;
	unsigned writes;
	unsigned more; // reads, or writes, of all operations together: for what came to lie across two grants
	unsigned doorbells;
	unsigned handlers; // requests that the server handled
	bool is_idle;      // the server's process does not run at all (where the provider is one-sided)
};

struct counting {
	const char *provider;
	far_session *session; // the one that is counted
	far_session *watcher; // asks the server how many requests it has handled
	int server_pid;
	uint64_t operations; // run by expect_cost so far
};

int counting_begin(void **state);
int counting_end(void **state);

bool is_over(const struct counting *counting, const char *provider);

// Runs `operation` on i = 0..count-1, counts, prints what one of them costs and fails where it is not `expected`, exactly, in the sum of all. Where the server shall not have run at all and has, it is done again, up to four times.
typedef void counted(struct counting *counting, void *context, unsigned i);
void expect_cost(struct counting *counting, const char *name, unsigned count, struct cost expected, counted *operation, void *context);

#endif
