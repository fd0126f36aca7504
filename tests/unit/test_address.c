#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fabric/fabric.h"

static struct fabric_address parsed(const char *text)
{
	struct fabric_address address;
	struct fabric_error error;

	if (fabric_address_parse(text, &address, &error) < 0)
		fail_msg("%s", error.text);
	return address;
}

static void test_address_parse__tcp_and_rdma_take_host_and_port(void **state)
{
	struct fabric_address address = parsed("tcp://example.org:7000");

	(void)state;
	assert_string_equal(address.provider, "tcp");
	assert_string_equal(address.host, "example.org");
	assert_int_equal(address.port, 7000);
	address = parsed("rdma://10.0.0.1");
	assert_string_equal(address.provider, "rdma");
	assert_int_equal(address.port, 7440);
	assert_int_equal(parsed("tcp://0.0.0.0:0").port, 0);
	assert_int_equal(parsed("tcp://h:65535").port, 65535);
}

static void test_address_parse__brackets_hold_ipv6(void **state)
{
	struct fabric_address address = parsed("tcp://[fe80::1%eth0]:5");

	(void)state;
	assert_string_equal(address.host, "fe80::1%eth0");
	assert_int_equal(address.port, 5);
	assert_string_equal(parsed("tcp://[::1]").host, "::1");
}

static void test_address_parse__rdma_takes_options_behind_a_question_mark(void **state)
{
	struct fabric_address address = parsed("rdma://10.0.0.1:7000?connect=socket&device=mlx5_0&port=2&gid=3&depth=16&receives=1024");

	(void)state;
	assert_string_equal(address.host, "10.0.0.1");
	assert_int_equal(address.port, 7000);
	assert_true(address.rdma.is_by_socket);
	assert_string_equal(address.rdma.device, "mlx5_0");
	assert_int_equal(address.rdma.port, 2);
	assert_true(address.rdma.has_gid);
	assert_int_equal(address.rdma.gid_index, 3);
	assert_int_equal(address.rdma.depth, 16);
	assert_int_equal(address.rdma.receives, 1024);
	address = parsed("rdma://[fe80::1%eth0]?connect=cm&device=rxe0");
	assert_string_equal(address.host, "fe80::1%eth0");
	assert_int_equal(address.port, 7440);
	assert_false(address.rdma.is_by_socket);
	assert_false(address.rdma.has_gid);
	assert_string_equal(address.rdma.device, "rxe0");
}

static void test_address_parse__wrong_rdma_options_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text;
		const char *reason;
	} wrong[] = {
	        {"rdma://h?", "none of connect="},
	        {"rdma://h?connect=socket&", "none of connect="},
	        {"rdma://h?speed=9", "'speed' is none of connect="},
	        {"rdma://h?connect", "give cm"},
	        {"rdma://h?connect=tcp", "give cm"},
	        {"rdma://h?device=", "a device's name"},
	        {"rdma://h?device=../etc", "a device's name"},
	        {"rdma://h?device=0123456789012345678901234567890123456789012345678901234567890123", "longer than 63 bytes"},
	        {"rdma://h?port=0", "1 to 255"},
	        {"rdma://h?port=256", "1 to 255"},
	        {"rdma://h?port=-1", "1 to 255"},
	        {"rdma://h?connect=socket&gid=256", "0 to 255"},
	        {"rdma://h?connect=socket&gid=x", "0 to 255"},
	        {"rdma://h?gid=1", "needs connect=socket"},
	        {"rdma://h?connect=cm&gid=1", "needs connect=socket"},
	        {"rdma://h?depth=0", "1 to 64"},
	        {"rdma://h?depth=65", "1 to 64"},
	        {"rdma://h?receives=63", "64 to 65536"},
	        {"rdma://h?receives=99999999999999999999", "64 to 65536"},
	        {"rdma://h?port=1&port=1", "twice"},
	        {"tcp://h?connect=socket", "only rdma://"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fabric_address address;
		struct fabric_error error = {""};

		assert_int_equal(fabric_address_parse(wrong[i].text, &address, &error), -EINVAL);
		if (!strstr(error.text, wrong[i].reason))
			fail_msg("%s: %s", wrong[i].text, error.text);
	}
}

static void test_address_parse__shm_takes_an_absolute_path(void **state)
{
	struct fabric_address address = parsed("shm:///run/farfs/7440.sock");

	(void)state;
	assert_string_equal(address.provider, "shm");
	assert_string_equal(address.path, "/run/farfs/7440.sock");
	assert_string_equal(address.host, "");
}

static void test_address_parse__wrong_text_is_refused_with_a_reason(void **state)
{
	static const char *const wrong[] = {"", "host:1", "http://host:1", "tcp://", "tcp://:1", "tcp://h:", "tcp://h:65536", "tcp://h:-1",
	        "tcp://h: 1", "tcp://h:1x", "tcp://::1:7440", "tcp://[::1", "tcp://[::1]7", "tcp://[]:1", "tcp://a/b:1", "shm://",
	        "shm://relative", "tcpx://h:1", "tc://h:1", "://h:1"};
	char longer[400];

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fabric_address address;
		struct fabric_error error = {""};

		assert_int_equal(fabric_address_parse(wrong[i], &address, &error), -EINVAL);
		assert_true(error.text[0] != '\0');
	}
	for (size_t length = 107; length <= 300; length += 193) {
		struct fabric_address address;
		struct fabric_error error;

		snprintf(longer, sizeof(longer), length == 107 ? "shm:///%0*d" : "tcp://%0*d", (int)length, 0);
		assert_int_equal(fabric_address_parse(longer, &address, &error), -EINVAL);
	}
}

