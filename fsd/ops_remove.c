#include <errno.h>
#include <string.h>

#include "fsd/filesystem.h"

// Names that go or move. FUSE's rename flags have the values of the wire's: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2.

void ops_unlink(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	filesystem_reply(request, far_unlink(filesystem_lane(), parent, name, strlen(name)));
}

void ops_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	filesystem_reply(request, far_rmdir(filesystem_lane(), parent, name, strlen(name)));
}

void ops_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	struct far_lane *lane = filesystem_lane();

	if (flags & ~(unsigned)(FAR_RENAME_NOREPLACE | FAR_RENAME_EXCHANGE)) { // RENAME_WHITEOUT
		filesystem_reply(request, -EINVAL);
		return;
	}
	filesystem_reply(request, far_rename_at(lane, parent, name, strlen(name), new_parent, new_name, strlen(new_name), flags));
}
