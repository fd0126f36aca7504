// When reading an object moves its access time: one rule, Linux's relatime, for mounts, which ask the server to move it only where it seems due, and for the server, which knows.
#ifndef FAR_ACCESS_TIME_H
#define FAR_ACCESS_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define FAR_ACCESS_TIME_STALE_NS (24LL * 60 * 60 * 1000000000)

// Of times and a clock in nanoseconds since 1970; any `atime_ns` will do, `now_ns` is a real clock's.
static inline bool far_access_time_is_due(int64_t atime_ns, int64_t mtime_ns, int64_t ctime_ns, int64_t now_ns)
{
	return atime_ns <= mtime_ns || atime_ns <= ctime_ns || atime_ns <= now_ns - FAR_ACCESS_TIME_STALE_NS;
}

#endif
