// What the parts of test_libfar share: two sessions with the running server at FARFS_TEST_ADDRESS, so that what one stores is read cold and warm by the other.
#ifndef TESTS_LIBFAR_TESTING_H
#define TESTS_LIBFAR_TESTING_H

#include "tests/unit/testing.h"

#include <stdbool.h>

#include "far.h"

struct sessions {
	const char *address;
	far_session *ours;
	far_session *other;
};

// The group's fixture; *state is a struct sessions. The end checks that the pool's free bytes are what they were.
int sessions_open(void **state);
int sessions_close(void **state);

// Waits a little for the pool's free bytes: what a call gives back travels on its own lane, and what a session had comes back when the server notices its end.
bool free_bytes_become(far_session *session, uint64_t expected);

// Fails the test with the last error's text if `result` is negative.
#define assert_ok(result) check_ok((long long)(result), #result, __FILE__, __LINE__)
void check_ok(long long result, const char *expression, const char *file, int line);

// Bytes that tell their position and `seed`: a mix of two values, or a shifted one, shows.
void pattern_fill(void *bytes, size_t length, uint64_t offset, uint64_t seed);
void pattern_check(const void *bytes, size_t length, uint64_t offset, uint64_t seed);

// A count or length that is only there to be much: smaller where all is slow ($slower: harness.sh).
size_t fewer(size_t count);

// A session's requests and one-sided gets so far.
struct far_statistics statistics_of(far_session *session);

// Calls with a C string as key.
int put_text(far_session *session, const char *key, const char *value);
void expect_text(far_session *session, const char *key, const char *value);
void expect_absent(far_session *session, const char *key);
int delete_key(far_session *session, const char *key);

// Deletes everything below a directory, and it.
void delete_tree(far_session *session, const char *directory);

extern const struct CMUnitTest libfar_values[], libfar_names[], libfar_threads[], libfar_expiry[], libfar_counters[], libfar_many[],
        libfar_versions[], libfar_range[], libfar_watch[], libfar_queue[], libfar_quota[];
extern const size_t libfar_values_count, libfar_names_count, libfar_threads_count, libfar_expiry_count, libfar_counters_count,
        libfar_many_count, libfar_versions_count, libfar_range_count, libfar_watch_count, libfar_queue_count, libfar_quota_count;

#endif
