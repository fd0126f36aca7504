// far top: what happened between two looks at the server's counts, and how it is shown.
#ifndef CLI_TOP_H
#define CLI_TOP_H

#include <stdbool.h>
#include <stdio.h>

#include "far.h"

struct top_operation {
	const char *name;
	uint64_t count, errors, total; // the first two of the time between
	double per_second;
	uint64_t p50_ns, p99_ns, mean_ns; // 0: none was timed
};

struct top_session {
	const struct far_session_metrics *session;
	double per_second;
};

// Borrows from the later of the two looks.
struct top_delta {
	const struct far_metrics *now;
	double seconds;
	double operations_per_second, in_per_second, out_per_second;
	double evicted_per_second, evicted_bytes_per_second;
	struct top_operation *operations; // those that there were, the most first
	size_t operation_count;
	struct top_session *sessions; // the busiest first
	size_t session_count;
};

// What happened from `before` to `now`; a server started anew meanwhile counts from its start. -ENOMEM.
int top_delta_make(const struct far_metrics *before, const struct far_metrics *now, struct top_delta *delta);
void top_delta_free(struct top_delta *delta);

// For people: a block of lines, of sessions at most so many.
void top_print(FILE *to, const struct top_delta *delta, const char *address, size_t sessions_max);

// One line.
void top_print_json(const struct top_delta *delta, const char *address);

#endif
