// nulltree DIRECTORY: the yardstick for names. A FUSE file system of names and attributes in its own memory, on far-fsd's channel: no server, no fabric, and files without bytes (they read as zeros).
//
// Only what its load does: entries are made, looked up, listed, changed and removed. Nodes are never freed, so an inode number is its node's address.
#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fsd/channel.h"
#include "fsd/filesystem.h"
#include "null_serve.h"

#define DOTS 2 // offsets 1 and 2 are behind `.` and `..`

struct node {
	struct node *parent;
	struct node *first, *last;    // a directory's entries, oldest first
	struct node *next, *previous; // among its parent's
	off_t cookie;                 // its place there
	struct stat stat;
	char name[256];
};

static struct node root;
static void *names; // tsearch's, by parent and name
static off_t last_cookie = DOTS;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int compare(const void *a, const void *b)
{
	const struct node *one = a, *other = b;

	if (one->parent != other->parent)
		return one->parent < other->parent ? -1 : 1;
	return strcmp(one->name, other->name);
}

static struct node *node_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &root : (struct node *)(uintptr_t)ino;
}

static void touch(struct node *node)
{
	clock_gettime(CLOCK_REALTIME, &node->stat.st_mtim);
	node->stat.st_ctim = node->stat.st_mtim;
}

// --- names; under the mutex ---

static struct node *find(fuse_ino_t parent, const char *name)
{
	struct node wanted = {.parent = node_of(parent)};
	struct node **found;

	snprintf(wanted.name, sizeof(wanted.name), "%s", name);
	found = tfind(&wanted, &names, compare);
	return found ? *found : NULL;
}

static void add(struct node *node, struct node *parent, const char *name)
{
	node->parent = parent;
	node->cookie = ++last_cookie;
	snprintf(node->name, sizeof(node->name), "%s", name);
	node->next = NULL;
	node->previous = parent->last;
	*(parent->last ? &parent->last->next : &parent->first) = node;
	parent->last = node;
	tsearch(node, &names, compare);
	touch(parent);
}

static void take_out(struct node *node)
{
	struct node *parent = node->parent;

	*(node->previous ? &node->previous->next : &parent->first) = node->next;
	*(node->next ? &node->next->previous : &parent->last) = node->previous;
	tdelete(node, &names, compare);
	touch(parent);
}

static struct node *make(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->stat = (struct stat){.st_ino = (uintptr_t)node,
	        .st_mode = mode,
	        .st_nlink = S_ISDIR(mode) ? 2 : 1,
	        .st_uid = fuse_req_ctx(request)->uid,
	        .st_gid = fuse_req_ctx(request)->gid};
	touch(node);
	pthread_mutex_lock(&mutex);
	add(node, node_of(parent), name);
	pthread_mutex_unlock(&mutex);
	return node;
}

// --- operations ---

static void reply_entry(fuse_req_t request, const struct node *node)
{
	struct fuse_entry_param entry = {0};

	if (!node) {
		fuse_reply_err(request, ENOENT);
		return;
	}
	entry.ino = node->stat.st_ino;
	entry.attr = node->stat;
	fuse_reply_entry(request, &entry);
}

static void tree_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	const struct node *node;

	pthread_mutex_lock(&mutex);
	node = find(parent, name);
	pthread_mutex_unlock(&mutex);
	reply_entry(request, node);
}

static void tree_getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)file;
	fuse_reply_attr(request, &node_of(ino)->stat, 0);
}

static void tree_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *stat, int valid, struct fuse_file_info *file)
{
	struct stat *own = &node_of(ino)->stat;

	if (valid & FUSE_SET_ATTR_MODE)
		own->st_mode = stat->st_mode;
	if (valid & FUSE_SET_ATTR_SIZE)
		own->st_size = stat->st_size;
	if (valid & FUSE_SET_ATTR_MTIME)
		own->st_mtim = stat->st_mtim;
	tree_getattr(request, ino, file);
}

static void tree_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	(void)device;
	reply_entry(request, make(request, parent, name, mode));
}

static void tree_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
	reply_entry(request, make(request, parent, name, S_IFDIR | mode));
}

