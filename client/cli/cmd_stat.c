#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/command.h"
#include "client/cli/json_output.h"
#include "client/cli/key.h"
#include "client/cli/number.h"
#include "client/cli/operands.h"
#include "client/cli/report.h"

// far stat

struct stat_options {
	bool is_json;
	struct operands keys;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct stat_options *options = state->input;

	(void)argument;
	switch (key) {
	case 'j':
		options->is_json = true;
		return 0;
	case ARGP_KEY_ARGS:
		operands_take(&options->keys, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_time(const char *name, int64_t time_ns)
{
	char text[64];

	printf("  %-11s %s\n", name, time_format(time_ns, true, text));
}

// `ttl_ms` 0: none.
static void print_stat(struct key key, const struct far_stat *stat, uint64_t ttl_ms)
{
	char text[32];

	print_key(stdout, key.length ? key.bytes : "/", key.length ? key.length : 1);
	printf("\n  %-11s %s\n", "type", type_of_mode(stat->mode));
	printf("  %-11s %llu", "size", (unsigned long long)stat->size);
	if (stat->size >= 1024)
		printf(" (%s)", size_format(stat->size, true, text));
	printf("\n  %-11s %llu\n", "version", (unsigned long long)stat->version);
	printf("  %-11s %llu (of 512 bytes)\n", "blocks", (unsigned long long)stat->blocks);
	printf("  %-11s %llu\n", "id", (unsigned long long)stat->id);
	printf("  %-11s %04o (%s)\n", "mode", stat->mode & 07777, mode_format(stat->mode, text));
	printf("  %-11s %u:%u\n", "owner", stat->uid, stat->gid);
	printf("  %-11s %u\n", "links", stat->nlink);
	if (ttl_ms)
		printf("  %-11s %llu.%03llu (seconds to live)\n", "ttl", (unsigned long long)(ttl_ms / 1000),
		        (unsigned long long)(ttl_ms % 1000));
	if (stat->flags & FAR_STAT_PINNED)
		printf("  %-11s %s\n", "pinned", "yes (stays when the server evicts)");
	print_time("modified", stat->mtime_ns);
	print_time("changed", stat->ctime_ns);
	print_time("accessed", stat->atime_ns);
	print_time("born", stat->btime_ns);
}

static void print_session(const struct far_statistics *statistics)
{
	printf("session\n");
	printf("  %-11s %s\n", "provider", statistics->provider);
	printf("  %-11s %s\n", "address", statistics->address);
	printf("  %-11s %s\n", "chosen", statistics->chosen_because);
	printf("  %-11s %u (bytes of a value that travel inside a message)\n", "eager limit", statistics->eager_limit);
}

static struct json_object *json_of_session(const struct far_statistics *statistics)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "provider", statistics->provider);
	json_add_text(object, "address", statistics->address);
	json_add_text(object, "chosen_because", statistics->chosen_because);
	json_add_u64(object, "eager_limit", statistics->eager_limit);
	return object;
}

static struct json_object *json_of_stat(struct key key, const struct far_stat *stat, uint64_t ttl_ms)
{
	struct json_object *object = json_of_object(key.bytes, key.length, stat);

	if (ttl_ms)
		json_add_u64(object, "ttl_ms", ttl_ms);
	if (stat->flags & FAR_STAT_PINNED)
		json_object_object_add(object, "pinned", json_object_new_boolean(true));
	return object;
}

// A JSON document gathers here; without one, everything is printed as it comes.
static int show_key(struct cli *cli, const char *argument, struct json_object *objects)
{
	struct key key = key_of_argument(argument);
	struct far_stat stat;
	uint64_t ttl_ms = 0;
	int error = far_stat(cli->session, key.bytes, key.length, &stat);

	if (!error && key.length > 0)
		error = far_ttl(cli->session, key.bytes, key.length, &ttl_ms);
	if (error && error != -ENODATA)
		return report_error(error);
	if (objects)
		json_object_array_add(objects, json_of_stat(key, &stat, ttl_ms));
	else
		print_stat(key, &stat, ttl_ms);
	return CLI_OK;
}

int cmd_stat(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"json", 'j', NULL, 0, "Write a JSON object", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .args_doc = "[KEY...]",
	        .doc = "Show all attributes of keys, and how this session reaches the server: provider, address, eager limit."};
	struct stat_options options = {0};
	struct far_statistics statistics;
	struct json_object *objects = NULL;
	int status;

	status = command_parse(cli, &argp, argc, argv, &options);
	if (status != CLI_OK)
		return status;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	if (options.is_json)
		objects = json_object_new_array();
	for (int i = 0; i < options.keys.count; i++) {
		int one = show_key(cli, options.keys.words[i], objects);

		status = one == CLI_OK ? status : one;
	}
	far_statistics(cli->session, &statistics);
	if (objects) {
		struct json_object *all = json_object_new_object();

		json_object_object_add(all, "objects", objects);
		json_object_object_add(all, "session", json_of_session(&statistics));
		json_print(all);
	} else {
		print_session(&statistics);
	}
	return status;
}
