#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/bench_worker.h"
#include "client/cli/zipf.h"
#include "tests/unit/testing.h"

// The load generator, without a server: who is chosen how often, which sizes, what is noticed of a wrong value, and that a stall is in the times of all who waited for it.

// --- Zipf ---

#define DRAWS 2000000U

static uint64_t state_of_random;

static double share_of_rank(const struct zipf *zipf, uint64_t rank, unsigned draws)
{
	unsigned hits = 0;

	for (unsigned i = 0; i < draws; i++)
		hits += zipf_draw(zipf, &state_of_random) == rank;
	return (double)hits / draws;
}

// Pearson's chi-square of the ranks below `ranks`, against count * P(rank), which is summed up here the plain way.
static double chi_square(uint64_t count, double theta, unsigned ranks)
{
	unsigned *hits = calloc(ranks + 1, sizeof(hits[0]));
	struct zipf zipf;
	double zeta = 0;
	double rest = 1;
	double sum = 0;

	zipf_init(&zipf, count, theta);
	for (uint64_t i = 1; i <= count; i++)
		zeta += pow((double)i, -theta);
	for (unsigned i = 0; i < DRAWS; i++) {
		uint64_t rank = zipf_draw(&zipf, &state_of_random);

		assert_true(rank < count);
		hits[rank < ranks ? rank : ranks]++;
	}
	for (unsigned i = 0; i <= ranks; i++) {
		double part = i < ranks ? pow(i + 1, -theta) / zeta : rest;
		double expected = part * DRAWS;

		rest -= part;
		if (expected > 0.5)
			sum += (hits[i] - expected) * (hits[i] - expected) / expected;
	}
	free(hits);
	return sum;
}

static void test_zipf__frequencies_are_those_of_the_formula(void **state)
{
	(void)state;
	state_of_random = 88172645463325252;
	// 100 degrees of freedom: 149.4 is passed once in a thousand.
	assert_true(chi_square(1000, 0.99, 100) < 149.4);
	assert_true(chi_square(100000, 0.5, 100) < 149.4);
	assert_true(chi_square(1000, 1, 100) < 149.4);
	assert_true(chi_square(500, 2.5, 20) < 45.3); // 20 degrees
	assert_true(chi_square(100, 0, 99) < 148.2);  // uniform
}

static void test_zipf__holds_for_more_than_can_be_summed_up(void **state)
{
	struct zipf zipf;
	double first;

	(void)state;
	state_of_random = 1;
	zipf_init(&zipf, 10000000000, 0.99); // zeta is 26.46902820178302, known from YCSB
	first = share_of_rank(&zipf, 0, DRAWS);
	assert_true(fabs(first - 1 / 26.46902820178302) < 0.0006);
	// Half of all draws lie below the rank where the partial sum is half of zeta: 1.2e4 by the integral; and some are beyond 10^9.
	unsigned low = 0;
	unsigned high = 0;
	for (unsigned i = 0; i < DRAWS; i++) {
		uint64_t rank = zipf_draw(&zipf, &state_of_random);

		assert_true(rank < 10000000000);
		low += rank < 100000;
		high += rank >= 1000000000;
	}
	// zeta(10^5) = 12.7781, zeta(10^9) = 23.6038, by Euler and Maclaurin
	assert_true(fabs((double)low / DRAWS - 12.7781 / 26.4690) < 0.002);
	assert_true(fabs((double)high / DRAWS - (26.4690 - 23.6038) / 26.4690) < 0.002);
}

static void test_zipf__one_thing_is_always_chosen(void **state)
{
	struct zipf zipf;

	(void)state;
	state_of_random = 5;
	zipf_init(&zipf, 1, 0.99);
	assert_true(share_of_rank(&zipf, 0, 1000) == 1);
}

// --- choosing keys ---

static struct bench_choice make_choice(const char *text, uint64_t count)
{
	struct bench_choice choice = {.count = count, .stride = 1, .insert_first = count, .threads = 1};
	struct bench_distribution distribution;

	assert_int_equal(bench_distribution_parse(text, &distribution), 0);
	assert_int_equal(bench_choice_init(&choice, &distribution, 1, 0), 0);
	return choice;
}

// How often the most popular key comes, of so many choices; `keys` gets how many different ones came.
static double share_of_top(const char *text, uint64_t count, unsigned choices, unsigned *keys)
{
	struct bench_choice choice = make_choice(text, count);
	unsigned *hits = calloc(count, sizeof(hits[0]));
	unsigned top = 0;

	*keys = 0;
	for (unsigned i = 0; i < choices; i++) {
		uint64_t key = bench_choice_next(&choice);

		assert_true(key < count);
		*keys += hits[key]++ == 0;
		top = hits[key] > top ? hits[key] : top;
	}
	free(hits);
	bench_choice_fini(&choice);
	return (double)top / choices;
}

