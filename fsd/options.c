#include "fsd/options.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "far/cleanup.h"

// Options in the ways mount(8), fstab(5) and people give them, parsed by libfuse's option parser. As a mount helper, by the name mount.farfs, the letters mean what mount(8) says
// they do: -s tolerates unknown options, -f only pretends, -n and -v have nothing to say here.

enum { KEY_TYPE = 1, KEY_RDMA };

#define OPTION(text, field, value)                           \
	{                                                    \
		text, offsetof(struct options, field), value \
	}

static const struct fuse_opt table[] = {
        OPTION("cache=%s", cache, 0),
        OPTION("attr_timeout=%lf", attr_timeout, 0),
        OPTION("entry_timeout=%lf", entry_timeout, 0),
        OPTION("timeout=%u", timeout, 0),
        OPTION("threads=%u", threads, 0),
        OPTION("max_background=%u", max_background, 0),
        OPTION("slow=%u", slow_ms, 0),
        OPTION("ring=%s", ring, 0),
        OPTION("local_lock=%s", local_lock, 0),
        OPTION("nolock", is_without_lock, 1),
        OPTION("lock", is_without_lock, 0),
        OPTION("log_level=%s", log_level_text, 0),
        OPTION("acl", has_acls, 1),
        OPTION("noacl", has_acls, 0),
        OPTION("nofacts", is_hiding_facts, 1),
        OPTION("nonempty", is_nonempty_allowed, 1),
        OPTION("noallow_other", is_owner_only, 1),
        OPTION("--help", is_help, 1),
        OPTION("--version", is_version, 1),
        FUSE_OPT_KEY("connect=", KEY_RDMA),
        FUSE_OPT_KEY("device=", KEY_RDMA),
        FUSE_OPT_KEY("port=", KEY_RDMA),
        FUSE_OPT_KEY("gid-index=", KEY_RDMA),
        FUSE_OPT_KEY("--connect=", KEY_RDMA),
        FUSE_OPT_KEY("--device=", KEY_RDMA),
        FUSE_OPT_KEY("--port=", KEY_RDMA),
        FUSE_OPT_KEY("--gid-index=", KEY_RDMA),
        FUSE_OPT_KEY("-t ", KEY_TYPE), // mount(8) tells its helper the type
        FUSE_OPT_END,
};

// What libfuse and the kernel understand. An entry that ends in = has a value.
static const char *const passed[] = {"rw", "ro", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "async", "sync", "atime", "noatime",
        "dirsync", "allow_other", "allow_root", "default_permissions",
        "fsname=", "subtype=", "max_read=", "context=", "fscontext=", "defcontext=", "rootcontext=", NULL};

// What fstab keeps for others, and what libfuse does not know: either far-fsd does (below), or it makes no difference. norelatime makes none to kernels since 2.6.30, and lazytime is
// about what is written to a disk.
static const char *const ignored[] = {"auto", "noauto", "nofail", "_netdev", "defaults", "user", "user=", "nouser", "users", "nousers",
        "owner", "noowner", "group", "nogroup", "comment=", "diratime", "nodiratime", "relatime", "norelatime", "strictatime",
        "nostrictatime", "lazytime", "nolazytime", "silent", "loud", NULL};

// What far-fsd needs to know besides: the kernel applies these to a FUSE mount only in part. The last of each kind counts, and strictatime more than noatime, as for the kernel.
static const struct fuse_opt noted[] = {
        OPTION("ro", is_read_only, 1),
        OPTION("rw", is_read_only, 0),
        OPTION("noatime", is_without_access_times, 1),
        OPTION("atime", is_without_access_times, 0),
        OPTION("nodiratime", is_without_directory_times, 1),
        OPTION("diratime", is_without_directory_times, 0),
        OPTION("strictatime", are_access_times_strict, 1),
        OPTION("nostrictatime", are_access_times_strict, 0),
        FUSE_OPT_END,
};

static void note(struct options *options, const char *text)
{
	for (const struct fuse_opt *option = noted; option->templ; option++)
		if (strcmp(text, option->templ) == 0)
			*(int *)(void *)((char *)options + option->offset) = option->value;
}

static bool is_listed(const char *text, const char *const *list)
{
	for (; *list; list++) {
		size_t length = strlen(*list);

		if ((*list)[length - 1] == '=' ? strncmp(text, *list, length) == 0 : strcmp(text, *list) == 0)
			return true;
	}
	return false;
}

