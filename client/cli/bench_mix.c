#include "client/cli/bench_mix.h"

#include <errno.h>
#include <string.h>

#include "client/cli/number.h"

#define WEIGHT_MAX 1000000U
#define TEXT_MAX 256

const char *const bench_op_names[BENCH_OPS] = {[BENCH_GET] = "get",
        [BENCH_WARM_GET] = "warm-get",
        [BENCH_COLD_GET] = "cold-get",
        [BENCH_PUT] = "put",
        [BENCH_INSERT] = "insert",
        [BENCH_RMW] = "rmw",
        [BENCH_INCR] = "incr",
        [BENCH_SCAN] = "scan",
        [BENCH_STAT] = "stat",
        [BENCH_PING] = "ping"};

static const struct bench_workload workloads[] = {
        {"a", "get:50+put:50", "scrambled"},
        {"b", "get:95+put:5", "scrambled"},
        {"c", "get", "scrambled"},
        {"d", "get:95+insert:5", "latest"},
        {"e", "scan:95+insert:5", "scrambled"},
        {"f", "get:50+rmw:50", "scrambled"},
};

const struct bench_workload *bench_workload_find(const char *name)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++)
		if (strcmp(name, workloads[i].name) == 0)
			return &workloads[i];
	return NULL;
}

// `weights` by operation.
static int parse_part(char *text, uint32_t weights[BENCH_OPS])
{
	char *weight_text = strchr(text, ':');
	uint64_t weight = 1;
	unsigned op = 0;

	if (weight_text) {
		*weight_text++ = '\0';
		if (number_parse(weight_text, &weight) || weight == 0 || weight > WEIGHT_MAX)
			return -EINVAL;
	}
	while (op < BENCH_OPS && strcmp(text, bench_op_names[op]) != 0)
		op++;
	if (op == BENCH_OPS || weights[op])
		return -EINVAL;
	weights[op] = (uint32_t)weight;
	return 0;
}

int bench_mix_parse(const char *text, struct bench_mix *mix)
{
	uint32_t weights[BENCH_OPS] = {0};
	char copy[TEXT_MAX];
	char *rest = copy;
	char *part;
	uint32_t sum = 0;

	*mix = (struct bench_mix){.text = text};
	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	while ((part = strsep(&rest, "+")) != NULL)
		if (parse_part(part, weights))
			return -EINVAL;
	for (unsigned op = 0; op < BENCH_OPS; op++) {
		sum += weights[op];
		mix->up_to[op] = sum;
		if (!weights[op])
			continue;
		mix->only = (enum bench_op)op;
		mix->op_count++;
	}
	return 0;
}
