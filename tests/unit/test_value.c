// server/value*.c, through reads, writes, puts and truncation of one object.
#include <stdlib.h>

#include "served.h"
#include "testing.h"

#define POOL (32U << 20)

struct world {
	struct server *server;
	struct served_lane *client;
	struct far_attr file;
	uint64_t free_bytes;
};

static struct world world;

static int set_up(void **state)
{
	(void)state;
	world.server = served_open(POOL);
	world.client = served_join(world.server);
	world.free_bytes = served_free_bytes(world.client);
	assert_int_equal(served_create(world.client, FAR_ROOT_ID, "file", 0100644, &world.file), FAR_STATUS_OK);
	return 0;
}

// Whatever a test did: with the file gone, the pool is as it was.
static int tear_down(void **state)
{
	(void)state;
	served_unlink(world.client, FAR_OP_UNLINK, FAR_ROOT_ID, "file");
	served_forget(world.client, world.file.id, 1000);
	world.client->section = 0;
	assert_int_equal(served_free_bytes(world.client), world.free_bytes);
	served_leave(world.client);
	served_close(world.server);
	return 0;
}

static void fill(uint8_t *bytes, uint32_t length, uint8_t seed)
{
	for (uint32_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(seed + i * 7 + i / 251);
}

static void expect_file(const uint8_t *expected, uint64_t size)
{
	uint8_t *got = malloc(size + 1);
	struct far_attr attr;

	assert_int_equal(served_getattr(world.client, world.file.id, &attr), FAR_STATUS_OK);
	assert_int_equal(attr.size, size);
	assert_int_equal(served_read(world.client, world.file.id, 0, UINT64_MAX, 0), FAR_STATUS_OK);
	assert_int_equal(((struct far_get_reply *)world.client->reply)->length, size);
	served_value(world.client, 0, got);
	assert_memory_equal(got, expected, size);
	assert_int_equal(served_read(world.client, world.file.id, 0, UINT64_MAX, FAR_GET_NO_VALUE), FAR_STATUS_OK);
	if (!(((struct far_get_reply *)world.client->reply)->location.flags & FAR_LOCATION_PARTIAL)) {
		served_value(world.client, 0, got);
		assert_memory_equal(got, expected, size);
	}
	free(got);
}

static void test_write__any_sequence_reads_back(void **state)
{
	enum { SIZE = 200000 };
	uint8_t *shadow = calloc(1, SIZE);
	uint8_t bytes[6000];
	uint64_t random = 88172645463325252ULL;
	uint64_t size = 0;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		uint64_t limit = round % 100 < 40 ? 3000 : SIZE;
		uint64_t offset = test_random(&random) % limit;
		uint32_t length = (uint32_t)(1 + test_random(&random) % (round % 3 ? 6000 : 60));

		if (offset + length > SIZE)
			length = (uint32_t)(SIZE - offset);
		if (test_random(&random) % 8 == 0) {
			uint64_t new_size = round % 5 == 0 ? 0 : offset;

			assert_int_equal(served_truncate(world.client, world.file.id, new_size), FAR_STATUS_OK);
			if (new_size < size)
				memset(shadow + new_size, 0, size - new_size);
			size = new_size;
		} else {
			fill(bytes, length, (uint8_t)round);
			memcpy(shadow + offset, bytes, length);
			if (test_random(&random) % 3 == 0 && world.client->grant.id &&
			        world.client->written + 8192 <= world.client->grant.length) {
				struct far_range range = served_fill(world.client, bytes, length);
				struct far_write_request write = {.id = world.file.id, .offset = offset, .length = length, .ranges = 1};

				assert_int_equal(served_call(world.client, FAR_OP_WRITE, FAR_WRITE_RANGES, &write, sizeof(write),
				                         (struct served_parts){&range, sizeof(range), NULL, 0}),
				        FAR_STATUS_OK);
			} else {
				assert_int_equal(served_write(world.client, world.file.id, offset, bytes, length, 0), FAR_STATUS_OK);
			}
			assert_int_equal(((struct far_write_reply *)world.client->reply)->length, length);
			if (offset + length > size)
				size = offset + length;
		}
		if (round % 7 == 0)
			expect_file(shadow, size);
	}
	expect_file(shadow, size);
	free(shadow);
}

