#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fabric/verbs_connection.h"
#include "fabric/verbs_gid.h"
#include "fabric_peer.h"

// Which devices serve, by the rule and by name, several at once, and how deep their lanes are. Needs the devices of scripts/rdma-vm: rxe0, the server's, at 10.9.0.1 and rxe1, the client's, at
// 10.9.0.2; two more are added.

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

// --- devices, ports and GIDs by name ---

static void expect_text(const char *options, int code, const char *reason)
{
	struct fabric_address address;
	struct fabric_error error;
	struct fabric *fabric;
	char text[200];

	snprintf(text, sizeof(text), "rdma://10.9.0.1:%u%s", peer.address.port, options);
	assert_int_equal(try_connect(text, &error), code);
	if (!strstr(error.text, reason))
		fail_msg("%s", error.text);
	// The same for one that listens.
	assert_int_equal(fabric_address_parse(text, &address, &error), 0);
	address.port = 0;
	assert_int_equal(fabric_open("rdma", NULL, &fabric, &error), 0);
	assert_int_equal(fabric_listen(fabric, &address, NULL, &error), code);
	if (!strstr(error.text, reason))
		fail_msg("%s", error.text);
	fabric_close(fabric);
}

static void test_choice__wrong_names_and_numbers_are_told_with_what_there_is(void **state)
{
	(void)state;
	expect_text("?connect=socket&device=mlx5_9", -ENODEV, "there are rxe0, rxe1");
	expect_text("?device=mlx5_9", -ENODEV, "there are rxe0, rxe1");
	expect_text("?connect=socket&device=rxe0&port=2", -ENODEV, "rxe0 has no port 2: its ports are 1 to 1");
	expect_text("?port=2", -ENODEV, "no port 2: its ports are 1 to 1");
	expect_text("?connect=socket&device=rxe0&gid=200", -EADDRNOTAVAIL, "10.9.0.1 RoCE v2");
}

// Connects by these options; which device and GID the lane has.
static void connected_by(const char *options, char device[64], char gid[80])
{
	struct fabric_address address;
	struct fabric_error error;
	struct fabric_lane *lane;
	struct fabric *fabric;
	char text[200];

	snprintf(text, sizeof(text), "rdma://10.9.0.1:%u%s", peer.address.port, options);
	assert_int_equal(fabric_address_parse(text, &address, &error), 0);
	assert_int_equal(fabric_open("rdma", NULL, &fabric, &error), 0);
	if (fabric_connect(fabric, &address, PATIENCE_MS, &lane, &error))
		fail_msg("%s: %s", options, error.text);
	strcpy(device, ((struct verbs_lane *)lane)->device->name);
	verbs_gid_format(&((struct verbs_lane *)lane)->way.gid, gid);
	fabric_close(fabric);
}

static void test_choice__rule_takes_the_device_on_the_peers_network_and_options_override_it(void **state)
{
	char device[64], gid[80];

	(void)state;
	connected_by("?connect=socket", device, gid);
	assert_string_equal(device, "rxe1");
	assert_string_equal(gid, "10.9.0.2 RoCE v2");
	connected_by("?connect=socket&device=rxe0", device, gid);
	assert_string_equal(device, "rxe0");
	assert_string_equal(gid, "10.9.0.1 RoCE v2");
	connected_by("?connect=socket&device=rxe1&port=1&gid=1", device, gid);
	assert_string_equal(device, "rxe1");
}

// --- depths ---

static void test_depth__of_the_address_limits_operations_and_messages_and_both_go_on(void **state)
{
	struct peer_message stream = {.command = PEER_STREAM, .argument = 200};
	struct fabric_address address = peer.address;
	struct fabric_memory memory;
	struct fabric_region *region;
	struct peer_description described;
	struct fabric_remote remote;
	struct fabric_event event;
	struct fabric_error error;
	struct fabric_lane *lane;
	struct fabric *fabric;

	(void)state;
	address.rdma.depth = 2;
	assert_int_equal(fabric_open("rdma", NULL, &fabric, &error), 0);
	assert_int_equal(fabric_memory_new(65536, &memory), 0);
	assert_int_equal(fabric_register(fabric, &memory, 0, 0, &region), 0);
	assert_int_equal(fabric_connect(fabric, &address, PATIENCE_MS, &lane, &error), 0);
	assert_int_equal(((struct verbs_lane *)lane)->depths.credits, 3);
	*(struct peer_message *)fabric_send_reserve(lane, sizeof(stream)) = (struct peer_message){.command = PEER_DESCRIBE};
	fabric_send(lane, sizeof(stream));
	assert_int_equal(fabric_wait(fabric, &event, 1, PATIENCE_MS), 1);
	memcpy(&described, event.message, sizeof(described));
	fabric_receive_release(lane, event.message);
	assert_int_equal(fabric_import(lane, described.rkeys[PEER_OPEN], PEER_REGION_LENGTH, &remote), 0);
	for (uint64_t i = 1; i <= 2; i++)
		assert_int_equal(fabric_post_read(lane, memory.base, remote.rkey, 0, 64, i), 0);
	assert_int_equal(fabric_post_read(lane, memory.base, remote.rkey, 0, 64, 3), -EAGAIN);
	for (uint64_t i = 1; i <= 2; i++) {
		assert_int_equal(fabric_wait(fabric, &event, 1, PATIENCE_MS), 1);
		assert_int_equal(event.context, i);
	}
	// All one way: the peer gets its three credits back without a message of ours.
	*(struct peer_message *)fabric_send_reserve(lane, sizeof(stream)) = stream;
	fabric_send(lane, sizeof(stream));
	for (uint64_t i = 0; i < 200; i++) {
		assert_int_equal(fabric_wait(fabric, &event, 1, PATIENCE_MS), 1);
		assert_int_equal(event.kind, FABRIC_RECEIVED);
		assert_int_equal(((const struct peer_message *)event.message)->value, i);
		fabric_receive_release(lane, event.message);
	}
	fabric_close(fabric);
	fabric_memory_free(&memory);
}

