#include "null_serve.h"

#include <stdlib.h>
#include <string.h>

#include "fsd/channel.h"
#include "fsd/filesystem.h"

#define THREADS 2

static void *thread_begin(void *context, size_t length, void **buffer)
{
	(void)context;
	*buffer = aligned_alloc(4096, length);
	return *buffer;
}

static void thread_end(void *context, void *thread)
{
	(void)context;
	free(thread);
}

static enum channel_way way_of(const char *text)
{
	if (!text)
		return CHANNEL_AUTO;
	return strcmp(text, "ring") == 0 ? CHANNEL_RING : CHANNEL_CLASSIC;
}

int null_serve(char *program, const char *directory, const char *way, const struct fuse_lowlevel_ops *operations)
{
	const struct channel_hooks hooks = {
	        .way = way_of(way), .thread_begin = thread_begin, .thread_end = thread_end, .init_flags = FILESYSTEM_INIT_FLAGS};
	static struct filesystem settings = {.max_background = 512};
	char *names[] = {program, (char *)"-ofsname=nullfs,subtype=nullfs,default_permissions", NULL};
	struct fuse_args arguments = FUSE_ARGS_INIT(2, names);
	struct fuse_session *session;
	int status = 1;

	channel_block_signals();
	session = fuse_session_new(&arguments, operations, sizeof(*operations), &settings);
	if (session && fuse_session_mount(session, directory) == 0) {
		status = channel_serve(session, THREADS, &hooks) ? 1 : 0;
		fuse_session_unmount(session);
	}
	return status; // with the session: a thread that did not end may use it
}
