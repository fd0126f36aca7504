#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "client/cli/command.h"
#include "client/cli/histogram.h"
#include "client/cli/interrupt.h"
#include "client/cli/json_output.h"
#include "client/cli/number.h"
#include "client/cli/report.h"
#include "far/cleanup.h"
#include "far/clock.h"

// far ping

struct ping_options {
	uint64_t count;
	double interval_s;
	bool is_json;
	bool is_quiet;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct ping_options *options = state->input;

	switch (key) {
	case 'c':
		if (number_parse(argument, &options->count) || options->count == 0)
			return report_usage(state->name, "--count: %s: give a number above 0", argument);
		return 0;
	case 'i':
		if (seconds_parse(argument, &options->interval_s))
			return report_usage(state->name, "--interval: %s: give seconds, 0 or more", argument);
		return 0;
	case 'j':
		options->is_json = true;
		return 0;
	case 'q':
		options->is_quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		return report_usage(state->name, "%s: there are no arguments; --server names the server", argument);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void pause_for(double seconds)
{
	struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

	nanosleep(&time, NULL);
}

static int ping_all(struct cli *cli, const struct ping_options *options, struct histogram *times)
{
	int error = far_ping(cli->session); // not counted: the first touches everything for the first time

	for (uint64_t i = 0; i < options->count && !error && !interrupt_is_noted(); i++) {
		uint64_t begin;
		uint64_t time;

		if (i > 0 && options->interval_s > 0) // sleeping for no time takes some, too
			pause_for(options->interval_s);
		begin = clock_now_ns();
		error = far_ping(cli->session);
		time = clock_now_ns() - begin;
		if (error)
			break;
		histogram_add(times, time, 1);
		if (!options->is_quiet && !options->is_json) {
			printf("answer %llu: %.1f us\n", (unsigned long long)i + 1, (double)time / 1000);
			fflush(stdout);
		}
	}
	return error ? report_error(error) : CLI_OK;
}

static void print_json(const struct far_statistics *statistics, const struct histogram *times)
{
	struct json_object *object = json_object_new_object();
	struct json_object *rtt = json_object_new_object();

	json_add_text(object, "provider", statistics->provider);
	json_add_text(object, "address", statistics->address);
	json_add_text(object, "chosen_because", statistics->chosen_because);
	json_add_u64(object, "answers", times->count);
	json_add_u64(rtt, "min", times->least);
	json_add_u64(rtt, "mean", times->count ? times->sum / times->count : 0);
	json_add_u64(rtt, "p50", histogram_quantile(times, 0.5));
	json_add_u64(rtt, "p99", histogram_quantile(times, 0.99));
	json_add_u64(rtt, "max", times->most);
	json_object_object_add(object, "rtt_ns", rtt);
	json_print(object);
}

static void print_summary(const struct histogram *times)
{
	if (times->count == 0)
		return;
	printf("%llu answers, round trip min %.1f, mean %.1f, p50 %.1f, p99 %.1f, max %.1f us\n", (unsigned long long)times->count,
	        (double)times->least / 1000, (double)times->sum / (double)times->count / 1000,
	        (double)histogram_quantile(times, 0.5) / 1000, (double)histogram_quantile(times, 0.99) / 1000, (double)times->most / 1000);
}

int cmd_ping(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"count", 'c', "N", 0, "Ask N times (default: 5)", 0},
	        {"interval", 'i', "SECONDS", 0, "Wait between two (default: 0.2)", 0},
	        {"quiet", 'q', NULL, 0, "Print the summary only", 0},
	        {"json", 'j', NULL, 0, "Write a JSON object", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .doc = "Ask the server for an answer and measure the round trip; say which provider and address are used, and why."};
	CLEANUP(free) struct histogram *times = calloc(1, sizeof(*times));
	struct ping_options options = {.count = 5, .interval_s = 0.2};
	struct far_statistics statistics;
	int status;

	status = command_parse(cli, &argp, argc, argv, &options);
	if (status != CLI_OK)
		return status;
	if (!times)
		return report_local("cannot", "ping", ENOMEM);
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	far_statistics(cli->session, &statistics);
	if (!options.is_json)
		printf("%s: %s, because %s\n", statistics.address, statistics.provider, statistics.chosen_because);
	interrupt_catch();
	status = ping_all(cli, &options, times);
	interrupt_release();
	if (options.is_json)
		print_json(&statistics, times);
	else
		print_summary(times);
	return status;
}