static void tree_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *file)
{
	const struct node *node = make(request, parent, name, S_IFREG | mode);
	struct fuse_entry_param entry = {0};

	if (!node) {
		fuse_reply_err(request, ENOMEM);
		return;
	}
	entry.ino = node->stat.st_ino;
	entry.attr = node->stat;
	filesystem_set_open_flags(file);
	fuse_reply_create(request, &entry, file);
}

static void tree_remove(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct node *node;

	pthread_mutex_lock(&mutex);
	node = find(parent, name);
	if (node)
		take_out(node);
	pthread_mutex_unlock(&mutex);
	fuse_reply_err(request, node ? 0 : ENOENT);
}

static void tree_rename(
        fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	struct node *node, *victim;

	pthread_mutex_lock(&mutex);
	node = find(parent, name);
	victim = find(new_parent, new_name);
	if (node && victim && !flags)
		take_out(victim);
	if (node && !flags) {
		take_out(node);
		add(node, node_of(new_parent), new_name);
	}
	pthread_mutex_unlock(&mutex);
	fuse_reply_err(request, flags ? EINVAL : node ? 0 : ENOENT);
}

static void tree_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	filesystem_set_open_flags(file);
	fuse_reply_open(request, file);
}

static void tree_done(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	(void)file;
	fuse_reply_err(request, 0);
}

static void tree_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file)
{
	static const char zeros[1 << 20];
	off_t left = node_of(ino)->stat.st_size - offset;

	(void)file;
	fuse_reply_buf(request, zeros, left <= 0 ? 0 : (size_t)left < size ? (size_t)left : size);
}

static void tree_write(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t size, off_t offset, struct fuse_file_info *file)
{
	struct stat *stat = &node_of(ino)->stat;
	off_t end = offset + (off_t)size;

	(void)bytes;
	(void)file;
	if (end > stat->st_size)
		stat->st_size = end;
	fuse_reply_write(request, size);
}

// One entry; 0 = it did not fit.
static size_t fill(fuse_req_t request, char *to, size_t room, const char *name, const struct stat *stat, off_t next, bool is_plus)
{
	struct fuse_entry_param entry = {.ino = stat->st_ino, .attr = *stat};
	size_t size = is_plus ? fuse_add_direntry_plus(request, to, room, name, &entry, next)
	                      : fuse_add_direntry(request, to, room, name, stat, next);

	return size <= room ? size : 0;
}

static void list(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, bool is_plus)
{
	const struct stat dots = {.st_mode = S_IFDIR};
	char *buffer = channel_place();
	size_t used = 0, added = 1;

	if (offset < 1)
		used += fill(request, buffer, size, ".", &dots, 1, is_plus);
	if (offset < DOTS)
		used += fill(request, buffer + used, size - used, "..", &dots, DOTS, is_plus);
	pthread_mutex_lock(&mutex);
	for (const struct node *node = node_of(ino)->first; node && added; node = node->next) {
		if (node->cookie <= offset)
			continue;
		added = fill(request, buffer + used, size - used, node->name, &node->stat, node->cookie, is_plus);
		used += added;
	}
	pthread_mutex_unlock(&mutex);
	fuse_reply_buf(request, buffer, used);
}

static void tree_readdir(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file)
{
	(void)file;
	list(request, ino, size, offset, false);
}

static void tree_readdirplus(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file)
{
	(void)file;
	list(request, ino, size, offset, true);
}

static const struct fuse_lowlevel_ops operations = {
        .init = ops_init,
        .lookup = tree_lookup,
        .getattr = tree_getattr,
        .setattr = tree_setattr,
        .mknod = tree_mknod,
        .mkdir = tree_mkdir,
        .unlink = tree_remove,
        .rmdir = tree_remove,
        .rename = tree_rename,
        .create = tree_create,
        .open = tree_open,
        .release = tree_done,
        .flush = tree_done,
        .read = tree_read,
        .write = tree_write,
        .readdir = tree_readdir,
        .readdirplus = tree_readdirplus,
};

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: nulltree DIRECTORY [ring|classic]\n");
		return 2;
	}
	root.stat =
	        (struct stat){.st_ino = FUSE_ROOT_ID, .st_mode = S_IFDIR | 0755, .st_nlink = 2, .st_uid = geteuid(), .st_gid = getegid()};
	touch(&root);
	return null_serve(argv[0], argv[1], argc == 3 ? argv[2] : NULL, &operations);
}
