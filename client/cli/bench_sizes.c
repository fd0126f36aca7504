#include "client/cli/bench_sizes.h"

#include <errno.h>
#include <string.h>

#include "client/cli/number.h"

#define WEIGHT_MAX 1000000U
#define TEXT_MAX 256

static int parse_part(struct bench_sizes *sizes, char *text)
{
	char *weight_text = strchr(text, ':');
	char *most_text = strchr(text, '-');
	uint64_t least;
	uint64_t most;
	uint64_t weight = 1;

	if (sizes->parts == BENCH_SIZE_PARTS_MAX)
		return -EINVAL;
	if (weight_text) {
		*weight_text++ = '\0';
		if (number_parse(weight_text, &weight) || weight == 0 || weight > WEIGHT_MAX)
			return -EINVAL;
	}
	if (most_text)
		*most_text++ = '\0';
	if (size_parse(text, &least) || size_parse(most_text ? most_text : text, &most) || least > most || most > BENCH_SIZE_MAX)
		return -EINVAL;
	if (sizes->parts == 0 || least < sizes->least)
		sizes->least = least;
	if (most > sizes->most)
		sizes->most = most;
	sizes->part[sizes->parts].least = least;
	sizes->part[sizes->parts].most = most;
	sizes->part[sizes->parts].up_to = weight + (sizes->parts ? sizes->part[sizes->parts - 1].up_to : 0);
	sizes->mean += (double)weight * ((double)least + (double)most) / 2;
	sizes->parts++;
	return 0;
}

int bench_sizes_parse(const char *text, struct bench_sizes *sizes)
{
	char copy[TEXT_MAX];
	char *rest = copy;
	char *part;

	*sizes = (struct bench_sizes){.text = text};
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	while ((part = strsep(&rest, "+")) != NULL)
		if (parse_part(sizes, part))
			return -EINVAL;
	sizes->mean /= (double)sizes->part[sizes->parts - 1].up_to;
	return 0;
}
