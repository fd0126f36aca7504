// What a session does when its server goes and comes back: clear errors within a bounded time, and work again by itself. Takes the provider; starts the
// server that FAR_SERVER names, on an address of its own. Without FAR_SERVER it exits 77 (skipped).
#include "tests/unit/testing.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "far.h"
#include "far/clock.h"

static const char *provider;
static char folder[] = "/tmp/farfs-reconnect-XXXXXX";
static char address[400];
static pid_t server;

static void exec_server(int ready)
{
	const char *program = getenv("FAR_SERVER");
	char descriptor[16];

	snprintf(descriptor, sizeof(descriptor), "%d", ready);
	if (program)
		execl(program, "far-server", "--pool", "64M", "--listen", address, "--no-shm", "--log-level", "error", "--ready-fd",
		        descriptor, (char *)NULL);
	_exit(127);
}

// Starts the server at `address`; that of a chosen port is taken over for the next time.
static void start_server(void)
{
	char text[512] = "";
	ssize_t length = 0, got;
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	server = fork();
	assert_true(server >= 0);
	if (server == 0) {
		close(ready[0]);
		exec_server(ready[1]);
	}
	close(ready[1]);
	while ((got = read(ready[0], text + length, sizeof(text) - 1 - (size_t)length)) > 0)
		length += got;
	close(ready[0]);
	assert_non_null(strstr(text, "\nready"));
	snprintf(address, sizeof(address), "%.*s", (int)strcspn(text, "\n"), text);
}

static void end_server(int how)
{
	if (server <= 0)
		return;
	kill(server, how);
	waitpid(server, NULL, 0);
	server = 0;
}

static int set_up(void **state)
{
	far_session *session = NULL;

	if (strcmp(provider, "shm") == 0)
		snprintf(address, sizeof(address), "shm://%s/server.sock", folder);
	else if (strcmp(provider, "rdma") == 0)
		snprintf(address, sizeof(address), "rdma://10.9.0.1:0"); // of scripts/rdma-vm
	else
		snprintf(address, sizeof(address), "tcp://127.0.0.1:0");
	start_server();
	assert_int_equal(far_connect(address, &(struct far_options){.size = sizeof(struct far_options), .timeout_ms = 2000}, &session), 0);
	*state = session;
	return 0;
}

static int tear_down(void **state)
{
	far_close(*state);
	end_server(SIGKILL);
	return 0;
}

static uint64_t now_ms(void)
{
	return clock_now_ns() / 1000000;
}

// Waits until the server answers again, as a user's program would.
static int ping_until_answered(far_session *session)
{
	struct timespec pause = {0, 20000000};
	int error = far_ping(session);

	for (int i = 0; i < 100 && error; i++) {
		nanosleep(&pause, NULL);
		error = far_ping(session);
	}
	return error;
}

static void test_reconnect__a_server_that_is_gone_is_an_error_soon(void **state)
{
	far_session *session = *state;
	char large[100000] = "x";
	struct far_stat stat;
	uint64_t begin;
	char byte;

	assert_int_equal(far_put(session, "key", 3, "value", 5, NULL), 0);
	assert_int_equal(far_get_into(session, "key", 3, &byte, 1, 0, NULL, NULL), 1); // remembered, and mapped maybe
	end_server(SIGKILL);
	begin = now_ms();
	for (int i = 0; i < 1000; i++) {
		int error = far_ping(session);

		assert_true(error == -ENOTCONN || error == -EIO);
		error = (int)far_get_into(session, "key", 3, &byte, 1, 0, NULL, NULL);
		assert_true(error == -ENOTCONN || error == -EIO);
		assert_int_equal(far_put(session, "key", 3, "other", 5, NULL), -ENOTCONN); // and not -EIO: nothing was sent
		assert_int_equal(far_put(session, "key", 3, large, sizeof(large), NULL), -ENOTCONN);
		assert_int_equal(far_stat(session, "key", 3, &stat), -ENOTCONN);
	}
	assert_in_range(now_ms() - begin, 0, 3000);
	assert_non_null(strstr(far_last_error(), address));
}

