// Messages between client and server. Fixed little-endian structs at the front, variable parts behind them in the order that the struct's
// comment names, without padding. `length` in the header is the whole message. Every request but FAR_OP_FORGET and FAR_OP_TOUCH has one reply with its tag;
// replies of a lane come in the order of its requests. A lane that has asked for notices or events gets them between replies. Reserved fields are sent as 0 and ignored.
// docs/protocol.md tells the conversation; a change of any struct raises FAR_WIRE_VERSION.
#ifndef FAR_WIRE_H
#define FAR_WIRE_H

#include <assert.h>
#include <stdint.h>

#include "far/limits.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire and the pool are little-endian; big-endian hosts are not supported");

#define FAR_WIRE_MAGIC 0x3130305352414657ULL // "WFARS001"
#define FAR_WIRE_VERSION 7U
#define FAR_ROOT_ID 1ULL // the root directory's id on the wire, whatever its record is

enum far_op {
	FAR_OP_HELLO = 1,  // far_hello_request -> far_hello_reply; the first message of a lane
	FAR_OP_PING = 2,   // far_request -> far_reply; flags: enum far_ping_flag
	FAR_OP_STATFS = 3, // far_statfs_request -> far_statfs_reply
	FAR_OP_FORGET = 4, // far_forget_request -> no reply
	// by key
	FAR_OP_GET = 10,    // far_get_request -> far_get_reply
	FAR_OP_PUT = 11,    // far_put_request -> far_change_reply
	FAR_OP_DELETE = 12, // far_delete_request -> far_change_reply
	FAR_OP_STAT = 13,   // far_key_request -> far_attr_reply
	FAR_OP_RENAME = 14, // far_rename_request -> far_change_reply
	FAR_OP_MKDIR = 15,  // far_mkdir_request -> far_attr_reply
	FAR_OP_LIST = 16,   // far_list_request -> far_list_reply
	FAR_OP_UPLOAD = 17, // far_upload_request -> far_attr_reply: a nameless object, held by the session
	FAR_OP_PUBLISH =
	        18, // far_put_request -> far_change_reply: the upload's value becomes the key's, atomically; success ends the upload and its hold
	FAR_OP_COUNTER = 19,   // far_counter_request -> far_counter_reply: adds to a value of 8 bytes, sets it, or compares and swaps it
	FAR_OP_EXPIRE = 24,    // far_expire_request -> far_ttl_reply: sets or removes a key's time to live
	FAR_OP_TTL = 25,       // far_key_request -> far_ttl_reply
	FAR_OP_GET_MANY = 26,  // far_many_request -> far_many_reply: many small values
	FAR_OP_PUT_MANY = 27,  // far_many_request -> far_many_reply
	FAR_OP_PUT_RANGE = 28, // far_put_range_request -> far_write_reply: bytes at an offset or at the end, all of them or none
	// of the server as a whole
	FAR_OP_CHECK = 20,   // far_check_request -> far_check_reply: one step of a check of the server's structures
	FAR_OP_METRICS = 21, // far_metrics_request -> far_metrics_reply: what the server has counted, a part of it
	FAR_OP_WATCH =
	        22, // far_watch_request -> far_reply: from now on changes of these keys are told on this lane, each message a far_events
	// by object id
	FAR_OP_LOOKUP = 30,    // far_lookup_request -> far_entry_reply, adds a hold
	FAR_OP_GETATTR = 31,   // far_object_request -> far_attr_reply
	FAR_OP_SETATTR = 32,   // far_setattr_request -> far_attr_reply
	FAR_OP_CREATE = 33,    // far_create_request -> far_entry_reply, adds a hold
	FAR_OP_LINK = 34,      // far_link_request -> far_entry_reply, adds a hold
	FAR_OP_UNLINK = 35,    // far_remove_request -> far_reply; not for directories
	FAR_OP_RMDIR = 36,     // far_remove_request -> far_reply
	FAR_OP_RENAME_AT = 37, // far_rename_at_request -> far_reply
	FAR_OP_READDIR = 38,   // far_list_request -> far_list_reply
	FAR_OP_READ = 39,      // far_read_request -> far_get_reply
	FAR_OP_WRITE = 40,     // far_write_request -> far_write_reply
	FAR_OP_READLINK = 41,  // far_object_request -> far_reply and the target
	FAR_OP_EXTENTS = 42,   // far_read_request -> far_get_reply that only locates
	FAR_OP_WINDOW = 43,    // far_object_request -> far_window_reply: the right to write an object's own pages (layout.h R7)
	FAR_OP_TMPFILE = 44,   // far_create_request -> far_entry_reply: a nameless regular file, held by the session; FAR_OP_LINK names it
	FAR_OP_LOCK = 45,      // far_lock_request -> far_lock_reply
	FAR_OP_LOCK_CANCEL = 46, // far_cancel_request -> far_reply: takes a waiting lock request back
	FAR_OP_NOTICES = 47, // far_request -> far_reply: from now on the session's notices come on this lane, each message a far_notices
	// extended attributes, by object id
	FAR_OP_XATTR_GET = 48,    // far_xattr_get_request -> far_xattr_reply
	FAR_OP_XATTR_SET = 49,    // far_xattr_set_request -> far_reply
	FAR_OP_XATTR_LIST = 50,   // far_xattr_get_request -> far_xattr_reply
	FAR_OP_XATTR_REMOVE = 51, // far_xattr_get_request -> far_reply
	FAR_OP_FALLOCATE = 52,    // far_fallocate_request -> far_fallocate_reply
	FAR_OP_SEEK = 53,         // far_seek_request -> far_seek_reply
	FAR_OP_COPY = 54,         // far_copy_request -> far_copy_reply
	FAR_OP_HOLD = 55,         // far_object_request -> far_entry_reply, adds a hold; flags: enum far_hold_flag
	FAR_OP_TOUCH = 56,        // far_touch_request -> no reply: objects have been read
	FAR_OP_PIN = 57,          // far_key_request -> far_reply: by key; flags: enum far_pin_flag
	FAR_OP_LET_GO = 58,       // far_request -> far_let_go_reply: what the session holds and the server would have back, to evict it
	FAR_OP_QUOTA = 59,        // far_quota_request -> far_quota_reply: quotas of directories; flags: enum far_quota_flag
	FAR_OP_LIMIT = 64,
};

