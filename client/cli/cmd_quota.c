#include <errno.h>
#include <stdio.h>

#include "client/cli/command.h"
#include "client/cli/key.h"
#include "client/cli/number.h"
#include "client/cli/operands.h"
#include "client/cli/quota_output.h"
#include "client/cli/report.h"

// far quota: limits of directories.

enum { KEY_BYTES = 0x100, KEY_OBJECTS, KEY_REMOVE };

struct quota_options {
	struct operands directories;
	bool sets_bytes, sets_objects, removes, is_json, is_for_people;
	uint64_t bytes, objects;
	struct json_object *quotas; // gather here, for JSON
	bool has_header;
};

static error_t take_limit(const struct argp_state *state, const char *option, const char *argument, uint64_t *limit)
{
	if (size_parse(argument, limit))
		return report_usage(state->name, "%s=%s: a number, with K, M, G or T behind it if wanted; 0 is no limit", option, argument);
	return 0;
}

static error_t check_all(const struct argp_state *state, const struct quota_options *options)
{
	bool sets = options->sets_bytes || options->sets_objects;

	if ((sets || options->removes) && options->directories.count == 0)
		return report_usage(state->name, "give the directories");
	return sets && options->removes ? report_usage(state->name, "either limits, or --remove") : 0;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct quota_options *options = state->input;

	switch (key) {
	case KEY_BYTES:
		options->sets_bytes = true;
		return take_limit(state, "--bytes", argument, &options->bytes);
	case KEY_OBJECTS:
		options->sets_objects = true;
		return take_limit(state, "--objects", argument, &options->objects);
	case KEY_REMOVE:
		options->removes = true;
		return 0;
	case 'h':
		options->is_for_people = true;
		return 0;
	case 'j':
		options->is_json = true;
		return 0;
	case ARGP_KEY_ARGS:
		operands_take(&options->directories, state);
		return 0;
	case ARGP_KEY_END:
		return check_all(state, options);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// --- printing ---

static void print_line(struct quota_options *options, const void *key, size_t key_length, const struct far_quota *quota)
{
	char bytes[32], bytes_limit[32], objects_limit[32];

	if (!options->has_header)
		printf("%14s %14s %12s %12s %9s  %s\n", "Bytes", "Limit", "Objects", "Limit", "Refused", "Directory");
	options->has_header = true;
	printf("%14s %14s %12llu %12s %9llu  ", size_format(quota->bytes, options->is_for_people, bytes),
	        quota_limit_format(quota->bytes_limit, options->is_for_people, bytes_limit), (unsigned long long)quota->objects,
	        quota_limit_format(quota->objects_limit, false, objects_limit), (unsigned long long)quota->refusals);
	quota_print_directory(stdout, key, key_length, quota);
}

static int show(void *context, const void *key, size_t key_length, const struct far_quota *quota)
{
	struct quota_options *options = context;

	if (options->is_json)
		json_object_array_add(options->quotas, json_of_quota(key, key_length, quota));
	else
		print_line(options, key, key_length, quota);
	return 0;
}

// --- acting ---

// A limit that is not given stays as it is.
static int set(struct cli *cli, const struct quota_options *options, struct key key)
{
	struct far_quota quota = {0};
	int error = 0;

	if (!options->sets_bytes || !options->sets_objects)
		error = far_quota_get(cli->session, key.bytes, key.length, &quota);
	if (error && error != -ENODATA)
		return error;
	return far_quota_set(cli->session, key.bytes, key.length, options->sets_bytes ? options->bytes : quota.bytes_limit,
	        options->sets_objects ? options->objects : quota.objects_limit, NULL);
}

static int act(struct cli *cli, struct quota_options *options, struct key key)
{
	struct far_quota quota;
	int error;

	if (options->removes)
		return far_quota_remove(cli->session, key.bytes, key.length);
	if (options->sets_bytes || options->sets_objects)
		return set(cli, options, key);
	error = far_quota_get(cli->session, key.bytes, key.length, &quota);
	return error ? error : show(options, key.bytes, key.length, &quota);
}

static int run(struct cli *cli, struct quota_options *options)
{
	int status = CLI_OK;
	int error;

	for (int i = 0; i < options->directories.count; i++) {
		error = act(cli, options, key_of_argument(options->directories.words[i]));
		if (error)
			status = report_error(error);
	}
	if (options->directories.count > 0)
		return status;
	error = far_quota_list(cli->session, show, options);
	return error ? report_error(error) : CLI_OK;
}

int cmd_quota(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"bytes", KEY_BYTES, "SIZE", 0, "Limit the memory of what is below to so many bytes (K, M, G, T); 0 is no limit", 0},
	        {"objects", KEY_OBJECTS, "NUMBER", 0, "Limit the number of files, directories and the like below; 0 is no limit", 0},
	        {"remove", KEY_REMOVE, NULL, 0, "Take the quotas away", 0},
	        {"human-readable", 'h', NULL, 0, "Show sizes like 4.0K or 2.3G", 0},
	        {"json", 'j', NULL, 0, "Write a JSON object", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .args_doc = "[DIRECTORY...]",
	        .doc = "Limit what is below directories, and show how much that is; without a DIRECTORY show all that have a limit. What "
	               "would "
	               "be more than a limit is refused. / is the whole server. Limits are for root to set."};
	struct quota_options options = {0};
	int status = command_parse(cli, &argp, argc, argv, &options);

	if (status != CLI_OK)
		return status;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	if (options.is_json)
		options.quotas = json_object_new_array();
	status = run(cli, &options);
	if (options.is_json && !options.sets_bytes && !options.sets_objects && !options.removes) {
		struct json_object *all = json_object_new_object();

		json_object_object_add(all, "quotas", options.quotas);
		json_print(all);
	}
	return status;
}
