// What is refused leaves nothing changed: each way of writing, into values of each kind, with more and more of what it needs, until it is done. A limit of a quota or a full pool says no, at any step on the way. Refused: bytes,
// size, version, times and memory of the object are what they were. Done: all bytes are there, or the front of them where a write may be short; the version has risen once.
#include <stdio.h>
#include <stdlib.h>

#include "far/log.h"
#include "served.h"
#include "server/object.h"
#include "server/quota.h"
#include "server/record.h"
#include "server/space.h"
#include "server/value.h"
#include "taken.h"
#include "testing.h"

#define POOL (32U << 20)
#define PAGE 4096U
#define KEY "d/key"
#define SIZE_MAX_HERE (256U << 10)
#define PIECES 4U

static struct server *server;
static struct served_lane *client;
static struct taken taken;

// --- how a value may be to begin with ---

struct start {
	const char *name;
	uint64_t size;
	struct {
		uint32_t offset, length;
	} stored[2];
};

static const struct start starts[] = {
        {.name = "empty"},
        {.name = "inline", .size = 10, .stored = {{0, 10}}},
        {.name = "large inline", .size = 700, .stored = {{0, 700}}},
        {.name = "small hole", .size = 3000},
        {.name = "block", .size = 1500, .stored = {{0, 1500}}},
        {.name = "largest block", .size = PAGE, .stored = {{0, PAGE}}},
        {.name = "large hole", .size = 100000},
        {.name = "pages", .size = 5000, .stored = {{0, 5000}}},
        {.name = "sparse pages", .size = 100000, .stored = {{0, 100}, {8 * PAGE, 7000}}},
};

// --- what is tried to it ---

struct attempt;
typedef int act(const struct attempt *attempt, uint64_t id, uint64_t size);

struct attempt {
	const char *name;
	act *act;
	unsigned flags;
	uint64_t offset;          // UINT64_MAX: at the end
	uint32_t lengths[PIECES]; // of ranges, as many as are not 0; or the first one is that of all
};

static char bytes[SIZE_MAX_HERE];
static uint64_t id_of_source;

static uint32_t length_of(const struct attempt *attempt)
{
	uint32_t length = 0;

	for (uint32_t i = 0; i < PIECES; i++)
		length += attempt->lengths[i];
	return length;
}

static uint64_t offset_in(const struct attempt *attempt, uint64_t size)
{
	return attempt->offset == UINT64_MAX ? size : attempt->offset;
}

// The bytes, as ranges of the client's grant.
static uint32_t fill_ranges(const struct attempt *attempt, struct far_range ranges[PIECES])
{
	uint32_t count = 0;

	for (uint32_t at = 0; count < PIECES && attempt->lengths[count]; at += attempt->lengths[count++])
		ranges[count] = served_fill(client, bytes + at, attempt->lengths[count]);
	return count;
}

static int put_range(const struct attempt *attempt, uint64_t id, uint64_t size)
{
	struct far_put_range_request request = {
	        .offset = offset_in(attempt, size), .length = length_of(attempt), .mode = 0644, .key_length = sizeof(KEY) - 1};
	struct served_parts parts = {KEY, sizeof(KEY) - 1, bytes, length_of(attempt)};
	struct far_range ranges[PIECES];

	(void)id;
	if (attempt->flags & FAR_PUT_RANGE_APPEND)
		request.offset = 0;
	if (attempt->flags & FAR_PUT_RANGE_GRANTED) {
		request.ranges = (uint16_t)fill_ranges(attempt, ranges);
		parts.second = ranges;
		parts.second_length = request.ranges * (uint32_t)sizeof(ranges[0]);
	}
	return served_call(client, FAR_OP_PUT_RANGE, attempt->flags, &request, sizeof(request), parts);
}

