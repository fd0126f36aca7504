#include "client/call.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "client/error.h"
#include "client/profile.h"
#include "client/quota.h"
#include "far/clock.h"
#include "far/status.h"

// Sending requests and taking replies. Replies of a lane come in the order of its requests; events of posts come in between. A lane out of step, too slow or
// broken is dropped as a whole, so a late answer can never be taken for another's.

#define EVENTS 16
#define LOOK_NS 10000000U

int call_lost(struct far_lane *lane, int status)
{
	struct far_session *session = lane->session;

	lane_drop(lane);
	return error_set(-EIO, "%s: the connection to the server broke: %s", session->address_text, far_strerror(status));
}

int call_out_of_step(struct far_lane *lane, const char *what)
{
	struct far_session *session = lane->session;

	lane_drop(lane);
	lane->was_senseless = true;
	return error_set(-EPROTO, "%s: the server's reply makes no sense (%s): is it another version?", session->address_text, what);
}

static void take_grant(struct far_lane *lane, const struct far_reply *message)
{
	struct far_grant grant;
	unsigned last = (lane->grant_first + lane->grant_count) % FAR_GRANTS_PER_LANE;

	memcpy(&grant, (const char *)message + message->length - sizeof(grant), sizeof(grant));
	if (lane->grant_count == FAR_GRANTS_PER_LANE || grant.length == 0 || grant.length % FAR_PAGE_SIZE)
		return;
	lane->grants[last] =
	        (struct lane_grant){.rkey = grant.rkey, .id = grant.id, .length = grant.length, .pool_offset = grant.pool_offset};
	lane->grant_count++;
}

static bool is_reply(const struct fabric_event *event)
{
	const struct far_reply *message = event->message;

	return event->length >= sizeof(*message) && message->length == event->length;
}

// Notices and events come between replies, on a lane that has asked for them.
static bool is_notice(const struct far_reply *message)
{
	return message->flags & FAR_REPLY_NOTICE;
}

static int take_changes(struct far_lane *lane, const struct fabric_event *event)
{
	if (!lane->events_taker || event->length < sizeof(struct far_events))
		return call_out_of_step(lane, "events");
	lane->events_taker(lane->events_context, event->message, event->length);
	fabric_receive_release(event->lane, event->message);
	return 0;
}

static int take_notices(struct far_lane *lane, const struct fabric_event *event)
{
	const struct far_notices *message = event->message;
	const struct far_notice *notices = (const struct far_notice *)(message + 1);
	uint32_t length = event->length;

	if (!lane->notice_taker || length < sizeof(*message) || length - sizeof(*message) != (uint64_t)message->count * sizeof(*notices))
		return call_out_of_step(lane, "notices");
	for (uint32_t i = 0; i < message->count; i++)
		if (notices[i].kind == FAR_NOTICE_LOCK)
			lane->notice_taker(lane->notice_context, notices[i].ticket, far_status_to_error(notices[i].status));
	fabric_receive_release(event->lane, message);
	return 0;
}

static int take_told(struct far_lane *lane, const struct fabric_event *event)
{
	const struct far_reply *message = event->message;

	return message->op == FAR_OP_WATCH ? take_changes(lane, event) : take_notices(lane, event);
}

// Takes in what the fabric found. Replies that came before the connection ended still count: the server may have said why it ended it.
static int take_events(struct far_lane *lane, const struct fabric_event *events, int found)
{
	int error = found < 0 ? found : 0;

	for (int i = 0; i < found; i++) {
		const struct fabric_event *event = &events[i];

		if (event->kind == FABRIC_DONE) {
			lane->posts_done++;
			if (event->status < 0)
				error = event->status;
		} else if (event->kind == FABRIC_CLOSED) {
			error = event->status ? event->status : -ECONNRESET;
		} else if (event->kind == FABRIC_RECEIVED) {
			int wrong = 0;

			if (is_reply(event) && is_notice(event->message)) {
				wrong = take_told(lane, event);
				if (wrong)
					return wrong;
				continue;
			}
			if (!is_reply(event) || lane->reply_count == LANE_REPLIES)
				return call_out_of_step(lane, "not a reply");
			lane->replies[(lane->reply_first + lane->reply_count++) % LANE_REPLIES] = event->message;
		}
	}
	if (error && lane->reply_count > 0) {
		lane->broken = error;
		return 0;
	}
	return error ? call_lost(lane, error) : 0;
}

