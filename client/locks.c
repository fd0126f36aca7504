#include <errno.h>
#include <poll.h>
#include <string.h>

#include "client/call.h"
#include "client/files.h"

// Locks by object id, and the lane that is told how waits for them end. Asking twice does no harm (what the owner has it gets again), so a call goes through a broken connection; but if that
// broke with the session, what was held before is gone: the lane's epoch tells.

static int ask(struct far_lane *lane, const struct far_lock *lock, unsigned flags, struct far_lock_reply *out)
{
	struct far_lock_request message = {
	        .id = lock->id, .owner = lock->owner, .start = lock->start, .end = lock->end, .ticket = lock->ticket, .pid = lock->pid};
	unsigned how = (lock->is_exclusive ? FAR_LOCK_EXCLUSIVE : 0U) | (lock->is_flock ? FAR_LOCK_FLOCK : 0U) | flags;
	struct call request = {.op = FAR_OP_LOCK, .flags = (uint16_t)how, .message = &message, .length = sizeof(message)};
	struct reply reply;
	int error;

	request.is_bound = lane->notice_taker != NULL; // a new connection would take no notices
	error = call(lane, &request, sizeof(*out), &reply);

	if (!error)
		memcpy(out, reply.message, sizeof(*out));
	reply_release(lane, &reply);
	return error;
}

int far_lock_set(struct far_lane *lane, const struct far_lock *lock)
{
	struct far_lock_reply reply;

	return ask(lane, lock, 0, &reply);
}

int far_lock_wait(struct far_lane *lane, const struct far_lock *lock)
{
	struct far_lock_reply reply;
	int error = ask(lane, lock, FAR_LOCK_WAIT, &reply);

	return error ? error : reply.how == FAR_LOCK_QUEUED;
}

int far_lock_clear(struct far_lane *lane, const struct far_lock *lock)
{
	struct far_lock_reply reply;

	return ask(lane, lock, FAR_LOCK_UNLOCK, &reply);
}

int far_lock_test(struct far_lane *lane, const struct far_lock *lock, struct far_lock *found)
{
	struct far_lock_reply reply;
	int error = ask(lane, lock, FAR_LOCK_TEST, &reply);

	if (error)
		return error;
	*found = (struct far_lock){
	        .id = lock->id,
	        .start = reply.start,
	        .end = reply.end,
	        .pid = reply.pid,
	        .is_exclusive = reply.is_exclusive,
	        .is_flock = lock->is_flock,
	};
	return reply.how == FAR_LOCK_TAKEN;
}

int far_lock_cancel(struct far_lane *lane, uint64_t ticket)
{
	struct far_cancel_request message = {.ticket = ticket};
	struct call request = {.op = FAR_OP_LOCK_CANCEL, .is_bound = true, .message = &message, .length = sizeof(message)};
	struct reply reply;
	int error = call(lane, &request, sizeof(struct far_reply), &reply);

	reply_release(lane, &reply);
	return error;
}

uint64_t far_lane_epoch(const struct far_lane *lane)
{
	return lane->epoch;
}

uint64_t far_session_epoch(struct far_session *session)
{
	return atomic_load_explicit(&session->epoch, memory_order_relaxed);
}

// --- notices ---

int far_notices_begin(struct far_lane *lane, far_notice_taker *taker, void *context)
{
	struct far_request message;
	struct call request = {.op = FAR_OP_NOTICES, .message = &message, .length = sizeof(message)};
	struct reply reply;
	int error;

	lane->notice_taker = taker;
	lane->notice_context = context;
	error = call(lane, &request, sizeof(struct far_reply), &reply);
	reply_release(lane, &reply);
	return error;
}

int far_notices_wait(struct far_lane *lane, int wake_fd, int timeout_ms)
{
	struct pollfd waits[2] = {{.fd = fabric_fd(lane->fabric), .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
	int error;

	for (;;) {
		int found = call_take(lane, &error);

		if (found || error)
			return error;
		if (fabric_arm(lane->fabric) > 0)
			continue;
		return poll(waits, 2, timeout_ms) < 0 && errno != EINTR ? -errno : 0;
	}
}
