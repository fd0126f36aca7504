#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "fabric/verbs_connection.h"
#include "fabric/verbs_gid.h"

// What the rdma provider decides without a device: which way is best, how deep queues are, and what is wrong with a letter.

static struct verbs_way way(const char *device, enum verbs_reach reach, int distance, unsigned lanes)
{
	struct verbs_way made = {.port = 1, .reach = reach, .distance = distance, .lanes = lanes};

	strcpy(made.device, device);
	return made;
}

static void test_ways_order__reach_before_distance_before_load(void **state)
{
	struct verbs_way ways[] = {
	        way("a", VERBS_REACH_UNKNOWN, 10, 0),
	        way("b", VERBS_REACH_NETWORK, 21, 0),
	        way("c", VERBS_REACH_NETWORK, 10, 5),
	        way("d", VERBS_REACH_SELF, 10, 0),
	        way("e", VERBS_REACH_NETWORK, 10, 2),
	        way("f", VERBS_REACH_ROUTE, 10, 0),
	        way("g", VERBS_REACH_ASKED, 30, 9),
	};
	const char *const expected[] = {"g", "e", "c", "b", "f", "d", "a"};

	(void)state;
	verbs_ways_order(ways, 7, 0);
	for (int i = 0; i < 7; i++)
		assert_string_equal(ways[i].device, expected[i]);
}

static void test_ways_order__equal_ones_take_turns(void **state)
{
	const char *const first[] = {"a", "b", "c", "a", "b"};

	(void)state;
	for (unsigned turn = 0; turn < 5; turn++) {
		struct verbs_way ways[] = {
		        way("far", VERBS_REACH_NETWORK, 20, 0),
		        way("c", VERBS_REACH_NETWORK, 10, 0),
		        way("a", VERBS_REACH_NETWORK, 10, 0),
		        way("b", VERBS_REACH_NETWORK, 10, 0),
		};

		verbs_ways_order(ways, 4, turn);
		assert_string_equal(ways[0].device, first[turn]);
		assert_string_equal(ways[3].device, "far");
	}
}

static struct ibv_gid_entry gid(const char *address, enum ibv_gid_type type)
{
	struct ibv_gid_entry made = {.gid_type = type};

	assert_int_equal(inet_pton(AF_INET6, address, made.gid.raw), 1);
	return made;
}

static void test_gid_rank__ipv4_of_roce_v2_first(void **state)
{
	const struct sockaddr_in v4 = {.sin_family = AF_INET};
	const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct ibv_gid_entry mapped = gid("::ffff:10.0.0.1", IBV_GID_TYPE_ROCE_V2);
	struct ibv_gid_entry routable = gid("2001:db8::1", IBV_GID_TYPE_ROCE_V2);
	struct ibv_gid_entry local = gid("fe80::1", IBV_GID_TYPE_ROCE_V2);
	struct ibv_gid_entry old = gid("::ffff:10.0.0.1", IBV_GID_TYPE_ROCE_V1);

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct sockaddr *peer = i ? (const struct sockaddr *)&v4 : NULL;

		assert_true(verbs_gid_rank(&mapped, peer) < verbs_gid_rank(&routable, peer));
		assert_true(verbs_gid_rank(&routable, peer) < verbs_gid_rank(&local, peer));
		assert_true(verbs_gid_rank(&local, peer) < verbs_gid_rank(&old, peer));
	}
	assert_true(verbs_gid_rank(&routable, (const struct sockaddr *)&v6) < verbs_gid_rank(&mapped, (const struct sockaddr *)&v6));
}

static void test_gid_format__is_an_address_with_its_type(void **state)
{
	struct ibv_gid_entry mapped = gid("::ffff:10.0.0.1", IBV_GID_TYPE_ROCE_V2);
	struct ibv_gid_entry local = gid("fe80::1", IBV_GID_TYPE_ROCE_V1);
	struct sockaddr_storage address;
	char text[80];

	(void)state;
	assert_string_equal(verbs_gid_format(&mapped, text), "10.0.0.1 RoCE v2");
	assert_string_equal(verbs_gid_format(&local, text), "fe80::1 RoCE v1");
	assert_true(verbs_gid_address(&mapped, &address));
	assert_int_equal(address.ss_family, AF_INET);
	local.gid_type = IBV_GID_TYPE_IB;
	assert_false(verbs_gid_address(&local, &address));
}

