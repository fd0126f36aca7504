// Sessions: one client process's relation with the server. A session begins with the hello of its first lane, is joined by further lanes that know its secret, and ends
// with its last lane: then its holds are released, and what lived only by them is freed. Writer thread only.
#ifndef SERVER_SESSION_H
#define SERVER_SESSION_H

#include <stdbool.h>

#include "far/wire.h"
#include "server/lane.h"
#include "server/locks.h"

#define SESSION_LET_GO_MAX 256U

struct session {
	uint64_t id; // also the scope of its lanes' regions
	uint64_t secret[2];
	uint32_t lanes;
	uint32_t pid, uid, gid; // uid and gid: owner of what its puts create
	struct id_table holds;  // object id -> holds
	struct lock_client locks;
	struct lane *notice_lane;            // takes the notices; NULL: none has asked for them
	uint32_t watches;                    // keys that its lanes watch
	uint64_t operations;                 // requests
	uint64_t let_go[SESSION_LET_GO_MAX]; // ids of what it is asked to let go of (eviction.h)
	uint32_t let_go_count;
	char client[32];
	char peer[64]; // of its first lane
};

// A new session with this lane, or one more lane of the session that the request names. -EMFILE (too many sessions or lanes), -ENOTCONN (no such session, or not its
// secret), -ENOMEM.
int session_join(struct lane *lane, const struct far_hello_request *request);

// The lane leaves; the last one ends the session.
void session_leave(struct lane *lane);

// What locks calls when waits of a session ended: its notices are to be sent (notices.c).
void session_waits_ended(struct lock_client *client);

void session_free_all(struct server *server);

// For reclaim: `context` is the server.
int session_read_sections(void *context, struct reclaim_section *sections, int count);
bool session_is_section_over(void *context, const struct reclaim_section *section);

#endif
