// server/metrics.c, exposition.c, handle_metrics.c and far/latency.h: buckets and percentiles, what dispatch counts, and how it is told.
#include <stdio.h>
#include <stdlib.h>

#include "served.h"
#include "server/exposition.h"
#include "server/metrics.h"
#include "testing.h"

static struct server *server;

static int set_up(void **state)
{
	(void)state;
	server = served_open(32U << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	served_close(server);
	return 0;
}

static void test_latency__buckets_have_bounds_an_eighth_apart(void **state)
{
	(void)state;
	assert_int_equal(latency_bucket(0), 0);
	assert_int_equal(latency_bucket(1), 0);
	assert_int_equal(latency_bucket(2), 1);
	assert_int_equal(latency_bucket(16), 15);
	assert_int_equal(latency_bucket(17), 16);
	assert_int_equal(latency_bucket(18), 16);
	assert_int_equal(latency_bound(16), 18);
	assert_int_equal(latency_bound(latency_bucket(1024)), 1024); // powers of two are bounds
	assert_int_equal(latency_bound(latency_bucket(1025)), 1152);
	assert_int_equal(latency_bucket(UINT64_MAX), 255);
	assert_int_equal(latency_bound(255), 1ULL << 34);
	for (unsigned i = 1; i < LATENCY_BUCKETS; i++) {
		assert_int_equal(latency_bucket(latency_bound(i)), i);
		assert_int_equal(latency_bucket(latency_bound(i - 1) + 1), i);
	}
}

static void test_latency__quantiles_are_bounds_of_buckets(void **state)
{
	uint64_t counts[LATENCY_BUCKETS] = {0};

	(void)state;
	assert_int_equal(latency_quantile(counts, 500), 0);
	counts[latency_bucket(8)] = 98;
	counts[latency_bucket(1024)] = 1;
	counts[latency_bucket(4096)] = 1;
	assert_int_equal(latency_quantile(counts, 0), 8);
	assert_int_equal(latency_quantile(counts, 500), 8);
	assert_int_equal(latency_quantile(counts, 980), 8);
	assert_int_equal(latency_quantile(counts, 981), 1024);
	assert_int_equal(latency_quantile(counts, 990), 1024);
	assert_int_equal(latency_quantile(counts, 1000), 4096);
}

static uint64_t count_of(unsigned op)
{
	return metrics_get(&server->metrics->operations[op].count);
}

static void test_dispatch__counts_every_operation_and_times_some(void **state)
{
	struct served_lane *client = served_join(server);
	uint64_t timed = 0;

	(void)state;
	assert_int_equal(served_put(client, "key", "value", 5), FAR_STATUS_OK);
	for (unsigned i = 0; i < 2 * METRICS_TIMED_EVERY; i++)
		assert_int_equal(served_get(client, "key", 0), FAR_STATUS_OK);
	assert_int_equal(served_get(client, "none", 0), FAR_STATUS_NOT_FOUND);
	assert_int_equal(count_of(FAR_OP_PUT), 1);
	assert_int_equal(count_of(FAR_OP_GET), 2 * METRICS_TIMED_EVERY + 1);
	assert_int_equal(count_of(FAR_OP_HELLO), 1);
	assert_int_equal(metrics_get(&server->metrics->operations[FAR_OP_GET].errors), 1);
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		timed += metrics_get(&server->metrics->operations[FAR_OP_GET].buckets[i]);
	assert_int_equal(timed, 3);
	assert_int_equal(client->lane.session->operations, 1 + 1 + 2 * METRICS_TIMED_EVERY + 1);
	served_leave(client);
}

static void test_dispatch__counts_malformed_messages(void **state)
{
	struct served_lane *client = served_join(server);
	struct far_request nonsense = {.op = 63, .length = sizeof(nonsense)};

	(void)state;
	served_raw(client, &nonsense, sizeof(nonsense));
	assert_int_equal(metrics_get(&server->metrics->malformed), 1);
	served_leave(client);
}

// What a function wrote; the caller frees it.
static char *written(void (*write)(FILE *to, const char *value), const char *value)
{
	char *text = NULL;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	assert_non_null(to);
	write(to, value);
	fclose(to);
	return text;
}

static void test_exposition__labels_are_escaped(void **state)
{
	char *text = written(exposition_label, "a\\b\"c\nd");

	(void)state;
	assert_string_equal(text, "\"a\\\\b\\\"c\\nd\"");
	free(text);
}

static void write_all(FILE *to, const char *value)
{
	(void)value;
	exposition_write(to, server->metrics, metrics_get(&server->metrics->beat_ns) + 1500000000U);
}

static void test_exposition__histograms_are_cumulative(void **state)
{
	struct metrics_operation *get = &server->metrics->operations[FAR_OP_GET];
	char *text;

	(void)state;
	metrics_add(&get->count, 40);
	metrics_add(&get->buckets[latency_bucket(128)], 1);
	metrics_add(&get->buckets[latency_bucket(129)], 2);
	metrics_add(&get->buckets[LATENCY_BUCKETS - 1], 4);
	metrics_add(&get->time_ns, 17000000386U);
	text = written(write_all, "");
	assert_non_null(strstr(text, "# TYPE farfs_operation_duration_seconds histogram\n"));
	assert_non_null(strstr(text, "farfs_operations_total{operation=\"get\"} 40\n"));
	assert_non_null(strstr(text, "farfs_operations_total{operation=\"put\"} 0\n"));
	assert_non_null(strstr(text, "_bucket{operation=\"get\",le=\"0.000000128\"} 1\n"));
	assert_non_null(strstr(text, "_bucket{operation=\"get\",le=\"0.000000256\"} 3\n"));
	assert_non_null(strstr(text, "_bucket{operation=\"get\",le=\"1.073741824\"} 3\n"));
	assert_non_null(strstr(text, "_bucket{operation=\"get\",le=\"+Inf\"} 7\n"));
	assert_non_null(strstr(text, "farfs_operation_duration_seconds_sum{operation=\"get\"} 17.000000386\n"));
	assert_non_null(strstr(text, "farfs_operation_duration_seconds_count{operation=\"get\"} 7\n"));
	assert_non_null(strstr(text, "\nfarfs_loop_age_seconds 1.500000000\n"));
	assert_null(strstr(text, "_bucket{operation=\"put\""));
	free(text);
}

static void test_metrics__uses_of_the_pool_add_up(void **state)
{
	const struct metrics *metrics = server->metrics;
	struct served_lane *client = served_join(server);
	uint64_t before, sum = 0;
	static char value[1 << 16];

	(void)state;
	metrics_publish(server);
	before = metrics_object_bytes(metrics);
	served_mkdir(client, "directory");
	for (int i = 0; i < 4; i++) {
		char key[32];

		snprintf(key, sizeof(key), "directory/%d", i);
		assert_int_equal(served_put(client, key, value, 4096), FAR_STATUS_OK);
	}
	metrics_publish(server);
	for (unsigned gauge = METRICS_FREE; gauge <= METRICS_RESERVE; gauge++)
		sum += metrics_get(&metrics->gauges[gauge]);
	assert_int_equal(sum + metrics_object_bytes(metrics), metrics_get(&metrics->gauges[METRICS_POOL]));
	assert_true(metrics_object_bytes(metrics) >= before + 4 * 4096);
	assert_int_equal(metrics_get(&metrics->gauges[METRICS_OBJECTS]), 5);
	assert_int_equal(metrics_get(&metrics->gauges[METRICS_BYTES_IN]), 4 * 4096);
	assert_int_equal(metrics_get(&metrics->gauges[METRICS_LANES]), 1);
	served_leave(client);
}

static int ask(struct served_lane *client, unsigned part, uint64_t cursor)
{
	struct far_metrics_request request = {.part = part, .cursor = cursor};

	return served_call(client, FAR_OP_METRICS, 0, &request, sizeof(request), (struct served_parts){0});
}

static void test_handle_metrics__server_tells_what_it_evicted(void **state)
{
	struct served_lane *client = served_join(server);
	const struct far_metrics_reply *reply = (const struct far_metrics_reply *)client->reply;
	const struct far_metrics_server *entry = (const struct far_metrics_server *)(reply + 1);

	(void)state;
	server->figures.evicted = 7;
	server->figures.evicted_bytes = 7000;
	assert_int_equal(ask(client, FAR_METRICS_SERVER, 0), FAR_STATUS_OK);
	assert_int_equal(reply->count, 1);
	assert_int_equal(entry->evicted, 7);
	assert_int_equal(entry->evicted_bytes, 7000);
	served_leave(client);
}

static void test_handle_metrics__sessions_are_told_by_name(void **state)
{
	struct served_lane *first = served_join(server), *second = served_join(server);
	const struct far_metrics_reply *reply = (const struct far_metrics_reply *)first->reply;
	const struct far_metrics_session *sessions = (const struct far_metrics_session *)(reply + 1);

	(void)state;
	served_put(second, "key", "value", 5);
	assert_int_equal(ask(first, FAR_METRICS_SESSIONS, 0), FAR_STATUS_OK);
	assert_int_equal(reply->count, 2);
	assert_int_equal(reply->is_end, 1);
	assert_int_equal(sessions[1].id, second->lane.session->id);
	assert_int_equal(sessions[1].operations, 2);
	assert_int_equal(sessions[1].lanes, 1);
	assert_string_equal(sessions[1].peer, second->lane.peer);
	assert_int_equal(ask(first, FAR_METRICS_SESSIONS, UINT64_MAX), FAR_STATUS_OK);
	assert_int_equal(reply->count, 0);
	assert_int_equal(reply->is_end, 1);
	served_leave(first);
	served_leave(second);
}

// Operations with all buckets in use do not fit one message together.
static void test_handle_metrics__operations_come_in_parts(void **state)
{
	struct served_lane *client = served_join(server);
	const struct far_metrics_reply *reply = (const struct far_metrics_reply *)client->reply;
	uint64_t cursor = 0, told = 0;
	unsigned replies = 0;

	(void)state;
	for (unsigned op = FAR_OP_GET; op < FAR_OP_GET + 4; op++) {
		metrics_add(&server->metrics->operations[op].count, 1000);
		for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
			metrics_add(&server->metrics->operations[op].buckets[i], 1);
	}
	do {
		assert_int_equal(ask(client, FAR_METRICS_OPERATIONS, cursor), FAR_STATUS_OK);
		assert_true(reply->header.length <= FAR_MESSAGE_SIZE_DEFAULT);
		assert_true(reply->is_end || reply->cursor > cursor);
		cursor = reply->cursor;
		told += reply->count;
		replies++;
	} while (!reply->is_end);
	assert_int_equal(told, 6); // those four, hello, and metrics itself
	assert_true(replies >= 4);
	served_leave(client);
}

static void test_handle_metrics__unknown_part_is_invalid(void **state)
{
	struct served_lane *client = served_join(server);

	(void)state;
	assert_int_equal(ask(client, 3, 0), FAR_STATUS_INVALID);
	assert_int_equal(ask(client, UINT32_MAX, 0), FAR_STATUS_INVALID);
	assert_false(client->lane.is_closing);
	served_leave(client);
}

static void test_metrics_age__grows_until_the_next_heartbeat(void **state)
{
	uint64_t beat_ns = metrics_get(&server->metrics->beat_ns);

	(void)state;
	assert_int_equal(metrics_age_ns(server->metrics, beat_ns - 1), 0); // the beat came behind the look at the clock
	assert_int_equal(metrics_age_ns(server->metrics, beat_ns + 5), 5);
	assert_true(metrics_age_ns(server->metrics, beat_ns + METRICS_STUCK_NS) >= METRICS_STUCK_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_latency__buckets_have_bounds_an_eighth_apart),
	        cmocka_unit_test(test_latency__quantiles_are_bounds_of_buckets),
	        cmocka_unit_test_setup_teardown(test_dispatch__counts_every_operation_and_times_some, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_dispatch__counts_malformed_messages, set_up, tear_down),
	        cmocka_unit_test(test_exposition__labels_are_escaped),
	        cmocka_unit_test_setup_teardown(test_exposition__histograms_are_cumulative, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_metrics__uses_of_the_pool_add_up, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_handle_metrics__server_tells_what_it_evicted, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_handle_metrics__sessions_are_told_by_name, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_handle_metrics__operations_come_in_parts, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_handle_metrics__unknown_part_is_invalid, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(test_metrics_age__grows_until_the_next_heartbeat, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
