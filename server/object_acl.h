// Access control lists of objects: the extended attributes system.posix_acl_access and system.posix_acl_default, and the mode that goes with them. Which of them are looked
// at is the mount's affair (far-fsd -o acl); that they and the mode agree, and that what is created below a default list inherits it, is kept here for all clients. Writer thread only.
#ifndef SERVER_OBJECT_ACL_H
#define SERVER_OBJECT_ACL_H

#include "server/object.h"
#include "server/xattr.h"

#define XATTR_ACL_ACCESS "system.posix_acl_access"
#define XATTR_ACL_DEFAULT "system.posix_acl_default"

bool object_acl_is_name(struct far_span name);

// Sets one of the two (name: object_acl_is_name); an access list sets the permission bits, too, and is not stored if they say all that it says. An empty list removes. `flags` as of
// xattr_set, and FAR_XATTR_KILL_SGID. -EINVAL (no list, or a default list of something that is no directory), -E2BIG, -EOPNOTSUPP (of a symlink), and those of xattr_set; nothing has changed then.
int object_acl_set(struct server *server, struct far_record *object, struct far_span name, const struct xattr_value *value, unsigned flags);

// The mode has changed: the access list follows.
void object_acl_follow_mode(const struct server *server, struct far_record *object);

// An object that nobody can see yet gets what its directory's default list says; without one its mode loses `umask`. -ENOSPC: nothing has changed.
int object_acl_inherit(struct server *server, const struct far_record *directory, struct far_record *object, uint32_t umask);

#endif