static void test_receives__of_the_address_limit_how_many_lanes_are_served(void **state)
{
	struct fabric_address address = peer.address;
	struct fabric_lane *lane;
	struct fabric_error error;
	struct fabric *fabric;

	(void)state;
	address.rdma.receives = 64; // three lanes of 17
	assert_int_equal(fabric_open("rdma", NULL, &fabric, &error), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fabric_connect(fabric, &address, PATIENCE_MS, &lane, &error), 0);
	assert_int_equal(fabric_connect(fabric, &address, PATIENCE_MS, &lane, &error), -ENOSPC);
	fabric_close(fabric);
}

// --- several devices ---

// A second pair of devices beside the first, rxe2 at 10.9.1.1 and rxe3 at 10.9.1.2, and a name with the servers' addresses on both.
static void add_devices(void)
{
	assert_int_equal(
	        system("ip link add v2 type veth peer name v3 && ip link set v2 mtu 9000 up && ip link set v3 mtu 9000 up &&"
	               " ip address add 10.9.1.1/24 dev v2 && ip address add 10.9.1.2/24 dev v3 &&"
	               " for i in v2 v3; do echo 1 >/proc/sys/net/ipv4/conf/$i/accept_local;"
	               "  echo 0 >/proc/sys/net/ipv4/conf/$i/rp_filter; echo 1 >/proc/sys/net/ipv4/conf/$i/arp_ignore; done &&"
	               " ip route add 10.9.1.2 dev v2 src 10.9.1.1 table 103 && ip route add 10.9.1.1 dev v3 src 10.9.1.2 table 104 &&"
	               " ip rule add pref 8 iif v3 from 10.9.1.1 to 10.9.1.2 lookup local &&"
	               " ip rule add pref 8 iif v2 from 10.9.1.2 to 10.9.1.1 lookup local &&"
	               " ip rule add pref 9 from 10.9.1.1 to 10.9.1.1 lookup local &&"
	               " ip rule add pref 9 from 10.9.1.2 to 10.9.1.2 lookup local &&"
	               " ip rule add pref 10 from 10.9.1.1 to 10.9.1.2 lookup 103 && ip rule add pref 10 iif lo to 10.9.1.1 lookup 104 &&"
	               " rdma link add rxe2 type rxe netdev v2 && rdma link add rxe3 type rxe netdev v3 &&"
	               " chmod 666 /dev/infiniband/* && printf '10.9.0.1 farfs-two\\n10.9.1.1 farfs-two\\n' >>/etc/hosts"),
	        0);
}

struct user {
	struct fabric *fabric;
	struct fabric_lane *lane;
	struct fabric_memory memory;
	struct peer_description said;
};

static void user_ask(struct user *user, struct peer_message command)
{
	struct fabric_event event;

	memcpy(fabric_send_reserve(user->lane, sizeof(command)), &command, sizeof(command));
	assert_int_equal(fabric_send(user->lane, sizeof(command)), 0);
	assert_int_equal(fabric_wait(user->fabric, &event, 1, PATIENCE_MS), 1);
	assert_int_equal(event.kind, FABRIC_RECEIVED);
	memcpy(&user->said, event.message, event.length);
	fabric_receive_release(user->lane, event.message);
}

static void user_connect(struct user *user, const struct fabric_address *address, unsigned turn)
{
	const struct fabric_options options = {.turn = turn};
	struct fabric_region *region;
	struct fabric_error error;

	assert_int_equal(fabric_open("rdma", &options, &user->fabric, &error), 0);
	assert_int_equal(fabric_memory_new(4096, &user->memory), 0);
	assert_int_equal(fabric_register(user->fabric, &user->memory, 0, 0, &region), 0);
	if (fabric_connect(user->fabric, address, PATIENCE_MS, &user->lane, &error))
		fail_msg("%s", error.text);
}

