#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>

#include "client/cli/command.h"
#include "client/cli/json_output.h"
#include "client/cli/number.h"
#include "client/cli/report.h"

// far profile: asks a mount where the time of its operations goes. The mount tells it by an attribute of its root (fsd/status.h), which also begins and ends it.

#define ATTRIBUTE "user.far.profile"
#define TEXT_MAX 16384
#define KINDS_MAX 64
#define STAGES 5

struct profile_options {
	const char *directory;
	double seconds;
	bool is_json;
};

struct kind {
	char name[32];
	uint64_t count;
	uint64_t ns[STAGES];
	uint64_t all_ns;
};

static const char *const stages[STAGES] = {"work", "post", "wait", "copy", "reply"};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct profile_options *options = state->input;

	switch (key) {
	case 't':
		if (seconds_parse(argument, &options->seconds) || options->seconds <= 0)
			return report_usage(state->name, "--seconds: %s: give seconds above 0", argument);
		return 0;
	case 'j':
		options->is_json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (options->directory)
			return report_usage(state->name, "%s: give one directory", argument);
		options->directory = argument;
		return 0;
	case ARGP_KEY_END:
		if (!options->directory)
			return report_usage(state->name, "the directory is missing: give the one that is mounted on");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void ignore(int number)
{
	(void)number;
}

// Until the time is over, or Ctrl-C ends it: what was seen until then is shown.
static void wait_for(double seconds)
{
	struct sigaction action = {.sa_handler = ignore};
	struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

	sigaction(SIGINT, &action, NULL);
	nanosleep(&time, NULL);
}

static int say(const char *directory, int error)
{
	if (error == ENODATA || error == EOPNOTSUPP)
		return report("%s: not the root of a mount of FarFS: give the directory that it is mounted on", directory);
	return report_local("cannot profile", directory, error);
}

// One line is a name, a count, and pairs of a stage and its nanoseconds. False: it is none.
static bool read_kind(char *line, struct kind *kind)
{
	char *place = NULL;
	const char *word = strtok_r(line, " ", &place);

	*kind = (struct kind){0};
	if (!word)
		return false;
	snprintf(kind->name, sizeof(kind->name), "%s", word);
	word = strtok_r(NULL, " ", &place);
	kind->count = word ? strtoull(word, NULL, 10) : 0;
	for (unsigned i = 0; i < STAGES; i++) {
		strtok_r(NULL, " ", &place); // its name
		word = strtok_r(NULL, " ", &place);
		kind->ns[i] = word ? strtoull(word, NULL, 10) : 0;
		kind->all_ns += kind->ns[i];
	}
	return kind->count > 0;
}

static int by_time(const void *one, const void *other)
{
	uint64_t a = ((const struct kind *)one)->all_ns, b = ((const struct kind *)other)->all_ns;

	return a < b ? 1 : a > b ? -1 : 0;
}

static unsigned read_kinds(char *text, struct kind kinds[KINDS_MAX])
{
	unsigned count = 0;
	char *place = NULL;

	for (char *line = strtok_r(text, "\n", &place); line && count < KINDS_MAX; line = strtok_r(NULL, "\n", &place))
		count += read_kind(line, &kinds[count]);
	qsort(kinds, count, sizeof(kinds[0]), by_time);
	return count;
}

static void print_table(const struct kind *kinds, unsigned count, double seconds)
{
	uint64_t all = 0, operations = 0;

	for (unsigned i = 0; i < count; i++) {
		all += kinds[i].all_ns;
		operations += kinds[i].count;
	}
	printf("%-16s %10s %6s %9s", "operation", "count", "time", "us each");
	for (unsigned i = 0; i < STAGES; i++)
		printf(" %8s", stages[i]);
	printf("\n");
	for (unsigned i = 0; i < count; i++) {
		const struct kind *kind = &kinds[i];
		double each = 1e-3 / (double)kind->count;

		printf("%-16s %10" PRIu64 " %5.1f%% %9.2f", kind->name, kind->count, all ? 100.0 * (double)kind->all_ns / (double)all : 0,
		        (double)kind->all_ns * each);
		for (unsigned stage = 0; stage < STAGES; stage++)
			printf(" %8.2f", (double)kind->ns[stage] * each);
		printf("\n");
	}
	printf("%" PRIu64 " operations in %.1f s; far-fsd worked on them for %.3f s\n", operations, seconds, (double)all * 1e-9);
}

static void print_json(const struct kind *kinds, unsigned count, double seconds)
{
	struct json_object *object = json_object_new_object(), *list = json_object_new_array();

	json_add_double(object, "seconds", seconds);
	for (unsigned i = 0; i < count; i++) {
		struct json_object *entry = json_object_new_object();

		json_add_text(entry, "operation", kinds[i].name);
		json_add_u64(entry, "count", kinds[i].count);
		for (unsigned stage = 0; stage < STAGES; stage++) {
			char name[16];

			snprintf(name, sizeof(name), "%s_ns", stages[stage]);
			json_add_u64(entry, name, kinds[i].ns[stage]);
		}
		json_object_array_add(list, entry);
	}
	json_object_object_add(object, "operations", list);
	json_print(object);
}

static int run(const struct profile_options *options)
{
	struct kind kinds[KINDS_MAX];
	char text[TEXT_MAX + 1];
	ssize_t length;
	unsigned count;

	if (getxattr(options->directory, ATTRIBUTE, NULL, 0) < 0 || setxattr(options->directory, ATTRIBUTE, "1", 1, 0) < 0)
		return say(options->directory, errno);
	wait_for(options->seconds);
	if (setxattr(options->directory, ATTRIBUTE, "0", 1, 0) < 0 ||
	        (length = getxattr(options->directory, ATTRIBUTE, text, TEXT_MAX)) < 0)
		return say(options->directory, errno);
	text[length] = '\0';
	count = read_kinds(text, kinds);
	if (options->is_json)
		print_json(kinds, count, options->seconds);
	else
		print_table(kinds, count, options->seconds);
	return CLI_OK;
}

int cmd_profile(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"seconds", 't', "SECONDS", 0, "How long to look (default: 5; Ctrl-C ends it sooner)", 0},
	        {"json", 'j', NULL, 0, "Write a JSON object", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .args_doc = "DIRECTORY",
	        .doc = "Look at the mount on DIRECTORY for some seconds, and show where the time of its operations went: composing "
	               "requests "
	               "to the server (post), waiting for it (wait), copying from and to the pool (copy), answering the kernel (reply), "
	               "and all else (work)."};
	struct profile_options options = {.seconds = 5};
	int status;

	status = command_parse(cli, &argp, argc, argv, &options);
	if (status != CLI_OK)
		return status;
	return run(&options);
}
