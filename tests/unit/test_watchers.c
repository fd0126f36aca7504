// Watches as requests see them (server/watchers.c, watchers_tell.c, notices.c): which keys they name, and what each operation tells.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "served.h"
#include "server/expiry.h"
#include "server/space.h"
#include "server/watchers.h"
#include "testing.h"

static struct server *server;
static struct served_lane *client, *watching;
static uint64_t clock_ns;

static uint64_t test_clock(void)
{
	return clock_ns;
}

static int begin(void **state)
{
	(void)state;
	clock_ns = 5000000123456;
	server = served_open(32U << 20);
	server->monotonic_ns = test_clock;
	client = served_join(server);
	watching = served_join(server);
	return 0;
}

static int end(void **state)
{
	(void)state;
	served_leave(watching);
	assert_int_equal(server->watch_count, 0);
	served_leave(client);
	served_close(server);
	return 0;
}

static int watch_with(struct served_lane *lane, const char *key, uint32_t length, unsigned kinds, unsigned flags)
{
	struct far_watch_request request = {.kinds = kinds, .key_length = (uint16_t)length};

	return served_call(lane, FAR_OP_WATCH, flags, &request, sizeof(request), (struct served_parts){key, length, NULL, 0});
}

static void watch(const char *key)
{
	assert_int_equal(watch_with(watching, key, (uint32_t)strlen(key), FAR_EVENT_KINDS, 0), FAR_STATUS_OK);
}

static void watch_beginning(const char *bytes)
{
	assert_int_equal(watch_with(watching, bytes, (uint32_t)strlen(bytes), FAR_EVENT_KINDS, FAR_WATCH_BEGINS), FAR_STATUS_OK);
}

static const char *name_of(unsigned kind)
{
	static const char *const names[] = {"created", "changed", "attributes", "deleted", "expired", "renamed", "exchanged", "lost"};

	return names[__builtin_ctz(kind)];
}

// What the lane is told, as "created a/b/ 1, renamed a b 2": a directory with a slash behind it.
static const char *told_to(struct served_lane *lane)
{
	static char text[65536];
	const struct far_events *events = (const struct far_events *)lane->reply;
	size_t filled = 0;

	text[0] = '\0';
	while (operations_has_notices(&lane->lane)) {
		uint32_t length = operations_notices(&lane->lane, lane->reply, lane->lane.message_size);
		uint32_t at = sizeof(*events);

		assert_int_equal(events->header.op, FAR_OP_WATCH);
		assert_int_equal(events->header.flags, FAR_REPLY_NOTICE);
		assert_int_equal(events->header.length, length);
		for (uint32_t i = 0; i < events->count; i++) {
			struct far_event event;
			const char *keys = (const char *)lane->reply + at + sizeof(event);

			memcpy(&event, lane->reply + at, sizeof(event));
			filled += (size_t)snprintf(text + filled, sizeof(text) - filled, "%s%s %.*s%s%s%.*s %llu", filled ? ", " : "",
			        name_of(event.kind), event.key_length, keys, event.is_directory ? "/" : "", event.new_key_length ? " " : "",
			        event.new_key_length, keys + event.key_length, (unsigned long long)event.version);
			at += (uint32_t)sizeof(event) + event.key_length + event.new_key_length;
		}
		assert_int_equal(at, length);
	}
	return text;
}

static void expect(const char *text)
{
	assert_string_equal(told_to(watching), text);
}

static int put(const char *key)
{
	return served_put(client, key, "value", 5);
}

static uint64_t id_of(const char *key)
{
	struct far_attr attr;

	assert_int_equal(served_stat(client, key, &attr), FAR_STATUS_OK);
	return attr.id;
}

// --- which keys ---

static void test_watch__names_the_key_and_what_is_below(void **state)
{
	(void)state;
	watch("dir");
	assert_int_equal(put("dir/sub/f"), FAR_STATUS_OK);
	assert_int_equal(put("dirty"), FAR_STATUS_OK);
	assert_int_equal(put("di"), FAR_STATUS_OK);
	assert_int_equal(put("other/dir/f"), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "dirty"), FAR_STATUS_OK);
	expect("created dir/ 1, created dir/sub/ 1, created dir/sub/f 1");
	assert_int_equal(watching->notified, 3);
}

