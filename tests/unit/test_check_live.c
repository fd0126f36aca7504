// server/check.h while the server goes on: steps between requests of all sorts never find what is not so, and damage is found all the same. And the request that steps it.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "far/check.h"
#include "served.h"
#include "server/check.h"
#include "server/record.h"
#include "testing.h"

#define POOL (32U << 20)
#define ROUNDS 200
#define NAMES 12

struct world {
	struct server *server;
	struct served_lane *client;
	struct served_lane *checker;
	uint64_t directories[4];
	uint64_t random;
	uint64_t upload; // under way, 0 = none
	struct served_lane *reader;
};

static struct world world;

static int set_up_on(struct server *server)
{
	struct far_attr attr;
	char name[16];

	world.server = server;
	world.client = served_join(world.server);
	world.checker = served_join(world.server);
	world.reader = served_join_mapped(world.server);
	world.upload = 0;
	world.random = 88172645463325252ULL;
	world.directories[0] = FAR_ROOT_ID;
	for (unsigned i = 1; i < 4; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		assert_int_equal(served_create(world.client, FAR_ROOT_ID, name, S_IFDIR | 0755, &attr), FAR_STATUS_OK);
		world.directories[i] = attr.id;
	}
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_on(served_open(POOL));
}

static int set_up_evicting(void **state)
{
	(void)state;
	return set_up_on(served_open_evicting(POOL));
}

static int tear_down(void **state)
{
	(void)state;
	served_leave(world.reader);
	served_leave(world.checker);
	served_leave(world.client);
	served_close(world.server);
	return 0;
}

static uint64_t below(uint64_t limit)
{
	return test_random(&world.random) % limit;
}

static uint64_t some_directory(void)
{
	return world.directories[below(4)];
}

static const char *some_name(void)
{
	static char names[4][300];
	static unsigned at;
	char *name = names[at++ % 4];
	uint64_t which = below(NAMES);

	// Some do not fit in the room that another's record has.
	memset(name, 'n', which % 4 == 3 ? 200 : 3);
	snprintf(name + (which % 4 == 3 ? 200 : 3), 20, "%llu", (unsigned long long)which);
	return name;
}

static void rename_some(void)
{
	const char *from = some_name();
	const char *to = some_name();
	struct far_rename_at_request request = {.parent = some_directory(),
	        .new_parent = some_directory(),
	        .name_length = (uint16_t)strlen(from),
	        .new_name_length = (uint16_t)strlen(to)};

	served_call(world.client, FAR_OP_RENAME_AT, below(3) == 0 ? FAR_RENAME_EXCHANGE : 0, &request, sizeof(request),
	        (struct served_parts){from, request.name_length, to, request.new_name_length});
}

// Some time passes between an upload's beginning and its end, so that its memory changes hands while a check knows it.
static void upload_some(void)
{
	static uint8_t bytes[4096];
	struct far_upload_request upload = {0};
	struct far_put_request publish = {.upload = world.upload, .key_length = 5};

	if (world.upload && below(40))
		return;
	if (world.upload) {
		if (below(4))
			served_call(world.client, FAR_OP_PUBLISH, 0, &publish, sizeof(publish), (struct served_parts){"d1/up", 5, NULL, 0});
		served_forget(world.client, world.upload, 1);
		world.upload = 0;
		return;
	}
	if (served_call(world.client, FAR_OP_UPLOAD, 0, &upload, sizeof(upload), (struct served_parts){0}) != FAR_STATUS_OK)
		return; // the pool is full of what waits for the reader
	world.upload = ((struct far_attr_reply *)world.client->reply)->attr.id;
	for (uint64_t i = below(5); i < 5; i++)
		served_write(world.client, world.upload, i * 8192, bytes, (uint32_t)below(sizeof(bytes)) + 1, 0);
}

static void put_granted(void)
{
	static uint8_t bytes[100000];
	uint32_t length = 5000 + (uint32_t)below(sizeof(bytes) - 5000);
	struct far_put_request put = {.value_length = length, .ranges = 1, .key_length = 6};
	struct far_range range;

	if (world.client->grant.id == 0 || world.client->grant.length - world.client->written < length + 4096)
		return;
	range = served_fill(world.client, bytes, length);
	served_call(world.client, FAR_OP_PUT, FAR_PUT_RANGES, &put, sizeof(put), (struct served_parts){"d2/put", 6, &range, sizeof(range)});
}

