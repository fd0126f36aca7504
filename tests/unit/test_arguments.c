#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>

#include "far/arguments.h"

// What users are told about options that a program does not take: one line each, with the way to the help.

static const struct argp_option own[] = {
        {"long", 'l', NULL, 0, "", 0},
        {"size", 's', "SIZE", 0, "", 0},
        {"since", 1, "TIME", 0, "", 0},
        {0},
};
static const struct argp_option shared[] = {
        {"json", 'j', NULL, 0, "", 0},
        {0},
};

#define ELEMENTS_MAX 16

// Splits the command line at its spaces and checks it.
static int check_line(const char *line, bool ends_at_argument, char *wrong)
{
	const struct arguments_options options = {.own = own, .shared = shared, .ends_at_argument = ends_at_argument};
	char copy[128];
	char *elements[ELEMENTS_MAX + 1] = {NULL};
	int count = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		elements[count++] = word;
	wrong[0] = '\0';
	return arguments_check(&options, count, elements, wrong);
}

static void expect_fine(const char *line)
{
	char wrong[ARGUMENTS_WRONG_SIZE];
	int error = check_line(line, false, wrong);

	if (error)
		fail_msg("'%s' is refused: %s", line, wrong);
}

static void expect_wrong(const char *line, const char *expected)
{
	char wrong[ARGUMENTS_WRONG_SIZE];

	assert_int_equal(check_line(line, false, wrong), -EINVAL);
	assert_string_equal(wrong, expected);
}

static void test_arguments_check__accepts_what_the_tables_name(void **state)
{
	(void)state;
	expect_fine("x");
	expect_fine("x -l -s 4 --size=4 --size 4 --since 1 -j --json name");
	expect_fine("x -ls4 -jl");
	expect_fine("x name --long other");
	expect_fine("x --lon --js");
	expect_fine("x -- --no-such");
	expect_fine("x -s --no-such");
	expect_fine("x -");
}

static void test_arguments_check__accepts_the_options_of_argp(void **state)
{
	(void)state;
	expect_fine("x --help");
	expect_fine("x -?");
	expect_fine("x -l? name");
	expect_fine("x --usage");
}

static void test_arguments_check__names_an_unknown_option(void **state)
{
	(void)state;
	expect_wrong("x --no-such", "--no-such: no such option; `x --help' lists the options");
	expect_wrong("x name --no-such=4 other", "--no-such=4: no such option; `x --help' lists the options");
	expect_wrong("x -z", "-z: no such option; `x --help' lists the options");
	expect_wrong("x --json -lzj", "-z: no such option; `x --help' lists the options");
	expect_wrong("x -? -z", "-z: no such option; `x --help' lists the options");
}

static void test_arguments_check__names_an_option_without_its_value(void **state)
{
	(void)state;
	expect_wrong("x --size", "--size: its value is missing; `x --help' lists the options");
	expect_wrong("x -ls", "-s: its value is missing; `x --help' lists the options");
}

static void test_arguments_check__names_a_value_too_many(void **state)
{
	(void)state;
	expect_wrong("x --json=4", "--json=4: this option takes no value; `x --help' lists the options");
	expect_wrong("x --help=4", "--help=4: this option takes no value; `x --help' lists the options");
}

static void test_arguments_check__tells_ambiguous_from_unknown(void **state)
{
	(void)state;
	expect_wrong("x --si", "--si: several options begin so; `x --help' lists the options");
	expect_wrong("x --si=4", "--si=4: several options begin so; `x --help' lists the options");
}

static void test_arguments_check__can_end_at_the_first_argument(void **state)
{
	char wrong[ARGUMENTS_WRONG_SIZE];

	(void)state;
	assert_int_equal(check_line("x -l command --its-own", true, wrong), 0);
	assert_int_equal(check_line("x --its-own command", true, wrong), -EINVAL);
}

static void test_arguments_check__a_long_option_is_cut(void **state)
{
	static const struct arguments_options options = {.own = own};
	char wrong[ARGUMENTS_WRONG_SIZE];
	char text[1000];
	char program[] = "x";
	char *elements[] = {program, text, NULL};

	(void)state;
	memset(text, '-', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(arguments_check(&options, 2, elements, wrong), -EINVAL);
	assert_non_null(strstr(wrong, "no such option; `x --help' lists the options"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_arguments_check__accepts_what_the_tables_name),
	        cmocka_unit_test(test_arguments_check__accepts_the_options_of_argp),
	        cmocka_unit_test(test_arguments_check__names_an_unknown_option),
	        cmocka_unit_test(test_arguments_check__names_an_option_without_its_value),
	        cmocka_unit_test(test_arguments_check__names_a_value_too_many),
	        cmocka_unit_test(test_arguments_check__tells_ambiguous_from_unknown),
	        cmocka_unit_test(test_arguments_check__can_end_at_the_first_argument),
	        cmocka_unit_test(test_arguments_check__a_long_option_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
