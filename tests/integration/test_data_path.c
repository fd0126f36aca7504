#include "tests/integration/data_path_count.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/files.h"
#include "far/limits.h"

// What each operation of the data path costs (docs/data-path.md), counted on a real server in its own process. Arguments: a pattern of tests' names.
//
// Over shared memory reads are loads and puts are stores, neither of which is counted. Over TCP reads and writes are counted as over rdma; that the server's process carries them out is
// the provider's business.

#define MANY 1000U
#define SOME 100U

static char bytes[4 << 20];

// A value of so many bytes under a key of its own.
struct value {
	char key[64];
	size_t length;
	far_session *session;
	uint64_t version;
};

static struct value value_new(far_session *session, const char *name, size_t length)
{
	struct value value = {.length = length, .session = session};

	snprintf(value.key, sizeof(value.key), "%s-%zu", name, length);
	pattern_fill(bytes, length, 0, length);
	assert_ok(far_put(session, value.key, strlen(value.key), bytes, length, &value.version));
	return value;
}

static struct cost without_pool_traffic(const struct counting *counting, struct cost cost)
{
	if (is_over(counting, "shm"))
		cost.reads = cost.writes = 0;
	return cost;
}

static void get(struct counting *counting, void *context, unsigned i)
{
	struct value *value = context;
	uint64_t size;

	(void)counting;
	memset(bytes, 0, 16);
	assert_int_equal(far_get_into(value->session, value->key, strlen(value->key), bytes, sizeof(bytes), 0, &size, NULL), value->length);
	if (i == 0)
		pattern_check(bytes, value->length, 0, value->length);
}

static void get_alone(struct counting *counting, void *context, unsigned i)
{
	struct value *value = context;

	(void)counting;
	assert_int_equal(far_get_into(value->session, value->key, strlen(value->key), bytes, value->length, 0, NULL, NULL), value->length);
	if (i == 0)
		pattern_check(bytes, value->length, 0, value->length);
}

// --- gets ---

// A session that remembers nothing.
static void begin_cold(struct counting *counting, struct counting *cold)
{
	struct far_options options = {.size = sizeof(options), .cache_entries = UINT64_MAX};

	*cold = *counting;
	assert_ok(far_connect(getenv("FARFS_TEST_ADDRESS"), &options, &cold->session));
	assert_ok(far_ping(cold->session));
}

static void expect_cold_gets(struct counting *counting, const char *key, const size_t *lengths, unsigned lengths_count, unsigned times)
{
	struct counting cold;

	begin_cold(counting, &cold);
	for (unsigned i = 0; i < lengths_count; i++) {
		struct value value = value_new(counting->session, key, lengths[i]);
		char name[64];

		value.session = cold.session;
		snprintf(name, sizeof(name), "get, %zu bytes, unknown", value.length);
		expect_cost(&cold, name, times, (struct cost){.requests = 1, .doorbells = 1, .handlers = 1}, get_alone, &value);
	}
	far_close(cold.session);
}

static void test_get__small_and_unknown_is_one_request(void **state)
{
	static const size_t lengths[] = {1, 64, 1024, 4096};

	expect_cold_gets(*state, "small", lengths, sizeof(lengths) / sizeof(lengths[0]), SOME);
}

// The server writes the value into the client's memory, behind which comes the reply.
static void test_get__large_and_unknown_is_pushed_in_one_round_trip(void **state)
{
	static const size_t lengths[] = {16384, 65536, 1 << 20};

	expect_cold_gets(*state, "large", lengths, sizeof(lengths) / sizeof(lengths[0]), 20);
}

static void test_get__known_location_costs_reads_alone(void **state)
{
	static const size_t lengths[] = {1, 64, 1024, 4096, 65536, 1 << 20};
	struct counting *counting = *state;

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct value value = value_new(counting->session, "warm", lengths[i]);
		unsigned count = value.length > 65536 ? 20 : MANY;
		// Behind its record, or elsewhere and the record's head.
		struct cost cost = {.reads = value.length <= FAR_INLINE_MAX ? 1 : 2, .doorbells = 1, .is_idle = true};
		char name[64];

		if (value.length > FAR_BLOCK_MAX)
			cost.more = count;
		snprintf(name, sizeof(name), "get, %zu bytes, location known", value.length);
		expect_cost(counting, name, count, without_pool_traffic(counting, cost), get_alone, &value);
	}
}

