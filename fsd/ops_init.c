#include "fsd/filesystem.h"

// What is agreed with the kernel when the mount begins. The benchmark's null file system uses it, too.

void ops_init(void *context, struct fuse_conn_info *connection)
{
	const struct filesystem *filesystem = context;
	unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_PARALLEL_DIROPS |
	                  FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO;
	// Splicing costs more than it saves here, and requests must land in our buffers. O_TRUNC comes as a setattr of its own. Another mount may replace
	// a symlink, so they are not kept. Set-uid bits are cleared by us, told when (FILESYSTEM_INIT_FLAGS), or else by the kernel.
	unsigned unwanted = FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE | FUSE_CAP_ATOMIC_O_TRUNC |
	                    FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_IOCTL_DIR;
	// With ACLs the server applies the umask, for a directory's default list takes its place.
	unsigned acls = FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK;

	if (filesystem->is_alone) {
		wanted |= FUSE_CAP_CACHE_SYMLINKS;
		unwanted &= ~(unsigned)FUSE_CAP_CACHE_SYMLINKS;
	}
	if (filesystem->has_acls)
		wanted |= acls;
	else
		unwanted |= acls;

	if (filesystem->serves_handles)
		wanted |= FUSE_CAP_EXPORT_SUPPORT;
	if (filesystem->are_records_local)
		unwanted |= FUSE_CAP_POSIX_LOCKS;
	if (filesystem->are_flocks_local)
		unwanted |= FUSE_CAP_FLOCK_LOCKS;
	connection->want = (connection->want | (connection->capable & wanted)) & ~unwanted;
	connection->max_write = 1U << 20;
	connection->max_readahead = 1U << 20;
	connection->max_background = filesystem->max_background;
	connection->congestion_threshold = filesystem->max_background * 3 / 4;
	connection->time_gran = 1;
}
