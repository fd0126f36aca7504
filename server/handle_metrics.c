// What the server has counted, for `far top`: of itself, by operation, and by session. Long answers come in parts, as with listings.
#include <errno.h>
#include <string.h>

#include "far/clock.h"
#include "server/metrics.h"
#include "server/operations.h"
#include "server/session.h"

// Where entries go, and how far.
struct filling {
	struct far_metrics_reply *reply;
	char *at;
	char *end;
};

static bool has_room(const struct filling *filling, size_t length)
{
	return (size_t)(filling->end - filling->at) >= length;
}

static void fill(struct filling *filling, const void *bytes, size_t length)
{
	memcpy(filling->at, bytes, length);
	filling->at += length;
}

static void tell_server(const struct server *server, struct filling *filling)
{
	const struct metrics *metrics = server->metrics;
	struct far_metrics_server entry = {
	        .pool = metrics_get(&metrics->gauges[METRICS_POOL]),
	        .objects_bytes = metrics_object_bytes(metrics),
	        .index_bytes = metrics_get(&metrics->gauges[METRICS_INDEX]),
	        .granted_bytes = metrics_get(&metrics->gauges[METRICS_GRANTED]),
	        .reclaim_bytes = metrics_get(&metrics->gauges[METRICS_RECLAIM]),
	        .reserve_bytes = metrics_get(&metrics->gauges[METRICS_RESERVE]),
	        .free_bytes = metrics_get(&metrics->gauges[METRICS_FREE]),
	        .objects = server->figures.objects,
	        .sessions = server->session_count,
	        .lanes = server->lane_count,
	        .malformed = metrics_get(&metrics->malformed),
	        .bytes_in = server->figures.bytes_in,
	        .bytes_out = server->figures.bytes_out,
	        .evicted = server->figures.evicted,
	        .evicted_bytes = server->figures.evicted_bytes,
	        .now_ns = clock_now_ns(),
	        .started_ns = server->started_ns,
	};

	fill(filling, &entry, sizeof(entry));
	filling->reply->count = 1;
	filling->reply->is_end = 1;
}

// One operation with those of its buckets that are not 0. False: no room.
static bool tell_operation(const struct metrics_operation *figures, unsigned op, struct filling *filling)
{
	struct far_metrics_operation entry = {.count = metrics_get(&figures->count),
	        .errors = metrics_get(&figures->errors),
	        .time_ns = metrics_get(&figures->time_ns),
	        .op = (uint16_t)op};

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		if (metrics_get(&figures->buckets[i]) > 0)
			entry.buckets++;
	if (!has_room(filling, sizeof(entry) + entry.buckets * sizeof(struct far_metrics_bucket)))
		return false;
	strncpy(entry.name, operations_find(op)->name, sizeof(entry.name) - 1);
	fill(filling, &entry, sizeof(entry));
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		struct far_metrics_bucket bucket = {metrics_get(&figures->buckets[i]), i, 0};

		if (bucket.count > 0)
			fill(filling, &bucket, sizeof(bucket));
	}
	return true;
}

static void tell_operations(const struct server *server, uint64_t from, struct filling *filling)
{
	struct far_metrics_reply *reply = filling->reply;

	for (; from < FAR_OP_LIMIT; from++) {
		const struct metrics_operation *figures = &server->metrics->operations[from];

		if (!operations_find((unsigned)from) || metrics_get(&figures->count) == 0)
			continue;
		if (!tell_operation(figures, (unsigned)from, filling))
			break;
		reply->count++;
	}
	reply->cursor = from;
	reply->is_end = from >= FAR_OP_LIMIT;
}

static void tell_sessions(const struct server *server, uint64_t from, struct filling *filling)
{
	struct far_metrics_reply *reply = filling->reply;

	for (; from < FAR_SESSIONS_MAX && has_room(filling, sizeof(struct far_metrics_session)); from++) {
		const struct session *session = server->sessions[from];
		struct far_metrics_session entry;

		if (!session)
			continue;
		entry = (struct far_metrics_session){.id = session->id,
		        .operations = session->operations,
		        .pid = session->pid,
		        .uid = session->uid,
		        .lanes = session->lanes};
		memcpy(entry.client, session->client, sizeof(entry.client));
		memcpy(entry.peer, session->peer, sizeof(entry.peer));
		fill(filling, &entry, sizeof(entry));
		reply->count++;
	}
	reply->cursor = from;
	reply->is_end = from >= FAR_SESSIONS_MAX;
}

int handle_metrics(struct request *request)
{
	const struct far_metrics_request *message = request->message;
	struct far_metrics_reply *reply = request->reply;
	struct filling filling = {reply, (char *)(reply + 1), (char *)request->reply + request->reply_room};

	memset(&reply->cursor, 0, sizeof(*reply) - sizeof(reply->header));
	switch (message->part) {
	case FAR_METRICS_SERVER:
		metrics_publish(request->server);
		tell_server(request->server, &filling);
		break;
	case FAR_METRICS_OPERATIONS:
		tell_operations(request->server, message->cursor, &filling);
		break;
	case FAR_METRICS_SESSIONS:
		tell_sessions(request->server, message->cursor, &filling);
		break;
	default:
		return -EINVAL;
	}
	request->reply_length = (uint32_t)(filling.at - (char *)reply);
	return 0;
}
