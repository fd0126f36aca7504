#include "tests/unit/testing.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "fabric/fabric.h"
#include "far/clock.h"

// fabric_share_listeners: lanes that come in on one context's listener are served by several.

#define PATIENCE_NS 20000000000U
#define LANES 6

struct client {
	pthread_t thread;
	struct fabric_address address;
	int count;
	int answered;
};

static struct fabric *open_context(const char *provider)
{
	struct fabric_error error;
	struct fabric *fabric;

	if (fabric_open(provider, NULL, &fabric, &error))
		fail_msg("%s", error.text);
	return fabric;
}

static struct fabric *open_listener(struct fabric_address *bound)
{
	struct fabric_address address = {.provider = "tcp", .host = "127.0.0.1"};
	struct fabric *fabric = open_context("tcp");
	struct fabric_error error;

	if (fabric_listen(fabric, &address, bound, &error))
		fail_msg("%s", error.text);
	return fabric;
}

// Connects one lane after the other, and says a word on each.
static void *connect_all(void *context)
{
	struct client *client = context;

	for (int i = 0; i < client->count; i++) {
		struct fabric_error error;
		struct fabric_event event;
		struct fabric_lane *lane;
		struct fabric *fabric;

		if (fabric_open("tcp", NULL, &fabric, &error))
			return NULL;
		if (fabric_connect(fabric, &client->address, 20000, &lane, &error) == 0) {
			memcpy(fabric_send_reserve(lane, 8), "question", 8);
			fabric_send(lane, 8);
			client->answered += fabric_wait(fabric, &event, 1, 20000) == 1 && event.kind == FABRIC_RECEIVED &&
			                    memcmp(event.message, "question", 8) == 0;
		}
		fabric_close(fabric);
	}
	return NULL;
}

static void echo(const struct fabric_event *event)
{
	memcpy(fabric_send_reserve(event->lane, event->length), event->message, event->length);
	assert_int_equal(fabric_send(event->lane, event->length), 0);
	assert_int_equal(fabric_flush(event->lane), 0);
	fabric_receive_release(event->lane, event->message);
}

// Returns how many lanes ended; *accepted counts those that came.
static int serve(struct fabric *fabric, int *accepted)
{
	struct fabric_event events[16];
	int count = fabric_poll(fabric, events, 16);
	int closed = 0;

	for (int i = 0; i < count; i++) {
		if (events[i].kind == FABRIC_ACCEPTED)
			++*accepted;
		if (events[i].kind == FABRIC_RECEIVED)
			echo(&events[i]);
		if (events[i].kind == FABRIC_CLOSED) {
			fabric_disconnect(events[i].lane);
			closed++;
		}
	}
	return closed;
}

// Until all clients are through. accepted[i]: lanes of contexts[i].
static void serve_all(struct fabric *const *contexts, int count, struct client *client, int *accepted)
{
	uint64_t end_ns = clock_now_ns() + PATIENCE_NS;
	int closed = 0;

	memset(accepted, 0, (size_t)count * sizeof(*accepted));
	assert_int_equal(pthread_create(&client->thread, NULL, connect_all, client), 0);
	while (closed < client->count && clock_now_ns() < end_ns)
		for (int i = 0; i < count; i++)
			closed += serve(contexts[i], &accepted[i]);
	assert_int_equal(pthread_join(client->thread, NULL), 0);
	assert_int_equal(closed, client->count);
}

static void test_share_listeners__lanes_go_round(void **state)
{
	struct client client = {.count = LANES};
	struct fabric *contexts[3] = {open_listener(&client.address), open_context("tcp"), open_context("tcp")};
	struct fabric_error error;
	int accepted[3];

	(void)state;
	if (!fabric_caps(contexts[0])->has_shared_listeners)
		skip();
	assert_int_equal(fabric_share_listeners(contexts[1], contexts[0], &error), 0);
	assert_int_equal(fabric_share_listeners(contexts[2], contexts[0], &error), 0);
	serve_all(contexts, 3, &client, accepted);
	assert_int_equal(client.answered, LANES);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(accepted[i], LANES / 3);
		fabric_close(contexts[i]);
	}
}

