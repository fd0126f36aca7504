#include "client/cli/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The path that a signal handler removes. Released when the name is complete, acquired by the handler.
static _Atomic(const char *) unfinished;

static void remove_and_die(int signal_number)
{
	const char *path = atomic_load_explicit(&unfinished, memory_order_acquire);

	if (path)
		unlink(path);
	raise(signal_number); // SA_RESETHAND: the default this time, once the handler returns
}

static void catch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = remove_and_die, .sa_flags = SA_RESETHAND};
	struct sigaction before;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL) // nohup's SIG_IGN stays
			sigaction(signals[i], &action, NULL);
}

static void release(struct output_file *file)
{
	atomic_store_explicit(&unfinished, NULL, memory_order_release);
	free(file->path);
	free(file->temporary);
	*file = (struct output_file){.fd = -1};
}

static int open_temporary(struct output_file *file, mode_t mode)
{
	if (asprintf(&file->temporary, "%s.far-XXXXXX", file->path) < 0) {
		file->temporary = NULL;
		return -ENOMEM;
	}
	file->fd = mkostemp(file->temporary, O_CLOEXEC);
	if (file->fd < 0)
		return -errno;
	catch_signals();
	atomic_store_explicit(&unfinished, file->temporary, memory_order_release);
	return fchmod(file->fd, mode) < 0 ? -errno : 0;
}

int output_file_open(struct output_file *file, const char *path, mode_t mode)
{
	mode_t mask = umask(0);
	struct stat stat_;
	int error = 0;

	umask(mask);
	mode &= ~mask;
	*file = (struct output_file){.fd = -1, .path = realpath(path, NULL)}; // through links, as cp does
	if (!file->path && errno == ENOENT)
		file->path = strdup(path);
	if (!file->path)
		return -errno;
	if (stat(file->path, &stat_) == 0) {
		mode = stat_.st_mode & 07777;
		if (!S_ISREG(stat_.st_mode)) {
			file->fd = open(file->path, O_WRONLY | O_CLOEXEC);
			error = file->fd < 0 ? -errno : 0;
		}
	}
	if (!error && file->fd < 0)
		error = open_temporary(file, mode);
	if (error)
		output_file_discard(file);
	return error;
}

int output_file_finish(struct output_file *file)
{
	int error = close(file->fd) < 0 ? -errno : 0;

	file->fd = -1;
	if (!error && file->temporary && rename(file->temporary, file->path) < 0)
		error = -errno;
	if (error && file->temporary)
		unlink(file->temporary);
	release(file);
	return error;
}

void output_file_discard(struct output_file *file)
{
	int error_number = errno;

	if (file->fd >= 0)
		close(file->fd);
	if (file->fd >= 0 && file->temporary)
		unlink(file->temporary);
	release(file);
	errno = error_number;
}
