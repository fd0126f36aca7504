// One request and its reply on a lane the caller holds.
#ifndef CLIENT_CALL_H
#define CLIENT_CALL_H

#include "client/session.h"
#include "far/key.h"

// A request: the op's struct (its header is filled in here) and what stands behind it.
struct call {
	uint16_t op;
	uint16_t flags;
	bool is_change; // must not be sent twice: its outcome is unknown if the connection breaks behind it
	bool is_bound;  // belongs to this very connection (grants): fails rather than reconnect
	void *message;  // begins with a struct far_request
	uint32_t length;
	struct far_span parts[3];
	// What stands behind the parts, written where it leaves from: `fill` (may be NULL) gets room for fill_length bytes.
	void (*fill)(const void *context, char *to);
	const void *fill_context;
	uint32_t fill_length;
};

// A reply: borrowed from the lane until reply_release. A status other than OK is the call's error; the reply is there all the same.
struct reply {
	const struct far_reply *message; // NULL: none came
	uint32_t length;                 // without a grant at its end
};

// Sends and waits. 0, or the negative errno of the status, of the connection (-ENOTCONN, -EIO, -ETIMEDOUT) or -EPROTO for a reply shorter than `reply_minimum` (checked on success only).
int call(struct far_lane *lane, const struct call *call, uint32_t reply_minimum, struct reply *reply);
void reply_release(struct far_lane *lane, struct reply *reply);

// A reply said ERESTART: the server goes on piece by piece, so that it keeps nobody else waiting. Whether to send the request again: 0, or -ETIMEDOUT. *begun_ns is 0 at first.
int call_go_on(struct far_lane *lane, uint64_t *begun_ns);

// In two steps, for several on their way: call_send posts one, call_queue does so with the next flush or wait; call_receive takes the replies in order.
int call_queue(struct far_lane *lane, const struct call *call);

// As call_queue, without waiting for room: 1, or 0 where there is none. While replies are owed that nobody has taken, room may wait for these: take one (call_receive), then try again.
int call_try(struct far_lane *lane, const struct call *call);
int call_send(struct far_lane *lane, const struct call *call);
int call_receive(struct far_lane *lane, uint32_t reply_minimum, struct reply *reply);

// Sends a request that has no reply, if the lane is connected and there is room for it now: else it is lost.
void call_offer(struct far_lane *lane, const struct call *call);

// Waits until all posts with a context (lane->posts) are done.
int call_wait_posts(struct far_lane *lane);

// Makes progress without waiting long: for a post that found no room.
int call_poll(struct far_lane *lane);

// Takes in what has come, without waiting. Returns how many events; *error is the connection's (-EIO...), or 0.
int call_take(struct far_lane *lane, int *error);

// Waits at most so long until something has come, and takes it in: 1; 0: nothing has; or a negative errno: the connection has ended.
int call_await(struct far_lane *lane, int timeout_ms);

// Ends the connection because a post failed; returns -EIO, with a text.
int call_lost(struct far_lane *lane, int error);

// The same because a reply makes no sense: -EPROTO. `what` is said of it.
int call_out_of_step(struct far_lane *lane, const char *what);

// Notices that the connection of an idle lane has ended: before a one-sided operation, which would not (a mapped pool outlives its server), and before a change, which must not be
// sent into the void. Looks at most every 10 ms, so it costs a hot path a look at the clock.
void call_notice(struct far_lane *lane);

// Makes sure that the lane is connected.
int call_ready(struct far_lane *lane);

// Sends the holds that are to be given back.
void call_send_forgets(struct far_lane *lane);

#endif
