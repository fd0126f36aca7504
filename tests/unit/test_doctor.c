#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/command.h"
#include "client/cli/doctor.h"
#include "client/cli/doctor_link.h"
#include "client/cli/doctor_load.h"
#include "client/cli/doctor_port.h"
#include "client/cli/doctor_selftest.h"
#include "client/cli/doctor_text.h"
#include "client/cli/doctor_tree.h"
#include "tests/unit/testing.h"

// What `far doctor` makes of the kernel's texts and of its own figures. Whole machines are in tests/integration/test_doctor.sh.

// --- texts ---

static void test_gid_rank__routable_addresses_are_best(void **state)
{
	(void)state;
	assert_int_equal(gid_rank("0000:0000:0000:0000:0000:ffff:0a09:0001", "RoCE v2"), GID_IPV4);
	assert_int_equal(gid_rank("2001:0db8:0000:0000:0000:0000:0000:0001", "RoCE v2"), GID_IPV6);
	assert_int_equal(gid_rank("fe80:0000:0000:0000:0a00:27ff:fe00:0001", "RoCE v2"), GID_LINK_LOCAL);
	assert_int_equal(gid_rank("0000:0000:0000:0000:0000:ffff:0a09:0001", "IB/RoCE v1"), GID_OLD);
	assert_true(GID_IPV4 > GID_IPV6 && GID_IPV6 > GID_LINK_LOCAL && GID_LINK_LOCAL > GID_OLD);
}

static void test_gid_rank__zeros_and_prefixes_alone_are_none(void **state)
{
	(void)state;
	assert_int_equal(gid_rank("0000:0000:0000:0000:0000:0000:0000:0000", "RoCE v2"), GID_NONE);
	assert_int_equal(gid_rank("fe80:0000:0000:0000:0000:0000:0000:0000", "RoCE v2"), GID_NONE);
	assert_int_equal(gid_rank("", "RoCE v2"), GID_NONE);
	assert_int_equal(gid_rank("fe80:0000", "RoCE v2"), GID_NONE);
}

static void test_gid_format__shows_ipv4_as_people_write_it(void **state)
{
	char address[64];

	(void)state;
	assert_string_equal(gid_format("0000:0000:0000:0000:0000:ffff:c0a8:0a01", address), "192.168.10.1");
	assert_string_equal(gid_format("fe80:0000:0000:0000:0a00:27ff:fe00:0001", address), "fe80:0000:0000:0000:0a00:27ff:fe00:0001");
}

static void test_rdma_mtu_of_netdev__leaves_room_for_headers(void **state)
{
	(void)state;
	assert_int_equal(rdma_mtu_of_netdev(9000), 4096);
	assert_int_equal(rdma_mtu_of_netdev(4192), 4096);
	assert_int_equal(rdma_mtu_of_netdev(4191), 2048);
	assert_int_equal(rdma_mtu_of_netdev(1500), 1024);
	assert_int_equal(rdma_mtu_of_netdev(352), 256);
	assert_int_equal(rdma_mtu_of_netdev(351), 0);
	assert_int_equal(rdma_mtu_of_netdev(-1), 0);
}

static void test_rate_gbps__reads_sysfs(void **state)
{
	(void)state;
	assert_true(rate_gbps("100 Gb/sec (4X EDR)") == 100);
	assert_true(rate_gbps("2.5 Gb/sec (1X SDR)") == 2.5);
	assert_true(rate_gbps("") == 0);
	assert_true(rate_gbps("fast") == 0);
	assert_true(rate_gbps("-1 Gb/sec") == 0);
}

static void test_limit_parse__knows_unlimited(void **state)
{
	uint64_t soft;
	uint64_t hard;

	(void)state;
	assert_int_equal(limit_parse("8388608              unlimited            bytes", &soft, &hard), 0);
	assert_int_equal(soft, 8388608);
	assert_true(hard == UINT64_MAX);
	assert_int_equal(limit_parse("8388608", &soft, &hard), -EINVAL);
	assert_int_equal(limit_parse("", &soft, &hard), -EINVAL);
}

