// Quotas by the public calls: set, get, list and remove; what meets one, in each way of storing, and what its message says.
#include "tests/integration/libfar_testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE ((size_t)3 << 20)

static far_session *session_of(void **state)
{
	return ((struct sessions *)*state)->ours;
}

static int set(far_session *session, const char *key, uint64_t bytes, uint64_t objects)
{
	return far_quota_set(session, key, strlen(key), bytes, objects, NULL);
}

static int put(far_session *session, const char *key, const void *value, size_t length)
{
	return far_put(session, key, strlen(key), value, length, NULL);
}

static void test_quota__set_get_and_remove(void **state)
{
	far_session *session = session_of(state);
	struct far_quota quota;

	assert_ok(put(session, "quota/f", "value", 5));
	assert_int_equal(far_quota_get(session, "quota", 5, &quota), -ENODATA);
	assert_non_null(strstr(far_last_error(), "no quota"));
	assert_ok(far_quota_set(session, "quota", 5, 1U << 20, 3, &quota));
	assert_int_equal(quota.objects, 1);
	assert_int_equal(quota.flags, 0);
	assert_ok(far_quota_get(session, "quota", 5, &quota));
	assert_int_equal(quota.bytes_limit, 1U << 20);
	assert_int_equal(quota.objects_limit, 3);
	assert_int_equal(quota.bytes, 144);
	assert_ok(set(session, "quota", 0, 5));
	assert_ok(far_quota_get(session, "quota", 5, &quota));
	assert_int_equal(quota.bytes_limit, 0);
	assert_ok(far_quota_remove(session, "quota", 5));
	assert_int_equal(far_quota_remove(session, "quota", 5), -ENODATA);
	delete_tree(session, "quota");
}

static void test_quota__wrong_arguments(void **state)
{
	far_session *session = session_of(state);

	assert_ok(put(session, "quota/f", "value", 5));
	assert_int_equal(set(session, "quota", 0, 0), -EINVAL);
	assert_int_equal(set(session, "quota", UINT64_MAX, 0), -EINVAL);
	assert_int_equal(set(session, "quota", 0, (1ULL << 62) + 1), -EINVAL);
	assert_int_equal(set(session, "quota/f", 1, 1), -ENOTDIR);
	assert_int_equal(set(session, "quota/none", 1, 1), -ENOENT);
	assert_int_equal(set(session, "quota//x", 1, 1), -EINVAL);
	assert_int_equal(far_quota_get(session, "quota/none", 10, &(struct far_quota){0}), -ENOENT);
	delete_tree(session, "quota");
}

// Small, by grants, larger than they are, appended, many at once: whole or not at all, and what was there stays.
static void test_quota__refuses_each_way_of_storing(void **state)
{
	far_session *session = session_of(state);
	char *value = calloc(1, 2 * LARGE);
	struct far_put_item items[2] = {{.key = "quota/2", .key_length = 7, .value = "a", .length = 1},
	        {.key = "quota/3", .key_length = 7, .value = "b", .length = 1}};
	struct far_quota quota;

	assert_non_null(value);
	assert_ok(far_mkdir(session, "quota", 5, 0755));
	assert_ok(set(session, "quota", LARGE + 100000, 2));
	assert_ok(put(session, "quota/1", value, LARGE));
	assert_int_equal(put(session, "quota/2", value, 200000), -EDQUOT);
	assert_non_null(strstr(far_last_error(), "the quota of /quota allows no more"));
	assert_int_equal(put(session, "quota/1", value, 2 * LARGE), -EDQUOT);
	assert_int_equal(far_append(session, "quota/1", 7, value, 1U << 20, NULL, NULL), -EDQUOT);
	assert_ok(put(session, "quota/1", value, LARGE));
	assert_int_equal(far_put_many(session, items, 2), 1);
	assert_int_equal(items[0].result, 0);
	assert_int_equal(items[1].result, -EDQUOT);
	assert_int_equal(far_counter_add(session, "quota/n", 7, 1, NULL, NULL), -EDQUOT);
	assert_ok(put(session, "elsewhere", value, 200000));
	assert_int_equal(far_rename(session, "elsewhere", 9, "quota/2", 7), -EDQUOT);
	assert_ok(far_quota_get(session, "quota", 5, &quota));
	assert_int_equal(quota.objects, 2);
	assert_ok(delete_key(session, "elsewhere"));
	delete_tree(session, "quota");
	free(value);
}