// A directory may have been renamed, which is told in one place for all.
static void test_get__key_with_directories_takes_one_read_more(void **state)
{
	struct counting *counting = *state;
	struct value value = value_new(counting->session, "below/a/directory", 64);
	struct cost cost = {.reads = 2, .doorbells = 1, .is_idle = true};

	expect_cost(counting, "get, 64 bytes, below directories, known", MANY, without_pool_traffic(counting, cost), get_alone, &value);
}

// The server must have been started with --probing always.
static void test_probe__finds_the_key_by_two_steps_of_reads(void **state)
{
	struct counting *counting = *state, cold;
	struct value inline_value = value_new(counting->session, "probe", 64);
	struct value below = value_new(counting->session, "some/where/probe", 1000);
	struct value block = value_new(counting->session, "probe", 4000);
	struct value pages = value_new(counting->session, "probe", 65536);
	const struct cost two = without_pool_traffic(counting, (struct cost){.reads = 7, .doorbells = 2, .is_idle = true});
	const struct cost three = without_pool_traffic(counting, (struct cost){.reads = 9, .doorbells = 3, .is_idle = true, .more = SOME});

	begin_cold(counting, &cold);
	inline_value.session = below.session = block.session = pages.session = cold.session;
	get(&cold, &inline_value, 0); // where the index is
	get(&cold, &below, 0);        // and the directory
	get(&cold, &block, 0);
	get(&cold, &pages, 0);
	expect_cost(&cold, "get, 64 bytes, unknown, probed", MANY, two, get_alone, &inline_value);
	expect_cost(&cold, "get, 1000 bytes, below directories, probed", SOME, two, get_alone, &below);
	expect_cost(&cold, "get, 4000 bytes, unknown, probed", SOME, three, get_alone, &block);
	expect_cost(&cold, "get, 65536 bytes, unknown, probed", SOME, three, get_alone, &pages);
	assert_int_equal(statistics_of(cold.session).probes, 4 + cold.operations - counting->operations);
	far_close(cold.session);
}

#define ENTRIES 8000U // more than the index has room for at first

static void test_probe__finds_most_keys_of_an_index_that_has_grown(void **state)
{
	struct counting *counting = *state, cold;
	uint64_t requests;

	begin_cold(counting, &cold);
	for (unsigned i = 0; i < ENTRIES; i++) {
		int length = snprintf(bytes, 64, "entry-%u", i);

		assert_ok(far_put(counting->session, bytes, (size_t)length, bytes, (size_t)length, NULL));
	}
	requests = statistics_of(cold.session).requests;
	for (unsigned i = 0; i < ENTRIES; i++) {
		int length = snprintf(bytes, 64, "entry-%u", i);

		assert_int_equal(far_get_into(cold.session, bytes, (size_t)length, bytes + 64, 64, 0, NULL, NULL), length);
		assert_memory_equal(bytes, bytes + 64, (size_t)length);
	}
	requests = statistics_of(cold.session).requests - requests;
	print_message("COST %s %u keys probed: %llu of them asked for\n", counting->provider, ENTRIES, (unsigned long long)requests);
	assert_in_range(requests, 0, ENTRIES / 100);
	far_close(cold.session);
}

static void test_probe__missing_key_is_asked_for(void **state)
{
	struct counting *counting = *state, cold;
	uint64_t requests;

	begin_cold(counting, &cold);
	requests = statistics_of(cold.session).requests;
	expect_absent(cold.session, "nowhere/to/be/found");
	assert_int_equal(statistics_of(cold.session).requests - requests, 1);
	far_close(cold.session);
}

// --- puts ---

static void put(struct counting *counting, void *context, unsigned i)
{
	struct value *value = context;

	(void)counting;
	(void)i;
	assert_ok(far_put(value->session, value->key, strlen(value->key), bytes, value->length, &value->version));
}

