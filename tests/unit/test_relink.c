// server/value_write.c: what overwrites much at once puts the pages of its grant in the place of the old ones, where it can, and else copies.
#include <stdlib.h>

#include "served.h"
#include "server/record.h"
#include "server/space.h"
#include "taken.h"
#include "testing.h"

#define POOL (32U << 20)   // grants have 512 KiB
#define SIZE 250000U       // of the file: 62 pages, the last one not full
#define LEAST (128U << 10) // overwriting less is copied

struct world {
	struct server *server;
	struct served_lane *client;
	struct far_attr file;
	struct far_record *record;
	uint64_t old_at; // where the file's pages are: one run
	uint64_t word, version, free_bytes;
	uint8_t expected[SIZE];
	struct taken taken;
};

static struct world world;

static uint64_t word(void)
{
	return atomic_load(&world.record->word);
}

static uint64_t version(void)
{
	return atomic_load(&world.record->version);
}

// Writes `length` bytes that begin at a page of the client's grant. Returns where in the pool they stand.
static uint64_t write_granted(struct served_lane *client, uint64_t offset, uint32_t length, uint8_t seed)
{
	struct far_write_request write = {.id = world.file.id, .offset = offset, .length = length, .ranges = 1};
	uint64_t at = client->grant.rkey + client->written;
	struct far_range range;

	for (uint32_t i = 0; i < length; i++)
		world.expected[offset + i] = (uint8_t)(seed + i * 7 + i / 251);
	range = served_fill(client, world.expected + offset, length);
	assert_int_equal(served_call(client, FAR_OP_WRITE, FAR_WRITE_RANGES, &write, sizeof(write),
	                         (struct served_parts){&range, sizeof(range), NULL, 0}),
	        FAR_STATUS_OK);
	assert_int_equal(((struct far_write_reply *)client->reply)->length, length);
	return at;
}

// Where in the pool a byte of the file is.
static uint64_t where(uint64_t offset)
{
	const struct far_get_reply *reply = (const struct far_get_reply *)world.client->reply;
	const struct far_wire_extent *extents = (const struct far_wire_extent *)(reply + 1);

	assert_int_equal(served_read(world.client, world.file.id, offset, 1, FAR_GET_NO_VALUE), FAR_STATUS_OK);
	assert_true(reply->location.extents > 0);
	return extents[0].pool_offset + (offset - extents[0].value_offset);
}

static void expect_content(void)
{
	uint8_t *got = malloc(SIZE);

	assert_non_null(got);
	assert_int_equal(served_read(world.client, world.file.id, 0, UINT64_MAX, 0), FAR_STATUS_OK);
	assert_int_equal(((struct far_get_reply *)world.client->reply)->length, SIZE);
	served_value(world.client, 0, got);
	assert_memory_equal(got, world.expected, SIZE);
	free(got);
}

// Copied: the same pages, so the same word.
static void expect_copied(void)
{
	assert_int_equal(word(), world.word);
	assert_int_equal(version(), world.version + 1);
	assert_int_equal(where(0), world.old_at);
	assert_int_equal(where(SIZE - 1), world.old_at + SIZE - 1);
	expect_content();
}

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.server = served_open(POOL);
	world.client = served_join_mapped(world.server);
	assert_int_equal(space_keep_reserve(world.server), 0);
	world.free_bytes = space_free_bytes(world.server);
	assert_int_equal(served_create(world.client, FAR_ROOT_ID, "file", 0100644, &world.file), FAR_STATUS_OK);
	world.record = record_by_id(world.server->pool, world.file.id);
	world.old_at = write_granted(world.client, 0, SIZE, 1);
	world.word = word();
	world.version = version();
	world.taken = (struct taken){.pool = world.server->pool};
	return 0;
}

// With the file gone, the pool is as it was.
static int tear_down(void **state)
{
	(void)state;
	taken_give_back(&world.taken);
	assert_int_equal(space_keep_reserve(world.server), 0);
	served_unlink(world.client, FAR_OP_UNLINK, FAR_ROOT_ID, "file");
	served_forget(world.client, world.file.id, 1000);
	assert_int_equal(served_free_bytes(world.client), world.free_bytes);
	served_leave(world.client);
	served_close(world.server);
	return 0;
}

// --- where it can ---

static void test_relink__whole_pages_change_for_the_grants_own(void **state)
{
	uint64_t free_bytes = space_free_bytes(world.server);
	uint64_t at = write_granted(world.client, 0, 40 * 4096, 2);

	(void)state;
	assert_int_equal(where(0), at);
	assert_int_equal(where(40 * 4096 - 1), at + 40 * 4096 - 1);
	assert_int_equal(where(40 * 4096), world.old_at + 40 * 4096);
	assert_int_not_equal(word(), world.word);
	assert_int_equal(version(), world.version + 1);
	assert_int_equal(space_free_bytes(world.server), free_bytes);
	expect_content();
}