// There would be room for what is small in a page, and not for the page that is to come behind it.
static void test_quota__what_is_refused_has_begun_nothing(void **state)
{
	far_session *session = session_of(state);
	char *value = calloc(1, LARGE);
	uint64_t begun, version;
	size_t length;
	void *found;

	assert_non_null(value);
	assert_ok(far_put(session, "quota/k", 7, "value", 5, &begun));
	assert_ok(set(session, "quota", 6000, 0));
	assert_int_equal(far_append(session, "quota/k", 7, value, 7000, NULL, NULL), -EDQUOT);
	assert_int_equal(far_append(session, "quota/k", 7, value, 1U << 20, NULL, NULL), -EDQUOT);
	assert_int_equal(far_put_range(session, "quota/k", 7, value, 10, 100000, 0, NULL, NULL), -EDQUOT);
	assert_ok(far_get(session, "quota/k", 7, &found, &length, &version));
	assert_int_equal(length, 5);
	assert_memory_equal(found, "value", 5);
	free(found);
	assert_int_equal(version, begun);
	assert_ok(far_quota_remove(session, "quota", 5));
	assert_ok(far_append(session, "quota/k", 7, value, 1U << 20, NULL, &version));
	assert_int_equal(version, begun + 1);
	delete_tree(session, "quota");
	free(value);
}

static void test_quota__directory_is_not_renamed_out_of_it(void **state)
{
	far_session *session = session_of(state);

	assert_ok(far_mkdir(session, "quota/d", 7, 0755));
	assert_ok(set(session, "quota", 0, 10));
	assert_int_equal(far_rename(session, "quota/d", 7, "out", 3), -EXDEV);
	assert_ok(far_rename(session, "quota/d", 7, "quota/e", 7));
	delete_tree(session, "quota");
}

#define LISTED 150U // more than a message tells

static int tell(void *context, const void *key, size_t key_length, const struct far_quota *quota)
{
	unsigned *told = context;
	char wanted[32];

	snprintf(wanted, sizeof(wanted), "quota/%u", *told);
	if (key_length != strlen(wanted) || memcmp(key, wanted, key_length) != 0 || quota->objects_limit != *told + 1)
		return -EILSEQ;
	return ++*told == LISTED + 1 ? 7 : 0;
}

static void test_quota__list_tells_all_in_their_order_until_it_is_stopped(void **state)
{
	far_session *session = session_of(state);
	unsigned told = 0;
	char key[32];

	for (unsigned i = 0; i < LISTED; i++) {
		snprintf(key, sizeof(key), "quota/%u", i);
		assert_ok(far_mkdir(session, key, strlen(key), 0755));
		assert_ok(set(session, key, 0, i + 1));
	}
	assert_ok(far_quota_list(session, tell, &told));
	assert_int_equal(told, LISTED);
	told = 1;
	assert_int_equal(far_quota_list(session, tell, &told), -EILSEQ);
	assert_int_equal(told, 1);
	delete_tree(session, "quota");
	told = 0;
	assert_ok(far_quota_list(session, tell, &told));
	assert_int_equal(told, 0);
}

const struct CMUnitTest libfar_quota[] = {
        cmocka_unit_test(test_quota__set_get_and_remove),
        cmocka_unit_test(test_quota__wrong_arguments),
        cmocka_unit_test(test_quota__refuses_each_way_of_storing),
        cmocka_unit_test(test_quota__what_is_refused_has_begun_nothing),
        cmocka_unit_test(test_quota__directory_is_not_renamed_out_of_it),
        cmocka_unit_test(test_quota__list_tells_all_in_their_order_until_it_is_stopped),
};
const size_t libfar_quota_count = sizeof(libfar_quota) / sizeof(libfar_quota[0]);