static void test_watch__of_nothing_names_everything(void **state)
{
	(void)state;
	watch("");
	assert_int_equal(put("a"), FAR_STATUS_OK);
	assert_int_equal(put("d/a"), FAR_STATUS_OK);
	expect("created a 1, created d/ 1, created d/a 1");
}

static void test_watch__beginning_is_by_bytes(void **state)
{
	(void)state;
	watch_beginning("dir/a");
	watch_beginning("x/");
	assert_int_equal(put("dir/a"), FAR_STATUS_OK);
	assert_int_equal(put("dir/ab/c"), FAR_STATUS_OK);
	assert_int_equal(put("dir/b"), FAR_STATUS_OK);
	assert_int_equal(put("a"), FAR_STATUS_OK);
	assert_int_equal(put("x/1"), FAR_STATUS_OK);
	expect("created dir/a 1, created dir/ab/ 1, created dir/ab/c 1, created x/1 1");
}

static void test_watch__several_that_name_the_same_tell_it_once(void **state)
{
	(void)state;
	watch("d");
	watch("d/f");
	watch_beginning("d/");
	watch("");
	watch("");
	assert_int_equal(put("d/f"), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "d/f", "d/g", 0), FAR_STATUS_OK);
	expect("created d/ 1, created d/f 1, renamed d/f d/g 1");
}

static void test_watch__tells_the_kinds_that_were_asked_for(void **state)
{
	(void)state;
	assert_int_equal(watch_with(watching, "f", 1, FAR_EVENT_DELETED | FAR_EVENT_CHANGED, 0), FAR_STATUS_OK);
	assert_int_equal(put("f"), FAR_STATUS_OK);
	assert_int_equal(put("f"), FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "f"), FAR_STATUS_OK);
	expect("changed f 2, deleted f 2");
}

static void test_watch__two_lanes_hear_it_both(void **state)
{
	struct served_lane *second = served_join(server);

	(void)state;
	watch("a");
	assert_int_equal(watch_with(second, "", 0, FAR_EVENT_KINDS, 0), FAR_STATUS_OK);
	assert_int_equal(put("a"), FAR_STATUS_OK);
	assert_int_equal(put("b"), FAR_STATUS_OK);
	expect("created a 1");
	assert_string_equal(told_to(second), "created a 1, created b 1");
	served_leave(second);
	assert_int_equal(server->watch_count, 1);
	assert_int_equal(served_delete(client, "a"), FAR_STATUS_OK);
	expect("deleted a 1");
}

// --- what operations tell ---

static void test_watch__values_by_key(void **state)
{
	struct far_put_range_request range = {.offset = 3, .length = 2, .key_length = 1, .mode = 0644};

	(void)state;
	watch("");
	assert_int_equal(put("f"), FAR_STATUS_OK);
	assert_int_equal(put("f"), FAR_STATUS_OK);
	assert_int_equal(served_put_expecting(client, "f", "x", 1, 2), FAR_STATUS_OK);
	assert_int_equal(served_put_expecting(client, "f", "x", 1, 2), FAR_STATUS_VERSION);
	expect("created f 1, changed f 3");
	assert_int_equal(
	        served_call(client, FAR_OP_PUT_RANGE, 0, &range, sizeof(range), (struct served_parts){"f", 1, "yz", 2}), FAR_STATUS_OK);
	assert_int_equal(
	        served_call(client, FAR_OP_PUT_RANGE, FAR_PUT_RANGE_CREATE, &range, sizeof(range), (struct served_parts){"g", 1, "yz", 2}),
	        FAR_STATUS_OK);
	assert_int_equal(served_delete(client, "f"), FAR_STATUS_OK);
	expect("changed f 4, created g 1, deleted f 4");
}

static void test_watch__counters(void **state)
{
	struct far_counter_request add = {.operand = 1, .mode = 0644, .key_length = 1};

	(void)state;
	watch("");
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		        served_call(client, FAR_OP_COUNTER, FAR_COUNTER_CREATE, &add, sizeof(add), (struct served_parts){"n", 1, NULL, 0}),
		        FAR_STATUS_OK);
	expect("created n 1, changed n 3");
}