static void test_write__version_rises_once_a_request(void **state)
{
	struct far_attr attr;

	(void)state;
	served_write(world.client, world.file.id, 0, "abc", 3, 0);
	served_write(world.client, world.file.id, 10000, "abc", 3, 0);
	served_write(world.client, world.file.id, 0, "xyz", 3, 0);
	served_getattr(world.client, world.file.id, &attr);
	assert_int_equal(attr.version, world.file.version + 3);
	assert_int_equal(attr.size, 10003);
	assert_int_equal(attr.blocks, 16);
}

static void test_write__in_place_keeps_the_word(void **state)
{
	uint8_t page[4096] = {1};
	uint64_t word, version;

	(void)state;
	served_write(world.client, world.file.id, 0, page, 4096, 0);
	served_write(world.client, world.file.id, 4096, page, 4096, 0);
	word = ((struct far_write_reply *)world.client->reply)->word;
	version = ((struct far_write_reply *)world.client->reply)->version;
	served_write(world.client, world.file.id, 4096, page, 4096, 0);
	assert_int_equal(((struct far_write_reply *)world.client->reply)->word, word);
	assert_int_equal(((struct far_write_reply *)world.client->reply)->version, version + 1);
	served_write(world.client, world.file.id, 8192, page, 1, 0);
	assert_int_not_equal(((struct far_write_reply *)world.client->reply)->word, word);
}

static void test_write__append_goes_to_the_end(void **state)
{
	(void)state;
	served_write(world.client, world.file.id, 0, "abc", 3, 0);
	served_write(world.client, world.file.id, 0, "def", 3, FAR_WRITE_APPEND);
	assert_int_equal(((struct far_write_reply *)world.client->reply)->offset, 3);
	expect_file((const uint8_t *)"abcdef", 6);
}

static void test_write__aligned_ranges_are_linked_not_copied(void **state)
{
	uint8_t bytes[3 * 4096 + 100];
	struct far_write_request write = {.id = world.file.id, .length = sizeof(bytes), .ranges = 1};
	struct far_range range;
	const struct far_wire_extent *extent;
	uint64_t granted_at;

	(void)state;
	fill(bytes, sizeof(bytes), 3);
	granted_at = world.client->grant.rkey + world.client->written;
	range = served_fill(world.client, bytes, sizeof(bytes));
	memset(pool_at(world.server->pool, granted_at + sizeof(bytes)), 0xee, 100); // rubbish behind the value
	assert_int_equal(served_call(world.client, FAR_OP_WRITE, FAR_WRITE_RANGES, &write, sizeof(write),
	                         (struct served_parts){&range, sizeof(range), NULL, 0}),
	        FAR_STATUS_OK);
	served_read(world.client, world.file.id, 0, UINT64_MAX, FAR_GET_NO_VALUE);
	extent = (const struct far_wire_extent *)(world.client->reply + sizeof(struct far_get_reply));
	assert_int_equal(extent->pool_offset, granted_at);
	assert_int_equal(world.client->sealed, 4 * 4096);
	served_truncate(world.client, world.file.id, sizeof(bytes) + 100);
	served_read(world.client, world.file.id, sizeof(bytes), 100, 0);
	uint8_t tail[100], zeros[100] = {0};
	served_value(world.client, sizeof(bytes), tail);
	assert_memory_equal(tail, zeros, 100);
}

