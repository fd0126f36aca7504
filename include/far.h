/*
 * libfar: far memory by key. The objects are those that the mount shows: the key `models/a.bin` is the file /models/a.bin.
 *
 * Keys are 1..4095 bytes of components of 1..255 bytes parted by single slashes, none of them empty, `.` or `..`, no NUL, no slash at either
 * end; other bytes are free, so keys have a length and need no terminator. Values have 0 bytes up to the whole pool.
 *
 * Functions return 0 or a count on success and a negative errno on failure, never partly done: a put, compare-and-swap, rename or delete either
 * happened whole or not at all. far_strerror() gives the general text of a code, far_last_error() the particular one of this thread.
 * Codes that any call may return: -EINVAL (a bad argument or key), -ENAMETOOLONG (key or component too long, or two keys together longer than the server's
 * messages), -ENOTCONN (the server is gone; the session reconnects by itself at the next call), -ETIMEDOUT (no answer within the session's time limit),
 * -EIO (the connection broke while the call was under way), -ENOMEM (on either side), -EPROTO (the server sent nonsense), -EDEADLK (called by a far_source of
 * the same session). After -EIO, -ETIMEDOUT and -EPROTO a change may or may not have happened. Codes that any call with a key may return: -ENOTDIR (a component
 * before the last is not a directory). The others stand at each call.
 *
 * A session may be used by many threads at once: each takes a lane of its own (a connection), made at its first call. It is of no use in a child after fork():
 * connect there anew. No signal handlers are installed, and a broken connection raises no SIGPIPE.
 * "Cost" below is network round trips on a connected lane. A get that costs 0 requests is one-sided: no request handler of the server runs. What it takes of the
 * server's CPU depends on the provider. Shared memory: nothing, the value is copied from the mapped pool. TCP: one round trip, in which the server's process
 * copies the bytes into the connection, as a network card would. RDMA verbs, where they are built in:
 * nothing, the network card reads the pool.
 */
#ifndef FAR_H
#define FAR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FAR_API __attribute__((visibility("default")))

typedef struct far_session far_session;
typedef struct far_list far_list;

/* How to connect; zeros mean the defaults. Set `size` to sizeof(struct far_options): later versions may grow it. */
struct far_options {
	size_t size;
	unsigned timeout_ms;    /* limit of one call's wait for the server, default 10000 */
	unsigned lanes;         /* most threads at once, default and at most 66; further threads wait for a free lane */
	const char *name;       /* program name that the server logs, default the process's */
	uint64_t cache_entries; /* cached locations per lane, default 65536; 0 = default, UINT64_MAX = none */
};

/* What is known of an object. Times are nanoseconds since 1970. */
struct far_stat {
	uint64_t id;      /* of the object, unique while it lives */
	uint64_t version; /* +1 at each change of the value */
	uint64_t size;    /* bytes of the value */
	uint64_t blocks;  /* of 512 bytes, occupied in the pool */
	int64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
	uint32_t mode; /* type and permissions as st_mode */
	uint32_t uid, gid, nlink;
};

/* Bytes and counts of the server. */
struct far_space {
	uint64_t total, free, available; /* bytes; available = free less memory granted to clients in advance */
	uint64_t objects, sessions, operations, uptime_ns, segment_size;
};

/* What a check of the server found: a kind ("leak", "nlink", ...; far(1) lists them), the object's id or 0, and a text for people. Lives as long as the call that tells it. */
struct far_check_finding {
	const char *kind;
	uint64_t id;
	const char *text; /* text_length bytes, no end */
	size_t text_length;
};

/* What a check looked at: objects and names, pages and small blocks in use. `unsettled` of them, or counts, changed meanwhile and could not be judged. */
struct far_check_summary {
	uint64_t objects, names, pages, blocks, unsettled, findings;
};

/* Returns 0 to go on, else what far_check is to return. It may not use the session. */
typedef int far_check_tell(void *context, const struct far_check_finding *finding);

