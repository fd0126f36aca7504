#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/doctor.h"
#include "client/cli/doctor_text.h"
#include "client/cli/doctor_tree.h"
#include "far/cleanup.h"

// What mounts need: the kernel's FUSE, fusermount3 for users that are not root, and the kernel's settings for it.

#define REQUEST_PAGES 256 // far-fsd's largest request is 1 MiB (max_write, fsd/ops_init.c)
#define KERNEL_RING 6014  // FUSE over io_uring: Linux 6.14

static bool is_root(const struct doctor *doctor)
{
	char ids[DOCTOR_TEXT]; // real, effective, saved, file system
	unsigned effective;

	return doctor_read_field(doctor, "proc/self/status", "Uid", ids) == 0 && sscanf(ids, "%*u %u", &effective) == 1 && effective == 0;
}

static void check_device(struct doctor *doctor)
{
	int error = doctor_try_open(doctor, "dev/fuse");
	struct doctor_finding *finding;

	if (error == 0) {
		doctor_add(doctor, DOCTOR_OK, "/dev/fuse", "can be opened");
		return;
	}
	finding = doctor_add(doctor, DOCTOR_FAIL, "/dev/fuse", "cannot be opened: %s", strerror(-error));
	if (error == -EACCES || error == -EPERM)
		doctor_advise(finding, "chmod 0666 /dev/fuse; in a container: --device /dev/fuse --cap-add SYS_ADMIN");
	else
		doctor_advise(finding, "modprobe fuse && echo fuse >>/etc/modules-load.d/farfs.conf; in a container: --device /dev/fuse "
		                       "--cap-add SYS_ADMIN");
}

// Looks along $PATH below the doctor's root. Returns 0, or -ENOENT.
static int find_program(const struct doctor *doctor, const char *program, char found[4096], struct stat *status)
{
	const char *folders = getenv("PATH");

	if (!folders || !*folders)
		folders = "/usr/bin:/bin";
	while (*folders) {
		size_t length = strcspn(folders, ":");

		snprintf(found, 4096, "%.*s/%s", (int)(length < 3000 ? length : 3000), folders, program);
		if (found[0] == '/') {
			char path[4096];

			if (stat(doctor_path(doctor, path, "%.3500s", found + 1), status) == 0)
				return 0;
		}
		folders += length + (folders[length] == ':');
	}
	return -ENOENT;
}

static void check_helper(struct doctor *doctor)
{
	bool has_root = is_root(doctor);
	struct doctor_finding *finding;
	struct stat status;
	char path[4096];

	if (find_program(doctor, "fusermount3", path, &status)) {
		finding = doctor_add(doctor, has_root ? DOCTOR_NOTE : DOCTOR_FAIL, "fusermount3", "not found%s",
		        has_root ? ": root mounts without it, other users cannot" : ": only root can mount");
		doctor_advise(finding, "apt-get install fuse3");
	} else if (!has_root && !(status.st_mode & S_ISUID)) {
		finding = doctor_add(doctor, DOCTOR_FAIL, "fusermount3", "%.200s is not setuid root: only root can mount", path);
		doctor_advise(finding, "chown root %s && chmod u+s %s", path, path);
	} else {
		doctor_add(doctor, DOCTOR_OK, "fusermount3", "%.200s", path);
	}
}

static void check_kernel(struct doctor *doctor)
{
	char release[DOCTOR_TEXT];
	unsigned version;

	doctor_read(doctor, release, "proc/sys/kernel/osrelease");
	version = kernel_version(release);
	if (version == 0)
		doctor_add(doctor, DOCTOR_NOTE, "kernel", "of unknown version");
	else if (version < 5019)
		doctor_advise(doctor_add(doctor, DOCTOR_WARN, "kernel", "%.100s: FarFS is made for Linux 5.19 or newer", release),
		        "take a newer kernel, in Debian: apt-get install linux-image-amd64");
	else if (version < KERNEL_RING)
		doctor_add(doctor, DOCTOR_NOTE, "kernel", "%.100s: mounts go by /dev/fuse; FUSE over io_uring begins with 6.14", release);
	else
		doctor_add(doctor, DOCTOR_OK, "kernel", "%.100s", release);
}

static void check_ring(struct doctor *doctor)
{
	char enabled[DOCTOR_TEXT];

	if (doctor_read(doctor, enabled, "sys/module/fuse/parameters/enable_uring"))
		return; // an older kernel, or no FUSE: said already
	if (enabled[0] == 'Y' || enabled[0] == '1') {
		doctor_add(doctor, DOCTOR_OK, "FUSE over io_uring", "allowed (enable_uring=%.10s)", enabled);
		return;
	}
	doctor_advise(doctor_add(doctor, DOCTOR_NOTE, "FUSE over io_uring", "off (enable_uring=%.10s): mounts go by /dev/fuse", enabled),
	        "echo Y >/sys/module/fuse/parameters/enable_uring && echo 'options fuse enable_uring=Y' >/etc/modprobe.d/farfs.conf");
}

static void check_pages(struct doctor *doctor)
{
	struct doctor_finding *finding;
	int64_t pages;

	if (doctor_read_number(doctor, &pages, "proc/sys/fs/fuse/max_pages_limit")) {
		// Linux 6.13 made it a setting.
		doctor_add(doctor, DOCTOR_OK, "largest request", "256 pages, the kernel's fixed limit");
		return;
	}
	if (pages >= REQUEST_PAGES) {
		doctor_add(doctor, DOCTOR_OK, "largest request", "max_pages_limit %lld", (long long)pages);
		return;
	}
	finding = doctor_add(doctor, DOCTOR_WARN, "largest request", "max_pages_limit %lld: far-fsd's requests of 1 MiB need %d",
	        (long long)pages, REQUEST_PAGES);
	doctor_advise(finding, "sysctl -w fs.fuse.max_pages_limit=%d && echo fs.fuse.max_pages_limit=%d >>/etc/sysctl.d/farfs.conf",
	        REQUEST_PAGES, REQUEST_PAGES);
}

static bool allows_others(const struct doctor *doctor)
{
	char path[4096];
	char line[256];
	FILE *file = fopen(doctor_path(doctor, path, "etc/fuse.conf"), "re");
	bool is_allowed = false;

	while (file && !is_allowed && fgets(line, sizeof(line), file)) {
		const char *word = line + strspn(line, " \t");
		size_t length = strcspn(word, " \t\n");

		is_allowed = length == strlen("user_allow_other") && strncmp(word, "user_allow_other", length) == 0;
	}
	if (file)
		fclose(file);
	return is_allowed;
}

static void check_others(struct doctor *doctor)
{
	if (allows_others(doctor))
		doctor_add(doctor, DOCTOR_OK, "user_allow_other", "set in /etc/fuse.conf");
	else if (is_root(doctor))
		doctor_add(doctor, DOCTOR_OK, "user_allow_other", "not set in /etc/fuse.conf; root's mounts do not need it");
	else
		doctor_advise(doctor_add(doctor, DOCTOR_NOTE, "user_allow_other",
		                      "not set in /etc/fuse.conf: mounts of users are for themselves alone"),
		        "if others are to see them, as root: echo user_allow_other >>/etc/fuse.conf, and mount with -o allow_other");
}

void doctor_check_fuse(struct doctor *doctor)
{
	doctor->group = DOCTOR_FUSE;
	check_device(doctor);
	check_helper(doctor);
	check_kernel(doctor);
	check_ring(doctor);
	check_pages(doctor);
	check_others(doctor);
}
