// Eviction as requests see it (server/eviction.c): a full pool takes more, by what has not been used for long, and what is in use stays as it is.
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "server/eviction.h"
#include "server/metrics.h"
#include "server/namespace.h"
#include "server/record.h"
#include "server/space.h"
#include "taken.h"
#include "testing.h"

#include "served_one.h" // last: headers have parameters of the names that it declares

#define POOL (16U << 20)
#define VALUE_MAX 6000U

static char value[VALUE_MAX];
static uint64_t clock_ns;

static uint64_t test_clock(void)
{
	return clock_ns;
}

static int set_up(void **state)
{
	(void)state;
	clock_ns = 1;
	server = served_open_evicting(POOL);
	server->monotonic_ns = test_clock;
	client = served_join(server);
	return 0;
}

// Each key has a value of its own.
static const char *value_of(unsigned number, uint32_t length)
{
	for (uint32_t i = 0; i < length; i += 4)
		memcpy(value + i, &number, 4);
	return value;
}

static const char *key_of(unsigned number)
{
	static char key[32];

	snprintf(key, sizeof(key), "d/%u", number);
	return key;
}

static int put(unsigned number, uint32_t length)
{
	return served_put(client, key_of(number), value_of(number, length), length);
}

// Where much has to go it takes several turns.
static int put_in_the_end(unsigned number, uint32_t length)
{
	int status;

	for (unsigned turn = 0; (status = put(number, length)) == SERVED_LATER; turn++)
		assert_true(turn < 100);
	return status;
}

static void put_all(unsigned first, unsigned end, uint32_t length)
{
	for (unsigned number = first; number < end; number++)
		if (put_in_the_end(number, length) != FAR_STATUS_OK)
			fail_msg("put %u of %u to %u", number, first, end);
}

// The same, each used at once: they go to the main queue, and press out what is there.
static void put_and_use_all(unsigned first, unsigned end, uint32_t length)
{
	for (unsigned number = first; number < end; number++) {
		put_all(number, number + 1, length);
		assert_int_equal(served_get(client, key_of(number), FAR_GET_NO_VALUE), FAR_STATUS_OK);
	}
}

static bool is_there(unsigned number)
{
	struct far_attr attr;

	return served_stat(client, key_of(number), &attr) == FAR_STATUS_OK;
}

static struct far_record *record_of(const char *key)
{
	struct far_record *object;

	server_begin(server);
	assert_int_equal(namespace_resolve(server, (struct far_span){key, (uint32_t)strlen(key)}, &object), 0);
	server_begin(server);
	return object;
}

static uint64_t id_in_root(const char *name)
{
	struct far_attr attr;

	assert_int_equal(served_lookup(client, FAR_ROOT_ID, name, &attr), FAR_STATUS_OK);
	return attr.id;
}

static void assert_value(unsigned number, uint32_t length)
{
	static char got[VALUE_MAX];
	const struct far_get_reply *reply = (const struct far_get_reply *)client->reply;

	assert_int_equal(served_get(client, key_of(number), 0), FAR_STATUS_OK);
	assert_int_equal(reply->length, length);
	served_value(client, 0, got);
	assert_memory_equal(got, value_of(number, length), length);
}

// Those that are there have their bytes.
static unsigned count_there(unsigned first, unsigned end, uint32_t length)
{
	unsigned count = 0;

	for (unsigned number = first; number < end; number++) {
		if (!is_there(number))
			continue;
		assert_value(number, length);
		count++;
	}
	return count;
}

static void test_put__full_pool_takes_more_and_the_oldest_go(void **state)
{
	const uint32_t lengths[] = {64, 1000, 3000, 6000};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		unsigned first = (unsigned)i * 1000000, end = first + 4 * POOL / (lengths[i] + 200);
		unsigned young = (end - first) / 8; // half of what is there

		put_all(first, end, lengths[i]);
		assert_false(is_there(first));
		// Slabs emptied for their pages take young ones along.
		assert_in_range(count_there(end - young, end, lengths[i]), young / 4, young);
	}
	assert_true(server->figures.evicted > 0);
	assert_true(server->figures.evicted_bytes > POOL);
	assert_true(space_free_bytes(server) < POOL / 8);
	assert_true(space_available_bytes(server) > POOL * 7 / 8);
}

static void test_put__what_is_asked_for_stays(void **state)
{
	(void)state;
	put_all(0, 100, 1000);
	for (unsigned number = 100; number < 100000; number++) {
		assert_int_equal(put(number, 1000), FAR_STATUS_OK);
		if (number % 20 == 0)
			assert_value(number / 20 % 100, 1000);
	}
}

