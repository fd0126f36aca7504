// Sizes of values: one, any of a range, or some of a list by weight.
#ifndef CLI_BENCH_SIZES_H
#define CLI_BENCH_SIZES_H

#include <stdint.h>

#define BENCH_SIZE_PARTS_MAX 16
#define BENCH_SIZE_MAX (1ULL << 40)

struct bench_sizes {
	unsigned parts;
	struct {
		uint64_t least, most;
		uint64_t up_to; // weights of the parts up to this one
	} part[BENCH_SIZE_PARTS_MAX];
	uint64_t least, most; // of all
	double mean;
	const char *text; // as given
};

// PART[+PART...], a PART being SIZE or SIZE-SIZE (each size between as likely), and :WEIGHT behind it if wanted (default: 1). The text is kept. Returns 0 or -EINVAL.
int bench_sizes_parse(const char *text, struct bench_sizes *sizes);

// The size that belongs to a number, whose bits should be random: the same one for the same number.
static inline uint64_t bench_sizes_pick(const struct bench_sizes *sizes, uint64_t random)
{
	uint64_t weight;
	unsigned part = 0;

	if (sizes->least == sizes->most)
		return sizes->least;
	weight = (random >> 32) * sizes->part[sizes->parts - 1].up_to >> 32;
	while (weight >= sizes->part[part].up_to)
		part++;
	return sizes->part[part].least +
	       (uint64_t)((unsigned __int128)(random << 32 | random >> 32) * (sizes->part[part].most - sizes->part[part].least + 1) >> 64);
}

#endif
