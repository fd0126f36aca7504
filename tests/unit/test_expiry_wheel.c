// server/expiry_table.c and expiry_wheel.c, by a clock of the test's own: what is entered comes out at its tick, not one before or behind, however the time gets there.
#include <stdlib.h>

#include "served.h"
#include "server/expiry_wheel.h"
#include "server/space.h"
#include "testing.h"

#define POOL (64U << 20)
#define TICK ((uint64_t)WHEEL_TICK_NS)
#define MOVES UINT32_MAX

struct world {
	struct server *server;
	struct expiry_table table;
	struct expiry_wheel wheel;
	uint64_t free_at_start;
};

static struct world world;

static int set_up(void **state)
{
	(void)state;
	world = (struct world){.server = served_open(POOL)};
	world.table.server = world.server;
	world.free_at_start = space_free_bytes(world.server);
	wheel_init(&world.wheel, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	expiry_table_fini(&world.table);
	assert_int_equal(space_free_bytes(world.server), world.free_at_start);
	served_close(world.server);
	return 0;
}

static uint32_t enter(uint64_t id, uint64_t deadline_ns)
{
	uint32_t number;

	assert_int_equal(expiry_table_reserve(&world.table), 0);
	number = expiry_table_add(&world.table, id);
	expiry_table_at(&world.table, number)->deadline_ns = deadline_ns;
	wheel_add(&world.wheel, &world.table, number);
	return number;
}

static void leave(uint64_t id)
{
	uint32_t number = expiry_table_find(&world.table, id);

	assert_int_not_equal(number, EXPIRY_NONE);
	wheel_take(&world.wheel, &world.table, number);
	if (expiry_table_remove(&world.table, number) != EXPIRY_NONE)
		wheel_renumber(&world.wheel, &world.table, number);
}

static void move(uint64_t id, uint64_t deadline_ns)
{
	uint32_t number = expiry_table_find(&world.table, id);

	wheel_take(&world.wheel, &world.table, number);
	expiry_table_at(&world.table, number)->deadline_ns = deadline_ns;
	wheel_add(&world.wheel, &world.table, number);
}

// The id of the next entry that is due up to the tick, taken out; 0: none.
static uint64_t next_due(uint64_t tick)
{
	uint32_t number;
	uint64_t id;

	if (wheel_turn(&world.wheel, &world.table, tick, MOVES, &number) != WHEEL_DUE)
		return 0;
	id = expiry_table_at(&world.table, number)->id;
	leave(id);
	return id;
}

// --- the wheel ---

// Around the ends of each level, from times of which every digit is about to carry.
static void test_entry_is_due_at_its_tick_on_each_level(void **state)
{
	static const uint64_t starts[] = {0, 1, 250, 0xfffe, 0xffffff, 0xffffffff, 0x123456789a, 0xfffffffffe};

	(void)state;
	for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
		for (unsigned level = 0; level < WHEEL_LEVELS - 1; level++) {
			for (int around = -1; around <= 1; around++) {
				uint64_t tick = starts[s] + (1ULL << 8 * (level + 1)) + (uint64_t)around;

				wheel_init(&world.wheel, starts[s]);
				enter(7, tick * TICK);
				assert_int_equal(next_due(tick - 1), 0);
				assert_int_equal(next_due(tick), 7);
				assert_int_equal(next_due(tick + 1000), 0);
			}
		}
	}
}

static void test_entry_is_due_when_the_time_goes_by_single_ticks(void **state)
{
	(void)state;
	wheel_init(&world.wheel, 65000);
	enter(7, 66000 * TICK);
	for (uint64_t tick = 65000; tick < 66000; tick++)
		assert_int_equal(next_due(tick), 0);
	assert_int_equal(next_due(66000), 7);
}

static void test_part_of_a_tick_counts_as_a_whole(void **state)
{
	(void)state;
	assert_int_equal(wheel_tick_of(5 * TICK), 5);
	assert_int_equal(wheel_tick_of(5 * TICK + 1), 6);
	assert_int_equal(wheel_tick_of(6 * TICK - 1), 6);
}

static void test_entry_that_is_over_is_due_at_once(void **state)
{
	(void)state;
	wheel_init(&world.wheel, 1000);
	enter(7, 5 * TICK);
	assert_int_equal(wheel_next(&world.wheel), 1000);
	assert_int_equal(next_due(1000), 7);
}

static void test_entry_taken_out_is_never_due(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= 5; id++)
		enter(id, 300 * TICK);
	leave(3);
	leave(5);
	leave(1);
	assert_int_equal(next_due(300) + next_due(300), 2 + 4);
	assert_int_equal(next_due(1000), 0);
	assert_int_equal(wheel_next(&world.wheel), UINT64_MAX);
}

static void test_entry_moved_is_due_at_its_new_tick(void **state)
{
	(void)state;
	enter(1, 300 * TICK);
	enter(2, 300 * TICK);
	move(1, 70000 * TICK);
	move(2, 20 * TICK);
	assert_int_equal(next_due(19), 0);
	assert_int_equal(next_due(20), 2);
	assert_int_equal(next_due(69999), 0);
	assert_int_equal(next_due(70000), 1);
}