static int write_bytes(const struct attempt *attempt, uint64_t id, uint64_t size)
{
	struct far_write_request request = {.id = id, .offset = offset_in(attempt, size), .length = length_of(attempt)};
	struct served_parts parts = {bytes, length_of(attempt), NULL, 0};
	struct far_range ranges[PIECES];

	if (attempt->flags & FAR_WRITE_RANGES) {
		request.ranges = (uint16_t)fill_ranges(attempt, ranges);
		parts.first = ranges;
		parts.first_length = request.ranges * (uint32_t)sizeof(ranges[0]);
	}
	return served_call(client, FAR_OP_WRITE, attempt->flags, &request, sizeof(request), parts);
}

static int put(const struct attempt *attempt, uint64_t id, uint64_t size)
{
	(void)id;
	(void)size;
	return served_put(client, KEY, bytes, length_of(attempt));
}

static int put_granted(const struct attempt *attempt, uint64_t id, uint64_t size)
{
	struct far_range ranges[PIECES];
	struct far_put_request request = {.value_length = length_of(attempt), .mode = 0644, .key_length = sizeof(KEY) - 1};
	struct served_parts parts = {KEY, sizeof(KEY) - 1, ranges, 0};

	(void)id;
	(void)size;
	request.ranges = (uint16_t)fill_ranges(attempt, ranges);
	parts.second_length = request.ranges * (uint32_t)sizeof(ranges[0]);
	return served_call(client, FAR_OP_PUT, FAR_PUT_RANGES, &request, sizeof(request), parts);
}

static int truncate_to(const struct attempt *attempt, uint64_t id, uint64_t size)
{
	(void)size;
	return served_truncate(client, id, attempt->offset);
}

static int fallocate(const struct attempt *attempt, uint64_t id, uint64_t size)
{
	struct far_fallocate_request request = {.id = id, .offset = offset_in(attempt, size), .length = length_of(attempt)};

	return served_call(client, FAR_OP_FALLOCATE, attempt->flags, &request, sizeof(request), (struct served_parts){0});
}

static int copy_source(const struct attempt *attempt, uint64_t id, uint64_t size)
{
	struct far_copy_request request = {
	        .from_id = id_of_source, .to_id = id, .to_offset = offset_in(attempt, size), .length = length_of(attempt)};

	return served_call(client, FAR_OP_COPY, 0, &request, sizeof(request), (struct served_parts){0});
}

static const struct attempt attempts[] = {
        {"put", put, 0, 0, {300}},
        {"put of a block", put, 0, 0, {2000}},
        {"put of pages", put, 0, 0, {7000}},
        {"put of ranges", put_granted, 0, 0, {3 * PAGE, 2 * PAGE, 100}},
        {"put-range", put_range, 0, 5, {20}},
        {"put-range of a block", put_range, 0, 500, {2000}},
        {"put-range over pages", put_range, 0, 3000, {5000}},
        {"put-range far behind", put_range, 0, 10 * PAGE + 7, {5000}},
        {"put-range of small ranges", put_range, FAR_PUT_RANGE_GRANTED, 3, {20, 30, 2000}},
        {"put-range of growing ranges", put_range, FAR_PUT_RANGE_GRANTED, 0, {600, 1800, 600}},
        {"put-range of ranges into pages", put_range, FAR_PUT_RANGE_GRANTED, 100, {1000, 2000, 9000}},
        {"put-range of ranges far behind", put_range, FAR_PUT_RANGE_GRANTED, 12 * PAGE, {PAGE, PAGE, 100}},
        {"put-range of large ranges", put_range, FAR_PUT_RANGE_GRANTED, 2 * PAGE, {32 * PAGE, 100, 3 * PAGE}},
        {"append", put_range, FAR_PUT_RANGE_APPEND, UINT64_MAX, {800}},
        {"append of ranges", put_range, FAR_PUT_RANGE_APPEND | FAR_PUT_RANGE_GRANTED, UINT64_MAX, {300, 900, 9000}},
        {"write", write_bytes, 0, 7, {300}},
        {"write over pages", write_bytes, 0, 3000, {7000}},
        {"write far behind", write_bytes, 0, 10 * PAGE + 7, {5000}},
        {"write of small ranges", write_bytes, FAR_WRITE_RANGES, 3, {20, 30, 2000}},
        {"write of ranges far behind", write_bytes, FAR_WRITE_RANGES, 12 * PAGE, {PAGE, 3 * PAGE, 100}},
        {"append by id", write_bytes, FAR_WRITE_APPEND | FAR_WRITE_RANGES, UINT64_MAX, {500, 5000}},
        {"growing within a block", truncate_to, 0, 3500, {0}},
        {"growing", truncate_to, 0, 200000, {0}},
        {"fallocate", fallocate, FAR_FALLOCATE_KEEP_SIZE, 100, {9000}},
        {"fallocate far behind", fallocate, 0, 10 * PAGE, {9000}},
        {"zeros", fallocate, FAR_FALLOCATE_ZERO, 5, {9000}},
        {"copy", copy_source, 0, 50, {7000}},
        {"copy far behind", copy_source, 0, 11 * PAGE, {7000}},
};

