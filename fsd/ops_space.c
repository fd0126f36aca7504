#include <errno.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "fsd/filesystem.h"

// Space within files, and copies that the server makes. The kernel has checked descriptors, types, overlaps and the caller's limits, has written back and dropped what its cache has of the
// range; whose set-uid bits these calls clear is left to us. Ranges cannot be collapsed or inserted through FUSE: the kernel refuses that itself (EOPNOTSUPP).

#define COPY_MAX (64U << 20) // what one system call waits for; callers go on from a short count

void ops_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *file)
{
	unsigned flags = filesystem_kills_suidgid(request) ? FAR_FALLOCATE_KILL_SUIDGID : 0;
	int error;

	(void)file;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
		filesystem_reply(request, -EOPNOTSUPP);
		return;
	}
	if (mode & FALLOC_FL_KEEP_SIZE)
		flags |= FAR_FALLOCATE_KEEP_SIZE;
	if (mode & FALLOC_FL_PUNCH_HOLE)
		flags |= FAR_FALLOCATE_PUNCH_HOLE;
	if (mode & FALLOC_FL_ZERO_RANGE)
		flags |= FAR_FALLOCATE_ZERO;
	error = far_fallocate(filesystem_lane(), ino, flags, (uint64_t)offset, (uint64_t)length);
	filesystem_settle_written(request, ino);
	filesystem_reply(request, error);
}

void ops_lseek(fuse_req_t request, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *file)
{
	int64_t found = -EINVAL;

	(void)file;
	if (whence == SEEK_DATA || whence == SEEK_HOLE)
		found = far_seek(filesystem_lane(), ino, (uint64_t)offset, whence == SEEK_HOLE);
	if (found < 0)
		filesystem_reply(request, (int)found);
	else
		fuse_reply_lseek(request, (off_t)found);
}

void ops_copy_file_range(fuse_req_t request, fuse_ino_t from, off_t from_offset, struct fuse_file_info *from_file, fuse_ino_t to,
        off_t to_offset, struct fuse_file_info *to_file, size_t length, int flags)
{
	struct far_copy_range range = {
	        .from_id = from,
	        .from_offset = (uint64_t)from_offset,
	        .to_id = to,
	        .to_offset = (uint64_t)to_offset,
	        .length = length < COPY_MAX ? length : COPY_MAX,
	        .flags = filesystem_kills_suidgid(request) ? FAR_COPY_KILL_SUIDGID : 0,
	};
	ssize_t copied = flags ? -EINVAL : far_copy(filesystem_lane(), &range);

	(void)from_file;
	(void)to_file;
	filesystem_settle_written(request, to);
	if (copied < 0)
		filesystem_reply(request, (int)copied);
	else
		fuse_reply_write(request, (size_t)copied);
}
