#include <errno.h>
#include <string.h>
#include <time.h>

#include "client/call.h"
#include "client/error.h"
#include "far/check.h"
#include "far/clock.h"

// A check of the server's structures: asks for step after step, and hands on what they find. Between two steps it waits as long as the last took, so that the server has time for others.

#define PAUSE_MAX_NS 2000000U

static void pause_ns(uint64_t length_ns)
{
	struct timespec pause = {0};

	pause.tv_nsec = (long)(length_ns < PAUSE_MAX_NS ? length_ns : PAUSE_MAX_NS);
	nanosleep(&pause, NULL);
}

// Tells the findings behind a reply. -EPROTO: they are not what the reply says; else what the caller's function returned.
static int tell_findings(const struct reply *reply, far_check_tell *tell, void *context)
{
	const struct far_check_reply *message = (const struct far_check_reply *)reply->message;
	const char *at = (const char *)(message + 1);
	const char *end = (const char *)message + reply->length;

	for (uint32_t i = 0; i < message->count; i++) {
		struct far_finding head;
		struct far_check_finding finding;
		int error;

		if ((size_t)(end - at) < sizeof(head))
			return -EPROTO;
		memcpy(&head, at, sizeof(head));
		at += sizeof(head);
		if ((size_t)(end - at) < head.text_length)
			return -EPROTO;
		finding = (struct far_check_finding){
		        .kind = far_check_name(head.kind), .id = head.id, .text = at, .text_length = head.text_length};
		at += head.text_length;
		error = tell ? tell(context, &finding) : 0;
		if (error)
			return error;
	}
	return 0;
}

static int step(struct far_lane *lane, struct far_check_request *message, struct far_check_reply *last, far_check_tell *tell, void *context)
{
	struct call request = {.op = FAR_OP_CHECK, .is_change = true, .message = message, .length = sizeof(*message)};
	struct reply reply;
	int error = call(lane, &request, sizeof(*last), &reply);

	if (!error) {
		memcpy(last, reply.message, sizeof(*last));
		message->check = last->check;
		error = tell_findings(&reply, tell, context);
	}
	reply_release(lane, &reply);
	return error;
}

static int error_of_check(int error)
{
	if (error == -EMFILE)
		return error_set(error, "check: another check is under way: wait for its end");
	if (error == -ESTALE)
		return error_set(error, "check: the connection broke, and with it the check ended: begin it again");
	return error_of_key(error, "check", "", 0);
}

int far_check(far_session *session, far_check_tell *tell, void *context, struct far_check_summary *summary)
{
	struct far_check_request message = {.check = 0};
	struct far_check_reply last = {.is_done = 0};
	struct far_lane *lane;
	int error = lane_acquire(session, &lane);

	if (error)
		return error;
	while (!error && !last.is_done) {
		uint64_t begun_ns = clock_now_ns();

		error = step(lane, &message, &last, tell, context);
		if (!error && !last.is_done)
			pause_ns(clock_now_ns() - begun_ns);
	}
	lane_release(lane);
	if (error)
		return error_of_check(error);
	*summary = (struct far_check_summary){
	        .objects = last.figures.objects,
	        .names = last.figures.names,
	        .pages = last.figures.pages,
	        .blocks = last.figures.blocks,
	        .unsettled = last.figures.unsettled,
	        .findings = last.figures.findings,
	};
	return 0;
}
