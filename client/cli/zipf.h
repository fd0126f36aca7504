// Zipf's distribution: of `count` things the one of rank r (from 0) is chosen with a probability proportional to 1/(r+1)^theta.
#ifndef CLI_ZIPF_H
#define CLI_ZIPF_H

#include <stdint.h>

#define ZIPF_THETA_MAX 10.0

// Constant after zipf_init: threads may share it.
struct zipf {
	double count;
	double theta;
	double integral_of_first; // of the hat function, from where it begins
	double integral_of_last;
	double squeeze;
};

// `count` from 1 to 2^50, `theta` from 0 (uniform) to ZIPF_THETA_MAX. Costs nothing, however many there are.
void zipf_init(struct zipf *zipf, uint64_t count, double theta);

// Draws a rank, 0 to count - 1. *random is the state of random_next.
uint64_t zipf_draw(const struct zipf *zipf, uint64_t *random);

#endif