static void change_some_file(uint64_t id)
{
	static uint8_t bytes[8000];

	switch (below(4)) {
	case 0:
		served_write(world.client, id, below(100000), bytes, (uint32_t)below(sizeof(bytes) / 2) + 1, 0);
		break;
	case 1:
		served_truncate(world.client, id, below(100000));
		break;
	case 2:
		served_truncate(world.client, id, below(500));
		break;
	default:
		served_write(world.client, id, 0, bytes, (uint32_t)below(3000) + 1, FAR_WRITE_APPEND);
		break;
	}
}

// One request of any sort, whatever becomes of it.
static void do_something(void)
{
	struct far_attr attr;
	uint64_t what = below(12);

	if (what < 3) {
		if (served_create(world.client, some_directory(), some_name(), below(4) ? S_IFREG | 0644 : S_IFDIR | 0755, &attr) ==
		        FAR_STATUS_OK)
			served_forget(world.client, attr.id, 1);
	} else if (what < 5) {
		if (served_lookup(world.client, some_directory(), some_name(), &attr) != FAR_STATUS_OK)
			return;
		if (S_ISREG(attr.mode))
			change_some_file(attr.id);
		if (below(8))
			served_forget(world.client, attr.id, 1); // others stay held, and become orphans
	} else if (what < 7) {
		rename_some();
	} else if (what == 7) {
		if (served_lookup(world.client, some_directory(), some_name(), &attr) != FAR_STATUS_OK)
			return;
		if (served_link(world.client, attr.id, some_directory(), some_name(), &attr) == FAR_STATUS_OK)
			served_forget(world.client, attr.id, 1);
		served_forget(world.client, attr.id, 1);
	} else if (what == 8) {
		upload_some();
	} else if (what == 9) {
		put_granted();
	} else {
		served_unlink(world.client, below(2) ? FAR_OP_UNLINK : FAR_OP_RMDIR, some_directory(), some_name());
	}
}

static void test_check_live__finds_nothing_false_between_requests(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct check *check;

		world.reader->section = round; // odd: what is freed has to wait
		assert_int_equal(check_begin(world.server, world.checker->lane.session, &check), 0);
		do {
			for (uint64_t requests = below(round % 8 + 1); requests > 0; requests--)
				do_something();
			if (below(3) == 0)
				server_settle(world.server);
			if (below(200) == 0)
				world.reader->section += 2;
		} while (!check_step(check, 0));
		served_fail_on_findings(check);
		check_end(check);
	}
}

static void test_check_live__what_is_still_is_judged(void **state)
{
	uint32_t page = pool_pages_alloc(world.server->pool, 3);
	unsigned leaks = 0;
	struct check *check;

	(void)state;
	assert_int_equal(check_begin(world.server, world.checker->lane.session, &check), 0);
	do
		do_something();
	while (!check_step(check, 0));
	for (; check_peek(check); check_pop(check))
		leaks += check_peek(check)->kind == FAR_CHECK_LEAK;
	assert_int_equal(leaks, 1);
	check_end(check);
	pool_pages_free(world.server->pool, page, 3);
}

// --- large directories ---

static void make_many(unsigned first, unsigned count)
{
	struct far_attr attr;
	char name[16];

	for (unsigned i = first; i < first + count; i++) {
		snprintf(name, sizeof(name), "%u", i);
		assert_int_equal(served_create(world.client, world.directories[1], name, i % 10 ? S_IFREG | 0644 : S_IFDIR | 0755, &attr),
		        FAR_STATUS_OK);
		served_forget(world.client, attr.id, 1);
	}
}

static void test_check_live__large_directory_is_counted_over_steps(void **state)
{
	struct far_record *directory = record_by_id(world.server->pool, world.directories[1]);
	unsigned steps = 0;
	struct check *check;

	(void)state;
	make_many(0, 5000);
	assert_int_equal(check_begin(world.server, world.checker->lane.session, &check), 0);
	while (!check_step(check, 0))
		steps++;
	served_fail_on_findings(check);
	assert_true(steps > 5000);
	assert_int_equal(check_figures(check)->unsettled, 0);
	check_end(check);
	directory->nlink++;
	assert_int_equal(check_begin(world.server, world.checker->lane.session, &check), 0);
	while (!check_step(check, 0))
		;
	assert_int_equal(check_figures(check)->findings, 1);
	assert_int_equal(check_peek(check)->kind, FAR_CHECK_NLINK);
	check_end(check);
	directory->nlink--;
}

static void test_check_live__directory_that_changes_all_the_time_is_given_up(void **state)
{
	char name[16];
	unsigned i = 0;
	struct check *check;

	(void)state;
	make_many(0, 2000);
	assert_int_equal(check_begin(world.server, world.checker->lane.session, &check), 0);
	do {
		snprintf(name, sizeof(name), "%u", i++ % 2000);
		served_unlink(world.client, FAR_OP_UNLINK, world.directories[1], name);
		make_many(100000 + i, 1);
	} while (!check_step(check, 0));
	served_fail_on_findings(check);
	assert_true(check_figures(check)->unsettled > 0);
	check_end(check);
}

