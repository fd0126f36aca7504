// server/value_space.c, value_copy.c and handle_space.c: space within one object's value, and copies, as requests and as readers see them.
#include <stdlib.h>

#include "far/layout.h"
#include "served.h"
#include "server/reclaim.h"
#include "server/record.h"
#include "server/space.h"
#include "server/value.h"
#include "taken.h"
#include "testing.h"

#define POOL (64U << 20)
#define PAGE 4096U

struct world {
	struct server *server;
	struct served_lane *client;
	struct far_attr file;
	struct far_record *record;
	uint64_t free_bytes;
	struct taken taken;
};

static struct world world;

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.server = served_open(POOL);
	world.client = served_join_mapped(world.server);
	assert_int_equal(space_keep_reserve(world.server), 0);
	world.free_bytes = served_free_bytes(world.client);
	assert_int_equal(served_create(world.client, FAR_ROOT_ID, "file", 0100644, &world.file), FAR_STATUS_OK);
	world.record = record_by_id(world.server->pool, world.file.id);
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
	world.client->section = 0;
	assert_int_equal(served_free_bytes(world.client), world.free_bytes);
	served_leave(world.client);
	served_close(world.server);
	return 0;
}

static int fallocate(unsigned flags, uint64_t offset, uint64_t length)
{
	struct far_fallocate_request request = {.id = world.file.id, .offset = offset, .length = length};

	return served_call(world.client, FAR_OP_FALLOCATE, flags, &request, sizeof(request), (struct served_parts){0});
}

static uint64_t fallocate_done(void)
{
	return ((const struct far_fallocate_reply *)world.client->reply)->done;
}

static int seek(unsigned flags, uint64_t offset)
{
	struct far_seek_request request = {.id = world.file.id, .offset = offset};

	return served_call(world.client, FAR_OP_SEEK, flags, &request, sizeof(request), (struct served_parts){0});
}

static void expect_seek(unsigned flags, uint64_t offset, unsigned result, uint64_t found)
{
	const struct far_seek_reply *reply = (const struct far_seek_reply *)world.client->reply;

	assert_int_equal(seek(flags, offset), FAR_STATUS_OK);
	assert_int_equal(reply->result, result);
	if (result != FAR_SEEK_NONE)
		assert_int_equal(reply->offset, found);
}

static int copy(uint64_t from, uint64_t from_offset, uint64_t to, uint64_t to_offset, uint64_t length)
{
	struct far_copy_request request = {
	        .from_id = from, .from_offset = from_offset, .to_id = to, .to_offset = to_offset, .length = length};

	return served_call(world.client, FAR_OP_COPY, 0, &request, sizeof(request), (struct served_parts){0});
}

static uint64_t copied(void)
{
	return ((const struct far_copy_reply *)world.client->reply)->length;
}

// Writes `pages` pages of one byte each; the value is in pages then.
static void write_pages(uint64_t file_page, uint32_t pages, uint8_t byte)
{
	uint8_t bytes[PAGE];

	memset(bytes, byte, sizeof(bytes));
	for (uint32_t i = 0; i < pages; i++)
		assert_int_equal(served_write(world.client, world.file.id, (file_page + i) * PAGE, bytes, PAGE, 0), FAR_STATUS_OK);
}

static uint8_t byte_at(uint64_t offset)
{
	uint8_t byte;

	value_read(world.server->pool, world.record, offset, 1, &byte);
	return byte;
}

static uint64_t blocks(void)
{
	struct far_attr attr;

	assert_int_equal(served_getattr(world.client, world.file.id, &attr), FAR_STATUS_OK);
	return attr.blocks;
}

static uint64_t word(void)
{
	return atomic_load(&world.record->word);
}

// --- reserving ---

static void test_fallocate__reserves_zeros_and_grows(void **state)
{
	(void)state;
	served_write(world.client, world.file.id, 0, "abc", 3, 0);
	assert_int_equal(fallocate(0, 1, 10 * PAGE), FAR_STATUS_OK);
	assert_int_equal(fallocate_done(), 10 * PAGE);
	assert_int_equal(value_size(world.record), 10 * PAGE + 1);
	assert_int_equal(blocks(), 88);
	assert_int_equal(byte_at(2), 'c');
	assert_int_equal(byte_at(3), 0);
	assert_int_equal(byte_at(10 * PAGE), 0);
}

