#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/top.h"
#include "far/latency.h"

static const struct far_operation_metrics *find_operation(const struct far_metrics *metrics, const char *name)
{
	for (size_t i = 0; i < metrics->operation_count; i++)
		if (strcmp(metrics->operations[i].name, name) == 0)
			return &metrics->operations[i];
	return NULL;
}

static uint64_t operations_of_session(const struct far_metrics *metrics, uint64_t id)
{
	for (size_t i = 0; i < metrics->session_count; i++)
		if (metrics->sessions[i].id == id)
			return metrics->sessions[i].operations;
	return 0;
}

static void compare_operation(const struct far_operation_metrics *before, const struct far_operation_metrics *now, double seconds,
        struct top_operation *operation)
{
	static const struct far_operation_metrics none;
	uint64_t latency[LATENCY_BUCKETS], timed;

	if (!before)
		before = &none;
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		latency[i] = now->latency[i] - before->latency[i];
	timed = now->timed - before->timed;
	*operation = (struct top_operation){
	        .name = now->name,
	        .count = now->count - before->count,
	        .errors = now->errors - before->errors,
	        .total = now->count,
	        .per_second = (double)(now->count - before->count) / seconds,
	        .p50_ns = latency_quantile(latency, 500),
	        .p99_ns = latency_quantile(latency, 990),
	        .mean_ns = timed ? (now->time_ns - before->time_ns) / timed : 0,
	};
}

static int by_count(const void *one, const void *other)
{
	uint64_t a = ((const struct top_operation *)one)->count, b = ((const struct top_operation *)other)->count;

	return a < b ? 1 : a > b ? -1 : 0;
}

static int by_rate(const void *one, const void *other)
{
	double a = ((const struct top_session *)one)->per_second, b = ((const struct top_session *)other)->per_second;

	return a < b ? 1 : a > b ? -1 : 0;
}

static void compare_operations(const struct far_metrics *before, const struct far_metrics *now, struct top_delta *delta)
{
	for (size_t i = 0; i < now->operation_count; i++) {
		struct top_operation *operation = &delta->operations[delta->operation_count];

		compare_operation(find_operation(before, now->operations[i].name), &now->operations[i], delta->seconds, operation);
		delta->operations_per_second += operation->per_second;
		delta->operation_count += operation->count > 0;
	}
	qsort(delta->operations, delta->operation_count, sizeof(delta->operations[0]), by_count);
}

static void compare_sessions(const struct far_metrics *before, const struct far_metrics *now, struct top_delta *delta)
{
	for (size_t i = 0; i < now->session_count; i++) {
		const struct far_session_metrics *session = &now->sessions[i];

		delta->sessions[i] = (struct top_session){
		        session, (double)(session->operations - operations_of_session(before, session->id)) / delta->seconds};
	}
	delta->session_count = now->session_count;
	qsort(delta->sessions, delta->session_count, sizeof(delta->sessions[0]), by_rate);
}

int top_delta_make(const struct far_metrics *before, const struct far_metrics *now, struct top_delta *delta)
{
	static const struct far_metrics none;
	bool is_new = now->now_ns - now->uptime_ns != before->now_ns - before->uptime_ns; // another server began at another moment
	uint64_t ns = is_new ? now->uptime_ns : now->now_ns - before->now_ns;

	if (is_new)
		before = &none;
	*delta = (struct top_delta){.now = now, .seconds = ns ? (double)ns * 1e-9 : 1e-9};
	delta->operations = calloc(now->operation_count + 1, sizeof(delta->operations[0]));
	delta->sessions = calloc(now->session_count + 1, sizeof(delta->sessions[0]));
	if (!delta->operations || !delta->sessions) {
		top_delta_free(delta);
		return -ENOMEM;
	}
	delta->in_per_second = (double)(now->bytes_in - before->bytes_in) / delta->seconds;
	delta->out_per_second = (double)(now->bytes_out - before->bytes_out) / delta->seconds;
	delta->evicted_per_second = (double)(now->evicted - before->evicted) / delta->seconds;
	delta->evicted_bytes_per_second = (double)(now->evicted_bytes - before->evicted_bytes) / delta->seconds;
	compare_operations(before, now, delta);
	compare_sessions(before, now, delta);
	return 0;
}

void top_delta_free(struct top_delta *delta)
{
	free(delta->operations);
	free(delta->sessions);
	*delta = (struct top_delta){0};
}