/* What this session did since it was opened, all lanes together. */
struct far_statistics {
	uint64_t requests;                  /* messages that asked the server */
	uint64_t one_sided;                 /* gets without a request: see "Cost" above */
	uint64_t one_sided_retries;         /* of them: the value had changed, the server was asked after all */
	uint64_t probes;                    /* of them: the key was found in the server's index, because the server said that it was busy */
	uint64_t bytes_read, bytes_written; /* of values */
	uint64_t reconnects;
	uint32_t lanes;
	uint32_t eager_limit; /* largest value that travels inside a message, bytes */
	char provider[8];     /* "shm", "tcp" or "rdma" */
	char address[384];    /* as chosen */
	char chosen_because[128];
	/* What became of all that on the wire, connecting included. Over shared memory reads are loads, and not counted. */
	uint64_t messages_sent, messages_received;
	uint64_t remote_reads, remote_writes, remote_atomics;
	uint64_t doorbells;   /* rdma: calls that handed work to the device, as much at once as there was */
	uint64_t completions; /* rdma: taken off the device's queues */
};

/* Connects. `address`: shm:///path.sock, tcp://host:port, rdma://host:port[?name=value&...] (connect=, device=, port=, gid=, depth=, receives=: far-server(8)),
 * or host[:port], which chooses. options may be NULL. Cost: 1 + connecting.
 * -ECONNREFUSED, -ENOENT (no such socket), -EHOSTUNREACH (and other codes of connect(2)), -EACCES, -ENODEV (no RDMA device leads there), -EPROTONOSUPPORT
 * (provider not built in, or another wire version), -EMFILE (the server has as many sessions as it can have). */
FAR_API int far_connect(const char *address, const struct far_options *options, far_session **session);

/* Ends the session and frees it; no other call may be under way. NULL does nothing. */
FAR_API void far_close(far_session *session);

/* Stores a value under a key, atomically; makes missing directories of the key. *version (may be NULL) gets the new version. -ENOSPC (pool full: nothing
 * changed), -EISDIR (the key is a directory), -ELOOP (a symbolic link), -EINVAL (also: another special file), -EFBIG (16 TiB or more). Cost: 1 up to the lane's grants
 * (about 4 MiB), then 1 per MiB, pipelined. */
FAR_API int far_put(far_session *session, const void *key, size_t key_length, const void *value, size_t length, uint64_t *version);

/* Stores only if the current version is `expected`; 0 = only if there is no such key. -ECANCELED if not, with *version = the current version
 * (0 = no such key), else as far_put. */
FAR_API int far_cas(
        far_session *session, const void *key, size_t key_length, const void *value, size_t length, uint64_t expected, uint64_t *version);

/* Stores what `read` delivers until it returns 0 (bytes) or a negative errno (which aborts: nothing changes, and that errno is returned). For values larger than
 * memory. `read` must not call functions of the same session, which return -EDEADLK to it; another session serves. Else as far_put; -EINVAL also if `read` claims
 * more bytes than were asked for. */
typedef ssize_t far_source(void *context, void *buffer, size_t length);
FAR_API int far_put_stream(far_session *session, const void *key, size_t key_length, far_source *read, void *context, uint64_t *version);

/* Fetches a whole value into new memory: *value must be freed by free(); it has one more byte, 0, behind its end. -ENOENT, -EISDIR,
 * -ELOOP (a symbolic link), -EINVAL (also: another special file), -ETIMEDOUT (also: the value changed faster than it could be read).
 * Cost: 1; 0 requests (one-sided) where the location is cached. A value above 1 MiB whose location is unknown: 2. */
FAR_API int far_get(far_session *session, const void *key, size_t key_length, void **value, size_t *length, uint64_t *version);

/* Fetches bytes [offset, offset + length) into the caller's buffer, cut at the value's end. Returns the number of bytes; *size (may be NULL) gets the whole
 * value's size, *version its version. A value changed meanwhile is fetched again: never a mix of two versions. Else as far_get. Cost: 1, or 0 requests. */
