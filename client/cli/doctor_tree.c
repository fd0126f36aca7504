#include "client/cli/doctor_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "far/cleanup.h"

// Reading small files of sysfs and procfs below a folder.

#define PATH_SIZE 4096

static void cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

static void build_path(const struct doctor *doctor, char path[PATH_SIZE], const char *format, va_list arguments)
{
	int length = snprintf(path, PATH_SIZE / 2, "%s/", doctor->root);

	if (length < 0 || length >= PATH_SIZE / 2)
		length = 0; // a root that long is refused before
	vsnprintf(path + length, (size_t)(PATH_SIZE - length), format, arguments);
}

char *doctor_path(const struct doctor *doctor, char path[PATH_SIZE], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	build_path(doctor, path, format, arguments);
	va_end(arguments);
	return path;
}

static void trim(char *text)
{
	size_t length = strlen(text);

	while (length > 0 && strchr(" \t\n", text[length - 1]))
		text[--length] = '\0';
}

static int read_text(const char *path, char text[DOCTOR_TEXT])
{
	CLEANUP(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t length;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	length = read(fd, text, DOCTOR_TEXT - 1);
	if (length < 0) {
		text[0] = '\0';
		return -errno;
	}
	text[length] = '\0';
	trim(text);
	return 0;
}

int doctor_read(const struct doctor *doctor, char text[DOCTOR_TEXT], const char *format, ...)
{
	char path[PATH_SIZE];
	va_list arguments;

	va_start(arguments, format);
	build_path(doctor, path, format, arguments);
	va_end(arguments);
	return read_text(path, text);
}

int doctor_read_number(const struct doctor *doctor, int64_t *number, const char *format, ...)
{
	char text[DOCTOR_TEXT];
	char path[PATH_SIZE];
	va_list arguments;
	char *end;
	int error;

	va_start(arguments, format);
	build_path(doctor, path, format, arguments);
	va_end(arguments);
	error = read_text(path, text);
	if (error)
		return error;
	errno = 0;
	*number = strtoll(text, &end, 10);
	return errno || end == text || *end ? -EINVAL : 0;
}

int doctor_read_field(const struct doctor *doctor, const char *path, const char *name, char text[DOCTOR_TEXT])
{
	char whole[PATH_SIZE];
	CLEANUP(fclose) FILE *file = fopen(doctor_path(doctor, whole, "%s", path), "re");
	size_t length = strlen(name);
	char line[4096];

	text[0] = '\0';
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, length) != 0 || !strchr(": \t", line[length]))
			continue;
		snprintf(text, DOCTOR_TEXT, "%s", line + length + strspn(line + length, ": \t"));
		trim(text);
		return 0;
	}
	return -ENOENT;
}

bool doctor_exists(const struct doctor *doctor, const char *format, ...)
{
	char path[PATH_SIZE];
	va_list arguments;

	va_start(arguments, format);
	build_path(doctor, path, format, arguments);
	va_end(arguments);
	return access(path, F_OK) == 0;
}

int doctor_try_open(const struct doctor *doctor, const char *format, ...)
{
	char path[PATH_SIZE];
	va_list arguments;
	int fd;

	va_start(arguments, format);
	build_path(doctor, path, format, arguments);
	va_end(arguments);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int is_no_dot(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

void doctor_list(const struct doctor *doctor, struct doctor_names *names, const char *format, ...)
{
	char path[PATH_SIZE];
	va_list arguments;

	va_start(arguments, format);
	build_path(doctor, path, format, arguments);
	va_end(arguments);
	names->entries = NULL;
	names->count = scandir(path, &names->entries, is_no_dot, versionsort);
	if (names->count < 0) {
		names->entries = NULL;
		names->count = 0;
	}
}

void cleanup_doctor_names(struct doctor_names *names)
{
	for (int i = 0; i < names->count; i++)
		free(names->entries[i]);
	free(names->entries);
	*names = (struct doctor_names){0};
}

bool doctor_has_module(const struct doctor *doctor, const char *name)
{
	char release[DOCTOR_TEXT];
	char path[PATH_SIZE];
	char wanted[64];
	char line[512];

	if (doctor_exists(doctor, "sys/module/%s", name))
		return true;
	if (doctor_read(doctor, release, "proc/sys/kernel/osrelease"))
		return false;
	// Built in: modules without parameters have no folder in /sys/module then. File names have dashes or underscores.
	CLEANUP(fclose) FILE *file = fopen(doctor_path(doctor, path, "lib/modules/%s/modules.builtin", release), "re");
	snprintf(wanted, sizeof(wanted), "/%s.ko\n", name);
	while (file && fgets(line, sizeof(line), file)) {
		char *base = strrchr(line, '/');

		for (char *at = base; at && *at; at++)
			if (*at == '-')
				*at = '_';
		if (base && strcmp(base, wanted) == 0)
			return true;
	}
	return false;
}