// Status of a reply. The table to and from errno is in include/far/status.h.
enum far_status {
	FAR_STATUS_OK = 0,
	FAR_STATUS_NOT_FOUND,      // ENOENT
	FAR_STATUS_EXISTS,         // EEXIST
	FAR_STATUS_NOT_DIRECTORY,  // ENOTDIR
	FAR_STATUS_IS_DIRECTORY,   // EISDIR
	FAR_STATUS_NOT_EMPTY,      // ENOTEMPTY
	FAR_STATUS_NO_SPACE,       // ENOSPC
	FAR_STATUS_TOO_BIG,        // EFBIG
	FAR_STATUS_NAME_TOO_LONG,  // ENAMETOOLONG
	FAR_STATUS_INVALID,        // EINVAL
	FAR_STATUS_VERSION,        // ECANCELED: the expected version is not the current one
	FAR_STATUS_STALE,          // ESTALE: no such object id any more
	FAR_STATUS_TOO_MANY_LINKS, // EMLINK
	FAR_STATUS_LOOP,           // ELOOP
	FAR_STATUS_NOT_SUPPORTED,  // EOPNOTSUPP
	FAR_STATUS_NOT_PERMITTED,  // EPERM
	FAR_STATUS_PROTOCOL,       // EPROTO: malformed message; the lane is closed behind it
	FAR_STATUS_WIRE_VERSION,   // EPROTONOSUPPORT: the server speaks another FAR_WIRE_VERSION
	FAR_STATUS_TOO_MANY,       // EMFILE: sessions, lanes or watches
	FAR_STATUS_NO_SESSION,     // ENOTCONN: hello names a session that the server does not know
	FAR_STATUS_NO_MEMORY,      // ENOMEM
	FAR_STATUS_CROSS_DEVICE,   // EXDEV
	FAR_STATUS_NO_DATA,        // ENODATA: no such extended attribute, no time to live
	FAR_STATUS_TOO_LONG,       // E2BIG: an extended attribute's value
	FAR_STATUS_LOCKED,         // EAGAIN: another owner's lock is in the way
	FAR_STATUS_DEADLOCK,       // EDEADLK: the wait would never end
	FAR_STATUS_NO_LOCKS,       // ENOLCK: the session's, or the server's, bound of locks
	FAR_STATUS_RESTART,  // ERESTART: the server did a part of what had to be done first, and nothing of the request: send it again
	FAR_STATUS_OVERFLOW, // EOVERFLOW: the sum is none that a counter can have
	FAR_STATUS_QUOTA, // EDQUOT: a quota is used up. A struct far_quota_reply follows that tells which, but where a message has results of its parts
	FAR_STATUS_LIMIT,
};

struct far_request {
	uint16_t op;     // enum far_op
	uint16_t flags;  // enum far_request_flag, the op's own
	uint32_t length; // of the whole message
	uint64_t tag;    // returned in the reply
};
static_assert(sizeof(struct far_request) == 16, "wire");

struct far_reply {
	uint16_t op;     // of the request
	uint16_t status; // enum far_status; above 0 only this struct follows, but where the op says otherwise
	uint16_t flags;  // enum far_reply_flag
	uint16_t reserved;
	uint32_t length; // of the whole message, a grant at its end included
	uint32_t reserved2;
	uint64_t tag;
};
static_assert(sizeof(struct far_reply) == 24, "wire");

enum far_reply_flag {
	FAR_REPLY_GRANT = 1, // the message ends with a struct far_grant for this lane: memory for its next large values
	FAR_REPLY_BUSY = 2,  // far_pool_header.probing as it was: FAR_PROBING_FREE, or with FAR_REPLY_PROBE FAR_PROBING_ALL
	FAR_REPLY_PROBE = 16,
	FAR_REPLY_SGID =
	        8, // set-uid was to be cleared, and a set-gid bit without group-execute is left: clear it if the caller is no member of the group
	FAR_REPLY_LET_GO = 32, // there is something for FAR_OP_LET_GO
	FAR_REPLY_NOTICE = 4,  // no reply but, by its op, a struct far_notices or far_events: tag and status are 0
};

// Memory handed to one lane in advance. The lane fills it front to back through `rkey` (offset 0 = the grant's start), beginning each range at a
// page boundary, and commits ranges in that order; it may leave pages out. A range of a well-formed request is used up whether the request succeeds or not, and a
// range in a later grant gives up what is left of the earlier ones. What did not become part of a value comes back when the grant is used up or the lane ends.
// A lane that has no grant gets one with any reply as soon as there is memory.
struct far_grant {
	uint64_t rkey;
	uint32_t id;
	uint32_t length;      // a multiple of FAR_PAGE_SIZE
	uint64_t pool_offset; // where it is: for a client that shares the pool and stores by itself
};
static_assert(sizeof(struct far_grant) == 24, "wire");

// A written part of a grant, the source of a put or a write.
struct far_range {
	uint32_t grant;
	uint32_t offset; // a multiple of FAR_PAGE_SIZE
	uint32_t length; // bytes; the pages it touches are used up
	uint32_t reserved;
};
static_assert(sizeof(struct far_range) == 16, "wire");

enum far_attr_flag {
	FAR_ATTR_PINNED = 1,
};

struct far_attr {
	uint64_t id;
	uint64_t version;
	uint64_t size;
	uint64_t blocks; // of 512 bytes, really occupied
	int64_t atime_ns;
	int64_t mtime_ns;
	int64_t ctime_ns;
	int64_t btime_ns;
	uint64_t device; // of character and block devices, as in st_rdev
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink;
	uint32_t generation;
	uint32_t flags; // enum far_attr_flag
};
static_assert(sizeof(struct far_attr) == 96, "wire");

