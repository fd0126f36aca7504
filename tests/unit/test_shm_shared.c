// A shm server that shares its memory: who gets it writable, who does not, and when a lane of one who has it counts as closed.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fabric/shm.h"
#include "fabric_peer.h"
#include "testing.h"

struct client {
	struct fabric *fabric;
	struct fabric_lane *lane;
	uint64_t rkeys[PEER_REGIONS];
};

static struct peer peer;

static int set_up(void **state)
{
	(void)state;
	return peer_start_sharing(&peer, "shm");
}

static int tear_down(void **state)
{
	(void)state;
	peer_stop(&peer);
	return 0;
}

static void say(struct client *client, struct peer_message message)
{
	struct peer_message *space = fabric_send_reserve(client->lane, sizeof(message));

	assert_non_null(space);
	*space = message;
	assert_int_equal(fabric_send(client->lane, sizeof(message)), 0);
	assert_int_equal(fabric_flush(client->lane), 0);
}

static uint64_t ask(struct client *client, struct peer_message message)
{
	struct fabric_event event;
	uint64_t value;

	say(client, message);
	assert_int_equal(fabric_wait(client->fabric, &event, 1, 5000), 1);
	assert_int_equal(event.kind, FABRIC_RECEIVED);
	value = ((const struct peer_message *)event.message)->value;
	if (message.command == PEER_DESCRIBE)
		memcpy(client->rkeys, ((const struct peer_description *)event.message)->rkeys, sizeof(client->rkeys));
	fabric_receive_release(client->lane, event.message);
	return value;
}

static struct client begin(void)
{
	struct fabric_error error;
	struct client client;

	assert_int_equal(fabric_open("shm", NULL, &client.fabric, &error), 0);
	if (fabric_connect(client.fabric, &peer.address, 5000, &client.lane, &error) < 0)
		fail_msg("%s", error.text);
	ask(&client, (struct peer_message){.command = PEER_DESCRIBE});
	return client;
}

static void test_stores__land_in_the_servers_memory(void **state)
{
	struct client client = begin();
	struct fabric_remote remote;

	(void)state;
	assert_int_equal(fabric_import(client.lane, client.rkeys[PEER_OPEN], PEER_REGION_LENGTH, &remote), 0);
	assert_non_null(remote.stores);
	peer_fill((char *)remote.stores + 5000, 100000, 7);
	assert_int_equal(
	        ask(&client,
	                (struct peer_message){.command = PEER_CHECK, .region = PEER_OPEN, .offset = 5000, .length = 100000, .seed = 7}),
	        1);
	assert_true(peer_check((const char *)remote.loads + 5000, 100000, 7));
	fabric_close(client.fabric);
}

static uint64_t lanes_seen_by(struct client *client)
{
	return ask(client, (struct peer_message){.command = PEER_LANES});
}

// The memory that the server granted the lane must not be used for another while this process can still store to it.
static void test_shut__is_closed_only_when_the_client_has_noticed(void **state)
{
	struct client watching = begin();
	struct client client = begin();
	struct fabric_event event;

	(void)state;
	say(&client, (struct peer_message){.command = PEER_SHUT});
	for (int i = 0; i < 20; i++) {
		assert_int_equal(lanes_seen_by(&watching), 2);
		usleep(5000);
	}
	assert_int_equal(fabric_wait(client.fabric, &event, 1, 5000), 1);
	assert_int_equal(event.kind, FABRIC_CLOSED);
	for (int i = 0; i < 1000 && lanes_seen_by(&watching) != 1; i++)
		usleep(5000);
	assert_int_equal(lanes_seen_by(&watching), 1);
	fabric_close(client.fabric);
	fabric_close(watching.fabric);
}

static void test_shut__is_closed_when_the_client_dies(void **state)
{
	struct client watching = begin();
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		struct client client = begin();

		say(&client, (struct peer_message){.command = PEER_SHUT});
		usleep(100000);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (int i = 0; i < 1000 && lanes_seen_by(&watching) != 1; i++)
		usleep(5000);
	assert_int_equal(lanes_seen_by(&watching), 1);
	fabric_close(watching.fabric);
}

// --- another user ---

static int await_note(int fd, struct shm_note *note, int *got)
{
	struct pollfd descriptor = {.fd = fd, .events = POLLIN};
	int result;

	do {
		if (poll(&descriptor, 1, 10000) != 1)
			return -ETIMEDOUT;
		result = shm_note_receive(fd, note, got);
	} while (result == 0);
	return result;
}

// Goes through the beginning of a lane by hand, to get hold of the descriptor of the server's memory. Returns it, or a negative number of the step that failed.
static int fetch_descriptor(uint64_t rkey)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct shm_note note = {.magic = SHM_MAGIC, .version = SHM_VERSION, .kind = SHM_NOTE_HELLO, .message_size = 8192};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct shm_control *control;
	int got;

	strcpy(name.sun_path, peer.address.path);
	if (connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0 || shm_note_send(fd, &note, -1) < 0 || await_note(fd, &note, &got) != 1)
		return -1;
	control = mmap(NULL, shm_lane_memory_size(8192), PROT_READ | PROT_WRITE, MAP_SHARED, got, 0);
	if (control == MAP_FAILED)
		return -2;
	note = (struct shm_note){.magic = SHM_MAGIC, .version = SHM_VERSION, .kind = SHM_NOTE_IMPORT, .rkey = rkey, .length = 4096};
	if (shm_note_send(fd, &note, -1) < 0)
		return -3;
	atomic_store(&control->to_server.notes, 1);
	shm_wake(fd);
	if (await_note(fd, &note, &got) != 1 || note.status != 0 || note.rights & SHM_RIGHT_STORES)
		return -4;
	return got;
}

static int try_as_nobody(uint64_t rkey)
{
	char path[32];
	int fd;

	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 10;
	fd = fetch_descriptor(rkey);
	if (fd < 0)
		return 20 - fd;
	if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		return 30;
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED)
		return 31;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (open(path, O_RDWR | O_CLOEXEC) >= 0 || chmod(path, 0666) == 0)
		return 32;
	return 0;
}

static void test_another_user__gets_the_memory_to_read_only(void **state)
{
	struct client client = begin();
	pid_t child;
	int status;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(peer.folder, 0755), 0);
	assert_int_equal(chmod(peer.address.path, 0666), 0);
	child = fork();
	if (child == 0)
		_exit(try_as_nobody(client.rkeys[PEER_OPEN]));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	fabric_close(client.fabric);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        EACH(test_stores__land_in_the_servers_memory),
	        EACH(test_shut__is_closed_only_when_the_client_has_noticed),
	        EACH(test_shut__is_closed_when_the_client_dies),
	        EACH(test_another_user__gets_the_memory_to_read_only),
	};

	return cmocka_run_group_tests_name("shm_shared", tests, NULL, NULL);
}
