#include "tests/unit/testing.h"

#include "server/eviction_policy.h"

#define ITEMS 20000U

// Items by their number; 0 is none.
static struct {
	uint8_t state;
	bool is_there;
	unsigned recalls;
} items[ITEMS];

static struct eviction_policy *policy;

static uint8_t *state_of(void *context, uint64_t id)
{
	(void)context;
	return items[id].is_there ? &items[id].state : NULL;
}

static void recall(void *context, uint64_t id)
{
	(void)context;
	assert_true(items[id].is_there);
	items[id].recalls++;
}

static uint32_t hash_of(void *context, uint64_t id)
{
	(void)context;
	return (uint32_t)(id * 0x9e3779b97f4a7c15ULL >> 32);
}

static void expect(void *context, uint64_t id, enum eviction_step step)
{
	(void)step;
	(void)context;
	assert_true(id < ITEMS);
}

static int set_up(void **state)
{
	const struct eviction_items calls = {NULL, state_of, recall, hash_of, expect};

	(void)state;
	memset(items, 0, sizeof(items));
	return eviction_policy_new(&calls, ITEMS, &policy);
}

static int tear_down(void **state)
{
	(void)state;
	eviction_policy_free(policy);
	return 0;
}

static void add(uint64_t id)
{
	items[id].is_there = true;
	items[id].state = 0;
	assert_int_equal(eviction_policy_reserve(policy), 0);
	eviction_policy_add(policy, id);
}

static void add_all(uint64_t first, uint64_t end)
{
	for (uint64_t id = first; id < end; id++)
		add(id);
}

// 0: there is none.
static uint64_t take(void)
{
	uint64_t id;

	assert_int_equal(eviction_policy_reserve(policy), 0);
	if (!eviction_policy_take(policy, false, &id))
		return 0;
	assert_true(items[id].is_there);
	assert_int_equal(EVICTION_QUEUE(items[id].state), EVICTION_QUEUE_NONE);
	return id;
}

static uint64_t evict(void)
{
	uint64_t id = take();

	if (id) {
		eviction_policy_remember(policy, id);
		items[id].is_there = false;
	}
	return id;
}

static void end(uint64_t id)
{
	eviction_policy_drop(policy, &items[id].state);
	items[id].is_there = false;
}

static uint64_t count(void)
{
	return eviction_policy_count(policy, EVICTION_QUEUE_YOUNG) + eviction_policy_count(policy, EVICTION_QUEUE_OLD) +
	       eviction_policy_count(policy, EVICTION_QUEUE_MAIN);
}

static void test_eviction_policy_take__unused_items_go_in_their_order(void **state)
{
	(void)state;
	assert_int_equal(take(), 0);
	add_all(1, 2000);
	for (uint64_t id = 1; id < 2000; id++)
		assert_int_equal(evict(), id);
	assert_int_equal(take(), 0);
	assert_int_equal(count(), 0);
}

static void test_eviction_policy_take__used_items_stay_while_others_pass(void **state)
{
	(void)state;
	add_all(1, 101);
	eviction_policy_use(&items[7].state);
	eviction_policy_use(&items[50].state);
	for (uint64_t id = 101; id < 5000; id++) {
		uint64_t gone = evict();

		assert_true(gone != 7 && gone != 50);
		add(id);
		if (id % 20 == 0) {
			eviction_policy_use(&items[7].state);
			eviction_policy_use(&items[50].state);
		}
	}
	assert_int_equal(count(), 100);
	assert_int_equal(EVICTION_QUEUE(items[7].state), EVICTION_QUEUE_MAIN);
}

static void test_eviction_policy_take__what_is_no_longer_used_goes_at_last(void **state)
{
	bool is_gone = false;

	(void)state;
	add_all(1, 101);
	for (int i = 0; i < 10; i++)
		eviction_policy_use(&items[7].state);
	assert_int_equal(EVICTION_USES(items[7].state), EVICTION_USES_MAX);
	for (uint64_t id = 101; id < 2000 && !is_gone; id++) {
		if (id % 2)
			eviction_policy_use(&items[id - 1].state); // others move on to the main queue, too
		is_gone = evict() == 7;
		add(id);
	}
	assert_true(is_gone);
}

static void test_eviction_policy_take__ends_soon_though_all_were_used(void **state)
{
	(void)state;
	add_all(1, 5000);
	for (uint64_t id = 1; id < 5000; id++)
		for (int i = 0; i < 3; i++)
			eviction_policy_use(&items[id].state);
	assert_int_not_equal(evict(), 0);
	assert_true(eviction_policy_count(policy, EVICTION_QUEUE_MAIN) <= 128);
	assert_int_equal(count(), 4998);
}

static void test_eviction_policy_add__what_comes_again_soon_begins_in_the_main_queue(void **state)
{
	(void)state;
	add_all(1, 201);
	for (uint64_t id = 1; id < 101; id++)
		eviction_policy_use(&items[id].state);
	assert_int_equal(evict(), 101);
	add(101);
	assert_int_equal(EVICTION_QUEUE(items[101].state), EVICTION_QUEUE_MAIN);
	end(101);
	add(101); // that was remembered once
	assert_int_equal(EVICTION_QUEUE(items[101].state), EVICTION_QUEUE_YOUNG);
}

static void test_eviction_policy_add__items_are_recalled_halfway(void **state)
{
	(void)state;
	add_all(1, 101);
	for (uint64_t id = 1; id < 101; id++)
		assert_int_equal(items[id].recalls, id <= 50);
	eviction_policy_use(&items[1].state);
	assert_int_equal(evict(), 2);
	assert_int_equal(items[1].recalls, 2); // its turn in the main queue begins
}