static void test_reconnect__a_warm_get_does_not_read_from_a_dead_server(void **state)
{
	far_session *session = *state;
	struct timespec pause = {0, 50000000};
	char byte;

	assert_int_equal(far_put(session, "key", 3, "value", 5, NULL), 0);
	assert_int_equal(far_get_into(session, "key", 3, &byte, 1, 0, NULL, NULL), 1);
	end_server(SIGKILL);
	nanosleep(&pause, NULL);
	assert_int_equal(far_get_into(session, "key", 3, &byte, 1, 0, NULL, NULL), -ENOTCONN);
}

static void test_reconnect__works_again_by_itself_and_shows_the_new_server_s_objects(void **state)
{
	far_session *session = *state;
	char large[300000] = "x";
	struct far_statistics statistics;
	char byte;

	assert_int_equal(far_put(session, "key", 3, "value", 5, NULL), 0);
	assert_int_equal(far_get_into(session, "key", 3, &byte, 1, 0, NULL, NULL), 1);
	for (int turn = 1; turn <= 3; turn++) {
		end_server(SIGKILL);
		start_server();
		assert_int_equal(ping_until_answered(session), 0);
		assert_int_equal(far_get_into(session, "key", 3, &byte, 1, 0, NULL, NULL), -ENOENT);
		assert_int_equal(far_put(session, "key", 3, large, sizeof(large), NULL), 0);
		assert_int_equal(far_get_into(session, "key", 3, large, sizeof(large), 0, NULL, NULL), sizeof(large));
		assert_int_equal(far_statistics(session, &statistics), 0);
		assert_int_equal(statistics.reconnects, turn);
	}
}

static void test_reconnect__a_change_after_a_quiet_restart_just_works(void **state)
{
	far_session *session = *state;
	struct timespec pause = {0, 50000000};
	char *large = calloc(1, 3000000);

	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(far_put(session, "key", 3, large, turn ? 300000 : 3, NULL), 0);
		end_server(SIGTERM);
		start_server();
		nanosleep(&pause, NULL);
		assert_int_equal(far_put(session, "key", 3, large, turn == 2 ? 3000000 : 300000, NULL), 0); // into grants of the new server
	}
	free(large);
}

static ssize_t kill_then_deliver(void *context, void *buffer, size_t length)
{
	int *calls = context;

	if (++*calls == 3)
		end_server(SIGKILL);
	memset(buffer, 'x', length);
	return *calls < 10 ? (ssize_t)length : 0;
}

static void test_reconnect__a_server_that_dies_during_a_stream_ends_it(void **state)
{
	far_session *session = *state;
	int calls = 0;
	int error = far_put_stream(session, "key", 3, kill_then_deliver, &calls, NULL);

	assert_true(error == -EIO || error == -ENOTCONN);
	start_server();
	assert_int_equal(ping_until_answered(session), 0);
}

static void test_reconnect__a_server_that_hangs_is_a_timeout(void **state)
{
	far_session *session = *state;
	uint64_t begin = now_ms();

	kill(server, SIGSTOP);
	assert_int_equal(far_ping(session), -ETIMEDOUT);
	assert_in_range(now_ms() - begin, 1900, 3500);
	assert_non_null(strstr(far_last_error(), "2000 ms"));
	kill(server, SIGCONT);
	assert_int_equal(ping_until_answered(session), 0);
}

// --- queues ---

#define UNDER_WAY 200
#define MUCH_MS 30000

static far_queue *fill_queue(far_session *session, void *value, size_t large)
{
	static char bytes[UNDER_WAY][8];
	far_queue *queue;

	assert_int_equal(far_queue_new(session, UNDER_WAY, &queue), 0);
	for (size_t i = 0; i < UNDER_WAY; i++) {
		int error = i % 4 == 0   ? far_queue_put(queue, "key", 3, value, i % 40 ? 5 : large, NULL, (void *)i)
		            : i % 4 == 1 ? far_queue_get_into(queue, "key", 3, bytes[i], 5, (void *)i)
		            : i % 4 == 2 ? far_queue_get(queue, "key", 3, (void *)i)
		                         : far_queue_ttl(queue, "key", 3, (uint64_t *)bytes[i], (void *)i);

		assert_int_equal(error, 0);
	}
	return queue;
}

