// far top: what happened between two looks at the server's counts, and how it is shown.
#ifndef CLI_TOP_H
#define CLI_TOP_H

#include <stdbool.h>
#include <stdio.h>

#include "far.h"
#include "far/limits.h"

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

#define TOP_QUOTAS 5U // shown of all that there are

struct top_quota {
	struct far_quota quota;
	double used; // 0.75: three quarters of the limit that it is nearest to
	size_t key_length;
	char key[FAR_KEY_MAX];
};

// Begins as zeros.
struct top_quotas {
	size_t all, count; // how many there are; and kept
	struct top_quota nearest[TOP_QUOTAS];
};

// A far_quota_tell, whose context is a struct top_quotas: keeps the quota if it is one of the nearest to their limits.
int top_quotas_note(void *context, const void *key, size_t key_length, const struct far_quota *quota);

// For people: a block of lines, of sessions at most so many.
void top_print(FILE *to, const struct top_delta *delta, const struct top_quotas *quotas, const char *address, size_t sessions_max);

// One line.
void top_print_json(const struct top_delta *delta, const struct top_quotas *quotas, const char *address);

#endif
