#include "fsd/filesystem.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "fsd/cached_contents.h"
#include "fsd/channel.h"

// The table of operations and what they share. What is not in the table is answered ENOSYS by libfuse: the kernel then does without.

#define NS_PER_SECOND 1000000000

struct far_lane *filesystem_lane(void)
{
	return channel_thread();
}

uint64_t filesystem_next_file(void)
{
	static _Atomic uint64_t last;

	return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

void filesystem_touch(const struct filesystem *filesystem, fuse_ino_t ino, int flags)
{
	bool is_always;

	if (!(flags & O_NOATIME) && access_times_take(filesystem->access_times, ino, flags & O_DIRECTORY, &is_always))
		far_touch(filesystem_lane(), ino, is_always);
}

void filesystem_see(const struct filesystem *filesystem, const struct far_attr *attr)
{
	bool must_be_read = access_times_see(filesystem->access_times, attr);

	cached_contents_see(attr, far_lane_epoch(filesystem_lane()), must_be_read);
}

struct timespec filesystem_timespec(int64_t ns)
{
	struct timespec time = {.tv_sec = ns / NS_PER_SECOND, .tv_nsec = ns % NS_PER_SECOND};

	if (time.tv_nsec < 0) { // before 1970
		time.tv_sec--;
		time.tv_nsec += NS_PER_SECOND;
	}
	return time;
}

void filesystem_stat(const struct far_attr *attr, struct stat *stat)
{
	*stat = (struct stat){
	        .st_ino = attr->id,
	        .st_mode = attr->mode,
	        .st_nlink = attr->nlink,
	        .st_uid = attr->uid,
	        .st_gid = attr->gid,
	        .st_rdev = attr->device,
	        .st_size = (off_t)attr->size,
	        .st_blksize = FAR_PAGE_SIZE,
	        .st_blocks = (blkcnt_t)attr->blocks,
	        .st_atim = filesystem_timespec(attr->atime_ns),
	        .st_mtim = filesystem_timespec(attr->mtime_ns),
	        .st_ctim = filesystem_timespec(attr->ctime_ns),
	};
}

#define GROUPS_MAX 65536 // the kernel's NGROUPS_MAX

bool filesystem_is_in_group(fuse_req_t request, gid_t group)
{
	gid_t *groups = (gid_t *)(void *)((char *)channel_place() + CHANNEL_BUFFER / 2);
	int count = fuse_req_getgroups(request, GROUPS_MAX, groups);

	if (fuse_req_ctx(request)->gid == group)
		return true;
	for (int i = 0; i < count && i < GROUPS_MAX; i++)
		if (groups[i] == group)
			return true;
	return false;
}

void filesystem_settle_sgid(fuse_req_t request, struct far_attr *attr)
{
	struct far_setattr_request change = {.valid = FAR_SET_MODE, .mode = attr->mode & 07777 & ~(mode_t)S_ISGID};

	if (S_ISREG(attr->mode) && (attr->mode & (S_ISGID | S_IXGRP)) == S_ISGID && !filesystem_is_in_group(request, attr->gid))
		far_setattr(filesystem_lane(), attr->id, &change, attr);
}

void filesystem_settle_written(fuse_req_t request, fuse_ino_t ino)
{
	struct far_attr attr;

	if (far_sgid_left(filesystem_lane()) && far_getattr(filesystem_lane(), ino, &attr) == 0)
		filesystem_settle_sgid(request, &attr);
}

// Errors of the way to the server are not those of open(2) or read(2), and ENOTCONN would say that this process is gone.
int filesystem_error(int error)
{
	switch (error) {
	case -ENOTCONN:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EPROTO:
	case -EPROTONOSUPPORT:
	case -EMFILE:
	case -ECANCELED:
		return -EIO;
	default:
		return error;
	}
}

void filesystem_reply(fuse_req_t request, int error)
{
	fuse_reply_err(request, -filesystem_error(error));
}

void filesystem_reply_entry(fuse_req_t request, int error, const struct far_attr *attr)
{
	const struct filesystem *filesystem = filesystem_of(request);
	struct fuse_entry_param entry = {
	        .attr_timeout = filesystem->attr_timeout,
	        .entry_timeout = filesystem->entry_timeout,
	};

	if (error) {
		filesystem_reply(request, error);
		return;
	}
	filesystem_see(filesystem, attr);
	entry.ino = attr->id;
	entry.generation = attr->generation;
	filesystem_stat(attr, &entry.attr);
	// A reply that the kernel did not take (the caller was interrupted) leaves no lookup behind.
	if (fuse_reply_entry(request, &entry) < 0)
		far_forget(filesystem_lane(), attr->id, 1);
}

void filesystem_reply_attr(fuse_req_t request, int error, const struct far_attr *attr)
{
	struct stat stat;

	if (error) {
		filesystem_reply(request, error);
		return;
	}
	filesystem_see(filesystem_of(request), attr);
	filesystem_stat(attr, &stat);
	fuse_reply_attr(request, &stat, filesystem_of(request)->attr_timeout);
}

const struct fuse_lowlevel_ops filesystem_operations = {
        .init = ops_init,
        .lookup = ops_lookup,
        .forget = ops_forget,
        .forget_multi = ops_forget_multi,
        .getattr = ops_getattr,
        .setattr = ops_setattr,
        .statfs = ops_statfs,
        .create = ops_create,
        .mknod = ops_mknod,
        .mkdir = ops_mkdir,
        .symlink = ops_symlink,
        .link = ops_link,
        .readlink = ops_readlink,
        .unlink = ops_unlink,
        .rmdir = ops_rmdir,
        .rename = ops_rename,
        .getxattr = ops_getxattr,
        .setxattr = ops_setxattr,
        .listxattr = ops_listxattr,
        .removexattr = ops_removexattr,
        .open = ops_open,
        .release = ops_release,
        .flush = ops_flush,
        .read = ops_read,
        .write = ops_write,
        .getlk = ops_getlk,
        .setlk = ops_setlk,
        .flock = ops_flock,
        .opendir = ops_opendir,
        .fallocate = ops_fallocate,
        .lseek = ops_lseek,
        .copy_file_range = ops_copy_file_range,
        .readdir = ops_readdir,
        .readdirplus = ops_readdirplus,
        .releasedir = ops_releasedir,
};
