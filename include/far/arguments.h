// The options of a command line, checked before argp sees them: argp and getopt say what is wrong in two lines, and not what to do. Implemented in
// fabric/arguments.c.
#ifndef FAR_ARGUMENTS_H
#define FAR_ARGUMENTS_H

#include <argp.h>
#include <stdbool.h>

#define ARGUMENTS_WRONG_SIZE 256

// What a program takes, as its argp tables say; --help and --usage come with argp.
struct arguments_options {
	const struct argp_option *own;    // or NULL
	const struct argp_option *shared; // or NULL
	bool ends_at_argument;            // what follows the first argument is not this program's (ARGP_IN_ORDER)
};

// Looks for an option that does not exist, is ambiguous, lacks its value or has one too many. Returns 0, or -EINVAL with `wrong` saying in one line what to do.
// The values themselves are the parser's. argv[0] is the name that the user is told to give --help to. Uses getopt's globals: for the main thread.
int arguments_check(const struct arguments_options *options, int argc, char **argv, char wrong[ARGUMENTS_WRONG_SIZE]);

#endif