// A client reads it by itself, and asks again only when its word is another one: that suffices.
static void test_put__what_is_read_one_sidedly_stays(void **state)
{
	uint64_t words[20] = {0};
	unsigned asked = 0;

	(void)state;
	put_all(0, 20, 1000);
	for (unsigned number = 20; number < 100000; number++) {
		unsigned read = number % 20;
		uint64_t word;

		assert_int_equal(put(number, 1000), FAR_STATUS_OK);
		assert_true(is_there(read));
		word = atomic_load(&record_of(key_of(read))->word);
		if (word == words[read])
			continue;
		words[read] = word;
		asked++;
		assert_value(read, 1000);
	}
	assert_in_range(asked, 40, 1000);
}

static void test_put__what_is_held_stays_until_it_is_not(void **state)
{
	struct far_attr attr;
	uint64_t directory;
	char got[1000];

	(void)state;
	put_all(0, 2, 1000);
	directory = id_in_root("d");
	assert_int_equal(served_lookup(client, directory, "0", &attr), FAR_STATUS_OK);
	put_all(2, 50000, 1000);
	assert_true(is_there(0));
	assert_false(is_there(1));
	assert_int_equal(served_read(client, attr.id, 0, 1000, 0), FAR_STATUS_OK);
	served_value(client, 0, got);
	assert_memory_equal(got, value_of(0, 1000), 1000);
	served_forget(client, attr.id, 1);
	put_and_use_all(50000, 150000, 1000);
	assert_false(is_there(0));
}

// A mount's kernel remembers files; the mount is asked for them when their turn comes.
static void test_let_go__held_files_are_asked_for_by_name(void **state)
{
	const struct far_let_go_reply *reply = (const struct far_let_go_reply *)client->reply;
	const struct far_let_go *entry = (const struct far_let_go *)(reply + 1);
	struct far_request message;
	struct far_attr attr;
	uint64_t directory;

	(void)state;
	put_all(0, 3, 1000);
	directory = id_in_root("d");
	assert_int_equal(served_call(client, FAR_OP_LET_GO, 0, &message, sizeof(message), (struct served_parts){0}), FAR_STATUS_OK);
	assert_int_equal(reply->count, 0);
	assert_int_equal(served_lookup(client, directory, "2", &attr), FAR_STATUS_OK);
	assert_int_equal(reply->header.flags & FAR_REPLY_LET_GO, 0);
	put_all(3, 20, 1000);
	assert_int_equal(reply->header.flags & FAR_REPLY_LET_GO, FAR_REPLY_LET_GO);
	assert_int_equal(served_call(client, FAR_OP_LET_GO, 0, &message, sizeof(message), (struct served_parts){0}), FAR_STATUS_OK);
	assert_int_equal(reply->count, 1);
	assert_int_equal(entry->id, attr.id);
	assert_int_equal(entry->parent, directory);
	assert_int_equal(served_call(client, FAR_OP_LET_GO, 0, &message, sizeof(message), (struct served_parts){0}), FAR_STATUS_OK);
	assert_int_equal(reply->count, 0);
	assert_int_equal(reply->header.flags & FAR_REPLY_LET_GO, 0);
	served_forget(client, attr.id, 1);
}

static void test_let_go__long_lists_come_in_parts(void **state)
{
	const struct far_let_go_reply *reply = (const struct far_let_go_reply *)client->reply;
	unsigned told = 0, parts = 0;
	char name[256];

	(void)state;
	for (unsigned number = 0; number < 1000; number++) {
		struct far_attr attr;

		snprintf(name, sizeof(name), "%0200u", number);
		assert_int_equal(served_create(client, FAR_ROOT_ID, name, S_IFREG | 0644, &attr), FAR_STATUS_OK);
	}
	do {
		struct far_request message;

		assert_int_equal(served_call(client, FAR_OP_LET_GO, 0, &message, sizeof(message), (struct served_parts){0}), FAR_STATUS_OK);
		told += reply->count;
		parts++;
	} while (reply->count > 0);
	assert_int_equal(told, SESSION_LET_GO_MAX); // the others when their turn comes
	assert_in_range(parts, 8, 20);
}