int call_await(struct far_lane *lane, int timeout_ms)
{
	struct fabric_event events[EVENTS];
	enum profile_stage before;
	int found;
	int error;

	if (lane->broken)
		return call_lost(lane, lane->broken);
	before = profile_enter(PROFILE_WAIT);
	found = fabric_wait(lane->fabric, events, EVENTS, timeout_ms);
	profile_leave(before);
	if (found == 0)
		return 0;
	error = take_events(lane, events, found);
	return error ? error : 1;
}

// Waits until something has happened.
static int progress(struct far_lane *lane, int timeout_ms)
{
	int found = call_await(lane, timeout_ms);

	if (found)
		return found < 0 ? found : 0;
	lane_drop(lane);
	return error_set(-ETIMEDOUT, "%s: no answer within %d ms", lane->session->address_text, lane->timeout_ms);
}

int call_take(struct far_lane *lane, int *error)
{
	struct fabric_event events[EVENTS];
	int found;

	*error = -EIO;
	if (lane->broken)
		return call_lost(lane, lane->broken);
	if (!lane->connection)
		return 0;
	found = fabric_poll(lane->fabric, events, EVENTS);
	*error = take_events(lane, events, found);
	return found > 0 ? found : 0;
}

// The coarse clock moves every few ms and costs no more than a load.
static bool is_look_due(struct far_lane *lane)
{
	struct timespec now;
	uint64_t now_ns;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
	if (now_ns - lane->looked_at_ns < LOOK_NS)
		return false;
	lane->looked_at_ns = now_ns;
	return true;
}

void call_notice(struct far_lane *lane)
{
	struct fabric_event events[EVENTS];

	if (lane->broken) {
		call_lost(lane, lane->broken);
	} else if (lane->connection && is_look_due(lane)) {
		// The first poll behind an arm looks at everything that could have woken us; one among others only at what is cheap to see.
		fabric_arm(lane->fabric);
		take_events(lane, events, fabric_poll(lane->fabric, events, EVENTS));
	}
}

int call_poll(struct far_lane *lane)
{
	return progress(lane, lane->timeout_ms);
}

int call_ready(struct far_lane *lane)
{
	if (lane->broken)
		call_lost(lane, lane->broken);
	return lane->connection ? 0 : lane_connect(lane);
}

int call_wait_posts(struct far_lane *lane)
{
	while (lane->posts_done < lane->posts) {
		int error = progress(lane, lane->timeout_ms);

		if (error)
			return error;
	}
	return 0;
}

// Builds a request in the lane's queue. It leaves with the next flush, or with the wait for its reply: that is one system call less.
static uint32_t length_of(const struct call *call)
{
	return call->length + call->parts[0].length + call->parts[1].length + call->parts[2].length + call->fill_length;
}

// Fills the reserved space and sends it with the next flush.
static int put(struct far_lane *lane, const struct call *call, char *to)
{
	enum profile_stage before = profile_enter(PROFILE_POST);
	struct far_request *header = call->message;
	uint32_t length = length_of(call);
	int error;

	*header = (struct far_request){.op = call->op, .flags = call->flags, .length = length, .tag = ++lane->tag};
	memcpy(to, call->message, call->length);
	to += call->length;
	for (unsigned i = 0; i < 3; i++) {
		if (call->parts[i].length)
			memcpy(to, call->parts[i].bytes, call->parts[i].length);
		to += call->parts[i].length;
	}
	if (call->fill)
		call->fill(call->fill_context, to);
	error = fabric_send(lane->connection, length);
	profile_leave(before);
	if (error < 0)
		return call_lost(lane, error);
	count(&lane->statistics.requests, 1);
	return 0;
}

