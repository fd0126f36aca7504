#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/interrupt.h"
#include "client/cli/json_output.h"
#include "client/cli/key.h"
#include "client/cli/number.h"
#include "client/cli/operands.h"
#include "client/cli/report.h"
#include "far/clock.h"

// far watch: prints what happens to keys, as it happens.

#define LOOK_MS 500 // a Ctrl-C that came just before it began to wait is seen so much later

struct watch_options {
	struct operands keys;
	uint64_t events; // 0 = until it is ended
	double timeout;  // seconds, 0 = none
	unsigned flags;  // of far_watch_new
	bool is_json;
};

static const struct {
	const char *name;
	unsigned kind;
} kinds[] = {
        {"created", FAR_WATCH_CREATED},
        {"changed", FAR_WATCH_CHANGED},
        {"attributes", FAR_WATCH_ATTRIBUTES},
        {"deleted", FAR_WATCH_DELETED},
        {"expired", FAR_WATCH_EXPIRED},
        {"renamed", FAR_WATCH_RENAMED},
        {"exchanged", FAR_WATCH_EXCHANGED},
        {"lost", FAR_WATCH_LOST},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))
#define WANTED (KINDS - 1) // of a loss everybody hears

static error_t take_kinds(const struct argp_state *state, const char *list, unsigned *flags)
{
	for (const char *at = list;; at++) {
		size_t length = strcspn(at, ",");
		size_t kind = 0;

		while (kind < WANTED && (strlen(kinds[kind].name) != length || strncmp(at, kinds[kind].name, length) != 0))
			kind++;
		if (kind == WANTED)
			return report_usage(state->name,
			        "--events: %s: give some of created,changed,attributes,deleted,expired,renamed,exchanged", list);
		*flags |= kinds[kind].kind;
		at += length;
		if (*at == '\0')
			return 0;
	}
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct watch_options *options = state->input;

	switch (key) {
	case 'p':
		options->flags |= FAR_WATCH_PREFIX;
		return 0;
	case 'e':
		return take_kinds(state, argument, &options->flags);
	case 'n':
		if (number_parse(argument, &options->events) || options->events == 0)
			return report_usage(state->name, "--count: %s: give a number above 0", argument);
		return 0;
	case 't':
		if (seconds_parse(argument, &options->timeout) || options->timeout <= 0 || options->timeout > 1e9)
			return report_usage(state->name, "--timeout: %s: give seconds above 0", argument);
		return 0;
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

// --- printing ---

static const char *name_of(unsigned kind)
{
	for (size_t i = 0; i < KINDS; i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	return "unknown";
}

static void print_json(const struct far_watch_event *event)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "event", name_of(event->kind));
	if (event->kind == FAR_WATCH_LOST) {
		json_add_u64(object, "events", event->lost);
	} else {
		json_add_key(object, "key", event->key, event->key_length);
		if (event->new_key_length > 0)
			json_add_key(object, "new_key", event->new_key, event->new_key_length);
		json_object_object_add(object, "is_directory", json_object_new_boolean(event->is_directory != 0));
		json_add_u64(object, "version", event->version);
	}
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static void print(const struct far_watch_event *event)
{
	uint64_t number = event->kind == FAR_WATCH_LOST ? event->lost : event->version;

	printf("%-10s %6llu", name_of(event->kind), (unsigned long long)number);
	if (event->key_length > 0) {
		putchar(' ');
		print_key(stdout, event->key, event->key_length);
		fputs(event->is_directory ? "/" : "", stdout);
	}
	if (event->new_key_length > 0) {
		fputs(" -> ", stdout);
		print_key(stdout, event->new_key, event->new_key_length);
		fputs(event->is_directory ? "/" : "", stdout);
	}
	putchar('\n');
}

// --- watching ---

static int begin(struct cli *cli, const struct watch_options *options, far_watch **watch)
{
	struct key key = options->keys.count > 0 ? key_of_argument(options->keys.words[0]) : (struct key){.bytes = ""};
	int error = 0;

	*watch = NULL;
	for (int i = 0; !error && (i == 0 || i < options->keys.count); i++) {
		if (i > 0)
			key = key_of_argument(options->keys.words[i]);
		if (key.is_directory && key.length > 0 && options->flags & FAR_WATCH_PREFIX)
			key.length++; // the slash belongs to what keys begin with
		error = *watch ? far_watch_add(*watch, key.bytes, key.length, options->flags)
		               : far_watch_new(cli->session, key.bytes, key.length, options->flags, watch);
	}
	if (error)
		far_watch_free(*watch);
	return error;
}

static double now_s(void)
{
	return (double)clock_now_ns() / 1e9;
}

static int look_ms(const struct watch_options *options, double end_s)
{
	double left_ms = options->timeout > 0 ? (end_s - now_s()) * 1000 : LOOK_MS;

	return left_ms > LOOK_MS ? LOOK_MS : left_ms > 0 ? (int)left_ms + 1 : 0;
}

// Until as many as wanted have come, the time is over, or Ctrl-C. A server that goes away, or comes back and has no room yet for the watch, is said once, and waited for: the watch goes on
// with it.
static int follow(far_watch *watch, const struct watch_options *options)
{
	double end_s = now_s() + options->timeout;
	bool is_away = false;
	uint64_t count = 0;

	while (!interrupt_is_noted() && (options->events == 0 || count < options->events)) {
		struct far_watch_event event;
		int timeout_ms = look_ms(options, end_s);
		int result = far_watch_next(watch, &event, timeout_ms);

		if (result < 0 && result != -ENOTCONN && result != -EMFILE && result != -ENOMEM)
			return report_error(result);
		if (result < 0 && !is_away)
			report("%s; waiting for it", far_last_error());
		is_away = result < 0;
		if (result == 1) {
			count++;
			(options->is_json ? print_json : print)(&event);
			if (fflush(stdout))
				return report_output(errno);
		} else if (options->timeout > 0 && now_s() >= end_s) {
			break;
		}
	}
	if (interrupt_is_noted() || count >= options->events)
		return CLI_OK;
	return report(
	        "watch: %llu of %llu events within %g s", (unsigned long long)count, (unsigned long long)options->events, options->timeout);
}

int cmd_watch(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"prefix", 'p', NULL, 0, "Watch all keys that begin with these bytes, instead of KEY and what is below it", 0},
	        {"events", 'e', "LIST", 0, "Only these: created,changed,attributes,deleted,expired,renamed,exchanged (default: all)", 0},
	        {"count", 'n', "N", 0, "End behind so many events (default: go on until Ctrl-C)", 0},
	        {"timeout", 't', "SECONDS", 0, "End after this time; less than --count events by then are a failure", 0},
	        {"json", 'j', NULL, 0, "Write a JSON object for each event, one a line", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse,
	        .args_doc = "[KEY...]",
	        .doc = "Print what happens to keys, and to everything below them, as it happens: the kind of the event, the object's "
	               "version, the "
	               "key. Without a KEY: to all keys. `lost' says that events were not told, and how many (0: unknown), because they "
	               "came "
	               "faster than they were taken, or because the connection was lost."};
	struct watch_options options = {0};
	far_watch *watch;
	int status = command_parse(cli, &argp, argc, argv, &options);
	int error;

	if (status != CLI_OK)
		return status;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	error = begin(cli, &options, &watch);
	if (error)
		return report_error(error);
	interrupt_catch();
	status = follow(watch, &options);
	interrupt_release();
	far_watch_free(watch);
	return status;
}
