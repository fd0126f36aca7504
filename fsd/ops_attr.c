#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "far/least.h"
#include "fsd/filesystem.h"

// Attributes of objects and of the whole.

void ops_getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct far_attr attr;
	int error = far_getattr(filesystem_lane(), ino, &attr);

	(void)file;
	filesystem_reply_attr(request, error, &attr);
}

// --- statx ---

static struct fuse_sx_time sx_time_of(int64_t ns)
{
	struct timespec time = filesystem_timespec(ns);

	return (struct fuse_sx_time){.tv_sec = time.tv_sec, .tv_nsec = (uint32_t)time.tv_nsec};
}

static void fill_statx(const struct far_attr *attr, struct fuse_statx *statx)
{
	*statx = (struct fuse_statx){
	        .mask = STATX_BASIC_STATS | STATX_BTIME,
	        .blksize = FAR_PAGE_SIZE,
	        .nlink = attr->nlink,
	        .uid = attr->uid,
	        .gid = attr->gid,
	        .mode = (uint16_t)attr->mode,
	        .ino = attr->id,
	        .size = attr->size,
	        .blocks = attr->blocks,
	        .atime = sx_time_of(attr->atime_ns),
	        .btime = sx_time_of(attr->btime_ns),
	        .ctime = sx_time_of(attr->ctime_ns),
	        .mtime = sx_time_of(attr->mtime_ns),
	        .rdev_major = major(attr->device),
	        .rdev_minor = minor(attr->device),
	};
}

// Asked where somebody wants the birth time.
static void answer_statx(const struct filesystem *filesystem, const struct fuse_in_header *request)
{
	struct fuse_statx_out out = {.attr_valid = (uint64_t)filesystem->attr_timeout};
	struct far_attr attr;
	int error = far_getattr(filesystem_lane(), request->nodeid, &attr);

	if (!error) {
		filesystem_see(filesystem, &attr);
		fill_statx(&attr, &out.stat);
	}
	out.attr_valid_nsec = (uint32_t)((filesystem->attr_timeout - (double)out.attr_valid) * 1e9);
	channel_answer(request, filesystem_error(error), &out, sizeof(out));
}

bool ops_newer(const struct filesystem *filesystem, struct fuse_in_header *request)
{
	switch (request->opcode) {
	case FUSE_STATX:
		answer_statx(filesystem, request);
		return true;
	case FUSE_TMPFILE: // request and answer are those of a create
		((struct fuse_create_in *)(request + 1))->flags |= O_TMPFILE;
		request->opcode = FUSE_CREATE;
		return false;
	default:
		return false;
	}
}

// --- setattr and statfs ---

static int64_t ns_of(struct timespec time)
{
	// What does not fit 64 bits of nanoseconds (before 1678, after 2262) becomes the nearest that does.
	if (time.tv_sec > INT64_MAX / 1000000000 - 1)
		return INT64_MAX;
	if (time.tv_sec < INT64_MIN / 1000000000 + 1)
		return INT64_MIN;
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static const struct {
	int fuse;
	uint32_t far;
} valid_bits[] = {
        {FUSE_SET_ATTR_MODE, FAR_SET_MODE},
        {FUSE_SET_ATTR_UID, FAR_SET_UID},
        {FUSE_SET_ATTR_GID, FAR_SET_GID},
        {FUSE_SET_ATTR_SIZE, FAR_SET_SIZE},
        {FUSE_SET_ATTR_ATIME, FAR_SET_ATIME},
        {FUSE_SET_ATTR_MTIME, FAR_SET_MTIME},
        {FUSE_SET_ATTR_ATIME_NOW, FAR_SET_ATIME_NOW},
        {FUSE_SET_ATTR_MTIME_NOW, FAR_SET_MTIME_NOW},
        {FUSE_SET_ATTR_CTIME, FAR_SET_CTIME},
};

void ops_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *stat, int valid, struct fuse_file_info *file)
{
	struct far_setattr_request change = {
	        .size = (uint64_t)stat->st_size,
	        .atime_ns = ns_of(stat->st_atim),
	        .mtime_ns = ns_of(stat->st_mtim),
	        .ctime_ns = ns_of(stat->st_ctim),
	        .mode = stat->st_mode,
	        .uid = stat->st_uid,
	        .gid = stat->st_gid,
	};
	const struct fuse_setattr_in *in = (const struct fuse_setattr_in *)(channel_request() + 1);
	struct far_attr attr;
	int error;

	(void)file;
	if (in->valid & FATTR_KILL_SUIDGID) // libfuse keeps it to itself
		change.valid |= FAR_SET_KILL_SUIDGID;
	for (unsigned i = 0; i < sizeof(valid_bits) / sizeof(valid_bits[0]); i++)
		if (valid & valid_bits[i].fuse)
			change.valid |= valid_bits[i].far;
	error = far_setattr(filesystem_lane(), ino, &change, &attr);
	if (!error && change.valid & FAR_SET_KILL_SUIDGID && change.valid & FAR_SET_SIZE)
		filesystem_settle_sgid(request, &attr);
	filesystem_reply_attr(request, error, &attr);
}

#define BYTES_PER_SMALL_OBJECT 256 // for the number of files that would still fit

void ops_statfs(fuse_req_t request, fuse_ino_t ino)
{
	struct far_statfs_reply space;
	int error = far_statfs(filesystem_lane(), ino, &space);
	struct statvfs all = {.f_bsize = FAR_PAGE_SIZE, .f_frsize = FAR_PAGE_SIZE, .f_namemax = FAR_NAME_MAX};

	if (error) {
		filesystem_reply(request, error);
		return;
	}
	all.f_blocks = space.total / FAR_PAGE_SIZE;
	all.f_bfree = space.free / FAR_PAGE_SIZE;
	all.f_bavail = space.available / FAR_PAGE_SIZE;
	all.f_ffree = least(space.free / BYTES_PER_SMALL_OBJECT, space.objects_left);
	all.f_favail = least(space.available / BYTES_PER_SMALL_OBJECT, space.objects_left);
	all.f_files = space.objects + all.f_ffree;
	fuse_reply_statfs(request, &all);
}