// --- what there is ---

struct seen {
	struct far_attr attr;
	uint64_t used; // of the quota
	char value[SIZE_MAX_HERE];
};

static struct seen before, behind;

static struct far_record *object_of_key(void)
{
	struct far_attr attr;

	assert_int_equal(served_stat(client, KEY, &attr), FAR_STATUS_OK);
	return object_peek(server, attr.id);
}

static void see(struct seen *seen)
{
	const struct far_record *object = object_of_key();

	memset(seen, 0, sizeof(*seen));
	object_get_attr(server, object, &seen->attr);
	seen->used = quota_behind(server, 0)->used.bytes;
	assert_true(seen->attr.size <= SIZE_MAX_HERE);
	value_read(server->pool, object, 0, seen->attr.size, seen->value);
}

// What the value becomes with `done` bytes of the attempt.
static void expect(struct seen *expected, const struct attempt *attempt, uint64_t done)
{
	uint64_t offset = offset_in(attempt, expected->attr.size);
	uint64_t end = offset + done;

	if (attempt->act == put || attempt->act == put_granted) {
		memset(expected->value, 0, sizeof(expected->value));
		expected->attr.size = 0;
	}
	if (attempt->act == truncate_to) {
		memset(expected->value + attempt->offset, 0, sizeof(expected->value) - attempt->offset);
		expected->attr.size = attempt->offset;
	}
	if (attempt->act == fallocate) {
		if (attempt->flags & FAR_FALLOCATE_ZERO)
			memset(expected->value + offset, 0, done);
		end = attempt->flags & FAR_FALLOCATE_KEEP_SIZE ? 0 : end;
	} else {
		memcpy(expected->value + offset, bytes, done);
	}
	if (end > expected->attr.size)
		expected->attr.size = end;
}

static uint64_t done_by(const struct attempt *attempt)
{
	if (attempt->act == write_bytes)
		return ((const struct far_write_reply *)client->reply)->length;
	if (attempt->act == copy_source)
		return ((const struct far_copy_reply *)client->reply)->length;
	return length_of(attempt);
}

static void fail_on(const struct attempt *attempt, const struct start *start, uint32_t left, const char *what)
{
	fail_msg("%s of a value that was \"%s\", with %u left: %s", attempt->name, start->name, left, what);
}

static void compare(const struct attempt *attempt, const struct start *start, uint32_t left, int status)
{
	if (before.attr.size != behind.attr.size)
		fail_on(attempt, start, left, "the size is another");
	if (memcmp(before.value, behind.value, sizeof(before.value)) != 0)
		fail_on(attempt, start, left, "the bytes are others");
	if (status == FAR_STATUS_OK && before.attr.version + 1 != behind.attr.version &&
	        (attempt->act != fallocate || before.attr.version != behind.attr.version)) // zeros stay zeros
		fail_on(attempt, start, left, "the version has not risen by one");
	if (status == FAR_STATUS_OK)
		return;
	if (before.attr.version != behind.attr.version)
		fail_on(attempt, start, left, "refused, but the version has risen");
	if (before.attr.blocks != behind.attr.blocks || before.used != behind.used)
		fail_on(attempt, start, left, "refused, but it has more memory");
	if (memcmp(&before.attr, &behind.attr, sizeof(before.attr)) != 0)
		fail_on(attempt, start, left, "refused, but attributes are others");
}

