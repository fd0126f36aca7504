#include "client/cli/put_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/command.h"
#include "client/cli/put_value.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// Walks a tree twice: for its size, if somebody watches the progress, and to store it. What cannot be read or has no place among keys (symbolic links, special
// files) is named and passed over; what the server refuses ends the walk, for it would refuse the next as well.

struct walk {
	const struct put_tree *tree;
	struct progress progress;
	size_t root_length; // of the path of the tree, to be cut off
	uint64_t skipped;
	uint64_t stored; // files
	int status;      // of the last thing that failed
};

static void cleanup_fts(FTS **fts)
{
	if (*fts)
		fts_close(*fts);
}

static FTS *open_tree(const char *directory)
{
	char *paths[] = {(char *)directory, NULL};

	return fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
}

static uint64_t measure(const char *directory)
{
	CLEANUP(fts) FTS *fts = open_tree(directory);
	uint64_t bytes = 0;
	FTSENT *entry;

	while (fts && (entry = fts_read(fts)) != NULL)
		if (entry->fts_info == FTS_F)
			bytes += (uint64_t)entry->fts_statp->st_size;
	return bytes;
}

// The key of a path within the tree, in new memory.
static char *key_of_path(const struct walk *walk, const char *path)
{
	const char *rest = path + walk->root_length;

	rest += strspn(rest, "/");
	return key_join(walk->tree->key, rest, strlen(rest));
}

static void skip(struct walk *walk, const char *path, const char *why)
{
	progress_hide(&walk->progress);
	report("%s: skipped: %s", path, why);
	walk->skipped++;
}

static int put_directory(struct walk *walk, const FTSENT *entry)
{
	CLEANUP(free) char *key = key_of_path(walk, entry->fts_path);
	int error;

	if (!key)
		return report_local("cannot store", entry->fts_path, ENOMEM);
	if (!*key) // the root is there
		return CLI_OK;
	error = far_mkdir(walk->tree->session, key, strlen(key), entry->fts_statp->st_mode & 07777);
	if (!error)
		return CLI_OK;
	progress_hide(&walk->progress);
	return report_error(error);
}

// Opened without following links: what was a file when the walk saw it may be something else by now.
static int put_file(struct walk *walk, const FTSENT *entry)
{
	CLEANUP(close) int fd = open(entry->fts_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	CLEANUP(free) char *key = key_of_path(walk, entry->fts_path);
	struct put_value put = {
	        .session = walk->tree->session,
	        .source_name = entry->fts_path,
	        .fd = fd,
	        .options = walk->tree->options,
	        .progress = &walk->progress,
	};
	uint64_t version;
	int status;

	if (fd < 0) {
		skip(walk, entry->fts_path, strerror(errno));
		return CLI_OK;
	}
	if (!key)
		return report_local("cannot store", entry->fts_path, ENOMEM);
	put.key = (struct key){.bytes = key, .length = strlen(key)};
	walk->progress.items++;
	status = put_value(&put, &version);
	walk->stored += status == CLI_OK;
	if (status != CLI_OTHER_VERSION)
		return status;
	walk->status = CLI_OTHER_VERSION; // it exists: said, and left alone
	return CLI_OK;
}

static int put_entry(struct walk *walk, const FTSENT *entry)
{
	switch (entry->fts_info) {
	case FTS_D:
		return put_directory(walk, entry);
	case FTS_F:
		return put_file(walk, entry);
	case FTS_DP:
		return CLI_OK;
	case FTS_SL:
	case FTS_SLNONE:
		skip(walk, entry->fts_path, "a symbolic link; copy to a mount to keep links");
		return CLI_OK;
	case FTS_DNR:
	case FTS_NS:
	case FTS_ERR:
		skip(walk, entry->fts_path, strerror(entry->fts_errno));
		return CLI_OK;
	default:
		skip(walk, entry->fts_path, "not a file or directory");
		return CLI_OK;
	}
}

int put_tree(const struct put_tree *tree)
{
	struct walk walk = {.tree = tree, .root_length = strlen(tree->directory)};
	CLEANUP(fts) FTS *fts = NULL;
	FTSENT *entry;
	int status = CLI_OK;

	progress_begin(&walk.progress, !tree->is_quiet, 0);
	if (walk.progress.is_on)
		walk.progress.total = measure(tree->directory);
	fts = open_tree(tree->directory);
	if (!fts)
		return report_local("cannot read", tree->directory, errno);
	while (status == CLI_OK && (entry = fts_read(fts)) != NULL)
		status = put_entry(&walk, entry);
	if (status == CLI_OK && errno)
		status = report_local("cannot read", tree->directory, errno);
	progress_hide(&walk.progress);
	if (walk.skipped)
		report("%s: %llu skipped, %llu stored", tree->directory, (unsigned long long)walk.skipped, (unsigned long long)walk.stored);
	if (status != CLI_OK)
		return status;
	return walk.skipped ? CLI_FAILURE : walk.status;
}
