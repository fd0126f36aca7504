#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/placement.h"

// server/placement.c, on nodes that are files of the test.

static char nodes[64];

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", nodes, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void make_node(int node, const char *cpus, const char *memory)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/node%d", nodes, node);
	assert_int_equal(mkdir(name, 0700), 0);
	snprintf(name, sizeof(name), "node%d/cpulist", node);
	put(name, cpus);
	snprintf(name, sizeof(name), "node%d/meminfo", node);
	put(name, memory);
}

// Two nodes with memory, and one without.
static int make_nodes(void **state)
{
	(void)state;
	snprintf(nodes, sizeof(nodes), "/tmp/farfs-nodes-XXXXXX");
	if (!mkdtemp(nodes))
		return -1;
	make_node(0, "0-3,8-11\n", "Node 0 MemTotal:       32 kB\nNode 0 MemFree:        1 kB\n");
	make_node(1, "4-7\n", "Node 1 MemTotal:       64 kB\n");
	make_node(2, "\n", "Node 2 MemTotal:       0 kB\n");
	put("online", "0-2\n");
	put("has_memory", "0-1\n");
	return 0;
}

static int remove_nodes(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", nodes);
	return system(command);
}

static cpu_set_t cpus_of(const char *text)
{
	cpu_set_t cpus;

	assert_int_equal(placement_parse_cpus(text, &cpus), 0);
	return cpus;
}

static void test_parse_cpus__numbers_and_ranges(void **state)
{
	cpu_set_t cpus = cpus_of("1,3-5,1023");

	(void)state;
	assert_int_equal(CPU_COUNT(&cpus), 5);
	assert_true(CPU_ISSET(1, &cpus) && CPU_ISSET(3, &cpus) && CPU_ISSET(4, &cpus) && CPU_ISSET(5, &cpus) && CPU_ISSET(1023, &cpus));
}

static void test_parse_cpus__all_else_is_refused(void **state)
{
	static const char *const wrong[] = {"", ",", "1,", ",1", "1-", "-1", "5-3", "1 ", " 1", "0x1", "1;2", "a", "1024", "0-1024",
	        "99999999999999999999", "1--2", "1-2-3"};
	cpu_set_t cpus;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(placement_parse_cpus(wrong[i], &cpus), -EINVAL);
}

static void test_pin__a_cpu_that_is_not_there_is_named_with_those_that_are(void **state)
{
	cpu_set_t cpus, before, after;
	char reason[256] = "";

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	cpus = before;
	CPU_SET(1022, &cpus);
	CPU_SET(1023, &cpus);
	assert_int_equal(placement_pin(&cpus, reason), -EINVAL);
	assert_non_null(strstr(reason, "CPU 1022-1023 is not there"));
	assert_non_null(strstr(reason, "choose from"));
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
}

static void test_find_node__that_of_all_cpus(void **state)
{
	cpu_set_t cpus = cpus_of("2,8-9");

	(void)state;
	assert_int_equal(placement_find_node(nodes, &cpus), 0);
	cpus = cpus_of("7");
	assert_int_equal(placement_find_node(nodes, &cpus), 1);
}

static void test_find_node__none_for_cpus_of_several(void **state)
{
	cpu_set_t cpus = cpus_of("3-4");

	(void)state;
	assert_int_equal(placement_find_node(nodes, &cpus), -ENOENT);
}

static void test_find_node__none_where_there_is_one(void **state)
{
	cpu_set_t cpus = cpus_of("7");

	(void)state;
	put("online", "1\n");
	assert_int_equal(placement_find_node(nodes, &cpus), -ENOENT);
	put("online", "0-2\n");
	assert_int_equal(placement_find_node("/nowhere", &cpus), -ENOENT);
}

static void test_check_node__must_have_memory(void **state)
{
	char reason[256] = "";

	(void)state;
	assert_int_equal(placement_check_node(nodes, 2, 4096, reason), -ENODEV);
	assert_string_equal(reason, "there is no NUMA node 2 with memory: choose from 0-1 with --numa");
	assert_int_equal(placement_check_node(nodes, 1023, 4096, reason), -ENODEV);
	assert_int_equal(placement_check_node("/nowhere", 0, 4096, reason), -ENODEV);
	assert_string_equal(reason, "this kernel knows no NUMA nodes: start without --numa");
}

static void test_check_node__must_have_as_much(void **state)
{
	char reason[256] = "";

	(void)state;
	assert_int_equal(placement_check_node(nodes, 0, 32 << 10, reason), 0);
	assert_int_equal(placement_check_node(nodes, 0, 36 << 10, reason), -ENOMEM);
	assert_non_null(strstr(reason, "36864 bytes does not fit NUMA node 0, which has 32768"));
	assert_int_equal(placement_check_node(nodes, 1, 64 << 10, reason), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_parse_cpus__numbers_and_ranges),
	        cmocka_unit_test(test_parse_cpus__all_else_is_refused),
	        cmocka_unit_test(test_pin__a_cpu_that_is_not_there_is_named_with_those_that_are),
	        cmocka_unit_test(test_find_node__that_of_all_cpus),
	        cmocka_unit_test(test_find_node__none_for_cpus_of_several),
	        cmocka_unit_test(test_find_node__none_where_there_is_one),
	        cmocka_unit_test(test_check_node__must_have_memory),
	        cmocka_unit_test(test_check_node__must_have_as_much),
	};

	return cmocka_run_group_tests(tests, make_nodes, remove_nodes);
}
