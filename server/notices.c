// What the server tells by itself, between replies: the ends of waits for locks, on the lane that asked for the session's notices. Until there is one, and while that one has no credit, notices stay with the session, where they count against
// its bound of locks.
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "far/status.h"
#include "server/operations.h"
#include "server/session.h"

// The lane that asks last gets them.
int handle_notices(struct request *request)
{
	struct session *session = request->lane->session;

	session->notice_lane = request->lane;
	if (session->locks.finished_first)
		request->lane->transport->notify(request->lane);
	return 0;
}

bool operations_has_notices(const struct lane *lane)
{
	return lane->session && lane->session->notice_lane == lane && lane->session->locks.finished_first;
}

// The message may lie where the client can write (shm): nothing is read back from there.
uint32_t operations_notices(struct lane *lane, void *message, uint32_t room)
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

void session_waits_ended(struct lock_client *client)
{
	struct session *session = (struct session *)((char *)client - offsetof(struct session, locks));

	if (session->notice_lane)
		session->notice_lane->transport->notify(session->notice_lane);
}
