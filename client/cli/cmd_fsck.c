#include <stdbool.h>

#include "client/cli/command.h"
#include "client/cli/json_output.h"
#include "client/cli/report.h"

// far fsck. Exit statuses as fsck(8)'s kin have them: clean, findings, trouble; so trouble is 2 here, not 1.

enum fsck_status { FSCK_CLEAN = 0, FSCK_FINDINGS = 1, FSCK_TROUBLE = 2 };

struct fsck_options {
	bool is_json;
	bool is_quiet;
	struct json_object *list; // of findings
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct fsck_options *options = state->input;

	switch (key) {
	case 'j':
		options->is_json = true;
		return 0;
	case 'q':
		options->is_quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		return report_usage(state->name, "%s: there are no arguments, only options", argument);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// One line a finding: its kind, then the text.
static int tell(void *context, const struct far_check_finding *finding)
{
	struct fsck_options *options = context;
	struct json_object *object;
	char id[32];

	if (!options->is_json) {
		printf("%s: ", finding->kind);
		if (finding->id)
			printf("object %llx: ", (unsigned long long)finding->id);
		print_escaped(stdout, finding->text, finding->text_length);
		putchar('\n');
		return 0;
	}
	object = json_object_new_object();
	json_add_text(object, "kind", finding->kind);
	snprintf(id, sizeof(id), "%llu", (unsigned long long)finding->id);
	json_add_text(object, "id", id);
	json_add_bytes(object, "text", finding->text, finding->text_length);
	json_object_array_add(options->list, object);
	return 0;
}

static void print_json(struct fsck_options *options, const struct far_check_summary *summary)
{
	struct json_object *object = json_object_new_object();

	json_add_u64(object, "objects", summary->objects);
	json_add_u64(object, "names", summary->names);
	json_add_u64(object, "pages", summary->pages);
	json_add_u64(object, "blocks", summary->blocks);
	json_add_u64(object, "unsettled", summary->unsettled);
	json_add_u64(object, "found", summary->findings);
	json_object_object_add(object, "findings", options->list);
	options->list = NULL;
	json_print(object);
}

static void print_summary(const struct far_check_summary *summary)
{
	printf("%llu objects, %llu names, %llu pages, %llu blocks: ", (unsigned long long)summary->objects,
	        (unsigned long long)summary->names, (unsigned long long)summary->pages, (unsigned long long)summary->blocks);
	if (summary->findings)
		printf("%llu findings", (unsigned long long)summary->findings);
	else
		printf("clean");
	if (summary->unsettled)
		printf("; %llu changed meanwhile and were not judged", (unsigned long long)summary->unsettled);
	putchar('\n');
}

static int check(struct cli *cli, struct fsck_options *options)
{
	struct far_check_summary summary;
	int error;

	if (command_connect(cli, NULL))
		return FSCK_TROUBLE;
	error = far_check(cli->session, tell, options, &summary);
	if (error) {
		report_error(error);
		return FSCK_TROUBLE;
	}
	if (options->is_json)
		print_json(options, &summary);
	else if (!options->is_quiet)
		print_summary(&summary);
	return summary.findings ? FSCK_FINDINGS : FSCK_CLEAN;
}

int cmd_fsck(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"json", 'j', NULL, 0, "Write a JSON object", 0},
	        {"quiet", 'q', NULL, 0, "Show findings only, no summary", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .doc = "Check that the server's structures fit together. Changes nothing; the server goes on meanwhile. "
	               "Exit status: 0 clean, 1 findings, 2 the check could not be made."};
	struct fsck_options options = {0};
	int status;

	status = command_parse(cli, &argp, argc, argv, &options);
	if (status != CLI_OK)
		return status;
	if (options.is_json)
		options.list = json_object_new_array();
	status = check(cli, &options);
	json_object_put(options.list);
	return status;
}
