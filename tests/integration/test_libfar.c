// Every public call of libfar against a running server, whose address is in FARFS_TEST_ADDRESS. Without one it exits 77 (skipped). One program for all providers.
#include "tests/integration/libfar_testing.h"

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
	int failed;

	if (!getenv("FARFS_TEST_ADDRESS")) {
		fprintf(stderr, "FARFS_TEST_ADDRESS names no running server\n");
		return 77;
	}
	failed = _cmocka_run_group_tests("values", libfar_values, libfar_values_count, sessions_open, sessions_close);
	failed += _cmocka_run_group_tests("names", libfar_names, libfar_names_count, sessions_open, sessions_close);
	failed += _cmocka_run_group_tests("threads", libfar_threads, libfar_threads_count, sessions_open, sessions_close);
	failed += _cmocka_run_group_tests("expiry", libfar_expiry, libfar_expiry_count, sessions_open, sessions_close);
	failed += _cmocka_run_group_tests("counters", libfar_counters, libfar_counters_count, sessions_open, sessions_close);
	failed += _cmocka_run_group_tests("many", libfar_many, libfar_many_count, sessions_open, sessions_close);
	failed += _cmocka_run_group_tests("versions", libfar_versions, libfar_versions_count, sessions_open, sessions_close);
	failed += _cmocka_run_group_tests("range", libfar_range, libfar_range_count, sessions_open, sessions_close);
	failed += _cmocka_run_group_tests("watch", libfar_watch, libfar_watch_count, sessions_open, sessions_close);
	failed += _cmocka_run_group_tests("queue", libfar_queue, libfar_queue_count, sessions_open, sessions_close);
	failed += _cmocka_run_group_tests("quota", libfar_quota, libfar_quota_count, sessions_open, sessions_close);
	return failed != 0;
}
