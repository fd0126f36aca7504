#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/histogram.h"
#include "client/cli/key.h"
#include "client/cli/number.h"
#include "client/cli/top.h"
#include "client/cli/utf8.h"
#include "tests/unit/testing.h"

// The parts of `far` that need no server: keys and numbers from the command line, UTF-8, the histogram, what far top tells of two looks.

static void test_key_of_argument__slashes_at_the_ends_are_cut(void **state)
{
	struct key key = key_of_argument("//models/a.bin");

	(void)state;
	assert_int_equal(key.length, 12);
	assert_memory_equal(key.bytes, "models/a.bin", 12);
	assert_false(key.is_directory);
	key = key_of_argument("/models/");
	assert_int_equal(key.length, 6);
	assert_true(key.is_directory);
}

static void test_key_of_argument__a_slash_is_the_root(void **state)
{
	struct key key = key_of_argument("/");

	(void)state;
	assert_int_equal(key.length, 0);
	assert_true(key.is_directory);
	assert_int_equal(key_of_argument("").length, 0);
}

static void test_key_is_below__needs_a_whole_component(void **state)
{
	(void)state;
	assert_true(key_is_below("a/b", 3, "a", 1));
	assert_true(key_is_below("a", 1, "", 0));
	assert_false(key_is_below("ab/c", 4, "a", 1));
	assert_false(key_is_below("a", 1, "a", 1));
}

static void test_name_of_path__ignores_slashes_at_the_end(void **state)
{
	size_t length;
	const char *name = name_of_path("/tmp/x.bin//", &length);

	(void)state;
	assert_int_equal(length, 5);
	assert_memory_equal(name, "x.bin", 5);
}

static void test_integer_parse__takes_all_that_64_bits_hold(void **state)
{
	static const struct {
		const char *text;
		int64_t number;
	} right[] = {{"0", 0}, {"-0", 0}, {"-17", -17}, {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN}};
	static const char *const wrong[] = {"", "-", "--1", "+1", " 1", "- 1", "1 ", "1k", "0x1", "9223372036854775808",
	        "-9223372036854775809", "99999999999999999999"};
	int64_t number;

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_int_equal(integer_parse(right[i].text, &number), 0);
		assert_int_equal(number, right[i].number);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(integer_parse(wrong[i], &number), -EINVAL);
}

static void test_size_parse__takes_units_of_1024(void **state)
{
	uint64_t size;

	(void)state;
	assert_int_equal(size_parse("64", &size), 0);
	assert_int_equal(size, 64);
	assert_int_equal(size_parse("4k", &size), 0);
	assert_int_equal(size, 4096);
	assert_int_equal(size_parse("3G", &size), 0);
	assert_int_equal(size, 3221225472);
}

static void test_size_parse__refuses_what_is_not_a_size(void **state)
{
	static const char *const wrong[] = {"", "-1", "+1", " 1", "k", "1x", "1kk", "1k ", "99999999999999999999", "17179869184g"};
	uint64_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(size_parse(wrong[i], &size), -EINVAL);
}

static void test_size_format__shows_two_digits_for_people(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(size_format(1048576, false, text), "1048576");
	assert_string_equal(size_format(1023, true, text), "1023");
	assert_string_equal(size_format(1024, true, text), "1.0K");
	assert_string_equal(size_format(1048575, true, text), "1.0M");
	assert_string_equal(size_format(52428800, true, text), "50M");
	assert_string_equal(size_format(UINT64_MAX, true, text), "16E");
}

static void test_mode_format__shows_special_bits(void **state)
{
	char text[11];

	(void)state;
	assert_string_equal(mode_format(0100644, text), "-rw-r--r--");
	assert_string_equal(mode_format(0041777, text), "drwxrwxrwt");
	assert_string_equal(mode_format(0104640, text), "-rwSr-----");
}

