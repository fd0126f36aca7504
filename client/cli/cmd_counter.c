#include <errno.h>
#include <stdio.h>

#include "client/cli/command.h"
#include "client/cli/key.h"
#include "client/cli/number.h"
#include "client/cli/operands.h"
#include "client/cli/report.h"

// far incr, far decr, far counter: values of 8 bytes as numbers.

#define RANGE "must be a whole number from -2^63 to 2^63 - 1"

// --- incr and decr ---

enum { KEY_EXISTING = 0x100, KEY_INITIAL, KEY_TTL };

struct add {
	const char *key;
	int64_t delta;
	bool takes; // decr
	struct far_counter_options options;
};

static error_t parse_add_argument(const char *argument, const struct argp_state *state, struct add *add)
{
	if (state->arg_num > 1)
		return report_usage(state->name, "%s: one argument too many", argument);
	if (state->arg_num == 0)
		add->key = argument;
	else if (integer_parse(argument, &add->delta) || (add->takes && add->delta == INT64_MIN))
		return report_usage(state->name, "%s: what is %s " RANGE, argument, add->takes ? "taken" : "added");
	return 0;
}

static error_t parse_add(int key, char *argument, struct argp_state *state)
{
	struct add *add = state->input;

	switch (key) {
	case KEY_EXISTING:
		add->options.flags = FAR_NO_CREATE;
		return 0;
	case KEY_INITIAL:
		if (integer_parse(argument, &add->options.initial))
			return report_usage(state->name, "--initial=%s: " RANGE, argument);
		return 0;
	case KEY_TTL:
		if (duration_parse(argument, &add->options.ttl_ms))
			return report_usage(
			        state->name, "--ttl=%s: must be a number with ms, s, m, h or d behind it, at least 1ms", argument);
		return 0;
	case ARGP_KEY_ARG:
		return parse_add_argument(argument, state, add);
	case ARGP_KEY_END:
		if (!add->key)
			return report_usage(state->name, "give the key");
		if (add->options.flags && (add->options.initial || add->options.ttl_ms))
			return report_usage(state->name, "--initial and --ttl are for a counter that is made: not with --existing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option add_options[] = {
        {"existing", KEY_EXISTING, NULL, 0, "A missing key is an error, and is not made", 0},
        {"initial", KEY_INITIAL, "NUMBER", 0, "What a counter that is made has before (default: 0)", 0},
        {"ttl", KEY_TTL, "TIME", 0, "Time to live of a counter that is made, like 60s", 0},
        {0},
};

static int add_to(struct cli *cli, const struct argp *argp, int argc, char **argv, bool takes)
{
	struct add add = {.delta = 1, .takes = takes, .options.size = sizeof(add.options)};
	int status = command_parse(cli, argp, argc, argv, &add);
	struct key key;
	int64_t value;
	int error;

	if (status != CLI_OK)
		return status;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	key = key_of_argument(add.key);
	error = far_counter_add(cli->session, key.bytes, key.length, takes ? -add.delta : add.delta, &add.options, &value);
	if (error)
		return report_error(error);
	printf("%lld\n", (long long)value);
	return CLI_OK;
}

int cmd_incr(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {.options = add_options,
	        .parser = parse_add,
	        .args_doc = "KEY [NUMBER]",
	        .doc = "Add to a counter (default: 1), and print the sum. A missing key is made. A counter is a value of exactly 8 bytes, "
	               "a number "
	               "from -2^63 to 2^63 - 1 with its lowest byte first; a sum outside is refused."};

	return add_to(cli, &argp, argc, argv, false);
}

int cmd_decr(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = {.options = add_options,
	        .parser = parse_add,
	        .args_doc = "KEY [NUMBER]",
	        .doc = "Take from a counter (default: 1), and print what is left. Else as incr."};

	return add_to(cli, &argp, argc, argv, true);
}

// --- counter ---

enum { KEY_IF = 0x100, KEY_SET };

struct counters {
	struct operands keys;
	bool sets, compares;
	int64_t value, expected;
};

static error_t parse_counter(int key, char *argument, struct argp_state *state)
{
	struct counters *counters = state->input;

	switch (key) {
	case KEY_IF:
		counters->compares = true;
		return integer_parse(argument, &counters->expected) ? report_usage(state->name, "--if=%s: " RANGE, argument) : 0;
	case KEY_SET:
		counters->sets = true;
		return integer_parse(argument, &counters->value) ? report_usage(state->name, "--set=%s: " RANGE, argument) : 0;
	case ARGP_KEY_ARGS:
		operands_take(&counters->keys, state);
		return 0;
	case ARGP_KEY_END:
		if (counters->keys.count == 0)
			return report_usage(state->name, "give the keys");
		return counters->compares && !counters->sets ? report_usage(state->name, "--if: give the new value by --set") : 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// *value: what the counter has, or had before it was set.
static int show_or_set(struct cli *cli, const struct counters *counters, struct key key, int64_t *value)
{
	if (counters->compares)
		return far_counter_cas(cli->session, key.bytes, key.length, counters->expected, counters->value, value);
	if (counters->sets)
		return far_counter_set(cli->session, key.bytes, key.length, counters->value, NULL, value);
	return far_counter_get(cli->session, key.bytes, key.length, value);
}

int cmd_counter(struct cli *cli, int argc, char **argv)
{
	static const struct argp_option table[] = {
	        {"if", KEY_IF, "NUMBER", 0, "Set only if the counter has this value; else the exit status is 3", 0},
	        {"set", KEY_SET, "NUMBER", 0, "Give the counters this value; print what they had", 0},
	        {0},
	};
	static const struct argp argp = {.options = table,
	        .parser = parse_counter,
	        .args_doc = "KEY...",
	        .doc = "Print the values of counters, or set them and print what they had before: 0 where there was no such key, which "
	               "--set "
	               "without --if makes."};
	struct counters counters = {0};
	int status = command_parse(cli, &argp, argc, argv, &counters);

	if (status != CLI_OK)
		return status;
	if (command_connect(cli, NULL))
		return CLI_FAILURE;
	for (int i = 0; i < counters.keys.count; i++) {
		int64_t value;
		int error = show_or_set(cli, &counters, key_of_argument(counters.keys.words[i]), &value);

		if (!error || error == -ECANCELED)
			printf("%lld\n", (long long)value);
		if (error)
			status = report_error(error);
	}
	return status;
}