// Where a value can be read one-sidedly, by the rules of layout.h. The pool is one region (far_hello_reply.pool_rkey); offsets are into it.
struct far_location {
	uint64_t id;
	uint64_t record; // pool offset of the far_record
	uint64_t word;
	uint64_t version;
	uint64_t epoch;    // location_epoch
	uint64_t size;     // of the whole value
	uint16_t node;     // 0 while alone
	uint16_t extents;  // far_wire_extent structs that follow in the message
	uint16_t flags;    // enum far_location_flag
	uint16_t lease_ms; // FAR_LOCATION_EXPIRES: how long it is good by key (layout.h R10); 0 = only for what the request asked for
};
static_assert(sizeof(struct far_location) == 56, "wire");

enum far_location_flag {
	// More extents exist behind the last one here: ask FAR_OP_EXTENTS. Extents begin at the asked range's first page and go on behind its end.
	FAR_LOCATION_PARTIAL = 1,
	// The object has a deadline.
	FAR_LOCATION_EXPIRES = 2,
};

// A run of stored bytes. Bytes of the value that no extent covers are holes (zeros).
struct far_wire_extent {
	uint64_t value_offset;
	uint64_t pool_offset;
	uint64_t length;
};
static_assert(sizeof(struct far_wire_extent) == 24, "wire");

enum far_ping_flag {
	// The next write needs more memory than the lane's grants have left: the reply brings one more grant, if the lane may have one more.
	FAR_PING_WANT_GRANT = 1,
};

struct far_hello_request {
	struct far_request header;
	uint64_t magic;
	uint32_t wire_version;
	uint32_t client_pid;
	uint64_t session;        // 0 = a new session, else one more lane of this one
	uint64_t secret[2];      // of the session to join
	uint16_t authentication; // 0 = none; others are reserved
	uint16_t authentication_length;
	uint32_t uid; // owner of what this session's puts create
	uint32_t gid;
	uint32_t reserved;
	uint8_t authentication_bytes[64];
	char client[32]; // program name for the log, NUL-terminated
};
static_assert(sizeof(struct far_hello_request) == 168, "wire");

struct far_hello_reply {
	struct far_reply header;
	uint32_t wire_version; // set with FAR_STATUS_WIRE_VERSION too
	uint32_t eager_limit;  // largest value inside a message
	uint64_t session;
	uint64_t secret[2];
	uint64_t boot_id;
	uint64_t pool_rkey;
	uint64_t pool_length;
	uint32_t segment_shift;
	uint32_t lanes_max;
	char server[32]; // program and version, NUL-terminated
};
static_assert(sizeof(struct far_hello_reply) == 120, "wire");

// Behind it: count x struct far_forget.
struct far_forget_request {
	struct far_request header;
	uint32_t count;
	uint32_t reserved;
};
struct far_forget {
	uint64_t id;
	uint64_t holds;
};

struct far_statfs_request {
	struct far_request header;
	uint64_t id; // 0: of the server; else of an object: what quotas above it leave
};
static_assert(sizeof(struct far_statfs_request) == 24, "wire");

// With an id and a quota at or above it, total and free are the limit of bytes and what is left of it, and objects those below it: of several the one that leaves least. `available` is what there is both of that and of the pool.
struct far_statfs_reply {
	struct far_reply header;
	uint64_t total;        // bytes of the pool
	uint64_t free;         // bytes not used by objects or the server's structures; grants that hold nothing yet are free
	uint64_t available;    // free less what is granted; of a server that evicts also what objects have
	uint64_t objects;      // files, directories and the like
	uint64_t objects_left; // by quotas; UINT64_MAX = no limit
	uint64_t sessions;
	uint64_t operations; // requests handled since the start
	uint64_t reads;      // bytes sent out by the server (pushed or eager)
	uint64_t writes;     // bytes of values taken in
	uint64_t segment_size;
	uint64_t boot_id;
	uint64_t uptime_ns;
};

// The first one has check 0, which begins a check, the others the number that the first reply told. A server runs one at a time: FAR_STATUS_TOO_MANY while another session's is
// under way. FAR_STATUS_STALE: there is no such check. A check ends with its last reply, with its session, or when the session begins another.
struct far_check_request {
	struct far_request header;
	uint64_t check;
};

// What was looked at so far.
struct far_check_figures {
	uint64_t objects;   // live ones and orphans
	uint64_t names;     // further names of objects too
	uint64_t pages;     // that somebody owns
	uint64_t blocks;    // small blocks and records that somebody owns
	uint64_t unsettled; // pages, blocks, directories and counts that could not be judged because they changed meanwhile
	uint64_t findings;  // found, those included that were too many to be told
};
static_assert(sizeof(struct far_check_figures) == 48, "wire");

// Behind it: count x (struct far_finding, text).
struct far_check_reply {
	struct far_reply header;
	uint64_t check;
	struct far_check_figures figures;
	uint32_t count;
	uint32_t is_done; // 1 = this is the last reply, and the check has ended
};
static_assert(sizeof(struct far_check_reply) == 88, "wire");

struct far_finding {
	uint32_t kind; // enum far_check_kind, include/far/check.h
	uint32_t text_length;
	uint64_t id; // of the object, 0 = none
};
static_assert(sizeof(struct far_finding) == 16, "wire");

enum far_metrics_part {
	FAR_METRICS_SERVER = 0,     // one struct far_metrics_server
	FAR_METRICS_OPERATIONS = 1, // of operations that there were: struct far_metrics_operation, each with its buckets behind it
	FAR_METRICS_SESSIONS = 2,   // struct far_metrics_session
};

// FAR_STATUS_INVALID: there is no such part.
struct far_metrics_request {
	struct far_request header;
	uint64_t cursor; // 0 = from the start, else of the last reply
	uint32_t part;   // enum far_metrics_part
	uint32_t reserved;
};
static_assert(sizeof(struct far_metrics_request) == 32, "wire");