static void test_reconnect__all_that_a_queue_has_under_way_ends_with_its_server(void **state)
{
	char *large = calloc(1, 1000000);
	struct far_completion completion;
	far_session *session = *state;
	far_queue *queue;
	size_t next;

	assert_int_equal(far_put(session, "key", 3, large, 1000000, NULL), 0);
	queue = fill_queue(session, large, 1000000);
	assert_int_equal(far_queue_wait(queue, &completion, 1, MUCH_MS), 1);
	end_server(SIGKILL);
	for (next = 1; next < UNDER_WAY; next++) { // some may have been answered
		assert_int_equal(far_queue_wait(queue, &completion, 1, MUCH_MS), 1);
		assert_ptr_equal(completion.context, (void *)next);
		assert_true(completion.result == 0 || completion.result == -EIO || completion.result == -ENOTCONN ||
		            completion.result == -ENODATA);
		free(completion.value);
	}
	assert_int_equal(far_queue_put(queue, "key", 3, "value", 5, NULL, NULL), 0);
	assert_int_equal(far_queue_wait(queue, &completion, 1, MUCH_MS), 1);
	assert_int_equal(completion.result, -ENOTCONN);
	start_server();
	assert_int_equal(ping_until_answered(session), 0);
	do { // the queue's own connection is not tried again at once
		assert_int_equal(far_queue_put(queue, "key", 3, "value", 5, NULL, NULL), 0);
		assert_int_equal(far_queue_wait(queue, &completion, 1, MUCH_MS), 1);
	} while (completion.result == -ENOTCONN);
	assert_int_equal(completion.result, 0);
	far_queue_free(queue);
	free(large);
}

#define PUTS 16
#define GETS 40

// Gets for longer than the time between two looks at the connection (call_notice): where the pool is mapped, one of them finds out that it is lost.
static void add_gets(far_queue *queue, char *byte)
{
	struct timespec pause = {0, 1000000};

	for (int i = 0; i < GETS; i++) {
		assert_int_equal(i % 2 ? far_queue_get(queue, "other", 5, NULL) : far_queue_get_into(queue, "other", 5, byte, 1, NULL), 0);
		nanosleep(&pause, NULL);
	}
}

// Puts are under way, or answered already, when the server goes. Each has one of two results then.
static void lose_server_under_puts(far_session *session, bool is_answered, int result, int other_result)
{
	struct far_completion completion;
	far_queue *queue;
	char byte;

	assert_int_equal(far_put(session, "other", 5, "value", 5, NULL), 0);
	assert_int_equal(far_queue_new(session, PUTS + GETS, &queue), 0);
	assert_int_equal(far_queue_get_into(queue, "other", 5, &byte, 1, NULL), 0); // remembered
	assert_int_equal(far_queue_wait(queue, &completion, 1, MUCH_MS), 1);
	if (!is_answered)
		kill(server, SIGSTOP);
	for (int i = 0; i < PUTS; i++)
		assert_int_equal(far_queue_put(queue, "key", 3, "value", 5, NULL, NULL), 0);
	if (far_queue_arm(queue) == 0 && is_answered)
		assert_int_equal(poll(&(struct pollfd){.fd = far_queue_fd(queue), .events = POLLIN}, 1, MUCH_MS), 1);
	end_server(SIGKILL);
	add_gets(queue, &byte);
	for (int i = 0; i < PUTS + GETS; i++) {
		assert_int_equal(far_queue_wait(queue, &completion, 1, MUCH_MS), 1);
		free(completion.value);
		if (i < PUTS)
			assert_true(completion.result == result || completion.result == other_result);
		else // those before the end was noticed may have been loaded
			assert_true(completion.result == -EIO || completion.result == -ENOTCONN || completion.result == 0);
	}
	far_queue_free(queue);
}

static void test_reconnect__gets_may_find_out_that_what_is_under_way_is_lost(void **state)
{
	lose_server_under_puts(*state, false, -EIO, -EIO);
}

