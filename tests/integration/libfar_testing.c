#include "tests/integration/libfar_testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t free_before;

static uint64_t free_bytes(far_session *session)
{
	struct far_space space;

	assert_ok(far_space(session, &space));
	return space.free;
}

int sessions_open(void **state)
{
	static struct sessions sessions;

	sessions.address = getenv("FARFS_TEST_ADDRESS");
	if (far_connect(sessions.address, NULL, &sessions.ours) || far_connect(sessions.address, NULL, &sessions.other)) {
		fprintf(stderr, "%s\n", far_last_error());
		return -1;
	}
	free_before = free_bytes(sessions.ours);
	*state = &sessions;
	return 0;
}

bool free_bytes_become(far_session *session, uint64_t expected)
{
	struct timespec pause = {0, 20000000};

	for (int i = 0; i < 1000 && free_bytes(session) != expected; i++)
		nanosleep(&pause, NULL);
	return free_bytes(session) == expected;
}

int sessions_close(void **state)
{
	struct sessions *sessions = *state;
	bool is_free = free_bytes_become(sessions->ours, free_before);

	if (!is_free)
		fprintf(stderr, "the pool's free bytes were %llu and are %llu: something leaks\n", (unsigned long long)free_before,
		        (unsigned long long)free_bytes(sessions->ours));
	far_close(sessions->ours);
	far_close(sessions->other);
	return is_free ? 0 : -1;
}

void check_ok(long long result, const char *expression, const char *file, int line)
{
	if (result < 0) {
		print_error("%s = %lld: %s (%s)\n", expression, result, far_last_error(), far_strerror((int)result));
		_fail(file, line);
	}
}

static unsigned char pattern_byte(uint64_t position, uint64_t seed)
{
	return (unsigned char)((position / 8 * 0x9e3779b97f4a7c15ULL + seed * 0x2545f4914f6cdd1dULL) >> 56 ^ position);
}

void pattern_fill(void *bytes, size_t length, uint64_t offset, uint64_t seed)
{
	for (size_t i = 0; i < length; i++)
		((unsigned char *)bytes)[i] = pattern_byte(offset + i, seed);
}

void pattern_check(const void *bytes, size_t length, uint64_t offset, uint64_t seed)
{
	for (size_t i = 0; i < length; i++)
		if (((const unsigned char *)bytes)[i] != pattern_byte(offset + i, seed))
			fail_msg("byte %zu of %zu, %llu of the value, differs", i, length, (unsigned long long)(offset + i));
}

size_t fewer(size_t count)
{
	const char *slower = getenv("slower");

	return slower && atoi(slower) > 1 ? count / (size_t)atoi(slower) : count;
}

struct far_statistics statistics_of(far_session *session)
{
	struct far_statistics statistics;

	assert_ok(far_statistics(session, &statistics));
	return statistics;
}

int put_text(far_session *session, const char *key, const char *value)
{
	return far_put(session, key, strlen(key), value, strlen(value), NULL);
}

void expect_text(far_session *session, const char *key, const char *value)
{
	void *got;
	size_t length;

	assert_ok(far_get(session, key, strlen(key), &got, &length, NULL));
	assert_int_equal(length, strlen(value));
	assert_string_equal(got, value);
	free(got);
}

void expect_absent(far_session *session, const char *key)
{
	char byte;

	assert_int_equal(far_get_into(session, key, strlen(key), &byte, 1, 0, NULL, NULL), -ENOENT);
}

int delete_key(far_session *session, const char *key)
{
	return far_delete(session, key, strlen(key));
}

void delete_tree(far_session *session, const char *directory)
{
	char prefix[FILENAME_MAX];
	struct far_list_entry entry;
	far_list *list;
	int found;

	// Directories come before their contents: go over it until nothing is left.
	do {
		snprintf(prefix, sizeof(prefix), "%s/", directory);
		assert_ok(far_list_open(session, prefix, strlen(prefix), FAR_LIST_RECURSIVE, NULL, &list));
		for (found = 0; far_list_next(list, &entry) == 1; found++) {
			int error = far_delete(session, entry.key, entry.key_length);

			assert_true(error == 0 || error == -ENOTEMPTY);
		}
		far_list_close(list);
	} while (found);
	assert_ok(delete_key(session, directory));
}
