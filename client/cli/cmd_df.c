#include <stdio.h>

#include "client/cli/command.h"
#include "client/cli/json_output.h"
#include "client/cli/number.h"
#include "client/cli/report.h"

// far df

struct df_options {
	bool is_json;
	bool is_for_people;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct df_options *options = state->input;

	switch (key) {
	case 'j':
		options->is_json = true;
		return 0;
	case 'h':
		options->is_for_people = true;
		return 0;
	case ARGP_KEY_ARG:
		return report_usage(state->name, "%s: there are no arguments, only options", argument);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_json(const struct far_space *space)
{
	struct json_object *object = json_object_new_object();

	json_add_u64(object, "total", space->total);
	json_add_u64(object, "used", space->total - space->free);
	json_add_u64(object, "free", space->free);
	json_add_u64(object, "available", space->available);
	json_add_u64(object, "segment_size", space->segment_size);
	json_add_u64(object, "objects", space->objects);
	json_add_u64(object, "sessions", space->sessions);
	json_add_u64(object, "operations", space->operations);
	json_add_u64(object, "uptime_ns", space->uptime_ns);
	json_print(object);
}

static void print_table(const struct far_space *space, bool is_for_people)
{
	int width = is_for_people ? 9 : 14;
	uint64_t used = space->total - space->free;
	double percent = space->total ? 100.0 * (double)used / (double)space->total : 0;
	char texts[4][32];

	printf("%*s %*s %*s %*s %5s %12s %9s\n", width, "Total", width, "Used", width, "Free", width, "Available", "Use%", "Objects",
	        "Sessions");
	printf("%*s %*s %*s %*s %4.0f%% %12llu %9llu\n", width, size_format(space->total, is_for_people, texts[0]), width,
	        size_format(used, is_for_people, texts[1]), width, size_format(space->free, is_for_people, texts[2]), width,
	        size_format(space->available, is_for_people, texts[3]), percent, (unsigned long long)space->objects,
	        (unsigned long long)space->sessions);
}

int cmd_df(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"human-readable", 'h', NULL, 0, "Show sizes like 4.0K or 2.3G", 0},
	        {"json", 'j', NULL, 0, "Write a JSON object", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .doc = "Show the server's pool in bytes. Free memory that is granted to clients for their next values is not available to "
	               "others."};
	struct df_options options = {0};
	struct far_space space;
	int error;
	int status;

	status = command_parse(cli, &argp, argc, argv, &options);
	if (status != CLI_OK)
		return status;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	error = far_space(cli->session, &space);
	if (error)
		return report_error(error);
	if (options.is_json)
		print_json(&space);
	else
		print_table(&space, options.is_for_people);
	return CLI_OK;
}