// Behind it: `count` entries.
struct far_metrics_reply {
	struct far_reply header;
	uint64_t cursor;
	uint32_t count;
	uint32_t is_end; // 1 = nothing follows
};
static_assert(sizeof(struct far_metrics_reply) == 40, "wire");

struct far_metrics_server {
	uint64_t pool; // bytes; the sum of the next six
	uint64_t objects_bytes;
	uint64_t index_bytes;
	uint64_t granted_bytes;
	uint64_t reclaim_bytes;
	uint64_t reserve_bytes;
	uint64_t free_bytes;
	uint64_t objects;
	uint64_t sessions;
	uint64_t lanes;
	uint64_t malformed; // messages
	uint64_t bytes_in;  // of values, with requests
	uint64_t bytes_out;
	uint64_t evicted; // objects
	uint64_t evicted_bytes;
	uint64_t now_ns; // of the server's monotonic clock
	uint64_t started_ns;
};
static_assert(sizeof(struct far_metrics_server) == 136, "wire");

struct far_metrics_operation {
	uint64_t count;
	uint64_t errors;
	uint64_t time_ns; // of those timed; how many they are is the sum of the buckets
	uint16_t op;
	uint16_t buckets; // struct far_metrics_bucket behind it
	uint32_t reserved;
	char name[16]; // NUL-terminated
};
static_assert(sizeof(struct far_metrics_operation) == 48, "wire");

struct far_metrics_bucket {
	uint64_t count;  // of times in it, above 0
	uint32_t bucket; // as in far/latency.h
	uint32_t reserved;
};
static_assert(sizeof(struct far_metrics_bucket) == 16, "wire");

struct far_metrics_session {
	uint64_t id;
	uint64_t operations;
	uint32_t pid;
	uint32_t uid;
	uint32_t lanes;
	uint32_t reserved;
	char client[32]; // these two are NUL-terminated
	char peer[64];
};
static_assert(sizeof(struct far_metrics_session) == 128, "wire");

enum far_get_flag {
	FAR_GET_LOCATE = 1,             // send the location, even of a value that is in the reply
	FAR_GET_NO_VALUE = 2,           // only locate: no eager value, no push
	FAR_GET_ALLOW_PARTIAL_PUSH = 4, // a buffer smaller than the range takes what fits
	FAR_GET_IF_NEWER = 8,           // by key only: not if the version is still the one, a uint64_t, that stands in front of the key
};

// A client buffer that the server may write to; length 0 = none.
struct far_buffer {
	uint64_t rkey;
	uint64_t offset;
	uint64_t length;
};

// Behind it: with FAR_GET_IF_NEWER 8 bytes, then the key. A range beyond the end is cut.
struct far_get_request {
	struct far_request header;
	struct far_buffer push;
	uint64_t offset;
	uint64_t length; // UINT64_MAX = to the end
	uint16_t key_length;
	uint16_t reserved[3];
};

// As far_get_request, by id.
struct far_read_request {
	struct far_request header;
	struct far_buffer push;
	uint64_t offset;
	uint64_t length;
	uint64_t id;
};

enum far_get_how {
	FAR_GET_EAGER = 1,   // the range's bytes are behind the extents
	FAR_GET_PUSHED = 2,  // they are in the client's buffer
	FAR_GET_LOCATED = 3, // read them yourself
	FAR_GET_SAME = 4,    // with FAR_GET_IF_NEWER: the client has them
};

// Behind it: location.extents x struct far_wire_extent, then `length` bytes if eager.
struct far_get_reply {
	struct far_reply header;
	struct far_location location;
	uint64_t length; // of the range after cutting; pushed: bytes pushed
	uint32_t how;    // enum far_get_how
	uint32_t mode;
};

enum far_put_flag {
	FAR_PUT_EXPECT_VERSION = 1, // only if the current version is `expected`; 0 = only if the key does not exist
	FAR_PUT_RANGES = 2,         // the value is in grants: ranges x struct far_range instead of the bytes
	// A put ends the key's time to live, but with one of these:
	FAR_PUT_HAS_TTL = 4,   // it gets a new one, a uint64_t in ms, which stands in front of the key
	FAR_PUT_KEEPS_TTL = 8, // it keeps what it has
	// FAR_STATUS_VERSION: location.size is the current value's, and the value stands behind the struct far_change_reply if it fits a message.
	FAR_PUT_TELL_CURRENT = 16,
};

// Behind it: with FAR_PUT_HAS_TTL 8 bytes, then the key, then the value's bytes, or ranges. FAR_OP_PUBLISH: no value.
struct far_put_request {
	struct far_request header;
	uint64_t expected;
	uint64_t value_length; // bytes; with ranges their sum
	uint64_t upload;       // FAR_OP_PUBLISH: the upload's id
	uint32_t mode;         // permission bits of a new object; an existing one keeps its own
	uint16_t key_length;
	uint16_t ranges;
};

// Of put, publish, delete, rename. With FAR_STATUS_VERSION the whole struct follows, version = the current one.
struct far_change_reply {
	struct far_reply header;
	struct far_location location; // put of a value in one piece: locates it (then one extent follows); else id, word and version only
};

// Of FAR_OP_GET_MANY and FAR_OP_PUT_MANY. Behind it: count x struct far_many_item, then item by item the key, of puts with the value behind it.
// Items are carried out in their order, each by itself: what becomes of one says nothing of the others.
struct far_many_request {
	struct far_request header;
	uint32_t count;
	uint32_t mode; // puts: permission bits of new objects
};
static_assert(sizeof(struct far_many_request) == 24, "wire");

struct far_many_item {
	uint64_t expected; // puts with FAR_PUT_EXPECT_VERSION
	uint64_t ttl_ms;   // puts with FAR_PUT_HAS_TTL
	uint32_t length;   // puts: bytes of the value; gets: so many from its front are wanted
	uint16_t key_length;
	uint16_t flags; // puts: enum far_put_flag, but for FAR_PUT_RANGES; gets: 0
};
static_assert(sizeof(struct far_many_item) == 24, "wire");

