#include <errno.h>
#include <string.h>

#include "fsd/filesystem.h"
#include "fsd/last_lookups.h"

// Lookups add a hold, forgets give holds back.

// The kernel walks `.` and `..` by itself, but for a file handle whose object it has forgotten: it knows no more than the id, of the object itself and not of a directory.
static int find_again(uint64_t id, unsigned flags, struct far_attr *attr)
{
	int error = far_hold(filesystem_lane(), id, flags, attr);

	if (!error && attr->id == FAR_ROOT_ID)
		attr->generation = 0; // what the kernel gave its root
	return error;
}

static int look_up(uint64_t parent, const char *name, struct far_attr *attr)
{
	if (strcmp(name, ".") == 0)
		return find_again(parent, 0, attr);
	if (strcmp(name, "..") == 0)
		return find_again(parent, FAR_HOLD_PARENT, attr);
	return far_lookup(filesystem_lane(), parent, name, strlen(name), attr);
}

// The kernel shall remember that there is no such name.
static void reply_none(fuse_req_t request)
{
	const struct fuse_entry_param none = {.entry_timeout = filesystem_of(request)->entry_timeout};

	fuse_reply_entry(request, &none);
}

void ops_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct far_attr attr;
	int error = look_up(parent, name, &attr);

	last_lookups_note(fuse_req_ctx(request)->pid, parent, name, !error && S_ISDIR(attr.mode) ? attr.id : 0);
	if (error == -ENOENT && filesystem_of(request)->entry_timeout > 0)
		reply_none(request);
	else
		filesystem_reply_entry(request, error, &attr);
}

void ops_forget(fuse_req_t request, fuse_ino_t ino, uint64_t count)
{
	far_forget(filesystem_lane(), ino, count);
	far_forget_flush(filesystem_lane()); // the memory of a deleted file may wait for this
	fuse_reply_none(request);
}

void ops_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		far_forget(filesystem_lane(), forgets[i].ino, forgets[i].nlookup);
	far_forget_flush(filesystem_lane());
	fuse_reply_none(request);
}
