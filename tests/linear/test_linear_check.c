// judge.c on histories small enough to see what is right.
#include "tests/unit/testing.h"

#include <stdlib.h>

#include "tests/linear/frontier.h"
#include "tests/linear/judge.h"

#define A 0xa1U
#define B 0xb1U
#define C 0xc1U
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Worker, from, to: the first three arguments of each.
static struct history_op made(uint32_t worker, uint64_t from, uint64_t to, enum history_kind kind)
{
	return (struct history_op){.worker = worker, .invoked_ns = from, .responded_ns = to, .kind = (uint8_t)kind};
}

static struct history_op put(uint32_t worker, uint64_t from, uint64_t to, uint64_t value, uint64_t version)
{
	struct history_op op = made(worker, from, to, HISTORY_PUT);

	op.value = value;
	op.version = version;
	return op;
}

static struct history_op get(uint32_t worker, uint64_t from, uint64_t to, uint64_t value, uint64_t version)
{
	struct history_op op = put(worker, from, to, value, version);

	op.kind = HISTORY_GET;
	op.outcome = value ? HISTORY_OK : HISTORY_ABSENT;
	return op;
}

static struct history_op cas(uint32_t worker, uint64_t from, uint64_t to, uint64_t value, uint64_t expected, uint64_t version)
{
	struct history_op op = put(worker, from, to, value, version);

	op.kind = HISTORY_CAS;
	op.expected = expected;
	op.outcome = version == expected + 1 ? HISTORY_OK : HISTORY_REFUSED;
	return op;
}

static struct history_op deleted(uint32_t worker, uint64_t from, uint64_t to)
{
	return made(worker, from, to, HISTORY_DELETE);
}

static struct history_op with(struct history_op op, enum history_outcome outcome)
{
	op.outcome = (uint8_t)outcome;
	return op;
}

static void expect_linearizable(struct history_op *ops, size_t count)
{
	assert_int_equal(judge(ops, count).kind, VERDICT_LINEARIZABLE);
}

// `from`: when the operation begins that cannot be explained; `left`: how many operations show it.
static void expect_refused(struct history_op *ops, size_t count, uint64_t from, size_t left)
{
	struct verdict verdict = judge(ops, count);

	assert_int_equal(verdict.kind, VERDICT_REFUSED);
	assert_int_equal(ops[verdict.at].invoked_ns, from);
	assert_int_equal(judge_shrink(ops, count, verdict.at), left);
}

// --- accepted ---

static void test_judge__accepts_one_after_the_other(void **state)
{
	struct history_op ops[] = {
	        get(0, 1, 2, 0, 0),
	        put(0, 3, 4, A, 1),
	        get(1, 5, 6, A, 1),
	        cas(1, 7, 8, B, 1, 2),
	        with(cas(0, 9, 10, C, 1, 2), HISTORY_REFUSED),
	        deleted(0, 11, 12),
	        get(1, 13, 14, 0, 0),
	        put(1, 15, 16, C, 3),
	};
	(void)state;

	expect_linearizable(ops, COUNT(ops));
}

static void test_judge__accepts_old_or_new_while_a_put_is_under_way(void **state)
{
	struct history_op ops[] = {
	        put(0, 1, 2, A, 1), put(0, 10, 100, B, 2), get(1, 20, 30, A, 1), get(2, 40, 50, B, 2), get(1, 60, 70, B, 2)};
	(void)state;

	expect_linearizable(ops, COUNT(ops));
}

static void test_judge__accepts_puts_answered_in_another_order_than_they_happened(void **state)
{
	struct history_op ops[] = {put(0, 1, 100, A, 2), put(1, 1, 50, B, 1), get(2, 110, 120, A, 2), get(3, 2, 3, 0, 0)};
	(void)state;

	expect_linearizable(ops, COUNT(ops));
}