static void test_cpus_overlap__reads_ranges_and_lists(void **state)
{
	(void)state;
	assert_true(cpus_overlap("0-3,8", "8-15"));
	assert_false(cpus_overlap("0-3,8", "4-7,9"));
	assert_false(cpus_overlap("", "0-7"));
	assert_false(cpus_overlap("x", "0-7"));
	assert_true(cpus_overlap("0-99999999", "8191"));
}

static void test_kernel_version__compares_as_a_number(void **state)
{
	(void)state;
	assert_int_equal(kernel_version("6.1.0-18-amd64"), 6001);
	assert_int_equal(kernel_version("6.14"), 6014);
	assert_true(kernel_version("5.19.0") < kernel_version("6.1.0"));
	assert_int_equal(kernel_version(""), 0);
}

static void test_chosen_word__is_the_one_in_brackets(void **state)
{
	char word[32];

	(void)state;
	assert_string_equal(chosen_word("always within_size [advise] never", word), "advise");
	assert_string_equal(chosen_word("never", word), "");
	assert_string_equal(chosen_word("[", word), "");
}

static void test_last_number__of_a_sysctl(void **state)
{
	(void)state;
	assert_int_equal(last_number("4096\t131072\t6291456"), 6291456);
	assert_int_equal(last_number("212992"), 212992);
	assert_int_equal(last_number(""), 0);
}

// --- findings ---

static void test_doctor_judge__half_of_the_expected_is_enough(void **state)
{
	struct doctor_finding finding = {0};

	(void)state;
	doctor_judge(&finding, 500, 1000, true);
	assert_int_equal(finding.status, DOCTOR_OK);
	assert_true(finding.measure.ratio == 0.5);
	doctor_judge(&finding, 499, 1000, true);
	assert_int_equal(finding.status, DOCTOR_WARN);
	doctor_judge(&finding, 20, 10, false);
	assert_int_equal(finding.status, DOCTOR_OK);
	assert_true(finding.measure.ratio == 0.5);
	doctor_judge(&finding, 21, 10, false);
	assert_int_equal(finding.status, DOCTOR_WARN);
}

static void test_doctor_judge__nothing_expected_is_a_note(void **state)
{
	struct doctor_finding finding = {0};

	(void)state;
	doctor_judge(&finding, 500, 0, true);
	assert_int_equal(finding.status, DOCTOR_NOTE);
}

static struct doctor *new_doctor(const char *root)
{
	struct doctor *doctor = calloc(1, sizeof(*doctor));

	assert_non_null(doctor);
	doctor->root = root;
	return doctor;
}

static void test_doctor_exit_status__only_failures_count(void **state)
{
	struct doctor *doctor = new_doctor("");

	(void)state;
	doctor_add(doctor, DOCTOR_WARN, "a", "b");
	assert_int_equal(doctor_exit_status(doctor), CLI_OK);
	doctor_add(doctor, DOCTOR_FAIL, "a", "b");
	assert_int_equal(doctor_exit_status(doctor), CLI_FAILURE);
	free(doctor);
}

static void test_doctor_add__more_findings_than_fit_do_no_harm(void **state)
{
	struct doctor *doctor = new_doctor("");

	(void)state;
	for (unsigned i = 0; i < DOCTOR_FINDINGS + 10; i++)
		doctor_add(doctor, DOCTOR_OK, "a", "%u", i);
	assert_int_equal(doctor->count, DOCTOR_FINDINGS);
	assert_string_equal(doctor->findings[DOCTOR_FINDINGS - 1].found, "265");
	free(doctor);
}

// --- a link's expectations, with the interface lo as a made-up machine's ---

static char root[] = "/tmp/farfs-doctor-XXXXXX";

