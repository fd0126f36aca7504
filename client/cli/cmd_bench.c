#include <errno.h>
#include <stdlib.h>

#include "client/cli/bench.h"
#include "client/cli/interrupt.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// far bench: for each size, the keys are stored, each mix of operations is measured, and the keys are deleted.

struct measuring {
	struct bench_data data;
	struct bench_report *report;
	struct bench_result result;
	uint64_t wrong; // values
};

static int load(struct measuring *measuring)
{
	bool is_shown = measuring->data.options->phase == BENCH_LOAD;
	int status = bench_data_load(&measuring->data, &measuring->result);

	if (status == CLI_OK && is_shown && !interrupt_is_noted())
		bench_report_add(measuring->report, &measuring->result);
	bench_result_free(&measuring->result);
	return status;
}

static int measure(struct measuring *measuring, const struct bench_mix *mix)
{
	struct bench_data *data = &measuring->data;
	int status = CLI_OK;

	if (bench_mix_has(mix, BENCH_SCAN) && !data->cursors)
		status = bench_data_find_cursors(data);
	if (status != CLI_OK)
		return status;
	status = bench_run(data, mix, false, &measuring->result);
	if (status == CLI_OK && !interrupt_is_noted()) {
		bench_report_add(measuring->report, &measuring->result);
		measuring->wrong += measuring->result.wrong;
	}
	bench_result_free(&measuring->result);
	return status;
}

static int measure_size(struct measuring *measuring, const struct bench_sizes *sizes)
{
	const struct bench_options *options = measuring->data.options;
	int status = bench_data_new(&measuring->data, sizes);

	if (status == CLI_OK && options->phase != BENCH_RUN)
		status = load(measuring);
	for (unsigned i = 0; i < options->mix_count && status == CLI_OK && options->phase != BENCH_LOAD && !interrupt_is_noted(); i++)
		status = measure(measuring, &options->mixes[i]);
	bench_data_free(&measuring->data);
	return status;
}

static int run(struct measuring *measuring)
{
	const struct bench_options *options = measuring->data.options;
	int status = CLI_OK;

	measuring->report = bench_report_begin(&measuring->data);
	if (!measuring->report)
		return report_local("cannot", "measure", ENOMEM);
	interrupt_catch();
	for (unsigned i = 0; i < options->size_count && status == CLI_OK && !interrupt_is_noted(); i++)
		status = measure_size(measuring, &options->sizes[i]);
	bench_report_end(measuring->report);
	if (status == CLI_OK && interrupt_is_noted())
		status = report("bench: interrupted");
	if (status == CLI_OK && measuring->wrong)
		status = report("bench: %llu values were wrong", (unsigned long long)measuring->wrong);
	interrupt_release();
	return status;
}

int cmd_bench(struct cli *cli, int argc, char **argv)
{
	CLEANUP(free) struct bench_options *options = calloc(1, sizeof(*options));
	CLEANUP(free) struct measuring *measuring = calloc(1, sizeof(*measuring));
	struct bench_clock clock;
	int status;

	if (!options || !measuring)
		return report_local("cannot", "measure", ENOMEM);
	status = bench_options_parse(cli, argc, argv, options);
	if (status != CLI_OK)
		return status;
	bench_clock_init(&clock);
	measuring->data.options = options;
	measuring->data.clock = &clock;
	status = bench_data_connect(&measuring->data, cli);
	if (status == CLI_OK)
		status = run(measuring);
	bench_data_disconnect(&measuring->data);
	return status;
}