static void test_judge__accepts_a_change_without_an_answer_that_happened_or_not(void **state)
{
	struct history_op happened[] = {with(put(0, 1, 2, A, 0), HISTORY_UNKNOWN), get(1, 10, 20, 0, 0), get(1, 30, 40, A, 1)};
	struct history_op never[] = {put(0, 1, 2, B, 1), with(deleted(1, 3, 4), HISTORY_UNKNOWN), get(1, 10, 20, B, 1),
	        put(0, 30, 40, C, 2), get(1, 50, 60, C, 2)};
	(void)state;

	expect_linearizable(happened, COUNT(happened));
	expect_linearizable(never, COUNT(never));
}

static void test_judge__accepts_one_of_two_swaps_that_expect_the_same(void **state)
{
	struct history_op ops[] = {
	        put(0, 1, 2, A, 1), cas(1, 10, 20, B, 1, 2), with(cas(2, 10, 20, C, 1, 2), HISTORY_REFUSED), get(3, 30, 40, B, 2)};
	(void)state;

	expect_linearizable(ops, COUNT(ops));
}

static void test_judge__accepts_renames_that_bring_and_take_a_value(void **state)
{
	struct history_op in = put(0, 10, 20, B, 7), out = put(1, 30, 40, B, 7);
	struct history_op ops[] = {put(0, 1, 2, A, 1), in, out, get(2, 50, 60, 0, 0)};
	(void)state;

	ops[1].kind = HISTORY_RENAME_IN;
	ops[2].kind = HISTORY_RENAME_OUT;
	expect_linearizable(ops, COUNT(ops));
}

static void test_judge__accepts_a_read_that_tells_no_version(void **state)
{
	struct history_op ops[] = {put(0, 1, 2, A, 1), put(0, 3, 4, B, 2), get(1, 5, 6, B, HISTORY_ANY)};
	(void)state;

	expect_linearizable(ops, COUNT(ops));
}

// --- refused ---

static void test_judge__refuses_a_stale_read(void **state)
{
	struct history_op ops[] = {put(0, 1, 2, A, 1), get(1, 3, 4, A, 1), put(0, 10, 20, B, 2), get(1, 21, 30, A, 1)};
	(void)state;

	expect_refused(ops, COUNT(ops), 21, 2);
	assert_int_equal(ops[0].value, B);
}

static void test_judge__refuses_a_stale_read_without_a_version(void **state)
{
	struct history_op ops[] = {put(0, 1, 2, A, 1), put(0, 10, 20, B, 2), get(1, 21, 30, A, HISTORY_ANY)};
	(void)state;

	expect_refused(ops, COUNT(ops), 21, 2);
}

static void test_judge__refuses_a_lost_update(void **state)
{
	struct history_op ops[] = {put(0, 1, 2, A, 1), put(1, 10, 20, B, 2), put(2, 10, 20, C, 2), get(3, 30, 40, C, 2)};
	(void)state;

	expect_refused(ops, COUNT(ops), 10, 2);
}

static void test_judge__refuses_a_swap_that_succeeded_twice(void **state)
{
	struct history_op ops[] = {put(0, 1, 2, A, 1), cas(1, 10, 20, B, 1, 2), cas(2, 12, 22, C, 1, 2)};
	(void)state;

	expect_refused(ops, COUNT(ops), 12, 2);
}

static void test_judge__refuses_a_swap_that_was_refused_without_reason(void **state)
{
	struct history_op ops[] = {put(0, 1, 2, A, 1), with(cas(1, 10, 20, B, 1, 1), HISTORY_REFUSED)};
	(void)state;

	expect_refused(ops, COUNT(ops), 10, 1);
}

static void test_judge__refuses_a_deleted_value_that_comes_back(void **state)
{
	struct history_op ops[] = {put(0, 1, 2, A, 1), deleted(0, 3, 4), get(1, 5, 6, 0, 0), get(2, 7, 8, A, 1)};
	(void)state;

	expect_refused(ops, COUNT(ops), 7, 2);
}