static void test_watch__files_by_id(void **state)
{
	struct far_setattr_request setattr = {.valid = FAR_SET_MODE, .mode = 0600};
	struct far_attr file, further;

	(void)state;
	watch("d");
	assert_int_equal(served_mkdir(client, "d"), FAR_STATUS_OK);
	assert_int_equal(served_create(client, id_of("d"), "f", S_IFREG | 0644, &file), FAR_STATUS_OK);
	assert_int_equal(served_write(client, file.id, 0, "abc", 3, 0), FAR_STATUS_OK);
	assert_int_equal(served_truncate(client, file.id, 1), FAR_STATUS_OK);
	expect("created d/ 1, created d/f 1, changed d/f 3");
	setattr.id = file.id;
	assert_int_equal(served_call(client, FAR_OP_SETATTR, 0, &setattr, sizeof(setattr), (struct served_parts){0}), FAR_STATUS_OK);
	setattr.id = id_of("d");
	assert_int_equal(served_call(client, FAR_OP_SETATTR, 0, &setattr, sizeof(setattr), (struct served_parts){0}), FAR_STATUS_OK);
	assert_int_equal(served_symlink(client, id_of("d"), "s", "target", &further), FAR_STATUS_OK);
	assert_int_equal(served_unlink(client, FAR_OP_UNLINK, id_of("d"), "s"), FAR_STATUS_OK);
	assert_int_equal(served_unlink(client, FAR_OP_UNLINK, id_of("d"), "f"), FAR_STATUS_OK);
	expect("attributes d/f 3, attributes d/ 1, created d/s 1, deleted d/s 1, deleted d/f 3");
	// It is open, but has no key any more.
	assert_int_equal(served_write(client, file.id, 0, "abc", 3, 0), FAR_STATUS_OK);
	assert_int_equal(served_unlink(client, FAR_OP_RMDIR, FAR_ROOT_ID, "d"), FAR_STATUS_OK);
	expect("deleted d/ 1");
}

static void test_watch__names_of_one_object_are_all_told(void **state)
{
	struct far_attr attr;

	(void)state;
	watch("");
	assert_int_equal(put("a"), FAR_STATUS_OK);
	assert_int_equal(served_link(client, id_of("a"), FAR_ROOT_ID, "b", &attr), FAR_STATUS_OK);
	assert_int_equal(put("b"), FAR_STATUS_OK);
	expect("created a 1, created b 1, changed a 2, changed b 2");
	assert_int_equal(served_delete(client, "a"), FAR_STATUS_OK);
	assert_int_equal(put("b"), FAR_STATUS_OK);
	expect("deleted a 2, changed b 3");
}

static void test_watch__too_many_names_are_a_loss(void **state)
{
	struct served_lane *others = served_join(server);
	struct far_attr attr;
	char name[16];

	(void)state;
	assert_int_equal(put("f"), FAR_STATUS_OK);
	for (unsigned i = 0; i < FAR_WATCH_NAMES_MAX; i++) {
		snprintf(name, sizeof(name), "link-%u", i);
		assert_int_equal(served_link(client, id_of("f"), FAR_ROOT_ID, name, &attr), FAR_STATUS_OK);
	}
	watch("f");
	assert_int_equal(watch_with(others, "", 0, FAR_EVENT_DELETED | FAR_EVENT_ATTRIBUTES, 0), FAR_STATUS_OK);
	assert_int_equal(put("f"), FAR_STATUS_OK);
	expect("lost  1");
	assert_string_equal(told_to(others), ""); // of other kinds
	served_leave(others);
	assert_int_equal(served_delete(client, "link-0"), FAR_STATUS_OK);
	assert_int_equal(put("f"), FAR_STATUS_OK);
	expect("changed f 3");
}