// Does it once. Returns its status.
static int try(const struct attempt *attempt, const struct start *start, uint32_t left)
{
	int status;

	see(&before);
	status = attempt->act(attempt, before.attr.id, before.attr.size);
	if (status == FAR_STATUS_OK)
		expect(&before, attempt, done_by(attempt));
	see(&behind);
	compare(attempt, start, left, status);
	return status;
}

// --- worlds ---

static void set_quota(uint64_t limit)
{
	struct far_quota_request request = {.bytes = limit, .key_length = 1};

	assert_int_equal(
	        served_call(client, FAR_OP_QUOTA, FAR_QUOTA_SET, &request, sizeof(request), (struct served_parts){"d", 1, NULL, 0}),
	        FAR_STATUS_OK);
}

static void open_world(const struct start *start)
{
	struct far_attr source;

	server = served_open(POOL);
	client = served_join(server);
	client->lane.session->uid = 0;
	taken = (struct taken){.pool = server->pool};
	assert_int_equal(space_keep_reserve(server), 0);
	memset(bytes, 'b', sizeof(bytes));
	assert_int_equal(served_put(client, "source", bytes, 7000), FAR_STATUS_OK);
	assert_int_equal(served_stat(client, "source", &source), FAR_STATUS_OK);
	id_of_source = source.id;
	assert_int_equal(served_mkdir(client, "d"), FAR_STATUS_OK);
	set_quota(POOL);
	memset(bytes, 'a', sizeof(bytes));
	assert_int_equal(served_put(client, KEY, bytes, start->stored[0].offset ? 0 : start->stored[0].length), FAR_STATUS_OK);
	if (start->stored[1].length)
		assert_int_equal(served_write(client, object_of_key()->id, start->stored[1].offset, bytes, start->stored[1].length, 0),
		        FAR_STATUS_OK);
	assert_int_equal(served_truncate(client, object_of_key()->id, start->size), FAR_STATUS_OK);
	memset(bytes, 'b', sizeof(bytes));
}

static void close_world(void)
{
	taken_give_back(&taken);
	served_assert_sound(client);
	served_leave(client);
	served_close(server);
}

typedef void limiter(uint32_t left);

static void limit_by_quota(uint32_t left)
{
	set_quota(quota_behind(server, 0)->used.bytes + left);
}

// In pages, and no blocks.
static void limit_by_pool(uint32_t left)
{
	taken_pages(&taken, 0);
	taken_blocks(&taken);
	taken_leave_pages(&taken, left);
}

#define ENOUGH 60U

static void try_all(limiter *set_limit, uint32_t step, int refusal)
{
	uint32_t refused = 0;

	for (uint32_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		for (uint32_t j = 0; j < sizeof(starts) / sizeof(starts[0]); j++)
			for (uint32_t left = 0, done = 0; done < 3 && left < ENOUGH; left++) { // some may be short first
				int status;

				open_world(&starts[j]);
				set_limit(left * step);
				status = try(&attempts[i], &starts[j], left * step);
				if (status != FAR_STATUS_OK)
					assert_int_equal(status, refusal);
				done += status == FAR_STATUS_OK;
				refused += status != FAR_STATUS_OK;
				close_world();
			}
	assert_true(refused > 100);
}

static void test_over_quota(void **state)
{
	(void)state;
	try_all(limit_by_quota, 1024, FAR_STATUS_QUOTA);
}

static void test_full_pool(void **state)
{
	(void)state;
	try_all(limit_by_pool, 1, FAR_STATUS_NO_SPACE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_over_quota),
	        cmocka_unit_test(test_full_pool),
	};

	log_set_level(LOG_LEVEL_ERROR); // each refusal is of a quota that had refused nothing
	return cmocka_run_group_tests(tests, NULL, NULL);
}
