// A key as far.h describes it: absent, or a value with a version.
#ifndef TESTS_LINEAR_MODEL_H
#define TESTS_LINEAR_MODEL_H

#include <stdbool.h>

#include "tests/linear/history.h"

// Absent is value 0, version 0. HISTORY_ANY: not known (yet), where a history begins in its middle or an answer is missing.
struct key_state {
	uint64_t value;
	uint64_t version;
	uint64_t last; // highest known version of what has left the key
};

// Whether the operation, with the outcome it had, can happen in this state. If so, *state is what it leaves, with what its outcome tells of the state before.
bool model_apply(const struct history_op *op, struct key_state *state);

// Whether the outcome is one that the kind can have at all, with fields that make sense.
bool model_is_possible(const struct history_op *op);

// Whether it leaves the key as it is: such operations may be left out of a history and it stays linearizable if it was.
bool model_is_read(const struct history_op *op);

// Whether it may have brought its value to the key.
bool model_writes(const struct history_op *op);

#endif
