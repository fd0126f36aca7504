// The file system's operations between FUSE and libfar: one request of the kernel is one or two file calls on the serving thread's own lane.
//
// Inode numbers are object ids; FUSE's lookup count is this session's hold on the object. Nothing is cached here and by default nothing in the kernel without being revalidated,
// so mounts of one server see each other's changes at once.
#ifndef FSD_FILESYSTEM_H
#define FSD_FILESYSTEM_H

#define FUSE_USE_VERSION 314
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>

#include "client/files.h"

// What the mount was asked to be; constant while it serves.
struct filesystem {
	far_session *session;
	double attr_timeout;  // seconds the kernel may trust attributes, 0 by default
	double entry_timeout; // and names
	unsigned max_background;
};

extern const struct fuse_lowlevel_ops filesystem_operations;

// --- what the operations share (filesystem.c) ---

static inline const struct filesystem *filesystem_of(fuse_req_t request)
{
	return fuse_req_userdata(request);
}

// The serving thread's lane.
struct far_lane *filesystem_lane(void);

// How the kernel shall treat a file that is being opened. O_DIRECT passes the kernel's cache by altogether: otherwise it would ask for the attributes before each
// read, to know whether its cache is still good. So do logs: through its cache the kernel may cut a write between two pages, and what another mount appends would
// come between. (What can be read, too, can be mapped, which needs the cache.)
static inline void filesystem_set_open_flags(struct fuse_file_info *file)
{
	bool is_log = file->flags & O_APPEND && (file->flags & O_ACCMODE) == O_WRONLY;

	file->direct_io = is_log || file->flags & O_DIRECT;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 15)
	file->parallel_direct_writes = file->direct_io; // the server orders them
#endif
}

void filesystem_stat(const struct far_attr *attr, struct stat *stat);

// Answers with an entry, or with the error (0 or a negative errno).
void filesystem_reply_entry(fuse_req_t request, int error, const struct far_attr *attr);
void filesystem_reply_attr(fuse_req_t request, int error, const struct far_attr *attr);

// The one place where our negative errno becomes FUSE's positive one.
void filesystem_reply(fuse_req_t request, int error);

// --- operations by file (ops_*.c) ---

void ops_init(void *filesystem, struct fuse_conn_info *connection);

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

void ops_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file);
void ops_release(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file);
void ops_flush(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file);
void ops_fsync(fuse_req_t request, fuse_ino_t ino, int datasync, struct fuse_file_info *file);
void ops_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file);
void ops_write(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t size, off_t offset, struct fuse_file_info *file);

void ops_readdir(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file);
void ops_readdirplus(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file);

#endif