static void cas(struct counting *counting, void *context, unsigned i)
{
	struct value *value = context;

	(void)counting;
	(void)i;
	assert_ok(far_cas(value->session, value->key, strlen(value->key), bytes, value->length, value->version, &value->version));
}

static void cas_in_vain(struct counting *counting, void *context, unsigned i)
{
	struct value *value = context;
	uint64_t version = 0;

	(void)counting;
	(void)i;
	assert_int_equal(
	        far_cas(value->session, value->key, strlen(value->key), bytes, value->length, value->version + 1, &version), -ECANCELED);
	assert_int_equal(version, value->version);
}

static void test_put__small_is_one_request(void **state)
{
	static const size_t lengths[] = {0, 64, 4096};
	struct counting *counting = *state;
	const struct cost cost = {.requests = 1, .doorbells = 1, .handlers = 1};

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct value value = value_new(counting->session, "put", lengths[i]);
		char name[64];

		snprintf(name, sizeof(name), "put, %zu bytes", value.length);
		expect_cost(counting, name, SOME, cost, put, &value);
		snprintf(name, sizeof(name), "compare-and-swap, %zu bytes", value.length);
		expect_cost(counting, name, SOME, cost, cas, &value);
		snprintf(name, sizeof(name), "compare-and-swap, %zu bytes, another version", value.length);
		expect_cost(counting, name, SOME, cost, cas_in_vain, &value);
	}
}

static void counter_add(struct counting *counting, void *context, unsigned i)
{
	int64_t value;

	(void)context;
	assert_ok(far_counter_add(counting->session, "count", 5, 1, NULL, &value));
	assert_int_equal(value, i + 1);
}

static void counter_cas(struct counting *counting, void *context, unsigned i)
{
	(void)context;
	assert_ok(far_counter_cas(counting->session, "count", 5, SOME + i, SOME + i + 1, NULL));
}

static void counter_cas_in_vain(struct counting *counting, void *context, unsigned i)
{
	int64_t value;

	(void)context;
	assert_int_equal(far_counter_cas(counting->session, "count", 5, i, i, &value), -ECANCELED);
	assert_int_equal(value, 2 * SOME);
}

static void counter_get(struct counting *counting, void *context, unsigned i)
{
	int64_t value;

	(void)context;
	(void)i;
	assert_ok(far_counter_get(counting->session, "count", 5, &value));
	assert_int_equal(value, 2 * SOME);
}

// Making it is no more.
static void test_counter__change_is_one_request(void **state)
{
	struct counting *counting = *state;
	const struct cost change = {.requests = 1, .doorbells = 1, .handlers = 1};
	const struct cost read = {.reads = 1, .doorbells = 1, .is_idle = true};

	expect_cost(counting, "counter, add", SOME, change, counter_add, NULL);
	expect_cost(counting, "counter, compare-and-swap", SOME, change, counter_cas, NULL);
	expect_cost(counting, "counter, compare-and-swap, another value", SOME, change, counter_cas_in_vain, NULL);
	counter_get(counting, NULL, 0);
	expect_cost(counting, "counter, read, location known", SOME, without_pool_traffic(counting, read), counter_get, NULL);
}

// One doorbell: the write and the message behind it are posted together, and the grants have come with earlier replies.
static void test_put__large_is_a_write_and_one_request_behind_it(void **state)
{
	static const size_t lengths[] = {16384, 65536, 512 << 10};
	struct counting *counting = *state;
	struct cost cost = without_pool_traffic(counting, (struct cost){.requests = 1, .writes = 1, .doorbells = 1, .handlers = 1});

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct value value = value_new(counting->session, "put", lengths[i]);
		unsigned count = value.length > 65536 ? 20 : SOME;
		char name[64];

		if (cost.writes)
			cost.more = (unsigned)(count * value.length / FAR_GRANT_SIZE) + 1;
		snprintf(name, sizeof(name), "put, %zu bytes", value.length);
		expect_cost(counting, name, count, cost, put, &value);
		snprintf(name, sizeof(name), "compare-and-swap, %zu bytes", value.length);
		expect_cost(counting, name, count, cost, cas, &value);
	}
}