static void test_judge__refuses_a_version_that_the_key_had_before(void **state)
{
	struct history_op ops[] = {put(0, 1, 2, A, 1), put(0, 3, 4, B, 2), deleted(0, 5, 6), put(0, 7, 8, C, 2)};
	(void)state;

	assert_int_equal(judge(ops, COUNT(ops)).kind, VERDICT_REFUSED);
}

static void test_judge__refuses_a_delete_of_what_was_gone(void **state)
{
	struct history_op ops[] = {put(0, 1, 2, A, 1), deleted(0, 3, 10), deleted(1, 4, 11)};
	(void)state;

	expect_refused(ops, COUNT(ops), 4, 2);
}

static void test_judge__refuses_reads_that_go_backwards_between_processes(void **state)
{
	struct history_op ops[] = {put(0, 1, 2, A, 1), put(0, 10, 100, B, 2), get(1, 20, 30, B, 2), get(2, 31, 40, A, 1)};
	(void)state;

	expect_refused(ops, COUNT(ops), 31, 3);
	assert_int_equal(ops[0].value, B);
}

static void test_judge__refuses_a_value_that_was_never_put(void **state)
{
	struct history_op ops[] = {put(0, 1, 2, A, 1), get(1, 3, 4, C, 2)};
	(void)state;

	expect_refused(ops, COUNT(ops), 3, 2);
}

static void test_judge__refuses_a_swap_that_happened_though_refused(void **state)
{
	struct history_op ops[] = {put(0, 1, 2, A, 1), with(cas(1, 3, 4, B, 5, 1), HISTORY_REFUSED), get(1, 5, 6, B, 2)};
	(void)state;

	expect_refused(ops, COUNT(ops), 5, 2);
}

static void test_judge__refuses_a_torn_value(void **state)
{
	struct history_op ops[] = {put(0, 1, 2, A, 1), put(0, 10, 100, B, 2), with(get(1, 20, 30, A, 1), HISTORY_TORN)};
	struct verdict verdict = judge(ops, COUNT(ops));
	(void)state;

	assert_int_equal(verdict.kind, VERDICT_TORN);
	assert_int_equal(verdict.at, 2);
}

static void test_judge__refuses_outcomes_that_cannot_be(void **state)
{
	struct history_op refused_get = with(get(0, 1, 2, A, 1), HISTORY_REFUSED), backwards = put(0, 2, 1, A, 1),
	                  nameless = put(0, 1, 2, 0, 1);
	(void)state;

	assert_int_equal(judge(&refused_get, 1).kind, VERDICT_BAD_INPUT);
	assert_int_equal(judge(&backwards, 1).kind, VERDICT_BAD_INPUT);
	assert_int_equal(judge(&nameless, 1).kind, VERDICT_BAD_INPUT);
}

static void test_judge__is_undecided_when_too_many_are_under_way(void **state)
{
	struct history_op ops[FRONTIER_SLOTS + 2];
	(void)state;

	for (uint32_t i = 0; i + 1 < COUNT(ops); i++)
		ops[i] = with(put(i, 1, 2, A + i, 0), HISTORY_UNKNOWN);
	ops[COUNT(ops) - 1] = get(99, 10, 20, 0, 0);
	assert_int_equal(judge(ops, COUNT(ops)).kind, VERDICT_UNDECIDED);
}

// --- against histories that a real register made ---

struct simulated {
	uint64_t random;
	uint64_t now, value, version, last;
	struct history_op ops[4000];
};

