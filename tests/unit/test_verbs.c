#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <rdma/rdma_cma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fabric/verbs.h"
#include "fabric_peer.h"
#include "far/clock.h"

// What only the rdma provider has: refusals by the connection manager, requests that make no sense, and a machine that is not set up for it. Needs the devices of scripts/rdma-vm.

#define PATIENCE_MS 5000

static struct peer peer;

static int set_up(void **state)
{
	(void)state;
	return peer_start(&peer, "rdma");
}

static int tear_down(void **state)
{
	(void)state;
	peer_stop(&peer);
	return 0;
}

// --- requests by the connection manager alone ---

static struct rdma_cm_event *next_event(struct rdma_event_channel *channel, enum rdma_cm_event_type type)
{
	struct rdma_cm_event *event;

	assert_int_equal(rdma_get_cm_event(channel, &event), 0);
	assert_int_equal(event->event, type);
	return event;
}

// Asks to connect with this private data; returns the text of the refusal.
static void be_refused(const void *private_data, uint8_t length, char text[VERBS_REFUSAL])
{
	struct rdma_event_channel *channel = rdma_create_event_channel();
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(peer.address.port)};
	struct rdma_conn_param parameters = {.private_data = private_data, .private_data_len = length};
	const struct verbs_refusal *refusal;
	struct rdma_cm_event *event;
	struct rdma_cm_id *id;

	assert_non_null(channel);
	inet_pton(AF_INET, peer.address.host, &address.sin_addr);
	assert_int_equal(rdma_create_id(channel, &id, NULL, RDMA_PS_TCP), 0);
	assert_int_equal(rdma_resolve_addr(id, NULL, (struct sockaddr *)&address, PATIENCE_MS), 0);
	rdma_ack_cm_event(next_event(channel, RDMA_CM_EVENT_ADDR_RESOLVED));
	assert_int_equal(rdma_resolve_route(id, PATIENCE_MS), 0);
	rdma_ack_cm_event(next_event(channel, RDMA_CM_EVENT_ROUTE_RESOLVED));
	assert_int_equal(rdma_connect(id, &parameters), 0);
	event = next_event(channel, RDMA_CM_EVENT_REJECTED);
	assert_true(event->param.conn.private_data_len >= sizeof(*refusal));
	refusal = event->param.conn.private_data;
	assert_int_equal(refusal->magic, VERBS_MAGIC);
	memcpy(text, refusal->text, VERBS_REFUSAL);
	rdma_ack_cm_event(event);
	rdma_destroy_id(id);
	rdma_destroy_event_channel(channel);
}

static const struct verbs_hello good = {.magic = VERBS_MAGIC, .version = VERBS_VERSION, .message_size = 8192, .credits = 17};

static void test_connect__another_version_is_refused_with_its_number(void **state)
{
	struct verbs_hello hello = good;
	char text[VERBS_REFUSAL];

	(void)state;
	hello.version = 99;
	be_refused(&hello, sizeof(hello), text);
	assert_non_null(strstr(text, "version"));
	assert_non_null(strstr(text, "1"));
}

static void test_connect__what_makes_no_sense_is_refused(void **state)
{
	struct verbs_hello hellos[] = {good, good, good, good, good};
	char text[VERBS_REFUSAL];

	(void)state;
	hellos[0].magic = 1;
	hellos[1].message_size = 100;
	hellos[2].message_size = 1 << 30;
	hellos[3].credits = 1;
	hellos[4].credits = UINT32_MAX;
	for (unsigned i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++) {
		be_refused(&hellos[i], sizeof(hellos[i]), text);
		assert_true(text[0] != '\0');
	}
	be_refused(NULL, 0, text);
	assert_non_null(strstr(text, "not a FarFS peer"));
}

static void test_choose__server_that_listens_is_found_by_the_device(void **state)
{
	struct fabric_address address;
	struct fabric_error error;
	char text[384], why[128];

	(void)state;
	setenv("FARFS_RUNTIME_DIR", "/nowhere", 1);
	snprintf(text, sizeof(text), "%s:%u", peer.address.host, peer.address.port);
	assert_int_equal(fabric_address_choose(text, &address, why, &error), 0);
	assert_string_equal(address.provider, "rdma");
	peer_stop(&peer);
	assert_int_equal(fabric_address_choose(text, &address, why, &error), 0);
	assert_string_equal(address.provider, "tcp");
}

// --- a machine that is not set up for it ---

static int try_connect(const char *host, uint16_t port, struct fabric_error *error)
{
	struct fabric_address address = {.provider = "rdma", .port = port};
	struct fabric_lane *lane;
	struct fabric *fabric;
	int result;

	strcpy(address.host, host);
	assert_int_equal(fabric_open("rdma", NULL, &fabric, error), 0);
	result = fabric_connect(fabric, &address, 2000, &lane, error);
	fabric_close(fabric);
	return result;
}