// Behind it: count x struct far_many_result, one for each item in its order, then item by item the bytes of gets that are eager.
struct far_many_reply {
	struct far_reply header;
	uint32_t count;
	uint32_t reserved;
};
static_assert(sizeof(struct far_many_reply) == 32, "wire");

struct far_many_result {
	struct far_location
	        location; // FAR_STATUS_OK: where the value is, from its front on; FAR_STATUS_VERSION: version only, 0 = no such key
	struct far_wire_extent extent; // the first one, if location.extents is 1: there is room for no second
	uint32_t length;               // eager: bytes of this one behind the results
	uint16_t status;               // enum far_status
	uint16_t how;                  // gets: FAR_GET_EAGER, or FAR_GET_LOCATED where the message had no room
};
static_assert(sizeof(struct far_many_result) == 88, "wire");

enum far_delete_flag {
	FAR_DELETE_EXPECT_VERSION = 1,
};

// Behind it: the key. Deletes files, links and empty directories.
struct far_delete_request {
	struct far_request header;
	uint64_t expected;
	uint16_t key_length;
	uint16_t reserved[3];
};

// Behind it: the key (may be empty: the root).
struct far_key_request {
	struct far_request header;
	uint16_t key_length;
	uint16_t reserved[3];
};

enum far_expire_flag {
	FAR_EXPIRE_PERSIST = 1, // no time to live any more; ttl_ms is 0
};

// Behind it: the key. FAR_STATUS_INVALID: ttl_ms is not 1..FAR_TTL_MAX_MS. FAR_STATUS_IS_DIRECTORY: directories have no time to live.
struct far_expire_request {
	struct far_request header;
	uint64_t ttl_ms;
	uint16_t key_length;
	uint16_t reserved[3];
};
static_assert(sizeof(struct far_expire_request) == 32, "wire");

// FAR_STATUS_NO_DATA (of FAR_OP_TTL, and of FAR_OP_EXPIRE with FAR_EXPIRE_PERSIST): the object has no time to live.
struct far_ttl_reply {
	struct far_reply header;
	uint64_t ttl_ms; // what is left, or was before it was removed; rounded up, so never 0
};
static_assert(sizeof(struct far_ttl_reply) == 32, "wire");

// Behind it: count x (struct far_let_go, name), each but once: files with one name. Who uses one keeps it. 0 = nothing is left to be asked for.
struct far_let_go_reply {
	struct far_reply header;
	uint32_t count;
	uint32_t reserved;
};
static_assert(sizeof(struct far_let_go_reply) == 32, "wire");

struct far_let_go {
	uint64_t id;
	uint64_t parent;
	uint32_t name_length;
	uint32_t reserved;
};
static_assert(sizeof(struct far_let_go) == 24, "wire");

enum far_pin_flag {
	FAR_PIN_REMOVE = 1, // FAR_STATUS_NO_DATA: it was not pinned
};

// One of these, or none: the directory's own quota is told, or FAR_STATUS_NO_DATA.
enum far_quota_flag {
	FAR_QUOTA_SET = 1,    // sets or changes its limits
	FAR_QUOTA_REMOVE = 2, // FAR_STATUS_NO_DATA: it has none
	FAR_QUOTA_LIST = 4,   // all that there are, behind the cursor
};

// Behind it: the directory's key (empty: the root; none with FAR_QUOTA_LIST). Setting and removing are for sessions of uid 0: FAR_STATUS_NOT_PERMITTED. FAR_STATUS_INVALID: no limit at all, or one above
// FAR_QUOTA_LIMIT_MAX. FAR_STATUS_TOO_MANY: FAR_QUOTAS_MAX.
struct far_quota_request {
	struct far_request header;
	uint64_t cursor; // FAR_QUOTA_LIST: of the last reply, 0 = from the start
	uint64_t bytes;  // FAR_QUOTA_SET: limits; 0 = none of this kind
	uint64_t objects;
	uint16_t key_length;
	uint16_t reserved[3];
};
static_assert(sizeof(struct far_quota_request) == 48, "wire");

// Behind it: count x (struct far_quota_entry, key): 1, but with FAR_QUOTA_LIST as many as fit, and with FAR_QUOTA_REMOVE 0.
struct far_quota_reply {
	struct far_reply header;
	uint64_t cursor;
	uint32_t count;
	uint32_t is_end; // 1 = there are no more
};
static_assert(sizeof(struct far_quota_reply) == 40, "wire");

enum far_quota_state {
	FAR_QUOTA_ENTRY_COUNTING = 1, // what was there when it was set is still being counted: it is charged what has been
};

struct far_quota_entry {
	uint64_t id;            // of the directory
	uint64_t bytes_limit;   // 0 = none
	uint64_t objects_limit; // 0 = none
	uint64_t bytes;         // charged
	uint64_t objects;
	uint64_t refusals; // requests that it was in the way of, since it was set first
	uint32_t state;    // enum far_quota_state
	uint16_t key_length;
	uint16_t reserved;
};
static_assert(sizeof(struct far_quota_entry) == 56, "wire");

struct far_attr_reply {
	struct far_reply header;
	struct far_attr attr;
};

enum far_rename_flag {
	FAR_RENAME_NOREPLACE = 1,
	FAR_RENAME_EXCHANGE = 2,
};

// Behind it: the old key, the new key. Missing directories of the new key are made.
struct far_rename_request {
	struct far_request header;
	uint16_t from_length;
	uint16_t to_length;
	uint32_t reserved;
};

// Behind it: the key. Makes missing parents too.
struct far_mkdir_request {
	struct far_request header;
	uint32_t mode;
	uint16_t key_length;
	uint16_t reserved;
};

struct far_upload_request {
	struct far_request header;
	uint64_t size_hint; // bytes; above the pool's free space: FAR_STATUS_NO_SPACE at once. 0 = unknown
};

enum far_list_flag {
	FAR_LIST_HOLD = 1, // READDIR for readdirplus: adds a hold to each entry but `.` and `..`
};

