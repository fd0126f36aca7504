// Which key comes next. Draws that cost more than some nanoseconds are made beforehand.
#ifndef CLI_BENCH_CHOICE_H
#define CLI_BENCH_CHOICE_H

#include <stdint.h>

#include "client/cli/random.h"

enum bench_choice_kind {
	CHOICE_UNIFORM,
	CHOICE_SEQUENTIAL,
	CHOICE_ZIPF,      // the popular keys lie anywhere among all
	CHOICE_SCRAMBLED, // as YCSB's: Zipf over 10^10 items, hashed onto the keys
	CHOICE_LATEST,    // Zipf by age: the key inserted last is the most popular one
};

struct bench_distribution {
	enum bench_choice_kind kind;
	double theta;
	const char *text;
};

// uniform, sequential, zipf[:THETA], scrambled, latest[:THETA]. The text is kept. Returns 0 or -EINVAL.
int bench_distribution_parse(const char *text, struct bench_distribution *distribution);

// Of one thread. The keys it chooses of are first, first + stride, ...: `count` of them.
struct bench_choice {
	enum bench_choice_kind kind;
	uint64_t count;
	uint64_t first;
	uint64_t stride;
	uint64_t random;   // state
	uint64_t at;       // in the sequence, or in the draws
	uint32_t *draws;   // made beforehand
	uint64_t mask;     // their number less one
	uint64_t inserted; // keys that this thread added: numbers insert_first + i * threads
	uint64_t insert_first;
	uint64_t threads;
};

// `count`, `first`, `stride`, `insert_first` and `threads` have been set. Takes up to some 50 ms for the draws. Returns 0 or -ENOMEM.
int bench_choice_init(struct bench_choice *choice, const struct bench_distribution *distribution, uint64_t seed, uint64_t thread);
void bench_choice_fini(struct bench_choice *choice);

// The key of the rank-th latest: this thread's own insertions, and before them the keys that were there.
static inline uint64_t bench_choice_by_age(const struct bench_choice *choice, uint64_t rank)
{
	if (rank < choice->inserted)
		return choice->insert_first + (choice->inserted - 1 - rank) * choice->threads;
	return choice->count - 1 - (rank - choice->inserted);
}

static inline uint64_t bench_choice_next(struct bench_choice *choice)
{
	uint64_t index;

	if (choice->kind == CHOICE_UNIFORM) {
		index = random_below(&choice->random, choice->count);
	} else if (choice->kind == CHOICE_SEQUENTIAL) {
		index = choice->at++;
		if (choice->at == choice->count)
			choice->at = 0;
	} else {
		index = choice->draws[choice->at++ & choice->mask];
		if (choice->kind == CHOICE_LATEST)
			return bench_choice_by_age(choice, index);
	}
	return choice->first + index * choice->stride;
}

// The number of a key to insert.
static inline uint64_t bench_choice_insert(struct bench_choice *choice)
{
	return choice->insert_first + choice->inserted++ * choice->threads;
}

#endif