// Nothing is to be done before wheel_next, so a server may sleep until then.
static void test_next_is_never_behind_the_first_deadline(void **state)
{
	uint64_t tick = 0x1234567;
	unsigned wakes = 0;

	(void)state;
	enter(7, tick * TICK);
	for (;;) {
		uint64_t next = wheel_next(&world.wheel);

		assert_true(next <= tick);
		assert_true(++wakes <= WHEEL_LEVELS); // one a level: it does not look now and then
		if (next == tick)
			break;
		assert_int_equal(next_due(next), 0);
	}
	assert_int_equal(next_due(tick), 7);
}

static void test_many_in_one_slot_come_down_a_few_at_a_time(void **state)
{
	const uint64_t count = 10000;
	enum wheel_found found;
	uint64_t due = 0;
	uint32_t number;

	(void)state;
	for (uint64_t id = 1; id <= count; id++)
		enter(id, 70000 * TICK);
	for (uint64_t id = 1; id <= count / 100; id++) { // 100 at a time, on their way from 65536
		assert_int_equal(wheel_turn(&world.wheel, &world.table, 65536, 100, &number), id < count / 100 ? WHEEL_AGAIN : WHEEL_NONE);
		if (id == 5)
			enter(count + 1, 65537 * TICK); // meanwhile
	}
	assert_int_equal(next_due(65536), 0);
	assert_int_equal(next_due(65537), count + 1);
	while ((found = wheel_turn(&world.wheel, &world.table, 70000, 100, &number)) != WHEEL_NONE) {
		if (found == WHEEL_AGAIN)
			continue;
		leave(expiry_table_at(&world.table, number)->id);
		due++;
	}
	assert_int_equal(due, count);
}

// Against a plain array, with everything that can be done to an entry.
static void test_wheel_does_as_a_sorted_list(void **state)
{
	enum { IDS = 400, STEPS = 60000 };
	static uint64_t deadlines[IDS + 1];
	uint64_t random = 42, now = 0xfff0;

	(void)state;
	wheel_init(&world.wheel, now);
	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t id = 1 + test_random(&random) % IDS;
		uint64_t deadline = now + 1 + test_random(&random) % (1ULL << (1 + test_random(&random) % 34));

		switch (test_random(&random) % 4) {
		case 0:
			if (deadlines[id])
				leave(id);
			deadlines[id] = 0;
			break;
		case 1:
			now += test_random(&random) % (1ULL << (test_random(&random) % 30));
			for (uint64_t due; (due = next_due(now)) != 0; deadlines[due] = 0)
				assert_in_range(deadlines[due], 1, now);
			for (unsigned i = 1; i <= IDS; i++)
				assert_true(deadlines[i] == 0 || deadlines[i] > now);
			break;
		default:
			if (deadlines[id])
				move(id, deadline * TICK);
			else
				enter(id, deadline * TICK);
			deadlines[id] = deadline;
		}
	}
	for (uint64_t id = 1; id <= IDS; id++)
		if (deadlines[id])
			leave(id);
}

// --- the table ---

static void test_table_takes_up_to_40_bytes_an_entry_and_gives_them_back(void **state)
{
	const uint64_t count = 300000;
	uint64_t used;

	(void)state;
	for (uint64_t id = 1; id <= count; id++)
		enter(id * 0x10000000010, (1000 + id) * TICK);
	used = world.free_at_start - space_free_bytes(world.server);
	assert_in_range(used / count, 32, 40);
	for (uint64_t id = 1; id <= count; id++)
		assert_int_equal(expiry_table_at(&world.table, expiry_table_find(&world.table, id * 0x10000000010))->deadline_ns,
		        (1000 + id) * TICK);
	for (uint64_t id = 1; id <= count - 1000; id++)
		leave(id * 0x10000000010);
	used = world.free_at_start - space_free_bytes(world.server);
	assert_in_range(used, 32000, 40000 + 4 * EXPIRY_CHUNK_BYTES);
	for (uint64_t id = count - 999; id <= count; id++)
		leave(id * 0x10000000010);
	assert_int_equal(space_free_bytes(world.server), world.free_at_start);
}

static void test_full_pool_refuses_an_entry_and_keeps_the_others(void **state)
{
	uint64_t id = 1;
	int error;

	(void)state;
	while ((error = expiry_table_reserve(&world.table)) == 0) {
		uint32_t got;

		enter(id++, 1000 * TICK);
		if (id % 100 == 0) // the rest of the pool goes elsewhere
			while (pool_pages_alloc_most(world.server->pool, 512, 1, &got))
				;
	}
	assert_int_equal(error, -ENOSPC);
	assert_true(id > 100);
	for (uint64_t i = 1; i < id; i++)
		assert_int_not_equal(expiry_table_find(&world.table, i), EXPIRY_NONE);
	world.free_at_start = space_free_bytes(world.server) + (uint64_t)2 * EXPIRY_CHUNK_BYTES;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_entry_is_due_at_its_tick_on_each_level, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_entry_is_due_when_the_time_goes_by_single_ticks, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_part_of_a_tick_counts_as_a_whole, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_entry_that_is_over_is_due_at_once, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_entry_taken_out_is_never_due, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_entry_moved_is_due_at_its_new_tick, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_next_is_never_behind_the_first_deadline, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_many_in_one_slot_come_down_a_few_at_a_time, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_wheel_does_as_a_sorted_list, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_table_takes_up_to_40_bytes_an_entry_and_gives_them_back, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_full_pool_refuses_an_entry_and_keeps_the_others, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