static void test_reconnect__what_was_answered_is_done_though_the_server_is_gone(void **state)
{
	bool is_kept = strcmp(provider, "shm") == 0; // what is in a socket may be lost with it

	lose_server_under_puts(*state, true, 0, is_kept ? 0 : -EIO);
}

static void test_reconnect__a_queue_asks_questions_again_and_changes_nothing_twice(void **state)
{
	far_session *session = *state;
	far_queue *queue;
	char value[8];

	assert_int_equal(far_put(session, "key", 3, "value", 5, NULL), 0);
	queue = fill_queue(session, value, 5);
	kill(server, SIGSTOP);
	far_queue_submit(queue);
	end_server(SIGKILL);
	start_server();
	assert_int_equal(ping_until_answered(session), 0); // a new connection has a second, and the server may not have run yet
	// As many as were submitted are lost: of the others even puts happen, on the new server.
	for (size_t next = 0; next < UNDER_WAY; next++) {
		struct far_completion completion;
		bool is_put = next % 4 == 0;

		assert_int_equal(far_queue_wait(queue, &completion, 1, MUCH_MS), 1);
		free(completion.value);
		if (next == 0)
			assert_int_equal(completion.result, -EIO);
		assert_true(is_put ? completion.result == -EIO || completion.result == 0
		                   : completion.result == -ENOENT || completion.result == 0 || completion.result == -ENODATA);
	}
	far_queue_free(queue);
}

static void test_reconnect__a_queue_whose_server_hangs_times_out(void **state)
{
	struct far_completion completion;
	far_session *session = *state;
	struct pollfd wake;
	far_queue *queue;
	size_t taken = 0;

	assert_int_equal(far_queue_new(session, 8, &queue), 0);
	kill(server, SIGSTOP);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(
		        i % 2 ? far_queue_put(queue, "key", 3, "value", 5, NULL, (void *)i) : far_queue_get(queue, "key", 3, (void *)i), 0);
	assert_int_equal(far_queue_wait(queue, &completion, 1, 50), 0);
	for (; taken < 8; taken++) {
		assert_int_equal(far_queue_wait(queue, &completion, 1, MUCH_MS), 1);
		assert_ptr_equal(completion.context, (void *)taken);
		assert_int_equal(completion.result, -ETIMEDOUT);
	}
	assert_non_null(strstr(far_last_error(), "2000 ms"));
	kill(server, SIGCONT);
	assert_int_equal(far_queue_put(queue, "key", 3, "value", 5, NULL, NULL), 0);
	assert_int_equal(far_queue_wait(queue, &completion, 1, MUCH_MS), 1);
	assert_int_equal(completion.result, 0);
	// Nor does a loop of one's own sleep on when the server dies.
	kill(server, SIGSTOP);
	assert_int_equal(far_queue_put(queue, "key", 3, "value", 5, NULL, NULL), 0);
	wake = (struct pollfd){.fd = far_queue_fd(queue), .events = POLLIN};
	far_queue_arm(queue);
	end_server(SIGKILL);
	while (far_queue_poll(queue, &completion, 1) == 0)
		if (far_queue_arm(queue) == 0)
			assert_int_equal(poll(&wake, 1, MUCH_MS), 1);
	assert_int_equal(completion.result, -EIO);
	far_queue_free(queue);
}

// Or a loop beside other descriptors would spin for as long as the server is gone.
static void test_reconnect__an_idle_queue_s_descriptor_falls_quiet(void **state)
{
	struct far_completion completion;
	far_session *session = *state;
	struct pollfd wake;
	far_queue *queue;
	int turns = 0;

	assert_int_equal(far_queue_new(session, 8, &queue), 0);
	wake = (struct pollfd){.fd = far_queue_fd(queue), .events = POLLIN};
	while (far_queue_arm(queue))
		assert_int_equal(far_queue_poll(queue, &completion, 1), 0);
	end_server(SIGKILL);
	assert_int_equal(poll(&wake, 1, MUCH_MS), 1);
	while (far_queue_arm(queue) || poll(&wake, 1, 200) == 1) {
		assert_int_equal(far_queue_poll(queue, &completion, 1), 0);
		assert_in_range(++turns, 1, 10);
	}
	assert_int_equal(far_queue_put(queue, "key", 3, "value", 5, NULL, NULL), 0);
	assert_int_equal(far_queue_wait(queue, &completion, 1, MUCH_MS), 1);
	assert_int_equal(completion.result, -ENOTCONN);
	far_queue_free(queue);
}