// As a mount does: what it is asked for is forgotten. Returns how many files that were.
static unsigned let_go(void)
{
	const struct far_let_go_reply *reply = (const struct far_let_go_reply *)client->reply;
	uint64_t ids[2 * SESSION_LET_GO_MAX];
	unsigned count = 0;
	struct far_request message;

	do {
		const uint8_t *at = (const uint8_t *)(reply + 1);
		struct far_let_go entry;

		assert_int_equal(served_call(client, FAR_OP_LET_GO, 0, &message, sizeof(message), (struct served_parts){0}), FAR_STATUS_OK);
		for (uint32_t i = 0; i < reply->count; i++, at += sizeof(entry) + entry.name_length) {
			memcpy(&entry, at, sizeof(entry));
			ids[count++] = entry.id;
		}
	} while (reply->count > 0);
	for (unsigned i = 0; i < count; i++)
		served_forget(client, ids[i], 1);
	return count;
}

static void hold_all(unsigned first, unsigned end)
{
	uint64_t directory = id_in_root("d");
	struct far_attr attr;

	for (unsigned number = first; number < end; number++)
		assert_int_equal(served_lookup(client, directory, key_of(number) + 2, &attr), FAR_STATUS_OK);
}

// More than are asked for at once: the others' turn comes again.
static void test_let_go__all_that_is_held_is_asked_for_in_the_end(void **state)
{
	unsigned gone = 0, rounds = 0;

	(void)state;
	put_all(0, 1000, 1000);
	hold_all(0, 1000);
	for (unsigned first = 1000; gone < 1000; first += 30000) {
		put_and_use_all(first, first + 30000, 1000);
		gone += let_go();
		assert_in_range(++rounds, 1, 20);
	}
	put_and_use_all(1000000, 1100000, 1000);
	for (unsigned number = 0; number < 1000; number++)
		assert_false(is_there(number));
}

// However many of them there are, and whether or not they can be asked for.
static void test_put__files_behind_many_that_stay_are_found(void **state)
{
	const unsigned held = 10000;

	(void)state;
	put_all(0, held, 64);
	hold_all(0, held);
	put_all(held, held + 200000, 64);
	for (unsigned number = 0; number < held; number++)
		assert_true(is_there(number));
	let_go();
}

static void test_put__deleted_but_held_value_stays_readable(void **state)
{
	struct far_attr attr;
	char got[1000];

	(void)state;
	put_all(0, 1, 1000);
	assert_int_equal(served_lookup(client, id_in_root("d"), "0", &attr), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, key_of(0)), FAR_STATUS_OK);
	put_all(1, 50000, 1000);
	assert_int_equal(served_read(client, attr.id, 0, 1000, 0), FAR_STATUS_OK);
	served_value(client, 0, got);
	assert_memory_equal(got, value_of(0, 1000), 1000);
	served_forget(client, attr.id, 1);
}

static void test_put__locked_file_stays(void **state)
{
	struct far_lock_request lock = {.owner = 1, .end = FAR_LOCK_END, .pid = 1};

	(void)state;
	put_all(0, 1, 1000);
	lock.id = record_of(key_of(0))->id;
	assert_int_equal(served_call(client, FAR_OP_LOCK, 0, &lock, sizeof(lock), (struct served_parts){0}), FAR_STATUS_OK);
	put_all(1, 50000, 1000);
	assert_true(is_there(0));
	assert_int_equal(served_call(client, FAR_OP_LOCK, FAR_LOCK_UNLOCK, &lock, sizeof(lock), (struct served_parts){0}), FAR_STATUS_OK);
	put_and_use_all(50000, 150000, 1000);
	assert_false(is_there(0));
}

static int pin(const char *key, unsigned flags)
{
	struct far_key_request message = {.key_length = (uint16_t)strlen(key)};

	return served_call(client, FAR_OP_PIN, flags, &message, sizeof(message), (struct served_parts){key, message.key_length, NULL, 0});
}

static void test_pin__pinned_stays_until_it_is_unpinned(void **state)
{
	struct far_attr attr;

	(void)state;
	put_all(0, 2, 1000);
	assert_int_equal(pin("d/0", 0), FAR_STATUS_OK);
	assert_int_equal(pin("d/0", 0), FAR_STATUS_OK);
	put_all(2, 50000, 1000);
	assert_false(is_there(1));
	assert_int_equal(served_put(client, "d/0", value_of(7, 3000), 3000), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "d/0", "e/0", 0), FAR_STATUS_OK);
	put_and_use_all(50000, 100000, 1000);
	assert_int_equal(served_stat(client, "e/0", &attr), FAR_STATUS_OK);
	assert_int_equal(attr.flags, FAR_ATTR_PINNED);
	assert_int_equal(attr.size, 3000);
	assert_int_equal(pin("e/0", FAR_PIN_REMOVE), FAR_STATUS_OK);
	assert_int_equal(pin("e/0", FAR_PIN_REMOVE), FAR_STATUS_NO_DATA);
	assert_int_equal(served_stat(client, "e/0", &attr), FAR_STATUS_OK);
	assert_int_equal(attr.flags, 0);
	put_and_use_all(100000, 200000, 1000);
	assert_int_equal(served_stat(client, "e/0", &attr), FAR_STATUS_NOT_FOUND);
}

