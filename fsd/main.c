#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsd/access_times.h"
#include "fsd/channel.h"
#include "fsd/filesystem.h"
#include "fsd/let_go.h"
#include "fsd/lock_holders.h"
#include "fsd/lock_waits.h"
#include "fsd/options.h"
#include "fsd/together.h"

// far-fsd ADDRESS DIRECTORY: mounts a server's objects. Also installed as mount.farfs, for mount(8) and fstab(5). Goes into the background once the mount is there; until then errors
// are one line on stderr and the exit status.

static const char help[] = "Usage: far-fsd ADDRESS DIRECTORY [-f] [-o OPTION[,OPTION...]]\n"
                           "       mount -t farfs ADDRESS DIRECTORY [-o OPTION[,OPTION...]]\n"
                           "Mount the objects of a FarFS server.\n"
                           "\n"
                           "ADDRESS is shm:///path.sock, rdma://host:port, tcp://host:port, or host[:port], which\n"
                           "chooses. For rdma, ?connect=cm|socket&device=NAME&port=N&gid=N&depth=N may follow.\n"
                           "\n"
                           "  -f                  stay in the foreground; as mount.farfs: only check (mount -f)\n"
                           "  -d                  show every request (implies -f)\n"
                           "  -h, --help          show this help\n"
                           "  -V, --version       show the version\n"
                           "  -o cache=shared|alone  shared (default): what other mounts change is seen at once;\n"
                           "                      alone: nobody else changes anything, so the kernel does not ask\n"
                           "  -o attr_timeout=S   let the kernel trust attributes for S seconds (default 0, alone: a day)\n"
                           "  -o entry_timeout=S  the same for names\n"
                           "  -o timeout=S        wait for the server at most S seconds (default 10)\n"
                           "  -o threads=N        serve with N threads (default 0: one per CPU, at least 2)\n"
                           "  -o ring=auto|on|off FUSE over io_uring (Linux 6.14, fuse.enable_uring=Y): where the kernel\n"
                           "                      offers it (auto, the default), or else not at all (on), or never\n"
                           "  -o max_background=N asynchronous requests under way at most (default 512)\n"
                           "  -o slow=MS          log operations that take so many milliseconds (default 1000, 0: none)\n"
                           "  -o local_lock=WHICH none, flock, posix or all: locks that the kernel keeps for this\n"
                           "                      mount alone (default none: all mounts see each other's)\n"
                           "  -o nolock           local_lock=all\n"
                           "  -o log_level=LEVEL  error, warning, info or debug (default info with -f, else\n"
                           "                      warning)\n"
                           "  -o connect=cm|socket,device=NAME,port=N,gid-index=N  the same for an rdma address as\n"
                           "                      its options; also --device=NAME and so on\n"
                           "  -o acl              POSIX access control lists, as setfacl(1) sets them, count\n"
                           "  -o nofacts          do not list the attributes user.far.* that files have of\n"
                           "                      themselves (getfattr -n still shows them)\n"
                           "  -o nonempty         mount over a directory that has entries\n"
                           "  -o noallow_other    for this user only (root's mounts are for all by default)\n"
                           "  -o noatime          reading moves no access time (default: as relatime has it)\n"
                           "  -o nodiratime       the same for directories alone\n"
                           "  -o strictatime      each read that reaches far-fsd moves it\n"
                           "  -o ro,noexec,sync...  as for any mount; nosuid and nodev are the default,\n"
                           "                      suid and dev undo them\n"
                           "\n"
                           "umount DIRECTORY ends it. Exit status: 0, 1 wrong usage, 2 system error,\n"
                           "32 could not mount.\n";

struct daemon {
	struct options *options;
	struct filesystem filesystem;
	int report; // the pipe to the process that waits for the mount; -1: none does
};

static void *thread_begin(void *context, size_t length, void **buffer)
{
	const struct daemon *daemon = context;
	struct far_lane *lane;

	if (far_lane_get(daemon->filesystem.session, &lane)) {
		log_error("a thread has no lane: %s", far_last_error());
		return NULL;
	}
	*buffer = far_lane_buffer(lane, length);
	return lane;
}