// Letters behind one dash. Returns like take.
static int take_letters(struct options *options, const char *letters, struct fuse_args *arguments)
{
	for (; *letters; letters++) {
		switch (*letters) {
		case 'd':
			if (fuse_opt_add_arg(arguments, "-d") < 0)
				return -1;
			options->is_foreground = 1;
			break;
		case 'f':
			*(options->is_helper ? &options->is_fake : &options->is_foreground) = 1;
			break;
		case 'h':
			options->is_help = 1;
			break;
		case 's':
			options->is_sloppy = 1;
			break;
		case 'V':
			options->is_version = 1;
			break;
		case 'n':
		case 'v':
			break;
		default:
			fprintf(stderr, "far-fsd: unknown option '-%c': see far-fsd --help\n", *letters);
			return -1;
		}
	}
	return 0;
}

static int take_place(struct options *options, const char *text)
{
	char **place = options->address ? &options->directory : &options->address;

	if (*place) {
		fprintf(stderr, "far-fsd: unexpected argument '%s': usage: far-fsd ADDRESS DIRECTORY [-o OPTIONS]\n", text);
		return -1;
	}
	*place = strdup(text);
	return *place ? 0 : -1;
}

// -o device=mlx5_0 or --device=mlx5_0: an option of the rdma address.
static int take_rdma(struct options *options, const char *text)
{
	char name[16];
	const char *value = strchr(text, '=') + 1;

	text += strspn(text, "-");
	snprintf(name, sizeof(name), "%.*s", (int)(value - 1 - text), text);
	if (address_options_add(options->rdma, strcmp(name, "gid-index") == 0 ? "gid" : name, value))
		return 0;
	fprintf(stderr, "far-fsd: %s=: the value is too long\n", name);
	return -1;
}

// 1 = leave it for libfuse, 0 = taken, -1 = error (said).
static int take(void *context, const char *text, int key, struct fuse_args *arguments)
{
	struct options *options = context;

	if (key == KEY_TYPE)
		return 0;
	if (key == KEY_RDMA)
		return take_rdma(options, text);
	if (key == FUSE_OPT_KEY_NONOPT)
		return take_place(options, text);
	if (text[0] == '-' && text[1] && text[1] != '-')
		return take_letters(options, text + 1, arguments);
	if (strcmp(text, "debug") == 0)
		return take_letters(options, "d", arguments);
	note(options, text);
	if (strncmp(text, "x-", 2) == 0 || strncmp(text, "X-", 2) == 0 || is_listed(text, ignored))
		return 0;
	if (is_listed(text, passed))
		return 1;
	if (!options->unknown)
		options->unknown = strdup(text);
	return options->unknown ? 0 : -1;
}

#define ALONE_TIMEOUT 86400.0

static int check_cache(struct options *options)
{
	const char *cache = options->cache ? options->cache : "shared";
	double timeout;

	options->is_alone = strcmp(cache, "alone") == 0;
	if (!options->is_alone && strcmp(cache, "shared") != 0) {
		fprintf(stderr, "far-fsd: cache=%s: must be shared or alone\n", cache);
		return EXIT_USAGE;
	}
	timeout = options->is_alone ? ALONE_TIMEOUT : 0;
	options->attr_timeout = isnan(options->attr_timeout) ? timeout : options->attr_timeout;
	options->entry_timeout = isnan(options->entry_timeout) ? timeout : options->entry_timeout;
	if (options->attr_timeout >= 0 && options->entry_timeout >= 0)
		return 0;
	fprintf(stderr, "far-fsd: attr_timeout and entry_timeout must be 0 or more seconds\n");
	return EXIT_USAGE;
}

static int check_ring(struct options *options)
{
	const char *ring = options->ring ? options->ring : "auto";

	if (strcmp(ring, "auto") == 0) {
		options->way = CHANNEL_AUTO;
	} else if (strcmp(ring, "on") == 0) {
		options->way = CHANNEL_RING;
	} else if (strcmp(ring, "off") == 0) {
		options->way = CHANNEL_CLASSIC;
	} else {
		fprintf(stderr, "far-fsd: ring=%s: must be auto, on or off\n", ring);
		return EXIT_USAGE;
	}
	return 0;
}

// As nfs(5) has it. The kernel tells of closed files, which end locks, only where it asks when they are opened.
static int check_local_lock(struct options *options)
{
	const char *local = options->local_lock ? options->local_lock : options->is_without_lock ? "all" : "none";
	bool is_all = strcmp(local, "all") == 0 || (options->is_alone && !options->local_lock);

	options->are_records_local = is_all || strcmp(local, "posix") == 0;
	options->are_flocks_local = is_all || strcmp(local, "flock") == 0;
	if (options->is_alone && !is_all) {
		fprintf(stderr, "far-fsd: local_lock=%s does not go with cache=alone, where all locks are local\n", local);
		return EXIT_USAGE;
	}
	if (options->are_records_local || options->are_flocks_local || strcmp(local, "none") == 0)
		return 0;
	fprintf(stderr, "far-fsd: local_lock=%s: must be none, flock, posix or all\n", local);
	return EXIT_USAGE;
}

