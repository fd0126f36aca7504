#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fabric/verbs_connection.h"
#include "fabric_peer.h"
#include "far/clock.h"

// What only lanes have that are connected over a socket (connect=socket). Needs the devices of scripts/rdma-vm: rxe0, the server's, at 10.9.0.1 and
// rxe1, the client's, at 10.9.0.2.

#define PATIENCE_MS 5000

static struct peer peer;

static int set_up(void **state)
{
	(void)state;
	return peer_start(&peer, "rdma-socket");
}

static int tear_down(void **state)
{
	(void)state;
	peer_stop(&peer);
	return 0;
}

// --- clients that play foul, by a socket alone ---

static const struct verbs_exchange good = {
        .head = {.magic = VERBS_MAGIC, .version = VERBS_VERSION, .length = sizeof(struct verbs_exchange), .kind = VERBS_REQUEST},
        .hello = {.magic = VERBS_MAGIC, .version = VERBS_VERSION, .message_size = 8192, .credits = 17},
        .qp_number = 17,
        .gid = {[10] = 0xff, 0xff, 10, 9, 0, 2},
        .mtu = IBV_MTU_1024,
        .link_layer = IBV_LINK_LAYER_ETHERNET,
        .gid_type = IBV_GID_TYPE_ROCE_V2,
        .reads_taken = 1,
        .reads_posted = 1,
};

static int open_socket(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(peer.address.port)};
	struct timeval limit = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, peer.address.host, &address.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

// Reads the refusal that must come, and the end behind it.
static void expect_refusal(int fd, const char *reason)
{
	struct verbs_refusal_letter letter;

	assert_int_equal(recv(fd, &letter, sizeof(letter), MSG_WAITALL), sizeof(letter));
	assert_int_equal(letter.head.magic, VERBS_MAGIC);
	assert_int_equal(letter.head.kind, VERBS_REFUSAL_LETTER);
	assert_int_equal(letter.head.length, sizeof(letter));
	if (!strstr(letter.refusal.text, reason))
		fail_msg("%s", letter.refusal.text);
	assert_int_equal(recv(fd, &letter, 1, 0), 0);
	close(fd);
}

static void be_refused(const struct verbs_exchange *request, size_t length, const char *reason)
{
	int fd = open_socket();

	assert_int_equal(send(fd, request, length, MSG_NOSIGNAL), length);
	expect_refusal(fd, reason);
}

// The server answers others, whatever was done to it.
static void expect_service(void)
{
	struct peer_message echo = {.command = PEER_ECHO};
	struct fabric_error error = {""};
	struct fabric_event event;
	struct fabric_lane *lane;
	struct fabric *fabric;

	assert_int_equal(fabric_open("rdma", NULL, &fabric, &error), 0);
	if (fabric_connect(fabric, &peer.address, PATIENCE_MS, &lane, &error))
		fail_msg("%s", error.text);
	memcpy(fabric_send_reserve(lane, sizeof(echo)), &echo, sizeof(echo));
	assert_int_equal(fabric_send(lane, sizeof(echo)), 0);
	assert_int_equal(fabric_wait(fabric, &event, 1, PATIENCE_MS), 1);
	assert_int_equal(event.kind, FABRIC_RECEIVED);
	fabric_close(fabric);
}

static void test_request__wrong_ones_are_refused_with_the_reason(void **state)
{
	struct verbs_exchange request = good;

	(void)state;
	memcpy(&request, "GET / HTTP/1.1\r\nHost: there\r\n\r\n", 32);
	be_refused(&request, 32, "not a FarFS peer");
	request = good;
	request.head.version = 99;
	be_refused(&request, sizeof(request), "version");
	request = good;
	request.head.length = UINT32_MAX;
	be_refused(&request, sizeof(request.head), "length");
	request = good;
	request.head.kind = VERBS_ACCEPTANCE;
	be_refused(&request, sizeof(request), "kind");
	request = good;
	request.hello.message_size = 1U << 30;
	be_refused(&request, sizeof(request), "message size");
	request = good;
	request.qp_number = UINT32_MAX;
	be_refused(&request, sizeof(request), "queue pair");
	request = good;
	request.gid_type = IBV_GID_TYPE_ROCE_V1;
	be_refused(&request, sizeof(request), "type");
	expect_service();
}

