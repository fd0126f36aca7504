// The command line of far-fsd and mount.farfs.
#ifndef FSD_OPTIONS_H
#define FSD_OPTIONS_H

#include <stdbool.h>

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

#include "far/address_options.h"
#include "far/log.h"
#include "fsd/access_times.h"
#include "fsd/channel.h"

// Exit statuses of mount helpers, mount(8).
enum { EXIT_USAGE = 1, EXIT_SYSTEM = 2, EXIT_MOUNT = 32 };

#define THREADS_MAX 64

struct options {
	char *address;
	char *directory;                 // absolute
	char rdma[ADDRESS_OPTIONS_SIZE]; // of the address, until they are part of it
	char *cache;                     // shared or alone
	bool is_alone;                   // nobody else changes what is mounted, so the kernel trusts what it knows
	double attr_timeout;
	double entry_timeout;
	unsigned timeout; // seconds to wait for the server
	unsigned threads; // 0 = one per CPU, at least 2
	unsigned max_background;
	unsigned slow_ms; // requests that take so long are logged; 0 = none
	char *ring;       // auto, on or off
	enum channel_way way;
	char *local_lock;    // whose locks the kernel keeps for this mount alone: none, flock, posix or all
	int is_without_lock; // -o nolock: all
	bool are_records_local;
	bool are_flocks_local;
	char *log_level_text;
	enum log_level log_level;
	int is_foreground;
	int is_nonempty_allowed;
	int is_helper; // called by mount(8)
	int is_sloppy; // unknown options are no error
	int is_fake;   // only check
	int is_help;
	int is_version;
	int has_acls;        // -o acl
	int is_hiding_facts; // -o nofacts
	int is_owner_only;   // -o noallow_other
	enum access_times_rule access_times;
	int is_read_only; // the options that lead to it
	int is_without_access_times;
	int are_access_times_strict;
	int is_without_directory_times;
	char *unknown;         // the first option that nobody knows
	struct fuse_args fuse; // what goes to libfuse
};

// Parses; says what is wrong in one line. Returns 0, or the exit status.
int options_parse(int argc, char **argv, struct options *options);
void options_fini(struct options *options);

#endif
