// What the server tells by itself, between replies: to the lane that takes its session's notices, the ends of waits for locks; to a lane that watches keys, what has happened to them. It is told once the lane has credit; until then it
// stays where it is bounded: waits that ended count against their session's bound of locks, events against that of their queue (watch_queue.h).
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "far/status.h"
#include "server/operations.h"
#include "server/session.h"
#include "server/watchers.h"

// The lane that asks last gets them.
int handle_notices(struct request *request)
{
	struct session *session = request->lane->session;

	session->notice_lane = request->lane;
	if (session->locks.finished_first)
		request->lane->transport->notify(request->lane);
	return 0;
}

int handle_watch(struct request *request)
{
	const struct far_watch_request *message = request->message;
	struct watch_wish wish = {.kinds = message->kinds, .is_beginning = request->flags & FAR_WATCH_BEGINS};
	int error;

	if (request->tail_length != message->key_length)
		return -EPROTO;
	wish.key = request_take(request, message->key_length);
	if (wish.kinds == 0 || wish.kinds & ~FAR_EVENT_KINDS)
		return -EINVAL;
	error = watchers_check_key(&wish);
	return error ? error : watchers_add(request->lane, &wish);
}

static bool has_notices(const struct lane *lane)
{
	return lane->session && lane->session->notice_lane == lane && lane->session->locks.finished_first;
}

bool operations_has_notices(const struct lane *lane)
{
	return has_notices(lane) || watchers_have_events(lane);
}

// The message may lie where the client can write (shm): nothing is read back from there.
static uint32_t make_notices(struct lane *lane, void *message, uint32_t room)
{
	struct far_notices *notices = message;
	struct far_notice *notice = (struct far_notice *)(notices + 1);
	uint32_t most = (room - (uint32_t)sizeof(*notices)) / (uint32_t)sizeof(*notice);
	uint32_t count = 0, length;
	uint64_t ticket;
	int error;

	while (count < most && locks_take_finished(&lane->server->locks, &lane->session->locks, &ticket, &error))
		notice[count++] =
		        (struct far_notice){.ticket = ticket, .kind = FAR_NOTICE_LOCK, .status = (uint16_t)far_status_of_error(error)};
	length = (uint32_t)(sizeof(*notices) + count * sizeof(*notice));
	*notices = (struct far_notices){
	        .header = {.op = FAR_OP_NOTICES, .flags = FAR_REPLY_NOTICE, .length = length},
	        .count = count,
	};
	return length;
}

static uint32_t make_events(struct lane *lane, void *message, uint32_t room)
{
	struct far_events *events = message;
	uint32_t count, length;

	length = (uint32_t)sizeof(*events) + watchers_take(lane, (char *)(events + 1), room - (uint32_t)sizeof(*events), &count);
	*events = (struct far_events){
	        .header = {.op = FAR_OP_WATCH, .flags = FAR_REPLY_NOTICE, .length = length},
	        .count = count,
	};
	return length;
}

uint32_t operations_notices(struct lane *lane, void *message, uint32_t room)
{
	return has_notices(lane) ? make_notices(lane, message, room) : make_events(lane, message, room);
}

void session_waits_ended(struct lock_client *client)
{
	struct session *session = (struct session *)((char *)client - offsetof(struct session, locks));

	if (session->notice_lane)
		session->notice_lane->transport->notify(session->notice_lane);
}
