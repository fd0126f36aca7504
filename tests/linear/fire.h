// What a load's processes and workers share.
#ifndef TESTS_LINEAR_FIRE_H
#define TESTS_LINEAR_FIRE_H

#include <stdatomic.h>
#include <stdint.h>

#include "far.h"
#include "tests/linear/history.h"

#define FIRE_KEY_MAX 64 // bytes of a key's name

// As the command line says.
struct fire_options {
	const char *address;
	const char *folder; // for the histories
	const char *mount;  // where the server is mounted, or NULL
	const char *prefix; // of the keys: a directory of this run
	double seconds;
	unsigned processes;
	unsigned threads; // of each process
	unsigned mount_readers;
	unsigned keys;
	uint64_t seed;
};

// In memory that all processes share.
struct fire_shared {
	_Atomic uint32_t ready;    // workers that wait for the start
	_Atomic uint32_t failures; // processes and workers that could not go on
	_Atomic uint64_t ends_ns;  // set by the last to be ready
	_Atomic uint64_t operations[HISTORY_KINDS];
	_Atomic uint64_t written;
	_Atomic uint64_t torn;
	_Atomic uint64_t unknown;
	_Atomic uint64_t errors; // calls that failed in another way than by what others did to the key
	_Atomic uint64_t one_sided;
	_Atomic uint64_t one_sided_retries;
	_Atomic uint64_t probes;
};

// One thread of load: a sequential process in the sense of the history.
struct fire_worker {
	const struct fire_options *options;
	struct fire_shared *shared;
	far_session *warm; // remembers locations; NULL: reads through the mount
	far_session *cold; // remembers none
	uint32_t number;
};

// Runs until the end. Counts what happened in `shared`.
void *fire_worker_run(void *worker);

uint64_t fire_now_ns(void);

#endif