static void test_bench_choice__each_distribution_has_its_shape(void **state)
{
	unsigned keys;

	(void)state;
	assert_true(share_of_top("uniform", 1000, 1000000, &keys) < 0.0013);
	assert_int_equal(keys, 1000);
	assert_true(share_of_top("sequential", 1000, 1000, &keys) == 0.001);
	assert_int_equal(keys, 1000);
	assert_true(fabs(share_of_top("zipf", 1000, 1000000, &keys) - 1 / 7.7290) < 0.003); // zeta(1000, 0.99)
	assert_int_equal(keys, 1000);
	assert_true(fabs(share_of_top("zipf:2", 1000, 1000000, &keys) - 1 / 1.643935) < 0.003);
	assert_true(fabs(share_of_top("scrambled", 1000000, 1000000, &keys) - 1 / 26.469) < 0.001);
}

static void test_bench_choice__latest_follows_what_is_inserted(void **state)
{
	struct bench_choice choice = make_choice("latest", 1000);
	unsigned newest = 0;

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(bench_choice_insert(&choice), 1000 + i);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t key = bench_choice_next(&choice);

		assert_true(key < 1500);
		newest += key == 1499;
	}
	assert_in_range(newest, 12400, 13500); // 1 in 7.7290
	bench_choice_fini(&choice);
}

static void test_bench_choice__threads_that_own_keys_stay_with_them(void **state)
{
	struct bench_distribution distribution;
	struct bench_choice choice = {.count = 25, .first = 3, .stride = 4, .threads = 4};

	(void)state;
	assert_int_equal(bench_distribution_parse("uniform", &distribution), 0);
	assert_int_equal(bench_choice_init(&choice, &distribution, 1, 3), 0);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t key = bench_choice_next(&choice);

		assert_true(key < 103 && key % 4 == 3);
	}
}

static void test_bench_distribution_parse__refuses_what_is_none(void **state)
{
	static const char *const wrong[] = {"", "zip", "zipf:", "zipf:x", "zipf:-1", "zipf:11", "uniform:1", "scrambled:0.5", "latest:1x"};
	struct bench_distribution distribution;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(bench_distribution_parse(wrong[i], &distribution), -EINVAL);
}

// --- sizes and mixes ---

static void test_bench_sizes__a_mixture_has_its_parts_by_weight(void **state)
{
	struct bench_sizes sizes;
	unsigned small = 0;

	(void)state;
	assert_int_equal(bench_sizes_parse("64:90+1k-2k:10", &sizes), 0);
	assert_int_equal(sizes.least, 64);
	assert_int_equal(sizes.most, 2048);
	assert_true(fabs(sizes.mean - (0.9 * 64 + 0.1 * 1536)) < 1e-9);
	for (uint64_t i = 0; i < 100000; i++) {
		uint64_t size = bench_sizes_pick(&sizes, random_mix(i));

		assert_true(size == 64 || (size >= 1024 && size <= 2048));
		small += size == 64;
	}
	assert_in_range(small, 89600, 90400);
}

static void test_bench_sizes__a_range_has_both_ends(void **state)
{
	struct bench_sizes sizes;
	unsigned hits[4] = {0};

	(void)state;
	assert_int_equal(bench_sizes_parse("5-8", &sizes), 0);
	for (uint64_t i = 0; i < 40000; i++)
		hits[bench_sizes_pick(&sizes, random_mix(i)) - 5]++;
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(hits[i], 9600, 10400);
}

static void test_bench_sizes_parse__refuses_what_is_none(void **state)
{
	static const char *const wrong[] = {"", "x", "64-", "-64", "100-64", "64:", "64:0", "64:-1", "64+", "2t", "1-2-3", "64:9:9"};
	struct bench_sizes sizes;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(bench_sizes_parse(wrong[i], &sizes), -EINVAL);
}

static void test_bench_mix__operations_come_by_weight(void **state)
{
	unsigned hits[BENCH_OPS] = {0};
	struct bench_mix mix;

	(void)state;
	assert_int_equal(bench_mix_parse("put:5+get:95", &mix), 0);
	assert_int_equal(mix.op_count, 2);
	for (uint64_t i = 0; i < 100000; i++)
		hits[bench_mix_pick(&mix, random_mix(i))]++;
	assert_in_range(hits[BENCH_PUT], 4700, 5300);
	assert_int_equal(hits[BENCH_PUT] + hits[BENCH_GET], 100000);
	assert_int_equal(bench_mix_parse("get+fly", &mix), -EINVAL);
	assert_int_equal(bench_mix_parse("get+get", &mix), -EINVAL);
	assert_int_equal(bench_mix_parse("get:0", &mix), -EINVAL);
	assert_int_equal(bench_mix_parse("", &mix), -EINVAL);
}

