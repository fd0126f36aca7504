#include "server/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "far/log.h"
#include "server/check.h"
#include "server/holds.h"
#include "server/quota.h"
#include "server/window.h"

// A session id is a counter over its place in the table, so that an id of an ended session does not name its successor.
#define PLACE_BITS 16

static uint32_t place_of(uint64_t id)
{
	return (uint32_t)(id & ((1U << PLACE_BITS) - 1));
}

// Takes the same time wherever the first difference is.
static bool is_secret(const struct session *session, const uint64_t secret[2])
{
	volatile uint64_t difference = (session->secret[0] ^ secret[0]) | (session->secret[1] ^ secret[1]);

	return difference == 0;
}

static int session_find(const struct server *server, const struct far_hello_request *request, struct session **out)
{
	uint32_t place = place_of(request->session);
	struct session *session = place < FAR_SESSIONS_MAX ? server->sessions[place] : NULL;

	if (!session || session->id != request->session || !is_secret(session, request->secret))
		return -ENOTCONN;
	if (session->lanes == FAR_LANES_PER_SESSION)
		return -EMFILE;
	*out = session;
	return 0;
}

static int session_new(struct server *server, const struct far_hello_request *request, struct session **out)
{
	struct session *session;
	uint32_t place = 0;

	if (server->session_count == FAR_SESSIONS_MAX)
		return -EMFILE;
	while (server->sessions[place])
		place++;
	session = calloc(1, sizeof(*session));
	if (!session)
		return -ENOMEM;
	if (getrandom(session->secret, sizeof(session->secret), 0) != sizeof(session->secret)) {
		free(session);
		return -ENOMEM;
	}
	session->id = (uint64_t)++server->session_last << PLACE_BITS | place;
	session->pid = request->client_pid;
	session->uid = request->uid;
	session->gid = request->gid;
	memcpy(session->client, request->client, sizeof(session->client) - 1);
	for (char *c = session->client; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	server->sessions[place] = session;
	server->session_count++;
	*out = session;
	return 0;
}

int session_join(struct lane *lane, const struct far_hello_request *request)
{
	struct server *server = lane->server;
	int error;

	if (request->session)
		error = session_find(server, request, &lane->session);
	else
		error = session_new(server, request, &lane->session);
	if (error)
		return error;
	lane->session->lanes++;
	lane->transport->set_scope(lane, lane->session->id);
	if (!request->session) {
		snprintf(lane->session->peer, sizeof(lane->session->peer), "%s", lane->peer);
		log_info("session began client=%s pid=%u peer=%s sessions=%u", lane->session->client, lane->session->pid, lane->peer,
		        server->session_count);
	}
	return 0;
}

static void session_free(struct server *server, struct session *session)
{
	check_end_of(server, session);
	window_close_all(server, session);
	locks_drop_client(&server->locks, &session->locks);
	hold_drop_all(server, session);
	quota_settle(server);
	index_settle(server->index); // objects whose time is over may have gone with their holds
	server->sessions[place_of(session->id)] = NULL;
	server->session_count--;
	free(session);
}

void session_leave(struct lane *lane)
{
	struct session *session = lane->session;

	lane->session = NULL;
	if (session->notice_lane == lane)
		session->notice_lane = NULL;
	if (--session->lanes > 0)
		return;
	log_info("session ended client=%s pid=%u peer=%s sessions=%u", session->client, session->pid, lane->peer,
	        lane->server->session_count - 1);
	session_free(lane->server, session);
}

void session_free_all(struct server *server)
{
	for (uint32_t place = 0; place < FAR_SESSIONS_MAX; place++)
		if (server->sessions[place])
			session_free(server, server->sessions[place]);
}

int session_read_sections(void *context, struct reclaim_section *sections, int count)
{
	struct server *server = context;
	int open = 0;

	for (struct lane *lane = server->mapped_lanes; lane; lane = lane->mapped_next) {
		uint64_t snapshot = lane->transport->read_section(lane);

		if (snapshot % 2 == 0)
			continue;
		if (open < count)
			sections[open] = (struct reclaim_section){lane->number, snapshot};
		open++;
	}
	return open;
}

bool session_is_section_over(void *context, const struct reclaim_section *section)
{
	struct server *server = context;

	for (struct lane *lane = server->mapped_lanes; lane; lane = lane->mapped_next)
		if (lane->number == section->lane)
			return lane->transport->read_section(lane) != section->snapshot;
	return true;
}
