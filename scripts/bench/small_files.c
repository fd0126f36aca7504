// small_files FOLDER FILES: the life of small files, one thread: each file is created, written and closed; looked at; opened, read and closed, twice; unlinked. All of one step before the next. Prints JSON: nanoseconds
// a file for each step.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BYTES 1024
#define DIRECTORY_FILES 100
#define PATH_BYTES 64

static void fail(const char *what, const char *path)
{
	fprintf(stderr, "small_files: %s %s: %s\n", what, path, strerror(errno));
	exit(1);
}

static void create(const char *path)
{
	static const char bytes[BYTES] = {1};
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd < 0 || write(fd, bytes, sizeof(bytes)) != sizeof(bytes) || close(fd) < 0)
		fail("create", path);
}

static void look(const char *path)
{
	struct stat info;

	if (stat(path, &info) < 0 || !S_ISREG(info.st_mode))
		fail("stat", path);
}

// The null file system's files have no bytes.
static void read_whole(const char *path)
{
	char bytes[BYTES];
	int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, bytes, sizeof(bytes)) < 0 || close(fd) < 0)
		fail("read", path);
}

static void remove_file(const char *path)
{
	if (unlink(path) < 0)
		fail("unlink", path);
}

static const struct {
	const char *name;
	void (*of)(const char *path);
} steps[] = {
        {"create, write, close", create},
        {"stat", look},
        {"open, read, close", read_whole},
        {"open, read, close again", read_whole},
        {"unlink", remove_file},
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void name_of(char *path, long number)
{
	snprintf(path, PATH_BYTES, "%ld/%ld", number / DIRECTORY_FILES, number);
}

static void make_directories(long files)
{
	char path[PATH_BYTES];

	for (long number = 0; number < files; number += DIRECTORY_FILES) {
		snprintf(path, sizeof(path), "%ld", number / DIRECTORY_FILES);
		if (mkdir(path, 0755) < 0)
			fail("mkdir", path);
	}
}

static void remove_directories(long files)
{
	char path[PATH_BYTES];

	for (long number = 0; number < files; number += DIRECTORY_FILES) {
		snprintf(path, sizeof(path), "%ld", number / DIRECTORY_FILES);
		if (rmdir(path) < 0)
			fail("rmdir", path);
	}
}

static double measure(void (*step)(const char *path), long files)
{
	uint64_t begin = now_ns();
	char path[PATH_BYTES];

	for (long number = 0; number < files; number++) {
		name_of(path, number);
		step(path);
	}
	return (double)(now_ns() - begin) / (double)files;
}

int main(int argc, char **argv)
{
	long files = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

	if (files <= 0) {
		fprintf(stderr, "usage: small_files FOLDER FILES\n");
		return 1;
	}
	if (chdir(argv[1]) < 0)
		fail("enter", argv[1]);
	make_directories(files);
	printf("{");
	for (size_t i = 0; i < STEPS; i++)
		printf("%s\"%s\": %.0f", i ? ", " : "", steps[i].name, measure(steps[i].of, files));
	printf("}\n");
	remove_directories(files);
	return 0;
}
