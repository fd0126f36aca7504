#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "client/call.h"
#include "client/error.h"
#include "client/files.h"
#include "client/session.h"

// Opening and closing sessions, and what can be asked of one as a whole.

#define TIMEOUT_MS_DEFAULT 10000

static void take_options(struct far_session *session, const struct far_options *options)
{
	struct far_options all = {0};

	if (options)
		memcpy(&all, options, options->size < sizeof(all) ? options->size : sizeof(all));
	session->timeout_ms = all.timeout_ms ? (int)(all.timeout_ms & INT32_MAX) : TIMEOUT_MS_DEFAULT;
	session->lanes_max = all.lanes && all.lanes < FAR_LANES_PER_SESSION ? all.lanes : FAR_LANES_PER_SESSION;
	session->cache_entries = all.cache_entries ? all.cache_entries : 65536;
	if (all.cache_entries == UINT64_MAX)
		session->cache_entries = 0;
	snprintf(session->name, sizeof(session->name), "%s", all.name ? all.name : program_invocation_short_name);
}

static void session_free(struct far_session *session)
{
	held_free(session->held);
	pthread_mutex_destroy(&session->mutex);
	free(session);
}

int far_connect(const char *address, const struct far_options *options, far_session **out)
{
	struct far_session *session = calloc(1, sizeof(*session));
	struct fabric_error text = {""};
	struct far_lane *lane;
	int error;

	if (!session)
		return error_set(-ENOMEM, "no memory for a session");
	session->held = held_new();
	if (!session->held) {
		free(session);
		return error_set(-ENOMEM, "no memory for a session");
	}
	pthread_mutex_init(&session->mutex, NULL);
	atomic_init(&session->let_go_fd, -1);
	take_options(session, options);
	error = fabric_address_choose(address, &session->address, session->chosen_because, &text);
	if (error) {
		error_set(error, "%s", text.text);
		session_free(session);
		return error;
	}
	fabric_address_format(&session->address, session->address_text);
	if (getrandom(session->seed, sizeof(session->seed), 0) != sizeof(session->seed))
		session->seed[0] = (uint64_t)(uintptr_t)session;
	session_register(session);
	error = lane_acquire(session, &lane);
	if (error) {
		far_close(session);
		return error;
	}
	lane_release(lane);
	*out = session;
	return 0;
}

void far_close(far_session *session)
{
	if (!session)
		return;
	session_unregister(session);
	for (unsigned i = 0; i < session->lane_count; i++)
		lane_free(session->lanes[i]);
	session_free(session);
}

int far_ping(far_session *session)
{
	struct far_request message;
	struct call ping = {.op = FAR_OP_PING, .message = &message, .length = sizeof(message)};
	struct far_lane *lane;
	struct reply reply;
	int error = lane_acquire(session, &lane);

	if (error)
		return error;
	error = call(lane, &ping, sizeof(struct far_reply), &reply);
	reply_release(lane, &reply);
	lane_release(lane);
	return error;
}

int far_statfs(struct far_lane *lane, uint64_t id, struct far_statfs_reply *space)
{
	struct far_statfs_request message = {.id = id};
	struct call statfs = {.op = FAR_OP_STATFS, .message = &message, .length = sizeof(message)};
	struct reply reply;
	int error = call(lane, &statfs, sizeof(*space), &reply);

	if (!error)
		memcpy(space, reply.message, sizeof(*space));
	reply_release(lane, &reply);
	return error;
}

int far_space(far_session *session, struct far_space *space)
{
	struct far_statfs_reply all;
	struct far_lane *lane;
	int error = lane_acquire(session, &lane);

	if (error)
		return error;
	error = far_statfs(lane, 0, &all);
	lane_release(lane);
	if (error)
		return error;
	*space = (struct far_space){
	        .total = all.total,
	        .free = all.free,
	        .available = all.available,
	        .objects = all.objects,
	        .sessions = all.sessions,
	        .operations = all.operations,
	        .uptime_ns = all.uptime_ns,
	        .segment_size = all.segment_size,
	};
	return 0;
}

static uint64_t get(_Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_fabric(const struct fabric *fabric, struct far_statistics *statistics)
{
	struct fabric_statistics of_lane;

	fabric_statistics(fabric, &of_lane);
	statistics->messages_sent += of_lane.sends + of_lane.controls;
	statistics->messages_received += of_lane.receives;
	statistics->remote_reads += of_lane.reads;
	statistics->remote_writes += of_lane.writes;
	statistics->remote_atomics += of_lane.atomics;
	statistics->doorbells += of_lane.doorbells;
	statistics->completions += of_lane.completions;
}

int far_statistics(far_session *session, struct far_statistics *statistics)
{
	*statistics = (struct far_statistics){0};
	pthread_mutex_lock(&session->mutex);
	for (unsigned i = 0; i < session->lane_count; i++) {
		struct lane_statistics *lane = &session->lanes[i]->statistics;

		statistics->requests += get(&lane->requests);
		statistics->one_sided += get(&lane->one_sided);
		statistics->one_sided_retries += get(&lane->one_sided_retries);
		statistics->probes += get(&lane->probes);
		statistics->bytes_read += get(&lane->bytes_read);
		statistics->bytes_written += get(&lane->bytes_written);
		statistics->reconnects += get(&lane->reconnects);
		statistics->eager_limit = session->lanes[i]->eager_limit;
		add_fabric(session->lanes[i]->fabric, statistics);
	}
	statistics->lanes = session->lane_count;
	memcpy(statistics->provider, session->address.provider, sizeof(statistics->provider));
	memcpy(statistics->address, session->address_text, sizeof(statistics->address));
	memcpy(statistics->chosen_because, session->chosen_because, sizeof(statistics->chosen_because));
	pthread_mutex_unlock(&session->mutex);
	return 0;
}
