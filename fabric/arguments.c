#include "far/arguments.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define OPTIONS_MAX 64 // the longest table is that of `far bench`

// Long options are told from short ones by what getopt_long returns for them.
#define LONG_FIRST 1000

// getopt's two tables, made of argp's.
struct tables {
	struct option longs[OPTIONS_MAX + 1];
	char shorts[2 * OPTIONS_MAX + 3];
	int count;
	size_t length; // of shorts
};

static void add_options(struct tables *tables, const struct argp_option *options)
{
	for (; options && options->name; options++) {
		int argument = options->arg ? required_argument : no_argument;

		assert(tables->count < OPTIONS_MAX);
		tables->longs[tables->count] = (struct option){options->name, argument, NULL, LONG_FIRST + tables->count};
		tables->count++;
		if (options->key > SCHAR_MAX || !isprint(options->key))
			continue;
		tables->shorts[tables->length++] = (char)options->key;
		if (options->arg)
			tables->shorts[tables->length++] = ':';
	}
}

static int count_beginning_with(const struct tables *tables, const char *name)
{
	size_t length = strcspn(name, "=");
	int found = 0;

	for (int i = 0; i < tables->count; i++)
		found += strncmp(tables->longs[i].name, name, length) == 0;
	return found;
}

// What is wrong with the option that getopt_long refused as `result`. optopt is its letter, or its number from LONG_FIRST on, or 0 for a long one that is unknown or ambiguous.
static const char *name_fault(const struct tables *tables, int result, const char *text)
{
	if (result == ':')
		return "its value is missing";
	if (optopt >= LONG_FIRST)
		return "this option takes no value";
	if (optopt == 0 && count_beginning_with(tables, text + strlen("--")) > 1)
		return "several options begin so";
	return "no such option";
}

static int refuse(const struct tables *tables, int result, char **argv, char *wrong)
{
	char letter[] = {'-', (char)optopt, '\0'};
	// getopt_long is already behind a long option, and perhaps still inside of an element with several letters.
	const char *text = optopt == 0 || optopt >= LONG_FIRST ? argv[optind - 1] : letter;

	snprintf(wrong, ARGUMENTS_WRONG_SIZE, "%.160s: %s; `%s --help' lists the options", text, name_fault(tables, result, text), argv[0]);
	return -EINVAL;
}

int arguments_check(const struct arguments_options *options, int argc, char **argv, char wrong[ARGUMENTS_WRONG_SIZE])
{
	static const struct argp_option of_argp[] = {{.name = "help"}, {.name = "usage"}, {0}};
	struct tables tables = {.count = 0};
	int result;

	if (options->ends_at_argument)
		tables.shorts[tables.length++] = '+';
	tables.shorts[tables.length++] = ':'; // a missing value is told apart
	add_options(&tables, options->own);
	add_options(&tables, options->shared);
	add_options(&tables, of_argp);
	optind = 0; // from the start, whatever was looked at before
	opterr = 0;
	do {
		result = getopt_long(argc, argv, tables.shorts, tables.longs, NULL);
		// The letter of --help cannot be in the table: it is what getopt_long answers to errors.
		if (result == ':' || (result == '?' && optopt != '?'))
			return refuse(&tables, result, argv, wrong);
	} while (result != -1);
	return 0;
}