// Until there is room for a message. It comes back without an event (a credit, bytes that the socket has taken), so this is not progress().
static int await_room(struct far_lane *lane, uint32_t length, char **to)
{
	uint64_t deadline = clock_now_ns() + (uint64_t)lane->timeout_ms * 1000000U;

	for (;;) {
		struct pollfd wake = {.fd = fabric_fd(lane->fabric), .events = POLLIN};
		struct fabric_event events[EVENTS];
		int error = lane->broken ? call_lost(lane, lane->broken) : 0;
		uint64_t now;

		if (!error)
			error = take_events(lane, events, fabric_poll(lane->fabric, events, EVENTS));
		if (error)
			return error;
		*to = lane->broken ? NULL : fabric_send_reserve(lane->connection, length);
		if (*to)
			return 0;
		now = clock_now_ns();
		if (now >= deadline) {
			lane_drop(lane);
			return error_set(
			        -ETIMEDOUT, "%s: no room for a request within %d ms", lane->session->address_text, lane->timeout_ms);
		}
		if (!lane->broken && fabric_arm(lane->fabric) == 0)
			poll(&wake, 1, (int)((deadline - now) / 1000000U) + 1);
	}
}

static int check_length(const struct far_lane *lane, uint32_t length)
{
	if (length <= lane->message_size)
		return 0;
	return error_set(-ENAMETOOLONG,
	        "a request of %u bytes is longer than a message of %u: use shorter keys, or start the server with a larger "
	        "--message-size",
	        length, lane->message_size);
}

int call_queue(struct far_lane *lane, const struct call *call)
{
	uint32_t length = length_of(call);
	int error = check_length(lane, length);
	char *to = error ? NULL : fabric_send_reserve(lane->connection, length);

	if (!error && !to)
		error = await_room(lane, length, &to);
	return error || !to ? error : put(lane, call, to);
}

int call_try(struct far_lane *lane, const struct call *call)
{
	uint32_t length = length_of(call);
	int error = check_length(lane, length);
	char *to = error ? NULL : fabric_send_reserve(lane->connection, length);

	if (!error && to)
		error = put(lane, call, to);
	return error ? error : to != NULL;
}

int call_send(struct far_lane *lane, const struct call *call)
{
	int error = call_queue(lane, call);

	if (error)
		return error;
	error = fabric_flush(lane->connection);
	return error < 0 ? call_lost(lane, error) : 0;
}

void call_offer(struct far_lane *lane, const struct call *call)
{
	char *to = lane->connection ? fabric_send_reserve(lane->connection, length_of(call)) : NULL;
	int error = 0;

	if (!to && lane->connection) {
		call_take(lane, &error); // room comes back with what the server sends
		to = !error && lane->connection ? fabric_send_reserve(lane->connection, length_of(call)) : NULL;
	}
	if (!to || put(lane, call, to))
		return;
	error = fabric_flush(lane->connection);
	if (error < 0)
		call_lost(lane, error);
}

