// server/watch_queue.c: what is told once, in which order, and what happens when nobody takes it.
#include <stdio.h>
#include <stdlib.h>

#include "far/limits.h"
#include "server/watch_queue.h"
#include "testing.h"

static uint64_t all_bytes;
static struct watch_queue queue;
static char told[FAR_MESSAGE_SIZE_DEFAULT];

static int begin(void **state)
{
	(void)state;
	all_bytes = 0;
	watch_queue_init(&queue, &all_bytes, FAR_MESSAGE_SIZE_DEFAULT);
	return 0;
}

static int end(void **state)
{
	(void)state;
	watch_queue_fini(&queue);
	return all_bytes == 0 ? 0 : -1;
}

static struct watch_note note(enum far_event_kind kind, const char *key, uint64_t version)
{
	return (struct watch_note){.kind = kind, .version = version, .key = {key, (uint32_t)strlen(key)}};
}

static void add(enum far_event_kind kind, const char *key, uint64_t version)
{
	struct watch_note added = note(kind, key, version);

	watch_queue_add(&queue, &added);
}

static void rename_key(const char *key, const char *new_key)
{
	struct watch_note renamed = note(FAR_EVENT_RENAMED, key, 1);

	renamed.new_key = (struct far_span){new_key, (uint32_t)strlen(new_key)};
	watch_queue_add(&queue, &renamed);
}

// All that is there to take within `room`, as "kind:key:version " each.
static const char *take(uint32_t room)
{
	static char text[4096];
	uint32_t count, at = 0;
	uint32_t length = watch_queue_take(&queue, told, room, &count);
	int filled = 0;

	text[0] = '\0';
	for (; count > 0; count--) {
		struct far_event event;

		memcpy(&event, told + at, sizeof(event));
		filled += snprintf(text + filled, sizeof(text) - (size_t)filled, "%u:%.*s:%llu ", event.kind,
		        event.key_length + event.new_key_length, told + at + sizeof(event), (unsigned long long)event.version);
		at += (uint32_t)sizeof(event) + event.key_length + event.new_key_length;
	}
	assert_int_equal(at, length);
	return text;
}

static void test_queue__events_come_in_their_order(void **state)
{
	(void)state;
	assert_true(watch_queue_is_empty(&queue));
	add(FAR_EVENT_CREATED, "a", 1);
	add(FAR_EVENT_CHANGED, "b", 7);
	rename_key("b", "c");
	add(FAR_EVENT_DELETED, "a", 1);
	assert_false(watch_queue_is_empty(&queue));
	assert_string_equal(take(8192), "1:a:1 2:b:7 32:bc:1 8:a:1 ");
	assert_true(watch_queue_is_empty(&queue));
}

static void test_queue__a_key_that_changes_again_is_told_once_with_the_newer_version(void **state)
{
	(void)state;
	add(FAR_EVENT_CHANGED, "a", 2);
	add(FAR_EVENT_CHANGED, "b", 5);
	add(FAR_EVENT_ATTRIBUTES, "a", 2);
	add(FAR_EVENT_CHANGED, "a", 3);
	add(FAR_EVENT_ATTRIBUTES, "a", 3);
	add(FAR_EVENT_CHANGED, "ab", 1);
	assert_string_equal(take(8192), "2:a:3 2:b:5 4:a:3 2:ab:1 ");
	add(FAR_EVENT_CHANGED, "a", 4); // the one before has been taken
	assert_string_equal(take(8192), "2:a:4 ");
}

static void test_queue__what_happens_to_the_name_parts_changes(void **state)
{
	(void)state;
	add(FAR_EVENT_CHANGED, "a", 9);
	add(FAR_EVENT_DELETED, "a", 9);
	add(FAR_EVENT_CREATED, "a", 1);
	add(FAR_EVENT_CHANGED, "a", 2);
	add(FAR_EVENT_CHANGED, "a", 3);
	rename_key("d", "e"); // "a" may be below it for all that is known here
	add(FAR_EVENT_CHANGED, "a", 4);
	assert_string_equal(take(8192), "2:a:9 8:a:9 1:a:1 2:a:3 32:de:1 2:a:4 ");
}

static void test_queue__messages_take_what_fits(void **state)
{
	(void)state;
	add(FAR_EVENT_CREATED, "aaaa", 1);
	add(FAR_EVENT_CREATED, "bbbb", 1);
	assert_string_equal(take(sizeof(struct far_event) * 2 + 7), "1:aaaa:1 ");
	assert_string_equal(take(sizeof(struct far_event) + 3), "");
	assert_string_equal(take(sizeof(struct far_event) + 4), "1:bbbb:1 ");
}