static void test_bench_workload__all_six_can_be_parsed(void **state)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
	struct bench_distribution distribution;
	struct bench_mix mix;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		const struct bench_workload *workload = bench_workload_find(names[i]);

		assert_int_equal(bench_mix_parse(workload->mix, &mix), 0);
		assert_int_equal(bench_distribution_parse(workload->distribution, &distribution), 0);
	}
	assert_null(bench_workload_find("g"));
}

// --- values ---

static void check_values(const char *text)
{
	struct bench_sizes sizes;
	struct bench_values values;
	struct bench_source source;
	const uint32_t seeds[] = {1, 2};

	assert_int_equal(bench_sizes_parse(text, &sizes), 0);
	assert_int_equal(bench_values_init(&values, &sizes), 0);
	assert_int_equal(bench_source_init(&source, &values), 0);
	for (uint64_t key = 0; key < 300; key++) {
		char *value = strdup("");
		const char *made = bench_value_make(&source, &values, key, 1);
		size_t size = source.size;

		value = realloc(value, size + 1);
		memcpy(value, made, size);
		assert_true(bench_value_is_right(&values, key, &seeds[0], value, size, BENCH_CHECK_ALL));
		assert_true(bench_value_is_right(&values, key, NULL, value, size, BENCH_CHECK_ENDS));
		if (size >= 8) {
			assert_false(bench_value_is_right(&values, key, &seeds[1], value, size, BENCH_CHECK_ENDS));
			// One that is too short to tell its seed could be right.
			assert_true(bench_value_is_right(&values, key, NULL, value, size - 1, BENCH_CHECK_ENDS) ==
			            (size == 8 && sizes.least == 0));
		}
		if (size >= 4)
			assert_false(bench_value_is_right(&values, key + 1, NULL, value, size, BENCH_CHECK_ENDS));
		if (size > 0) {
			value[size / 2] ^= 1;
			assert_false(bench_value_is_right(&values, key, &seeds[0], value, size, BENCH_CHECK_ALL));
		}
		free(value);
	}
	bench_source_fini(&source);
	bench_values_fini(&values);
}

static void test_bench_values__anything_wrong_is_noticed(void **state)
{
	(void)state;
	check_values("64");
	check_values("0-40");
	check_values("1");
	check_values("100000");
	check_values("8:3+4000-5000:1");
}

// --- times ---

#define STALL_AT 1000U
#define MS 1000000U

static uint64_t stub_time;
static uint64_t stub_calls;

// Takes 10 us, but one call takes a second.
static ssize_t stub_call(struct worker *worker, struct bench_slot *slot)
{
	(void)worker;
	(void)slot;
	stub_time += stub_calls++ == STALL_AT ? 1000 * MS : MS / 100;
	return 0;
}

// A worker on the stub: pings, which need nothing.
static struct bench_times *measure_stub(double rate)
{
	static bench_call *const calls[BENCH_OPS] = {[BENCH_PING] = stub_call};
	static struct bench_options options;
	static struct bench_mix mix;
	static struct bench_times times;
	const struct bench_clock clock = {.stub = &stub_time, .ns_per_tick = 1};
	struct bench_data data = {.options = &options, .clock = &clock, .keys = 1, .folder = "b", .folder_length = 1};
	struct bench_team team = {.is_failed = false};
	struct bench_slot slot = {0};
	struct worker worker = {.data = &data, .mix = &mix, .calls = calls, .team = &team, .slots = &slot, .slot_count = 1, .batch = 1};

	options = (struct bench_options){.threads = 1, .seconds = 10, .rate = rate};
	times = (struct bench_times){0};
	assert_int_equal(bench_mix_parse("ping", &mix), 0);
	worker.times[BENCH_PING] = &times;
	worker.choice = (struct bench_choice){.kind = CHOICE_SEQUENTIAL, .count = 1, .stride = 1};
	worker.share = UINT64_MAX;
	stub_time = 5000;
	stub_calls = 0;
	worker_measure(&worker);
	assert_int_equal(worker.status, CLI_OK);
	return &times;
}

