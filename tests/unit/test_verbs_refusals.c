#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <rdma/rdma_cma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fabric/verbs.h"

// What a client makes of servers that do not take it, and of devices that do not take its memory. The servers here are made of the connection manager's calls alone. Needs the devices of
// scripts/rdma-vm.

#define HOST "10.9.0.1"
#define PATIENCE_MS 5000

// A server that answers one request to connect, by what it is told here.
struct answer {
	const void *private_data;
	uint8_t length;
	bool is_acceptance;
};

struct server {
	struct rdma_event_channel *channel;
	struct rdma_cm_id *listener;
	uint16_t port;
	struct answer answer;
	pthread_t thread;
};

// Accepting takes a queue pair, which nobody ever uses.
static void accept_request(struct rdma_cm_id *id, const struct answer *answer)
{
	struct ibv_qp_init_attr attributes = {
	        .cap = {.max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1}, .qp_type = IBV_QPT_RC};
	struct rdma_conn_param parameters = {.private_data = answer->private_data, .private_data_len = answer->length};

	assert_int_equal(rdma_create_qp(id, NULL, &attributes), 0);
	assert_int_equal(rdma_accept(id, &parameters), 0);
}

static void *answer_one(void *argument)
{
	struct server *server = argument;
	struct rdma_cm_event *event;
	struct rdma_cm_id *id;

	assert_int_equal(rdma_get_cm_event(server->channel, &event), 0);
	assert_int_equal(event->event, RDMA_CM_EVENT_CONNECT_REQUEST);
	id = event->id;
	rdma_ack_cm_event(event);
	if (server->answer.is_acceptance)
		accept_request(id, &server->answer);
	else
		assert_int_equal(rdma_reject(id, server->answer.private_data, server->answer.length), 0);
	// Until the client has let go of it: by its end, or because it was refused.
	if (server->answer.is_acceptance && rdma_get_cm_event(server->channel, &event) == 0)
		rdma_ack_cm_event(event);
	if (id->qp)
		rdma_destroy_qp(id);
	rdma_destroy_id(id);
	return NULL;
}

static void server_start(struct server *server, struct answer answer)
{
	struct sockaddr_in address = {.sin_family = AF_INET};

	*server = (struct server){.channel = rdma_create_event_channel(), .answer = answer};
	inet_pton(AF_INET, HOST, &address.sin_addr);
	assert_non_null(server->channel);
	assert_int_equal(rdma_create_id(server->channel, &server->listener, NULL, RDMA_PS_TCP), 0);
	assert_int_equal(rdma_bind_addr(server->listener, (struct sockaddr *)&address), 0);
	assert_int_equal(rdma_listen(server->listener, 1), 0);
	server->port = ntohs(rdma_get_src_port(server->listener));
	assert_int_equal(pthread_create(&server->thread, NULL, answer_one, server), 0);
}

static void server_end(struct server *server)
{
	pthread_join(server->thread, NULL);
	rdma_destroy_id(server->listener);
	rdma_destroy_event_channel(server->channel);
}

// What a client is told that connects to a server with this answer.
static int connect_to(struct answer answer, struct fabric_error *error)
{
	struct fabric_address address = {.provider = "rdma", .host = HOST};
	struct fabric_lane *lane;
	struct fabric *fabric;
	struct server server;
	int result;

	server_start(&server, answer);
	address.port = server.port;
	assert_int_equal(fabric_open("rdma", NULL, &fabric, error), 0);
	result = fabric_connect(fabric, &address, PATIENCE_MS, &lane, error);
	fabric_close(fabric);
	server_end(&server);
	return result;
}

static void test_connect__the_reason_of_a_refusal_is_told(void **state)
{
	const struct verbs_refusal refusal = {
	        .magic = VERBS_MAGIC, .version = 2, .text = "another version of the rdma protocol (this side: version 2)"};
	struct fabric_error error;

	(void)state;
	assert_int_equal(connect_to((struct answer){&refusal, sizeof(refusal), false}, &error), -EPROTO);
	assert_string_equal(error.text, "the server refused the connection: another version of the rdma protocol (this side: version 2)");
}

