// A write window, as window.c keeps it and the checker looks at it. Private to the two.
#ifndef SERVER_WINDOW_INSIDE_H
#define SERVER_WINDOW_INSIDE_H

#include "server/reclaim.h"
#include "server/window.h"

struct window {
	struct reclaim_call call; // the end of its lingering
	struct server *server;
	struct far_record *object;
	uint64_t id;
	const struct session *session;
	uint64_t cell;
	uint64_t counted; // of the cell's writes
	uint64_t stored;  // and of those that were stored
};

// What reclaim runs at the end of a window's lingering: tells its calls from others'.
void window_linger_over(struct reclaim_call *call);

#endif
