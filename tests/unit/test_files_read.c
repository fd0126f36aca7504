#include "tests/unit/testing.h"

#include <errno.h>
#include <sys/uio.h>

#include "client/files.h"
#include "client/locate.h"

// A lane that knows where a file is. Its connection is none: what comes so far as to use it fails the test.

static struct far_session session;
static struct far_lane lane;
static char pool[16384] __attribute__((aligned(4096)));
static char no_connection;

static int set_up(void **state)
{
	static const struct fabric_caps caps = {.has_loads = true};
	struct fabric_error error;

	(void)state;
	lane = (struct far_lane){.session = &session, .caps = &caps, .pool_length = sizeof(pool)};
	if (fabric_open("shm", NULL, &lane.fabric, &error) < 0)
		return -1;
	lane.pool.loads = pool;
	lane.connection = (struct fabric_lane *)(void *)&no_connection;
	return locate_new(0, &lane.keys, &lane.files);
}

static int tear_down(void **state)
{
	(void)state;
	locate_free(lane.keys, lane.files);
	fabric_close(lane.fabric);
	return 0;
}

static void know_file(uint64_t id, uint64_t size)
{
	static const struct far_wire_extent extents[] = {{0, 8192, 4096}};
	struct located located = {.id = id, .record = 4096, .word = 257, .size = size, .end = size, .extents = extents, .count = 1};

	locate_add_file(&lane, &located);
}

// Bytes of the record or of a block change where they are (R6), which a read section does not keep away.
static void test_far_read_mapped__leaves_values_that_change_in_place_to_copying(void **state)
{
	struct iovec pieces[4];

	(void)state;
	know_file(1, 56);
	know_file(2, FAR_BLOCK_MAX);
	assert_int_equal(far_read_mapped(&lane, 1, 4096, 0, pieces, 4), -EOPNOTSUPP);
	assert_int_equal(far_read_mapped(&lane, 2, 4096, 0, pieces, 4), -EOPNOTSUPP);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_far_read_mapped__leaves_values_that_change_in_place_to_copying, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