static void write_file(const char *path, const char *text)
{
	char whole[512];
	FILE *file;

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(whole, sizeof(whole), "%s/%.*s", root, (int)(slash - path), path);
		mkdir(whole, 0755);
	}
	snprintf(whole, sizeof(whole), "%s/%s", root, path);
	file = fopen(whole, "w");
	assert_non_null(file);
	fprintf(file, "%s\n", text);
	fclose(file);
}

static int make_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/farfs-doctor-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static void make_port(void)
{
	write_file("sys/class/infiniband/mlx5_1/ports/2/gid_attrs/ndevs/0", "lo");
	write_file("sys/class/infiniband/mlx5_1/ports/2/rate", "100 Gb/sec (4X EDR)");
	write_file("sys/class/infiniband/mlx5_0/ports/1/gid_attrs/ndevs/0", "eth7");
}

static void test_doctor_link__rdma_takes_the_rate_of_the_ports_route(void **state)
{
	struct far_statistics session = {.provider = "rdma", .address = "rdma://127.0.0.1:7440"};
	struct doctor *doctor = new_doctor(root);
	struct doctor_link link;

	(void)state;
	make_port();
	doctor_link_find(doctor, &session, 4, &link);
	assert_string_equal(link.through, "mlx5_1 port 2 (lo)");
	assert_true(link.bytes_per_us > 11499 && link.bytes_per_us < 11501); // 12.5 GB/s, 92 %
	assert_true(link.rtt_us == 4);
	assert_true(link_latency(&link, 65536) > 9.6 && link_latency(&link, 65536) < 9.8);
	free(doctor);
}

static void test_doctor_link__soft_roce_is_slower(void **state)
{
	struct far_statistics session = {.provider = "rdma", .address = "rdma://127.0.0.1:7440"};
	struct doctor *doctor = new_doctor(root);
	struct doctor_finding finding = {0};
	struct doctor_link link;

	(void)state;
	make_port();
	write_file("sys/class/infiniband/mlx5_1/parent", "lo");
	doctor_link_find(doctor, &session, 4, &link);
	assert_true(link.rtt_us == 25);
	doctor_link_advise(&finding, &link, true);
	assert_string_equal(finding.advice,
	        "Soft-RoCE takes the CPUs' time for each packet, whatever the port's rate; compare with perftest: ib_read_bw on the "
	        "server's host, then here: ib_read_bw -d mlx5_1 -i 2 127.0.0.1; on both: far doctor rdma");
	free(doctor);
}

static void test_doctor_link__without_a_device_nothing_is_expected(void **state)
{
	struct far_statistics session = {.provider = "rdma", .address = "rdma://127.0.0.1:7440"};
	struct doctor *doctor = new_doctor(root);
	struct doctor_link link;

	(void)state;
	doctor_link_find(doctor, &session, 4, &link);
	assert_true(link.bytes_per_us == 0);
	assert_true(link_latency(&link, 64) == 0);
	free(doctor);
}

static void test_doctor_link__tcp_takes_the_interfaces_speed(void **state)
{
	struct far_statistics session = {.provider = "tcp", .address = "tcp://127.0.0.1:1"};
	struct doctor *doctor = new_doctor(root);
	struct doctor_link link;

	(void)state;
	write_file("sys/class/net/lo/speed", "25000");
	doctor_link_find(doctor, &session, 1, &link);
	assert_true(link.bytes_per_us > 2937 && link.bytes_per_us < 2938); // 3.125 GB/s, 94 %
	assert_true(link.rtt_us == 0);                                     // nobody listens
	free(doctor);
}

static void test_doctor_link__shm_copies_as_fast_as_this_machine(void **state)
{
	struct far_statistics session = {.provider = "shm", .address = "shm:///run/farfs/7440.sock"};
	struct doctor *doctor = new_doctor(root);
	struct doctor_link link;

	(void)state;
	doctor_link_find(doctor, &session, 2, &link);
	assert_true(link.bytes_per_us > 1);
	assert_true(link_latency(&link, 0) == 0.2);
	free(doctor);
}