static void test_fallocate__does_a_part_a_request_and_grows_with_the_last(void **state)
{
	uint64_t length = 6 << 20;
	uint64_t done;

	(void)state;
	assert_int_equal(fallocate(0, 100, length), FAR_STATUS_OK);
	done = fallocate_done();
	assert_true(done > 0 && done < length);
	assert_int_equal(value_size(world.record), 0);
	assert_int_equal(fallocate(0, 100 + done, length - done), FAR_STATUS_OK);
	assert_int_equal(fallocate_done(), length - done);
	assert_int_equal(value_size(world.record), 100 + length);
}

static void test_fallocate__changes_the_word_that_told_of_a_hole(void **state)
{
	uint64_t before;

	(void)state;
	write_pages(3, 1, 7);
	before = word();
	assert_int_equal(fallocate(FAR_FALLOCATE_KEEP_SIZE, 0, 4 * PAGE), FAR_STATUS_OK);
	assert_int_not_equal(word(), before);
	assert_int_equal(FAR_WORD_STATE(word()), FAR_RECORD_LIVE);
	before = word();
	assert_int_equal(fallocate(FAR_FALLOCATE_KEEP_SIZE, 0, 4 * PAGE), FAR_STATUS_OK);
	assert_int_equal(word(), before);
}

static void test_fallocate__too_much_is_refused_at_once(void **state)
{
	uint64_t free_bytes = space_free_bytes(world.server);
	struct far_attr before, after;

	(void)state;
	write_pages(0, 2, 1);
	served_getattr(world.client, world.file.id, &before);
	assert_int_equal(fallocate(0, 0, POOL), FAR_STATUS_NO_SPACE);
	assert_int_equal(fallocate(FAR_FALLOCATE_ZERO, 0, 1ULL << 40), FAR_STATUS_NO_SPACE);
	served_getattr(world.client, world.file.id, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(space_free_bytes(world.server), free_bytes - 2 * PAGE);
}

// The count says that there is enough, but the map needs some of it.
static void test_fallocate__what_fails_halfway_is_taken_back(void **state)
{
	uint64_t before, free_bytes;

	(void)state;
	for (uint32_t page = 0; page < 400; page += 2)
		write_pages(page, 1, (uint8_t)page);
	taken_pages(&world.taken, 0);
	taken_blocks(&world.taken);
	taken_leave_pages(&world.taken, 200);
	before = word();
	free_bytes = space_free_bytes(world.server);
	assert_int_equal(blocks(), 1600);
	assert_int_equal(fallocate(FAR_FALLOCATE_KEEP_SIZE, 0, 400 * PAGE), FAR_STATUS_NO_SPACE);
	assert_int_not_equal(word(), before);                                     // it had begun
	assert_true(space_free_bytes(world.server) + (128U << 10) >= free_bytes); // the map stays as large as it grew
	assert_int_equal(blocks(), 1600);
	for (uint32_t page = 0; page < 399; page++)
		assert_int_equal(byte_at(page * PAGE + 5), page % 2 ? 0 : (uint8_t)page);
}

static void test_fallocate__reserved_pages_take_writes_of_a_full_pool(void **state)
{
	(void)state;
	assert_int_equal(fallocate(FAR_FALLOCATE_KEEP_SIZE, 0, 64 * PAGE), FAR_STATUS_OK);
	taken_pages(&world.taken, 0);
	taken_blocks(&world.taken);
	write_pages(0, 64, 9);
	assert_int_equal(value_size(world.record), 64 * PAGE);
	assert_int_equal(byte_at(64 * PAGE - 1), 9);
}

// --- zeroing and punching ---

static void test_zero__keeps_the_pages(void **state)
{
	(void)state;
	write_pages(0, 4, 5);
	assert_int_equal(fallocate(FAR_FALLOCATE_ZERO, 100, 3 * PAGE), FAR_STATUS_OK);
	assert_int_equal(byte_at(99), 5);
	assert_int_equal(byte_at(100), 0);
	assert_int_equal(byte_at(3 * PAGE + 99), 0);
	assert_int_equal(byte_at(3 * PAGE + 100), 5);
	assert_int_equal(blocks(), 32);
}

static void test_punch__frees_whole_pages_under_a_new_word(void **state)
{
	uint64_t before;

	(void)state;
	write_pages(0, 8, 5);
	before = word();
	assert_int_equal(fallocate(FAR_FALLOCATE_PUNCH_HOLE | FAR_FALLOCATE_KEEP_SIZE, PAGE + 1, 3 * PAGE), FAR_STATUS_OK);
	assert_int_not_equal(word(), before);
	assert_int_equal(FAR_WORD_STATE(word()), FAR_RECORD_LIVE);
	assert_int_equal(blocks(), 48);
	assert_int_equal(byte_at(PAGE), 5);
	assert_int_equal(byte_at(PAGE + 1), 0);
	assert_int_equal(byte_at(4 * PAGE), 0);
	assert_int_equal(byte_at(4 * PAGE + 1), 5);
	expect_seek(FAR_SEEK_HOLE, 0, FAR_SEEK_FOUND, 2 * PAGE);
	expect_seek(0, 2 * PAGE, FAR_SEEK_FOUND, 4 * PAGE);
}

static void test_punch__pages_wait_for_a_reader_that_may_be_at_them(void **state)
{
	struct served_lane *reader = served_connect(world.server, true);
	struct value_piece piece;

	(void)state;
	write_pages(0, 8, 5);
	piece = value_piece_at(world.server->pool, world.record, 2 * PAGE, 3 * PAGE);
	reader->section = 1;
	assert_int_equal(fallocate(FAR_FALLOCATE_PUNCH_HOLE | FAR_FALLOCATE_KEEP_SIZE, 2 * PAGE, PAGE), FAR_STATUS_OK);
	assert_int_equal(reclaim_bytes(world.server->reclaim), PAGE);
	assert_int_equal(*(const uint8_t *)pool_at(world.server->pool, piece.pool_offset), 5);
	reader->section = 2;
	reclaim_run(world.server->reclaim);
	assert_int_equal(reclaim_bytes(world.server->reclaim), 0);
	served_leave(reader);
}

static void test_punch__ends_a_write_window(void **state)
{
	struct far_object_request request = {.id = world.file.id};

	(void)state;
	write_pages(0, 8, 5);
	assert_int_equal(served_call(world.client, FAR_OP_WINDOW, 0, &request, sizeof(request), (struct served_parts){0}), FAR_STATUS_OK);
	assert_int_equal(FAR_WORD_STATE(word()), FAR_RECORD_WRITTEN);
	assert_int_equal(fallocate(FAR_FALLOCATE_PUNCH_HOLE | FAR_FALLOCATE_KEEP_SIZE, 0, PAGE), FAR_STATUS_OK);
	assert_false(world.record->flags & FAR_RECORD_WINDOW);
	assert_int_equal(FAR_WORD_STATE(word()), FAR_RECORD_LIVE);
}

static void test_punch__without_any_memory_still_zeros(void **state)
{
	(void)state;
	write_pages(0, 8, 5);
	taken_pages(&world.taken, 0);
	space_use_reserve(world.server);
	taken_pages(&world.taken, 0);
	taken_blocks(&world.taken);
	assert_int_equal(fallocate(FAR_FALLOCATE_PUNCH_HOLE | FAR_FALLOCATE_KEEP_SIZE, 2 * PAGE, 2 * PAGE), FAR_STATUS_OK);
	assert_int_equal(byte_at(2 * PAGE - 1), 5);
	assert_int_equal(byte_at(2 * PAGE), 0);
	assert_int_equal(byte_at(4 * PAGE - 1), 0);
	assert_int_equal(byte_at(4 * PAGE), 5);
	assert_int_equal(FAR_WORD_STATE(word()), FAR_RECORD_LIVE);
}

static void test_punch__an_inline_value_keeps_its_checksum(void **state)
{
	uint8_t got[600];

	(void)state;
	served_write(world.client, world.file.id, 0, memset(got, 'x', sizeof(got)), sizeof(got), 0);
	assert_int_equal(fallocate(FAR_FALLOCATE_PUNCH_HOLE | FAR_FALLOCATE_KEEP_SIZE, 10, 100), FAR_STATUS_OK);
	if (world.record->value_kind == FAR_VALUE_INLINE) {
		uint64_t checksum = world.record->u.behind.checksum;

		record_publish(world.record, FAR_RECORD_LIVE);
		assert_int_equal(world.record->u.behind.checksum, checksum);
	}
	assert_int_equal(byte_at(9), 'x');
	assert_int_equal(byte_at(10), 0);
	assert_int_equal(byte_at(110), 'x');
}

// --- seeking ---

static void test_seek__asks_again_behind_many_extents(void **state)
{
	const struct far_seek_reply *reply = (const struct far_seek_reply *)world.client->reply;
	unsigned requests = 0;

	(void)state;
	// Neighbours in the file, but nowhere else: each page is an extent.
	for (uint32_t page = 0; page < 6000; page += 2)
		write_pages(page, 1, 1);
	for (uint32_t page = 1; page < 6000; page += 2)
		write_pages(page, 1, 2);
	assert_int_equal(seek(FAR_SEEK_HOLE, 0), FAR_STATUS_OK);
	for (; reply->result == FAR_SEEK_MORE; requests++) {
		assert_true(requests < 100 && reply->offset > 0);
		seek(FAR_SEEK_HOLE, reply->offset);
	}
	assert_int_equal(reply->result, FAR_SEEK_FOUND);
	assert_int_equal(reply->offset, 6000 * PAGE);
}

static void test_seek__at_and_behind_the_end_is_nothing(void **state)
{
	(void)state;
	expect_seek(FAR_SEEK_HOLE, 0, FAR_SEEK_NONE, 0);
	served_write(world.client, world.file.id, 0, "abc", 3, 0);
	expect_seek(FAR_SEEK_HOLE, 0, FAR_SEEK_FOUND, 3);
	expect_seek(0, 2, FAR_SEEK_FOUND, 2);
	expect_seek(0, 3, FAR_SEEK_NONE, 0);
	expect_seek(FAR_SEEK_HOLE, UINT64_MAX, FAR_SEEK_NONE, 0);
}

// --- copying ---

static void test_copy__does_a_part_a_request(void **state)
{
	struct far_attr other;
	uint64_t done = 0;
	unsigned requests = 0;

	(void)state;
	write_pages(0, 2000, 3);
	assert_int_equal(served_create(world.client, FAR_ROOT_ID, "other", 0100644, &other), FAR_STATUS_OK);
	for (; done < 2000 * PAGE; requests++) {
		assert_int_equal(copy(world.file.id, done, other.id, done, 1ULL << 40), FAR_STATUS_OK);
		assert_true(copied() > 0 && copied() <= 4U << 20);
		done += copied();
	}
	assert_int_equal(requests, 2);
	assert_int_equal(copy(world.file.id, done, other.id, done, 1ULL << 40), FAR_STATUS_OK);
	assert_int_equal(copied(), 0);
	served_unlink(world.client, FAR_OP_UNLINK, FAR_ROOT_ID, "other");
	served_forget(world.client, other.id, 1000);
}

static void test_copy__holes_cost_next_to_nothing(void **state)
{
	struct far_attr other;

	(void)state;
	served_truncate(world.client, world.file.id, 1ULL << 43);
	assert_int_equal(served_create(world.client, FAR_ROOT_ID, "other", 0100644, &other), FAR_STATUS_OK);
	assert_int_equal(copy(world.file.id, 0, other.id, 0, 1ULL << 43), FAR_STATUS_OK);
	assert_int_equal(copied(), 1ULL << 43);
	served_unlink(world.client, FAR_OP_UNLINK, FAR_ROOT_ID, "other");
	served_forget(world.client, other.id, 1000);
}

static void test_copy__within_a_small_value_that_moves(void **state)
{
	uint8_t bytes[900];

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 3);
	served_write(world.client, world.file.id, 0, bytes, sizeof(bytes), 0);
	for (uint64_t size = sizeof(bytes); size < 6 * PAGE; size *= 2) { // inline, block, pages
		assert_int_equal(copy(world.file.id, 0, world.file.id, size, size), FAR_STATUS_OK);
		assert_int_equal(copied(), size);
	}
	for (uint64_t at = 0; at < value_size(world.record); at++)
		assert_int_equal(byte_at(at), (uint8_t)(at % sizeof(bytes) * 3));
}

