#include <errno.h>
#include <string.h>

#include "fsd/filesystem.h"
#include "fsd/last_lookups.h"

// Names that go or move.
//
// A directory that goes is dead for the kernel from then on. It knows it by its object, but asks for the name, and another mount may have put another directory there meanwhile, and the one that the kernel knows
// somewhere else, where it would be dead for this mount. So that very one goes, or ESTALE says that the kernel shall look the name up again.
// FUSE's rename flags have the values of the wire's: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2.

void ops_unlink(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	filesystem_reply(request, far_unlink(filesystem_lane(), parent, name, strlen(name)));
}

void ops_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	pid_t thread = fuse_req_ctx(request)->pid;
	int error = far_rmdir(filesystem_lane(), parent, name, strlen(name), last_lookup(thread, parent, name));

	last_lookups_note(thread, parent, name, 0);
	filesystem_reply(request, error);
}

void ops_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	pid_t thread = fuse_req_ctx(request)->pid;
	uint64_t replaced = flags & FAR_RENAME_EXCHANGE ? 0 : last_lookup(thread, new_parent, new_name);
	int error;

	if (flags & ~(unsigned)(FAR_RENAME_NOREPLACE | FAR_RENAME_EXCHANGE)) { // RENAME_WHITEOUT
		filesystem_reply(request, -EINVAL);
		return;
	}
	error = far_rename_at(filesystem_lane(), parent, name, strlen(name), new_parent, new_name, strlen(new_name), replaced, flags);
	last_lookups_note(thread, parent, name, 0);
	last_lookups_note(thread, new_parent, new_name, 0);
	filesystem_reply(request, error);
}
