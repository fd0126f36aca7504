#include <errno.h>
#include <time.h>

#include "fsd/channel_inside.h"
#include "fsd/fuse_kernel.h"

// Classic /dev/fuse: every thread reads the one descriptor; the kernel wakes one of those that wait. Once the file system is unmounted every read ends with ENODEV, and with it its
// thread. When a signal ends the daemon instead, the threads finish the request they are at; those that wait for one are woken. The descriptor is closed only when no thread reads it any
// more, so that its number cannot become something else under one of them.

#define NAP_NS 1000000L

// Beside rings only FORGET and INTERRUPT come here. FORGETs that gather meanwhile come as one, and whoever causes them is not slowed by our waking up for each.
static void nap_behind_forget(const struct worker *worker)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};
	uint32_t opcode = worker->request->opcode;

	if (worker->channel->agreed & FUSE_OVER_IO_URING && (opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET))
		nanosleep(&nap, NULL);
}

void classic_serve(struct worker *worker)
{
	struct fuse_session *session = worker->channel->session;

	worker->place = (char *)worker->buffer + CHANNEL_PAGE;
	worker->request = worker->buffer;
	while (!fuse_session_exited(session)) {
		struct fuse_buf request = {.mem = worker->buffer};
		int got = fuse_session_receive_buf(session, &request);

		if (got == -EINTR)
			continue;
		if (got <= 0)
			break;
		channel_process(worker, request.mem, request.size);
		nap_behind_forget(worker);
	}
}
