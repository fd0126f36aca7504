// File calls by object id: what fsd builds on, beside the public far.h. Not installed.
//
// A calling thread takes a lane once (far_lane_get) and passes it to every call; a lane belongs to that thread until far_lane_put.
// Names are checked by the callee (length, bytes). Results are 0, a count, or a negative errno, as in far.h; any call may return -ENOTCONN,
// -ETIMEDOUT, -EIO, -EPROTO, -ENAMETOOLONG, -EINVAL. -ESTALE: no such object (deleted, or the server was restarted without its content).
// Each call that yields a struct far_attr by name also adds one hold of this session on the object, to be given back by far_forget.
#ifndef CLIENT_FILES_H
#define CLIENT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "far.h"
#include "far/wire.h"

struct far_lane;

// A lane of the session for the calling thread. -EMFILE: there are no more...
int far_lane_get(far_session *session, struct far_lane **lane);
void far_lane_put(struct far_lane *lane);

// Part of the lane's registered buffer (FAR_LANE_BUFFER bytes) for the caller's own use, as read target and write source without a copy: `length` <= FAR_LANE_BUFFER / 2
// bytes, page-aligned, or NULL if more. It is the same memory at every call while the lane lives, also across reconnects.
void *far_lane_buffer(struct far_lane *lane, size_t length);

// More of such memory, of any length, for the lane's life; asked for again it is the same. NULL: the lane's fabric reads and fills any memory without a copy, there is no memory, or what
// there is is shorter. Pins the memory where the fabric does: for set-up.
void *far_lane_memory(struct far_lane *lane, size_t length);

int far_lookup(struct far_lane *lane, uint64_t parent, const char *name, size_t name_length, struct far_attr *attr);

// Finds an object again by its id alone, or with FAR_HOLD_PARENT the directory that holds this directory (the root's is itself); adds a hold, as by name. -ENOTDIR.
int far_hold(struct far_lane *lane, uint64_t id, unsigned flags, struct far_attr *attr);
int far_getattr(struct far_lane *lane, uint64_t id, struct far_attr *attr);

// `change`: the fields of struct far_setattr_request that `valid` names.
int far_setattr(struct far_lane *lane, uint64_t id, const struct far_setattr_request *change, struct far_attr *attr);

// Makes a file, directory, symlink (with target), fifo, socket or device by the type in mode. -EEXIST.
struct far_new {
	uint64_t parent;
	const char *name;
	size_t name_length;
	uint32_t mode, uid, gid;
	uint32_t umask; // taken off the mode unless the parent has a default ACL
	uint64_t device;
	const char *target;
	size_t target_length;
};
int far_create(struct far_lane *lane, const struct far_new *object, struct far_attr *attr);

// Makes a regular file without a name (of `object` mode, uid and gid count, and the parent for its group), which far_link may name. It goes with this session's last hold on it.
int far_tmpfile(struct far_lane *lane, const struct far_new *object, struct far_attr *attr);

int far_link(struct far_lane *lane, uint64_t id, uint64_t parent, const char *name, size_t name_length, struct far_attr *attr);
int far_unlink(struct far_lane *lane, uint64_t parent, const char *name, size_t name_length);

// expected: the directory that shall be removed, or -ESTALE; 0 = whichever it is.
int far_rmdir(struct far_lane *lane, uint64_t parent, const char *name, size_t name_length, uint64_t expected);

// flags: enum far_rename_flag. expected: what has the new name and is replaced, or -ESTALE; 0 = whatever it is. -ENOENT, -EEXIST, -ENOTEMPTY, -EISDIR, -ENOTDIR, -EINVAL (into its own child).
int far_rename_at(struct far_lane *lane, uint64_t parent, const char *name, size_t name_length, uint64_t new_parent, const char *new_name,
        size_t new_name_length, uint64_t expected, unsigned flags);

// target: FAR_SYMLINK_MAX + 1 bytes. Returns its length; NUL-terminated.
int far_readlink(struct far_lane *lane, uint64_t id, char *target);

// One entry at a time: `visit` returns 0 to go on, 1 to stop before this entry (it is not consumed: its hold, if any, is given back).
typedef int far_visit(void *context, const struct far_entry *entry, const char *name);
// Entries behind `cookie`. with_holds adds a hold to each visited. At most about `bytes` of wire entries are fetched. *is_end: nothing is left behind the last one. *parent: id of `..`.
int far_readdir(struct far_lane *lane, uint64_t id, uint64_t cookie, size_t bytes, bool with_holds, far_visit *visit, void *context,
        bool *is_end, uint64_t *parent);

