#include "fsd/status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "fsd/channel.h"

// Counters only grow; whoever wants to know what something costs reads them before and after.

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

static void write_requests(FILE *to)
{
	uint64_t counts[CHANNEL_OPCODES], all = 0;

	channel_counts(counts);
	for (unsigned opcode = 0; opcode < CHANNEL_OPCODES; opcode++)
		all += counts[opcode];
	fprintf(to, "messages %" PRIu64 "\n", all);
	for (unsigned opcode = 0; opcode < CHANNEL_OPCODES; opcode++)
		if (counts[opcode])
			fprintf(to, "messages.%s %" PRIu64 "\n", names[opcode] ? names[opcode] : "other", counts[opcode]);
}

static void write_server(FILE *to, const struct far_statistics *statistics)
{
	fprintf(to, "requests %" PRIu64 "\n", statistics->requests);
	fprintf(to, "one_sided %" PRIu64 "\n", statistics->one_sided);
	fprintf(to, "one_sided_retries %" PRIu64 "\n", statistics->one_sided_retries);
	fprintf(to, "remote_reads %" PRIu64 "\n", statistics->remote_reads);
	fprintf(to, "remote_writes %" PRIu64 "\n", statistics->remote_writes);
	fprintf(to, "bytes_read %" PRIu64 "\n", statistics->bytes_read);
	fprintf(to, "bytes_written %" PRIu64 "\n", statistics->bytes_written);
	fprintf(to, "reconnects %" PRIu64 "\n", statistics->reconnects);
}

ssize_t status_write(const struct filesystem *filesystem, char *text, size_t room)
{
	struct far_statistics statistics;
	int error = far_statistics(filesystem->session, &statistics);
	FILE *to = error ? NULL : fmemopen(text, room, "w");
	long length;

	if (!to)
		return error ? error : -errno;
	fprintf(to, "server %s\nprovider %s\nchannel %s\n", statistics.address, statistics.provider, channel_name());
	write_requests(to);
	write_server(to, &statistics);
	length = ftell(to);
	fclose(to);
	return length < 0 || (size_t)length >= room ? -ENOSPC : length;
}