static void test_request__silence_and_half_a_request_end_in_time_and_keep_nobody_out(void **state)
{
	uint64_t begin_ns = clock_now_ns();
	int silent = open_socket(), half = open_socket();

	(void)state;
	assert_int_equal(send(half, &good, 20, MSG_NOSIGNAL), 20);
	expect_service();
	assert_true(clock_now_ns() - begin_ns < 4000000000ULL); // not after their time was over
	expect_refusal(silent, "nothing was said");
	expect_refusal(half, "nothing was said");
	assert_true(clock_now_ns() - begin_ns < 9000000000ULL);
	expect_service();
}

static void test_request__more_silent_ones_than_there_is_room_for_keep_nobody_out(void **state)
{
	int sockets[VERBS_HANDSHAKES + 20];

	(void)state;
	for (unsigned i = 0; i < VERBS_HANDSHAKES + 20; i++)
		sockets[i] = open_socket();
	expect_service();
	for (unsigned i = 0; i < VERBS_HANDSHAKES + 20; i++)
		close(sockets[i]);
}

// Nobody has that GID: the kernel asks for it in vain, for a second, and others are served meanwhile.
static void test_request__gid_of_nobody_is_refused_and_does_not_block_the_server(void **state)
{
	struct verbs_exchange request = good;
	uint64_t begin_ns;
	int fd = open_socket();

	(void)state;
	request.gid[15] = 77;
	assert_int_equal(send(fd, &request, sizeof(request), MSG_NOSIGNAL), sizeof(request));
	begin_ns = clock_now_ns();
	expect_service();
	assert_true(clock_now_ns() - begin_ns < 800000000);
	expect_refusal(fd, "does not reach");
}

static uint64_t peer_cpu_ns(void)
{
	struct timespec used;
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(peer.pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &used), 0);
	return (uint64_t)used.tv_sec * 1000000000U + (uint64_t)used.tv_nsec;
}

static void test_request__server_without_descriptors_sleeps_and_serves_when_it_has_some(void **state)
{
	const struct timespec pause = {.tv_sec = 2};
	struct rlimit limit, none;
	uint64_t before_ns;
	int fd;

	(void)state;
	assert_int_equal(prlimit(peer.pid, RLIMIT_NOFILE, NULL, &limit), 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = limit.rlim_max}; // poll(2) wants to watch some
	assert_int_equal(prlimit(peer.pid, RLIMIT_NOFILE, &none, NULL), 0);
	fd = open_socket();
	before_ns = peer_cpu_ns();
	nanosleep(&pause, NULL);
	assert_true(peer_cpu_ns() - before_ns < 1000000000); // a loop kept awake takes both seconds
	assert_int_equal(prlimit(peer.pid, RLIMIT_NOFILE, &limit, NULL), 0);
	assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
	expect_refusal(fd, "not a FarFS peer");
	expect_service();
}

// It gets its answer, and never says a word on the queue pair.
static void test_request__queue_pair_that_nothing_comes_on_ends_in_time(void **state)
{
	struct verbs_exchange answer;
	int fd = open_socket();

	(void)state;
	assert_int_equal(send(fd, &good, sizeof(good), MSG_NOSIGNAL), sizeof(good));
	assert_int_equal(recv(fd, &answer, sizeof(answer), MSG_WAITALL), sizeof(answer));
	assert_int_equal(answer.head.kind, VERBS_ACCEPTANCE);
	assert_null(verbs_exchange_fault(&answer));
	assert_int_equal(recv(fd, &answer, 1, 0), 0);
	close(fd);
	expect_service();
}

// --- servers that play foul ---

// Says this to the first who connects, and then nothing. Returns its process.
static pid_t serve_bytes(const void *bytes, size_t length, uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(address);
	pid_t child;

	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&address, &size);
	*port = ntohs(address.sin_port);
	child = fork();
	if (child == 0) {
		int fd;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = accept(listener, NULL, NULL);

		if (length == 0 || send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length)
			pause();
		_exit(0);
	}
	close(listener);
	return child;
}

static int try_connect(const char *text, struct fabric_error *error)
{
	struct fabric_address address;
	struct fabric_lane *lane;
	struct fabric *fabric;
	int result;

	assert_int_equal(fabric_address_parse(text, &address, error), 0);
	assert_int_equal(fabric_open("rdma", NULL, &fabric, error), 0);
	result = fabric_connect(fabric, &address, 1000, &lane, error);
	fabric_close(fabric);
	return result;
}

