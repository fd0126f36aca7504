// nullfs DIRECTORY [MiB [ring|classic]]: the yardstick for far-fsd. A FUSE file system of one file, `file`, that answers from its own memory: no server, no fabric, no names. It runs on the
// same channel as far-fsd and tells the kernel the same things at INIT, so what a mount of FarFS costs above it is FarFS's own.
//
// The file is anonymous memory of so many MiB (default 1024), 4 KiB pages as a pool without hugepages has; reads are answered from it without a copy of their own.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fsd/filesystem.h"
#include "null_serve.h"

#define FILE_INO 2

static char *content;
static size_t content_size;

static struct stat stat_of(fuse_ino_t ino)
{
	struct stat stat = {.st_ino = ino, .st_uid = geteuid(), .st_gid = getegid(), .st_blksize = 4096};

	stat.st_mode = ino == FILE_INO ? S_IFREG | 0644 : S_IFDIR | 0755;
	stat.st_nlink = ino == FILE_INO ? 1 : 2;
	stat.st_size = ino == FILE_INO ? (off_t)content_size : 0;
	return stat;
}

static void null_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = {.ino = FILE_INO, .attr = stat_of(FILE_INO)};

	if (parent != FUSE_ROOT_ID || strcmp(name, "file") != 0)
		fuse_reply_err(request, ENOENT);
	else
		fuse_reply_entry(request, &entry);
}

static void null_getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct stat stat = stat_of(ino);

	(void)file;
	fuse_reply_attr(request, &stat, 0);
}

static void null_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *stat, int valid, struct fuse_file_info *file)
{
	(void)stat;
	(void)valid;
	null_getattr(request, ino, file);
}

static void null_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	filesystem_set_open_flags(file);
	fuse_reply_open(request, file);
}

static void null_done(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	(void)file;
	fuse_reply_err(request, 0);
}

static void null_fsync(fuse_req_t request, fuse_ino_t ino, int datasync, struct fuse_file_info *file)
{
	(void)datasync;
	null_done(request, ino, file);
}

static size_t cut(size_t size, off_t offset)
{
	size_t from = (size_t)offset < content_size ? (size_t)offset : content_size;

	return size < content_size - from ? size : content_size - from;
}

static void null_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file)
{
	(void)ino;
	(void)file;
	fuse_reply_buf(request, content + offset, cut(size, offset));
}

static void null_write(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t size, off_t offset, struct fuse_file_info *file)
{
	(void)ino;
	(void)file;
	memcpy(content + offset, bytes, cut(size, offset));
	fuse_reply_write(request, size);
}

static const struct fuse_lowlevel_ops operations = {
        .init = ops_init,
        .lookup = null_lookup,
        .getattr = null_getattr,
        .setattr = null_setattr,
        .open = null_open,
        .release = null_done,
        .flush = null_done,
        .fsync = null_fsync,
        .read = null_read,
        .write = null_write,
};

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 4) {
		fprintf(stderr, "usage: nullfs DIRECTORY [MiB [ring|classic]]\n");
		return 2;
	}
	content_size = (size_t)(argc >= 3 ? strtoul(argv[2], NULL, 10) : 1024) << 20;
	content = mmap(NULL, content_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (content == MAP_FAILED) {
		fprintf(stderr, "nullfs: %zu bytes: %s\n", content_size, strerror(errno));
		return 1;
	}
	return null_serve(argv[0], argv[1], argc == 4 ? argv[3] : NULL, &operations);
}
