#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fabric/shm.h"
#include "fabric_peer.h"

// What only shm has: its socket in the file system, and a client that plays foul with the memory it shares with the server. The foul client is
// written against shm_wire.h by hand; whatever it does may cost its own lane, and the server must go on serving.

struct fixture {
	struct peer peer;
	int socket; // the foul client's
	unsigned char *memory;
	struct shm_control *control;
	uint32_t ring_size;
	uint64_t rkeys[PEER_REGIONS];
};

static int raw_connect(const struct fixture *fixture)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(name.sun_path, fixture->peer.address.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	return fd;
}

// Waits for a note and returns as shm_note_receive does.
static int await_note(int fd, struct shm_note *note, int *got)
{
	struct pollfd descriptor = {.fd = fd, .events = POLLIN};
	int result;

	do {
		*got = -1;
		assert_int_equal(poll(&descriptor, 1, 10000), 1);
		result = shm_note_receive(fd, note, got);
	} while (result == 0);
	return result;
}

static struct shm_note hello(void)
{
	return (struct shm_note){.magic = SHM_MAGIC, .version = SHM_VERSION, .kind = SHM_NOTE_HELLO, .message_size = 8192};
}

static void greet(struct fixture *fixture)
{
	struct shm_note note = hello();
	int fd;

	fixture->socket = raw_connect(fixture);
	assert_int_equal(shm_note_send(fixture->socket, &note, -1), 0);
	assert_int_equal(await_note(fixture->socket, &note, &fd), 1);
	assert_int_equal(note.status, 0);
	fixture->ring_size = note.ring_size;
	fixture->memory = mmap(NULL, shm_lane_memory_size(8192), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(fixture->memory != MAP_FAILED);
	fixture->control = (struct shm_control *)(void *)fixture->memory;
	close(fd);
}

static struct fabric_lane *good_client(struct fixture *fixture, struct fabric **fabric)
{
	struct fabric_lane *lane;
	struct fabric_error error;

	assert_int_equal(fabric_open("shm", NULL, fabric, &error), 0);
	if (fabric_connect(*fabric, &fixture->peer.address, 5000, &lane, &error) < 0)
		fail_msg("%s", error.text);
	return lane;
}

static struct fabric_event good_ask(struct fabric *fabric, struct fabric_lane *lane, uint32_t command)
{
	struct peer_message *message = fabric_send_reserve(lane, sizeof(*message));
	struct fabric_event event;

	assert_non_null(message);
	*message = (struct peer_message){.command = command};
	assert_int_equal(fabric_send(lane, sizeof(*message)), 0);
	assert_int_equal(fabric_wait(fabric, &event, 1, 5000), 1);
	assert_int_equal(event.kind, FABRIC_RECEIVED);
	return event;
}

// The server answers a good client, who is its only one then.
static void expect_server_serves(struct fixture *fixture)
{
	struct fabric *fabric;
	struct fabric_lane *lane = good_client(fixture, &fabric);
	uint64_t lanes = 0;

	for (int i = 0; i < 2000 && lanes != 1; i++) {
		struct fabric_event event = good_ask(fabric, lane, PEER_LANES);

		lanes = ((const struct peer_message *)event.message)->value;
		fabric_receive_release(lane, event.message);
		usleep(1000);
	}
	assert_int_equal(lanes, 1);
	fabric_close(fabric);
}

static void learn_rkeys(struct fixture *fixture)
{
	struct fabric *fabric;
	struct fabric_lane *lane = good_client(fixture, &fabric);
	struct fabric_event event = good_ask(fabric, lane, PEER_DESCRIBE);

	memcpy(fixture->rkeys, ((const struct peer_description *)event.message)->rkeys, sizeof(fixture->rkeys));
	fabric_close(fabric);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_int_equal(peer_start(&fixture->peer, "shm"), 0);
	learn_rkeys(fixture);
	greet(fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	peer_stop(&fixture->peer);
	close(fixture->socket);
	munmap(fixture->memory, shm_lane_memory_size(8192));
	free(fixture);
	return 0;
}

static void expect_hang_up(int fd)
{
	struct pollfd descriptor = {.fd = fd, .events = POLLRDHUP};

	assert_int_equal(poll(&descriptor, 1, 10000), 1);
}

// The foul client's lane has ended, with this status.
static void expect_ended(struct fixture *fixture, int status)
{
	expect_hang_up(fixture->socket);
	assert_int_equal(atomic_load(&fixture->control->end_status), status);
	munmap(fixture->memory, shm_lane_memory_size(8192));
	close(fixture->socket);
	expect_server_serves(fixture);
	greet(fixture);
}

static void publish(struct fixture *fixture, uint64_t head)
{
	atomic_store(&fixture->control->to_server.head, head);
	shm_wake(fixture->socket);
}

static void put_frame(struct fixture *fixture, uint32_t kind, uint32_t length, const void *body, size_t body_length)
{
	struct shm_frame frame = {.kind = kind, .length = length};
	unsigned char *ring = fixture->memory + SHM_CONTROL_SIZE;

	memcpy(ring, &frame, sizeof(frame));
	memcpy(ring + sizeof(frame), body, body_length);
}

static void test_head__nonsense_ends_the_lane(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t heads[] = {1, 63, UINT64_MAX, UINT64_MAX - 63, 1ULL << 40, fixture->ring_size + 64};

	for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		publish(fixture, heads[i]);
		expect_ended(fixture, -EPROTO);
	}
}

static void test_frame__nonsense_ends_the_lane(void **state)
{
	struct fixture *fixture = *state;
	const struct shm_frame frames[] = {{0, 16, 0}, {99, 16, 0}, {SHM_FRAME_MESSAGE, 0, 0}, {SHM_FRAME_MESSAGE, 49, 0},
	        {SHM_FRAME_MESSAGE, UINT32_MAX, 0}, {SHM_FRAME_PAD, UINT32_MAX, 0}, {SHM_FRAME_WRITE, 8, 0}, {SHM_FRAME_FETCH_ADD, 0, 0}};

	for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		put_frame(fixture, frames[i].kind, frames[i].length, "", 0);
		publish(fixture, 64);
		expect_ended(fixture, -EPROTO);
	}
	put_frame(fixture, SHM_FRAME_MESSAGE, 8193, "", 0);
	publish(fixture, 16384);
	expect_ended(fixture, -EPROTO);
}