// --- requests ---

static int step(struct served_lane *client, uint64_t number)
{
	struct far_check_request request = {.check = number};

	return served_call(client, FAR_OP_CHECK, 0, &request, sizeof(request), (struct served_parts){0});
}

static struct far_check_reply *reply_of(struct served_lane *client)
{
	return (struct far_check_reply *)client->reply;
}

static void test_check_live__requests_step_to_the_end(void **state)
{
	uint64_t number = 0;

	(void)state;
	do {
		assert_int_equal(step(world.checker, number), FAR_STATUS_OK);
		number = reply_of(world.checker)->check;
		assert_int_equal(reply_of(world.checker)->count, 0);
	} while (!reply_of(world.checker)->is_done);
	assert_int_equal(reply_of(world.checker)->figures.objects, 4);
	assert_int_equal(reply_of(world.checker)->figures.names, 3);
	assert_null(world.server->check);
	assert_int_equal(step(world.checker, number), FAR_STATUS_STALE);
}

static void test_check_live__findings_come_with_their_texts(void **state)
{
	struct far_record *directory = record_by_id(world.server->pool, world.directories[2]);
	struct far_finding finding = {0};
	char text[300] = "";
	uint64_t number = 0;
	unsigned count = 0;

	(void)state;
	directory->nlink = 7;
	do {
		assert_int_equal(step(world.checker, number), FAR_STATUS_OK);
		number = reply_of(world.checker)->check;
		if (reply_of(world.checker)->count) {
			memcpy(&finding, reply_of(world.checker) + 1, sizeof(finding));
			memcpy(text, (char *)(reply_of(world.checker) + 1) + sizeof(finding), finding.text_length);
		}
		count += reply_of(world.checker)->count;
	} while (!reply_of(world.checker)->is_done);
	assert_int_equal(count, 1);
	assert_int_equal(finding.kind, FAR_CHECK_NLINK);
	assert_int_equal(finding.id, directory->id);
	assert_string_equal(text, "its link count is 7, but it has 0 directories (/d2)");
	directory->nlink = 2;
}

// More than a message holds, and more than are kept.
static void test_check_live__many_findings_take_many_replies(void **state)
{
	uint64_t number = 0;
	unsigned count = 0, replies = 0;

	(void)state;
	make_many(1, 3000);
	for (unsigned i = 1; i <= 3000; i++) {
		char key[24];
		struct far_attr attr;

		snprintf(key, sizeof(key), "d1/%u", i);
		assert_int_equal(served_stat(world.client, key, &attr), FAR_STATUS_OK);
		record_by_id(world.server->pool, attr.id)->version = 0;
	}
	do {
		assert_int_equal(step(world.checker, number), FAR_STATUS_OK);
		number = reply_of(world.checker)->check;
		count += reply_of(world.checker)->count;
		replies++;
	} while (!reply_of(world.checker)->is_done);
	assert_int_equal(count, 1000);
	assert_true(replies > 5);
	assert_int_equal(reply_of(world.checker)->figures.findings, 3000);
}

static void test_check_live__one_at_a_time_until_its_session_ends(void **state)
{
	struct check *check;

	(void)state;
	assert_int_equal(step(world.client, 99), FAR_STATUS_STALE);
	assert_int_equal(check_begin(world.server, world.checker->lane.session, &check), 0);
	assert_int_equal(step(world.client, 0), FAR_STATUS_TOO_MANY);
	assert_int_equal(step(world.client, check_number(check)), FAR_STATUS_STALE);
	served_leave(world.checker);
	assert_null(world.server->check);
	assert_int_equal(step(world.client, 0), FAR_STATUS_OK);
	world.checker = served_join(world.server);
}

#define LIVE(name) cmocka_unit_test_setup_teardown(test_check_live__##name, set_up, tear_down)
#define LIVE_EVICTING(name) cmocka_unit_test_setup_teardown(test_check_live__##name, set_up_evicting, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        LIVE(finds_nothing_false_between_requests),
	        LIVE_EVICTING(finds_nothing_false_between_requests),
	        LIVE(what_is_still_is_judged),
	        LIVE(large_directory_is_counted_over_steps),
	        LIVE_EVICTING(large_directory_is_counted_over_steps),
	        LIVE(directory_that_changes_all_the_time_is_given_up),
	        LIVE(requests_step_to_the_end),
	        LIVE(findings_come_with_their_texts),
	        LIVE(many_findings_take_many_replies),
	        LIVE(one_at_a_time_until_its_session_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
