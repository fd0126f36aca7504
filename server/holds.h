// Holds: a session's claims on objects by id, counted, so that an object without a name lives as long as somebody uses it. The record counts sessions, the session's table counts claims.
#ifndef SERVER_HOLDS_H
#define SERVER_HOLDS_H

#include <stdbool.h>

#include "server/server.h"

struct session;

// Adds one hold. -ENOMEM.
int hold_add(struct server *server, struct session *session, struct far_record *object);

// Gives `count` holds on the object of an id back (or as many as there are); an id that is not held is none.
void hold_drop(struct server *server, struct session *session, uint64_t id, uint64_t count);

bool hold_exists(const struct session *session, uint64_t id);

// Gives everything back.
void hold_drop_all(struct server *server, struct session *session);

#endif
