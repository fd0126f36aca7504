// server/window.c: what a session writes by itself is counted in, and whatever else touches the object ends its window.
#include <stdlib.h>

#include "served.h"
#include "server/record.h"
#include "testing.h"

#define POOL (32U << 20)
#define SIZE 100000U // pages, the last one not full

struct world {
	struct server *server;
	struct served_lane *writer;
	struct served_lane *other;
	struct far_attr file;
	struct far_record *record;
	struct far_window_reply window;
	uint64_t free_bytes;
};

static struct world world;

static int open_window(struct served_lane *client)
{
	struct far_object_request request = {.id = world.file.id};
	int status = served_call(client, FAR_OP_WINDOW, 0, &request, sizeof(request), (struct served_parts){0});

	if (status == FAR_STATUS_OK)
		world.window = *(const struct far_window_reply *)client->reply;
	return status;
}

static struct far_window_cell *cell(void)
{
	return pool_at(world.server->pool, world.window.cell);
}

static unsigned state(void)
{
	return FAR_WORD_STATE(atomic_load(&world.record->word));
}

static uint64_t version(void)
{
	return atomic_load(&world.record->version);
}

// What a client does, as far as the server sees it.
static void write_once(int64_t mtime_ns)
{
	atomic_store(&cell()->mtime_ns, mtime_ns);
	atomic_fetch_add(&cell()->writes, 1);
}

static void write_file(void)
{
	uint8_t bytes[4096];

	memset(bytes, 1, sizeof(bytes));
	for (uint32_t at = 0; at < SIZE; at += sizeof(bytes)) {
		uint32_t length = SIZE - at < sizeof(bytes) ? SIZE - at : (uint32_t)sizeof(bytes);

		assert_int_equal(served_write(world.writer, world.file.id, at, bytes, length, 0), FAR_STATUS_OK);
	}
}

static int set_up(void **state_)
{
	(void)state_;
	world.server = served_open(POOL);
	world.writer = served_join_mapped(world.server);
	world.other = served_join_mapped(world.server);
	world.free_bytes = served_free_bytes(world.writer);
	assert_int_equal(served_create(world.writer, FAR_ROOT_ID, "file", 0100644, &world.file), FAR_STATUS_OK);
	write_file();
	world.record = record_by_id(world.server->pool, world.file.id);
	assert_int_equal(open_window(world.writer), FAR_STATUS_OK);
	return 0;
}

static int tear_down(void **state_)
{
	(void)state_;
	world.writer->section = 0;
	served_unlink(world.other, FAR_OP_UNLINK, FAR_ROOT_ID, "file");
	served_forget(world.writer, world.file.id, 1000);
	served_forget(world.other, world.file.id, 1000);
	assert_int_equal(served_free_bytes(world.other), world.free_bytes);
	served_leave(world.other);
	served_leave(world.writer);
	served_close(world.server);
	return 0;
}

static void test_open__is_told_by_the_word_and_found_again(void **state_)
{
	uint64_t cell_offset = world.window.cell;

	(void)state_;
	assert_int_equal(state(), FAR_RECORD_WRITTEN);
	assert_int_equal(world.window.word, atomic_load(&world.record->word));
	assert_int_equal(world.window.is_new, 1);
	assert_int_equal(open_window(world.writer), FAR_STATUS_OK);
	assert_int_equal(world.window.is_new, 0);
	assert_int_equal(world.window.cell, cell_offset);
}

static void test_open__needs_pages_and_a_shared_pool(void **state_)
{
	struct served_lane *unmapped = served_join(world.server);
	struct far_attr small;
	struct far_object_request request;

	(void)state_;
	assert_int_equal(open_window(unmapped), FAR_STATUS_NOT_SUPPORTED);
	assert_int_equal(served_create(world.writer, FAR_ROOT_ID, "small", 0100644, &small), FAR_STATUS_OK);
	assert_int_equal(served_write(world.writer, small.id, 0, "few", 3, 0), FAR_STATUS_OK);
	request.id = small.id;
	assert_int_equal(
	        served_call(world.writer, FAR_OP_WINDOW, 0, &request, sizeof(request), (struct served_parts){0}), FAR_STATUS_NOT_SUPPORTED);
	request.id = 12345;
	assert_int_equal(
	        served_call(world.writer, FAR_OP_WINDOW, 0, &request, sizeof(request), (struct served_parts){0}), FAR_STATUS_STALE);
	served_unlink(world.writer, FAR_OP_UNLINK, FAR_ROOT_ID, "small");
	served_forget(world.writer, small.id, 1);
	served_leave(unmapped);
}