static void test_pin__only_files_can_be_pinned(void **state)
{
	struct far_attr attr;

	(void)state;
	put_all(0, 1, 10);
	assert_int_equal(served_symlink(client, FAR_ROOT_ID, "link", "d/0", &attr), FAR_STATUS_OK);
	assert_int_equal(pin("d", 0), FAR_STATUS_IS_DIRECTORY);
	assert_int_equal(pin("d", FAR_PIN_REMOVE), FAR_STATUS_IS_DIRECTORY);
	assert_int_equal(pin("link", 0), FAR_STATUS_LOOP);
	assert_int_equal(pin("d/none", 0), FAR_STATUS_NOT_FOUND);
	assert_int_equal(pin("d//0", 0), FAR_STATUS_INVALID);
	assert_int_equal(pin("d/0", FAR_PIN_REMOVE), FAR_STATUS_NO_DATA);
	served_forget(client, attr.id, 1);
}

// Each is looked at about twice, and not some thousand times.
static void test_put__few_files_that_stay_cost_little(void **state)
{
	struct far_lock_request lock = {.owner = 1, .end = FAR_LOCK_END, .pid = 1};
	struct taken taken = {.pool = server->pool};
	struct eviction_walk before, after;
	uint32_t page, pages;

	(void)state;
	put_all(0, 10, 1000);
	for (unsigned number = 0; number < 10; number++) {
		lock.id = record_of(key_of(number))->id;
		assert_int_equal(served_call(client, FAR_OP_LOCK, 0, &lock, sizeof(lock), (struct served_parts){0}), FAR_STATUS_OK);
	}
	taken_pages(&taken, 0);
	eviction_policy_walk_begin(server->eviction->policy, &before);
	server_begin(server);
	eviction_let_wait(server, false, 0);
	page = space_alloc_pages(server, 1, 1, &pages);
	eviction_policy_walk_begin(server->eviction->policy, &after);
	assert_int_equal(page, 0);
	assert_in_range(after.changes - before.changes, 10, 200);
	taken_give_back(&taken);
}

// However many are pinned, a full pool says so at once, and takes more when they are not.
static void test_pin__all_pinned_is_full(void **state)
{
	unsigned number = 0;

	(void)state;
	while (put(number, 1000) == FAR_STATUS_OK && server->figures.evicted == 0)
		assert_int_equal(pin(key_of(number++), 0), FAR_STATUS_OK);
	assert_int_equal(put(number, 1000), FAR_STATUS_NO_SPACE);
	assert_int_equal(put(number, 1000), FAR_STATUS_NO_SPACE);
	assert_int_equal(server->figures.evicted, 0);
	for (unsigned i = 0; i < number; i += 2)
		assert_int_equal(pin(key_of(i), FAR_PIN_REMOVE), FAR_STATUS_OK);
	put_all(1000000, 1010000, 1000);
	for (unsigned i = 1; i < number; i += 2)
		assert_true(is_there(i));
}

static void test_put__directories_and_links_stay(void **state)
{
	struct far_attr attr;
	char name[32];

	(void)state;
	for (unsigned number = 0; number < 500; number++) {
		snprintf(name, sizeof(name), "dir%u", number);
		assert_int_equal(served_mkdir(client, name), FAR_STATUS_OK);
	}
	assert_int_equal(served_symlink(client, FAR_ROOT_ID, "link", "d/0", &attr), FAR_STATUS_OK);
	served_forget(client, attr.id, 1);
	put_all(0, 50000, 1000);
	assert_int_equal(served_stat(client, "dir499", &attr), FAR_STATUS_OK);
	assert_int_equal(served_stat(client, "link", &attr), FAR_STATUS_OK);
}

static void test_put__all_names_of_a_file_go_together(void **state)
{
	struct far_attr attr;
	uint64_t directory;

	(void)state;
	put_all(0, 1, 1000);
	directory = id_in_root("d");
	assert_int_equal(served_link(client, record_of(key_of(0))->id, directory, "further", &attr), FAR_STATUS_OK);
	served_forget(client, attr.id, 1);
	put_all(1, 50000, 1000);
	assert_false(is_there(0));
	assert_int_equal(served_stat(client, "d/further", &attr), FAR_STATUS_NOT_FOUND);
}