static void test_connect__nobody_listens_is_told_so(void **state)
{
	struct fabric_error error;

	(void)state;
	assert_int_equal(try_connect(peer.address.host, 1, &error), -ECONNREFUSED);
	assert_non_null(strstr(error.text, "far-server"));
}

static void test_connect__no_device_leads_there_is_told_so(void **state)
{
	struct fabric_error error;

	(void)state;
	assert_true(try_connect("127.0.0.1", 7440, &error) < 0);
	assert_non_null(strstr(error.text, "no RDMA device"));
}

static void test_listen__address_of_no_device_is_told_so(void **state)
{
	struct fabric_address address = {.provider = "rdma", .host = "127.0.0.1"};
	struct fabric_error error;
	struct fabric *fabric;

	(void)state;
	assert_int_equal(fabric_open("rdma", NULL, &fabric, &error), 0);
	assert_int_equal(fabric_listen(fabric, &address, NULL, &error), -ENODEV);
	assert_non_null(strstr(error.text, "no RDMA device"));
	fabric_close(fabric);
}

// As a user who may lock 1 MiB. Exits with 0 if the error says what is needed.
static int listen_with_little_memlock(void)
{
	struct fabric_address address = {.provider = "rdma", .host = "10.9.0.1"};
	const struct rlimit limit = {1 << 20, 1 << 20};
	struct fabric_memory memory;
	struct fabric_region *region;
	struct fabric_error error = {""};
	struct fabric *fabric;

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setgid(65534) || setuid(65534))
		return 2;
	if (fabric_open("rdma", NULL, &fabric, &error) || fabric_memory_new(64 << 20, &memory) ||
	        fabric_register(fabric, &memory, FABRIC_REMOTE_READ, 0, &region)) {
		fprintf(stderr, "%s\n", error.text);
		return 3;
	}
	if (fabric_listen(fabric, &address, NULL, &error) != -ENOMEM)
		return 4;
	return strstr(error.text, "ulimit -l") && strstr(error.text, "65536 KiB") ? 0 : 5;
}