// --- the tree ---

static void test_doctor_read_field__takes_the_whole_name(void **state)
{
	struct doctor *doctor = new_doctor(root);
	char text[DOCTOR_TEXT];

	(void)state;
	write_file("proc/meminfo", "MemTotalOther: 1 kB\nMemTotal:   2 kB  ");
	assert_int_equal(doctor_read_field(doctor, "proc/meminfo", "MemTotal", text), 0);
	assert_string_equal(text, "2 kB");
	assert_int_equal(doctor_read_field(doctor, "proc/meminfo", "Mem", text), -ENOENT);
	assert_int_equal(doctor_read_field(doctor, "proc/none", "Mem", text), -ENOENT);
	free(doctor);
}

static void test_doctor_read_number__refuses_words(void **state)
{
	struct doctor *doctor = new_doctor(root);
	int64_t number;

	(void)state;
	write_file("sys/limit", "max");
	assert_int_equal(doctor_read_number(doctor, &number, "sys/limit"), -EINVAL);
	write_file("sys/limit", "-1");
	assert_int_equal(doctor_read_number(doctor, &number, "sys/limit"), 0);
	assert_int_equal(number, -1);
	assert_int_equal(doctor_read_number(doctor, &number, "sys/none"), -ENOENT);
	free(doctor);
}

// --- the load ---

static int fail_in_second(void *context, unsigned thread)
{
	(void)context;
	return thread == 1 ? -EIO : 0;
}

static void test_load_run__an_error_of_one_thread_is_returned(void **state)
{
	struct load load = {.call = fail_in_second, .threads = 3, .seconds = 0.001};
	double per_second;

	(void)state;
	assert_int_equal(load_run(&load, &per_second), -EIO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_gid_rank__routable_addresses_are_best),
	        cmocka_unit_test(test_gid_rank__zeros_and_prefixes_alone_are_none),
	        cmocka_unit_test(test_gid_format__shows_ipv4_as_people_write_it),
	        cmocka_unit_test(test_rdma_mtu_of_netdev__leaves_room_for_headers),
	        cmocka_unit_test(test_rate_gbps__reads_sysfs),
	        cmocka_unit_test(test_limit_parse__knows_unlimited),
	        cmocka_unit_test(test_cpus_overlap__reads_ranges_and_lists),
	        cmocka_unit_test(test_kernel_version__compares_as_a_number),
	        cmocka_unit_test(test_chosen_word__is_the_one_in_brackets),
	        cmocka_unit_test(test_last_number__of_a_sysctl),
	        cmocka_unit_test(test_doctor_judge__half_of_the_expected_is_enough),
	        cmocka_unit_test(test_doctor_judge__nothing_expected_is_a_note),
	        cmocka_unit_test(test_doctor_exit_status__only_failures_count),
	        cmocka_unit_test(test_doctor_add__more_findings_than_fit_do_no_harm),
	        cmocka_unit_test_setup_teardown(test_doctor_link__rdma_takes_the_rate_of_the_ports_route, make_root, remove_root),
	        cmocka_unit_test_setup_teardown(test_doctor_link__soft_roce_is_slower, make_root, remove_root),
	        cmocka_unit_test_setup_teardown(test_doctor_link__without_a_device_nothing_is_expected, make_root, remove_root),
	        cmocka_unit_test_setup_teardown(test_doctor_link__tcp_takes_the_interfaces_speed, make_root, remove_root),
	        cmocka_unit_test_setup_teardown(test_doctor_link__shm_copies_as_fast_as_this_machine, make_root, remove_root),
	        cmocka_unit_test_setup_teardown(test_doctor_read_field__takes_the_whole_name, make_root, remove_root),
	        cmocka_unit_test_setup_teardown(test_doctor_read_number__refuses_words, make_root, remove_root),
	        cmocka_unit_test(test_load_run__an_error_of_one_thread_is_returned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