// --- files, by id: what the mount does for the kernel ---

struct file {
	struct far_lane *lane;
	uint64_t id;
	char *buffer;
	uint64_t size;
	uint64_t length; // of one read or write
};

static void file_new(struct file *file, struct counting *counting, const char *name, uint64_t size)
{
	struct far_new new = {.parent = FAR_ROOT_ID, .name = name, .name_length = strlen(name), .mode = S_IFREG | 0644};
	struct far_attr attr;

	*file = (struct file){.size = size};
	assert_ok(far_lane_get(counting->session, &file->lane));
	assert_ok(far_create(file->lane, &new, &attr));
	file->id = attr.id;
	file->buffer = far_lane_buffer(file->lane, 1 << 20);
	assert_non_null(file->buffer);
	pattern_fill(bytes, size, 0, 7);
	assert_int_equal(far_write(file->lane, file->id, bytes, size, 0, 0), size);
}

static void file_end(struct file *file)
{
	far_forget(file->lane, file->id, 1);
	far_forget_flush(file->lane);
	far_lane_put(file->lane);
}

static void read_part(struct counting *counting, void *context, unsigned i)
{
	struct file *file = context;
	uint64_t offset = i * 7919ULL * 512 % (file->size - file->length + 1);

	(void)counting;
	assert_int_equal(far_read(file->lane, file->id, file->buffer, file->length, offset), file->length);
	pattern_check(file->buffer, 64, offset, 7);
}

static void write_part(struct counting *counting, void *context, unsigned i)
{
	struct file *file = context;
	uint64_t offset = i * file->length % (file->size - file->length + 1) / file->length * file->length;

	(void)counting;
	assert_int_equal(far_write(file->lane, file->id, file->buffer, file->length, offset, 0), file->length);
}

static void get_attributes(struct counting *counting, void *context, unsigned i)
{
	struct file *file = context;
	struct far_attr attr;

	(void)counting;
	(void)i;
	assert_ok(far_getattr(file->lane, file->id, &attr));
	assert_int_equal(attr.size, file->size);
	assert_ok(far_getattr(file->lane, FAR_ROOT_ID, &attr));
	assert_true(S_ISDIR(attr.mode));
}

static void test_file_read__costs_reads_alone(void **state)
{
	static const uint64_t lengths[] = {4096, 65536, 512 << 10};
	struct counting *counting = *state;
	struct cost cost = without_pool_traffic(counting, (struct cost){.reads = 2, .doorbells = 1, .is_idle = true});
	struct file file;

	file_new(&file, counting, "read", 1 << 20);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char name[64];

		file.length = lengths[i];
		cost.more = cost.reads ? MANY : 0;
		read_part(counting, &file, 1);
		read_part(counting, &file, 2); // where all of it is
		snprintf(name, sizeof(name), "file read, %llu bytes", (unsigned long long)file.length);
		expect_cost(counting, name, file.length > 65536 ? 20 : MANY, cost, read_part, &file);
	}
	file_end(&file);
}

// Through staging, which holds a MiB, it would be a read for each half, and a copy.
static void test_file_read__into_memory_asked_for_is_one_read_of_any_length(void **state)
{
	struct counting *counting = *state;
	struct cost cost = {.reads = 2, .doorbells = 1, .more = MANY, .is_idle = true};
	struct file file;
	char *memory;

	if (!is_over(counting, "rdma"))
		skip(); // others read into any memory
	file_new(&file, counting, "read-long", 3 << 20);
	memory = far_lane_memory(file.lane, 3 << 20);
	assert_non_null(memory);
	assert_ptr_equal(far_lane_memory(file.lane, 1 << 20), memory);
	assert_null(far_lane_memory(file.lane, 4 << 20));
	file.buffer = memory + (512 << 10);
	file.length = 2 << 20;
	read_part(counting, &file, 1);
	read_part(counting, &file, 2);
	expect_cost(counting, "file read, 2 MiB into memory asked for", 20, cost, read_part, &file);
	file_end(&file);
}

