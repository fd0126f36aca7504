// The file system's operations between FUSE and libfar: one request of the kernel is one or two file calls on the serving thread's own lane.
//
// Inode numbers are object ids; FUSE's lookup count is this session's hold on the object. Nothing is cached here and by default nothing in the kernel without being revalidated
// (names and attributes each time, a file's contents when it is opened: cached_contents.h), so mounts of one server see each other's changes at once.
#ifndef FSD_FILESYSTEM_H
#define FSD_FILESYSTEM_H

#define FUSE_USE_VERSION 314
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>

#include "client/files.h"
#include "fsd/access_times.h"
#include "fsd/channel.h"
#include "fsd/fuse_kernel.h"

// What the mount was asked to be; constant while it serves.
struct filesystem {
	far_session *session;
	double attr_timeout;  // seconds the kernel may trust attributes, 0 by default
	double entry_timeout; // and names
	bool is_alone;        // nobody else changes the objects: the kernel opens and closes by itself, and keeps what it knows
	unsigned max_background;
	bool has_acls;          // POSIX ACLs count
	bool is_hiding_facts;   // user.far.* is not listed
	bool are_records_local; // locks of fcntl(2): the kernel's, for this mount alone
	bool are_flocks_local;
	bool serves_handles;               // lookups of `.` and `..` are answered, so file handles outlive the kernel's inodes
	struct access_times *access_times; // NULL: reading moves none
	struct lock_holders *lock_holders;
	struct lock_waits *lock_waits;
};

extern const struct fuse_lowlevel_ops filesystem_operations;

// What is agreed with the kernel besides what libfuse 3.14 knows: names of one directory are looked up side by side; we clear set-uid and set-gid bits, being told when; what is opened
// past the cache may be mapped all the same.
#define FILESYSTEM_INIT_FLAGS (FUSE_PARALLEL_DIROPS | FUSE_HANDLE_KILLPRIV_V2 | FUSE_DIRECT_IO_ALLOW_MMAP)

// --- what the operations share (filesystem.c) ---

static inline const struct filesystem *filesystem_of(fuse_req_t request)
{
	return fuse_req_userdata(request);
}

// The serving thread's lane.
struct far_lane *filesystem_lane(void);

// A number for an open file, by which its locks are known.
uint64_t filesystem_next_file(void);

// How the kernel shall treat a file that is being opened. O_DIRECT passes the kernel's cache by altogether: otherwise it would ask for the attributes before each
// read, to know whether its cache is still good. So do logs: through its cache the kernel may cut a write between two pages, and what another mount appends would
// come between. (What can be read, too, can be mapped, which needs the cache before Linux 6.6.)
static inline bool filesystem_is_log(const struct fuse_file_info *file)
{
	return file->flags & O_APPEND && ((file->flags & O_ACCMODE) == O_WRONLY || channel_has_agreed(FUSE_DIRECT_IO_ALLOW_MMAP));
}

static inline void filesystem_set_open_flags(struct fuse_file_info *file)
{
	bool is_log = filesystem_is_log(file);

	file->direct_io = is_log || file->flags & O_DIRECT;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 15)
	file->parallel_direct_writes = file->direct_io; // the server orders them
#endif
}

// An object is read by a reply that has gone out. `flags` are its open file's.
void filesystem_touch(const struct filesystem *filesystem, fuse_ino_t ino, int flags);

// An object's attributes came by.
void filesystem_see(const struct filesystem *filesystem, const struct far_attr *attr);

struct timespec filesystem_timespec(int64_t ns);
void filesystem_stat(const struct far_attr *attr, struct stat *stat);

// Answers with an entry, or with the error (0 or a negative errno).
void filesystem_reply_entry(fuse_req_t request, int error, const struct far_attr *attr);
void filesystem_reply_attr(fuse_req_t request, int error, const struct far_attr *attr);

