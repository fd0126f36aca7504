// Which objects the server counts as held by this session, and how often they were looked up here without asking it: such lookups have their holds in this table alone.
//
// A hold at the server keeps the object, however many there are. So while there is one, further ones may be added here, and whoever gives holds back gives back these first: as long as there
// is any hold in all, there is one at the server. A table of fixed size: what finds no place is asked for as if it were not held.
#ifndef CLIENT_HELD_H
#define CLIENT_HELD_H

#include <stdbool.h>
#include <stdint.h>

struct held;

// Address space alone: memory is taken as it is used. NULL: no memory.
struct held *held_new(void);
void held_free(struct held *held);

// The server has given us a hold of the object, in the session of that epoch. It must be noted before anybody may give it back.
void held_note(struct held *held, uint64_t id, uint64_t epoch);

// Adds a hold here if the server counts one, in that epoch. False: the server has to be asked.
bool held_add(struct held *held, uint64_t id, uint64_t epoch);

// Gives back `count` holds. Returns how many of them the server is to be told of.
uint64_t held_drop(struct held *held, uint64_t id, uint64_t count);

#endif
