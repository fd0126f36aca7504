#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/words.h"
#include "tests/unit/testing.h"

// The quotes of `far repl`.

// The line must consist of these words.
static void check(const char *line, ...)
{
	struct words words;
	va_list wanted;
	const char *word;
	int count = 0;

	assert_int_equal(words_split(line, strlen(line), &words), 0);
	va_start(wanted, line);
	while ((word = va_arg(wanted, const char *)) != NULL) {
		assert_true(count < words.count);
		assert_string_equal(words.words[count++], word);
	}
	va_end(wanted);
	assert_int_equal(words.count, count);
	assert_null(words.words[count]);
	assert_int_equal(words.open_quote, 0);
	words_free(&words);
}

static void test_words_split__blanks_part_words(void **state)
{
	(void)state;
	check("get a b", "get", "a", "b", NULL);
	check("  get\ta \r\n", "get", "a", NULL);
	check("", NULL);
	check(" \n", NULL);
	check("x", "x", NULL);
}

static void test_words_split__quotes_are_those_of_a_shell(void **state)
{
	(void)state;
	check("get 'a b'\"c d\"e\\ f", "get", "a bc de f", NULL);
	check("'' \"\"", "", "", NULL);
	check("'a\\b\"'", "a\\b\"", NULL);
	check("\"a\\\"b\\\\c\\d'\"", "a\"b\\c\\d'", NULL);
	check("\\'\\\"\\\\", "'\"\\", NULL);
	check("a$b `c` *", "a$b", "`c`", "*", NULL);
}

static void test_words_split__comments_begin_where_a_word_could(void **state)
{
	(void)state;
	check("get a # b", "get", "a", NULL);
	check("# get a", NULL);
	check("get a#b '#' \\#", "get", "a#b", "#", "#", NULL);
}

static void check_end(const char *line, char open_quote, size_t last_at, int is_inside)
{
	struct words words;

	assert_int_equal(words_split(line, strlen(line), &words), 0);
	assert_int_equal(words.open_quote, open_quote);
	assert_int_equal(words.last_at, last_at);
	assert_int_equal(words.is_inside, is_inside);
	words_free(&words);
}

static void test_words_split__tells_how_the_line_ends(void **state)
{
	(void)state;
	check_end("get mod", 0, 4, 1);
	check_end("get mod ", 0, 8, 0);
	check_end("get 'a b", '\'', 4, 1);
	check_end("get \"a b", '"', 4, 1);
	check_end("get 'a b'", 0, 4, 1);
	check_end("get a\\", '\\', 4, 1);
	check_end("", 0, 0, 0);
}

static void test_words_quote__comes_back_as_the_same_word(void **state)
{
	static const char *const words[] = {
	        "plain/key.bin", "a b", "it's", "say \"x\"", "back\\slash", "#1", "$HOME `x` *?", "\xc3\xa4 \xe2\x82\xac"};
	static const char quotes[] = {0, '\'', '"'};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (size_t j = 0; j < sizeof(quotes); j++) {
			char *quoted = words_quote(words[i], quotes[j]);
			char line[128];

			snprintf(line, sizeof(line), "%s%.1s", quoted, &quotes[j]); // the quotes are left open
			check(line, words[i], NULL);
			free(quoted);
		}
	}
	{
		char *quoted = words_quote("models/a.bin", 0);

		assert_string_equal(quoted, "models/a.bin");
		free(quoted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_words_split__blanks_part_words),
	        cmocka_unit_test(test_words_split__quotes_are_those_of_a_shell),
	        cmocka_unit_test(test_words_split__comments_begin_where_a_word_could),
	        cmocka_unit_test(test_words_split__tells_how_the_line_ends),
	        cmocka_unit_test(test_words_quote__comes_back_as_the_same_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