static void *thread_memory(void *context, void *thread, size_t length)
{
	(void)context;
	return far_lane_memory(thread, length);
}

static void thread_end(void *context, void *thread)
{
	(void)context;
	far_lane_put(thread);
}

// The mount point must be there, empty, and of use.
static int check_directory(const struct options *options)
{
	DIR *directory = opendir(options->directory);
	struct dirent *entry;
	int entries = 0;

	if (!directory) {
		fprintf(stderr, "far-fsd: mount point %s: %s\n", options->directory, strerror(errno));
		return EXIT_MOUNT;
	}
	while ((entry = readdir(directory)) != NULL)
		entries += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(directory);
	if (entries == 0 || options->is_nonempty_allowed)
		return 0;
	fprintf(stderr, "far-fsd: mount point %s: not empty: use an empty directory, or -o nonempty\n", options->directory);
	return EXIT_MOUNT;
}

static int check_device(void)
{
	struct stat stat_;
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == ENOENT && stat("/dev/fuse", &stat_) < 0)
		fprintf(stderr, "far-fsd: /dev/fuse: no such device: load the module (modprobe fuse), or give the container the device\n");
	else
		fprintf(stderr, "far-fsd: /dev/fuse: %s: mount as root, or allow this user to open it\n", strerror(errno));
	return EXIT_MOUNT;
}

static int check_way(const struct options *options)
{
	if (options->way != CHANNEL_RING || channel_is_ring_offered())
		return 0;
	fprintf(stderr, "far-fsd: ring=on: this kernel has no FUSE over io_uring (Linux 6.14), or it is not allowed: "
	                "echo Y >/sys/module/fuse/parameters/enable_uring, or mount with ring=auto\n");
	return EXIT_MOUNT;
}

static int connect_server(const struct options *options, struct filesystem *filesystem)
{
	struct far_options how = {.size = sizeof(how), .timeout_ms = options->timeout * 1000, .name = "far-fsd"};
	struct far_statistics statistics;
	int error = far_connect(options->address, &how, &filesystem->session);

	if (error) {
		fprintf(stderr, "far-fsd: cannot reach the server: %s\n", far_last_error());
		return EXIT_MOUNT;
	}
	far_statistics(filesystem->session, &statistics);
	log_info("connected address=%s because=\"%s\"", statistics.address, statistics.chosen_because);
	return 0;
}

static int prepare_locks(struct filesystem *filesystem)
{
	filesystem->lock_holders = lock_holders_new();
	filesystem->lock_waits = filesystem->lock_holders ? lock_waits_new(filesystem->session, filesystem->lock_holders) : NULL;
	if (filesystem->lock_waits)
		return 0;
	fprintf(stderr, "far-fsd: no memory, or no descriptors, for locks\n");
	return EXIT_SYSTEM;
}

static int prepare_access_times(const struct options *options, struct filesystem *filesystem)
{
	if (access_times_new(options->access_times, options->is_without_directory_times, &filesystem->access_times) == 0)
		return 0;
	fprintf(stderr, "far-fsd: no memory for access times\n");
	return EXIT_SYSTEM;
}

static unsigned thread_count(const struct options *options)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (options->threads)
		return options->threads;
	if (cpus < 2)
		return 2;
	return cpus < THREADS_MAX ? (unsigned)cpus : THREADS_MAX;
}

// The parent waits for one byte of exit status from the child that goes on in the background.
static int go_to_background(int *report)
{
	unsigned char status = EXIT_SYSTEM;
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		fprintf(stderr, "far-fsd: cannot go into the background: %s\n", strerror(errno));
		return EXIT_SYSTEM;
	}
	if (child > 0) {
		close(ends[1]);
		while (read(ends[0], &status, 1) < 0 && errno == EINTR)
			;
		_exit(status);
	}
	close(ends[0]);
	setsid();
	*report = ends[1];
	return 0;
}

static void report_status(int *report, int status)
{
	unsigned char byte = (unsigned char)status;

	if (*report < 0)
		return;
	if (write(*report, &byte, 1) == 1 && status == 0) {
		// From here on nobody reads what we print but the journal, if stderr is not the user's terminal.
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		if (isatty(STDERR_FILENO))
			dup2(null, STDERR_FILENO);
		close(null);
		if (chdir("/") < 0)
			log_warning("cannot leave the working directory: %s", strerror(errno));
	}
	close(*report);
	*report = -1;
}

