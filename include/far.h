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
typedef struct far_watch far_watch;
typedef struct far_queue far_queue;

/* How to connect; zeros mean the defaults. Set `size` to sizeof(struct far_options): later versions may grow it. */
struct far_options {
	size_t size;
	unsigned timeout_ms;    /* limit of one call's wait for the server, default 10000 */
	unsigned lanes;         /* most threads at once, default and at most 67; further threads wait for a free lane */
	const char *name;       /* program name that the server logs, default the process's */
	uint64_t cache_entries; /* cached locations per lane, default 65536; 0 = default, UINT64_MAX = none */
};

/* What is known of an object. Times are nanoseconds since 1970. */
struct far_stat {
	uint64_t id;      /* of the object, unique while it lives */
	uint64_t version; /* +1 at each change of the value; begins above those of objects that have lost a name: 1 on a new server */
	uint64_t size;    /* bytes of the value */
	uint64_t blocks;  /* of 512 bytes, occupied in the pool */
	int64_t atime_ns, mtime_ns, ctime_ns, btime_ns;
	uint32_t mode; /* type and permissions as st_mode */
	uint32_t uid, gid, nlink;
	uint32_t flags; /* FAR_STAT_PINNED */
	uint32_t reserved;
};
#define FAR_STAT_PINNED 1u /* far_pin */

/* The quota of a directory: limits on what is below it, and what is. An object has its first name's place, and has as many bytes as its record (128, its name and, small, its value), its value's memory and its extended
 * attributes take (of each 48 bytes, name and value; a value above about 4000 bytes has memory of its own), and 128 for each further name; of the directory itself only the attributes are counted. */
struct far_quota {
	uint64_t bytes_limit, objects_limit; /* 0 = none of this kind */
	uint64_t bytes, objects;             /* what is there: may be above a limit that was set later */
	uint64_t refusals;                   /* requests that it was in the way of */
	uint32_t flags;                      /* FAR_QUOTA_COUNTING */
	uint32_t reserved;
};
#define FAR_QUOTA_COUNTING 1u /* what was there when it was set is being counted: so far it is this */