static void test_open__refuses_what_a_write_may_have_to_clear(void **state_)
{
	struct far_setattr_request change = {.id = world.file.id, .mode = 04755, .valid = FAR_SET_MODE};

	(void)state_;
	assert_int_equal(served_call(world.writer, FAR_OP_SETATTR, 0, &change, sizeof(change), (struct served_parts){0}), FAR_STATUS_OK);
	assert_int_not_equal(state(), FAR_RECORD_WRITTEN);
	assert_int_equal(open_window(world.writer), FAR_STATUS_NOT_SUPPORTED);
	served_write(world.writer, world.file.id, 0, "x", 1, FAR_WRITE_KILL_SUIDGID);
	assert_int_equal(open_window(world.writer), FAR_STATUS_OK);
}

static void test_own_session__sees_its_writes_counted_and_keeps_the_window(void **state_)
{
	uint64_t before = version();
	struct far_attr attr;

	(void)state_;
	assert_int_equal(served_getattr(world.writer, world.file.id, &attr), FAR_STATUS_OK);
	for (int i = 0; i < 3; i++)
		write_once(attr.ctime_ns + 1000);
	assert_int_equal(served_getattr(world.writer, world.file.id, &attr), FAR_STATUS_OK);
	assert_int_equal(attr.version, before + 3);
	assert_int_equal(served_write(world.writer, world.file.id, 10, "x", 1, 0), FAR_STATUS_OK);
	assert_int_equal(served_read(world.writer, world.file.id, 0, 100, 0), FAR_STATUS_OK);
	assert_int_equal(atomic_load(&world.record->word), world.window.word);
}

static void test_mtime__is_the_writes_but_never_to_come(void **state_)
{
	struct far_attr before, attr;

	(void)state_;
	assert_int_equal(served_getattr(world.writer, world.file.id, &before), FAR_STATUS_OK);
	write_once(before.mtime_ns + 1);
	assert_int_equal(served_getattr(world.writer, world.file.id, &attr), FAR_STATUS_OK);
	assert_int_equal(attr.mtime_ns, before.mtime_ns + 1);
	write_once(INT64_MAX);
	assert_int_equal(served_getattr(world.writer, world.file.id, &attr), FAR_STATUS_OK);
	assert_true(attr.mtime_ns < before.mtime_ns + 60 * 1000000000LL);
}

// Everything that ends a window: after it the word is another, and what was written is counted.
static void expect_ended(uint64_t version_least)
{
	assert_int_not_equal(atomic_load(&world.record->word), world.window.word);
	assert_int_not_equal(state(), FAR_RECORD_WRITTEN);
	assert_true(version() >= version_least);
	assert_int_equal(open_window(world.writer), FAR_STATUS_OK);
	assert_int_equal(world.window.is_new, 1);
}

static void test_others__end_the_window(void **state_)
{
	struct far_attr attr;
	uint64_t before;

	(void)state_;
	before = version();
	write_once(1);
	assert_int_equal(served_getattr(world.other, world.file.id, &attr), FAR_STATUS_OK);
	assert_int_equal(attr.version, before + 1);
	expect_ended(before + 1);
	before = version();
	write_once(1);
	assert_int_equal(served_read(world.other, world.file.id, 0, 10, 0), FAR_STATUS_OK);
	expect_ended(before + 1);
	assert_int_equal(served_lookup(world.other, FAR_ROOT_ID, "file", &attr), FAR_STATUS_OK);
	expect_ended(before + 1);
	assert_int_equal(served_write(world.other, world.file.id, 0, "y", 1, 0), FAR_STATUS_OK);
	expect_ended(before + 2);
}