static void test_queue__full_counts_what_is_lost_until_all_has_been_taken(void **state)
{
	uint64_t added = 0;
	uint32_t count;
	char key[16];

	(void)state;
	while (queue.lost == 0) {
		snprintf(key, sizeof(key), "key-%llu", (unsigned long long)added++);
		add(FAR_EVENT_CREATED, key, 1);
		assert_true(all_bytes <= FAR_WATCH_QUEUE_BYTES);
	}
	assert_true(added > 1000);
	for (int i = 0; i < 99; i++)
		add(FAR_EVENT_CHANGED, "one", 1);
	watch_queue_take(&queue, told, sizeof(told), &count);
	add(FAR_EVENT_CREATED, "behind the gap", 1); // there is room again, but not all has been taken
	while (!TAILQ_EMPTY(&queue.events))
		watch_queue_take(&queue, told, sizeof(struct far_event) + sizeof(key), &count); // one each, the loss not with the last
	assert_string_equal(take(sizeof(struct far_event)), "128::101 ");
	add(FAR_EVENT_CREATED, "after", 1);
	assert_string_equal(take(8192), "1:after:1 ");
	assert_int_equal(all_bytes, 0);
}

// What the others have taken makes nobody lose what he takes in time.
static void test_queue__all_queues_together_are_bounded_but_each_has_a_share(void **state)
{
	uint32_t added = 0, count = 0;

	(void)state;
	all_bytes = FAR_WATCH_BYTES_MAX;
	for (; queue.lost == 0; added++)
		add(FAR_EVENT_CREATED, "a", 1);
	assert_in_range(added, 20, 200);
	assert_true(queue.bytes <= 4096);
	assert_int_equal(all_bytes, FAR_WATCH_BYTES_MAX);
	watch_queue_take(&queue, told, sizeof(told), &count);
	assert_int_equal(count, added); // the loss among them
	add(FAR_EVENT_CREATED, "a", 1);
	assert_string_equal(take(8192), "1:a:1 ");
	all_bytes = 0;
	for (unsigned i = 0; i < 2 * added; i++)
		add(FAR_EVENT_CREATED, "a", 1);
	assert_int_equal(all_bytes, queue.bytes - 4096);
}

static void test_queue__what_no_message_holds_is_lost(void **state)
{
	char key[300];

	(void)state;
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	queue.event_max = (uint32_t)(sizeof(struct far_event) + 299);
	add(FAR_EVENT_DELETED, key, 1);
	rename_key(key, "x");
	add(FAR_EVENT_CREATED, "a", 1);
	assert_int_equal(queue.lost, 2);
	take(8192);
	assert_true(watch_queue_is_empty(&queue));
}

static void test_queue__what_is_retracted_was_the_last_of_its_kind(void **state)
{
	struct watch_note made = note(FAR_EVENT_CREATED, "d", 1);

	(void)state;
	add(FAR_EVENT_CREATED, "d", 1);
	add(FAR_EVENT_DELETED, "d", 1);
	add(FAR_EVENT_CREATED, "d", 1);
	add(FAR_EVENT_EXPIRED, "x", 1);
	watch_queue_retract(&queue, &made);
	assert_string_equal(take(8192), "1:d:1 8:d:1 16:x:1 ");
	watch_queue_retract(&queue, &made);
}

// It was lost itself; what is there is another, that has happened.
static void test_queue__what_is_retracted_may_have_found_no_room(void **state)
{
	struct watch_note made = note(FAR_EVENT_CREATED, "d", 7);

	(void)state;
	add(FAR_EVENT_CREATED, "d", 3);
	watch_queue_lose(&queue);
	watch_queue_add(&queue, &made);
	watch_queue_retract(&queue, &made);
	assert_string_equal(take(8192), "1:d:3 128::1 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_queue__events_come_in_their_order, begin, end),
	        cmocka_unit_test_setup_teardown(test_queue__a_key_that_changes_again_is_told_once_with_the_newer_version, begin, end),
	        cmocka_unit_test_setup_teardown(test_queue__what_happens_to_the_name_parts_changes, begin, end),
	        cmocka_unit_test_setup_teardown(test_queue__messages_take_what_fits, begin, end),
	        cmocka_unit_test_setup_teardown(test_queue__full_counts_what_is_lost_until_all_has_been_taken, begin, end),
	        cmocka_unit_test_setup_teardown(test_queue__all_queues_together_are_bounded_but_each_has_a_share, begin, end),
	        cmocka_unit_test_setup_teardown(test_queue__what_no_message_holds_is_lost, begin, end),
	        cmocka_unit_test_setup_teardown(test_queue__what_is_retracted_was_the_last_of_its_kind, begin, end),
	        cmocka_unit_test_setup_teardown(test_queue__what_is_retracted_may_have_found_no_room, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