static void test_watch__nameless_file_is_told_when_it_gets_its_name(void **state)
{
	struct far_attr file;

	(void)state;
	watch("");
	assert_int_equal(served_tmpfile(client, FAR_ROOT_ID, S_IFREG | 0644, &file), FAR_STATUS_OK);
	assert_int_equal(served_write(client, file.id, 0, "abc", 3, 0), FAR_STATUS_OK);
	expect("");
	assert_int_equal(served_link(client, file.id, FAR_ROOT_ID, "f", &file), FAR_STATUS_OK);
	expect("created f 2");
}

static void test_watch__times_to_live(void **state)
{
	struct far_expire_request expire = {.ttl_ms = 50, .key_length = 1};

	(void)state;
	watch("");
	assert_int_equal(put("f"), FAR_STATUS_OK);
	assert_int_equal(put("g"), FAR_STATUS_OK);
	assert_int_equal(
	        served_call(client, FAR_OP_EXPIRE, 0, &expire, sizeof(expire), (struct served_parts){"f", 1, NULL, 0}), FAR_STATUS_OK);
	assert_int_equal(
	        served_call(client, FAR_OP_EXPIRE, 0, &expire, sizeof(expire), (struct served_parts){"g", 1, NULL, 0}), FAR_STATUS_OK);
	expect("created f 1, created g 1, attributes f 1, attributes g 1");
	clock_ns += 100000000;
	assert_int_equal(served_stat(client, "f", NULL), FAR_STATUS_NOT_FOUND); // who asks ends it
	expect("expired f 1");
	assert_false(expiry_sweep(server, UINT64_MAX / 2)); // or the sweep
	expect("expired g 1");
}

static void test_watch__renames_within_out_and_in(void **state)
{
	(void)state;
	watch("d");
	assert_int_equal(put("d/a"), FAR_STATUS_OK);
	assert_int_equal(put("d/c"), FAR_STATUS_OK);
	assert_int_equal(put("x"), FAR_STATUS_OK);
	told_to(watching);
	assert_int_equal(served_rename(client, "d/a", "d/b", 0), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "d/b", "d/c", 0), FAR_STATUS_OK); // replaces
	assert_int_equal(served_rename(client, "d/c", "out/c", 0), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "x", "d/x", 0), FAR_STATUS_OK);
	assert_int_equal(put("d/y"), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "d/x", "d/y", FAR_RENAME_EXCHANGE), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "d/none", "d/y", 0), FAR_STATUS_NOT_FOUND);
	assert_int_equal(served_rename(client, "d/x", "d/x", 0), FAR_STATUS_OK); // nothing
	expect("renamed d/a d/b 1, renamed d/b d/c 1, renamed d/c out/c 1, renamed x d/x 1, created d/y 2, exchanged d/x d/y 1");
}

static void test_watch__directory_that_moves_is_one_event_for_all_below(void **state)
{
	(void)state;
	assert_int_equal(put("top/d/sub/f"), FAR_STATUS_OK);
	assert_int_equal(put("topmost"), FAR_STATUS_OK);
	watch("top/d/sub");
	watch("top/d/sub/f");
	watch_beginning("top/d/s");
	assert_int_equal(served_rename(client, "top", "moved", 0), FAR_STATUS_OK);
	expect("renamed top/ moved 1");
	assert_int_equal(put("moved/d/sub/f"), FAR_STATUS_OK); // it is another key now
	expect("");
	assert_int_equal(served_rename(client, "topmost", "topper", 0), FAR_STATUS_OK);
	expect("");
	assert_int_equal(served_rename(client, "moved", "top", 0), FAR_STATUS_OK);
	assert_int_equal(put("top/d/sub/f"), FAR_STATUS_OK);
	expect("renamed moved/ top 1, changed top/d/sub/f 3");
	assert_int_equal(put("file"), FAR_STATUS_OK);
	assert_int_equal(served_rename(client, "file", "top", FAR_RENAME_EXCHANGE), FAR_STATUS_OK);
	expect("exchanged file/ top 2");
}

static int rename_at(uint64_t parent, uint64_t new_parent, const char *name)
{
	struct far_rename_at_request request = {.parent = parent, .new_parent = new_parent};
	uint32_t length = (uint32_t)strlen(name);

	request.name_length = request.new_name_length = (uint16_t)length;
	return served_call(client, FAR_OP_RENAME_AT, 0, &request, sizeof(request), (struct served_parts){name, length, name, length});
}