static void test_connect__a_refusal_without_end_is_cut(void **state)
{
	struct verbs_refusal refusal = {.magic = VERBS_MAGIC, .version = 1};
	struct fabric_error error;

	(void)state;
	memset(refusal.text, 'x', sizeof(refusal.text));
	assert_int_equal(connect_to((struct answer){&refusal, sizeof(refusal), false}, &error), -EPROTO);
	assert_int_equal(strspn(strchr(error.text, ':') + 2, "x"), sizeof(refusal.text) - 1);
}

static void test_connect__a_refusal_that_is_not_farfs_s_names_the_address(void **state)
{
	struct fabric_error error;

	(void)state;
	assert_int_equal(connect_to((struct answer){"no", 2, false}, &error), -EPROTO);
	assert_non_null(strstr(error.text, "rdma://" HOST));
}

static void test_connect__a_server_of_another_version_is_no_server(void **state)
{
	const struct verbs_hello hello = {.magic = VERBS_MAGIC, .version = 99, .message_size = 8192, .credits = 17};
	struct fabric_error error;

	(void)state;
	assert_int_equal(connect_to((struct answer){&hello, sizeof(hello), true}, &error), -EPROTO);
	assert_non_null(strstr(error.text, "another version of the rdma protocol"));
}

static void test_connect__another_program_that_accepts_is_no_server(void **state)
{
	struct fabric_error error;

	(void)state;
	assert_int_equal(connect_to((struct answer){"hello", 5, true}, &error), -EPROTO);
	assert_non_null(strstr(error.text, "not a FarFS peer"));
}

// --- memory ---

// Soft-RoCE registers what there is, so the device is made to say that it registers 1 MiB at once.
static void test_register__more_than_the_device_takes_is_told_with_the_number(void **state)
{
	struct fabric_address address = {.provider = "rdma", .host = HOST};
	struct fabric_memory memory;
	struct fabric_error error;
	struct verbs_device *device;
	struct fabric *fabric;
	struct ibv_mr *mr;

	(void)state;
	assert_int_equal(fabric_open("rdma", NULL, &fabric, &error), 0);
	assert_int_equal(fabric_listen(fabric, &address, NULL, &error), 0);
	assert_int_equal(fabric_memory_new(2 << 20, &memory), 0);
	device = ((struct verbs *)fabric)->devices[0];
	device->attributes.max_mr_size = 1 << 20;
	mr = verbs_register(device, memory.base, memory.length, 0, &error);
	assert_null(mr);
	assert_int_equal(errno, ENOMEM);
	assert_non_null(strstr(error.text, "2 MiB"));
	assert_non_null(strstr(error.text, "at most 1 MiB"));
	mr = verbs_register(device, memory.base, 1 << 20, 0, &error);
	assert_non_null(mr);
	ibv_dereg_mr(mr);
	fabric_close(fabric);
	fabric_memory_free(&memory);
}

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_connect__the_reason_of_a_refusal_is_told),
	        cmocka_unit_test(test_connect__a_refusal_without_end_is_cut),
	        cmocka_unit_test(test_connect__a_refusal_that_is_not_farfs_s_names_the_address),
	        cmocka_unit_test(test_connect__a_server_of_another_version_is_no_server),
	        cmocka_unit_test(test_connect__another_program_that_accepts_is_no_server),
	        cmocka_unit_test(test_register__more_than_the_device_takes_is_told_with_the_number),
	};

	if (count > 1)
		cmocka_set_test_filter(arguments[1]);
	if (access("/run/rdma-vm.conf", F_OK) != 0) {
		printf("skipped: needs the addresses of scripts/rdma-vm\n");
		return 77;
	}
	alarm(120);
	return cmocka_run_group_tests_name("verbs_refusals", tests, NULL, NULL);
}
