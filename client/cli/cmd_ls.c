#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/command.h"
#include "client/cli/json_output.h"
#include "client/cli/list.h"
#include "client/cli/number.h"
#include "client/cli/report.h"

// far ls: whole keys, so that each line can be given to another command.

struct ls_options {
	bool is_long;
	bool is_recursive;
	bool is_json;
	bool is_for_people;
	bool is_unsorted;
	bool is_prefix;
	const char *key;
};

// An entry kept for sorting.
struct kept {
	char *key;
	size_t length;
	struct far_stat stat;
};

struct listing {
	const struct ls_options *options;
	struct kept *kept;
	size_t count;
	size_t room;
	size_t printed;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct ls_options *options = state->input;

	switch (key) {
	case 'l':
		options->is_long = true;
		return 0;
	case 'r':
		options->is_recursive = true;
		return 0;
	case 'j':
		options->is_json = true;
		return 0;
	case 'h':
		options->is_for_people = true;
		return 0;
	case 'U':
		options->is_unsorted = true;
		return 0;
	case 'p':
		options->is_prefix = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num >= 1)
			return report_usage(state->name, "%s: one argument too many", argument);
		options->key = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// --- printing ---

static void print_json_entry(struct listing *listing, const char *key, size_t length, const struct far_stat *stat)
{
	struct json_object *object = json_of_object(key, length, stat);

	printf("%s  %s", listing->printed ? ",\n" : "[\n",
	        json_object_to_json_string_ext(object, JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static void print_attributes(const struct ls_options *options, const struct far_stat *stat)
{
	char mode[11];
	char size[32];
	char time[64];

	printf("%s %3u %5u %5u %*s %8llu %s ", mode_format(stat->mode, mode), stat->nlink, stat->uid, stat->gid,
	        options->is_for_people ? 5 : 12, size_format(stat->size, options->is_for_people, size), (unsigned long long)stat->version,
	        time_format(stat->mtime_ns, false, time));
}

static int print_entry(struct listing *listing, const char *key, size_t length, const struct far_stat *stat)
{
	if (listing->options->is_json) {
		print_json_entry(listing, key, length, stat);
	} else {
		if (listing->options->is_long)
			print_attributes(listing->options, stat);
		print_key(stdout, key, length);
		fputs(S_ISDIR(stat->mode) ? "/\n" : "\n", stdout);
	}
	listing->printed++;
	return ferror(stdout) ? finish_output() : CLI_OK;
}

// --- collecting ---

static int keep(struct listing *listing, const struct far_list_entry *entry)
{
	struct kept *kept;

	if (listing->count == listing->room) {
		size_t room = listing->room ? listing->room * 2 : 256;
		struct kept *larger = reallocarray(listing->kept, room, sizeof(*larger));

		if (!larger)
			return report("ls: no memory to sort %zu keys: list them with -U", listing->count);
		listing->kept = larger;
		listing->room = room;
	}
	kept = &listing->kept[listing->count];
	*kept = (struct kept){.key = malloc(entry->key_length), .length = entry->key_length, .stat = entry->stat};
	if (!kept->key)
		return report("ls: no memory to sort %zu keys: list them with -U", listing->count);
	memcpy(kept->key, entry->key, entry->key_length);
	listing->count++;
	return CLI_OK;
}

static int take(void *context, const struct far_list_entry *entry)
{
	struct listing *listing = context;

	if (listing->options->is_unsorted)
		return print_entry(listing, entry->key, entry->key_length, &entry->stat);
	return keep(listing, entry);
}

// By bytes, the slash before all others: a directory's contents follow it at once.
static int compare(const void *left, const void *right)
{
	const struct kept *a = left;
	const struct kept *b = right;
	size_t common = a->length < b->length ? a->length : b->length;

	for (size_t i = 0; i < common; i++) {
		if (a->key[i] == b->key[i])
			continue;
		if (a->key[i] == '/' || b->key[i] == '/')
			return a->key[i] == '/' ? -1 : 1;
		return (unsigned char)a->key[i] < (unsigned char)b->key[i] ? -1 : 1;
	}
	return (a->length > b->length) - (a->length < b->length);
}

static int print_kept(struct listing *listing)
{
	int status = CLI_OK;

	if (listing->count > 0)
		qsort(listing->kept, listing->count, sizeof(listing->kept[0]), compare);
	for (size_t i = 0; i < listing->count; i++) {
		struct kept *kept = &listing->kept[i];

		if (status == CLI_OK)
			status = print_entry(listing, kept->key, kept->length, &kept->stat);
		free(kept->key);
	}
	free(listing->kept);
	return status;
}

// --- what to list ---

// A text that names nothing is what names begin with, in its directory.
static void make_prefix(struct list_request *request)
{
	const char *slash = memrchr(request->directory.bytes, '/', request->directory.length);

	request->prefix = slash ? slash + 1 : request->directory.bytes;
	request->directory.length = slash ? (size_t)(slash - request->directory.bytes) : 0;
}

static int list_key(struct cli *cli, struct listing *listing, char *text)
{
	struct key key = key_of_argument(text);
	struct list_request request = {
	        .session = cli->session, .directory = key, .flags = listing->options->is_recursive ? FAR_LIST_RECURSIVE : 0};
	struct far_stat stat;
	int error = 0;

	text[key.bytes - text + (ptrdiff_t)key.length] = '\0';
	if (key.length > 0 && listing->options->is_prefix && !key.is_directory) {
		make_prefix(&request);
	} else if (key.length > 0) {
		error = far_stat(cli->session, key.bytes, key.length, &stat);
		if (error == -ENOENT && !key.is_directory) {
			make_prefix(&request);
		} else if (error) {
			return report_error(error);
		} else if (!S_ISDIR(stat.mode)) {
			return print_entry(listing, key.bytes, key.length, &stat);
		}
	}
	error = list_each(&request, take, listing);
	if (error == CLI_OK && request.prefix && listing->count + listing->printed == 0) {
		report("ls %s: no such key, and none that begins so", text);
		return CLI_NOT_FOUND;
	}
	return error;
}

int cmd_ls(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"long", 'l', NULL, 0, "Show mode, links, owner, size, version and time of the last change too", 0},
	        {"recursive", 'r', NULL, 0, "Everything below too", 0},
	        {"prefix", 'p', NULL, 0, "List what begins with KEY, even if there is a KEY", 0},
	        {"human-readable", 'h', NULL, 0, "Show sizes like 4.0K or 2.3G", 0},
	        {"unsorted", 'U', NULL, 0, "List in the order of creation, as entries arrive; needs no memory", 0},
	        {"json", 'j', NULL, 0, "Write a JSON array with all attributes", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .args_doc = "[KEY]",
	        .doc = "List the directory KEY (default: the root), or the value KEY, or, if there is neither, the keys that begin so. "
	               "Directories are shown "
	               "with a slash at the end."};
	struct ls_options options = {.key = ""};
	struct listing listing = {.options = &options};
	char *text;
	int status;
	int printing;

	status = command_parse(cli, &argp, argc, argv, &options);
	if (status != CLI_OK)
		return status;
	text = strdup(options.key);
	if (!text)
		return report_local("cannot list", options.key, ENOMEM);
	status = command_connect(cli, NULL);
	if (status == CLI_OK) {
		status = list_key(cli, &listing, text);
		printing = print_kept(&listing);
		status = status == CLI_OK ? printing : status;
		if (options.is_json)
			fputs(listing.printed ? "\n]\n" : "[]\n", stdout);
	}
	free(text);
	return status;
}