static void begun(void *context, const char *way)
{
	struct daemon *daemon = context;

	report_status(&daemon->report, 0);
	log_info("mounted directory=%s threads=%u channel=%s", daemon->options->directory, thread_count(daemon->options), way);
}

static bool newer(void *context, struct fuse_in_header *request)
{
	const struct daemon *daemon = context;

	return ops_newer(&daemon->filesystem, request);
}

static void finish(void *context)
{
	(void)context;
	together_finish();
}

static int mount_and_serve(struct daemon *daemon)
{
	const struct options *options = daemon->options;
	struct channel_hooks hooks = {
	        .context = daemon,
	        .way = options->way,
	        .thread_begin = thread_begin,
	        .thread_memory = thread_memory,
	        .thread_end = thread_end,
	        .begun = begun,
	        .newer = newer,
	        .finish = finish,
	        .slow_ms = options->slow_ms,
	        .init_flags = FILESYSTEM_INIT_FLAGS,
	};
	struct fuse_session *session =
	        fuse_session_new(&daemon->options->fuse, &filesystem_operations, sizeof(filesystem_operations), &daemon->filesystem);
	struct let_go *let_go;
	int error;

	if (!session)
		return EXIT_USAGE;
	if (fuse_session_mount(session, options->directory) < 0) {
		fprintf(stderr, "far-fsd: cannot mount on %s: %s\n", options->directory, strerror(errno));
		fuse_session_destroy(session);
		return EXIT_MOUNT;
	}
	let_go = let_go_begin(daemon->filesystem.session, session);
	error = channel_serve(session, thread_count(options), &hooks);
	let_go_end(let_go);
	if (!error) {
		error = lock_waits_end(daemon->filesystem.lock_waits);
		daemon->filesystem.lock_waits = NULL;
	}
	fuse_session_unmount(session);
	log_info("unmounted directory=%s", options->directory);
	if (error == -EOPNOTSUPP)
		fprintf(stderr, "far-fsd: ring=on: the kernel does not agree to FUSE over io_uring\n");
	if (error == -EBUSY)
		_exit(0); // a thread waits for the server still: what it uses ends with the process
	fuse_session_destroy(session);
	return error ? EXIT_SYSTEM : 0;
}

static int run(struct options *options)
{
	struct daemon daemon = {
	        .options = options,
	        .filesystem =
	                {
	                        .attr_timeout = options->attr_timeout,
	                        .entry_timeout = options->entry_timeout,
	                        .is_alone = options->is_alone,
	                        .max_background = options->max_background,
	                        .has_acls = options->has_acls,
	                        .is_hiding_facts = options->is_hiding_facts,
	                        .are_records_local = options->are_records_local,
	                        .are_flocks_local = options->are_flocks_local,
	                        .serves_handles = true,
	                },
	        .report = -1,
	};
	int status = check_directory(options);

	if (!status)
		status = check_device();
	if (!status)
		status = check_way(options);
	if (status || options->is_fake)
		return status;
	if (!options->is_foreground)
		status = go_to_background(&daemon.report);
	if (!status)
		status = connect_server(options, &daemon.filesystem);
	if (!status)
		status = prepare_locks(&daemon.filesystem);
	if (!status)
		status = prepare_access_times(options, &daemon.filesystem);
	if (!status)
		status = mount_and_serve(&daemon);
	lock_waits_end(daemon.filesystem.lock_waits); // of a mount that did not come about
	lock_holders_free(daemon.filesystem.lock_holders);
	access_times_free(daemon.filesystem.access_times);
	report_status(&daemon.report, status);
	far_close(daemon.filesystem.session);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	int status;

	channel_block_signals();
	status = options_parse(argc, argv, &options);
	if (!status && options.is_help) {
		fputs(help, stdout);
	} else if (!status && options.is_version) {
		printf("far-fsd %s\n", far_version());
	} else if (!status) {
		log_set_level(options.log_level);
		status = run(&options);
	}
	options_fini(&options);
	return status;
}