static void post(struct fixture *fixture, uint32_t kind, struct shm_operation operation, uint32_t behind, int status)
{
	put_frame(fixture, kind, (uint32_t)sizeof(operation) + behind, &operation, sizeof(operation));
	publish(fixture, shm_frame_span(sizeof(operation) + behind));
	expect_ended(fixture, status);
}

static void test_operation__nonsense_ends_the_lane(void **state)
{
	struct fixture *fixture = *state;
	uint64_t open = fixture->rkeys[PEER_OPEN];
	uint64_t cells = fixture->rkeys[PEER_ATOMIC];

	post(fixture, SHM_FRAME_WRITE, (struct shm_operation){open, 0, 100, {1, 2}}, 0, -EACCES);
	post(fixture, SHM_FRAME_WRITE, (struct shm_operation){open, 0, UINT64_MAX, {0, 0}}, 0, -EACCES);
	post(fixture, SHM_FRAME_WRITE_INLINE, (struct shm_operation){open, UINT64_MAX - 3, 64, {0, 0}}, 64, -EACCES);
	post(fixture, SHM_FRAME_WRITE_INLINE, (struct shm_operation){open, 0, 65, {0, 0}}, 64, -EPROTO);
	post(fixture, SHM_FRAME_WRITE_INLINE, (struct shm_operation){open, 0, 0, {0, 0}}, 0, -EPROTO);
	post(fixture, SHM_FRAME_FETCH_ADD, (struct shm_operation){cells, 4, 8, {1, 0}}, 0, -EACCES);
	post(fixture, SHM_FRAME_FETCH_ADD, (struct shm_operation){cells, 0, 16, {1, 0}}, 0, -EACCES);
	post(fixture, SHM_FRAME_COMPARE_SWAP, (struct shm_operation){cells, PEER_SMALL_LENGTH, 8, {1, 0}}, 0, -EACCES);
	post(fixture, SHM_FRAME_COMPARE_SWAP, (struct shm_operation){open, 0, 8, {1, 0}}, 0, -EACCES);
}

static void test_tail__nonsense_ends_the_lane(void **state)
{
	struct fixture *fixture = *state;
	struct peer_message command = {.command = PEER_STREAM, .argument = 100};

	atomic_store(&fixture->control->to_client.tail, 1ULL << 50);
	put_frame(fixture, SHM_FRAME_MESSAGE, sizeof(command), &command, sizeof(command));
	publish(fixture, shm_frame_span(sizeof(command)));
	expect_ended(fixture, -EPROTO);
}

static void add_region(struct fixture *fixture, struct shm_note note, int fd)
{
	note.magic = SHM_MAGIC;
	note.version = SHM_VERSION;
	note.kind = SHM_NOTE_REGION_ADD;
	assert_int_equal(shm_note_send(fixture->socket, &note, fd), 0);
	atomic_store(&fixture->control->to_server.notes, 1);
	shm_wake(fixture->socket);
	expect_ended(fixture, -EPROTO);
	if (fd >= 0)
		close(fd);
}