static void test_eviction_policy_drop__ended_items_are_passed_over(void **state)
{
	(void)state;
	add_all(1, 1000);
	for (uint64_t id = 1; id < 1000; id++)
		if (id % 3)
			end(id);
	assert_int_equal(count(), 333);
	for (uint64_t id = 3; id < 1000; id += 3)
		assert_int_equal(evict(), id);
	assert_int_equal(take(), 0);
}

// Memory follows the items, whatever comes and goes meanwhile.
static void test_eviction_policy_drop__ended_items_are_swept(void **state)
{
	uint64_t bytes;

	(void)state;
	add_all(1, 101);
	eviction_policy_use(&items[3].state);
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t id = 101 + i % 5000;

		add(id);
		end(id);
	}
	bytes = eviction_policy_bytes(policy);
	assert_true(bytes <= 16 * 4096);
	assert_int_equal(count(), 100);
	assert_int_equal(evict(), 1); // and their order stays
	assert_int_equal(evict(), 2);
	assert_int_equal(evict(), 4);
}

// Without any that come.
static void test_eviction_policy_drop__sweeps_when_all_end(void **state)
{
	(void)state;
	add_all(1, ITEMS);
	for (uint64_t id = 1; id < ITEMS - 100; id++)
		end(id);
	assert_true(eviction_policy_bytes(policy) <= 20 * 4096);
	assert_int_equal(evict(), ITEMS - 100);
}

static void test_eviction_policy_return__is_taken_again_later(void **state)
{
	uint64_t id;

	(void)state;
	add_all(1, 101);
	id = take();
	assert_int_equal(count(), 99);
	assert_int_equal(eviction_policy_reserve(policy), 0);
	eviction_policy_return(policy, id);
	assert_int_equal(EVICTION_QUEUE(items[id].state), EVICTION_QUEUE_MAIN);
	assert_int_equal(count(), 100);
	for (unsigned i = 0; i < 99; i++)
		assert_int_not_equal(evict(), id);
	assert_int_equal(evict(), id);
}

// Of the small queue, too, though it be short, and though all were used.
static void test_eviction_policy_take__any_gives_each_once(void **state)
{
	bool has_come[1101] = {false};

	(void)state;
	add_all(1, 1001);
	for (uint64_t id = 1; id < 1001; id++)
		eviction_policy_use(&items[id].state);
	assert_int_not_equal(evict(), 0);
	add_all(1001, 1101);
	assert_int_equal(eviction_policy_items(policy), 1099);
	for (unsigned i = 0; i < 1099; i++) {
		uint64_t id = 0;

		assert_int_equal(eviction_policy_reserve(policy), 0);
		assert_true(eviction_policy_take(policy, true, &id));
		assert_false(has_come[id]);
		has_come[id] = true;
		assert_int_equal(eviction_policy_reserve(policy), 0);
		eviction_policy_return(policy, id);
	}
}

static void test_eviction_policy_walk__finds_what_the_queues_count(void **state)
{
	struct eviction_walk walk;

	(void)state;
	add_all(1, 3001);
	for (uint64_t id = 1; id < 3001; id += 3)
		eviction_policy_use(&items[id].state);
	for (unsigned i = 0; i < 1000; i++)
		evict();
	add_all(3001, 4001);
	for (uint64_t id = 2500; id < 3100; id++)
		if (items[id].is_there)
			end(id);
	eviction_policy_walk_begin(policy, &walk);
	while (eviction_policy_walk(policy, &walk))
		;
	assert_true(eviction_policy_is_unchanged(policy, &walk));
	for (unsigned queue = EVICTION_QUEUE_YOUNG; queue < EVICTION_QUEUES; queue++) {
		assert_true(walk.found[queue] > 0);
		assert_int_equal(walk.found[queue], eviction_policy_count(policy, queue));
	}
}

// Whatever the change: the chunk that comes next may be gone.
static void test_eviction_policy_walk__ends_at_a_change(void **state)
{
	void (*const changes[])(uint64_t) = {add, end};
	struct eviction_walk walk;

	(void)state;
	add_all(1, 3001);
	for (unsigned i = 0; i < 3; i++) {
		eviction_policy_walk_begin(policy, &walk);
		assert_true(eviction_policy_walk(policy, &walk));
		if (i < 2)
			changes[i](3001);
		else
			evict();
		assert_false(eviction_policy_walk(policy, &walk));
		assert_false(eviction_policy_is_unchanged(policy, &walk));
	}
}

static void test_eviction_policy_bytes__are_some_ten_an_item(void **state)
{
	(void)state;
	add_all(1, ITEMS);
	assert_true(eviction_policy_bytes(policy) <= 10 * ITEMS + 16 * 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_eviction_policy_take__unused_items_go_in_their_order, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_eviction_policy_take__used_items_stay_while_others_pass, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_eviction_policy_take__what_is_no_longer_used_goes_at_last, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_eviction_policy_take__ends_soon_though_all_were_used, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(
	                test_eviction_policy_add__what_comes_again_soon_begins_in_the_main_queue, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_eviction_policy_add__items_are_recalled_halfway, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_eviction_policy_drop__ended_items_are_passed_over, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_eviction_policy_drop__ended_items_are_swept, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_eviction_policy_drop__sweeps_when_all_end, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_eviction_policy_return__is_taken_again_later, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_eviction_policy_take__any_gives_each_once, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_eviction_policy_walk__finds_what_the_queues_count, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_eviction_policy_walk__ends_at_a_change, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_eviction_policy_bytes__are_some_ten_an_item, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