// What a request works on is not evicted by it, though it be the oldest and the only one that could be.
static void test_change__object_under_way_stays(void **state)
{
	static char large[VALUE_MAX];
	struct far_attr attr;

	(void)state;
	put_all(0, 30000, 1000);
	for (unsigned number = 30000; number < 40000; number++) {
		unsigned oldest = number - 5000;

		if (!is_there(oldest))
			continue;
		// It grows out of its record, and gets another name.
		assert_int_equal(served_put(client, key_of(oldest), memset(large, 'x', VALUE_MAX), VALUE_MAX), FAR_STATUS_OK);
		assert_int_equal(served_rename(client, key_of(oldest), "other/directory/of/some/depth/name", 0), FAR_STATUS_OK);
		assert_int_equal(served_stat(client, "other/directory/of/some/depth/name", &attr), FAR_STATUS_OK);
		assert_int_equal(attr.size, VALUE_MAX);
	}
}

static void test_put__nothing_to_evict_is_full(void **state)
{
	struct far_attr attr;
	unsigned number = 0;
	char name[32];
	int status;

	(void)state;
	do {
		snprintf(name, sizeof(name), "f%u", number++);
		status = served_create(client, FAR_ROOT_ID, name, S_IFREG | 0644, &attr); // which holds it
		if (status == FAR_STATUS_OK)
			status = served_write(client, attr.id, 0, value_of(number, VALUE_MAX), VALUE_MAX, 0);
	} while (status == FAR_STATUS_OK);
	assert_int_equal(status, FAR_STATUS_NO_SPACE);
	assert_int_equal(put(1, 5000), FAR_STATUS_NO_SPACE);
	assert_int_equal(server->figures.evicted, 0);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		served_forget(client, record_of(name)->id, 1);
	}
	assert_int_equal(put(1, 5000), FAR_STATUS_OK);
	assert_in_range(server->figures.evicted, 1, 100);
	assert_int_equal(served_stat(client, "f0", &attr), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_stat(client, "f100", &attr), FAR_STATUS_OK);
}

// P5: memory that a reader may still look at is nobody else's.
static void test_put__evicted_bytes_stay_while_a_reader_is_at_them(void **state)
{
	struct served_lane *reader = served_join_mapped(server);
	const char *bytes;
	struct far_record *record;
	struct server_figures before;
	uint64_t puts;
	uint64_t word;

	(void)state;
	put_all(0, 1, 1000);
	record = record_of(key_of(0));
	word = atomic_load(&record->word);
	bytes = pool_at(server->pool, record_inline_offset(server->pool, record));
	reader->section = 1;
	for (unsigned number = 1; put(number, 1000) == FAR_STATUS_OK; number++)
		assert_true(number < 100000);
	assert_false(is_there(0));
	assert_memory_equal(bytes, value_of(0, 1000), 1000);
	assert_int_not_equal(atomic_load(&record->word), word);
	// Whoever wants memory waits for it, but not for ever, and little goes meanwhile. What is late is no work done.
	clock_ns += 1999999999;
	before = server->figures;
	puts = metrics_get(&server->metrics->operations[FAR_OP_PUT].count);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(put(1000000, 1000), SERVED_LATER);
	assert_int_equal(server->figures.operations, before.operations);
	assert_int_equal(server->figures.bytes_in, before.bytes_in);
	assert_int_equal(metrics_get(&server->metrics->operations[FAR_OP_PUT].count), puts);
	assert_in_range(server->figures.evicted_bytes, POOL / 64, POOL / 32);
	clock_ns++;
	assert_int_equal(put(1000000, 1000), FAR_STATUS_NO_SPACE);
	assert_false(eviction_has_to_wait(server)); // its patience is at an end
	reader->section = 2;
	assert_int_equal(put(1000000, 1000), FAR_STATUS_OK);
	put_all(100000, 150000, 1000);
	served_leave(reader);
}

// As a connection carries a request out: it may have to wait before, or be late.
static int put_as_connections_do(unsigned number, uint32_t length)
{
	struct far_put_request message = {.header = {.op = FAR_OP_PUT, .length = sizeof(message)}};

	if (operations_must_wait(server, &message, sizeof(message)))
		return SERVED_LATER;
	return put(number, length);
}

