#include "client/many.h"

#include <errno.h>

#include "client/error.h"
#include "far/clock.h"

int many_begin(struct many *many)
{
	struct far_lane *lane = many->lane;

	call_notice(lane);
	if (lane->forget_count > 0)
		call_send_forgets(lane);
	return call_ready(lane);
}

void many_take_next(struct many *many)
{
	const struct many_part *part = &many->owed[many->first];
	struct far_lane *lane = many->lane;
	struct reply reply = {0};
	int error = many->lost;

	if (!error) {
		error = call_receive(lane, sizeof(struct far_reply), &reply);
		if (reply.message && lane->connection && reply.message->tag != part->tag)
			error = call_out_of_step(lane, "out of order");
		if (!lane->connection) {
			many->lost = error;
			reply.message = NULL;
		}
	}
	many->take(many->context, part, error, &reply);
	reply_release(lane, &reply);
	many->first = (many->first + 1) % MANY_OWED;
	many->count--;
	// What was owed went with the connection, whoever found that out.
	if (!lane->connection && !many->lost)
		many->lost = many_reason(lane);
}

int many_try(struct many *many, const struct call *call, struct many_part part)
{
	struct far_lane *lane = many->lane;
	int sent;

	if (many->count == MANY_OWED)
		return 0;
	sent = call_try(lane, call);
	if (sent == 0 && many->count > 0)
		return 0;
	if (sent == 0)
		sent = call_queue(lane, call) ? -EIO : 1;
	if (!lane->connection) {
		many->lost = many_reason(lane);
		return -ENOTCONN;
	}
	if (sent < 0)
		return sent;
	part.tag = ((const struct far_request *)call->message)->tag;
	part.sent_ns = part.sent_ns ? part.sent_ns : clock_now_ns();
	many->owed[(many->first + many->count++) % MANY_OWED] = part;
	return 1;
}

int many_send(struct many *many, const struct call *call, struct many_part part)
{
	int sent = 0;

	while (!many->lost && (sent = many_try(many, call, part)) == 0)
		many_take_next(many);
	return many->lost ? -ENOTCONN : sent < 0 ? sent : 0;
}

void many_finish(struct many *many)
{
	while (many->count > 0)
		many_take_next(many);
}
