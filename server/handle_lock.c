// Requests about locks: set, test, unlock, cancel.
//
// A wait is answered at once (FAR_LOCK_QUEUED), so it holds up neither its lane nor this thread. Its end is a notice (notices.c).
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "server/operations.h"
#include "server/session.h"

static bool is_sound(const struct far_lock_request *message, unsigned flags)
{
	bool is_asking = flags & (FAR_LOCK_TEST | FAR_LOCK_UNLOCK);

	if (message->owner == 0 || message->start > message->end || message->end > FAR_LOCK_END)
		return false;
	if (flags & FAR_LOCK_FLOCK && (message->start != 0 || message->end != FAR_LOCK_END))
		return false;
	if (is_asking && (flags & FAR_LOCK_WAIT || (flags & FAR_LOCK_TEST && flags & FAR_LOCK_UNLOCK)))
		return false;
	return !(flags & FAR_LOCK_WAIT) || message->ticket != 0;
}

static int test(struct request *request, const struct lock_request *wanted)
{
	struct lock_client *client = &request->lane->session->locks;
	struct far_lock_reply *reply = request->reply;
	struct lock_found found;

	if (!locks_test(&request->server->locks, client, wanted, &found))
		return 0;
	reply->how = FAR_LOCK_TAKEN;
	reply->is_exclusive = found.is_exclusive;
	reply->start = found.start;
	reply->end = found.end;
	reply->pid = found.client == client ? found.pid : 0;
	return 0;
}

static int act(struct request *request, const struct lock_request *wanted)
{
	struct locks *locks = &request->server->locks;
	struct lock_client *client = &request->lane->session->locks;
	int result;

	if (request->flags & FAR_LOCK_UNLOCK)
		return locks_clear(locks, client, wanted);
	// What is locked must be there; what is not there any more can still be unlocked.
	if (!object_visited(request->server, wanted->file, request->lane->session))
		return -ESTALE;
	if (request->flags & FAR_LOCK_TEST)
		return test(request, wanted);
	if (!(request->flags & FAR_LOCK_WAIT))
		return locks_set(locks, client, wanted);
	result = locks_wait(locks, client, wanted);
	if (result < 0)
		return result;
	((struct far_lock_reply *)request->reply)->how = result ? FAR_LOCK_QUEUED : FAR_LOCK_DONE;
	return 0;
}

int handle_lock(struct request *request)
{
	const struct far_lock_request *message = request->message;
	struct far_lock_reply *reply = request->reply;
	struct lock_request wanted = {
	        .file = message->id,
	        .owner = message->owner,
	        .start = message->start,
	        .end = message->end,
	        .ticket = message->ticket,
	        .pid = message->pid,
	        .kind = request->flags & FAR_LOCK_FLOCK ? LOCK_FLOCK : LOCK_RECORD,
	        .is_exclusive = request->flags & FAR_LOCK_EXCLUSIVE,
	};
	int error;

	if (!is_sound(message, request->flags))
		return -EINVAL;
	memset(&reply->how, 0, sizeof(*reply) - offsetof(struct far_lock_reply, how));
	error = act(request, &wanted);
	if (!error)
		request->reply_length = sizeof(*reply);
	return error;
}

int handle_lock_cancel(struct request *request)
{
	const struct far_cancel_request *message = request->message;

	if (message->ticket == 0)
		return -EINVAL;
	return locks_cancel(&request->server->locks, &request->lane->session->locks, message->ticket);
}
