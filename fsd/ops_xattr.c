#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>

#include "far/xattr_name.h"
#include "fsd/channel.h"
#include "fsd/filesystem.h"
#include "fsd/profiling.h"
#include "fsd/status.h"

// Extended attributes. The kernel checks who may read and write them by namespace (xattr(7)); the server checks names and keeps ACLs and modes together. What is left to do here: which
// names a caller is shown, and whether ACLs count on this mount.

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define TRUSTED "trusted."

static bool is_acl(const char *name)
{
	return strcmp(name, ACL_ACCESS) == 0 || strcmp(name, ACL_DEFAULT) == 0;
}

// ACLs that nobody heeds must not be set, or shown.
static bool is_served(const struct filesystem *filesystem, const char *name)
{
	return filesystem->has_acls || !is_acl(name);
}

// The thread's buffer behind any request with a value; the rest is larger than any reply.
static char *reply_buffer(void)
{
	return (char *)channel_place() + CHANNEL_BUFFER / 2;
}

static void reply_bytes(fuse_req_t request, const char *bytes, ssize_t length, size_t size)
{
	if (length < 0)
		filesystem_reply(request, (int)length);
	else if (size == 0)
		fuse_reply_xattr(request, (size_t)length);
	else if ((size_t)length > size)
		filesystem_reply(request, -ERANGE);
	else
		fuse_reply_buf(request, bytes, (size_t)length);
}

void ops_getxattr(fuse_req_t request, fuse_ino_t ino, const char *name, size_t size)
{
	size_t room = size < FAR_XATTR_VALUE_MAX ? size : FAR_XATTR_VALUE_MAX;

	if (!is_served(filesystem_of(request), name))
		filesystem_reply(request, -EOPNOTSUPP);
	else if (ino == FUSE_ROOT_ID && strcmp(name, STATUS_NAME) == 0)
		reply_bytes(request, reply_buffer(), status_write(filesystem_of(request), reply_buffer(), STATUS_SIZE), size);
	else if (ino == FUSE_ROOT_ID && strcmp(name, PROFILE_NAME) == 0)
		reply_bytes(request, reply_buffer(), profiling_write(reply_buffer(), PROFILE_SIZE), size);
	else
		reply_bytes(request, reply_buffer(), far_getxattr(filesystem_lane(), ino, name, strlen(name), reply_buffer(), room), size);
}

// Leaves the names that the caller is to see. Returns how long they are.
static ssize_t filter(fuse_req_t request, char *list, ssize_t length)
{
	bool sees_trusted = fuse_req_ctx(request)->uid == 0;
	ssize_t kept = 0;

	for (ssize_t at = 0; at < length;) {
		const char *name = list + at;
		size_t size = strnlen(name, (size_t)(length - at) - 1) + 1;

		at += (ssize_t)size;
		if ((!sees_trusted && strncmp(name, TRUSTED, strlen(TRUSTED)) == 0) || !is_served(filesystem_of(request), name))
			continue;
		memmove(list + kept, name, size);
		kept += (ssize_t)size;
	}
	return kept;
}

void ops_listxattr(fuse_req_t request, fuse_ino_t ino, size_t size)
{
	unsigned flags = filesystem_of(request)->is_hiding_facts ? 0 : FAR_XATTR_FACTS;
	ssize_t length = far_listxattr(filesystem_lane(), ino, reply_buffer(), XATTR_LIST_MAX, flags);

	if (length > 0)
		length = filter(request, reply_buffer(), length);
	reply_bytes(request, reply_buffer(), length, size);
}

// As chmod does, the mode that an access ACL sets has no set-gid bit if its owner is no member of the group.
static unsigned acl_flags(fuse_req_t request, fuse_ino_t ino, const char *name)
{
	struct far_attr attr;

	if (strcmp(name, ACL_ACCESS) != 0 || fuse_req_ctx(request)->uid == 0)
		return 0;
	if (far_getattr(filesystem_lane(), ino, &attr) == 0 && (!(attr.mode & S_ISGID) || filesystem_is_in_group(request, attr.gid)))
		return 0;
	return FAR_XATTR_KILL_SGID;
}

// The server knows who mounted, not who asks.
static bool may_change(fuse_req_t request, const char *name)
{
	return fuse_req_ctx(request)->uid == 0 || !far_xattr_begins(name, strlen(name), FAR_XATTR_QUOTA);
}

static int set_profile(const char *value, size_t size)
{
	if (size != 1 || (*value != '0' && *value != '1'))
		return -EINVAL;
	profiling_set(*value == '1');
	return 0;
}

void ops_setxattr(fuse_req_t request, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	const struct far_xattr attribute = {name, strlen(name), value, size};
	unsigned how = (flags & XATTR_CREATE ? FAR_XATTR_CREATE : 0) | (flags & XATTR_REPLACE ? FAR_XATTR_REPLACE : 0);

	if (!is_served(filesystem_of(request), name)) {
		filesystem_reply(request, -EOPNOTSUPP);
		return;
	}
	if (!may_change(request, name)) {
		filesystem_reply(request, -EPERM);
		return;
	}
	if (ino == FUSE_ROOT_ID && strcmp(name, PROFILE_NAME) == 0) {
		filesystem_reply(request, set_profile(value, size));
		return;
	}
	how |= acl_flags(request, ino, name);
	filesystem_reply(request, far_setxattr(filesystem_lane(), ino, &attribute, how));
}

// Removing the ACL that an object does not have is no error, as on other file systems.
void ops_removexattr(fuse_req_t request, fuse_ino_t ino, const char *name)
{
	int error = is_served(filesystem_of(request), name) ? 0 : -EOPNOTSUPP;

	if (!error && !may_change(request, name))
		error = -EPERM;
	if (!error)
		error = far_removexattr(filesystem_lane(), ino, name, strlen(name));
	filesystem_reply(request, error == -ENODATA && is_acl(name) ? 0 : error);
}