static void test_utf8__refuses_overlong_surrogates_and_cut_sequences(void **state)
{
	(void)state;
	assert_true(utf8_is_valid("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 10));
	assert_false(utf8_is_valid("\xc0\xaf", 2));
	assert_false(utf8_is_valid("\xed\xa0\x80", 3));
	assert_false(utf8_is_valid("\xe2\x82", 2));
	assert_false(utf8_is_valid("\xf4\x90\x80\x80", 4));
	assert_false(utf8_is_valid("\x80", 1));
}

static void test_histogram__quantiles_are_within_a_128th(void **state)
{
	static struct histogram histogram;

	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	for (uint64_t value = 1; value <= 100000; value++)
		histogram_add(&histogram, value, 1);
	assert_in_range(histogram_quantile(&histogram, 0.5), 50000, 50390);
	assert_in_range(histogram_quantile(&histogram, 0.99), 99000, 99773);
	assert_int_equal(histogram_quantile(&histogram, 1), 100000);
	assert_int_equal(histogram.least, 1);
}

static void test_histogram__small_and_huge_values_have_a_place(void **state)
{
	static struct histogram histogram;

	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	assert_int_equal(histogram_quantile(&histogram, 0.5), 0);
	histogram_add(&histogram, 0, 1);
	histogram_add(&histogram, 255, 1);
	histogram_add(&histogram, UINT64_MAX, 1);
	assert_int_equal(histogram_quantile(&histogram, 0.3), 0);
	assert_int_equal(histogram_quantile(&histogram, 0.6), 255);
	assert_true(histogram_quantile(&histogram, 1) == UINT64_MAX);
}

static void test_histogram_merge__keeps_both(void **state)
{
	static struct histogram a;
	static struct histogram b;

	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	histogram_add(&a, 1000, 1);
	histogram_add(&b, 10, 1);
	histogram_merge(&a, &b);
	assert_int_equal(a.count, 2);
	assert_int_equal(a.least, 10);
	assert_int_equal(a.most, 1000);
	assert_int_equal(histogram_quantile(&a, 0.5), 10);
}

static void test_top_delta__rates_are_of_the_time_between(void **state)
{
	const struct far_metrics before = {
	        .now_ns = 5000000000, .uptime_ns = 4000000000, .bytes_in = 10, .evicted = 100, .evicted_bytes = 5000};
	const struct far_metrics now = {
	        .now_ns = 7000000000, .uptime_ns = 6000000000, .bytes_in = 30, .evicted = 300, .evicted_bytes = 9000};
	const struct far_metrics anew = {.now_ns = 9000000000, .uptime_ns = 1000000000, .bytes_in = 7, .evicted = 3, .evicted_bytes = 70};
	struct top_delta delta;

	(void)state;
	assert_int_equal(top_delta_make(&before, &now, &delta), 0);
	assert_int_equal((int)delta.in_per_second, 10);
	assert_int_equal((int)delta.evicted_per_second, 100);
	assert_int_equal((int)delta.evicted_bytes_per_second, 2000);
	top_delta_free(&delta);
	assert_int_equal(top_delta_make(&now, &anew, &delta), 0); // another server
	assert_int_equal((int)delta.in_per_second, 7);
	assert_int_equal((int)delta.evicted_per_second, 3);
	top_delta_free(&delta);
}

static void note_quota(struct top_quotas *quotas, const char *key, struct far_quota quota)
{
	assert_int_equal(top_quotas_note(quotas, key, strlen(key), &quota), 0);
}

static void test_top_quotas__keep_those_that_are_nearest_to_a_limit(void **state)
{
	static const char *const expected[] = {"over", "objects", "", "seven", "six"};
	static struct top_quotas quotas;

	(void)state;
	note_quota(&quotas, "free", (struct far_quota){.bytes = 1ULL << 40, .objects = 7});
	note_quota(&quotas, "six", (struct far_quota){.bytes = 6, .bytes_limit = 10});
	note_quota(&quotas, "objects", (struct far_quota){.bytes = 1, .bytes_limit = 10, .objects = 95, .objects_limit = 100});
	note_quota(&quotas, "", (struct far_quota){.bytes = 8, .bytes_limit = 10, .objects = 1000});
	note_quota(&quotas, "one", (struct far_quota){.bytes = 1, .bytes_limit = 10});
	note_quota(&quotas, "seven", (struct far_quota){.bytes = 7, .bytes_limit = 10, .objects = 1, .objects_limit = 100});
	note_quota(&quotas, "two", (struct far_quota){.bytes = 2, .bytes_limit = 10});
	note_quota(&quotas, "over", (struct far_quota){.bytes = 1ULL << 62, .bytes_limit = 1});
	assert_int_equal(quotas.all, 8);
	assert_int_equal(quotas.count, TOP_QUOTAS);
	for (size_t i = 0; i < TOP_QUOTAS; i++) {
		assert_int_equal(quotas.nearest[i].key_length, strlen(expected[i]));
		assert_memory_equal(quotas.nearest[i].key, expected[i], strlen(expected[i]));
	}
	assert_int_equal(quotas.nearest[1].used * 100 + 0.5, 95);
	assert_int_equal(quotas.nearest[1].quota.objects, 95);
}

static void test_top_print__quotas_are_there_if_there_are_any(void **state)
{
	const struct far_metrics metrics = {.now_ns = 5000000000, .uptime_ns = 4000000000};
	static struct top_quotas quotas;
	struct top_delta delta;
	char *text = NULL;
	size_t length = 0;

	(void)state;
	assert_int_equal(top_delta_make(&metrics, &metrics, &delta), 0);
	for (int round = 0; round < 2; round++) {
		FILE *to = open_memstream(&text, &length);

		assert_non_null(to);
		top_print(to, &delta, &quotas, "address", 1);
		fclose(to);
		assert_true((strstr(text, "quota of") != NULL) == (round == 1));
		if (round == 1)
			assert_non_null(strstr(text, "   75%      1.5K      2.0K            3            -  /models (counting)\n1 more\n"));
		free(text);
		note_quota(&quotas, "models",
		        (struct far_quota){.bytes = 1536, .bytes_limit = 2048, .objects = 3, .flags = FAR_QUOTA_COUNTING});
		quotas.all++; // one that is not kept
	}
	top_delta_free(&delta);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_key_of_argument__slashes_at_the_ends_are_cut),
	        cmocka_unit_test(test_key_of_argument__a_slash_is_the_root),
	        cmocka_unit_test(test_key_is_below__needs_a_whole_component),
	        cmocka_unit_test(test_name_of_path__ignores_slashes_at_the_end),
	        cmocka_unit_test(test_integer_parse__takes_all_that_64_bits_hold),
	        cmocka_unit_test(test_size_parse__takes_units_of_1024),
	        cmocka_unit_test(test_size_parse__refuses_what_is_not_a_size),
	        cmocka_unit_test(test_size_format__shows_two_digits_for_people),
	        cmocka_unit_test(test_mode_format__shows_special_bits),
	        cmocka_unit_test(test_utf8__refuses_overlong_surrogates_and_cut_sequences),
	        cmocka_unit_test(test_histogram__quantiles_are_within_a_128th),
	        cmocka_unit_test(test_histogram__small_and_huge_values_have_a_place),
	        cmocka_unit_test(test_histogram_merge__keeps_both),
	        cmocka_unit_test(test_top_delta__rates_are_of_the_time_between),
	        cmocka_unit_test(test_top_quotas__keep_those_that_are_nearest_to_a_limit),
	        cmocka_unit_test(test_top_print__quotas_are_there_if_there_are_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