static void test_copy__overlapping_ranges_are_refused(void **state)
{
	(void)state;
	write_pages(0, 4, 1);
	assert_int_equal(copy(world.file.id, 0, world.file.id, PAGE, 2 * PAGE), FAR_STATUS_INVALID);
	assert_int_equal(copy(world.file.id, PAGE, world.file.id, 0, 2 * PAGE), FAR_STATUS_INVALID);
	assert_int_equal(copy(world.file.id, 0, world.file.id, 0, 1), FAR_STATUS_INVALID);
	assert_int_equal(copy(world.file.id, 0, world.file.id, 4 * PAGE, 4 * PAGE), FAR_STATUS_OK);
}

static void test_kill_suidgid__is_done_where_it_is_asked_for(void **state)
{
	struct far_copy_request request = {.from_id = world.file.id, .to_id = world.file.id, .to_offset = 10, .length = 3};

	(void)state;
	served_write(world.client, world.file.id, 0, "abc", 3, 0);
	world.record->mode |= 06011;
	assert_int_equal(fallocate(0, 0, 5), FAR_STATUS_OK);
	assert_int_equal(world.record->mode & 06000, 06000);
	assert_int_equal(fallocate(FAR_FALLOCATE_KILL_SUIDGID, 0, 5), FAR_STATUS_OK);
	assert_int_equal(world.record->mode & 06000, 0);
	world.record->mode |= 06011;
	assert_int_equal(served_call(world.client, FAR_OP_COPY, FAR_COPY_KILL_SUIDGID, &request, sizeof(request), (struct served_parts){0}),
	        FAR_STATUS_OK);
	assert_int_equal(world.record->mode & 06000, 0);
}

