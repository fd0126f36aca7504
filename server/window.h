// Write windows: the right of one session to write an object's own pages by itself (layout.h R7). While a window is open the server neither moves nor frees those pages nor
// lets anybody see version or times without counting in what the session has written. Whatever else wants to look at the object or change it closes the window first; its
// session sees that by the word and goes on by requests. Writer thread only.
#ifndef SERVER_WINDOW_H
#define SERVER_WINDOW_H

#include "server/server.h"

struct lane;
struct watch;

// Opens a window on a regular object whose value is in pages for the lane's session, or finds the one it has: `reply` gets the cell and which of the two it was.
// The object has been visited by the session (window_visit). -EOPNOTSUPP: the lane does not share the pool, or the value is not in pages. -ENOSPC, -ENOMEM.
int window_open(struct lane *lane, struct far_record *object, struct far_window_reply *reply);

// Counts in what the session has written so far, if the object has a window of that session; closes it if it is another's.
void window_visit(struct server *server, struct far_record *object, const struct session *session);

// Called through window_settle: closes the window.
void window_close(struct server *server, struct far_record *object);

// From now on changes are told by this watch, or by whichever (NULL): closes the windows of what it names (watchers.h).
void window_close_watched(struct server *server, const struct watch *watch);

// The session ends.
void window_close_all(struct server *server, const struct session *session);

// Before anything is done with an object: no window is open afterwards.
static inline void window_settle(struct server *server, struct far_record *object)
{
	if (object && object->flags & FAR_RECORD_WINDOW)
		window_close(server, object);
}

#endif
