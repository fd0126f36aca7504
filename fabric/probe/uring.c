#include "fabric/probe/probe.h"

#include <liburing.h>

// io_uring, tried out: kernel.io_uring_disabled is not all that forbids it. A container's seccomp filter does, too.

int probe_uring(void)
{
	struct io_uring ring;
	int result = io_uring_queue_init(2, &ring, 0);

	if (result < 0)
		return result;
	io_uring_queue_exit(&ring);
	return 0;
}