static int buffer(unsigned seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

// Memory that could be taken away under the server would kill it.
static void test_region__that_could_shrink_ends_the_lane(void **state)
{
	struct fixture *fixture = *state;

	add_region(fixture, (struct shm_note){.rkey = 64, .length = 8192, .rights = 3}, buffer(0));
	add_region(fixture, (struct shm_note){.rkey = 64, .length = 8192, .rights = 3}, buffer(F_SEAL_GROW));
	add_region(fixture, (struct shm_note){.rkey = 64, .length = 100}, open("/etc/passwd", O_RDONLY | O_CLOEXEC));
	add_region(fixture, (struct shm_note){.rkey = 64, .length = 8192}, -1);
}

static void test_region__outside_its_memfd_ends_the_lane(void **state)
{
	struct fixture *fixture = *state;

	add_region(fixture, (struct shm_note){.rkey = 64, .length = 8193}, buffer(F_SEAL_SHRINK));
	add_region(fixture, (struct shm_note){.rkey = 64, .length = 8192, .fd_offset = 4096}, buffer(F_SEAL_SHRINK));
	add_region(fixture, (struct shm_note){.rkey = 64, .length = 4096, .fd_offset = UINT64_MAX - 4095}, buffer(F_SEAL_SHRINK));
	add_region(fixture, (struct shm_note){.rkey = 64, .length = 0}, buffer(F_SEAL_SHRINK));
}

static void test_notes__counted_but_not_sent_end_the_lane(void **state)
{
	struct fixture *fixture = *state;

	atomic_store(&fixture->control->to_server.notes, 5);
	shm_wake(fixture->socket);
	expect_ended(fixture, -EPROTO);
}

static void test_packet__garbage_ends_the_lane(void **state)
{
	struct fixture *fixture = *state;
	char garbage[500] = "garbage";

	assert_true(send(fixture->socket, garbage, sizeof(garbage), 0) > 0);
	atomic_store(&fixture->control->to_server.notes, 1);
	shm_wake(fixture->socket);
	expect_ended(fixture, -EPROTO);
}

// Whether it is the message's command, which the peer obeys: it has some that end it.
static bool is_command(uint32_t offset)
{
	uint32_t first = SHM_CONTROL_SIZE + (uint32_t)sizeof(struct shm_frame);

	return offset >= first && offset < first + sizeof(uint32_t);
}

static void test_scribbling__over_all_shared_memory_hurts_the_scribbler_only(void **state)
{
	struct fixture *fixture = *state;
	struct peer_message command = {.command = PEER_ECHO};

	srand(7);
	for (int round = 0; round < 100; round++) {
		put_frame(fixture, SHM_FRAME_MESSAGE, sizeof(command), &command, sizeof(command));
		publish(fixture, shm_frame_span(sizeof(command)));
		for (int i = 0; i < 20000; i++) {
			uint32_t offset = (uint32_t)rand() % (i % 2 ? 512 : SHM_CONTROL_SIZE + 4096);

			if (!is_command(offset))
				fixture->memory[offset] = (unsigned char)rand();
		}
		shm_wake(fixture->socket);
		munmap(fixture->memory, shm_lane_memory_size(8192));
		close(fixture->socket);
		greet(fixture);
	}
	close(fixture->socket);
	fixture->socket = -1;
	expect_server_serves(fixture);
}

static void refuse(struct fixture *fixture, struct shm_note note, int status)
{
	int fd = raw_connect(fixture);
	int got;

	assert_int_equal(shm_note_send(fd, &note, -1), 0);
	assert_int_equal(await_note(fd, &note, &got), 1);
	assert_int_equal(note.status, status);
	assert_int_equal(got, -1);
	expect_hang_up(fd);
	close(fd);
}

static void test_hello__wrong_ones_are_refused_with_a_status(void **state)
{
	struct fixture *fixture = *state;
	struct shm_note note = hello();

	note.version = SHM_VERSION + 1;
	refuse(fixture, note, -EPROTONOSUPPORT);
	note = hello();
	note.message_size = 64;
	refuse(fixture, note, -EPROTO);
	note = hello();
	note.message_size = UINT32_MAX;
	refuse(fixture, note, -EPROTO);
	note = hello();
	note.kind = SHM_NOTE_IMPORT;
	refuse(fixture, note, -EPROTO);
	note = hello();
	note.magic = 1;
	refuse(fixture, note, -EPROTO);
}

static void test_hello__silent_connections_do_not_keep_others_out(void **state)
{
	struct fixture *fixture = *state;
	int silent[100];

	for (unsigned i = 0; i < 100; i++)
		silent[i] = raw_connect(fixture);
	close(fixture->socket);
	fixture->socket = -1;
	expect_server_serves(fixture);
	expect_hang_up(silent[0]); // more than 64: the oldest had to go
	for (unsigned i = 0; i < 100; i++)
		close(silent[i]);
}

static void test_listen__socket_is_its_owners_only(void **state)
{
	struct fixture *fixture = *state;
	struct stat found;

	assert_int_equal(stat(fixture->peer.address.path, &found), 0);
	assert_int_equal(found.st_mode & 07777, 0600);
}

static void test_listen__dead_servers_socket_is_replaced_and_removed_at_the_end(void **state)
{
	struct fixture *fixture = *state;
	struct fabric_address address = fixture->peer.address;
	struct fabric_error error;
	struct fabric *fabric;

	kill(fixture->peer.pid, SIGKILL);
	waitpid(fixture->peer.pid, NULL, 0);
	fixture->peer.pid = 0;
	assert_int_equal(access(address.path, F_OK), 0);
	assert_int_equal(fabric_open("shm", NULL, &fabric, &error), 0);
	assert_int_equal(fabric_listen(fabric, &address, NULL, &error), 0);
	fabric_close(fabric);
	assert_int_equal(access(address.path, F_OK), -1);
}

static void test_listen__file_that_is_no_socket_is_left_alone(void **state)
{
	char path[] = "/tmp/farfs-shm-XXXXXX";
	int fd = mkstemp(path);
	struct fabric_address address = {.provider = "shm"};
	struct fabric_error error;
	struct fabric *fabric;

	(void)state;
	strcpy(address.path, path);
	assert_int_equal(fabric_open("shm", NULL, &fabric, &error), 0);
	assert_int_equal(fabric_listen(fabric, &address, NULL, &error), -EADDRINUSE);
	fabric_close(fabric);
	assert_int_equal(unlink(path), 0);
	close(fd);
}

static void test_register__memory_that_could_shrink_is_refused(void **state)
{
	struct fabric_memory memory = {.length = 8192, .fd = buffer(0)};
	struct fabric_region *region;
	struct fabric_error error;
	struct fabric *fabric;

	(void)state;
	memory.base = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0);
	assert_int_equal(fabric_open("shm", NULL, &fabric, &error), 0);
	assert_int_equal(fabric_register(fabric, &memory, FABRIC_REMOTE_WRITE, 0, &region), -EINVAL);
	close(memory.fd);
	memory.fd = -1;
	assert_int_equal(fabric_register(fabric, &memory, FABRIC_REMOTE_WRITE, 0, &region), -EINVAL);
	munmap(memory.base, 8192);
	fabric_close(fabric);
}

