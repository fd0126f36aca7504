// The namespace: names and directories over the index (parent id and name -> record) and the directories' entry trees.
//
// A "name record" is what the index and a directory's tree hold for a name: the object itself for its first name, a record of state LINK for each further one. Handlers find
// a name record, and through namespace_target its object. Names passed in are checked (far_name_check) unless a function says that it checks them. Writer thread only.
#ifndef SERVER_NAMESPACE_H
#define SERVER_NAMESPACE_H

#include <stdbool.h>

#include "far/key.h"
#include "server/object.h"

// --- finding (namespace.c) ---

// The name record, or NULL. An object whose time is over is removed, and not found.
struct far_record *namespace_find(struct server *server, const struct far_record *directory, struct far_span name);

struct far_record *namespace_target(struct server *server, struct far_record *name);

// The object of a checked key; the empty key is the root. -ENOENT, -ENOTDIR.
int namespace_resolve(struct server *server, struct far_span key, struct far_record **object);

// The directory that holds the key's last component, and that component. -ENOENT, -ENOTDIR.
int namespace_resolve_parent(struct server *server, struct far_span key, struct far_record **directory, struct far_span *last);

// The directory of an id, fit to be changed or searched: -ESTALE, -ENOTDIR.
int namespace_directory(struct server *server, uint64_t id, struct far_record **directory);

// --- adding (namespace.c) ---

// Directories made for a key on the way to its parent, so that they can be unmade if the operation fails after all.
struct namespace_made {
	struct far_record *deepest;
	uint32_t count;
	struct far_record *base; // what held the first of them, and its times before
	int64_t base_mtime_ns, base_ctime_ns;
};

// As namespace_resolve_parent, but makes what is missing (mode 0755, owner uid and gid). Nothing stays made if it fails. -ENOTDIR, -ENOSPC, -EDQUOT.
struct namespace_owner {
	uint32_t uid, gid;
};
int namespace_make_parents(struct server *server, struct far_span key, struct namespace_owner owner, struct namespace_made *made,
        struct far_record **directory, struct far_span *last);
void namespace_unmake_parents(struct server *server, const struct namespace_made *made);

// Enters a made object (object_make) under its name and publishes it. The name is free. -ENOENT (the directory was removed), -ENOSPC, -EDQUOT: nothing has changed, the object is still the caller's.
int namespace_add(struct server *server, struct far_record *directory, struct far_record *object);

// Makes an object and enters it. -ENOENT, -ENOSPC, -EDQUOT.
int namespace_create(struct server *server, const struct object_new *new, struct far_record **object);

// --- further names and removal (namespace_link.c) ---

// A further name, or the first of an object that began without one. -EMLINK, -ENOENT (object or directory removed), -ENOSPC, -EDQUOT. The name is free.
int namespace_link(struct server *server, struct far_record *object, struct far_record *directory, struct far_span name);

// Removes a name. Directories must be empty: -ENOTEMPTY. The object lives on while it has names or holders. -ENOSPC only where an object must take over another of its names in a full pool.
int namespace_remove(struct server *server, struct far_record *directory, struct far_record *name);

// The same of a name that can be removed without more ado: a directory's that is empty, or one that no other takes over from. Nobody who watches is told. Never fails.
void namespace_take_out(struct server *server, struct far_record *directory, struct far_record *name);

// Removes up to `most` names of an object that is no directory and whose time is over, its own last, so that none is taken over and nothing can fail. True: it has none left, and may be gone.
bool namespace_remove_names(struct server *server, struct far_record *object, uint32_t most);

// Whether a directory has no entries, but for those whose time is over, which go. -ENOTEMPTY; -ERESTART: some went, and there may be more of them.
int namespace_require_empty(struct server *server, struct far_record *directory);

// Used by rename: the name is out of index and directory; the object, or link record, loses it for good. Behind space_keep_reserve.
void namespace_drop_name(struct server *server, struct far_record *name);

// --- rename (namespace_rename.c) ---

struct namespace_rename {
	struct far_record *from;
	struct far_span name;
	struct far_record *to;
	struct far_span new_name;
	uint64_t expected; // the object that is replaced, or 0: any, or none
	unsigned flags;    // enum far_rename_flag
};

// -ENOENT, -EEXIST, -ENOTEMPTY, -EISDIR, -ENOTDIR, -EINVAL (a directory into itself), -ESTALE (not the expected one), -EXDEV and -EDQUOT (quota_may_move), -ENOSPC. *moved: the object that has the new name.
int namespace_rename(struct server *server, const struct namespace_rename *rename, struct far_record **moved);

#endif