// A process closes an open file (flush), the open file ends (release): their locks end (ops_lock.c).
void filesystem_flush_locks(const struct filesystem *filesystem, fuse_ino_t ino, const struct fuse_file_info *file);
void filesystem_release_locks(const struct filesystem *filesystem, fuse_ino_t ino, const struct fuse_file_info *file);

// Whether locks got by this open file are lost: then it is neither read nor written by it (-EIO), as others may have changed what they protected.
bool filesystem_has_lost_locks(const struct filesystem *filesystem, fuse_ino_t ino, const struct fuse_file_info *file);

// Answer a read with what came of it (bytes, or a negative errno), and a write, whose bytes are still there.
void filesystem_reply_read(fuse_req_t request, fuse_ino_t ino, const struct fuse_file_info *file, ssize_t got, const char *bytes);
void filesystem_reply_written(fuse_req_t request, const struct fuse_file_info *file, const struct far_write *write);

// What a program is told of an error of ours.
int filesystem_error(int error);

// The one place where our negative errno becomes FUSE's positive one.
void filesystem_reply(fuse_req_t request, int error);

// FAR_SET_KILL_SUIDGID and FAR_WRITE_KILL_SUIDGID are for those who change a file's content and may not keep its set-uid bits. True where the caller of this operation, which the
// kernel says nothing more about, is one of them (fallocate, copy_file_range).
static inline bool filesystem_kills_suidgid(fuse_req_t request)
{
	return fuse_req_ctx(request)->uid != 0;
}

// Whether the caller is of the group. Uses the second half of the thread's buffer.
bool filesystem_is_in_group(fuse_req_t request, gid_t group);

// A set-gid bit that nobody executes does not survive a change of content by one who is no member of the group. `attr` as it is after the change; brought up to date.
void filesystem_settle_sgid(fuse_req_t request, struct far_attr *attr);

// The same behind a write, fallocate or copy into the file, if the server says that there is something to settle.
void filesystem_settle_written(fuse_req_t request, fuse_ino_t ino);

// --- operations by file (ops_*.c) ---

void ops_init(void *filesystem, struct fuse_conn_info *connection);

// Those that libfuse does not know; called before it. True: answered.
bool ops_newer(const struct filesystem *filesystem, struct fuse_in_header *request);

void ops_lookup(fuse_req_t request, fuse_ino_t parent, const char *name);
void ops_forget(fuse_req_t request, fuse_ino_t ino, uint64_t count);
void ops_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets);

void ops_getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file);
void ops_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *stat, int valid, struct fuse_file_info *file);
void ops_statfs(fuse_req_t request, fuse_ino_t ino);

void ops_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *file);
void ops_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void ops_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode);
void ops_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name);
void ops_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void ops_readlink(fuse_req_t request, fuse_ino_t ino);

void ops_unlink(fuse_req_t request, fuse_ino_t parent, const char *name);
void ops_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name);
void ops_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name, unsigned flags);

void ops_getxattr(fuse_req_t request, fuse_ino_t ino, const char *name, size_t size);
void ops_setxattr(fuse_req_t request, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);
void ops_listxattr(fuse_req_t request, fuse_ino_t ino, size_t size);
void ops_removexattr(fuse_req_t request, fuse_ino_t ino, const char *name);

void ops_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file);
void ops_release(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file);
void ops_flush(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file);
void ops_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file);
void ops_write(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t size, off_t offset, struct fuse_file_info *file);

void ops_getlk(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file, struct flock *range);
void ops_setlk(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file, struct flock *range, int is_waiting);
void ops_flock(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file, int how);

void ops_opendir(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file);
void ops_releasedir(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file);
void ops_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *file);
void ops_lseek(fuse_req_t request, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *file);
void ops_copy_file_range(fuse_req_t request, fuse_ino_t from, off_t from_offset, struct fuse_file_info *from_file, fuse_ino_t to,
        off_t to_offset, struct fuse_file_info *to_file, size_t length, int flags);

void ops_readdir(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file);
void ops_readdirplus(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file);

#endif