static void test_connect__smaller_message_size_is_agreed_on(void **state)
{
	struct fixture *fixture = *state;
	struct fabric_options options = {.message_size = 32768};
	struct fabric_lane *lane;
	struct fabric_error error;
	struct fabric *fabric;

	assert_int_equal(fabric_open("shm", &options, &fabric, &error), 0);
	assert_int_equal(fabric_connect(fabric, &fixture->peer.address, 5000, &lane, &error), 0);
	assert_int_equal(fabric_lane_message_size(lane), 8192);
	fabric_close(fabric);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        EACH(test_head__nonsense_ends_the_lane),
	        EACH(test_frame__nonsense_ends_the_lane),
	        EACH(test_operation__nonsense_ends_the_lane),
	        EACH(test_tail__nonsense_ends_the_lane),
	        EACH(test_region__that_could_shrink_ends_the_lane),
	        EACH(test_region__outside_its_memfd_ends_the_lane),
	        EACH(test_notes__counted_but_not_sent_end_the_lane),
	        EACH(test_packet__garbage_ends_the_lane),
	        EACH(test_scribbling__over_all_shared_memory_hurts_the_scribbler_only),
	        EACH(test_hello__wrong_ones_are_refused_with_a_status),
	        EACH(test_hello__silent_connections_do_not_keep_others_out),
	        EACH(test_listen__socket_is_its_owners_only),
	        EACH(test_listen__dead_servers_socket_is_replaced_and_removed_at_the_end),
	        cmocka_unit_test(test_listen__file_that_is_no_socket_is_left_alone),
	        cmocka_unit_test(test_register__memory_that_could_shrink_is_refused),
	        EACH(test_connect__smaller_message_size_is_agreed_on),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
