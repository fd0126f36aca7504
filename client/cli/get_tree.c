#include "client/cli/get_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/command.h"
#include "client/cli/get_value.h"
#include "client/cli/list.h"
#include "client/cli/output_file.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// Directories come before their contents in a recursive list, so one pass makes both. A server's names are checked before they become paths.

struct walk {
	const struct get_tree *tree;
	struct progress progress;
	uint64_t skipped;
};

static void skip(struct walk *walk, const struct far_list_entry *entry, const char *why)
{
	progress_hide(&walk->progress);
	report("%s: skipped: %s", entry->key, why);
	walk->skipped++;
}

static int get_file(struct walk *walk, const struct far_list_entry *entry, const char *path)
{
	struct output_file file;
	struct get_value get = {
	        .session = walk->tree->session,
	        .key = {.bytes = entry->key, .length = entry->key_length},
	        .length = UINT64_MAX,
	        .target_name = path,
	        .is_rewindable = true,
	        .progress = &walk->progress,
	};
	int error = output_file_open(&file, path, entry->stat.mode & 0777);
	int status;

	if (error) {
		progress_hide(&walk->progress);
		return report_local("cannot write", path, -error);
	}
	get.fd = file.fd;
	status = get_value(&get);
	if (status == CLI_NOT_FOUND) { // deleted since it was listed, and said so
		output_file_discard(&file);
		walk->skipped++;
		return CLI_OK;
	}
	if (status != CLI_OK) {
		output_file_discard(&file);
		return status;
	}
	walk->progress.items++;
	error = output_file_finish(&file);
	return error ? report_local("cannot write", path, -error) : CLI_OK;
}

static int get_directory(const struct far_list_entry *entry, const char *path)
{
	struct stat stat_;

	if (mkdir(path, (entry->stat.mode & 0777) | 0700) == 0)
		return CLI_OK;
	if (errno == EEXIST && stat(path, &stat_) == 0 && S_ISDIR(stat_.st_mode))
		return CLI_OK;
	return report_local("cannot make the directory", path, errno);
}

// A name of `..` in a key would lead out of the directory.
static bool is_safe(const char *rest, size_t length)
{
	while (length > 0) {
		const char *slash = memchr(rest, '/', length);
		size_t part = slash ? (size_t)(slash - rest) : length;

		if (part == 0 || (part == 1 && rest[0] == '.') || (part == 2 && rest[0] == '.' && rest[1] == '.'))
			return false;
		rest += part + (slash != NULL);
		length -= part + (slash != NULL);
	}
	return true;
}

static int get_entry(void *context, const struct far_list_entry *entry)
{
	struct walk *walk = context;
	size_t cut = walk->tree->key.length ? walk->tree->key.length + 1 : 0;
	const char *rest = entry->key + cut;
	CLEANUP(free) char *path = NULL;

	if (entry->key_length <= cut || strlen(entry->key) != entry->key_length || !is_safe(rest, entry->key_length - cut)) {
		skip(walk, entry, "the server sent a name that cannot be a path");
		return CLI_OK;
	}
	if (asprintf(&path, "%s/%s", walk->tree->directory, rest) < 0) {
		path = NULL;
		return report_local("cannot get", entry->key, ENOMEM);
	}
	if (S_ISDIR(entry->stat.mode))
		return get_directory(entry, path);
	if (S_ISREG(entry->stat.mode))
		return get_file(walk, entry, path);
	skip(walk, entry, S_ISLNK(entry->stat.mode) ? "a symbolic link; copy from a mount to keep links" : "not a file or directory");
	return CLI_OK;
}

static int add_size(void *context, const struct far_list_entry *entry)
{
	if (S_ISREG(entry->stat.mode))
		*(uint64_t *)context += entry->stat.size;
	return CLI_OK;
}

int get_tree(const struct get_tree *tree)
{
	struct walk walk = {.tree = tree};
	struct list_request list = {.session = tree->session, .directory = tree->key, .flags = FAR_LIST_RECURSIVE};
	int status = CLI_OK;

	if (mkdir(tree->directory, 0777) < 0 && errno != EEXIST)
		return report_local("cannot make the directory", tree->directory, errno);
	progress_begin(&walk.progress, !tree->is_quiet, 0);
	if (walk.progress.is_on)
		status = list_each(&list, add_size, &walk.progress.total);
	if (status == CLI_OK)
		status = list_each(&list, get_entry, &walk);
	progress_hide(&walk.progress);
	if (walk.skipped)
		report("%s: %llu skipped, %llu fetched", tree->key.length ? tree->key.bytes : "/", (unsigned long long)walk.skipped,
		        (unsigned long long)walk.progress.items);
	return status == CLI_OK && walk.skipped ? CLI_FAILURE : status;
}
