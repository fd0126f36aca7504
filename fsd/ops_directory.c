#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/stat.h>

#include "fsd/channel.h"
#include "fsd/filesystem.h"

// Directories. An offset is where to go on: 0 = `.`, 1 = `..`, 2 = the first entry, cookie + 2 = behind that entry. Cookies are stable, so a directory that
// changes while it is read shows what stays in it exactly once.

#define DOTS 2
#define PLAIN_ENTRY_SHARE 5 // a plain FUSE entry takes about a fifth of the wire's

struct filling {
	fuse_req_t request;
	char *buffer;
	size_t size;
	size_t used;
	uint64_t ino;
	uint64_t parent; // known once the server has answered
	off_t offset;    // where this request begins
	bool is_plus;
	bool has_dots; // dealt with
};

// Adds an entry if it fits. FUSE takes no lookup for ino 0 (the dots).
static int fill(struct filling *filling, const char *name, const struct stat *stat, uint64_t ino, uint32_t generation, off_t next)
{
	char *to = filling->buffer + filling->used;
	size_t room = filling->size - filling->used;
	size_t needed;

	if (filling->is_plus) {
		const struct filesystem *filesystem = filesystem_of(filling->request);
		struct fuse_entry_param entry = {
		        .ino = ino,
		        .generation = generation,
		        .attr = *stat,
		        .attr_timeout = filesystem->attr_timeout,
		        .entry_timeout = filesystem->entry_timeout,
		};

		needed = fuse_add_direntry_plus(filling->request, to, room, name, &entry, next);
	} else {
		needed = fuse_add_direntry(filling->request, to, room, name, stat, next);
	}
	if (needed > room)
		return 1;
	filling->used += needed;
	return 0;
}

// 1 if they do not fit.
static int fill_dots(struct filling *filling)
{
	struct stat stat = {.st_mode = S_IFDIR, .st_ino = filling->ino};

	filling->has_dots = true;
	if (filling->offset == 0 && fill(filling, ".", &stat, 0, 0, 1))
		return 1;
	stat.st_ino = filling->parent;
	return filling->offset <= 1 && fill(filling, "..", &stat, 0, 0, DOTS);
}

static int visit(void *context, const struct far_entry *entry, const char *name)
{
	struct filling *filling = context;
	struct stat stat;

	if (!filling->has_dots && fill_dots(filling))
		return 1;
	filesystem_see(filesystem_of(filling->request), &entry->attr);
	filesystem_stat(&entry->attr, &stat);
	return fill(filling, name, &stat, entry->attr.id, entry->attr.generation, (off_t)(entry->cookie + DOTS));
}

// A reply that the kernel did not take leaves no lookups behind.
static void give_back(const struct filling *filling)
{
	for (size_t at = 0; at < filling->used;) {
		const struct fuse_direntplus *entry = (const struct fuse_direntplus *)(filling->buffer + at);

		if (entry->entry_out.nodeid)
			far_forget(filesystem_lane(), entry->entry_out.nodeid, 1);
		at += FUSE_DIRENTPLUS_SIZE(entry);
	}
}

// libfuse tells the open file's flags for files alone.
static int directory_flags(void)
{
	const struct fuse_read_in *in = (const struct fuse_read_in *)(channel_request() + 1);

	return (int)in->flags | O_DIRECTORY;
}

static void read_directory(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, bool is_plus)
{
	struct filling filling = {
	        .request = request,
	        .buffer = channel_place(),
	        .size = size < CHANNEL_BUFFER - CHANNEL_PAGE ? size : CHANNEL_BUFFER - CHANNEL_PAGE,
	        .ino = ino,
	        .parent = ino,
	        .offset = offset,
	        .is_plus = is_plus,
	};
	uint64_t cookie = offset > DOTS ? (uint64_t)offset - DOTS : 0;
	size_t bytes = filling.size * (is_plus ? 1 : PLAIN_ENTRY_SHARE);
	bool is_end = false;
	int error = far_readdir(filesystem_lane(), ino, cookie, bytes, is_plus, visit, &filling, &is_end, &filling.parent);
	const struct filesystem *filesystem = filesystem_of(request);

	if (error) {
		filesystem_reply(request, error);
		return;
	}
	if (!filling.has_dots)
		fill_dots(&filling);
	if (fuse_reply_buf(request, filling.buffer, filling.used) < 0 && is_plus)
		give_back(&filling);
	filesystem_touch(filesystem, ino, directory_flags());
}

// The kernel keeps locks of directories itself: nothing is to be done for them.
void ops_opendir(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	if (filesystem_of(request)->is_alone)
		filesystem_reply(request, -ENOSYS); // as with files (ops_open); its listings are cached
	else
		fuse_reply_open(request, file);
}

void ops_releasedir(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	(void)file;
	filesystem_reply(request, 0);
}

void ops_readdir(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file)
{
	(void)file;
	read_directory(request, ino, size, offset, false);
}

void ops_readdirplus(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file)
{
	(void)file;
	read_directory(request, ino, size, offset, true);
}