static void test_by_key__ends_even_ones_own_window(void **state_)
{
	struct far_attr attr;
	uint64_t before = version();

	(void)state_;
	write_once(1);
	assert_int_equal(served_stat(world.writer, "file", &attr), FAR_STATUS_OK);
	assert_int_equal(attr.version, before + 1);
	expect_ended(before + 1);
	assert_int_equal(served_get(world.writer, "file", 0), FAR_STATUS_OK);
	expect_ended(before + 1);
	assert_int_equal(served_rename(world.writer, "file", "moved", 0), FAR_STATUS_OK);
	expect_ended(before + 1);
	assert_int_equal(served_rename(world.writer, "moved", "file", 0), FAR_STATUS_OK);
	expect_ended(before + 1);
	// The version that a put expects is the one with the session's own writes.
	before = version();
	write_once(1);
	assert_int_equal(served_put_expecting(world.other, "file", "new", 3, before), FAR_STATUS_VERSION);
	expect_ended(before + 1);
	assert_int_equal(served_put_expecting(world.other, "file", "new", 3, version()), FAR_STATUS_OK);
	assert_int_equal(open_window(world.writer), FAR_STATUS_NOT_SUPPORTED);
}

static void test_close__under_a_store_raises_the_version_again(void **state_)
{
	struct far_attr attr;
	uint64_t before = version(), during;

	(void)state_;
	world.writer->section = 1;
	write_once(1);
	assert_int_equal(served_getattr(world.other, world.file.id, &attr), FAR_STATUS_OK);
	during = attr.version;
	assert_true(during > before + 1);
	assert_true(server_settle(world.server));
	assert_int_equal(version(), during);
	world.writer->section = 2;
	server_settle(world.server);
	assert_true(version() > during);
}

static void test_close__clears_what_a_late_store_left_behind_a_new_end(void **state_)
{
	const struct far_wire_extent *extent;
	uint8_t *last;

	(void)state_;
	assert_int_equal(served_read(world.writer, world.file.id, 0, 10, FAR_GET_LOCATE), FAR_STATUS_OK);
	extent = (const struct far_wire_extent *)((const struct far_get_reply *)world.writer->reply + 1);
	last = pool_at(world.server->pool, extent->pool_offset); // the first page
	world.writer->section = 1;
	assert_int_equal(served_truncate(world.other, world.file.id, 100), FAR_STATUS_OK);
	last[200] = 0xee;
	world.writer->section = 2;
	server_settle(world.server);
	assert_int_equal(served_truncate(world.other, world.file.id, 1000), FAR_STATUS_OK);
	assert_int_equal(served_read(world.other, world.file.id, 0, 1000, 0), FAR_STATUS_OK);
	last = malloc(1000);
	served_value(world.other, 0, last);
	assert_int_equal(last[200], 0);
	free(last);
}

static void test_end_of_session__ends_its_windows(void **state_)
{
	struct served_lane *third = served_join_mapped(world.server);
	uint64_t before;

	(void)state_;
	assert_int_equal(open_window(third), FAR_STATUS_OK);
	assert_int_equal(world.window.is_new, 1);
	before = version();
	write_once(1);
	served_leave(third);
	assert_int_equal(version(), before + 1);
	assert_int_equal(state(), FAR_RECORD_LIVE);
}

static void test_unlink__of_a_written_object_gives_all_back(void **state_)
{
	(void)state_;
	world.writer->section = 1;
	assert_int_equal(served_unlink(world.writer, FAR_OP_UNLINK, FAR_ROOT_ID, "file"), FAR_STATUS_OK);
	served_forget(world.writer, world.file.id, 1000);
	server_settle(world.server);
	world.writer->section = 2; // tear_down finds all memory free again
	server_settle(world.server);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        EACH(test_open__is_told_by_the_word_and_found_again),
	        EACH(test_open__needs_pages_and_a_shared_pool),
	        EACH(test_open__refuses_what_a_write_may_have_to_clear),
	        EACH(test_own_session__sees_its_writes_counted_and_keeps_the_window),
	        EACH(test_mtime__is_the_writes_but_never_to_come),
	        EACH(test_others__end_the_window),
	        EACH(test_by_key__ends_even_ones_own_window),
	        EACH(test_close__under_a_store_raises_the_version_again),
	        EACH(test_close__clears_what_a_late_store_left_behind_a_new_end),
	        EACH(test_end_of_session__ends_its_windows),
	        EACH(test_unlink__of_a_written_object_gives_all_back),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