FAR_API ssize_t far_get_into(far_session *session, const void *key, size_t key_length, void *buffer, size_t length, uint64_t offset,
        uint64_t *size, uint64_t *version);

/* Deletes a file, a name of one, or an empty directory. -ENOENT, -ENOTEMPTY. Cost: 1. */
FAR_API int far_delete(far_session *session, const void *key, size_t key_length);

/* Deletes only if the version is `expected`. -ECANCELED if not, with *version (may be NULL) = the current one, else as far_delete. */
FAR_API int far_delete_version(far_session *session, const void *key, size_t key_length, uint64_t expected, uint64_t *version);

/* Attributes of a key; key_length 0 = the root directory. -ENOENT. Cost: 1. */
FAR_API int far_stat(far_session *session, const void *key, size_t key_length, struct far_stat *stat);

/* Renames atomically; replaces a file (or empty directory by a directory) at `to`, makes its missing parents. -ENOENT, -ENOTEMPTY, -EISDIR, -ENOTDIR, -ENOSPC,
 * -EINVAL (also: a directory into itself), -ENAMETOOLONG (also: both keys together do not fit the server's message size, 8 KiB by default). Cost: 1. */
FAR_API int far_rename(far_session *session, const void *from, size_t from_length, const void *to, size_t to_length);

/* Makes a directory and its missing parents; an existing directory is success. -EEXIST (the key is something else), -ENOSPC. Cost: 1. */
FAR_API int far_mkdir(far_session *session, const void *key, size_t key_length, uint32_t mode);

enum {
	FAR_LIST_RECURSIVE = 1, /* everything below, directories before their contents */
};

/* One name found. `key` is valid until the next call on the list; NUL-terminated. */
struct far_list_entry {
	const char *key;
	size_t key_length;
	struct far_stat stat;
};

/* Lists. A prefix that ends in a slash, or is empty, lists that directory; another lists the entries of its directory part whose names begin with the
 * rest: `models/a` finds models/a.bin and the directory models/abc. Order: a directory's order of creation, stable while it changes: what was there throughout is
 * listed exactly once. `cursor` (NULL = from the start) continues after the entry at which far_list_cursor was taken, also in another session;
 * -EINVAL if it is none of this list. Cost: 0. */
FAR_API int far_list_open(
        far_session *session, const void *prefix, size_t prefix_length, unsigned flags, const char *cursor, far_list **list);

/* The next entry: 1, 0 at the end, or a negative errno; -ENOENT and -ENOTDIR if there is no such directory to list. Cost: 1 for about 50 entries. */
FAR_API int far_list_next(far_list *list, struct far_list_entry *entry);

/* A text that continues behind the last entry delivered; valid until the next call on the list. */
FAR_API const char *far_list_cursor(far_list *list);
FAR_API void far_list_close(far_list *list);

/* Asks for an answer, nothing else. Cost: 1. */
FAR_API int far_ping(far_session *session);
FAR_API int far_space(far_session *session, struct far_space *space);
FAR_API int far_statistics(far_session *session, struct far_statistics *statistics);

/* Checks the server's structures: names, directories, link counts, values, memory. Changes nothing; the server goes on meanwhile. `tell` (may be NULL) gets each finding, up to
   1,000; summary->findings counts all. -EMFILE: another check is under way. Cost: one for each 0.2 ms that the check takes, about half of the server's time until the end. */
FAR_API int far_check(far_session *session, far_check_tell *tell, void *context, struct far_check_summary *summary);

/* The general text of a code that a call returned (negative or positive). Static memory. */
FAR_API const char *far_strerror(int error);

/* What the calling thread's last failed call said in particular: what failed, with which value, what to do. "" if nothing failed. Thread-local memory. */
FAR_API const char *far_last_error(void);

/* "0.1.0" */
FAR_API const char *far_version(void);

#ifdef __cplusplus
}
#endif

#endif
