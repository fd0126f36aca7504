#include "client/cli/zipf.h"

#include <math.h>

#include "client/cli/random.h"

// By rejection-inversion: W. Hormann and G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", ACM TOMACS 6(3), 1996. The sum over
// the ranks is covered by the integral H of h(x) = x^-theta, which is inverted; nearly every draw is accepted at once. Nothing is summed up beforehand, unlike in the method
// of Gray et al. that most generators use, whose zeta(n) takes n steps. H is taken as (x^(1-theta) - 1) / (1-theta), which goes to log x where theta is 1.

#define TINY 1e-8

// (e^x - 1) / x
static double expm1_ratio(double x)
{
	return fabs(x) > TINY ? expm1(x) / x : 1 + x / 2;
}

// log(1 + x) / x
static double log1p_ratio(double x)
{
	return fabs(x) > TINY ? log1p(x) / x : 1 - x / 2;
}

static double hat(const struct zipf *zipf, double x)
{
	return exp(-zipf->theta * log(x));
}

static double integral(const struct zipf *zipf, double x)
{
	double logarithm = log(x);

	return logarithm * expm1_ratio((1 - zipf->theta) * logarithm);
}

static double integral_inverse(const struct zipf *zipf, double y)
{
	double t = y * (1 - zipf->theta);

	if (t < -1) // by rounding, at the far end
		t = -1;
	return exp(y * log1p_ratio(t));
}

void zipf_init(struct zipf *zipf, uint64_t count, double theta)
{
	*zipf = (struct zipf){.count = (double)count, .theta = theta};
	zipf->integral_of_first = integral(zipf, 1.5) - 1;
	zipf->integral_of_last = integral(zipf, zipf->count + 0.5);
	zipf->squeeze = 2 - integral_inverse(zipf, integral(zipf, 2.5) - hat(zipf, 2));
}

uint64_t zipf_draw(const struct zipf *zipf, uint64_t *random)
{
	for (;;) {
		double u = zipf->integral_of_last + random_fraction(random) * (zipf->integral_of_first - zipf->integral_of_last);
		double x = integral_inverse(zipf, u);
		double k = floor(x + 0.5);

		if (k < 1)
			k = 1;
		else if (k > zipf->count)
			k = zipf->count;
		if (k - x <= zipf->squeeze || u >= integral(zipf, k + 0.5) - hat(zipf, k))
			return (uint64_t)k - 1;
	}
}