static void test_address_format__is_read_back_the_same(void **state)
{
	static const char *const texts[] = {"tcp://host:1", "rdma://[::1]:7440", "shm:///a/b.sock", "tcp://10.1.2.3:65535",
	        "rdma://h:1?connect=socket", "rdma://h:1?device=rxe0&port=1",
	        "rdma://[::1]:2?connect=socket&device=a&port=255&gid=0&depth=64&receives=65536"};

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct fabric_address address = parsed(texts[i]);
		char text[384];

		assert_string_equal(fabric_address_format(&address, text), texts[i]);
	}
}

static void test_address_local_socket__follows_the_runtime_folder(void **state)
{
	char path[108];
	char longer[200];

	(void)state;
	setenv("FARFS_RUNTIME_DIR", "/tmp/some", 1);
	assert_int_equal(fabric_address_local_socket(7440, path), 0);
	assert_string_equal(path, "/tmp/some/7440.sock");
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	setenv("FARFS_RUNTIME_DIR", longer, 1);
	assert_int_equal(fabric_address_local_socket(7440, path), -ENAMETOOLONG);
	unsetenv("FARFS_RUNTIME_DIR");
	if (geteuid() == 0) {
		assert_int_equal(fabric_address_local_socket(1, path), 0);
		assert_string_equal(path, "/run/farfs/1.sock");
	}
}

static struct fabric_address chosen(const char *text, char *why)
{
	struct fabric_address address;
	struct fabric_error error;

	if (fabric_address_choose(text, &address, why, &error) < 0)
		fail_msg("%s", error.text);
	assert_true(why[0] != '\0');
	return address;
}

static void test_address_choose__scheme_is_obeyed(void **state)
{
	char why[128];

	(void)state;
	assert_string_equal(chosen("tcp://127.0.0.1:9", why).provider, "tcp");
	assert_string_equal(chosen("shm:///x", why).path, "/x");
}

static void test_address_choose__this_host_is_shm_when_its_socket_accepts(void **state)
{
	char folder[] = "/tmp/farfs-address-XXXXXX";
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char why[128];

	(void)state;
	assert_non_null(mkdtemp(folder));
	setenv("FARFS_RUNTIME_DIR", folder, 1);
	assert_string_equal(chosen("127.0.0.1:7501", why).provider, "tcp");
	assert_int_equal(fabric_address_local_socket(7501, name.sun_path), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_string_equal(chosen("127.0.0.1:7501", why).provider, "shm");
	assert_string_equal(chosen("127.0.0.1:7501", why).path, name.sun_path);
	assert_string_equal(chosen("127.0.0.9:7501", why).provider, "shm");
	assert_string_equal(chosen("[::1]:7501", why).provider, "shm");
	assert_string_equal(chosen("127.0.0.1:7502", why).provider, "tcp");
	assert_string_equal(chosen("192.0.2.1:7501", why).provider, "tcp");
	close(listener);
	assert_string_equal(chosen("127.0.0.1:7501", why).provider, "tcp");
	assert_string_equal(chosen("127.0.0.1:7501", why).host, "127.0.0.1");
	unlink(name.sun_path);
	rmdir(folder);
	unsetenv("FARFS_RUNTIME_DIR");
}

static void test_address_choose__default_port_is_7440(void **state)
{
	char why[128];

	(void)state;
	assert_int_equal(chosen("192.0.2.1", why).port, 7440);
}

static void test_address_choose__wrong_text_is_refused_with_a_reason(void **state)
{
	static const char *const wrong[] = {"", ":1", "h:x", "/run/x.sock", "a b", "udp://x"};

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fabric_address address;
		struct fabric_error error = {""};

		assert_int_equal(fabric_address_choose(wrong[i], &address, NULL, &error), -EINVAL);
		assert_true(error.text[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_address_parse__tcp_and_rdma_take_host_and_port),
	        cmocka_unit_test(test_address_parse__brackets_hold_ipv6),
	        cmocka_unit_test(test_address_parse__rdma_takes_options_behind_a_question_mark),
	        cmocka_unit_test(test_address_parse__wrong_rdma_options_are_refused_with_a_reason),
	        cmocka_unit_test(test_address_parse__shm_takes_an_absolute_path),
	        cmocka_unit_test(test_address_parse__wrong_text_is_refused_with_a_reason),
	        cmocka_unit_test(test_address_format__is_read_back_the_same),
	        cmocka_unit_test(test_address_local_socket__follows_the_runtime_folder),
	        cmocka_unit_test(test_address_choose__scheme_is_obeyed),
	        cmocka_unit_test(test_address_choose__this_host_is_shm_when_its_socket_accepts),
	        cmocka_unit_test(test_address_choose__default_port_is_7440),
	        cmocka_unit_test(test_address_choose__wrong_text_is_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
