#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "far.h"

// Cursors of lists are text from outside: what is not one is refused, what is one means the same again. Opening a list asks no server.

static int open_list(const char *prefix, unsigned flags, const char *cursor, far_list **list)
{
	*list = NULL;
	return far_list_open(NULL, prefix, strlen(prefix), flags, cursor, list);
}

static void expect_refused(const char *prefix, unsigned flags, const char *cursor)
{
	far_list *list;
	int error = open_list(prefix, flags, cursor, &list);

	if (error != -EINVAL)
		fail_msg("cursor '%s' of '%s': %d", cursor, prefix, error);
	assert_null(list);
}

static void expect_same(const char *prefix, unsigned flags, const char *cursor)
{
	far_list *list;

	assert_int_equal(open_list(prefix, flags, cursor, &list), 0);
	assert_string_equal(far_list_cursor(list), cursor);
	far_list_close(list);
}

static void test_cursor__of_a_new_list_begins_at_its_start(void **state)
{
	far_list *list;

	(void)state;
	assert_int_equal(open_list("a/b/pre", 0, NULL, &list), 0);
	assert_string_equal(far_list_cursor(list), "0:-612f62"); // a/b
	far_list_close(list);
}

static void test_cursor__is_taken_up_as_it_was_given(void **state)
{
	(void)state;
	expect_same("", 0, "0:-");
	expect_same("", 0, "1234abcd:-");
	expect_same("a/", 0, "7:-61");
	expect_same("a/pre", 0, "7:-61");
	expect_same("", FAR_LIST_RECURSIVE, "1/2/3:-612f62");
	expect_same("a/", FAR_LIST_RECURSIVE, "2/3:-612f62");
}

static void test_cursor__that_enters_a_directory_next_has_entered_it(void **state)
{
	far_list *list;

	(void)state;
	assert_int_equal(open_list("", FAR_LIST_RECURSIVE, "5:+61", &list), 0);
	assert_string_equal(far_list_cursor(list), "5/0:-61");
	far_list_close(list);
}

static void test_cursor__nonsense_is_refused(void **state)
{
	static const char *const nonsense[] = {"", "x", "0", ":", "0:", "0:+", "0:*", "0:-6", "0:-zz", "0:-6A", "0:-00", "0:-2e2e", "0:-61",
	        "0/0:-", "0/0/0:-61", "0/0:-612f", "0/0:-2f61", "/:-", "0//0:-61", "0:-61 ", "0:+"};

	(void)state;
	for (unsigned i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++)
		expect_refused("", FAR_LIST_RECURSIVE, nonsense[i]);
}

static void test_cursor__of_another_list_is_refused(void **state)
{
	(void)state;
	expect_refused("b/", FAR_LIST_RECURSIVE, "7:-61");
	expect_refused("a/", FAR_LIST_RECURSIVE, "0:-");
	expect_refused("a/", FAR_LIST_RECURSIVE, "1/2:-616161"); // aaa is not below a
	expect_refused("a/", FAR_LIST_RECURSIVE, "1:-616161");
	expect_refused("", 0, "1/2:-61"); // not recursive
	expect_refused("", 0, "1:+61");
}

static void test_cursor__too_deep_or_too_long_is_refused(void **state)
{
	char *deep = malloc(20000);
	char *at = deep;

	(void)state;
	for (int i = 0; i < 5000; i++)
		at += sprintf(at, "0/");
	strcpy(at, "0:-61");
	expect_refused("", FAR_LIST_RECURSIVE, deep);
	at = deep + sprintf(deep, "0/0:-");
	for (int i = 0; i < 5000; i++)
		at += sprintf(at, "61");
	expect_refused("", FAR_LIST_RECURSIVE, deep);
	free(deep);
}

static void test_cursor__whatever_is_accepted_means_the_same_again(void **state)
{
	static const char letters[] = "0123456789abcdef///::+-- 26f6162";
	uint64_t random = 7;
	int accepted = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char cursor[24] = "";
		far_list *list;

		for (uint64_t n = test_random(&random) % 12, j = 0; j < n; j++)
			cursor[j] = letters[test_random(&random) % (sizeof(letters) - 1)];
		if (i % 4 == 0)
			strcat(cursor, ":-61");
		if (open_list("", FAR_LIST_RECURSIVE, cursor, &list) == 0) {
			char *again = strdup(far_list_cursor(list));

			accepted++;
			far_list_close(list);
			expect_same("", FAR_LIST_RECURSIVE, again);
			free(again);
		}
	}
	assert_true(accepted > 100);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_cursor__of_a_new_list_begins_at_its_start),
	        cmocka_unit_test(test_cursor__is_taken_up_as_it_was_given),
	        cmocka_unit_test(test_cursor__that_enters_a_directory_next_has_entered_it),
	        cmocka_unit_test(test_cursor__nonsense_is_refused),
	        cmocka_unit_test(test_cursor__of_another_list_is_refused),
	        cmocka_unit_test(test_cursor__too_deep_or_too_long_is_refused),
	        cmocka_unit_test(test_cursor__whatever_is_accepted_means_the_same_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