/* Bytes and counts of the server. */
struct far_space {
	uint64_t total, free,
	        available; /* bytes; available = free less memory granted to clients in advance; of a server that evicts also what objects have */
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

#define FAR_LATENCY_BUCKETS 256

/* What the server counted of one operation since its start. The first request of each and then one of 16 is timed, in its handler. */
struct far_operation_metrics {
	char name[16];
	uint64_t count;
	uint64_t errors;                       /* of them: answered with an error, such as that there is no such key */
	uint64_t timed, time_ns;               /* how many were timed, and the sum of their times */
	uint64_t latency[FAR_LATENCY_BUCKETS]; /* of those timed: by bucket, which far_latency_bound explains */
};

/* What it knows of one client. */
struct far_session_metrics {
	uint64_t id, operations;
	uint32_t pid, uid, lanes, reserved;
	char client[32], peer[64];
};

/* All of it, for far_metrics_free. Operations are those that there were. Differences of two calls are figures of the time between them: now_ns is the server's clock. */
struct far_metrics {
	uint64_t pool, objects_bytes, index_bytes, granted_bytes, reclaim_bytes, reserve_bytes,
	        free_bytes; /* bytes: pool is the sum of the others */
	uint64_t objects, lanes, malformed;
	uint64_t bytes_in, bytes_out; /* of values, by requests: what clients read or wrote by themselves is not known */
	uint64_t evicted,
	        evicted_bytes; /* objects that went from a full pool (far-server --full=evict), and the memory that they had; 0 where nothing is evicted */
	uint64_t now_ns, uptime_ns;
	struct far_operation_metrics *operations;
	size_t operation_count;
	struct far_session_metrics *sessions;
	size_t session_count;
};

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

/* Stores a value under a key, atomically; makes missing directories of the key. Ends the key's time to live, if it has one. *version (may be NULL) gets the new version. -ENOSPC (pool full: nothing
 * changed), -EISDIR (the key is a directory), -ELOOP (a symbolic link), -EINVAL (also: another special file), -EFBIG (16 TiB or more). Cost: 1 up to the lane's grants
 * (about 4 MiB), then 1 per MiB, pipelined. */
FAR_API int far_put(far_session *session, const void *key, size_t key_length, const void *value, size_t length, uint64_t *version);

/* Stores only if the current version is `expected`; 0 = only if there is no such key. -ECANCELED if not, with *version = the current version
 * (0 = no such key), else as far_put. A key that is deleted and stored anew goes on above the versions that it had; only a rename brings an object, with the version that it has, to another
 * key. */
FAR_API int far_cas(
        far_session *session, const void *key, size_t key_length, const void *value, size_t length, uint64_t expected, uint64_t *version);

/* As far_cas; with -ECANCELED *current (new memory, to be freed by free(); one more byte, 0, behind its end) and *current_length get the value of *version: NULL and 0 if there is no such key. Cost of
 * the value: 0 if it fits a message, else as far_get. An error of fetching it is returned in the place of -ECANCELED: nothing was stored then either. */
FAR_API int far_cas_current(far_session *session, const void *key, size_t key_length, const void *value, size_t length, uint64_t expected,
        uint64_t *version, void **current, size_t *current_length);

/* Stores what `read` delivers until it returns 0 (bytes) or a negative errno (which aborts: nothing changes, and that errno is returned). For values larger than
 * memory. `read` must not call functions of the same session, which return -EDEADLK to it; another session serves. Else as far_put; -EINVAL also if `read` claims
 * more bytes than were asked for. */
typedef ssize_t far_source(void *context, void *buffer, size_t length);
FAR_API int far_put_stream(far_session *session, const void *key, size_t key_length, far_source *read, void *context, uint64_t *version);

enum {
	FAR_KEEP_TTL = 1,   /* the key's time to live stays as it is; else a put ends it */
	FAR_IF_VERSION = 2, /* only if the current version is `expected`, as far_cas */
};

/* More of a put; zeros mean nothing special. Set `size` to sizeof(struct far_put_options): later versions may grow it. */
struct far_put_options {
	size_t size;
	uint64_t ttl_ms; /* time to live: so long after this put the key is gone; 0 = none, at most 100 years */
	unsigned flags;
	uint64_t expected; /* with FAR_IF_VERSION; 0 = only if there is no such key */
};

/* far_put and far_put_stream with options (may be NULL). Else as far_put; -ECANCELED (FAR_IF_VERSION: with *version = the current one, 0 = no such key), -EINVAL
 * (also: ttl_ms too large or together with FAR_KEEP_TTL, unknown flags), -ENOSPC (also: no memory for the time to live, nothing changed). */
FAR_API int far_put_with(far_session *session, const void *key, size_t key_length, const void *value, size_t length,
        const struct far_put_options *options, uint64_t *version);
FAR_API int far_put_stream_with(far_session *session, const void *key, size_t key_length, far_source *read, void *context,
        const struct far_put_options *options, uint64_t *version);

/* Appends to a key's value, atomically: all bytes land behind each other and behind what was there, or none do, and then value, version and times are what they were. A missing key is made. *size (may be NULL) gets the value's new size, so the bytes begin at *size - length; *version
 * (may be NULL) its version. A time to live stays as it is. -EFBIG (above 2 MiB at once, or a value of 16 TiB), -ENOSPC (also: no memory that could be handed out for so many bytes), else as far_put. Cost: 1; above about 1 MiB 1 more
 * for each grant that must be asked for. */
FAR_API int far_append(
        far_session *session, const void *key, size_t key_length, const void *bytes, size_t length, uint64_t *size, uint64_t *version);

enum {
	FAR_CREATE = 1, /* a missing key is made; what lies in front of the bytes reads as zeros */
};

/* Stores bytes at an offset of a key's value, atomically; the value grows if it must, and what lies between its end and the offset reads as zeros. -ENOENT (no such key, without FAR_CREATE), -EINVAL (also: unknown flags), else as
 * far_append. */
FAR_API int far_put_range(far_session *session, const void *key, size_t key_length, const void *bytes, size_t length, uint64_t offset,
        unsigned flags, uint64_t *size, uint64_t *version);

/* Makes a new value of the current one (`length` bytes and a 0 behind them; NULL: there is no such key). Sets *changed, which is read before the next call of far_update's or its end, and *changed_length, and returns 0; or returns
 * above 0: the value stays as it is; or a negative errno, which far_update returns. It may be called several times, and may use the session. */
typedef int far_change(void *context, const void *value, size_t length, uint64_t version, const void **changed, size_t *changed_length);

/* Reads, changes and writes a value such that nobody else's change in between is lost: if there was one, `change` is called again with what is there now, after a pause that grows at random. `options` (may be NULL) as
 * far_put_with's, FAR_IF_VERSION is -EINVAL. *version (may be NULL) gets the new version, or the one left as it is. -ETIMEDOUT (also: others were always faster, for as long as the session's time limit: nothing changed), else
 * as far_get and far_put_with, but for -ENOENT and -ECANCELED. Cost: 2, and 1 for each time that somebody was faster. */
FAR_API int far_update(far_session *session, const void *key, size_t key_length, far_change *change, void *context,
        const struct far_put_options *options, uint64_t *version);

/* One of many puts. */
struct far_put_item {
	const void *key;
	size_t key_length;
	const void *value;
	size_t length;
	const struct far_put_options *options; /* may be NULL; items may share them */
	/* What became of it: */
	uint64_t version; /* the new one, or with -ECANCELED the current one */
	int result;       /* 0, or a negative errno as far_put_with's */
};

/* Puts many values, each by itself: one that fails leaves the others alone. They happen in their order. Returns how many have result 0, each item tells its own; or a negative errno if the server cannot be reached, which
 * is then the items' result, too. If the connection is lost on the way, those with -EIO or -ETIMEDOUT may or may not have happened, those with -ENOTCONN have not: they had not been sent. Cost: 1 for all that fit the lane's
 * grants (about 4 MiB) or, if small, messages, of which there are as many on their way at once as they need; else as far_put. */
FAR_API ssize_t far_put_many(far_session *session, struct far_put_item *items, size_t count);

/* Sets the time to live of an existing key, or another one: in `ttl_ms` from now, by the server's monotonic clock and exact to 10 ms, the object is gone under all its names; who has
 * the file open keeps it. What is done to the object leaves the deadline where it is, but for puts under the key. -ENOENT, -EINVAL (ttl_ms is 0 or above 100 years),
 * -EISDIR (directories have none), -ENOSPC. Cost: 1. */
FAR_API int far_expire(far_session *session, const void *key, size_t key_length, uint64_t ttl_ms);

/* Takes the time to live away. -ENOENT, -ENODATA (there is none). Cost: 1. */
FAR_API int far_persist(far_session *session, const void *key, size_t key_length);

/* Pins an existing key: a server with --full=evict makes room by others. The pin is the object's: puts under the key, writing, renaming and further names leave it, it ends with the object; a rename of another object to the key
 * brings that one's. How many are pinned is not limited; with all memory pinned or open, what needs more is -ENOSPC. Without --full=evict it is kept, and means nothing. A key that is pinned stays so. -ENOENT,
 * -EISDIR (directories stay in any case), -ELOOP, -EINVAL (what has no value stays, too). Cost: 1. */
FAR_API int far_pin(far_session *session, const void *key, size_t key_length);

/* Takes the pin away. -ENOENT, -ENODATA (it has none), -EISDIR, -ELOOP, -EINVAL. Cost: 1. */
FAR_API int far_unpin(far_session *session, const void *key, size_t key_length);

/* Sets or changes the quota of a directory (key_length 0: the root, so of all): what would make the bytes or objects below it more than the limit is -EDQUOT. 0 = no limit of this kind, 2^62 at most. Whatever makes them
 * fewer, and overwriting in place, goes on also above a limit, which may be below what is there; what is there is counted first, while the server goes on, and does not limit until it has been counted. Of nested quotas each holds. A directory is
 * not renamed to where another quota is the nearest above it (-EXDEV: copy it). A server with --full=evict makes room below the directory first. It ends with the directory. *quota (may be NULL) gets what there is now. -ENOENT,
 * -ENOTDIR, -EINVAL (no limit, or too large ones), -EPERM (the session's user is not root), -EMFILE (the server has 4096). Cost: 1. */
FAR_API int far_quota_set(
        far_session *session, const void *key, size_t key_length, uint64_t bytes, uint64_t objects, struct far_quota *quota);

/* -ENOENT, -ENODATA (it has no quota of its own). Cost: 1. */
FAR_API int far_quota_get(far_session *session, const void *key, size_t key_length, struct far_quota *quota);

/* -ENOENT, -ENODATA (it has none), -EPERM. Cost: 1. */
FAR_API int far_quota_remove(far_session *session, const void *key, size_t key_length);

/* Tells of one quota of a list; `key` (key_length bytes, no end; empty: the root, or a directory too deep to have a key) lives as long as the call. Returns 0 to go on, else what far_quota_list is to return. It may use the session. */
typedef int far_quota_tell(void *context, const void *key, size_t key_length, const struct far_quota *quota);

/* All quotas that there are, oldest first. Cost: 1 for each 60 or so. */
FAR_API int far_quota_list(far_session *session, far_quota_tell *tell, void *context);

/* What is left of the time to live, rounded up to ms. -ENOENT, -ENODATA (there is none: the key stays). Cost: 1. */
FAR_API int far_ttl(far_session *session, const void *key, size_t key_length, uint64_t *ttl_ms);

/* Fetches a whole value into new memory: *value must be freed by free(); it has one more byte, 0, behind its end. -ENOENT, -EISDIR,
 * -ELOOP (a symbolic link), -EINVAL (also: another special file), -ETIMEDOUT (also: the value changed faster than it could be read).
 * Cost: 1; 0 requests (one-sided) where the location is cached. A value above 1 MiB whose location is unknown: 2. */
FAR_API int far_get(far_session *session, const void *key, size_t key_length, void **value, size_t *length, uint64_t *version);

/* One of many gets. The bytes go to `buffer`, the first `room` of the value: what has a `size` above that was cut. */
struct far_get_item {
	const void *key;
	size_t key_length;
	void *buffer; /* may be NULL if room is 0: then only size and version are asked for */
	size_t room;
	/* What became of it: */
	uint64_t size;    /* of the whole value */
	uint64_t version; /* of the bytes, which are of one version */
	int result;       /* 0, or a negative errno as far_get_into's; far_strerror() has its text */
};

/* Gets many keys. Returns how many have result 0, each item tells its own; or a negative errno if the server cannot be reached, which is then the items' result, too. Each value is
 * one that was there during the call, but they need not be of one moment. Cost: 0 requests for values whose location is remembered (not over tcp if they are small: asking for many at once costs the server less); 1 for all the
 * others together, in as many messages as they need, all of them on their way at once; 2 if there are among them some above the size that travels in a message. */
FAR_API ssize_t far_get_many(far_session *session, struct far_get_item *items, size_t count);

/* As far_get, unless the version is still `known`: returns 1 with the value, or 0 (and *value NULL) if it is. Cost: 1; 0 requests where
 * the location is remembered. */
FAR_API int far_get_if_newer(
        far_session *session, const void *key, size_t key_length, uint64_t known, void **value, size_t *length, uint64_t *version);

/* Fetches bytes [offset, offset + length) into the caller's buffer, cut at the value's end. Returns the number of bytes; *size (may be NULL) gets the whole
 * value's size, *version its version. A value changed meanwhile is fetched again: never a mix of two versions. Else as far_get. Cost: 1, or 0 requests. */
FAR_API ssize_t far_get_into(far_session *session, const void *key, size_t key_length, void *buffer, size_t length, uint64_t offset,
        uint64_t *size, uint64_t *version);

/* Counters. A counter is a value of exactly 8 bytes, an int64_t, little-endian: these are the bytes that far_get, far_put and a mount see, and each change raises the version, as any other change does. Of all four: -EINVAL
 * (also: the value has another length), -EISDIR, -ELOOP. */

/* More of a change; zeros mean nothing special. Set `size` to sizeof(struct far_counter_options): later versions may grow it. */
struct far_counter_options {
	size_t size;
	int64_t initial; /* what a counter that is made has before the change */
	uint64_t ttl_ms; /* time to live of a counter that is made; 0 = none, at most 100 years. One that is there keeps what it has */
	unsigned flags;
};

enum {
	FAR_NO_CREATE = 1, /* a missing key is -ENOENT; else it is made, its missing directories too */
};

/* Adds to a counter, atomically. `options` may be NULL. *value (may be NULL) gets the sum. -EOVERFLOW (the sum would be no int64_t: nothing was added), -ENOENT (FAR_NO_CREATE), -ENOSPC, -EINVAL (also: ttl_ms too large, unknown
 * flags, FAR_NO_CREATE with initial or ttl_ms). Cost: 1. After -EIO, -ETIMEDOUT and -EPROTO it may or may not have been added. */
FAR_API int far_counter_add(
        far_session *session, const void *key, size_t key_length, int64_t delta, const struct far_counter_options *options, int64_t *value);

/* Gives a counter another value; *previous (may be NULL) gets the one it had. A far_put of 8 bytes does so, too, but also to what is no counter, and ends the time to live. Else as far_counter_add, but for -EOVERFLOW. */
FAR_API int far_counter_set(far_session *session, const void *key, size_t key_length, int64_t value,
        const struct far_counter_options *options, int64_t *previous);

/* Stores `desired` if the counter's value is `expected`, atomically; else -ECANCELED. *current (may be NULL) gets the value that it had, in both cases. -ENOENT, -ENOSPC. Cost: 1. */
FAR_API int far_counter_cas(far_session *session, const void *key, size_t key_length, int64_t expected, int64_t desired, int64_t *current);

/* The value of a counter. -ENOENT. Cost: as far_get, 1, or 0 requests. */
FAR_API int far_counter_get(far_session *session, const void *key, size_t key_length, int64_t *value);

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

/* What has happened to a key: an event's kind, and as flags of a watch the kinds wanted. */
enum {
	FAR_WATCH_CREATED = 1,    /* a name has come: a new object's, or a further one */
	FAR_WATCH_CHANGED = 2,    /* the value has another version */
	FAR_WATCH_ATTRIBUTES = 4, /* mode, owner, times that were set, extended attributes, time to live */
	FAR_WATCH_DELETED = 8,    /* the name has gone */
	FAR_WATCH_EXPIRED = 16,   /* so has it, with the time to live */
	FAR_WATCH_RENAMED = 32,   /* key is new_key now, with all below it; what had that key before is gone */
	FAR_WATCH_EXCHANGED = 64, /* key and new_key have changed places, with all below them */
	FAR_WATCH_LOST = 128,     /* events are not told: look at all that is watched anew. Told whatever kinds are wanted */
	FAR_WATCH_PREFIX = 256,   /* flag: not the key, but all keys that begin with these bytes */
};

struct far_watch_event {
	unsigned kind;         /* one of FAR_WATCH_CREATED to FAR_WATCH_LOST */
	unsigned is_directory; /* 1: the key is one's (of an exchange: one of the two) */
	uint64_t version;      /* the object's behind what happened */
	uint64_t lost;         /* FAR_WATCH_LOST: how many events; 0 = nobody knows, the connection was lost meanwhile */
	const char *key;       /* NUL-terminated; good until the next call on the watch */
	size_t key_length;
	const char *new_key; /* FAR_WATCH_RENAMED and FAR_WATCH_EXCHANGED, else "" */
	size_t new_key_length;
};

/* Watches a key and everything below it; an empty key is everything. With FAR_WATCH_PREFIX: all keys that begin with these bytes, at any depth (`models/a`: models/a.bin, models/abc/x; an empty one is everything). `flags`: that, and the
 * kinds wanted (none = all). Whoever makes the change is told of it alike: other clients, mounts, this program; each change that is made behind the return is told, in the order in which they happened, but:
 * - An object that changes again before its watcher has taken the event is told once, with the newer version.
 * - Events that wait at the server take up to 256 KiB (some 2,000). What comes on top is counted, and told as FAR_WATCH_LOST behind those that waited. A watcher that does not read delays nobody.
 * - If the connection is lost it is made again, and FAR_WATCH_LOST told, with 0.
 * - What a writer through a mapped pool writes by itself into a watched file becomes requests: its writes cost a round trip as long as that lasts, and each is told.
 * - A rename that concerns what is watched is told with both keys, whichever of them is watched; of a directory it is one event for all below it, also if what is watched is below it.
 * - A change of an object with several names is told for each; of one with more than 64 it is a FAR_WATCH_LOST for all who watch anything for such events. What has no key (an open file without a name, a path of more than 4,095 bytes) is not told.
 * A watch has a lane of its own. One thread at a time uses it. far_watch_free it before far_close. Cost: 1 + connecting.
 * -EINVAL (also: unknown flags), -ENAMETOOLONG, -EMFILE (the session has no lane left, or watches 1,024 keys; all sessions together 16,384; or the process has no descriptor left). */
FAR_API int far_watch_new(far_session *session, const void *key, size_t key_length, unsigned flags, far_watch **watch);

/* Watches a further key by the same watch: events come in one order, and what both name comes once. Cost: 1. As far_watch_new. */
FAR_API int far_watch_add(far_watch *watch, const void *key, size_t key_length, unsigned flags);

/* The next event: 1; 0 if none came within timeout_ms (0 = do not wait, negative = no limit), or a signal's handler ran. While the server is away it tries to reach it again until the time is over: -ENOTCONN then
 * (-EMFILE, -ENOMEM: the server is there, but has no room for the watch now), and the next call goes on. An attempt is not broken off by the time: each of its steps (to connect, to join the session, to ask
 * again for each key) may wait 0.5 s for the server, so the call may end by that much later; where nobody listens it ends at once.
 * Cost: 0; events are sent as they happen. */
FAR_API int far_watch_next(far_watch *watch, struct far_watch_event *event, int timeout_ms);

/* A descriptor for poll(2): it becomes readable when there may be an event, after far_watch_next has returned 0; and every 0.1 s while the server is away, after far_watch_next has told so (-ENOTCONN...): call far_watch_next, which tries
 * to reach it again. far_watch_add makes it readable once, too. It is the same for the life of the watch. */
FAR_API int far_watch_fd(const far_watch *watch);

/* Ends the watch and frees it. NULL does nothing. */
FAR_API void far_watch_free(far_watch *watch);

#define FAR_QUEUE_DEPTH_MAX 65536

/* What became of one operation of a queue. */
struct far_completion {
	void *context; /* as given with the operation */
	int result;    /* 0, or the negative errno of the call of the same name; far_queue_get_if_newer: also 1 */
	uint64_t
	        version; /* gets: of the bytes; puts, appends and counters: the new one; with -ECANCELED the current one, 0 = no such key; else 0 */
	uint64_t size; /* gets: of the whole value; appends and puts of a range: of the value that they made; else 0 */
	void *value; /* far_queue_get, far_queue_get_if_newer: new memory of `size` bytes and one more, 0, behind its end, to be freed by free(); else NULL */
};

/* A queue of operations that do not wait for each other, so that one thread keeps up to `depth` of them under way (1 to FAR_QUEUE_DEPTH_MAX). It has a lane of the session to itself until
 * far_queue_free, which comes before far_close, and is used by one thread at a time. No thread works behind it: things move on inside of the calls below alone. -EMFILE (all lanes of the session are in use), -EINVAL (depth). Cost: connecting. */
FAR_API int far_queue_new(far_session *session, unsigned depth, far_queue **queue);

/* Ends a queue and frees it, at once. What was not submitted does not happen; changes that were may or may not have happened; values of gets that were not taken are freed. All memory that was lent
 * to operations is the caller's again at the return. NULL does nothing. */
FAR_API void far_queue_free(far_queue *queue);

/* The operations: as the calls of the same name, with their results and errors in a struct far_completion. They return 0: there will be one; -EAGAIN: `depth` operations are under way or not taken yet, far_queue_poll first;
 * or -EINVAL and -ENAMETOOLONG: something is wrong with the arguments, and nothing was begun. Keys, values, options, buffers and what results go to are lent to the operation until its completion is taken.
 *
 * Operations are gathered, and leave with far_queue_submit, far_queue_poll or far_queue_wait. Neighbours that are a far_queue_get_into of little room, or a far_queue_put of a small value, go many in a message. All others
 * (far_queue_get, too) are a message each, and 32 messages are under way at most: for many small values use far_queue_get_into.
 *
 * On one key operations happen in the order in which they were called: a get sees what was put before it, and no older value than the gets before it. (A get of a value that does not fit a message, by itself or beside the others
 * there, may be asked for again, and see what is put behind it; a delete of a directory with many names whose time to live is over is sent more than once, and may happen behind what was called after it.) Those on different keys are
 * sent in their order, but a get may happen sooner than changes in front of it. Completions come in the order of the calls.
 *
 * When the connection is lost, gets and other questions are asked again once, on a new one; changes that had been submitted have -EIO, and may or may not have happened. -ENOTCONN: the server is gone, the operation had not been sent, or was a
 * question. -ETIMEDOUT: no answer within the session's time limit, or such a delete is not done within it.
 *
 * Cost: none where the pool is mapped (shm) and it is remembered where the value is: then a get is complete at once. Else 1 for all that is under way together, large values included: they move as those of far_get_into and far_put do. Two for a far_queue_get or
 * far_queue_get_if_newer of a value that does not fit a message and whose size is not remembered. A put larger than the lane's grants (about 4 MiB) waits for what is under way, and inside of the submitting call until it is stored; an append or put of a range
 * that does not fit a message and is larger than what the grants have left waits for what is under way, too, and then costs 1 more for each grant that it asks for. */
FAR_API int far_queue_get(far_queue *queue, const void *key, size_t key_length, void *context);
FAR_API int far_queue_get_if_newer(far_queue *queue, const void *key, size_t key_length, uint64_t known, void *context);

/* The first `room` bytes of a value; buffer may be NULL if room is 0: then only size and version are asked for. */
FAR_API int far_queue_get_into(far_queue *queue, const void *key, size_t key_length, void *buffer, size_t room, void *context);

/* Bytes [offset, offset + room) of a value, cut at its end, as far_get_into: none if the completion's size is not above the offset. */
FAR_API int far_queue_get_range(
        far_queue *queue, const void *key, size_t key_length, void *buffer, size_t room, uint64_t offset, void *context);

/* options may be NULL. */
FAR_API int far_queue_put(far_queue *queue, const void *key, size_t key_length, const void *value, size_t length,
        const struct far_put_options *options, void *context);

/* At most 2 MiB at once: -EFBIG from the call itself. The bytes of an append begin at the completion's size - length. */
FAR_API int far_queue_append(far_queue *queue, const void *key, size_t key_length, const void *bytes, size_t length, void *context);
FAR_API int far_queue_put_range(far_queue *queue, const void *key, size_t key_length, const void *bytes, size_t length, uint64_t offset,
        unsigned flags, void *context);
FAR_API int far_queue_delete(far_queue *queue, const void *key, size_t key_length, void *context);
FAR_API int far_queue_delete_version(far_queue *queue, const void *key, size_t key_length, uint64_t expected, void *context);
FAR_API int far_queue_stat(far_queue *queue, const void *key, size_t key_length, struct far_stat *stat, void *context);
FAR_API int far_queue_expire(far_queue *queue, const void *key, size_t key_length, uint64_t ttl_ms, void *context);
FAR_API int far_queue_persist(far_queue *queue, const void *key, size_t key_length, void *context);
FAR_API int far_queue_ttl(far_queue *queue, const void *key, size_t key_length, uint64_t *ttl_ms, void *context);

/* options may be NULL, and are not looked at behind the return; so may value, previous and current, which get what those of far_counter_add and its like do. A counter is read by far_queue_get_into with 8 bytes of room: it is one if
 * the completion's size is 8. */
FAR_API int far_queue_counter_add(far_queue *queue, const void *key, size_t key_length, int64_t delta,
        const struct far_counter_options *options, int64_t *value, void *context);
FAR_API int far_queue_counter_set(far_queue *queue, const void *key, size_t key_length, int64_t value,
        const struct far_counter_options *options, int64_t *previous, void *context);
FAR_API int far_queue_counter_cas(
        far_queue *queue, const void *key, size_t key_length, int64_t expected, int64_t desired, int64_t *current, void *context);

/* Sends what was gathered, all of it by one system call or doorbell if it may be. What finds no room (32 messages are under way at most) leaves with a later call. It need not be called: polling and waiting do it, too. If the
 * connection has to be made anew, that takes up to a second; so it may in the two below. */
FAR_API void far_queue_submit(far_queue *queue);

/* Takes up to `max` completions, without waiting. Returns how many. A time limit that is over is noticed here, too: who waits by other means calls it now and then. */
FAR_API unsigned far_queue_poll(far_queue *queue, struct far_completion *completions, unsigned max);

/* The same, but waits until there is one, timeout_ms are over (0: does not wait; negative: no limit) or nothing is under way. */
FAR_API unsigned far_queue_wait(far_queue *queue, struct far_completion *completions, unsigned max, int timeout_ms);

/* A descriptor for poll(2), epoll(7) and their like, beside others: the same for the queue's life, not to be read or written. It tells of completions only while it is armed: before each wait call far_queue_arm, which submits and returns 1 if there
 * may be completions already (do not wait: poll) or 0. Then the descriptor is readable once there may be something to take, and stays so until far_queue_poll. A wake-up may turn out to be for nothing; an empty queue has one when the server goes. */
FAR_API int far_queue_fd(const far_queue *queue);
FAR_API int far_queue_arm(far_queue *queue);

/* Asks for an answer, nothing else. Cost: 1. */
FAR_API int far_ping(far_session *session);
FAR_API int far_space(far_session *session, struct far_space *space);
FAR_API int far_statistics(far_session *session, struct far_statistics *statistics);

/* Asks what the server has counted, into new memory: far_metrics_free frees what is in *metrics, which also after a failure may be done. Cost: 3 or more. */
FAR_API int far_metrics(far_session *session, struct far_metrics *metrics);
FAR_API void far_metrics_free(struct far_metrics *metrics);

/* The longest time that a bucket counts, ns; the shortest is one more than the bound of the bucket before. */
FAR_API uint64_t far_latency_bound(unsigned bucket);

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
