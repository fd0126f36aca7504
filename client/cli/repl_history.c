#include "client/cli/repl_history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "far/cleanup.h"

// $FARFS_HISTORY (empty: none), else farfs/history in $XDG_STATE_HOME, else in ~/.local/state. The file grows to twice what is remembered, and is then cut to that.

// In new memory, NULL if there is to be none.
static char *path_of_history(void)
{
	const char *path = getenv("FARFS_HISTORY");
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	char *made;

	if (path)
		return *path ? strdup(path) : NULL;
	if (state && state[0] == '/')
		return asprintf(&made, "%s/farfs/history", state) < 0 ? NULL : made;
	if (home && home[0] == '/')
		return asprintf(&made, "%s/.local/state/farfs/history", home) < 0 ? NULL : made;
	return NULL;
}

static void make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700); // if it fails, so does the open
		*slash = '/';
	}
}

static void cleanup_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

// The last lines that are remembered, oldest first, in a ring.
struct ring {
	char *lines[REPL_HISTORY_LINES];
	size_t count; // of all lines seen
};

static void read_all(const char *path, struct ring *ring)
{
	CLEANUP(file) FILE *file = fopen(path, "re");
	CLEANUP(free) char *line = NULL;
	size_t room = 0;
	ssize_t length;

	while (file && (length = getline(&line, &room, file)) > 0) {
		char **place = &ring->lines[ring->count % REPL_HISTORY_LINES];

		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		free(*place);
		*place = strdup(line);
		if (!*place)
			return;
		ring->count++;
	}
}

static size_t first_of(const struct ring *ring)
{
	return ring->count > REPL_HISTORY_LINES ? ring->count - REPL_HISTORY_LINES : 0;
}

// Another program may add a line meanwhile, which is lost then: once in a thousand lines.
static void cut(const char *path, const struct ring *ring)
{
	CLEANUP(free) char *temporary = NULL;
	CLEANUP(file) FILE *file = NULL;
	int fd;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		temporary = NULL;
		return;
	}
	fd = mkostemp(temporary, O_CLOEXEC); // 0600
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file)
		return;
	for (size_t i = first_of(ring); i < ring->count; i++)
		fprintf(file, "%s\n", ring->lines[i % REPL_HISTORY_LINES]);
	if (fflush(file) || rename(temporary, path))
		unlink(temporary);
}

void repl_history_load(void (*take)(void *context, const char *line), void *context)
{
	CLEANUP(free) char *path = path_of_history();
	struct ring ring = {.count = 0};

	if (!path)
		return;
	read_all(path, &ring);
	for (size_t i = first_of(&ring); i < ring.count; i++)
		take(context, ring.lines[i % REPL_HISTORY_LINES]);
	if (ring.count >= 2 * REPL_HISTORY_LINES)
		cut(path, &ring);
	for (size_t i = 0; i < REPL_HISTORY_LINES; i++)
		free(ring.lines[i]);
}

int repl_history_add(const char *line)
{
	CLEANUP(free) char *path = path_of_history();
	CLEANUP(free) char *text = NULL;
	CLEANUP(close) int fd = -1;
	int length;

	if (!path)
		return 0;
	make_folders(path);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) // what is there keeps its mode: it may be /dev/null
		return -errno;
	length = asprintf(&text, "%s\n", line);
	if (length < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return write(fd, text, (size_t)length) == length ? 0 : -errno;
}