// --- watches ---

static far_watch *watch_key(far_session *session, const char *key)
{
	far_watch *watch = NULL;

	assert_int_equal(far_watch_new(session, key, strlen(key), 0, &watch), 0);
	return watch;
}

// As a program does that sleeps in poll(2) alone: until the watch says something other than that there is nothing yet.
static int next_by_poll(far_watch *watch, struct far_watch_event *event, int nothing)
{
	struct pollfd wake = {.fd = far_watch_fd(watch), .events = POLLIN};
	int result;

	do {
		assert_int_equal(poll(&wake, 1, 30000), 1);
		result = far_watch_next(watch, event, 0);
	} while (result == nothing);
	return result;
}

static void test_reconnect__a_watch_wakes_its_program_until_the_server_is_back(void **state)
{
	far_session *session = *state;
	far_watch *watch = watch_key(session, "key");
	struct far_watch_event event;
	uint64_t begin;

	assert_int_equal(far_watch_next(watch, &event, 0), 0);
	end_server(SIGKILL);
	assert_int_equal(next_by_poll(watch, &event, 0), -ENOTCONN);
	begin = now_ms();
	for (int i = 0; i < 10; i++) // ten times a second, and no more often
		assert_int_equal(next_by_poll(watch, &event, 0), -ENOTCONN);
	assert_true(now_ms() - begin >= 500);
	start_server();
	assert_int_equal(next_by_poll(watch, &event, -ENOTCONN), 1);
	assert_int_equal(event.kind, FAR_WATCH_LOST);
	assert_int_equal(far_watch_next(watch, &event, 0), 0);
	assert_int_equal(ping_until_answered(session), 0);
	assert_int_equal(far_put(session, "key", 3, "value", 5, NULL), 0);
	assert_int_equal(next_by_poll(watch, &event, 0), 1);
	assert_int_equal(event.kind, FAR_WATCH_CREATED);
	far_watch_free(watch);
}

// What the server would refuse is refused while it is away, too, and not when it is asked for again.
static void test_reconnect__a_watch_keeps_no_key_that_cannot_be(void **state)
{
	far_session *session = *state;
	far_watch *watch = watch_key(session, "key");
	struct far_watch_event event;
	char name[256];

	memset(name, 'n', sizeof(name));
	end_server(SIGKILL);
	assert_int_equal(next_by_poll(watch, &event, 0), -ENOTCONN);
	assert_int_equal(far_watch_add(watch, "a//b", 4, 0), -EINVAL);
	assert_int_equal(far_watch_add(watch, "a//", 3, FAR_WATCH_PREFIX), -EINVAL);
	assert_int_equal(far_watch_add(watch, name, sizeof(name), FAR_WATCH_PREFIX), -ENAMETOOLONG);
	assert_non_null(strstr(far_last_error(), "255"));
	assert_int_equal(far_watch_add(watch, "further/", 8, FAR_WATCH_PREFIX), 0);
	for (int i = 2; i < 1024; i++)
		assert_int_equal(far_watch_add(watch, "key", 3, 0), 0);
	assert_int_equal(far_watch_add(watch, "key", 3, 0), -EMFILE);
	start_server();
	assert_int_equal(far_watch_next(watch, &event, 30000), 1);
	assert_int_equal(event.kind, FAR_WATCH_LOST);
	assert_int_equal(ping_until_answered(session), 0);
	assert_int_equal(far_put(session, "further/key", 11, "value", 5, NULL), 0);
	assert_int_equal(far_watch_next(watch, &event, 30000), 1);
	assert_string_equal(event.key, "further/key");
	far_watch_free(watch);
}

