// All that may be true of a key after a part of its history: configurations, each a state and the set of operations under way that have happened already.
#ifndef TESTS_LINEAR_FRONTIER_H
#define TESTS_LINEAR_FRONTIER_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/linear/model.h"

#define FRONTIER_SLOTS 64U // operations under way at a time, those without an answer included

struct frontier;

// Aborts without memory.
struct frontier *frontier_new(struct key_state state);
void frontier_free(struct frontier *frontier);

// An operation begins. `may_be_done`: it began before the history that is looked at, and may have happened then. Returns its slot, or -1: too many at a time.
int frontier_invoke(struct frontier *frontier, const struct history_op *op, bool may_be_done);

// The operation in the slot ends, so it has happened. Returns how many configurations are left: 0 = it cannot have happened with that outcome; -1: too many to go on.
long frontier_respond(struct frontier *frontier, int slot);

// Configurations held now.
size_t frontier_size(const struct frontier *frontier);

#endif
