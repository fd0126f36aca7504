// Many gets where the pool is mapped (get_many.c): what is remembered is loaded.
#ifndef CLIENT_GET_MANY_LOAD_H
#define CLIENT_GET_MANY_LOAD_H

#include "client/session.h"

// Items with a positive result are wanted; their keys need not have been checked. Those that are remembered, and still where they were, get result 0. Stops where the connection has
// ended. Returns how many it got.
size_t get_many_load(struct far_lane *lane, struct far_get_item *items, size_t number);

#endif