// A server that is back may have no room for what it is asked for again: there may be some later.
static void test_reconnect__a_watch_that_finds_no_room_comes_back_when_there_is(void **state)
{
	far_session *session = *state;
	far_watch *large = watch_key(session, "a"), *small = watch_key(session, "b");
	struct far_watch_event event;
	int result;

	for (int i = 2; i < 1024; i++)
		assert_int_equal(far_watch_add(large, "a", 1, 0), 0);
	assert_int_equal(far_watch_add(large, "a", 1, 0), -EMFILE);
	end_server(SIGKILL);
	assert_int_equal(next_by_poll(small, &event, 0), -ENOTCONN);
	assert_int_equal(far_watch_add(small, "c", 1, 0), 0); // one more than the session may have
	start_server();
	assert_int_equal(far_watch_next(large, &event, 30000), 1);
	assert_int_equal(next_by_poll(small, &event, -ENOTCONN), -EMFILE);
	assert_non_null(strstr(far_last_error(), "1024"));
	far_watch_free(large);
	do
		result = next_by_poll(small, &event, -EMFILE);
	while (result == -ENOTCONN);
	assert_int_equal(result, 1);
	assert_int_equal(event.kind, FAR_WATCH_LOST);
	far_watch_free(small);
}

// The server takes the connection, and then says nothing: who does not want to wait is not kept for the session's whole timeout.
static void test_reconnect__a_watch_does_not_wait_long_for_a_server_that_hangs(void **state)
{
	const struct far_options options = {.size = sizeof(options), .timeout_ms = 120000};
	struct far_watch_event event;
	far_session *session;
	far_watch *watch;
	uint64_t begin;

	(void)state;
	assert_int_equal(far_connect(address, &options, &session), 0);
	watch = watch_key(session, "key");
	end_server(SIGKILL);
	assert_int_equal(next_by_poll(watch, &event, 0), -ENOTCONN);
	start_server();
	kill(server, SIGSTOP);
	begin = now_ms();
	for (int i = 0; i < 3; i++)
		assert_int_equal(next_by_poll(watch, &event, 0), -ENOTCONN);
	assert_in_range(now_ms() - begin, 0, 60000);
	kill(server, SIGCONT);
	assert_int_equal(far_watch_next(watch, &event, 30000), 1);
	far_watch_free(watch);
	far_close(session);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	        TEST(test_reconnect__a_server_that_is_gone_is_an_error_soon),
	        TEST(test_reconnect__a_warm_get_does_not_read_from_a_dead_server),
	        TEST(test_reconnect__works_again_by_itself_and_shows_the_new_server_s_objects),
	        TEST(test_reconnect__a_change_after_a_quiet_restart_just_works),
	        TEST(test_reconnect__a_server_that_dies_during_a_stream_ends_it),
	        TEST(test_reconnect__a_server_that_hangs_is_a_timeout),
	        TEST(test_reconnect__all_that_a_queue_has_under_way_ends_with_its_server),
	        TEST(test_reconnect__gets_may_find_out_that_what_is_under_way_is_lost),
	        TEST(test_reconnect__what_was_answered_is_done_though_the_server_is_gone),
	        TEST(test_reconnect__a_queue_asks_questions_again_and_changes_nothing_twice),
	        TEST(test_reconnect__a_queue_whose_server_hangs_times_out),
	        TEST(test_reconnect__an_idle_queue_s_descriptor_falls_quiet),
	        TEST(test_reconnect__a_watch_wakes_its_program_until_the_server_is_back),
	        TEST(test_reconnect__a_watch_keeps_no_key_that_cannot_be),
	        TEST(test_reconnect__a_watch_that_finds_no_room_comes_back_when_there_is),
	        TEST(test_reconnect__a_watch_does_not_wait_long_for_a_server_that_hangs),
	};
	int failed;

	if (!getenv("FAR_SERVER")) {
		fprintf(stderr, "FAR_SERVER names no server program\n");
		return 77;
	}
	provider = argc > 1 ? argv[1] : "shm";
	if (!mkdtemp(folder))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	end_server(SIGKILL);
	if (strncmp(address, "shm://", 6) == 0)
		unlink(address + 6);
	rmdir(folder);
	return failed != 0;
}