// What waits is between the two marks from which requests wait: each try asks twice, and others ask meanwhile. In the end it is carried out, or fails.
static void test_put__stopped_reader_stops_nobody_for_ever(void **state)
{
	struct served_lane *reader = served_join_mapped(server);
	unsigned tries = 0;

	(void)state;
	put_all(0, 1, 1000);
	reader->section = 1;
	for (unsigned number = 1; put(number, 1000) == FAR_STATUS_OK; number++)
		assert_true(number < 100000);
	assert_in_range(reclaim_bytes(server->reclaim), POOL / 64, POOL / 8);
	while (put_as_connections_do(1000000, 1000) == SERVED_LATER) {
		clock_ns += 100000000;
		assert_false(eviction_has_to_wait(server));
		put_as_connections_do(2000000 + tries, 64);
		assert_in_range(++tries, 1, 20);
	}
	reader->section = 2;
	put_all(100000, 150000, 1000);
	served_leave(reader);
}

// While something comes back patience has no end: the reader of now is not the one that was waited for.
static void test_put__readers_that_go_on_are_waited_for(void **state)
{
	struct served_lane *reader = served_join_mapped(server);
	unsigned number = 1;

	(void)state;
	put_all(0, 1, 1000);
	for (unsigned turn = 0; turn < 5; turn++) {
		reader->section = 2 * turn + 1;
		while (put(number, 1000) == FAR_STATUS_OK)
			assert_true(++number < 100000);
		clock_ns += 1900000000;
		assert_int_equal(put(number, 1000), SERVED_LATER);
		reader->section = 2 * turn + 2;
		assert_int_equal(put(number++, 1000), FAR_STATUS_OK);
	}
	served_leave(reader);
}

// Its results tell of each item, so it cannot be carried out again.
static void test_put_many__evicts_more_where_others_wait(void **state)
{
	struct served_lane *reader = served_join_mapped(server);
	const struct far_many_reply *reply = (const struct far_many_reply *)client->reply;
	const struct far_many_result *results = (const struct far_many_result *)(reply + 1);
	const struct far_many_item items[2] = {{.key_length = 1, .length = 1000}, {.key_length = 1, .length = 1000}};
	struct far_many_request message = {.count = 2, .mode = 0644};
	char keys_and_values[2 * 1001] = {0};

	(void)state;
	put_all(0, 1, 1000);
	reader->section = 1;
	for (unsigned number = 1; put(number, 1000) == FAR_STATUS_OK; number++)
		assert_true(number < 100000);
	for (unsigned char number = 0; number < 100; number++) {
		keys_and_values[0] = keys_and_values[1001] = (char)(128 + number);
		assert_int_equal(served_call(client, FAR_OP_PUT_MANY, 0, &message, sizeof(message),
		                         (struct served_parts){items, sizeof(items), keys_and_values, sizeof(keys_and_values)}),
		        FAR_STATUS_OK);
		if (results[0].status == FAR_STATUS_NO_SPACE)
			break;
	}
	assert_true(reclaim_bytes(server->reclaim) > POOL / 4); // not before
	reader->section = 2;
	served_leave(reader);
}

// A slab full of small ones is emptied, instead of most of what there is going until one becomes empty.
static void test_put__large_value_after_small_ones_costs_few_of_them(void **state)
{
	unsigned kept = 0;

	(void)state;
	put_all(0, 100000, 64);
	for (unsigned number = 0; number < 100000; number++) // so that none is like its neighbours
		if (is_there(number) && number % 3 == 0)
			assert_value(number, 64);
	put_all(100000, 200000, 64);
	kept = (unsigned)server->figures.objects;
	put_all(1000000, 1000010, VALUE_MAX);
	assert_true(server->figures.objects > kept * 9 / 10);
	for (unsigned number = 1000000; number < 1000010; number++)
		assert_value(number, VALUE_MAX);
}

// However many slabs it takes.
static void test_fallocate__large_one_after_small_values_costs_few_of_them(void **state)
{
	const struct far_fallocate_reply *reply = (const struct far_fallocate_reply *)client->reply;
	const uint64_t length = 4U << 20;
	struct far_fallocate_request message = {0};
	unsigned kept, turns = 0;
	struct far_attr attr;

	(void)state;
	assert_int_equal(served_create(client, FAR_ROOT_ID, "large", S_IFREG | 0644, &attr), FAR_STATUS_OK);
	put_all(0, 200000, 64);
	kept = (unsigned)server->figures.objects;
	message.id = attr.id;
	while (message.offset < length) {
		int status;

		message.length = length - message.offset;
		status = served_call(client, FAR_OP_FALLOCATE, 0, &message, sizeof(message), (struct served_parts){0});
		assert_true(status == FAR_STATUS_OK || status == SERVED_LATER);
		if (status == FAR_STATUS_OK)
			message.offset += reply->done;
		assert_in_range(++turns, 1, 100);
	}
	assert_true(server->figures.objects > kept / 2);
	served_forget(client, attr.id, 1);
}