// A mount can make paths that are longer than a key.
static void test_watch__what_moves_to_where_there_are_no_keys_is_deleted(void **state)
{
	char name[251];
	uint64_t deep = FAR_ROOT_ID;
	struct far_attr attr;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 17; i++) {
		assert_int_equal(served_create(client, deep, name, S_IFDIR | 0755, &attr), FAR_STATUS_OK);
		deep = attr.id;
	}
	assert_int_equal(put("d/sub/f"), FAR_STATUS_OK);
	watch("d/sub");
	assert_int_equal(rename_at(FAR_ROOT_ID, deep, "d"), FAR_STATUS_OK);
	expect("deleted d/ 1");
	assert_int_equal(served_create(client, deep, "f", S_IFREG | 0644, &attr), FAR_STATUS_OK);
	expect("");
	assert_int_equal(rename_at(deep, FAR_ROOT_ID, "d"), FAR_STATUS_OK);
	expect("created d/ 1");
}

static void test_watch__directories_that_are_made_for_nothing_are_not_told(void **state)
{
	(void)state;
	watch("");
	assert_int_equal(put("f"), FAR_STATUS_OK);
	assert_int_equal(served_mkdir(client, "d"), FAR_STATUS_OK);
	expect("created f 1, created d/ 1");
	assert_int_equal(served_rename(client, "d", "d/new/dir", 0), FAR_STATUS_INVALID); // makes d/new, and takes it back
	assert_int_equal(served_mkdir(client, "x/y/f"), FAR_STATUS_OK);
	expect("created x/ 2, created x/y/ 2, created x/y/f/ 2"); // no key has one version twice
}

static void test_watch__many_in_one_request_are_told_each(void **state)
{
	struct far_many_request many = {.count = 2};
	struct {
		struct far_many_item items[2];
		char keys[4];
	} behind = {.items = {{.key_length = 1, .length = 1}, {.key_length = 1, .length = 1}}, .keys = {'a', '1', 'b', '2'}};

	(void)state;
	watch("");
	assert_int_equal(served_call(client, FAR_OP_PUT_MANY, 0, &many, sizeof(many),
	                         (struct served_parts){&behind, sizeof(behind.items) + sizeof(behind.keys), NULL, 0}),
	        FAR_STATUS_OK);
	expect("created a 1, created b 1");
}

// --- windows ---

static int open_window(struct served_lane *lane, uint64_t id)
{
	struct far_object_request request = {.id = id};

	return served_call(lane, FAR_OP_WINDOW, 0, &request, sizeof(request), (struct served_parts){0});
}

static void test_watch__ends_windows_and_allows_none_while_it_lasts(void **state)
{
	struct served_lane *writer = served_join_mapped(server);
	struct served_lane *second = served_join(server);
	char bytes[5000] = {1};
	struct far_attr attr;

	(void)state;
	assert_int_equal(put("d/f"), FAR_STATUS_OK);
	assert_int_equal(put("e/g"), FAR_STATUS_OK);
	assert_int_equal(served_stat(client, "d/f", &attr), FAR_STATUS_OK);
	assert_int_equal(served_write(writer, attr.id, 0, bytes, sizeof(bytes), 0), FAR_STATUS_OK);
	assert_int_equal(open_window(writer, attr.id), FAR_STATUS_OK);
	assert_int_equal(server->windows.used, 1);
	assert_int_equal(watch_with(second, "e", 1, FAR_EVENT_KINDS, 0), FAR_STATUS_OK); // another place
	assert_int_equal(server->windows.used, 1);
	assert_int_equal(watch_with(second, "d", 1, FAR_EVENT_CREATED, 0), FAR_STATUS_OK); // not of changes
	assert_int_equal(server->windows.used, 1);
	watch("d");
	assert_int_equal(server->windows.used, 0);
	assert_int_equal(open_window(writer, attr.id), FAR_STATUS_NOT_SUPPORTED);
	assert_int_equal(served_write(writer, attr.id, 0, bytes, 10, 0), FAR_STATUS_OK);
	expect("changed d/f 3");
	served_leave(watching);
	assert_int_equal(open_window(writer, attr.id), FAR_STATUS_OK);
	// A directory that moves to where all is watched takes its files along.
	assert_int_equal(served_rename(client, "d", "e/d", 0), FAR_STATUS_OK);
	assert_int_equal(server->windows.used, 0);
	served_leave(writer);
	served_leave(second);
	watching = served_join(server);
}