static void test_write__beyond_the_largest_file_is_too_big(void **state)
{
	(void)state;
	assert_int_equal(served_write(world.client, world.file.id, FAR_FILE_MAX, "x", 1, 0), FAR_STATUS_TOO_BIG);
	assert_int_equal(served_truncate(world.client, world.file.id, FAR_FILE_MAX + 1), FAR_STATUS_TOO_BIG);
	assert_int_equal(served_write(world.client, world.file.id, FAR_FILE_MAX - 1, "x", 1, 0), FAR_STATUS_OK);
	assert_int_equal(served_truncate(world.client, world.file.id, FAR_FILE_MAX), FAR_STATUS_OK);
	assert_int_equal(served_truncate(world.client, world.file.id, 5), FAR_STATUS_OK);
}

static void test_write__full_pool_gives_no_space_and_keeps_the_file(void **state)
{
	uint8_t bytes[8000];
	uint64_t size = 0;
	struct far_attr attr;
	int status;

	(void)state;
	fill(bytes, sizeof(bytes), 1);
	while ((status = served_write(world.client, world.file.id, size, bytes, sizeof(bytes), 0)) == FAR_STATUS_OK)
		size += ((struct far_write_reply *)world.client->reply)->length;
	assert_int_equal(status, FAR_STATUS_NO_SPACE);
	assert_true(size > POOL / 2);
	served_getattr(world.client, world.file.id, &attr);
	assert_int_equal(attr.size, size);
	assert_int_equal(served_put(world.client, "new/key", bytes, 5000), FAR_STATUS_NO_SPACE);
	assert_int_equal(served_stat(world.client, "new", NULL), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_write(world.client, world.file.id, 0, bytes, sizeof(bytes), 0), FAR_STATUS_OK);
}

static void test_truncate__bytes_behind_the_end_do_not_come_back(void **state)
{
	uint8_t bytes[7000], expected[7000] = {0};

	(void)state;
	fill(bytes, sizeof(bytes), 9);
	for (uint32_t start = 10; start <= sizeof(bytes); start += 1398) {
		served_truncate(world.client, world.file.id, 0);
		served_write(world.client, world.file.id, 0, bytes, start, 0);
		served_truncate(world.client, world.file.id, 5);
		served_truncate(world.client, world.file.id, sizeof(expected));
		memset(expected, 0, sizeof(expected));
		memcpy(expected, bytes, 5);
		expect_file(expected, sizeof(expected));
	}
}

static void test_sparse__holes_take_no_memory(void **state)
{
	struct far_attr attr;

	(void)state;
	assert_int_equal(served_write(world.client, world.file.id, 5ULL << 30, "end", 3, 0), FAR_STATUS_OK);
	served_getattr(world.client, world.file.id, &attr);
	assert_int_equal(attr.size, (5ULL << 30) + 3);
	assert_true(attr.blocks <= 16);
}

static void test_read__large_range_is_pushed_with_holes_as_zeros(void **state)
{
	uint8_t page[4096], expected[50000] = {0}, got[50000];

	(void)state;
	fill(page, sizeof(page), 5);
	served_write(world.client, world.file.id, 20000, page, 4096, 0);
	served_truncate(world.client, world.file.id, 50000);
	memcpy(expected + 20000, page, 4096);
	memset(world.client->buffer, 0xff, 50000);
	assert_int_equal(served_read(world.client, world.file.id, 0, 50000, 0), FAR_STATUS_OK);
	assert_int_equal(((struct far_get_reply *)world.client->reply)->how, FAR_GET_PUSHED);
	served_value(world.client, 0, got);
	assert_memory_equal(got, expected, 50000);
}

static void test_read__without_credit_for_pushes_is_located(void **state)
{
	uint8_t bytes[8000];

	(void)state;
	fill(bytes, sizeof(bytes), 5);
	served_write(world.client, world.file.id, 0, bytes, 8000, 0);
	served_write(world.client, world.file.id, 8000, bytes, 8000, 0);
	world.client->pushes_refused = 1;
	assert_int_equal(served_read(world.client, world.file.id, 0, 16000, 0), FAR_STATUS_OK);
	assert_int_equal(((struct far_get_reply *)world.client->reply)->how, FAR_GET_LOCATED);
	assert_int_equal(((struct far_get_reply *)world.client->reply)->length, 16000);
}