// --- what is refused ---

static void test_requests__that_make_no_sense(void **state)
{
	(void)state;
	assert_int_equal(fallocate(0, 0, 0), FAR_STATUS_INVALID);
	assert_int_equal(fallocate(0, 0, UINT64_MAX), FAR_STATUS_INVALID);
	assert_int_equal(fallocate(0, FAR_FILE_MAX, 1), FAR_STATUS_TOO_BIG);
	assert_int_equal(fallocate(0, UINT64_MAX, 5), FAR_STATUS_TOO_BIG);
	assert_int_equal(fallocate(FAR_FALLOCATE_PUNCH_HOLE, 0, 5), FAR_STATUS_NOT_SUPPORTED);
	assert_int_equal(
	        fallocate(FAR_FALLOCATE_PUNCH_HOLE | FAR_FALLOCATE_KEEP_SIZE | FAR_FALLOCATE_ZERO, 0, 5), FAR_STATUS_NOT_SUPPORTED);
	assert_int_equal(fallocate(FAR_FALLOCATE_PUNCH_HOLE | FAR_FALLOCATE_KEEP_SIZE, UINT64_MAX, INT64_MAX), FAR_STATUS_OK);
	served_write(world.client, world.file.id, 0, "abc", 3, 0);
	assert_int_equal(copy(world.file.id, 0, world.file.id, UINT64_MAX, 3), FAR_STATUS_TOO_BIG);
	assert_int_equal(copy(world.file.id, UINT64_MAX, world.file.id, 0, UINT64_MAX), FAR_STATUS_OK);
	assert_int_equal(copied(), 0);
	assert_int_equal(copy(FAR_ROOT_ID, 0, world.file.id, 0, 3), FAR_STATUS_IS_DIRECTORY);
	assert_int_equal(copy(world.file.id, 0, FAR_ROOT_ID, 0, 3), FAR_STATUS_IS_DIRECTORY);
	assert_int_equal(copy(world.file.id, 0, 12345678, 0, 3), FAR_STATUS_STALE);
	world.file.id ^= 1ULL << 50;
	assert_int_equal(fallocate(0, 0, 5), FAR_STATUS_STALE);
	assert_int_equal(seek(0, 0), FAR_STATUS_STALE);
	world.file.id ^= 1ULL << 50;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(test_fallocate__reserves_zeros_and_grows),
	        TEST(test_fallocate__does_a_part_a_request_and_grows_with_the_last),
	        TEST(test_fallocate__changes_the_word_that_told_of_a_hole),
	        TEST(test_fallocate__too_much_is_refused_at_once),
	        TEST(test_fallocate__what_fails_halfway_is_taken_back),
	        TEST(test_fallocate__reserved_pages_take_writes_of_a_full_pool),
	        TEST(test_zero__keeps_the_pages),
	        TEST(test_punch__frees_whole_pages_under_a_new_word),
	        TEST(test_punch__pages_wait_for_a_reader_that_may_be_at_them),
	        TEST(test_punch__ends_a_write_window),
	        TEST(test_punch__without_any_memory_still_zeros),
	        TEST(test_punch__an_inline_value_keeps_its_checksum),
	        TEST(test_seek__asks_again_behind_many_extents),
	        TEST(test_seek__at_and_behind_the_end_is_nothing),
	        TEST(test_copy__does_a_part_a_request),
	        TEST(test_copy__holes_cost_next_to_nothing),
	        TEST(test_copy__within_a_small_value_that_moves),
	        TEST(test_copy__overlapping_ranges_are_refused),
	        TEST(test_kill_suidgid__is_done_where_it_is_asked_for),
	        TEST(test_requests__that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
