// The channel: how requests of the kernel reach a file system's operations. A number of threads read /dev/fuse, each into its own buffer, and run the operation
// right there: no hand-over. Knows nothing of FarFS: the benchmark's null file system runs on it, too.
#ifndef FSD_CHANNEL_H
#define FSD_CHANNEL_H

#include <stddef.h>

struct fuse_session;

struct channel_hooks {
	void *context;

	// A thread begins: returns its own state, and in *buffer memory of `length` bytes for requests, page-aligned, that stays its own until it ends. NULL: it cannot
	// run (the caller goes on with fewer threads).
	void *(*thread_begin)(void *context, size_t length, void **buffer);
	void (*thread_end)(void *context, void *thread);
};

// Bytes of the largest request: 1 MiB of data and a page for its headers, as libfuse reads it.
#define CHANNEL_BUFFER ((1U << 20) + 4096U)

// Serves until the file system is unmounted or SIGTERM, SIGINT or SIGHUP comes (which must be blocked in all threads before, channel_block_signals): then unmounts. Returns 0, or a
// negative errno if no thread could begin.
int channel_serve(struct fuse_session *session, unsigned threads, const struct channel_hooks *hooks);
void channel_block_signals(void);

// The calling thread's state, as its thread_begin returned it, and its buffer.
void *channel_thread(void);
void *channel_buffer(void);

#endif
