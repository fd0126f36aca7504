#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/call.h"
#include "client/error.h"
#include "far/latency.h"

// What the server has counted: asked for part by part, and put together. Replies are checked as far as reading them needs.

static_assert(FAR_LATENCY_BUCKETS == LATENCY_BUCKETS, "far.h has the number without the header that explains it");

// The entries of one reply that have not been taken.
struct entries {
	const char *at;
	const char *end;
};

static int take(struct entries *entries, void *entry, size_t length)
{
	if ((size_t)(entries->end - entries->at) < length)
		return -EPROTO;
	memcpy(entry, entries->at, length);
	entries->at += length;
	return 0;
}

// One more element of an array, all zeros. NULL: no memory.
static void *extend(void *array, size_t *count, size_t size)
{
	void **place = array;
	void *larger = reallocarray(*place, *count + 1, size);

	if (!larger)
		return NULL;
	*place = larger;
	return memset((char *)larger + (*count)++ * size, 0, size);
}

static int take_server(struct entries *entries, struct far_metrics *metrics)
{
	struct far_metrics_server entry;
	int error = take(entries, &entry, sizeof(entry));

	if (error)
		return error;
	metrics->pool = entry.pool;
	metrics->objects_bytes = entry.objects_bytes;
	metrics->index_bytes = entry.index_bytes;
	metrics->granted_bytes = entry.granted_bytes;
	metrics->reclaim_bytes = entry.reclaim_bytes;
	metrics->reserve_bytes = entry.reserve_bytes;
	metrics->free_bytes = entry.free_bytes;
	metrics->objects = entry.objects;
	metrics->lanes = entry.lanes;
	metrics->malformed = entry.malformed;
	metrics->bytes_in = entry.bytes_in;
	metrics->bytes_out = entry.bytes_out;
	metrics->evicted = entry.evicted;
	metrics->evicted_bytes = entry.evicted_bytes;
	metrics->now_ns = entry.now_ns;
	metrics->uptime_ns = entry.now_ns - entry.started_ns;
	return 0;
}

static int take_operation(struct entries *entries, struct far_metrics *metrics)
{
	struct far_metrics_operation entry;
	struct far_operation_metrics *operation;
	int error = take(entries, &entry, sizeof(entry));

	if (error)
		return error;
	operation = extend(&metrics->operations, &metrics->operation_count, sizeof(*operation));
	if (!operation)
		return -ENOMEM;
	memcpy(operation->name, entry.name, sizeof(operation->name) - 1);
	operation->count = entry.count;
	operation->errors = entry.errors;
	operation->time_ns = entry.time_ns;
	for (unsigned i = 0; i < entry.buckets; i++) {
		struct far_metrics_bucket bucket;

		error = take(entries, &bucket, sizeof(bucket));
		if (error || bucket.bucket >= LATENCY_BUCKETS)
			return -EPROTO;
		operation->latency[bucket.bucket] += bucket.count;
		operation->timed += bucket.count;
	}
	return 0;
}

static int take_session(struct entries *entries, struct far_metrics *metrics)
{
	struct far_metrics_session entry;
	struct far_session_metrics *session;
	int error = take(entries, &entry, sizeof(entry));

	if (error)
		return error;
	session = extend(&metrics->sessions, &metrics->session_count, sizeof(*session));
	if (!session)
		return -ENOMEM;
	session->id = entry.id;
	session->operations = entry.operations;
	session->pid = entry.pid;
	session->uid = entry.uid;
	session->lanes = entry.lanes;
	memcpy(session->client, entry.client, sizeof(session->client) - 1);
	memcpy(session->peer, entry.peer, sizeof(session->peer) - 1);
	return 0;
}

// One request. 1 = there is more, 0 = this was the last.
static int ask(struct far_lane *lane, struct far_metrics_request *message, struct far_metrics *metrics)
{
	static int (*const takes[])(struct entries * entries, struct far_metrics * metrics) = {
	        [FAR_METRICS_SERVER] = take_server, [FAR_METRICS_OPERATIONS] = take_operation, [FAR_METRICS_SESSIONS] = take_session};
	struct call request = {.op = FAR_OP_METRICS, .message = message, .length = sizeof(*message)};
	struct far_metrics_reply head = {.is_end = 1};
	struct entries entries;
	struct reply reply;
	int error = call(lane, &request, sizeof(head), &reply);

	if (!error) {
		memcpy(&head, reply.message, sizeof(head));
		entries = (struct entries){(const char *)reply.message + sizeof(head), (const char *)reply.message + reply.length};
		for (uint32_t i = 0; !error && i < head.count; i++)
			error = takes[message->part](&entries, metrics);
		if (!error && !head.is_end && head.cursor <= message->cursor)
			error = -EPROTO; // it would never end
		message->cursor = head.cursor;
	}
	reply_release(lane, &reply);
	return error ? error : !head.is_end;
}

int far_metrics(far_session *session, struct far_metrics *metrics)
{
	struct far_lane *lane;
	int result = lane_acquire(session, &lane);

	*metrics = (struct far_metrics){0};
	if (result)
		return result;
	for (unsigned part = FAR_METRICS_SERVER; !result && part <= FAR_METRICS_SESSIONS; part++) {
		struct far_metrics_request message = {.part = part};

		do
			result = ask(lane, &message, metrics);
		while (result > 0);
	}
	lane_release(lane);
	if (!result)
		return 0;
	far_metrics_free(metrics);
	return error_of_key(result, "metrics", "", 0);
}

void far_metrics_free(struct far_metrics *metrics)
{
	free(metrics->operations);
	free(metrics->sessions);
	*metrics = (struct far_metrics){0};
}

uint64_t far_latency_bound(unsigned bucket)
{
	return latency_bound(bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1);
}