// Each region is known to the lane by its own device's key: one that all may read, and one of the lane's scope.
static void user_write_and_read(struct user *user, uint64_t seed)
{
	const enum peer_region regions[] = {PEER_OPEN, PEER_SCOPED};
	struct fabric_remote remote;
	struct fabric_event event;

	user_ask(user, (struct peer_message){.command = PEER_SET_SCOPE, .argument = PEER_SCOPE});
	for (unsigned i = 0; i < 2; i++) {
		user_ask(user, (struct peer_message){.command = PEER_DESCRIBE});
		assert_int_equal(fabric_import(user->lane, user->said.rkeys[regions[i]], PEER_SMALL_LENGTH, &remote), 0);
		peer_fill(user->memory.base, 4096, seed);
		assert_int_equal(fabric_post_write(user->lane, user->memory.base, remote.rkey, 8192 * seed, 4096, 0), 0);
		user_ask(user, (struct peer_message){
		                       .command = PEER_CHECK, .region = regions[i], .offset = 8192 * seed, .length = 4096, .seed = seed});
		assert_int_equal(user->said.message.value, 1);
		memset(user->memory.base, 0, 4096);
		assert_int_equal(fabric_post_read(user->lane, user->memory.base, remote.rkey, 8192 * seed, 4096, 1), 0);
		assert_int_equal(fabric_wait(user->fabric, &event, 1, PATIENCE_MS), 1);
		assert_int_equal(event.kind, FABRIC_DONE);
		assert_true(peer_check(user->memory.base, 4096, seed));
	}
}

#define USERS 8U

// Connects so many by the name of two addresses, uses each, and counts which of the client's devices they have. Then what the server takes back is gone by both of its devices.
static void count_lanes(const char *options, unsigned lanes[4])
{
	struct user users[USERS];
	struct fabric_address address;
	struct fabric_remote remote;
	struct fabric_error error;
	char text[200];

	snprintf(text, sizeof(text), "rdma://farfs-two:%u%s", peer.address.port, options);
	assert_int_equal(fabric_address_parse(text, &address, &error), 0);
	memset(lanes, 0, 4 * sizeof(*lanes));
	for (unsigned i = 0; i < USERS; i++) {
		user_connect(&users[i], &address, i);
		lanes[((struct verbs_lane *)users[i].lane)->device->name[3] - '0']++;
		user_write_and_read(&users[i], i);
	}
	user_ask(&users[0], (struct peer_message){.command = PEER_DESCRIBE});
	for (unsigned i = 0; i < USERS; i++)
		users[i].said.rkeys[0] = users[0].said.rkeys[PEER_SCOPED];
	user_ask(&users[0], (struct peer_message){.command = PEER_UNREGISTER, .region = PEER_SCOPED});
	for (unsigned i = 1; i < USERS; i++) {
		uint64_t rkey = users[i].said.rkeys[0];

		user_ask(&users[i], (struct peer_message){.command = PEER_ECHO});
		assert_int_equal(fabric_import(users[i].lane, rkey, PEER_SMALL_LENGTH, &remote), -EKEYREJECTED);
	}
	for (unsigned i = 0; i < USERS; i++) {
		fabric_close(users[i].fabric);
		fabric_memory_free(&users[i].memory);
	}
}

// One server on a wildcard address serves by both of its devices, and the lanes of one client use both of its own: over a socket, and by the connection manager.
static void test_devices__lanes_spread_over_them(void **state)
{
	unsigned lanes[4];

	(void)state;
	add_devices();
	for (int i = 0; i < 2; i++) {
		peer_stop(&peer);
		assert_int_equal(peer_start_at(&peer, i ? "rdma" : "rdma-socket", "0.0.0.0"), 0);
		count_lanes(i ? "" : "?connect=socket", lanes);
		assert_int_equal(lanes[0], 0);
		assert_int_equal(lanes[1], 4);
		assert_int_equal(lanes[2], 0);
		assert_int_equal(lanes[3], 4);
	}
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {
	        EACH(test_choice__wrong_names_and_numbers_are_told_with_what_there_is),
	        EACH(test_choice__rule_takes_the_device_on_the_peers_network_and_options_override_it),
	        EACH(test_depth__of_the_address_limits_operations_and_messages_and_both_go_on),
	        EACH(test_receives__of_the_address_limit_how_many_lanes_are_served),
	        EACH(test_devices__lanes_spread_over_them),
	};

	if (count > 1)
		cmocka_set_test_filter(arguments[1]);
	if (access("/run/rdma-vm.conf", F_OK) != 0) {
		printf("skipped: adds devices: runs in scripts/rdma-vm only\n");
		return 77;
	}
	alarm(120);
	return cmocka_run_group_tests_name("verbs_devices", tests, NULL, NULL);
}