// FAR_OP_LIST: behind it the directory's key, then the name prefix that entries must have. FAR_OP_READDIR: `id`, nothing behind it.
// Entries come in the directory's stable order, those with a cookie above `cookie` (0 = from the start).
struct far_list_request {
	struct far_request header;
	uint64_t id;
	uint64_t cookie;
	uint32_t bytes_max; // of the entries in the reply
	uint16_t key_length;
	uint16_t prefix_length;
};

// Behind it: count x (struct far_entry, name).
struct far_list_reply {
	struct far_reply header;
	uint64_t parent_id; // of the directory listed, for `..`
	uint32_t count;     // may be 0 before the end: the server looks at FAR_LIST_SCAN_MAX entries a request
	uint32_t is_end;    // 1 = nothing follows the last entry
	uint64_t cookie;    // what was looked at goes up to here, chosen or not: the next request begins behind it
};

struct far_entry {
	struct far_attr attr;
	uint64_t cookie;
	uint32_t name_length;
	uint32_t reserved;
};
static_assert(sizeof(struct far_entry) == 112, "wire");

// Behind it: the name.
struct far_lookup_request {
	struct far_request header; // flags: enum far_get_flag, FAR_GET_LOCATE and FAR_GET_NO_VALUE
	uint64_t parent;
	uint16_t name_length;
	uint16_t reserved[3];
};

// Behind it: the name.
struct far_remove_request {
	struct far_request header;
	uint64_t parent;
	uint64_t expected; // the object that the name shall be of, or FAR_STATUS_STALE; 0 = any
	uint16_t name_length;
	uint16_t reserved[3];
};

// Behind it: extents, then `value_length` bytes (the whole value of a small file or symlink, where it fits; else 0).
struct far_entry_reply {
	struct far_reply header;
	struct far_attr attr;
	struct far_location location;
	uint32_t value_length;
	uint32_t has_value; // 1 = the bytes behind are the whole value
};

struct far_object_request {
	struct far_request header;
	uint64_t id;
};

// Of FAR_OP_HOLD, besides FAR_GET_LOCATE and FAR_GET_NO_VALUE. It finds an object again by an id that was kept: FAR_STATUS_STALE if it is gone. What has no link left is held only beside
// another session's hold, for a session that asks by id is about to give its own back; what has had no name yet is not found by id.
enum far_hold_flag {
	FAR_HOLD_PARENT = 4, // of the directory that holds this directory; the root's is itself
};

struct far_window_reply {
	struct far_reply header;
	uint64_t word;   // while the record has this word the window is open
	uint64_t cell;   // pool offset of the struct far_window_cell
	uint64_t is_new; // 1 = opened by this request, 0 = the session had it open
};

enum far_setattr_valid {
	FAR_SET_MODE = 1,
	FAR_SET_UID = 2,
	FAR_SET_GID = 4,
	FAR_SET_SIZE = 8,
	FAR_SET_ATIME = 16,
	FAR_SET_MTIME = 32,
	FAR_SET_ATIME_NOW = 64,
	FAR_SET_MTIME_NOW = 128,
	FAR_SET_CTIME = 256,
	FAR_SET_KILL_SUIDGID = 512, // with size: clear set-uid and set-gid; with owner: set-gid only where group-execute is set
};

struct far_setattr_request {
	struct far_request header;
	uint64_t id;
	uint64_t size;
	int64_t atime_ns;
	int64_t mtime_ns;
	int64_t ctime_ns;
	uint32_t valid; // enum far_setattr_valid
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
};

// Makes a file, directory, symlink or special file by the type in `mode`. Behind it: the name, then a symlink's target.
// A parent with S_ISGID gives its group, and S_ISGID to a directory. FAR_STATUS_EXISTS if the name is taken.
// FAR_OP_TMPFILE: a regular file in no directory; `parent` is only asked for its group and default ACL, and nothing stands behind the struct.
struct far_create_request {
	struct far_request header;
	uint64_t parent;
	uint64_t device;
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint16_t name_length;
	uint16_t target_length;
	uint32_t umask; // taken off the mode unless the parent has a default ACL
	uint32_t reserved;
};
static_assert(sizeof(struct far_create_request) == 56, "wire");

// Behind it: the name.
struct far_link_request {
	struct far_request header;
	uint64_t id;
	uint64_t parent;
	uint16_t name_length;
	uint16_t reserved[3];
};

// Behind it: the old name, the new name. header.flags: enum far_rename_flag.
struct far_rename_at_request {
	struct far_request header;
	uint64_t parent;
	uint64_t new_parent;
	uint64_t expected; // the object that shall be replaced, or FAR_STATUS_STALE; 0 = any, or none
	uint16_t name_length;
	uint16_t new_name_length;
	uint32_t reserved;
};

enum far_write_flag {
	FAR_WRITE_APPEND = 1,       // at the end, whatever `offset` says
	FAR_WRITE_RANGES = 2,       // the bytes are in grants: ranges x struct far_range behind the struct
	FAR_WRITE_KILL_SUIDGID = 4, // clear set-uid and set-gid
};

// Behind it: the bytes, or ranges.
struct far_write_request {
	struct far_request header;
	uint64_t id;
	uint64_t offset;
	uint64_t length;
	uint32_t ranges;
	uint32_t reserved;
};

struct far_write_reply {
	struct far_reply header;
	uint64_t offset; // where the bytes went
	uint64_t size;   // of the file, after
	uint64_t word;
	uint64_t version;
	int64_t mtime_ns;
	uint64_t length; // bytes written: fewer than asked, but more than 0, when the pool ran full on the way
};

enum far_put_range_flag {
	FAR_PUT_RANGE_APPEND = 1,  // at the end; `offset` is 0
	FAR_PUT_RANGE_GRANTED = 2, // the bytes are in grants: ranges x struct far_range instead
	FAR_PUT_RANGE_CREATE = 4,  // a missing key is made, its directories too; in front of the bytes it is a hole
};

