#include "fsd/opcode_names.h"

#include <stddef.h>

#include "fsd/channel.h"
#include "fsd/fuse_kernel.h"

static const char *const names[CHANNEL_OPCODES] = {
        [FUSE_LOOKUP] = "lookup",
        [FUSE_FORGET] = "forget",
        [FUSE_GETATTR] = "getattr",
        [FUSE_SETATTR] = "setattr",
        [FUSE_READLINK] = "readlink",
        [FUSE_SYMLINK] = "symlink",
        [FUSE_MKNOD] = "mknod",
        [FUSE_MKDIR] = "mkdir",
        [FUSE_UNLINK] = "unlink",
        [FUSE_RMDIR] = "rmdir",
        [FUSE_RENAME] = "rename",
        [FUSE_LINK] = "link",
        [FUSE_OPEN] = "open",
        [FUSE_READ] = "read",
        [FUSE_WRITE] = "write",
        [FUSE_STATFS] = "statfs",
        [FUSE_RELEASE] = "release",
        [FUSE_FSYNC] = "fsync",
        [FUSE_SETXATTR] = "setxattr",
        [FUSE_GETXATTR] = "getxattr",
        [FUSE_LISTXATTR] = "listxattr",
        [FUSE_REMOVEXATTR] = "removexattr",
        [FUSE_FLUSH] = "flush",
        [FUSE_INIT] = "init",
        [FUSE_OPENDIR] = "opendir",
        [FUSE_READDIR] = "readdir",
        [FUSE_RELEASEDIR] = "releasedir",
        [FUSE_FSYNCDIR] = "fsyncdir",
        [FUSE_GETLK] = "getlk",
        [FUSE_SETLK] = "setlk",
        [FUSE_SETLKW] = "setlkw",
        [FUSE_ACCESS] = "access",
        [FUSE_CREATE] = "create",
        [FUSE_INTERRUPT] = "interrupt",
        [FUSE_BATCH_FORGET] = "forgets",
        [FUSE_FALLOCATE] = "fallocate",
        [FUSE_READDIRPLUS] = "readdirplus",
        [FUSE_RENAME2] = "rename2",
        [FUSE_LSEEK] = "lseek",
        [FUSE_COPY_FILE_RANGE] = "copy_file_range",
        [FUSE_STATX] = "statx",
        [FUSE_TMPFILE] = "tmpfile",
};

const char *opcode_name(unsigned opcode)
{
	return opcode < CHANNEL_OPCODES && names[opcode] ? names[opcode] : "other";
}