#define WINDOWS 40U

static void test_watch__ends_the_windows_of_all_that_it_names_and_no_others(void **state)
{
	struct served_lane *writer = served_join_mapped(server);
	char bytes[5000] = {1};
	char key[16];

	(void)state;
	for (unsigned i = 0; i < WINDOWS; i++) {
		snprintf(key, sizeof(key), "%s/%u", i % 2 ? "odd" : "even", i);
		assert_int_equal(put(key), FAR_STATUS_OK);
		assert_int_equal(served_write(writer, id_of(key), 0, bytes, sizeof(bytes), 0), FAR_STATUS_OK);
		assert_int_equal(open_window(writer, id_of(key)), FAR_STATUS_OK);
	}
	assert_int_equal(server->windows.used, WINDOWS);
	watch("odd");
	assert_int_equal(server->windows.used, WINDOWS / 2);
	watch_beginning("e");
	assert_int_equal(server->windows.used, 0);
	served_leave(writer);
}

// Watches come and go in any order, several at one place.
static void test_watch__those_of_one_place_end_each_for_itself(void **state)
{
	struct served_lane *lanes[5];

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		lanes[i] = served_join(server);
		assert_int_equal(watch_with(lanes[i], "deep/er/k", 9, FAR_EVENT_CREATED, 0), FAR_STATUS_OK);
	}
	served_leave(lanes[2]); // in the midst
	served_leave(lanes[4]); // the newest
	served_leave(lanes[0]); // the oldest
	assert_int_equal(put("deep/er/k"), FAR_STATUS_OK);
	assert_string_equal(told_to(lanes[1]), "created deep/er/k 1");
	assert_string_equal(told_to(lanes[3]), "created deep/er/k 1");
	served_leave(lanes[3]);
	served_leave(lanes[1]);
	assert_int_equal(server->watch_count, 0);
	watch("deep/er/k");
	assert_int_equal(put("deep/er/k"), FAR_STATUS_OK);
	expect("changed deep/er/k 2");
}

// --- bounds and bad requests ---

static void test_watch__loss_is_told_behind_what_was_kept(void **state)
{
	unsigned sent = 0, events = 0, messages = 0;
	char key[16];
	const char *text;

	(void)state;
	watch("");
	for (; sent < 10000; sent++) {
		snprintf(key, sizeof(key), "key-%u", sent);
		assert_int_equal(put(key), FAR_STATUS_OK);
	}
	while (operations_has_notices(&watching->lane)) {
		const struct far_events *message = (const struct far_events *)watching->reply;
		uint32_t length = operations_notices(&watching->lane, watching->reply, watching->lane.message_size);

		assert_true(length <= watching->lane.message_size);
		events += message->count;
		messages++;
		if (!operations_has_notices(&watching->lane)) { // the last event is the loss
			struct far_event last;

			memcpy(&last, watching->reply + length - sizeof(last), sizeof(last));
			assert_int_equal(last.kind, FAR_EVENT_LOST);
			assert_int_equal(last.version, sent - (events - 1));
		}
	}
	assert_true(events > 1000 && events < 4000);
	assert_true(messages < 50);
	assert_int_equal(put("after"), FAR_STATUS_OK);
	text = told_to(watching);
	assert_string_equal(text, "created after 1");
}