static enum access_times_rule access_times_of(const struct options *options)
{
	if (options->is_read_only)
		return ACCESS_TIMES_NEVER;
	if (options->are_access_times_strict)
		return ACCESS_TIMES_STRICT;
	return options->is_without_access_times ? ACCESS_TIMES_NEVER : ACCESS_TIMES_RELATIVE;
}

static int check(struct options *options)
{
	options->access_times = access_times_of(options);
	if (options->unknown && !options->is_sloppy) {
		fprintf(stderr, "far-fsd: unknown option '%s': see far-fsd --help\n", options->unknown);
		return EXIT_USAGE;
	}
	if (options->log_level_text && log_parse_level(options->log_level_text, &options->log_level)) {
		fprintf(stderr, "far-fsd: log_level=%s: must be error, warning, info or debug\n", options->log_level_text);
		return EXIT_USAGE;
	}
	if (!options->log_level_text && options->is_foreground)
		options->log_level = LOG_LEVEL_INFO;
	if (options->timeout == 0 || options->timeout > 3600) {
		fprintf(stderr, "far-fsd: timeout must be 1..3600\n");
		return EXIT_USAGE;
	}
	if (options->threads > THREADS_MAX || options->max_background == 0 || options->max_background > 65535) {
		fprintf(stderr, "far-fsd: threads must be 0..%d (0 = one per CPU), max_background 1..65535\n", THREADS_MAX);
		return EXIT_USAGE;
	}
	if (check_cache(options) || check_local_lock(options) || check_ring(options))
		return EXIT_USAGE;
	if (!options->address || !options->directory) {
		fprintf(stderr, "far-fsd: %s is missing: usage: far-fsd ADDRESS DIRECTORY [-o OPTIONS]\n",
		        options->address ? "the directory to mount on" : "the server's address");
		return EXIT_USAGE;
	}
	return 0;
}

static int add_rdma(struct options *options)
{
	char *address = address_options_append(options->address, options->rdma);

	if (!address)
		return EXIT_SYSTEM;
	free(options->address);
	options->address = address;
	return 0;
}

// ECANCELED: its ring is being taken down just now.
static bool is_of_ended_mount(int error)
{
	return error == ENOTCONN || error == ECONNABORTED || error == ECANCELED;
}

// The daemon leaves its working directory: the mount point must not depend on it.
static int make_absolute(struct options *options)
{
	char *absolute = realpath(options->directory, NULL);
	struct stat stat_;

	if (!absolute || stat(absolute, &stat_) < 0) {
		fprintf(stderr, "far-fsd: mount point %s: %s: %s\n", options->directory, strerror(errno),
		        is_of_ended_mount(errno) ? "an ended mount is there, unmount it first (umount -l)" : "make the directory first");
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

// What libfuse gets besides what the user asked it for, before it, so that the user has the last word. allow_other is root's default: other users find the mount usable, as they
// would a local file system.
static int add_defaults(struct options *options)
{
	CLEANUP(free) char *name = NULL;
	CLEANUP(free) char *defaults = NULL;

	if (asprintf(&name, "fsname=%s", options->address) < 0) {
		name = NULL;
		return EXIT_SYSTEM;
	}
	if (fuse_opt_add_opt_escaped(&defaults, name) < 0 || fuse_opt_add_opt(&defaults, "subtype=farfs,default_permissions") < 0)
		return EXIT_SYSTEM;
	if (geteuid() == 0 && !options->is_owner_only && fuse_opt_add_opt(&defaults, "allow_other") < 0)
		return EXIT_SYSTEM;
	if (fuse_opt_insert_arg(&options->fuse, 1, defaults) < 0 || fuse_opt_insert_arg(&options->fuse, 1, "-o") < 0)
		return EXIT_SYSTEM;
	return 0;
}

int options_parse(int argc, char **argv, struct options *options)
{
	struct fuse_args arguments = FUSE_ARGS_INIT(argc, argv);
	int status;

	*options = (struct options){.attr_timeout = NAN,
	        .entry_timeout = NAN,
	        .timeout = 10,
	        .max_background = 512,
	        .slow_ms = 1000,
	        .log_level = LOG_LEVEL_WARNING,
	        .fuse = arguments};
	options->is_helper = strncmp(basename(argv[0]), "mount.", strlen("mount.")) == 0;
	if (fuse_opt_parse(&options->fuse, options, table, take) < 0)
		return EXIT_USAGE;
	if (options->is_help || options->is_version)
		return 0;
	status = check(options);
	if (!status)
		status = add_rdma(options);
	if (!status)
		status = make_absolute(options);
	return status ? status : add_defaults(options);
}

void options_fini(struct options *options)
{
	free(options->address);
	free(options->directory);
	free(options->cache);
	free(options->ring);
	free(options->local_lock);
	free(options->log_level_text);
	free(options->unknown);
	fuse_opt_free_args(&options->fuse);
}
