// The channel: how requests of the kernel reach a file system's operations. Threads take them, from /dev/fuse or from rings of io_uring (FUSE over io_uring, Linux 6.14), each into its own
// memory, and run the operation right there: no hand-over. Knows nothing of FarFS: the benchmark's null file system runs on it, too.
#ifndef FSD_CHANNEL_H
#define FSD_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuse_in_header;
struct fuse_session;

enum channel_way {
	CHANNEL_AUTO, // rings where the kernel offers them
	CHANNEL_CLASSIC,
	CHANNEL_RING, // or not at all
};

struct channel_hooks {
	void *context;
	enum channel_way way;

	// Makes a thread's own state, and in *buffer memory of `length` bytes for requests, page-aligned, that stays its own until it ends. NULL: it cannot
	// run (the others go on without it). Both are called by the thread that called channel_serve, before the thread begins and after it has ended.
	void *(*thread_begin)(void *context, size_t length, void **buffer);
	void (*thread_end)(void *context, void *thread);

	// More such memory for the same thread, until it ends: where the data of requests and answers of a ring lie. NULL, the function or its result: any memory will do.
	void *(*thread_memory)(void *context, void *thread, size_t length);

	// Threads serve, by this way ("ring" or "classic"): requests are answered from now on. NULL: nobody wants to know.
	void (*begun)(void *context, const char *way);

	// Sees each request before libfuse does, on its thread: operations that libfuse does not know. True: answered (channel_answer). It may also change the request in its place into
	// another one that libfuse knows. NULL: there are none.
	bool (*newer)(void *context, struct fuse_in_header *request);

	// Answers what was put off (channel_defer) on the calling thread, or some of it: then it is called again soon. NULL: nothing ever is put off.
	void (*finish)(void *context);

	// A request that took so long is logged, in milliseconds; 0: none is.
	unsigned slow_ms;

	// FUSE_* bits of INIT that are agreed to if the kernel offers them, whatever libfuse knows about them.
	uint64_t init_flags;
};

// Bytes of the largest request: 1 MiB of data and a page for its headers, as libfuse reads it.
#define CHANNEL_PAGE 4096U
#define CHANNEL_BUFFER ((1U << 20) + CHANNEL_PAGE)

// Serves until the file system is unmounted or SIGTERM, SIGINT or SIGHUP comes (which must be blocked in all threads before, channel_block_signals). Unmounting is left to the
// caller. Returns 0, -ENOMEM if no thread could begin, -EOPNOTSUPP if only rings would do and there are none (far/log.h was told why), or -EBUSY if a thread could not be made to end in time: it still uses the session and the hooks' context, so the
// caller unmounts and ends the process without freeing them.
int channel_serve(struct fuse_session *session, unsigned threads, const struct channel_hooks *hooks);
void channel_block_signals(void);

// The calling thread's state, as its thread_begin returned it.
void *channel_thread(void);

// Where the calling thread may put data of the answer to the request under way: CHANNEL_BUFFER - CHANNEL_PAGE bytes, page-aligned. An answer that begins here is not copied before it goes
// to the kernel. A request with names or data of its own may lie here itself.
void *channel_place(void);

// The request under way on the calling thread, as the kernel sent it.
const struct fuse_in_header *channel_request(void);

// Puts the answer to the request under way off, because others have come with it: once all of them have begun, hooks.finish answers them, so that what they need can be had at once. It returns a
// handle, or NULL if there are no others: answer it now. is_alone: also if there are none. NULL always by /dev/fuse.
struct channel_later;
struct channel_later *channel_defer(bool is_alone);

// In hooks.finish: from now on answers are to this request.
void channel_resume(struct channel_later *later);

// Answers a request past libfuse: with `error` (a negative errno), or 0 and the operation's struct. 0, or a negative errno if the kernel did not take it.
int channel_answer(const struct fuse_in_header *request, int error, const void *bytes, size_t length);

// Whether this kernel, as it is set now, has FUSE over io_uring.
bool channel_is_ring_offered(void);

// Requests taken so far, by the kernel's opcode (those from CHANNEL_OPCODES on as 0).
#define CHANNEL_OPCODES 64U
void channel_counts(uint64_t counts[CHANNEL_OPCODES]);

// "ring" or "classic".
const char *channel_name(void);

// Which of hooks.init_flags the kernel and we agreed on.
bool channel_has_agreed(uint64_t init_flag);

#endif