static void test_read__behind_the_end_is_empty(void **state)
{
	(void)state;
	served_write(world.client, world.file.id, 0, "abc", 3, 0);
	assert_int_equal(served_read(world.client, world.file.id, 3, 100, 0), FAR_STATUS_OK);
	assert_int_equal(((struct far_get_reply *)world.client->reply)->length, 0);
	assert_int_equal(served_read(world.client, world.file.id, UINT64_MAX, UINT64_MAX, 0), FAR_STATUS_OK);
	assert_int_equal(((struct far_get_reply *)world.client->reply)->length, 0);
}

static void test_put__replaces_a_value_of_any_size_by_any_other(void **state)
{
	static const uint32_t sizes[] = {0, 1, 64, 1024, 1025, 4096, 4097, 8000};
	uint8_t bytes[8000], got[8000];
	uint64_t version = 0;

	(void)state;
	for (unsigned from = 0; from < 8; from++) {
		for (unsigned to = 0; to < 8; to++) {
			struct far_attr before, after;

			fill(bytes, sizeof(bytes), (uint8_t)(from * 8 + to));
			served_delete(world.client, "k");
			assert_int_equal(served_put(world.client, "k", bytes + 1, sizes[from] ? sizes[from] - 1 : 0), FAR_STATUS_OK);
			served_stat(world.client, "k", &before);
			assert_int_equal(served_put(world.client, "k", bytes, sizes[to]), FAR_STATUS_OK);
			served_stat(world.client, "k", &after);
			assert_int_equal(before.version, version + 1); // no key has one version twice
			assert_int_equal(after.version, before.version + 1);
			version = after.version;
			assert_int_equal(after.size, sizes[to]);
			assert_int_equal(served_get(world.client, "k", FAR_GET_LOCATE), FAR_STATUS_OK);
			served_value(world.client, 0, got);
			assert_memory_equal(got, bytes, sizes[to]);
		}
	}
	served_delete(world.client, "k");
}

static void test_put__memory_a_reader_is_looking_at_is_not_reused(void **state)
{
	struct served_lane *reader = served_connect(world.server, true);
	uint8_t bytes[8000], other[8000];
	const struct far_wire_extent *extent;
	uint64_t at;

	(void)state;
	fill(bytes, sizeof(bytes), 1);
	fill(other, sizeof(other), 2);
	served_put(world.client, "k", bytes, sizeof(bytes));
	served_get(world.client, "k", FAR_GET_NO_VALUE);
	extent = (const struct far_wire_extent *)(world.client->reply + sizeof(struct far_get_reply));
	at = extent->pool_offset;
	reader->section = 1;
	for (int i = 0; i < 100; i++)
		served_put(world.client, "k", other, sizeof(other));
	assert_memory_equal(pool_at(world.server->pool, at), bytes, 4096);
	reader->section = 2;
	served_delete(world.client, "k");
	served_leave(reader);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        TEST(test_write__any_sequence_reads_back),
	        TEST(test_write__version_rises_once_a_request),
	        TEST(test_write__in_place_keeps_the_word),
	        TEST(test_write__append_goes_to_the_end),
	        TEST(test_write__aligned_ranges_are_linked_not_copied),
	        TEST(test_write__beyond_the_largest_file_is_too_big),
	        TEST(test_write__full_pool_gives_no_space_and_keeps_the_file),
	        TEST(test_truncate__bytes_behind_the_end_do_not_come_back),
	        TEST(test_sparse__holes_take_no_memory),
	        TEST(test_read__large_range_is_pushed_with_holes_as_zeros),
	        TEST(test_read__without_credit_for_pushes_is_located),
	        TEST(test_read__behind_the_end_is_empty),
	        TEST(test_put__replaces_a_value_of_any_size_by_any_other),
	        TEST(test_put__memory_a_reader_is_looking_at_is_not_reused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
