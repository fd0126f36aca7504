#include "client/cli/bench_choice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/zipf.h"

// A draw of Zipf's takes as long as a get over shared memory, so each thread makes its draws before the measurement and goes through them over and over.

#define DRAWS_MAX (1U << 20) // a thread, 4 MiB
#define DRAWS_OF_MANY (1U << 18)
#define MANY_THREADS 8
#define YCSB_ITEMS 10000000000U
#define YCSB_THETA 0.99
#define SCATTER 2654435761U // a prime above the most keys there may be: i -> i * SCATTER mod count is one to one

static const struct {
	const char *name;
	enum bench_choice_kind kind;
	int has_theta;
} kinds[] = {
        {"uniform", CHOICE_UNIFORM, 0},
        {"sequential", CHOICE_SEQUENTIAL, 0},
        {"zipf", CHOICE_ZIPF, 1},
        {"scrambled", CHOICE_SCRAMBLED, 0},
        {"latest", CHOICE_LATEST, 1},
};

int bench_distribution_parse(const char *text, struct bench_distribution *distribution)
{
	size_t length = strcspn(text, ":");
	char *end;

	*distribution = (struct bench_distribution){.theta = YCSB_THETA, .text = text};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strlen(kinds[i].name) != length || memcmp(kinds[i].name, text, length) != 0)
			continue;
		distribution->kind = kinds[i].kind;
		if (!text[length])
			return 0;
		distribution->theta = strtod(text + length + 1, &end);
		if (!kinds[i].has_theta || end == text + length + 1 || *end)
			return -EINVAL;
		return distribution->theta >= 0 && distribution->theta <= ZIPF_THETA_MAX ? 0 : -EINVAL;
	}
	return -EINVAL;
}

// The 64-bit FNV-1 hash of a number's bytes as YCSB takes it, sign dropped.
static uint64_t fnv_hash(uint64_t number)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (int i = 0; i < 8; i++) {
		hash ^= number & 0xff;
		hash *= 1099511628211U;
		number >>= 8;
	}
	return (int64_t)hash < 0 ? -hash : hash;
}

static uint32_t draw(struct bench_choice *choice, const struct zipf *zipf)
{
	uint64_t rank = zipf_draw(zipf, &choice->random);

	if (choice->kind == CHOICE_ZIPF)
		rank = (uint64_t)((unsigned __int128)rank * SCATTER % choice->count);
	else if (choice->kind == CHOICE_SCRAMBLED)
		rank = fnv_hash(rank) % choice->count;
	return (uint32_t)rank;
}

int bench_choice_init(struct bench_choice *choice, const struct bench_distribution *distribution, uint64_t seed, uint64_t thread)
{
	struct zipf zipf;

	choice->kind = distribution->kind;
	choice->random = random_mix(random_mix(seed) + thread) | 1;
	if (choice->kind == CHOICE_SEQUENTIAL && choice->stride == 1) // threads that share the keys begin at places of their own
		choice->at = choice->count * thread / choice->threads;
	if (choice->kind == CHOICE_UNIFORM || choice->kind == CHOICE_SEQUENTIAL)
		return 0;
	choice->mask = (choice->threads > MANY_THREADS ? DRAWS_OF_MANY : DRAWS_MAX) - 1;
	choice->draws = malloc((choice->mask + 1) * sizeof(choice->draws[0]));
	if (!choice->draws)
		return -ENOMEM;
	zipf_init(&zipf, choice->kind == CHOICE_SCRAMBLED ? YCSB_ITEMS : choice->count, distribution->theta);
	for (uint64_t i = 0; i <= choice->mask; i++)
		choice->draws[i] = draw(choice, &zipf);
	return 0;
}

void bench_choice_fini(struct bench_choice *choice)
{
	free(choice->draws);
	choice->draws = NULL;
}