// A lane that is handed over to one that sleeps wakes it.
static void test_share_listeners__wakes_the_one_that_serves(void **state)
{
	struct client client = {.count = 1};
	struct fabric *first = open_listener(&client.address), *second = open_context("tcp");
	uint64_t end_ns = clock_now_ns() + PATIENCE_NS;
	struct fabric_error error;
	int first_accepted = 0, accepted = 0;

	(void)state;
	if (!fabric_caps(first)->has_shared_listeners)
		skip();
	assert_int_equal(fabric_share_listeners(second, first, &error), 0);
	assert_int_equal(pthread_create(&client.thread, NULL, connect_all, &client), 0);
	// The first lane is the second context's; the listener only takes it in.
	while (fabric_block(second, fabric_fd(second), 1000000) == 0 && clock_now_ns() < end_ns)
		serve(first, &first_accepted);
	while (serve(second, &accepted) == 0 && clock_now_ns() < end_ns)
		assert_true(fabric_block(second, fabric_fd(second), 1000000000U) >= 0);
	assert_int_equal(pthread_join(client.thread, NULL), 0);
	assert_int_equal(accepted, 1);
	assert_int_equal(first_accepted, 0);
	assert_int_equal(client.answered, 1);
	fabric_close(first);
	fabric_close(second);
}

// What was handed over and never taken ends with the context that it was for.
static void test_share_listeners__ends_what_nobody_took(void **state)
{
	struct client client = {.count = 1};
	struct fabric *first = open_listener(&client.address), *second = open_context("tcp");
	uint64_t end_ns = clock_now_ns() + 200000000U; // the client waits for an answer until its connection ends
	struct fabric_error error;
	int accepted = 0;

	(void)state;
	if (!fabric_caps(first)->has_shared_listeners)
		skip();
	assert_int_equal(fabric_share_listeners(second, first, &error), 0);
	assert_int_equal(pthread_create(&client.thread, NULL, connect_all, &client), 0);
	while (clock_now_ns() < end_ns)
		serve(first, &accepted);
	fabric_close(first);
	fabric_close(second);
	assert_int_equal(pthread_join(client.thread, NULL), 0);
	assert_int_equal(accepted, 0);
	assert_int_equal(client.answered, 0);
}

static void test_share_listeners__refuses_what_cannot_be(void **state)
{
	struct fabric_address address;
	struct fabric *tcp = open_listener(&address), *other = open_context("tcp"), *shm = open_context("shm"), *more = open_context("shm");
	struct fabric_error error;

	(void)state;
	assert_int_equal(fabric_share_listeners(tcp, tcp, &error), -EINVAL);
	assert_int_equal(fabric_share_listeners(shm, tcp, &error), -EINVAL);
	assert_string_equal(error.text, "listeners are shared by two contexts of one provider");
	assert_int_equal(fabric_share_listeners(more, shm, &error), -ENOTSUP);
	assert_string_equal(error.text, "lanes of provider 'shm' stay with the context that they came in on");
	assert_int_equal(fabric_share_listeners(tcp, other, &error), -EINVAL); // which does not listen
	assert_int_equal(fabric_share_listeners(other, tcp, &error), 0);
	assert_int_equal(fabric_share_listeners(other, tcp, &error), -EINVAL);
	assert_string_equal(error.text, "at most 64 contexts share the listeners of one, once each");
	fabric_close(tcp);
	fabric_close(other);
	fabric_close(shm);
	fabric_close(more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_share_listeners__lanes_go_round),
	        cmocka_unit_test(test_share_listeners__wakes_the_one_that_serves),
	        cmocka_unit_test(test_share_listeners__ends_what_nobody_took),
	        cmocka_unit_test(test_share_listeners__refuses_what_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