static void test_watch__bounds_are_clear_errors(void **state)
{
	struct served_lane *second = served_join(server);

	(void)state;
	for (unsigned i = 0; i < FAR_WATCHES_PER_SESSION; i++)
		assert_int_equal(watch_with(watching, "k", 1, FAR_EVENT_KINDS, 0), FAR_STATUS_OK);
	assert_int_equal(watch_with(watching, "k", 1, FAR_EVENT_KINDS, 0), FAR_STATUS_TOO_MANY);
	assert_int_equal(watch_with(second, "k", 1, FAR_EVENT_KINDS, 0), FAR_STATUS_OK);
	server->watch_count += FAR_WATCHES_MAX - FAR_WATCHES_PER_SESSION - 1;
	assert_int_equal(watch_with(second, "k", 1, FAR_EVENT_KINDS, 0), FAR_STATUS_TOO_MANY);
	server->watch_count -= FAR_WATCHES_MAX - FAR_WATCHES_PER_SESSION - 1;
	assert_int_equal(put("k"), FAR_STATUS_OK);
	expect("created k 1");
	served_leave(second);
}

static void test_watch__requests_that_make_no_sense_are_refused(void **state)
{
	static char name[FAR_NAME_MAX + 2];
	struct served_lane *bad = served_join(server);
	struct far_watch_request request = {.kinds = 1, .key_length = 100};

	(void)state;
	memset(name, 'n', sizeof(name));
	assert_int_equal(watch_with(watching, "k", 1, 0, 0), FAR_STATUS_INVALID);
	assert_int_equal(watch_with(watching, "k", 1, FAR_EVENT_LOST, 0), FAR_STATUS_INVALID);
	assert_int_equal(watch_with(watching, "k", 1, 1U << 31, 0), FAR_STATUS_INVALID);
	assert_int_equal(watch_with(watching, "/k", 2, 1, 0), FAR_STATUS_INVALID);
	assert_int_equal(watch_with(watching, "k/", 2, 1, 0), FAR_STATUS_INVALID);
	assert_int_equal(watch_with(watching, "a//", 3, 1, FAR_WATCH_BEGINS), FAR_STATUS_INVALID);
	assert_int_equal(watch_with(watching, "/", 1, 1, FAR_WATCH_BEGINS), FAR_STATUS_INVALID);
	assert_int_equal(watch_with(watching, "a\0b", 3, 1, FAR_WATCH_BEGINS), FAR_STATUS_INVALID);
	assert_int_equal(watch_with(watching, name, sizeof(name), 1, 0), FAR_STATUS_NAME_TOO_LONG);
	assert_int_equal(watch_with(watching, name, sizeof(name), 1, FAR_WATCH_BEGINS), FAR_STATUS_NAME_TOO_LONG);
	assert_int_equal(server->watch_count, 0);
	assert_int_equal(
	        served_call(bad, FAR_OP_WATCH, 0, &request, sizeof(request), (struct served_parts){"k", 1, NULL, 0}), FAR_STATUS_PROTOCOL);
	assert_true(bad->lane.is_closing);
	served_leave(bad);
}

#define test(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        test(test_watch__names_the_key_and_what_is_below),
	        test(test_watch__of_nothing_names_everything),
	        test(test_watch__beginning_is_by_bytes),
	        test(test_watch__several_that_name_the_same_tell_it_once),
	        test(test_watch__tells_the_kinds_that_were_asked_for),
	        test(test_watch__two_lanes_hear_it_both),
	        test(test_watch__values_by_key),
	        test(test_watch__counters),
	        test(test_watch__files_by_id),
	        test(test_watch__names_of_one_object_are_all_told),
	        test(test_watch__too_many_names_are_a_loss),
	        test(test_watch__nameless_file_is_told_when_it_gets_its_name),
	        test(test_watch__times_to_live),
	        test(test_watch__renames_within_out_and_in),
	        test(test_watch__directory_that_moves_is_one_event_for_all_below),
	        test(test_watch__what_moves_to_where_there_are_no_keys_is_deleted),
	        test(test_watch__directories_that_are_made_for_nothing_are_not_told),
	        test(test_watch__many_in_one_request_are_told_each),
	        test(test_watch__ends_windows_and_allows_none_while_it_lasts),
	        test(test_watch__ends_the_windows_of_all_that_it_names_and_no_others),
	        test(test_watch__those_of_one_place_end_each_for_itself),
	        test(test_watch__loss_is_told_behind_what_was_kept),
	        test(test_watch__bounds_are_clear_errors),
	        test(test_watch__requests_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
