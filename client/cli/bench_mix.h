// What a measurement does: operations, and how often each.
#ifndef CLI_BENCH_MIX_H
#define CLI_BENCH_MIX_H

#include <stdbool.h>
#include <stdint.h>

enum bench_op {
	BENCH_GET,      // warm-get, or with --cold cold-get
	BENCH_WARM_GET, // locations known after the warm-up: one-sided
	BENCH_COLD_GET, // no location is remembered: the server is asked each time
	BENCH_PUT,
	BENCH_INSERT, // a put of a key that there was not yet
	BENCH_RMW,    // read, modify, write by far_cas; again if somebody else was sooner
	BENCH_INCR,   // an add to the counter that stands beside the key
	BENCH_SCAN,   // keys in the order of creation from one on, and their values
	BENCH_STAT,
	BENCH_PING,
	BENCH_OPS,
};

extern const char *const bench_op_names[BENCH_OPS];

struct bench_mix {
	const char *text;          // as given
	uint32_t up_to[BENCH_OPS]; // weights of the operations up to this one
	unsigned op_count;         // how many different ones
	enum bench_op only;        // if it is one
};

// OP[:WEIGHT][+OP[:WEIGHT]...]. The text is kept. Returns 0 or -EINVAL.
int bench_mix_parse(const char *text, struct bench_mix *mix);

static inline bool bench_mix_has(const struct bench_mix *mix, enum bench_op op)
{
	return mix->up_to[op] > (op ? mix->up_to[op - 1] : 0);
}

// The operation that belongs to a random number.
static inline enum bench_op bench_mix_pick(const struct bench_mix *mix, uint64_t random)
{
	uint64_t weight = (random >> 32) * mix->up_to[BENCH_OPS - 1] >> 32;
	unsigned op = 0;

	if (mix->op_count == 1)
		return mix->only;
	while (weight >= mix->up_to[op])
		op++;
	return (enum bench_op)op;
}

// One of the core workloads of YCSB (B. F. Cooper et al., "Benchmarking cloud serving systems with YCSB", SoCC 2010), by its options here.
struct bench_workload {
	const char *name;
	const char *mix;
	const char *distribution;
};

// NULL if there is none of this name.
const struct bench_workload *bench_workload_find(const char *name);

#endif
