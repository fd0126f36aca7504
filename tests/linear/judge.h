// Whether what was done to one key is linearizable: whether each operation can be taken to have happened at one moment between its invocation and its response, so that a key with versions
// (far.h) explains all outcomes. Keys are independent and linearizability is local (M. Herlihy, J. Wing, 1990), so each is judged by itself.
#ifndef TESTS_LINEAR_JUDGE_H
#define TESTS_LINEAR_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/linear/history.h"

enum verdict_kind {
	VERDICT_LINEARIZABLE,
	VERDICT_REFUSED,   // ops[at]'s response cannot be explained
	VERDICT_TORN,      // ops[at] got bytes that are no value
	VERDICT_UNDECIDED, // too many operations at once, or without an answer
	VERDICT_BAD_INPUT, // ops[at] makes no sense
};

struct verdict {
	enum verdict_kind kind;
	size_t at;
	size_t configurations; // most that were held at once
};

// Judges all operations on one key, which did not exist before. Sorts them by invocation. Aborts without memory.
struct verdict judge(struct history_op *ops, size_t count);

// After VERDICT_REFUSED: takes out of the sorted operations all that the violation can do without, earlier ones and reads first. Moves the rest to the front and returns how many.
size_t judge_shrink(struct history_op *ops, size_t count, size_t at);

#endif