// Behind it: the key, then the bytes, or ranges. More than FAR_PUT_RANGE_MAX bytes: FAR_STATUS_TOO_BIG. A time to live stays as it is.
struct far_put_range_request {
	struct far_request header;
	uint64_t offset;
	uint64_t length;
	uint32_t mode; // permission bits of a new object
	uint16_t key_length;
	uint16_t ranges;
};
static_assert(sizeof(struct far_put_range_request) == 40, "wire");

enum far_counter_flag {
	FAR_COUNTER_CREATE = 1, // a missing key is made, its directories too
	// One of these, or none: add
	FAR_COUNTER_SET = 2,
	FAR_COUNTER_CAS = 4, // not with FAR_COUNTER_CREATE
};

// A counter is a value of exactly 8 bytes, an int64_t; any other: FAR_STATUS_INVALID. Behind it: the key. FAR_STATUS_OVERFLOW: nothing was added. A time to live stays as it is.
struct far_counter_request {
	struct far_request header;
	int64_t operand;  // what is added, or the new value
	int64_t expected; // FAR_COUNTER_CAS: only if this is the current value
	int64_t initial;  // FAR_COUNTER_CREATE: what a key that is made has before the change
	uint64_t ttl_ms;  // FAR_COUNTER_CREATE: time to live of a key that is made; 0 = none
	uint32_t mode;    // FAR_COUNTER_CREATE: permission bits of it
	uint16_t key_length;
	uint16_t reserved;
};
static_assert(sizeof(struct far_counter_request) == 56, "wire");

// With FAR_STATUS_VERSION, of FAR_COUNTER_CAS, the whole struct follows, too: `value` and `previous` are what is there.
struct far_counter_reply {
	struct far_reply header;
	int64_t value;    // behind the change
	int64_t previous; // before it
	uint64_t version; // of `value`
};
static_assert(sizeof(struct far_counter_reply) == 48, "wire");

// --- extended attributes ---

enum far_xattr_flag {
	FAR_XATTR_CREATE = 1,    // set: FAR_STATUS_EXISTS if the attribute is there
	FAR_XATTR_REPLACE = 2,   // set: FAR_STATUS_NO_DATA if it is not
	FAR_XATTR_KILL_SGID = 4, // set of an access ACL: by somebody who may not keep the set-gid bit
	FAR_XATTR_FACTS = 8,     // list: the attributes user.far.*, too, that the object has of itself
};

// Of get, list and remove. Behind it: the name (none for list).
struct far_xattr_get_request {
	struct far_request header;
	uint64_t id;
	uint32_t offset; // get, list: of the first byte wanted; at or behind the end: only the length is told
	uint16_t name_length;
	uint16_t reserved;
};
static_assert(sizeof(struct far_xattr_get_request) == 32, "wire");

// Of get and list. Behind it: the bytes from the offset on, as many as the message holds; of list: names, each with a NUL.
struct far_xattr_reply {
	struct far_reply header;
	uint64_t stamp;  // the same in all parts of one value or list: another one says that it has changed meanwhile
	uint32_t length; // of the whole
	uint32_t reserved;
};
static_assert(sizeof(struct far_xattr_reply) == 40, "wire");

// Behind it: the name, then the value. One that no message holds is written into an upload of this session first, which a set that succeeds uses up.
struct far_xattr_set_request {
	struct far_request header;
	uint64_t id;
	uint64_t upload; // 0: the value is here
	uint32_t value_length;
	uint16_t name_length;
	uint16_t reserved;
};
static_assert(sizeof(struct far_xattr_set_request) == 40, "wire");
enum far_fallocate_flag {
	FAR_FALLOCATE_KEEP_SIZE = 1,
	FAR_FALLOCATE_PUNCH_HOLE = 2, // whole pages become holes, the rest zeros; only with KEEP_SIZE
	FAR_FALLOCATE_ZERO = 4,       // the range becomes zeros, in pages that are there
	FAR_FALLOCATE_KILL_SUIDGID = 8,
};

// Without PUNCH_HOLE the range's pages are made sure of, also behind the end. header.flags: enum far_fallocate_flag.
// FAR_STATUS_NO_SPACE at once if there is not enough for all of the range.
struct far_fallocate_request {
	struct far_request header;
	uint64_t id;
	uint64_t offset;
	uint64_t length; // > 0
};
static_assert(sizeof(struct far_fallocate_request) == 40, "wire");

struct far_fallocate_reply {
	struct far_reply header;
	uint64_t
	        done; // bytes of the range, from its front, that this request dealt with: less than its length is to be asked for again. The size grows with the last
	uint64_t size; // of the file, after
};
static_assert(sizeof(struct far_fallocate_reply) == 40, "wire");

enum far_seek_flag {
	FAR_SEEK_HOLE = 1, // else stored bytes
};

struct far_seek_request {
	struct far_request header;
	uint64_t id;
	uint64_t offset;
};
static_assert(sizeof(struct far_seek_request) == 32, "wire");

enum far_seek_result {
	FAR_SEEK_MORE = 0,  // so many extents were looked at: ask again from the reply's offset
	FAR_SEEK_FOUND = 1, // at the reply's offset; the end of the value is a hole
	FAR_SEEK_NONE = 2,  // none behind the offset, or it is not below the size
};

struct far_seek_reply {
	struct far_reply header;
	uint64_t offset;
	uint32_t result; // enum far_seek_result
	uint32_t reserved;
};
static_assert(sizeof(struct far_seek_reply) == 40, "wire");

enum far_copy_flag {
	FAR_COPY_KILL_SUIDGID = 1, // of the object copied to
};

// Copies a range of one object's value, cut at its end, to another's, or within one (ranges that overlap: FAR_STATUS_INVALID). header.flags: enum far_copy_flag.
struct far_copy_request {
	struct far_request header;
	uint64_t from_id;
	uint64_t from_offset;
	uint64_t to_id;
	uint64_t to_offset;
	uint64_t length;
};
static_assert(sizeof(struct far_copy_request) == 56, "wire");

struct far_copy_reply {
	struct far_reply header;
	uint64_t length;    // bytes copied: fewer than asked, but more than 0, where the server had to go on to others, or ran full
	uint64_t from_size; // of the value copied from: at its end 0 bytes are copied
};
static_assert(sizeof(struct far_copy_reply) == 40, "wire");

