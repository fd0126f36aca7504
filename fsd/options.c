#include "fsd/options.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "far/cleanup.h"

// Options in the ways mount(8), fstab(5) and people give them, parsed by libfuse's option parser. What fstab keeps for others (noauto, _netdev, x-*) is let pass.

enum { KEY_IGNORED = 1, KEY_VERBOSE };

#define OPTION(text, field, value)                           \
	{                                                    \
		text, offsetof(struct options, field), value \
	}

static const struct fuse_opt table[] = {
        OPTION("attr_timeout=%lf", attr_timeout, 0),
        OPTION("entry_timeout=%lf", entry_timeout, 0),
        OPTION("timeout=%u", timeout, 0),
        OPTION("threads=%u", threads, 0),
        OPTION("max_background=%u", max_background, 0),
        OPTION("log_level=%s", log_level_text, 0),
        OPTION("nonempty", is_nonempty_allowed, 1),
        OPTION("noallow_other", is_owner_only, 1),
        OPTION("-f", is_foreground, 1),
        OPTION("--fake", is_fake, 1),
        OPTION("-h", is_help, 1),
        OPTION("--help", is_help, 1),
        OPTION("-V", is_version, 1),
        OPTION("--version", is_version, 1),
        FUSE_OPT_KEY("-s", KEY_IGNORED),
        FUSE_OPT_KEY("-n", KEY_IGNORED),
        FUSE_OPT_KEY("-v", KEY_IGNORED),
        FUSE_OPT_KEY("_netdev", KEY_IGNORED),
        FUSE_OPT_KEY("auto", KEY_IGNORED),
        FUSE_OPT_KEY("noauto", KEY_IGNORED),
        FUSE_OPT_KEY("nofail", KEY_IGNORED),
        FUSE_OPT_KEY("defaults", KEY_IGNORED),
        FUSE_OPT_KEY("user", KEY_IGNORED),
        FUSE_OPT_KEY("users", KEY_IGNORED),
        FUSE_OPT_KEY("nouser", KEY_IGNORED),
        FUSE_OPT_KEY("owner", KEY_IGNORED),
        FUSE_OPT_KEY("relatime", KEY_IGNORED),
        FUSE_OPT_END,
};

// What libfuse and the kernel understand; anything else is refused by name.
static const char *const passed[] = {"rw", "ro", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "async", "sync", "atime", "noatime",
        "dirsync", "nodiratime", "diratime", "allow_other", "allow_root", "debug", "-d", "default_permissions", NULL};
static const char *const passed_with_value[] = {
        "fsname=", "subtype=", "max_read=", "context=", "fscontext=", "defcontext=", "rootcontext=", NULL};

static bool is_passed(const char *text)
{
	for (unsigned i = 0; passed[i]; i++)
		if (strcmp(text, passed[i]) == 0)
			return true;
	for (unsigned i = 0; passed_with_value[i]; i++)
		if (strncmp(text, passed_with_value[i], strlen(passed_with_value[i])) == 0)
			return true;
	return false;
}

// 1 = leave it for libfuse, 0 = taken, -1 = error (said).
static int take(void *context, const char *text, int key, struct fuse_args *arguments)
{
	struct options *options = context;

	(void)arguments;
	if (key == KEY_IGNORED)
		return 0;
	if (key == FUSE_OPT_KEY_NONOPT) {
		char **place = options->address ? &options->directory : &options->address;

		if (*place) {
			fprintf(stderr, "far-fsd: unexpected argument '%s': usage: far-fsd ADDRESS DIRECTORY [-o OPTIONS]\n", text);
			return -1;
		}
		*place = strdup(text);
		return *place ? 0 : -1;
	}
	if (strncmp(text, "x-", 2) == 0 || strncmp(text, "comment=", 8) == 0)
		return 0;
	if (is_passed(text))
		return 1;
	fprintf(stderr, "far-fsd: unknown option '%s': see far-fsd --help\n", text);
	return -1;
}

static int check(struct options *options)
{
	if (options->log_level_text && log_parse_level(options->log_level_text, &options->log_level)) {
		fprintf(stderr, "far-fsd: log_level=%s: must be error, warning, info or debug\n", options->log_level_text);
		return EXIT_USAGE;
	}
	if (options->attr_timeout < 0 || options->entry_timeout < 0 || options->timeout == 0 || options->timeout > 3600) {
		fprintf(stderr, "far-fsd: attr_timeout and entry_timeout must be 0 or more seconds, timeout 1..3600\n");
		return EXIT_USAGE;
	}
	if (options->threads > 64 || options->max_background == 0 || options->max_background > 65535) {
		fprintf(stderr, "far-fsd: threads must be 0..64 (0 = one per CPU), max_background 1..65535\n");
		return EXIT_USAGE;
	}
	if (!options->address || !options->directory) {
		fprintf(stderr, "far-fsd: %s is missing: usage: far-fsd ADDRESS DIRECTORY [-o OPTIONS]\n",
		        options->address ? "the directory to mount on" : "the server's address");
		return EXIT_USAGE;
	}
	return 0;
}

// The daemon leaves its working directory: the mount point must not depend on it.
static int make_absolute(struct options *options)
{
	char *absolute = realpath(options->directory, NULL);
	struct stat stat_;

	if (!absolute || stat(absolute, &stat_) < 0) {
		fprintf(stderr, "far-fsd: mount point %s: %s: make the directory first\n", options->directory, strerror(errno));
		free(absolute);
		return EXIT_MOUNT;
	}
	free(options->directory);
	options->directory = absolute;
	if (!S_ISDIR(stat_.st_mode)) {
		fprintf(stderr, "far-fsd: mount point %s: not a directory: give a directory\n", options->directory);
		return EXIT_MOUNT;
	}
	return 0;
}

// What libfuse gets besides what the user asked it for. allow_other is root's default: other users find the mount usable, as they would a local file system.
static int add_defaults(struct options *options)
{
	CLEANUP(free) char *name = NULL;

	if (asprintf(&name, "-ofsname=%s,subtype=farfs,default_permissions", options->address) < 0) {
		name = NULL;
		return EXIT_SYSTEM;
	}
	if (fuse_opt_add_arg(&options->fuse, name) < 0)
		return EXIT_SYSTEM;
	if (geteuid() == 0 && !options->is_owner_only && fuse_opt_add_arg(&options->fuse, "-oallow_other") < 0)
		return EXIT_SYSTEM;
	return 0;
}

int options_parse(int argc, char **argv, struct options *options)
{
	struct fuse_args arguments = FUSE_ARGS_INIT(argc, argv);
	int status;

	*options = (struct options){.timeout = 10, .max_background = 512, .log_level = LOG_LEVEL_WARNING, .fuse = arguments};
	if (fuse_opt_parse(&options->fuse, options, table, take) < 0)
		return EXIT_USAGE;
	if (options->is_help || options->is_version)
		return 0;
	status = check(options);
	if (!status)
		status = make_absolute(options);
	return status ? status : add_defaults(options);
}

void options_fini(struct options *options)
{
	free(options->address);
	free(options->directory);
	free(options->log_level_text);
	fuse_opt_free_args(&options->fuse);
}