static void expect_failure(const void *bytes, size_t length, int code, const char *reason)
{
	struct fabric_error error;
	char text[100];
	uint16_t port;
	pid_t child = serve_bytes(bytes, length, &port);

	snprintf(text, sizeof(text), "rdma://127.0.0.1:%u?connect=socket&device=rxe1", port); // one way: what it serves is one connection
	assert_int_equal(try_connect(text, &error), code);
	if (!strstr(error.text, reason))
		fail_msg("%s", error.text);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void test_answer__wrong_ones_are_refused_with_the_reason(void **state)
{
	struct verbs_exchange answer = good;

	(void)state;
	expect_failure("220 mail.example.org ESMTP", 26, -EPROTO, "not a FarFS peer");
	answer.head.kind = VERBS_ACCEPTANCE;
	answer.head.version = 2;
	expect_failure(&answer, sizeof(answer), -EPROTO, "version");
	answer.head.version = VERBS_VERSION;
	answer.head.length = 1 << 30;
	expect_failure(&answer, sizeof(answer), -EPROTO, "length");
	answer.head.length = sizeof(answer);
	answer.mtu = 9;
	expect_failure(&answer, sizeof(answer), -EPROTO, "MTU");
	expect_failure(&answer, 24, -ETIMEDOUT, "does not answer");
	expect_failure(NULL, 0, -ETIMEDOUT, "does not answer");
}

static void test_answer__queue_pair_that_is_not_there_is_told_with_both_gids(void **state)
{
	struct verbs_exchange answer = good;

	(void)state;
	answer.head.kind = VERBS_ACCEPTANCE;
	answer.gid[15] = 1;
	answer.qp_number = 0xfffffe;
	expect_failure(&answer, sizeof(answer), -EHOSTUNREACH, "10.9.0.1 RoCE v2");
}

// --- without a connection manager ---

static void test_connect__needs_no_connection_manager(void **state)
{
	struct fabric_error error;
	int result;

	(void)state;
	peer_stop(&peer);
	assert_int_equal(rename("/dev/infiniband/rdma_cm", "/dev/infiniband/hidden"), 0);
	result = peer_start(&peer, "rdma-socket");
	if (result == 0)
		expect_service();
	result |= try_connect("rdma://10.9.0.1:7440", &error) == 0;
	assert_int_equal(rename("/dev/infiniband/hidden", "/dev/infiniband/rdma_cm"), 0);
	assert_int_equal(result, 0);
	assert_non_null(strstr(error.text, "connect=socket"));
}

// --- the life line ---

static void test_lifeline__its_end_is_the_lanes_without_traffic(void **state)
{
	struct fabric_event event;
	struct fabric_error error;
	struct fabric_lane *lane;
	struct fabric *fabric;

	(void)state;
	assert_int_equal(fabric_open("rdma", NULL, &fabric, &error), 0);
	assert_int_equal(fabric_connect(fabric, &peer.address, PATIENCE_MS, &lane, &error), 0);
	kill(peer.pid, SIGKILL);
	assert_int_equal(fabric_wait(fabric, &event, 1, 2000), 1);
	assert_int_equal(event.kind, FABRIC_CLOSED);
	assert_int_equal(event.status, -ECONNRESET);
	fabric_close(fabric);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {
	        EACH(test_request__wrong_ones_are_refused_with_the_reason),
	        EACH(test_request__silence_and_half_a_request_end_in_time_and_keep_nobody_out),
	        EACH(test_request__more_silent_ones_than_there_is_room_for_keep_nobody_out),
	        EACH(test_request__gid_of_nobody_is_refused_and_does_not_block_the_server),
	        EACH(test_request__server_without_descriptors_sleeps_and_serves_when_it_has_some),
	        EACH(test_request__queue_pair_that_nothing_comes_on_ends_in_time),
	        EACH(test_answer__wrong_ones_are_refused_with_the_reason),
	        EACH(test_answer__queue_pair_that_is_not_there_is_told_with_both_gids),
	        EACH(test_connect__needs_no_connection_manager),
	        EACH(test_lifeline__its_end_is_the_lanes_without_traffic),
	};

	if (count > 1)
		cmocka_set_test_filter(arguments[1]);
	if (access("/run/rdma-vm.conf", F_OK) != 0) {
		printf("skipped: hides the connection manager: runs in scripts/rdma-vm only\n");
		return 77;
	}
	alarm(120);
	return cmocka_run_group_tests_name("verbs_socket", tests, NULL, NULL);
}