// Small values bring no pages back, so few of them go for pages that somebody may want; as many as ever do when large ones are due.
static void test_keep_free__small_values_hardly_go_in_vain(void **state)
{
	const unsigned calls = 1000;
	uint64_t evicted;

	(void)state;
	put_all(0, 200000, 64);
	evicted = server->figures.evicted;
	for (unsigned call = 0; call < calls; call++) {
		server_begin(server);
		eviction_keep_free(server, POOL / 2);
	}
	assert_true(server->figures.evicted - evicted >= calls);
	assert_true(server->figures.evicted - evicted <= calls + 2 * 64);
	put_all(200000, 200000 + 2 * POOL / VALUE_MAX, VALUE_MAX);
	for (unsigned call = 0; call < calls && pool_free_bytes(server->pool) < POOL / 8; call++) {
		server_begin(server);
		eviction_keep_free(server, POOL / 8);
	}
	assert_true(pool_free_bytes(server->pool) >= POOL / 8);
}

// Puts with what the loop does behind each. Returns how many of them had to evict by themselves.
static unsigned put_and_catch_up(unsigned first, unsigned end, uint32_t length)
{
	unsigned evicting = 0;

	for (unsigned number = first; number < end; number++) {
		uint64_t evicted = server->figures.evicted;

		put_all(number, number + 1, length);
		evicting += server->figures.evicted > evicted;
		eviction_catch_up(server);
		server_settle(server);
	}
	return evicting;
}

static void test_catch_up__requests_hardly_have_to_evict(void **state)
{
	const unsigned puts = 10000;
	uint64_t evicted, objects;

	(void)state;
	put_all(0, 200000, 64);
	evicted = server->figures.evicted;
	objects = server->figures.objects;
	assert_in_range(put_and_catch_up(200000, 200000 + puts, 64), 1, puts / 200);
	// What leads to them takes memory, too.
	assert_in_range(server->figures.evicted - evicted, puts - puts / 10, puts + puts / 10);
	assert_in_range(server->figures.objects, objects - objects / 10, objects + objects / 10);
}

static void test_catch_up__nothing_goes_where_there_is_room(void **state)
{
	const unsigned puts = 200000;
	unsigned deleted = 0;
	uint64_t evicted;

	(void)state;
	put_all(0, puts, 64);
	put_and_catch_up(puts, puts + 100, 64);
	for (unsigned number = 0; deleted < server->figures.objects; number++)
		deleted += served_delete(client, key_of(number)) == FAR_STATUS_OK;
	assert_true(deleted > 10000);
	evicted = server->figures.evicted;
	put_and_catch_up(puts + 100, puts + 100 + deleted * 3 / 4, 64);
	assert_int_equal(server->figures.evicted, evicted);
	put_and_catch_up(puts + 100 + deleted * 3 / 4, puts + 100 + deleted * 5 / 4, 64);
	assert_true(server->figures.evicted > evicted);
}

// Behind a request that all had to stay for, nobody looks again in vain.
static void test_catch_up__ends_where_all_stays(void **state)
{
	struct eviction_walk before, after;
	unsigned number = 200000;

	(void)state;
	put_all(0, number, 64);
	eviction_catch_up(server);
	for (unsigned i = 0; i < number; i++)
		if (is_there(i))
			assert_int_equal(pin(key_of(i), 0), FAR_STATUS_OK);
	while (put(number, 64) == FAR_STATUS_OK)
		assert_int_equal(pin(key_of(number++), 0), FAR_STATUS_OK);
	eviction_catch_up(server);
	eviction_policy_walk_begin(server->eviction->policy, &before);
	eviction_catch_up(server);
	eviction_policy_walk_begin(server->eviction->policy, &after);
	assert_int_equal(before.changes, after.changes);
}

// Of one size, and then of all: the objects that there are in the end, on average.
static uint64_t objects_of_mixed_sizes(bool is_catching_up)
{
	uint64_t seed = 1, sum = 0;
	unsigned number = 20000;

	put_all(0, number, 1000);
	for (; number < 60000; number++) {
		put_all(number, number + 1, (uint32_t)(test_random(&seed) % VALUE_MAX));
		if (is_catching_up)
			eviction_catch_up(server);
		if (number >= 40000)
			sum += server->figures.objects;
	}
	return sum / 20000;
}

