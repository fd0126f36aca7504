// client/probe.c: names found, and names found missing, in the pool of a server that knows nothing of it.
#include "client/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "served.h"
#include "testing.h"

static const struct fabric_caps caps = {.is_one_sided = true, .has_loads = true};
static struct server *server;
static struct served_lane *client;
static struct far_lane lane;

static int set_up(void **state)
{
	struct pool *pool;

	(void)state;
	server = served_open(64U << 20);
	client = served_join(server);
	pool = server->pool;
	lane = (struct far_lane){.caps = &caps, .connection = (struct fabric_lane *)&lane}; // it only must be there
	lane.memory.base = aligned_alloc(FAR_PAGE_SIZE, FAR_LANE_BUFFER);
	lane.pool.loads = pool_base(pool);
	lane.pool_length = pool_header(pool)->pool_length;
	lane.boot_id = pool_header(pool)->boot_id;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(lane.memory.base);
	served_leave(client);
	served_close(server);
	return 0;
}

static int find(uint64_t parent, const char *name, uint64_t *id)
{
	const struct look *look;
	uint64_t offset;
	int result = probe_name(&lane, parent, (struct far_span){name, (uint32_t)strlen(name)}, &look, &offset);

	*id = result == 1 ? look->record.id : 0;
	return result;
}

static _Atomic uint64_t *names(void)
{
	return &pool_header(server->pool)->names;
}

static void test_probe_name__finds_a_name_beneath_its_parent(void **state)
{
	struct far_attr folder, file;
	uint64_t id;

	(void)state;
	assert_int_equal(served_create(client, FAR_ROOT_ID, "folder", S_IFDIR | 0755, &folder), 0);
	assert_int_equal(served_create(client, folder.id, "file", S_IFREG | 0644, &file), 0);
	assert_int_equal(find(folder.id, "file", &id), 1);
	assert_int_equal(id, file.id);
	assert_int_equal(find(FAR_ROOT_ID, "file", &id), -ENOENT);
}

static void test_probe_name__believes_no_absence_while_names_change(void **state)
{
	uint64_t id;

	(void)state;
	assert_int_equal(find(FAR_ROOT_ID, "none", &id), -ENOENT);
	atomic_fetch_add(names(), 1);
	assert_int_equal(find(FAR_ROOT_ID, "none", &id), 0);
	atomic_fetch_add(names(), 1);
	assert_int_equal(find(FAR_ROOT_ID, "none", &id), -ENOENT);
	atomic_store(names(), 0); // a server that does not tell
	assert_int_equal(find(FAR_ROOT_ID, "none", &id), 0);
}

static void test_probe_name__asks_about_a_parent_that_is_no_directory_any_more(void **state)
{
	struct far_attr folder, file;
	uint64_t id;

	(void)state;
	assert_int_equal(served_create(client, FAR_ROOT_ID, "folder", S_IFDIR | 0755, &folder), 0);
	assert_int_equal(served_create(client, FAR_ROOT_ID, "file", S_IFREG | 0644, &file), 0);
	assert_int_equal(find(folder.id, "none", &id), -ENOENT);
	assert_int_equal(find(file.id, "none", &id), 0);
	assert_int_equal(served_unlink(client, FAR_OP_RMDIR, FAR_ROOT_ID, "folder"), 0);
	assert_int_equal(find(folder.id, "none", &id), 0);
}

static void test_probe_name__leaves_further_names_of_an_object_to_the_server(void **state)
{
	struct far_attr file;
	uint64_t id;

	(void)state;
	assert_int_equal(served_create(client, FAR_ROOT_ID, "file", S_IFREG | 0644, &file), 0);
	assert_int_equal(served_link(client, file.id, FAR_ROOT_ID, "link", &file), 0);
	assert_int_equal(find(FAR_ROOT_ID, "link", &id), 0);
	assert_int_equal(find(FAR_ROOT_ID, "file", &id), 1);
	assert_int_equal(served_unlink(client, FAR_OP_UNLINK, FAR_ROOT_ID, "file"), 0);
	assert_int_equal(find(FAR_ROOT_ID, "link", &id), 1); // the object's own name now
	assert_int_equal(id, file.id);
	assert_int_equal(find(FAR_ROOT_ID, "file", &id), -ENOENT);
}

// The index has got buckets and overflow chains that the lane has not seen, and fewer again.
static void test_probe_name__knows_all_names_whatever_the_index_became(void **state)
{
	struct far_attr attr;
	char name[32];
	uint64_t id;
	unsigned asked = 0;

	(void)state;
	assert_int_equal(find(FAR_ROOT_ID, "none", &id), -ENOENT);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		assert_int_equal(served_create(client, FAR_ROOT_ID, name, S_IFREG | 0644, &attr), 0);
	}
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		int result = find(FAR_ROOT_ID, name, &id);

		assert_int_not_equal(result, -ENOENT);
		asked += result == 0;
		snprintf(name, sizeof(name), "none-%u", i);
		assert_int_not_equal(find(FAR_ROOT_ID, name, &id), 1);
	}
	assert_in_range(asked, 0, 200);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		assert_int_equal(served_unlink(client, FAR_OP_UNLINK, FAR_ROOT_ID, name), 0);
	}
	assert_int_equal(find(FAR_ROOT_ID, "name-7", &id), -ENOENT);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        CASE(test_probe_name__finds_a_name_beneath_its_parent),
	        CASE(test_probe_name__believes_no_absence_while_names_change),
	        CASE(test_probe_name__asks_about_a_parent_that_is_no_directory_any_more),
	        CASE(test_probe_name__leaves_further_names_of_an_object_to_the_server),
	        CASE(test_probe_name__knows_all_names_whatever_the_index_became),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