static void test_listen__too_little_memlock_is_told_with_the_number(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(listen_with_little_memlock());
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

// The link of the server's side goes down while the client writes: one end of the lane, in bounded time, then a new one.
static void test_link_down__ends_the_lane_and_a_new_one_works(void **state)
{
	struct fabric_memory memory;
	struct fabric_region *region;
	struct fabric_event event;
	struct fabric_error error;
	struct fabric_lane *lane;
	struct fabric *fabric;
	uint64_t begin_ns;

	(void)state;
	assert_int_equal(fabric_open("rdma", NULL, &fabric, &error), 0);
	assert_int_equal(fabric_memory_new(4096, &memory), 0);
	assert_int_equal(fabric_register(fabric, &memory, 0, 0, &region), 0);
	assert_int_equal(fabric_connect(fabric, &peer.address, PATIENCE_MS, &lane, &error), 0);
	assert_int_equal(system("ip link set v0 down"), 0);
	*(struct peer_message *)fabric_send_reserve(lane, sizeof(struct peer_message)) = (struct peer_message){.command = PEER_LANES};
	fabric_send(lane, sizeof(struct peer_message));
	begin_ns = clock_now_ns();
	assert_int_equal(fabric_wait(fabric, &event, 1, 20000), 1);
	assert_int_equal(event.kind, FABRIC_CLOSED);
	assert_true(event.status == -ETIMEDOUT || event.status == -ECONNRESET);
	assert_true(clock_now_ns() - begin_ns < 10000000000ULL);
	fabric_disconnect(lane);
	assert_int_equal(system("ip link set v0 up && ip route replace 10.9.0.2 dev v0 src 10.9.0.1 table 101"), 0);
	for (int i = 0; i < 20 && fabric_connect(fabric, &peer.address, 1000, &lane, &error); i++)
		lane = NULL;
	assert_non_null(lane);
	fabric_close(fabric);
	fabric_memory_free(&memory);
}

// --- clients that keep or borrow what they were told ---

struct client {
	struct fabric *fabric;
	struct fabric_lane *lane;
	struct fabric_memory memory;
	struct peer_description described;
};

static struct fabric_lane *connect_lane(const struct client *client)
{
	struct fabric_lane *lane = NULL;
	struct fabric_error error;

	assert_int_equal(fabric_connect(client->fabric, &peer.address, PATIENCE_MS, &lane, &error), 0);
	return lane;
}

static void ask(struct client *client, struct fabric_lane *lane, struct peer_message command)
{
	struct fabric_event event;

	memcpy(fabric_send_reserve(lane, sizeof(command)), &command, sizeof(command));
	assert_int_equal(fabric_send(lane, sizeof(command)), 0);
	assert_int_equal(fabric_wait(client->fabric, &event, 1, PATIENCE_MS), 1);
	assert_int_equal(event.kind, FABRIC_RECEIVED);
	memcpy(&client->described, event.message, event.length);
	fabric_receive_release(lane, event.message);
}

static void client_begin(struct client *client)
{
	struct fabric_region *region;
	struct fabric_error error;

	assert_int_equal(fabric_open("rdma", NULL, &client->fabric, &error), 0);
	assert_int_equal(fabric_memory_new(65536, &client->memory), 0);
	assert_int_equal(fabric_register(client->fabric, &client->memory, 0, 0, &region), 0);
	client->lane = connect_lane(client);
	ask(client, client->lane, (struct peer_message){.command = PEER_DESCRIBE});
}

static void client_end(struct client *client)
{
	fabric_close(client->fabric);
	fabric_memory_free(&client->memory);
}

// The lane's device is made to send this key, whatever the server told since; the server's must refuse it.
static void expect_key_refused(struct client *client, struct fabric_lane *lane, const struct verbs_remote *remote)
{
	struct verbs_lane *inside = (struct verbs_lane *)lane;
	struct fabric_event event;

	inside->remotes[inside->remote_count++] = *remote;
	assert_int_equal(fabric_post_write(lane, client->memory.base, remote->rkey, 0, 64, 1), 0);
	assert_int_equal(fabric_flush(lane), 0);
	assert_int_equal(fabric_wait(client->fabric, &event, 1, PATIENCE_MS), 1);
	assert_int_equal(event.kind, FABRIC_CLOSED);
	assert_int_equal(event.status, -EACCES);
}

// The client's lane in the scope, and what it was told of the region there.
static struct verbs_remote enter_scope(struct client *client)
{
	uint64_t rkey = client->described.rkeys[PEER_SCOPED];
	struct fabric_remote imported;

	ask(client, client->lane, (struct peer_message){.command = PEER_SET_SCOPE, .argument = PEER_SCOPE});
	assert_int_equal(fabric_import(client->lane, rkey, PEER_SMALL_LENGTH, &imported), 0);
	return *verbs_remote_find((struct verbs_lane *)client->lane, rkey);
}

static void test_unregister__the_devices_old_key_reaches_nothing(void **state)
{
	struct client client;
	struct verbs_remote remote;

	(void)state;
	client_begin(&client);
	remote = enter_scope(&client);
	ask(&client, client.lane, (struct peer_message){.command = PEER_UNREGISTER, .region = PEER_SCOPED});
	assert_null(verbs_remote_find((struct verbs_lane *)client.lane, remote.rkey));
	expect_key_refused(&client, client.lane, &remote);
	client_end(&client);
}

static void test_scope__the_devices_key_of_another_lane_reaches_nothing(void **state)
{
	struct client client;
	struct verbs_remote remote;
	struct fabric_lane *other;

	(void)state;
	client_begin(&client);
	remote = enter_scope(&client);
	other = connect_lane(&client);
	expect_key_refused(&client, other, &remote);
	// The lane that was given it goes on.
	ask(&client, client.lane, (struct peer_message){.command = PEER_ECHO});
	client_end(&client);
}

static void test_import__region_that_nobody_told_of_yet_is_asked_for(void **state)
{
	struct client client;
	struct fabric_remote remote;
	struct fabric_lane *other;

	(void)state;
	client_begin(&client);
	other = connect_lane(&client); // it has had no message
	assert_int_equal(fabric_import(other, client.described.rkeys[PEER_OPEN], PEER_REGION_LENGTH, &remote), 0);
	assert_int_equal(fabric_import(other, client.described.rkeys[PEER_OPEN], PEER_REGION_LENGTH + 1, &remote), -EKEYREJECTED);
	assert_int_equal(fabric_import(other, 12345, 1, &remote), -EKEYREJECTED);
	client_end(&client);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {
	        EACH(test_connect__another_version_is_refused_with_its_number),
	        EACH(test_connect__what_makes_no_sense_is_refused),
	        EACH(test_choose__server_that_listens_is_found_by_the_device),
	        EACH(test_connect__nobody_listens_is_told_so),
	        EACH(test_connect__no_device_leads_there_is_told_so),
	        EACH(test_listen__address_of_no_device_is_told_so),
	        EACH(test_listen__too_little_memlock_is_told_with_the_number),
	        EACH(test_unregister__the_devices_old_key_reaches_nothing),
	        EACH(test_scope__the_devices_key_of_another_lane_reaches_nothing),
	        EACH(test_import__region_that_nobody_told_of_yet_is_asked_for),
	        EACH(test_link_down__ends_the_lane_and_a_new_one_works),
	};
	struct fabric_error error;
	struct fabric *fabric;

	if (count > 1)
		cmocka_set_test_filter(arguments[1]);
	if (access("/run/rdma-vm.conf", F_OK) != 0) {
		printf("skipped: takes links down and changes limits: runs in scripts/rdma-vm only\n");
		return 77;
	}
	if (fabric_open("rdma", NULL, &fabric, &error) < 0) {
		printf("skipped: %s\n", error.text);
		return 77;
	}
	fabric_close(fabric);
	alarm(120);
	return cmocka_run_group_tests_name("verbs", tests, NULL, NULL);
}