static unsigned count_above(const struct histogram *histogram, double ns)
{
	for (unsigned i = 1; i <= histogram->count; i++)
		if ((double)histogram_quantile(histogram, (double)i / (double)histogram->count) > ns)
			return (unsigned)histogram->count - i + 1;
	return 0;
}

static void test_worker_measure__at_a_rate_a_stall_is_in_the_times_of_all_who_waited(void **state)
{
	struct bench_times *times = measure_stub(1000);

	(void)state;
	// 10 s at 1,000 a second: none is left out for the stall, which those that came meanwhile catch up with.
	assert_in_range(times->ticks.count, 9999, 10000);
	assert_int_equal(times->service.count, times->ticks.count);
	// One call was slow ...
	assert_int_equal(count_above(&times->service, 500 * MS), 1);
	assert_in_range(times->service.most, 1000 * MS, 1000 * MS);
	assert_in_range(histogram_quantile(&times->service, 0.999), MS / 100, MS / 99);
	// ... but 500 of those that were to begin in that second had to wait for more than half of it: the backlog shrinks by 0.99 ms with each.
	assert_in_range(count_above(&times->ticks, 500 * MS), 500, 510);
	assert_in_range(count_above(&times->ticks, MS), 1000, 1015);
	assert_in_range(histogram_quantile(&times->ticks, 0.5), MS / 100, MS / 99);
	assert_in_range(times->ticks.most, 1000 * MS, 1000 * MS);
}

static void test_worker_measure__without_a_rate_a_stall_is_one_slow_call(void **state)
{
	struct bench_times *times = measure_stub(0);

	(void)state;
	assert_int_equal(count_above(&times->ticks, 500 * MS), 1);
	assert_int_equal(times->service.count, 0);
	assert_in_range(times->ticks.count, 900000, 900002);
}

static void test_worker_measure__threads_take_turns_at_a_rate(void **state)
{
	struct bench_pace first = bench_pace_begin(1000, 0.5, 100, 0, 4);
	struct bench_pace last = bench_pace_begin(1000, 0.5, 100, 3, 4);

	(void)state;
	// 1 ms is 2,000,000 ticks of half a nanosecond; each thread has every fourth turn.
	assert_int_equal(bench_pace_next(&first), 100);
	assert_int_equal(bench_pace_next(&first), 8000100);
	assert_int_equal(bench_pace_next(&last), 6000100);
	assert_int_equal(bench_pace_next(&last), 14000100);
}

static void test_histogram__every_size_of_value_is_kept_to_a_128th(void **state)
{
	static struct histogram histogram;

	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t values[] = {1ULL << bit, (1ULL << bit) + (1ULL << bit >> 1), (1ULL << bit) - 1 + (1ULL << bit)};

		for (size_t i = 0; i < 3; i++) {
			uint64_t found;

			memset(&histogram, 0, sizeof(histogram));
			histogram_add(&histogram, values[i], 1);
			histogram_add(&histogram, UINT64_MAX, 1); // the most is kept exactly: not to be taken for it
			found = histogram_quantile(&histogram, 0.5);
			assert_true(found >= values[i] && found - values[i] <= values[i] / 128);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_zipf__frequencies_are_those_of_the_formula),
	        cmocka_unit_test(test_zipf__holds_for_more_than_can_be_summed_up),
	        cmocka_unit_test(test_zipf__one_thing_is_always_chosen),
	        cmocka_unit_test(test_bench_choice__each_distribution_has_its_shape),
	        cmocka_unit_test(test_bench_choice__latest_follows_what_is_inserted),
	        cmocka_unit_test(test_bench_choice__threads_that_own_keys_stay_with_them),
	        cmocka_unit_test(test_bench_distribution_parse__refuses_what_is_none),
	        cmocka_unit_test(test_bench_sizes__a_mixture_has_its_parts_by_weight),
	        cmocka_unit_test(test_bench_sizes__a_range_has_both_ends),
	        cmocka_unit_test(test_bench_sizes_parse__refuses_what_is_none),
	        cmocka_unit_test(test_bench_mix__operations_come_by_weight),
	        cmocka_unit_test(test_bench_workload__all_six_can_be_parsed),
	        cmocka_unit_test(test_bench_values__anything_wrong_is_noticed),
	        cmocka_unit_test(test_worker_measure__at_a_rate_a_stall_is_in_the_times_of_all_who_waited),
	        cmocka_unit_test(test_worker_measure__without_a_rate_a_stall_is_one_slow_call),
	        cmocka_unit_test(test_worker_measure__threads_take_turns_at_a_rate),
	        cmocka_unit_test(test_histogram__every_size_of_value_is_kept_to_a_128th),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