// Gives holds back, `holds` as many as were added; batched until far_forget_flush, or the lane's next call. Neither waits for an answer.
void far_forget(struct far_lane *lane, uint64_t id, uint64_t holds);
void far_forget_flush(struct far_lane *lane);

// What the server would have back to evict it: files that the session holds, by their names (without NUL). Returns how many were told; 0: none is left. Whoever can do without one gives its holds back. One round trip.
typedef void far_let_go_taker(void *context, uint64_t parent, const char *name, uint32_t name_length);
int far_let_go(struct far_lane *lane, far_let_go_taker *taker, void *context);

// The eventfd that is written to when a reply says that there is something; -1: none.
void far_let_go_wake(far_session *session, int fd);

// Tells the server that an object has been read, so that its access time moves if it is due, or, is_always, in any case. Sent at once, neither answered nor waited for: lost where the
// lane is not connected or has no room for a message.
void far_touch(struct far_lane *lane, uint64_t id, bool is_always);

// Reads a file by id into `buffer`, cut at its end. One-sided where the location is cached and still good. Returns bytes.
ssize_t far_read(struct far_lane *lane, uint64_t id, void *buffer, size_t length, uint64_t offset);

// Whether the server's memory is mapped here, so that nothing travels for reads and writes in place.
bool far_is_mapped(const struct far_lane *lane);

// Several reads at once, each as far_read, which *result tells: in one round trip where that is possible.
struct far_read {
	uint64_t id;
	void *buffer;
	size_t length;
	uint64_t offset;
	ssize_t result;
};
#define FAR_READS_MAX 32U
void far_read_many(struct far_lane *lane, struct far_read *reads, unsigned number_of);

// Reads without a copy where the fabric has loads: fills up to `count` iovecs that point into the pool (holes into a zero page) and opens a read
// section; the caller uses them at once and calls far_read_mapped_end. Returns the number of iovecs (> 0), 0 at or behind the end of file (no section is open),
// -EOPNOTSUPP where there are no loads, too many pieces, or bytes that change where they are: use far_read.
struct iovec;
int far_read_mapped(struct far_lane *lane, uint64_t id, size_t length, uint64_t offset, struct iovec *pieces, int count);
void far_read_mapped_end(struct far_lane *lane);

// Writes `length` bytes (up to FAR_GRANT_SIZE is one call's worth; more is split and may be written in part: returns what was written).
// An append of up to FAR_GRANT_SIZE lands whole, unless the pool is nearly full. flags: FAR_WRITE_APPEND, FAR_WRITE_KILL_SUIDGID. -ENOSPC, -EFBIG.
ssize_t far_write(struct far_lane *lane, uint64_t id, const void *buffer, size_t length, uint64_t offset, unsigned flags);

// Several writes at once, each as far_write without flags, which *result tells: small ones in one round trip.
struct far_write {
	uint64_t id;
	const void *buffer;
	size_t length;
	uint64_t offset;
	ssize_t result;
};
#define FAR_WRITES_MAX 32U
void far_write_many(struct far_lane *lane, struct far_write *writes, unsigned number_of);

// Extended attributes. Names have a namespace (user., trusted., security., or system.posix_acl_access and system.posix_acl_default) and up to FAR_XATTR_NAME_MAX bytes:
// -EOPNOTSUPP, -EINVAL, -ENAMETOOLONG. Results are lengths; room 0 asks for the length alone, too little room is -ERANGE. An attribute that is not there is -ENODATA: where the pool is
// mapped without asking the server if the object has none at all. A value or list that fits no message takes a round trip for each part that does.
ssize_t far_getxattr(struct far_lane *lane, uint64_t id, const char *name, size_t name_length, void *value, size_t room);

// Names, each with a NUL. flags: FAR_XATTR_FACTS.
ssize_t far_listxattr(struct far_lane *lane, uint64_t id, char *list, size_t room, unsigned flags);

