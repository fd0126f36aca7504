// Writes a worker's history to its file. One thread's. A run of gets of one key that found the same is written by its first and last: values are unique, so what stood at both moments stood
// in between, and leaving out the others changes no verdict.
#ifndef TESTS_LINEAR_RECORDER_H
#define TESTS_LINEAR_RECORDER_H

#include <stdint.h>
#include <stdio.h>

#include "tests/linear/history.h"

struct recorder_run {
	struct history_op last;
	uint64_t length; // gets in a row, 0 = the last operation was another
};

struct recorder {
	FILE *file;
	struct recorder_run runs[HISTORY_KEYS_MAX];
	uint64_t written;
};

// 0 or a negative errno.
int recorder_init(struct recorder *recorder, const char *folder, uint32_t worker);

void record(struct recorder *recorder, const struct history_op *op);

// 0, or a negative errno if anything could not be written.
int recorder_fini(struct recorder *recorder);

#endif