static void test_attributes__cost_reads_alone_where_that_spares_the_server(void **state)
{
	struct counting *counting = *state;
	struct cost cost = without_pool_traffic(counting, (struct cost){.reads = 8, .doorbells = 2, .is_idle = true});
	struct file file;

	if (is_over(counting, "tcp"))
		cost = (struct cost){.requests = 2, .handlers = 2};
	file_new(&file, counting, "attributes", 5000);
	get_attributes(counting, &file, 0);
	expect_cost(counting, "attributes of a file and of the root", MANY, cost, get_attributes, &file);
	file_end(&file);
}

static void test_file_write__is_one_request_with_the_bytes_or_a_write_before_it(void **state)
{
	struct counting *counting = *state;
	struct cost cost = {.requests = 1, .doorbells = 1, .handlers = 1};
	struct file file;

	file_new(&file, counting, "write", 1 << 20);
	if (is_over(counting, "shm")) { // a write window: no message at all
		file.length = 4096;
		for (unsigned i = 0; i < 20; i++)
			write_part(counting, &file, i);
		cost = (struct cost){.is_idle = true};
	}
	file.length = 4096;
	expect_cost(counting, "file write, 4096 bytes", SOME, cost, write_part, &file);
	file.length = 65536;
	cost.writes = is_over(counting, "shm") ? 0 : 1;
	expect_cost(counting, "file write, 65536 bytes", SOME, cost, write_part, &file);
	file_end(&file);
}

static void look_up_and_read(struct counting *counting, void *context, unsigned i)
{
	struct file *file = context;
	char name[32];
	struct far_attr attr;
	int length = snprintf(name, sizeof(name), "cat-%u", i);

	(void)counting;
	assert_ok(far_lookup(file->lane, FAR_ROOT_ID, name, (size_t)length, &attr));
	assert_int_equal(far_read(file->lane, attr.id, file->buffer, 4096, 0), 500);
	pattern_check(file->buffer, 500, 0, 500);
}

static void test_lookup__file_is_read_without_a_second_request(void **state)
{
	struct counting *counting = *state;
	const struct cost cost = without_pool_traffic(counting, (struct cost){.requests = 1, .reads = 1, .doorbells = 2, .handlers = 1});
	struct file file;

	pattern_fill(bytes, 500, 0, 500);
	for (unsigned i = 0; i < SOME; i++) {
		char name[32];
		int length = snprintf(name, sizeof(name), "cat-%u", i);

		assert_ok(far_put(counting->session, name, (size_t)length, bytes, 500, NULL));
	}
	file_new(&file, counting, "cats", 100);
	expect_cost(counting, "lookup and read of a small file", SOME, cost, look_up_and_read, &file);
	file_end(&file);
}

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_get__small_and_unknown_is_one_request),
	        cmocka_unit_test(test_get__large_and_unknown_is_pushed_in_one_round_trip),
	        cmocka_unit_test(test_get__known_location_costs_reads_alone),
	        cmocka_unit_test(test_get__key_with_directories_takes_one_read_more),
	        cmocka_unit_test(test_put__small_is_one_request),
	        cmocka_unit_test(test_counter__change_is_one_request),
	        cmocka_unit_test(test_put__large_is_a_write_and_one_request_behind_it),
	        cmocka_unit_test(test_file_read__costs_reads_alone),
	        cmocka_unit_test(test_file_read__into_memory_asked_for_is_one_read_of_any_length),
	        cmocka_unit_test(test_attributes__cost_reads_alone_where_that_spares_the_server),
	        cmocka_unit_test(test_file_write__is_one_request_with_the_bytes_or_a_write_before_it),
	        cmocka_unit_test(test_lookup__file_is_read_without_a_second_request),
	        cmocka_unit_test(test_probe__finds_the_key_by_two_steps_of_reads),
	        cmocka_unit_test(test_probe__finds_most_keys_of_an_index_that_has_grown),
	        cmocka_unit_test(test_probe__missing_key_is_asked_for),
	};

	cmocka_set_message_output(CM_OUTPUT_STDOUT);
	if (count > 1)
		cmocka_set_test_filter(arguments[1]);
	if (count > 2)
		cmocka_set_skip_filter(arguments[2]);
	return cmocka_run_group_tests(tests, counting_begin, counting_end);
}