// flags: FAR_XATTR_CREATE (-EEXIST), FAR_XATTR_REPLACE (-ENODATA), FAR_XATTR_KILL_SGID. -E2BIG above FAR_XATTR_VALUE_MAX, -ENOSPC, -EPERM (a fact). One round trip; three for values
// that fit no message.
struct far_xattr {
	const char *name;
	size_t name_length;
	const void *value;
	size_t length;
};
int far_setxattr(struct far_lane *lane, uint64_t id, const struct far_xattr *attribute, unsigned flags);
int far_removexattr(struct far_lane *lane, uint64_t id, const char *name, size_t name_length);
// Whether a write, a reservation or a copy on this lane that was to clear set-uid bits, since this was last asked, met a set-gid bit that nobody executes: members of the file's group may keep it.
bool far_sgid_left(struct far_lane *lane);

// Reserves, zeros or punches a range: flags are enum far_fallocate_flag. -ENOSPC: nothing has changed, unless others took the rest of the space meanwhile. -EFBIG, -EINVAL,
// -EOPNOTSUPP for flags that do not go together. A request for each 4 MiB.
int far_fallocate(struct far_lane *lane, uint64_t id, unsigned flags, uint64_t offset, uint64_t length);

// Where the next stored bytes, or the next hole, are from `offset` on; the end is a hole. -ENXIO: none, or `offset` is not below the size.
int64_t far_seek(struct far_lane *lane, uint64_t id, uint64_t offset, bool for_hole);

// Has the server copy bytes between values. Returns how many: fewer than asked at the end of the value copied from, or when the pool ran full on the way. -ENOSPC, -EFBIG,
// -EINVAL for ranges of one object that overlap. A request for each 4 MiB.
struct far_copy_range {
	uint64_t from_id, from_offset;
	uint64_t to_id, to_offset;
	uint64_t length;
	unsigned flags; // enum far_copy_flag
};
ssize_t far_copy(struct far_lane *lane, const struct far_copy_range *range);

// The server's space, or with the id of an object what quotas above it leave. -ESTALE.
int far_statfs(struct far_lane *lane, uint64_t id, struct far_statfs_reply *space);

// --- locks (locks.c) ---

// Locks belong to an owner, a number of the caller's choice, within the session: when the session ends they are gone. Which session a lane is in tells its epoch: locks of
// another epoch are lost.
struct far_lock {
	uint64_t id;
	uint64_t owner; // not 0
	uint64_t start; // first and last byte; flock: 0 and FAR_LOCK_END
	uint64_t end;
	uint64_t ticket; // far_lock_wait: not 0, unique while it waits
	uint32_t pid;    // told to who tests
	bool is_exclusive;
	bool is_flock; // else a record lock
};

// 0, -EAGAIN (another owner's lock is in the way), -ENOLCK (bounds), -ESTALE. One round trip, as the others.
int far_lock_set(struct far_lane *lane, const struct far_lock *lock);

// Locks (0), or queues the request (1): then a notice tells the end. To ask again for what waits, or was had meanwhile, does no harm. -EDEADLK, -ENOLCK, -ESTALE.
int far_lock_wait(struct far_lane *lane, const struct far_lock *lock);

// Unlocks the range. -ENOLCK: a hole would make one lock two, and there is no room.
int far_lock_clear(struct far_lane *lane, const struct far_lock *lock);

// 1 and the lock that is in the way (pid 0: of another session), or 0.
int far_lock_test(struct far_lane *lane, const struct far_lock *lock, struct far_lock *found);

// Takes a waiting request back. -ENOENT: it does not wait (any more); if it has got its lock the notice has been delivered before this returns, on the lane that takes notices.
int far_lock_cancel(struct far_lane *lane, uint64_t ticket);

// The number of the server's sessions that this client has had when the lane's, the newest, began.
uint64_t far_lane_epoch(const struct far_lane *lane);
uint64_t far_session_epoch(far_session *session);

// From now on, as long as its connection lives, this lane takes the session's notices: `taker` is called for each inside of calls on the lane and of far_notices_wait; error is 0 or a
// negative errno. It must not call on the lane. Connects if need be.
typedef void far_notice_taker(void *context, uint64_t ticket, int error);
int far_notices_begin(struct far_lane *lane, far_notice_taker *taker, void *context);

// Waits for notices, or until wake_fd is readable, or timeout_ms (negative: for ever). 0, or -EIO: the connection has broken, and notices may be lost.
int far_notices_wait(struct far_lane *lane, int wake_fd, int timeout_ms);

#endif
