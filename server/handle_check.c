// A step of a check (check.h), and what it has found.
#include <errno.h>
#include <string.h>

#include "server/check.h"
#include "server/operations.h"

// Puts findings behind the reply as long as they fit. Returns their bytes.
static uint32_t tell_findings(struct request *request, struct check *check)
{
	struct far_check_reply *reply = request->reply;
	char *at = (char *)(reply + 1);
	uint32_t room = request->reply_room - (uint32_t)sizeof(*reply);
	const struct check_finding *finding;
	uint32_t filled = 0;

	while ((finding = check_peek(check)) != NULL) {
		struct far_finding head = {finding->kind, finding->length, finding->id};

		if (room - filled < sizeof(head) + finding->length)
			break;
		memcpy(at + filled, &head, sizeof(head)); // texts have any length: findings stand anywhere
		memcpy(at + filled + sizeof(head), finding->text, finding->length);
		filled += (uint32_t)sizeof(head) + finding->length;
		reply->count++;
		check_pop(check);
	}
	return filled;
}

int handle_check(struct request *request)
{
	const struct far_check_request *message = request->message;
	const struct session *session = request->lane->session;
	struct far_check_reply *reply = request->reply;
	struct check *check = check_find(request->server, session, message->check);
	uint32_t length = sizeof(*reply);
	int error;

	if (!check && message->check)
		return -ESTALE;
	if (!check) {
		error = check_begin(request->server, session, &check);
		if (error)
			return error;
	}
	memset(&reply->check, 0, sizeof(*reply) - sizeof(reply->header));
	reply->check = check_number(check);
	reply->is_done = check_step(check, FAR_CHECK_STEP_NS);
	length += tell_findings(request, check);
	reply->figures = *check_figures(check);
	if (check_peek(check))
		reply->is_done = 0;
	if (reply->is_done)
		check_end(check);
	request->reply_length = length;
	return 0;
}