static void test_catch_up__as_many_objects_stay(void **state)
{
	uint64_t catching_up = objects_of_mixed_sizes(true);

	served_one_tear_down_sound(state);
	set_up(state);
	assert_in_range(catching_up, objects_of_mixed_sizes(false) * 97 / 100, POOL);
}

static void test_settle__reserve_comes_back_and_nothing_goes_for_it(void **state)
{
	struct taken taken = {.pool = server->pool};

	(void)state;
	put_all(0, 10, 1000);
	space_use_reserve(server);
	server_settle(server);
	assert_int_not_equal(server->reserve_page, 0);
	space_use_reserve(server);
	taken_pages(&taken, 0);
	server_settle(server);
	assert_int_equal(server->reserve_page, 0);
	assert_int_equal(server->figures.evicted, 0);
	taken_give_back(&taken);
}

static void test_put__times_to_live_go_with_their_objects(void **state)
{
	(void)state;
	for (unsigned number = 0; number < 100000; number++) {
		struct far_put_request message = {.value_length = 100, .mode = 0644};
		char tail[32];
		uint64_t ttl_ms = 3600000;
		uint32_t length = (uint32_t)strlen(key_of(number));

		message.key_length = (uint16_t)length;
		memcpy(tail, &ttl_ms, sizeof(ttl_ms));
		memcpy(tail + sizeof(ttl_ms), key_of(number), length);
		assert_int_equal(served_call(client, FAR_OP_PUT, FAR_PUT_HAS_TTL, &message, sizeof(message),
		                         (struct served_parts){tail, (uint32_t)sizeof(ttl_ms) + length, value_of(number, 100), 100}),
		        FAR_STATUS_OK);
		assert_true(record_of(key_of(number))->flags & FAR_RECORD_EXPIRES);
	}
	assert_false(is_there(0));
	assert_true(server->figures.evicted > 0);
}

static void test_put__full_is_an_error_where_nobody_asked_for_eviction(void **state)
{
	struct server *other = served_open(POOL), *own = server;
	struct served_lane *lane = served_join(other), *own_lane = client;
	unsigned number = 0;

	(void)state;
	server = other;
	client = lane;
	while (put(number, 1000) == FAR_STATUS_OK)
		number++;
	assert_int_equal(put(number, 1000), FAR_STATUS_NO_SPACE);
	assert_true(is_there(0));
	assert_int_equal(record_of(key_of(0))->eviction, 0);
	assert_int_equal(other->figures.evicted, 0);
	served_leave(lane);
	served_close(other);
	server = own;
	client = own_lane;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_put__full_pool_takes_more_and_the_oldest_go, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__what_is_asked_for_stays, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__what_is_read_one_sidedly_stays, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__what_is_held_stays_until_it_is_not, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_let_go__held_files_are_asked_for_by_name, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_let_go__long_lists_come_in_parts, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_let_go__all_that_is_held_is_asked_for_in_the_end, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__files_behind_many_that_stay_are_found, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__deleted_but_held_value_stays_readable, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__locked_file_stays, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_pin__pinned_stays_until_it_is_unpinned, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_pin__only_files_can_be_pinned, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__few_files_that_stay_cost_little, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_pin__all_pinned_is_full, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__directories_and_links_stay, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__all_names_of_a_file_go_together, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_change__object_under_way_stays, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__nothing_to_evict_is_full, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__evicted_bytes_stay_while_a_reader_is_at_them, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__stopped_reader_stops_nobody_for_ever, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__readers_that_go_on_are_waited_for, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put_many__evicts_more_where_others_wait, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_put__large_value_after_small_ones_costs_few_of_them, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_fallocate__large_one_after_small_values_costs_few_of_them, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_keep_free__small_values_hardly_go_in_vain, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_catch_up__requests_hardly_have_to_evict, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_catch_up__nothing_goes_where_there_is_room, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_catch_up__ends_where_all_stays, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_catch_up__as_many_objects_stay, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_settle__reserve_comes_back_and_nothing_goes_for_it, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(test_put__times_to_live_go_with_their_objects, set_up, served_one_tear_down_sound),
	        cmocka_unit_test_setup_teardown(
	                test_put__full_is_an_error_where_nobody_asked_for_eviction, set_up, served_one_tear_down_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
