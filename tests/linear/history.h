// What was done to keys, and what came of it: written by fire.c, judged by check.c. One file a worker: a struct history_header, then struct history_op to the end.
#ifndef TESTS_LINEAR_HISTORY_H
#define TESTS_LINEAR_HISTORY_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_MAGIC 0x3154534948524146ULL // "FARHIST1"
#define HISTORY_WORKERS_MAX 64U
#define HISTORY_KEYS_MAX 1024U
#define HISTORY_ANY UINT64_MAX // a value or version that was not observed

struct history_header {
	uint64_t magic;
	uint32_t worker;
	uint32_t op_size;
};

enum history_kind {
	HISTORY_GET,            // value, version
	HISTORY_STAT,           // version
	HISTORY_PUT,            // value -> version
	HISTORY_CAS,            // value, expected -> version
	HISTORY_DELETE,         //
	HISTORY_DELETE_VERSION, // expected -> version, if refused
	HISTORY_RENAME_IN,      // another key, only the worker's own, was renamed to this one: value, version of what moved
	HISTORY_RENAME_OUT,     // the other way round: value, version of what was found there afterwards
	HISTORY_KINDS,
};

enum history_outcome {
	HISTORY_OK,
	HISTORY_ABSENT,  // there was no such key
	HISTORY_REFUSED, // compare-and-swap: `version` is the current one, 0 = no such key
	HISTORY_TORN,    // a get whose bytes are no value that was ever put; `expected` = position of the first wrong byte
	HISTORY_UNKNOWN, // a change that was not answered: it may have happened, may happen later, or never
	HISTORY_OUTCOMES,
};

struct history_op {
	uint64_t invoked_ns; // CLOCK_MONOTONIC of the one host
	uint64_t responded_ns;
	uint64_t value;   // name of the value put or got: unique over the whole history, never 0
	uint64_t version; // after the operation, or the current one if refused
	uint64_t expected;
	uint32_t worker;
	uint16_t key;
	uint8_t kind;    // enum history_kind
	uint8_t outcome; // enum history_outcome
};
static_assert(sizeof(struct history_op) == 48, "file format");

#endif