static void test_relink__in_the_middle_leaves_both_sides(void **state)
{
	uint64_t at = write_granted(world.client, 3 * 4096, LEAST, 2);

	(void)state;
	assert_int_equal(where(3 * 4096 - 1), world.old_at + 3 * 4096 - 1);
	assert_int_equal(where(3 * 4096), at);
	assert_int_equal(where(3 * 4096 + LEAST), world.old_at + 3 * 4096 + LEAST);
	expect_content();
}

static void test_relink__a_part_of_a_page_behind_is_copied(void **state)
{
	uint64_t at = write_granted(world.client, 4096, LEAST + 100, 2);

	(void)state;
	assert_int_equal(where(4096), at);
	assert_int_equal(where(4096 + LEAST), world.old_at + 4096 + LEAST);
	expect_content();
}

// tear_down looks for what is lost.
static void test_relink__again_and_again_loses_no_page(void **state)
{
	uint64_t random = 7;

	(void)state;
	for (int round = 0; round < 500; round++) {
		uint32_t length = LEAST + (uint32_t)(test_random(&random) % 40000);
		uint64_t offset = test_random(&random) % ((SIZE - length) / 4096 + 1) * 4096;

		if (world.client->written + length > world.client->grant.length)
			length = world.client->grant.length - world.client->written;
		if (length > 0)
			write_granted(world.client, offset, length, (uint8_t)round);
		if (round % 50 == 0)
			expect_content();
	}
	expect_content();
}

static void test_relink__old_pages_stay_while_a_reader_may_be_at_them(void **state)
{
	struct served_lane *reader = served_connect(world.server, true);
	uint8_t *old = malloc(LEAST);

	(void)state;
	assert_non_null(old);
	memcpy(old, world.expected, LEAST);
	reader->section = 1;
	write_granted(world.client, 0, LEAST, 2);
	assert_int_equal(reclaim_bytes(world.server->reclaim), LEAST);
	assert_memory_equal(pool_at(world.server->pool, world.old_at), old, LEAST);
	expect_content();
	reader->section = 2;
	reclaim_run(world.server->reclaim);
	assert_int_equal(reclaim_bytes(world.server->reclaim), 0);
	served_leave(reader);
	free(old);
}

// --- where it copies ---

static void test_copy__less_than_the_least(void **state)
{
	(void)state;
	write_granted(world.client, 4096, LEAST - 1, 2);
	expect_copied();
}

static void test_copy__at_an_offset_within_a_page(void **state)
{
	(void)state;
	write_granted(world.client, 100, LEAST, 2);
	expect_copied();
}

static void test_copy__while_a_session_writes_by_itself(void **state)
{
	struct served_lane *other = served_join_mapped(world.server);
	struct far_object_request request = {.id = world.file.id};
	uint64_t at;

	(void)state;
	assert_int_equal(served_call(world.client, FAR_OP_WINDOW, 0, &request, sizeof(request), (struct served_parts){0}), FAR_STATUS_OK);
	world.word = word();
	write_granted(world.client, 0, LEAST, 2);
	assert_true(world.record->flags & FAR_RECORD_WINDOW);
	expect_copied();
	at = write_granted(other, 0, LEAST, 3); // ends the window first
	assert_false(world.record->flags & FAR_RECORD_WINDOW);
	assert_int_equal(where(0), at);
	expect_content();
	served_leave(other);
}

// --- no memory ---

static void test_copy__without_the_reserve(void **state)
{
	(void)state;
	taken_pages(&world.taken, 0);
	space_use_reserve(world.server);
	taken_pages(&world.taken, 0);
	write_granted(world.client, 4096, LEAST, 2);
	expect_copied();
}

// The middle of a run cannot be taken out of it without memory for a larger map; the reserve is not for that.
static void test_copy__without_memory_for_the_map(void **state)
{
	uint32_t reserve = world.server->reserve_page;

	(void)state;
	taken_pages(&world.taken, 0);
	taken_blocks(&world.taken);
	write_granted(world.client, 4096, LEAST, 2);
	assert_int_equal(version(), world.version + 1);
	assert_int_equal(where(0), world.old_at);
	assert_int_equal(where(4096), world.old_at + 4096);
	assert_int_equal(world.server->reserve_page, reserve);
	assert_int_equal(FAR_WORD_STATE(word()), FAR_RECORD_LIVE);
	expect_content();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(test_relink__whole_pages_change_for_the_grants_own),
	        TEST(test_relink__in_the_middle_leaves_both_sides),
	        TEST(test_relink__a_part_of_a_page_behind_is_copied),
	        TEST(test_relink__again_and_again_loses_no_page),
	        TEST(test_relink__old_pages_stay_while_a_reader_may_be_at_them),
	        TEST(test_copy__less_than_the_least),
	        TEST(test_copy__at_an_offset_within_a_page),
	        TEST(test_copy__while_a_session_writes_by_itself),
	        TEST(test_copy__without_the_reserve),
	        TEST(test_copy__without_memory_for_the_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