int call_receive(struct far_lane *lane, uint32_t reply_minimum, struct reply *reply)
{
	const struct far_reply *message;
	int error;

	*reply = (struct reply){0};
	while (lane->reply_count == 0) {
		error = progress(lane, lane->timeout_ms);
		if (error)
			return error;
	}
	message = lane->replies[lane->reply_first];
	lane->reply_first = (lane->reply_first + 1) % LANE_REPLIES;
	lane->reply_count--;
	reply->message = message;
	reply->length = message->length;
	lane_note_probing(lane, message->flags & FAR_REPLY_PROBE  ? FAR_PROBING_ALL
	                        : message->flags & FAR_REPLY_BUSY ? FAR_PROBING_FREE
	                                                          : FAR_PROBING_NONE);
	if (message->flags & FAR_REPLY_LET_GO)
		let_go_note(lane->session);
	lane->has_sgid_left |= (message->flags & FAR_REPLY_SGID) != 0;
	if (message->flags & FAR_REPLY_GRANT) {
		if (message->length < sizeof(*message) + sizeof(struct far_grant))
			return call_out_of_step(lane, "a grant that is not there");
		take_grant(lane, message);
		reply->length -= (uint32_t)sizeof(struct far_grant);
	}
	error = far_status_to_error(message->status);
	if (error == -EDQUOT)
		quota_note_refusal(message, reply->length);
	if (error == 0 && reply->length < reply_minimum)
		return call_out_of_step(lane, "too short");
	return error;
}

void reply_release(struct far_lane *lane, struct reply *reply)
{
	if (reply->message && lane->connection)
		fabric_receive_release(lane->connection, reply->message);
	reply->message = NULL;
}

static int call_once(struct far_lane *lane, const struct call *call, uint32_t reply_minimum, struct reply *reply, bool *is_sent)
{
	const struct far_request *header = call->message;
	int error;

	if (call->is_change && !call->is_bound)
		call_notice(lane);
	if (lane->forget_count > 0)
		call_send_forgets(lane);
	error = call_ready(lane);
	if (error)
		return error;
	error = call_queue(lane, call);
	if (error)
		return error;
	*is_sent = true;
	error = call_receive(lane, reply_minimum, reply);
	if (reply->message && lane->connection && (reply->message->op != call->op || reply->message->tag != header->tag)) {
		reply->message = NULL;
		return call_out_of_step(lane, "out of order");
	}
	if (!lane->connection)
		reply->message = NULL;
	return error;
}

static int call_and_reconnect(struct far_lane *lane, const struct call *call, uint32_t reply_minimum, struct reply *reply)
{
	bool is_sent = false;
	bool was_connected = lane->connection != NULL;
	int error;

	*reply = (struct reply){0};
	if (call->is_bound && !was_connected)
		return error_set(-EIO, "%s: the connection to the server broke", lane->session->address_text);
	error = call_once(lane, call, reply_minimum, reply, &is_sent);
	// A connection that turned out dead is replaced once, if that cannot do anything twice.
	if (error == -EIO && !lane->connection && was_connected && !call->is_bound && !(is_sent && call->is_change))
		error = call_once(lane, call, reply_minimum, reply, &is_sent);
	return error;
}

int call_go_on(struct far_lane *lane, uint64_t *begun_ns)
{
	uint64_t now_ns = clock_now_ns();

	*begun_ns = *begun_ns ? *begun_ns : now_ns;
	if (now_ns - *begun_ns <= (uint64_t)lane->timeout_ms * 1000000U)
		return 0;
	return error_set(-ETIMEDOUT, "%s: not done within %d ms", lane->session->address_text, lane->timeout_ms);
}

int call(struct far_lane *lane, const struct call *call, uint32_t reply_minimum, struct reply *reply)
{
	uint64_t begun_ns = 0;
	int error;

	do {
		error = call_and_reconnect(lane, call, reply_minimum, reply);
		if (error != -ERESTART)
			return error;
		reply_release(lane, reply);
		error = call_go_on(lane, &begun_ns);
	} while (!error);
	return error;
}

void call_send_forgets(struct far_lane *lane)
{
	struct far_forget_request message = {.count = lane->forget_count};
	struct call forget = {
	        .op = FAR_OP_FORGET,
	        .message = &message,
	        .length = sizeof(message),
	        .parts = {{lane->forgets, lane->forget_count * (uint32_t)sizeof(lane->forgets[0])}},
	};

	// Without a connection they wait for the next one; a new session does not know them, which does no harm.
	if (lane->connection && call_send(lane, &forget) == 0)
		lane->forget_count = 0;
}
