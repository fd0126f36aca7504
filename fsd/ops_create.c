#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "fsd/cached_contents.h"
#include "fsd/filesystem.h"

// New objects and names. The kernel has applied the umask, but for mounts with ACLs: there a directory's default list takes its place, which the server sees to.

static struct far_new new_object(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
	const struct fuse_ctx *caller = fuse_req_ctx(request);

	return (struct far_new){
	        .parent = parent,
	        .name = name,
	        .name_length = strlen(name),
	        .mode = mode,
	        .uid = caller->uid,
	        .gid = caller->gid,
	        .umask = filesystem_of(request)->has_acls ? caller->umask : 0,
	};
}

void ops_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	struct far_new object = new_object(request, parent, name, mode);
	struct far_attr attr;
	int error;

	object.device = device;
	error = far_create(filesystem_lane(), &object, &attr);
	filesystem_reply_entry(request, error, &attr);
}

void ops_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
	ops_mknod(request, parent, name, (mode & 07777) | S_IFDIR, 0);
}

void ops_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name)
{
	struct far_new object = new_object(request, parent, name, S_IFLNK | 0777);
	struct far_attr attr;
	int error;

	object.target = target;
	object.target_length = strlen(target);
	error = far_create(filesystem_lane(), &object, &attr);
	filesystem_reply_entry(request, error, &attr);
}

void ops_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	struct far_attr attr;
	int error = far_link(filesystem_lane(), ino, parent, name, strlen(name), &attr);

	filesystem_reply_entry(request, error, &attr);
}

// The kernel lets whoever creates a file open it with any mode, so what someone else made meanwhile is opened only for its owner, by the owner's bits.
static bool may_open(const struct fuse_ctx *caller, const struct far_attr *attr, int flags)
{
	static const mode_t needed[] = {[O_RDONLY] = S_IRUSR, [O_WRONLY] = S_IWUSR, [O_RDWR] = S_IRUSR | S_IWUSR};
	mode_t mode = (flags & O_ACCMODE) <= O_RDWR ? needed[flags & O_ACCMODE] : S_IRWXU;

	return S_ISREG(attr->mode) && caller->uid == attr->uid && (attr->mode & mode) == mode;
}

// The name that create found taken: made by another mount since the kernel looked. Opened as it is, but for O_TRUNC. -ESTALE makes the kernel look again, and then
// check permissions.
static int open_existing(fuse_req_t request, fuse_ino_t parent, const char *name, int flags, struct far_attr *attr)
{
	struct far_setattr_request cut = {.valid = FAR_SET_SIZE | FAR_SET_KILL_SUIDGID};
	struct far_lane *lane = filesystem_lane();
	int error = far_lookup(lane, parent, name, strlen(name), attr);

	if (error) // -ENOENT: and gone again
		return error;
	if (!may_open(fuse_req_ctx(request), attr, flags))
		error = -ESTALE;
	else if (flags & O_TRUNC)
		error = far_setattr(lane, attr->id, &cut, attr);
	if (!error && flags & O_TRUNC)
		filesystem_settle_sgid(request, attr);
	if (error)
		far_forget(lane, attr->id, 1);
	return error;
}

// The kernel asks for a file without a name as it does for one with a name, and O_TMPFILE, which nobody can pass to open together with O_CREAT. It lets it be linked, or does not
// (O_EXCL).
static bool is_nameless(const struct fuse_file_info *file)
{
	return (file->flags & O_TMPFILE) == O_TMPFILE;
}

#define CREATE_TRIES 32 // of a name that others make and remove

static int create_or_open(fuse_req_t request, const struct far_new *object, int flags, struct far_attr *attr)
{
	for (int i = 0; i < CREATE_TRIES; i++) {
		int error = far_create(filesystem_lane(), object, attr);

		if (error != -EEXIST || flags & O_EXCL)
			return error;
		error = open_existing(request, object->parent, object->name, flags, attr);
		if (error != -ENOENT)
			return error;
	}
	return -ESTALE;
}

void ops_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *file)
{
	const struct filesystem *filesystem = filesystem_of(request);
	struct far_new object = new_object(request, parent, name, (mode & 07777) | S_IFREG);
	struct far_lane *lane = filesystem_lane();
	struct fuse_entry_param entry = {
	        .attr_timeout = filesystem->attr_timeout,
	        .entry_timeout = filesystem->entry_timeout,
	};
	struct far_attr attr;
	int error = is_nameless(file) ? far_tmpfile(lane, &object, &attr) : create_or_open(request, &object, file->flags, &attr);

	if (error) {
		filesystem_reply(request, error);
		return;
	}
	filesystem_see(filesystem, &attr);
	entry.ino = attr.id;
	entry.generation = attr.generation;
	filesystem_stat(&attr, &entry.attr);
	file->fh = filesystem_next_file();
	filesystem_set_open_flags(file);
	file->keep_cache = cached_contents_open(attr.id, far_lane_epoch(filesystem_lane()));
	file->noflush = filesystem->are_records_local;
	if (fuse_reply_create(request, &entry, file) < 0)
		far_forget(lane, attr.id, 1);
}

void ops_readlink(fuse_req_t request, fuse_ino_t ino)
{
	const struct filesystem *filesystem = filesystem_of(request);
	char target[FAR_SYMLINK_MAX + 1];
	int length = far_readlink(filesystem_lane(), ino, target);

	if (length < 0) {
		filesystem_reply(request, length);
		return;
	}
	fuse_reply_readlink(request, target);
	filesystem_touch(filesystem, ino, 0);
}
