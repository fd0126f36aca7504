// What a session does when its server goes and comes back: clear errors within a bounded time, and work again by itself. Takes the provider; starts the
// server that FAR_SERVER names, on an address of its own. Without FAR_SERVER it exits 77 (skipped).
#include "tests/unit/testing.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "far.h"

static const char *provider;
static char folder[] = "/tmp/farfs-reconnect-XXXXXX";
static char address[400];
static pid_t server;

static void exec_server(int ready)
{
	char descriptor[16];

	snprintf(descriptor, sizeof(descriptor), "%d", ready);
	execl(getenv("FAR_SERVER"), "far-server", "--pool", "64M", "--listen", address, "--no-shm", "--log-level", "error", "--ready-fd",
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
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
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
