// The consistency check: walks everything that the server keeps in the pool and in its tables, and tells what does not fit together. Changes nothing, and follows nothing that it has
// not found to be what it should be first, so damage is told and not run into.
//
// It works in steps, so that nobody waits long for it, while the server goes on changing what it walks. Yet it finds nothing that is not so:
//  1. What one object says of itself and others of it is looked at within one step, from both sides: record, name, index, directory entry, further names, holders, window, value. No
//     request runs meanwhile, and between requests all of that agrees.
//  2. That memory has one owner, and all that is handed out has one, needs the whole walk. Owners are noted as they are met; the pool notes what changes hands meanwhile
//     (watch.h). Memory that did is not judged (it counts as unsettled); any other has had one owner all along. Owners that are few are met in one step (check_owners.c).
//  3. A directory too large for one step is counted over several and judged if it has not changed meanwhile; else it is counted again, a few times, then given up
//     (unsettled). Likewise the numbers of names and objects, and what is in the queues of eviction, at the end.
// A check of a server at rest judges everything. Writer thread only; one check at a time.
#ifndef SERVER_CHECK_H
#define SERVER_CHECK_H

#include <stdbool.h>

#include "far/check.h"
#include "far/wire.h"
#include "server/server.h"

struct check;

// Begins a check for a session; one that it has under way ends. -EMFILE: another session's is under way. -ENOMEM.
int check_begin(struct server *server, const struct session *session, struct check **check);

// The session's check of this number, or NULL.
struct check *check_find(const struct server *server, const struct session *session, uint64_t number);
uint64_t check_number(const struct check *check);

// Goes on for about so long: what is begun is brought to its end, see FAR_CHECK_STEP_NS. 0 does the least that can be done, UINT64_MAX everything. True: all is done.
bool check_step(struct check *check, uint64_t budget_ns);

// The oldest finding that was not taken yet, or NULL. Valid until the next step or check_pop.
struct check_finding {
	uint32_t kind; // enum far_check_kind
	uint32_t length;
	uint64_t id; // of the object, 0 = none
	char text[256];
};
const struct check_finding *check_peek(const struct check *check);
void check_pop(struct check *check);

const struct far_check_figures *check_figures(const struct check *check);

void check_end(struct check *check);

// The session ends: so does its check.
void check_end_of(struct server *server, const struct session *session);

// The value's memory goes from one record to another.
void check_note_move(struct server *server, const struct far_record *value);

#endif