enum far_touch_flag {
	FAR_TOUCH_ALWAYS = 1, // else where include/far/access_time.h says that the access time is due
};

// Objects whose content has been read by ways that the server does not see, or does not count: their access time becomes the server's present, and nothing else changes. Ids of
// what is gone are passed over. Behind it: count x uint64_t id. header.flags: enum far_touch_flag.
struct far_touch_request {
	struct far_request header;
	uint32_t count;
	uint32_t reserved;
};
static_assert(sizeof(struct far_touch_request) == 24, "wire");

// --- locks ---

// Locks of an object. An owner is a number of the session's; record locks (POSIX: of ranges, split and merged) and flock locks (of the whole object) of the same
// number are two owners, and do not see each other.
enum far_lock_flag {
	FAR_LOCK_EXCLUSIVE = 1, // else shared
	FAR_LOCK_FLOCK = 2,     // else a record lock
	FAR_LOCK_WAIT = 4,      // what cannot be had now waits: far_lock_reply.how says so, and a notice with `ticket` tells the end
	FAR_LOCK_TEST = 8,      // only tell whether a lock of another owner is in the way, and which
	FAR_LOCK_UNLOCK = 16,   // end what the owner has locked of the range
};

#define FAR_LOCK_END INT64_MAX // the last byte that can be locked: a range that ends here goes on to the end, wherever that will be

struct far_lock_request {
	struct far_request header; // flags: enum far_lock_flag
	uint64_t id;
	uint64_t owner;  // not 0
	uint64_t start;  // first byte; a flock lock: 0
	uint64_t end;    // last byte, start..FAR_LOCK_END; a flock lock: FAR_LOCK_END
	uint64_t ticket; // with FAR_LOCK_WAIT: the client's name for the wait, not 0, unique in its session while it waits
	uint32_t pid;    // told to those who test
	uint32_t reserved;
};
static_assert(sizeof(struct far_lock_request) == 64, "wire");

enum far_lock_how {
	FAR_LOCK_DONE = 0,   // locked, unlocked, or nothing is in the way
	FAR_LOCK_QUEUED = 1, // waits
	FAR_LOCK_TAKEN = 2,  // FAR_LOCK_TEST: the lock told here is in the way
};

struct far_lock_reply {
	struct far_reply header;
	uint32_t how;          // enum far_lock_how
	uint32_t is_exclusive; // of the lock in the way
	uint64_t start;
	uint64_t end;
	uint32_t pid; // 0: of another session, where this number means somebody else
	uint32_t reserved;
};
static_assert(sizeof(struct far_lock_reply) == 56, "wire");

// FAR_STATUS_EXISTS: it has got the lock; another status: it has ended so. Its notice will not come then. FAR_STATUS_NOT_FOUND: nothing waits by this ticket, or its notice was sent before this reply, on the lane that
// takes notices.
struct far_cancel_request {
	struct far_request header;
	uint64_t ticket;
};
static_assert(sizeof(struct far_cancel_request) == 24, "wire");

// Behind it: count x struct far_notice.
struct far_notices {
	struct far_reply header; // op FAR_OP_NOTICES, flags FAR_REPLY_NOTICE
	uint32_t count;
	uint32_t reserved;
};
static_assert(sizeof(struct far_notices) == 32, "wire");

enum far_notice_kind {
	FAR_NOTICE_LOCK = 1, // a waiting lock request has ended: status FAR_STATUS_OK = it has the lock
};

struct far_notice {
	uint64_t ticket;
	uint16_t kind; // enum far_notice_kind; others are to be ignored
	uint16_t status;
	uint32_t reserved;
};
static_assert(sizeof(struct far_notice) == 16, "wire");

// --- watches ---

// What has happened under a key. An event's kind is one of these, a request's kinds are any.
enum far_event_kind {
	FAR_EVENT_CREATED = 1,    // a name has come: of a new object, or a further one
	FAR_EVENT_CHANGED = 2,    // the value has another version
	FAR_EVENT_ATTRIBUTES = 4, // owner, mode, times as they were set, extended attributes, time to live
	FAR_EVENT_DELETED = 8,    // the name has gone
	FAR_EVENT_EXPIRED = 16,   // so has it, with the object's time to live
	FAR_EVENT_RENAMED = 32,   // the key is the new key now, with all below it; what had that key before is replaced
	FAR_EVENT_EXCHANGED = 64, // the key and the new key have changed places, with all below them
	FAR_EVENT_LOST = 128,     // so many events are not told: `version` says how many. Told whatever kinds are asked for
};
#define FAR_EVENT_KINDS 127U // those that can be asked for

enum far_watch_flag {
	FAR_WATCH_BEGINS = 1, // all keys that begin with these bytes; else the key and what is below it
};

// Behind it: the key (empty: all keys). A lane may watch many; what several of them name is told once. They end with the lane. FAR_STATUS_TOO_MANY: FAR_WATCHES_PER_SESSION, FAR_WATCHES_MAX.
// FAR_STATUS_INVALID: unknown kinds or none, no key.
struct far_watch_request {
	struct far_request header;
	uint32_t kinds; // of enum far_event_kind
	uint16_t key_length;
	uint16_t reserved;
};
static_assert(sizeof(struct far_watch_request) == 24, "wire");

// Behind it: count x (struct far_event, key, new key).
struct far_events {
	struct far_reply header; // op FAR_OP_WATCH, flags FAR_REPLY_NOTICE
	uint32_t count;
	uint32_t reserved;
};
static_assert(sizeof(struct far_events) == 32, "wire");

struct far_event {
	uint64_t version; // of the object, then
	uint16_t kind;    // enum far_event_kind; others are to be ignored
	uint16_t key_length;
	uint16_t new_key_length; // FAR_EVENT_RENAMED, FAR_EVENT_EXCHANGED
	uint16_t is_directory;
};
static_assert(sizeof(struct far_event) == 16, "wire");

#endif
