#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/interrupt.h"
#include "client/cli/number.h"
#include "client/cli/report.h"
#include "client/cli/top.h"

// far top: looks at the server's counts again and again, and shows what changed. On a terminal each look replaces the last, elsewhere they follow each other.

#define SESSIONS_MAX 20 // shown where there is no terminal whose height says how many
#define LINES_OTHERS 8  // on a terminal, besides operations, quotas and sessions

struct top_options {
	double interval;
	uint64_t iterations; // 0 = until it is ended
	bool is_json;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct top_options *options = state->input;

	switch (key) {
	case 'i':
		if (seconds_parse(argument, &options->interval) || options->interval < 0.1 || options->interval > 86400)
			return report_usage(state->name, "--interval: %s: give seconds from 0.1 to 86400", argument);
		return 0;
	case 'n':
		if (number_parse(argument, &options->iterations) || options->iterations == 0)
			return report_usage(state->name, "--iterations: %s: give a number above 0", argument);
		return 0;
	case 'j':
		options->is_json = true;
		return 0;
	case ARGP_KEY_ARG:
		return report_usage(state->name, "%s: there are no arguments, only options", argument);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// Ctrl-C ends a wait, and with it the command, between two looks: no line is cut.
static void wait_for(double seconds)
{
	struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

	while (!interrupt_is_noted() && nanosleep(&time, &time) && errno == EINTR)
		continue;
}

static size_t lines_of_quotas(const struct top_quotas *quotas)
{
	return quotas->count ? quotas->count + 2 + (quotas->count < quotas->all) : 0;
}

static size_t room_for_sessions(const struct top_delta *delta, const struct top_quotas *quotas, bool is_live)
{
	struct winsize size;
	size_t others = LINES_OTHERS + delta->operation_count + lines_of_quotas(quotas);

	if (!is_live || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row == 0)
		return SESSIONS_MAX;
	return size.ws_row > others + 1 ? size.ws_row - others : 1;
}

static int show(struct cli *cli, const struct top_delta *delta, const struct top_quotas *quotas, const struct top_options *options)
{
	bool is_live = !options->is_json && isatty(STDOUT_FILENO);
	struct far_statistics statistics;

	far_statistics(cli->session, &statistics);
	if (options->is_json) {
		top_print_json(delta, quotas, statistics.address);
	} else {
		if (is_live)
			fputs("\033[H\033[2J", stdout); // home, and clear
		top_print(stdout, delta, quotas, statistics.address, room_for_sessions(delta, quotas, is_live));
		if (!is_live)
			fputc('\n', stdout);
	}
	return fflush(stdout) ? report_output(errno) : CLI_OK;
}

static int look(struct cli *cli, struct far_metrics *before, const struct top_options *options)
{
	struct far_metrics now;
	struct top_quotas quotas = {.all = 0};
	struct top_delta delta;
	int error = far_metrics(cli->session, &now);
	int status;

	if (error)
		return report_error(error);
	error = far_quota_list(cli->session, top_quotas_note, &quotas);
	if (error) {
		far_metrics_free(&now);
		return report_error(error);
	}
	if (top_delta_make(before, &now, &delta)) {
		far_metrics_free(&now);
		return report_local("cannot show", "metrics", ENOMEM);
	}
	status = show(cli, &delta, &quotas, options);
	top_delta_free(&delta);
	far_metrics_free(before);
	*before = now;
	return status;
}

static int run(struct cli *cli, const struct top_options *options)
{
	struct far_metrics before;
	int error = far_metrics(cli->session, &before);
	int status = CLI_OK;

	if (error)
		return report_error(error);
	interrupt_catch();
	for (uint64_t i = 0; status == CLI_OK && (options->iterations == 0 || i < options->iterations); i++) {
		wait_for(options->interval);
		if (interrupt_is_noted())
			break;
		status = look(cli, &before, options);
	}
	interrupt_release();
	far_metrics_free(&before);
	return status;
}

int cmd_top(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"interval", 'i', "SECONDS", 0, "Time between two looks, 0.1 to 86400 (default: 1)", 0},
	        {"iterations", 'n', "N", 0, "How many looks (default: until Ctrl-C)", 0},
	        {"json", 'j', NULL, 0, "Write a JSON object for each look, one a line", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .doc = "Show what the server does, again and again: operations per second and how long their handlers take, bytes of "
	               "values, memory, the quotas that are nearest to their limits, and the sessions with their operations. What clients "
	               "read by themselves is not seen by the "
	               "server."};
	struct top_options options = {.interval = 1};
	int status = command_parse(cli, &argp, argc, argv, &options);

	if (status != CLI_OK)
		return status;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	return run(cli, &options);
}