static void test_depths__follow_what_is_asked_for(void **state)
{
	const struct ibv_device_attr large = {.max_qp_wr = 16384, .max_srq_wr = 32768};
	struct verbs_depths depths = verbs_depths_choose(&large, 64);

	(void)state;
	assert_int_equal(depths.operations, 64);
	assert_int_equal(depths.queue, 256);
	assert_int_equal(depths.posts, 160);
	assert_int_equal(depths.windows, 208);
	assert_int_equal(depths.credits, 17);
	assert_int_equal(depths.return_at, 4);
	depths = verbs_depths_choose(&large, 1);
	assert_int_equal(depths.operations, 1);
	assert_int_equal(depths.queue, 64);
	assert_int_equal(depths.credits, 3);
	assert_int_equal(depths.return_at, 2);
	assert_int_equal(verbs_depths_receives(&large, 0, true), 32768);
	assert_int_equal(verbs_depths_receives(&large, 0, false), 4096);
	assert_int_equal(verbs_depths_receives(&large, 100, true), 100);
}

static void test_depths__end_where_the_device_does(void **state)
{
	const struct ibv_device_attr small = {.max_qp_wr = 64, .max_srq_wr = 1000};
	struct verbs_depths depths = verbs_depths_choose(&small, 64);

	(void)state;
	assert_int_equal(depths.queue, 64);
	assert_int_equal(depths.posts, 40);
	assert_int_equal(depths.operations, 40);
	assert_int_equal(verbs_depths_receives(&small, 0, true), 1000);
	assert_int_equal(verbs_depths_receives(&small, 2000, false), 1000);
}

static struct verbs_exchange good_exchange(void)
{
	return (struct verbs_exchange){
	        .head = {.magic = VERBS_MAGIC, .version = VERBS_VERSION, .length = 64, .kind = VERBS_REQUEST},
	        .hello = {.magic = VERBS_MAGIC, .version = VERBS_VERSION, .message_size = 8192, .credits = 17},
	        .qp_number = 17,
	        .psn = 0xffffff,
	        .mtu = IBV_MTU_1024,
	        .link_layer = IBV_LINK_LAYER_ETHERNET,
	        .gid_type = IBV_GID_TYPE_ROCE_V2,
	        .reads_taken = 16,
	        .reads_posted = 16,
	};
}

static void test_letter_fault__names_what_is_wrong(void **state)
{
	struct verbs_letter_head head = good_exchange().head;

	(void)state;
	assert_null(verbs_letter_fault(&head, VERBS_REQUEST));
	assert_non_null(strstr(verbs_letter_fault(&head, VERBS_ACCEPTANCE), "kind"));
	head.length = UINT32_MAX;
	assert_non_null(strstr(verbs_letter_fault(&head, VERBS_REQUEST), "length"));
	head.version = 2;
	assert_non_null(strstr(verbs_letter_fault(&head, VERBS_REQUEST), "version"));
	head.magic = 0x20544547;
	assert_string_equal(verbs_letter_fault(&head, VERBS_REQUEST), "not a FarFS peer");
}

static void test_exchange_fault__every_field_is_checked(void **state)
{
	struct verbs_exchange exchange = good_exchange();

	(void)state;
	assert_null(verbs_exchange_fault(&exchange));
#define WITH(field, value)          \
	exchange = good_exchange(); \
	exchange.field = (value);   \
	assert_non_null(verbs_exchange_fault(&exchange))
	WITH(hello.magic, 0);
	WITH(hello.message_size, 100);
	WITH(hello.credits, 1);
	WITH(qp_number, 1);
	WITH(qp_number, 1U << 24);
	WITH(psn, 1U << 24);
	WITH(mtu, 0);
	WITH(mtu, 6);
	WITH(link_layer, 0);
	WITH(link_layer, 3);
	WITH(gid_type, 3);
	WITH(reads_taken, 0);
	WITH(reads_posted, 0);
#undef WITH
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_ways_order__reach_before_distance_before_load),
	        cmocka_unit_test(test_ways_order__equal_ones_take_turns),
	        cmocka_unit_test(test_gid_rank__ipv4_of_roce_v2_first),
	        cmocka_unit_test(test_gid_format__is_an_address_with_its_type),
	        cmocka_unit_test(test_depths__follow_what_is_asked_for),
	        cmocka_unit_test(test_depths__end_where_the_device_does),
	        cmocka_unit_test(test_letter_fault__names_what_is_wrong),
	        cmocka_unit_test(test_exchange_fault__every_field_is_checked),
	};

	return cmocka_run_group_tests_name("ways", tests, NULL, NULL);
}