// Each operation happens at one moment of its own; it began up to 50 earlier and is answered up to 50 later. That is linearizable, whatever overlaps.
static void simulate(struct simulated *simulated, uint64_t seed)
{
	simulated->random = seed;
	simulated->now = 1000;
	simulated->value = simulated->version = simulated->last = 0;
	for (size_t i = 0; i < COUNT(simulated->ops); i++) {
		uint64_t random = test_random(&simulated->random);
		uint64_t from = (simulated->now += 10) - random % 50, to = simulated->now + (random >> 8) % 50;
		struct history_op *op = &simulated->ops[i];

		if ((random >> 16) % 8 == 0) {
			*op = with(deleted(0, from, to), simulated->version ? HISTORY_OK : HISTORY_ABSENT);
			simulated->value = simulated->version = 0; // what is stored anew begins above
		} else if ((random >> 16) % 8 < 4) {
			simulated->value = i + 1;
			*op = put(0, from, to, simulated->value, simulated->version = ++simulated->last);
		} else {
			*op = get(0, from, to, simulated->value, simulated->version);
		}
	}
}

static void test_judge__accepts_what_a_real_register_did(void **state)
{
	struct simulated *simulated = malloc(sizeof(*simulated));
	(void)state;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		simulate(simulated, seed);
		expect_linearizable(simulated->ops, COUNT(simulated->ops));
	}
	free(simulated);
}

static void test_judge__refuses_one_old_value_among_thousands(void **state)
{
	struct simulated *simulated = malloc(sizeof(*simulated));
	(void)state;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct history_op stale;

		simulate(simulated, seed);
		for (size_t i = 0; i < COUNT(simulated->ops); i++)
			if (simulated->ops[i].kind == HISTORY_PUT && i < 2000)
				stale = simulated->ops[i];
		stale.invoked_ns = simulated->ops[COUNT(simulated->ops) - 1].responded_ns + 1000;
		stale.responded_ns = stale.invoked_ns + 1;
		stale.kind = HISTORY_GET;
		simulated->ops[0] = stale;
		assert_int_equal(judge(simulated->ops, COUNT(simulated->ops)).kind, VERDICT_REFUSED);
	}
	free(simulated);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_judge__accepts_one_after_the_other),
	        cmocka_unit_test(test_judge__accepts_old_or_new_while_a_put_is_under_way),
	        cmocka_unit_test(test_judge__accepts_puts_answered_in_another_order_than_they_happened),
	        cmocka_unit_test(test_judge__accepts_a_change_without_an_answer_that_happened_or_not),
	        cmocka_unit_test(test_judge__accepts_one_of_two_swaps_that_expect_the_same),
	        cmocka_unit_test(test_judge__accepts_renames_that_bring_and_take_a_value),
	        cmocka_unit_test(test_judge__accepts_a_read_that_tells_no_version),
	        cmocka_unit_test(test_judge__refuses_a_stale_read),
	        cmocka_unit_test(test_judge__refuses_a_stale_read_without_a_version),
	        cmocka_unit_test(test_judge__refuses_a_lost_update),
	        cmocka_unit_test(test_judge__refuses_a_swap_that_succeeded_twice),
	        cmocka_unit_test(test_judge__refuses_a_swap_that_was_refused_without_reason),
	        cmocka_unit_test(test_judge__refuses_a_deleted_value_that_comes_back),
	        cmocka_unit_test(test_judge__refuses_a_version_that_the_key_had_before),
	        cmocka_unit_test(test_judge__refuses_a_delete_of_what_was_gone),
	        cmocka_unit_test(test_judge__refuses_reads_that_go_backwards_between_processes),
	        cmocka_unit_test(test_judge__refuses_a_value_that_was_never_put),
	        cmocka_unit_test(test_judge__refuses_a_swap_that_happened_though_refused),
	        cmocka_unit_test(test_judge__refuses_a_torn_value),
	        cmocka_unit_test(test_judge__refuses_outcomes_that_cannot_be),
	        cmocka_unit_test(test_judge__is_undecided_when_too_many_are_under_way),
	        cmocka_unit_test(test_judge__accepts_what_a_real_register_did),
	        cmocka_unit_test(test_judge__refuses_one_old_value_among_thousands),
	};

	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
