#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "client/call.h"
#include "client/files.h"

// What a server that evicts would have back: objects that this session holds, though perhaps nobody uses them. Replies say that there are some; which, a thread asks that has a lane for it.

void far_let_go_wake(far_session *session, int fd)
{
	atomic_store_explicit(&session->let_go_fd, fd, memory_order_release);
}

// By the names of a reply. -EPROTO.
static int tell_all(const struct reply *reply, far_let_go_taker *taker, void *context)
{
	const struct far_let_go_reply *message = (const struct far_let_go_reply *)reply->message;
	const char *at = (const char *)(message + 1);
	const char *end = (const char *)message + reply->length;
	struct far_let_go entry;

	for (uint32_t i = 0; i < message->count; i++) {
		if ((size_t)(end - at) < sizeof(entry))
			return -EPROTO;
		memcpy(&entry, at, sizeof(entry));
		at += sizeof(entry);
		if (entry.name_length > FAR_NAME_MAX || entry.name_length > (size_t)(end - at))
			return -EPROTO;
		taker(context, entry.parent, at, entry.name_length);
		at += entry.name_length;
	}
	return (int)message->count;
}

int far_let_go(struct far_lane *lane, far_let_go_taker *taker, void *context)
{
	struct far_request message;
	struct call request = {.op = FAR_OP_LET_GO, .message = &message, .length = sizeof(message)};
	struct reply reply;
	int result;

	atomic_store_explicit(&lane->session->is_let_go_told, false, memory_order_release); // what comes to be from here on is told anew
	result = call(lane, &request, sizeof(struct far_let_go_reply), &reply);
	if (!result)
		result = tell_all(&reply, taker, context);
	reply_release(lane, &reply);
	return result;
}

void let_go_note(struct far_session *session)
{
	uint64_t one = 1;
	int fd = atomic_load_explicit(&session->let_go_fd, memory_order_acquire);

	if (fd < 0 || atomic_exchange_explicit(&session->is_let_go_told, true, memory_order_acq_rel))
		return;
	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}
