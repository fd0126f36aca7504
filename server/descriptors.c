#include "server/descriptors.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "far/limits.h"
#include "far/log.h"

// A lane is one socket, whatever its provider: memory that comes with a connection is mapped and its descriptor closed. The usual soft limit of 1024 is
// there for programs that use select(2), which nothing here does.

#define OTHERS 64U // the pool, listeners, event queues, and connections that have not said hello
#define NEEDED (FAR_SESSIONS_MAX * FAR_LANES_PER_SESSION + OTHERS)

void descriptors_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit)) {
			log_warning("the limit of open descriptors cannot be raised limit=%llu reason=\"%s\"",
			        (unsigned long long)limit.rlim_max, strerror(errno));
			return;
		}
	}
	if (limit.rlim_cur < NEEDED)
		log_warning("fewer open descriptors are allowed than %u sessions of %u lanes need: raise the hard limit (LimitNOFILE= of "
		            "the unit, "
		            "or ulimit -Hn) limit=%llu needed=%u",
		        FAR_SESSIONS_MAX, FAR_LANES_PER_SESSION, (unsigned long long)limit.rlim_cur, NEEDED);
}
