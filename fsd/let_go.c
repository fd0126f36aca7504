#include "fsd/let_go.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/files.h"
#include "far/log.h"

#define ASK_AGAIN_MS 1000 // of a mount that asks for nothing itself, no reply tells

struct let_go {
	far_session *session;
	struct fuse_session *fuse;
	int wake_fd;
	pthread_t thread;
	_Atomic bool is_ending;
};

// A name that is in use meanwhile, or that another object has by now, is looked up again, that is all. -ENOENT: the kernel does not know it.
static void forget_name(void *context, uint64_t parent, const char *name, uint32_t length)
{
	const struct let_go *let_go = context;
	char text[FAR_NAME_MAX + 1];

	memcpy(text, name, length);
	text[length] = '\0';
	fuse_lowlevel_notify_inval_entry(let_go->fuse, parent, text, length);
}

// Waits until the server has something to ask for, or is to be asked. False: the end.
static bool sleep_until_woken(const struct let_go *let_go, int timeout_ms)
{
	struct pollfd woken = {.fd = let_go->wake_fd, .events = POLLIN};
	uint64_t count;

	if (poll(&woken, 1, timeout_ms) > 0 && read(let_go->wake_fd, &count, sizeof(count)) < 0 && errno != EINTR && errno != EAGAIN)
		return false;
	return !atomic_load_explicit(&let_go->is_ending, memory_order_acquire);
}

static void *work(void *argument)
{
	struct let_go *let_go = argument;
	struct far_lane *lane = NULL;
	int timeout_ms = -1;

	while (sleep_until_woken(let_go, timeout_ms)) {
		timeout_ms = ASK_AGAIN_MS;
		if (!lane && far_lane_get(let_go->session, &lane)) {
			log_warning("files cannot be given back to the server: %s", far_last_error());
			lane = NULL;
			continue;
		}
		while (far_let_go(lane, forget_name, let_go) > 0 && !atomic_load_explicit(&let_go->is_ending, memory_order_acquire))
			;
	}
	if (lane)
		far_lane_put(lane);
	return NULL;
}

struct let_go *let_go_begin(far_session *session, struct fuse_session *fuse)
{
	struct let_go *let_go = calloc(1, sizeof(*let_go));

	if (!let_go)
		return NULL;
	let_go->session = session;
	let_go->fuse = fuse;
	let_go->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (let_go->wake_fd < 0 || pthread_create(&let_go->thread, NULL, work, let_go)) {
		if (let_go->wake_fd >= 0)
			close(let_go->wake_fd);
		free(let_go);
		return NULL;
	}
	far_let_go_wake(session, let_go->wake_fd);
	return let_go;
}

void let_go_end(struct let_go *let_go)
{
	uint64_t one = 1;

	if (!let_go)
		return;
	far_let_go_wake(let_go->session, -1);
	atomic_store_explicit(&let_go->is_ending, true, memory_order_release);
	while (write(let_go->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(let_go->thread, NULL);
	close(let_go->wake_fd);
	free(let_go);
}
