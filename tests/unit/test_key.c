#include "tests/unit/testing.h"

#include <errno.h>
#include <stdlib.h>

#include "far/key.h"

#define KEY(text) text, sizeof(text) - 1

static void test_key_check__accepts_every_byte_but_nul_and_slash(void **state)
{
	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		char key[] = {'a', '/', (char)byte, 'b'};

		if (byte != '/')
			assert_int_equal(far_key_check(key, sizeof(key)), 0);
	}
	assert_int_equal(far_key_check(KEY("a")), 0);
	assert_int_equal(far_key_check(KEY("...")), 0);
	assert_int_equal(far_key_check(KEY(".hidden/..more/a.")), 0);
	assert_int_equal(far_key_check(KEY(" /\n/\xff\xfe")), 0);
}

static void test_key_check__refuses_what_is_no_path_from_the_root(void **state)
{
	(void)state;
	assert_int_equal(far_key_check(KEY("")), -EINVAL);
	assert_int_equal(far_key_check(NULL, 0), -EINVAL);
	assert_int_equal(far_key_check(KEY("/")), -EINVAL);
	assert_int_equal(far_key_check(KEY("/a")), -EINVAL);
	assert_int_equal(far_key_check(KEY("a/")), -EINVAL);
	assert_int_equal(far_key_check(KEY("a//b")), -EINVAL);
	assert_int_equal(far_key_check(KEY(".")), -EINVAL);
	assert_int_equal(far_key_check(KEY("..")), -EINVAL);
	assert_int_equal(far_key_check(KEY("a/.")), -EINVAL);
	assert_int_equal(far_key_check(KEY("../a")), -EINVAL);
	assert_int_equal(far_key_check(KEY("a/../b")), -EINVAL);
	assert_int_equal(far_key_check(KEY("a\0b")), -EINVAL);
	assert_int_equal(far_key_check(KEY("\0")), -EINVAL);
}

static void test_key_check__knows_its_limits(void **state)
{
	char *key = malloc(FAR_KEY_MAX + 1);

	(void)state;
	memset(key, 'k', FAR_KEY_MAX + 1);
	assert_int_equal(far_key_check(key, 255), 0);
	assert_int_equal(far_key_check(key, 256), -ENAMETOOLONG);
	for (size_t i = 255; i < FAR_KEY_MAX; i += 256)
		key[i] = '/';
	assert_int_equal(far_key_check(key, 4095), 0);
	assert_int_equal(far_key_check(key, 4096), -ENAMETOOLONG);
	assert_int_equal(far_key_check(key, SIZE_MAX), -ENAMETOOLONG); // and does not read that far
	assert_int_equal(far_key_check(key, (size_t)UINT32_MAX + 2), -ENAMETOOLONG);
	free(key);
}

static void test_beginning_check__its_last_component_may_be_cut_off(void **state)
{
	char long_name[FAR_NAME_MAX + 3];

	(void)state;
	memset(long_name, 'n', sizeof(long_name));
	long_name[1] = '/';
	assert_int_equal(far_beginning_check(NULL, 0), 0);
	assert_int_equal(far_beginning_check(KEY("a")), 0);
	assert_int_equal(far_beginning_check(KEY("a/")), 0);
	assert_int_equal(far_beginning_check(KEY("a/b")), 0);
	assert_int_equal(far_beginning_check(KEY("a/..")), 0); // of "a/..b"
	assert_int_equal(far_beginning_check(long_name, FAR_NAME_MAX + 2), 0);
	assert_int_equal(far_beginning_check(KEY("/")), -EINVAL);
	assert_int_equal(far_beginning_check(KEY("/a")), -EINVAL);
	assert_int_equal(far_beginning_check(KEY("a//")), -EINVAL);
	assert_int_equal(far_beginning_check(KEY("../a")), -EINVAL);
	assert_int_equal(far_beginning_check(KEY("a\0b")), -EINVAL);
	assert_int_equal(far_beginning_check(long_name, FAR_NAME_MAX + 3), -ENAMETOOLONG);
	assert_int_equal(far_beginning_check(long_name, SIZE_MAX), -ENAMETOOLONG); // and does not read that far
}

static void test_key_next__cuts_components_off(void **state)
{
	struct far_span rest = {"one/2/three", 11};
	struct far_span component;

	(void)state;
	assert_int_equal(far_key_next(&rest, &component), 1);
	assert_int_equal(component.length, 3);
	assert_memory_equal(component.bytes, "one", 3);
	assert_int_equal(far_key_next(&rest, &component), 1);
	assert_int_equal(component.length, 1);
	assert_memory_equal(component.bytes, "2", 1);
	assert_int_equal(far_key_next(&rest, &component), 1);
	assert_int_equal(component.length, 5);
	assert_memory_equal(component.bytes, "three", 5);
	assert_int_equal(far_key_next(&rest, &component), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_key_check__accepts_every_byte_but_nul_and_slash),
	        cmocka_unit_test(test_key_check__refuses_what_is_no_path_from_the_root),
	        cmocka_unit_test(test_key_check__knows_its_limits),
	        cmocka_unit_test(test_beginning_check__its_last_component_may_be_cut_off),
	        cmocka_unit_test(test_key_next__cuts_components_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
