#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fabric/tcp.h"

// Several contexts, each of a thread of its own, behind the listeners of one. That one accepts and keeps every so many'th connection; the others get theirs, as descriptors, through a pipe
// that each watches in its ring. A connection costs that much once; after it a lane belongs to one context as any other.

static void watch_inbox(struct tcp *tcp)
{
	struct io_uring_sqe *sqe = tcp_sqe(tcp);

	io_uring_prep_poll_add(sqe, tcp->inbox, POLLIN);
	io_uring_sqe_set_data64(sqe, tcp_tag(NULL, TCP_OP_INBOX));
}

int tcp_share_listeners(struct fabric *fabric, struct fabric *listening, struct fabric_error *error)
{
	struct tcp *to = tcp_of(fabric), *from = tcp_of(listening);
	int ends[2];
	int result;

	if (to->inbox >= 0 || from->outbox_count == TCP_OUTBOXES || !from->is_server) {
		snprintf(error->text, sizeof(error->text), "at most %u contexts share the listeners of one, once each", TCP_OUTBOXES + 1);
		return -EINVAL;
	}
	result = tcp_open_ring(to, true, error);
	if (result)
		return result;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		result = -errno;
		snprintf(error->text, sizeof(error->text), "cannot make a pipe: %s", strerror(errno));
		return result;
	}
	to->inbox = ends[0];
	from->outboxes[from->outbox_count++] = ends[1];
	watch_inbox(to);
	io_uring_submit(&to->ring);
	return 0;
}

bool tcp_hand_over(struct tcp *tcp, int socket)
{
	unsigned turn = tcp->outbox_next;

	tcp->outbox_next = turn == tcp->outbox_count ? 0 : turn + 1;
	// The last turn is this context's own. So is what does not get through: a pipe that is full, or whose reader has gone.
	return turn < tcp->outbox_count && write(tcp->outboxes[turn], &socket, sizeof(socket)) == sizeof(socket);
}

void tcp_take_inbox(struct tcp *tcp)
{
	int socket;

	while (read(tcp->inbox, &socket, sizeof(socket)) == sizeof(socket))
		tcp_adopt(tcp, socket);
	if (!tcp->is_closing)
		watch_inbox(tcp);
}

void tcp_close_boxes(struct tcp *tcp)
{
	int socket;

	for (unsigned i = 0; i < tcp->outbox_count; i++)
		close(tcp->outboxes[i]);
	if (tcp->inbox < 0)
		return;
	while (read(tcp->inbox, &socket, sizeof(socket)) == sizeof(socket))
		close(socket);
	close(tcp->inbox);
}
