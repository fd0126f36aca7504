#include "client/cli/put_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/interrupt.h"
#include "client/cli/report.h"
#include "far/cleanup.h"

// A value that fits the first buffer is put whole, in one round trip, whether it comes from a file or a pipe: sizes that files claim are not asked for. A longer one is streamed,
// beginning with that buffer.

#define HEAD_SIZE (1U << 20)

struct source {
	int fd;
	const char *head; // what was read already
	size_t head_length;
	int error_number; // of a read that failed
	struct progress *progress;
};

// Reads until the buffer is full or the file ends. Returns the length or -1.
static ssize_t read_full(int fd, char *buffer, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t got = read(fd, buffer + done, length - done);

		if (got < 0 && errno == EINTR && !interrupt_is_noted())
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static ssize_t read_source(void *context, void *buffer, size_t length)
{
	struct source *source = context;
	ssize_t got;

	if (source->head_length > 0) {
		size_t step = source->head_length < length ? source->head_length : length;

		memcpy(buffer, source->head, step);
		source->head += step;
		source->head_length -= step;
		progress_add(source->progress, step);
		return (ssize_t)step;
	}
	errno = EINTR;
	got = interrupt_is_noted() ? -1 : read_full(source->fd, buffer, length);
	if (got < 0) {
		source->error_number = errno;
		return -errno;
	}
	progress_add(source->progress, (uint64_t)got);
	return got;
}

static int put_whole(const struct put_value *put, const char *value, size_t length, uint64_t *version)
{
	int error = far_put_with(put->session, put->key.bytes, put->key.length, value, length, &put->options, version);

	if (!error)
		progress_add(put->progress, length);
	progress_hide(put->progress);
	return error ? report_error(error) : CLI_OK;
}

static int put_streamed(const struct put_value *put, const char *head, size_t head_length, uint64_t *version)
{
	struct source source = {.fd = put->fd, .head = head, .head_length = head_length, .progress = put->progress};
	int error = far_put_stream_with(put->session, put->key.bytes, put->key.length, read_source, &source, &put->options, version);

	progress_hide(put->progress);
	if (source.error_number)
		return report_local("cannot read", put->source_name, source.error_number);
	return error ? report_error(error) : CLI_OK;
}

int put_value(const struct put_value *put, uint64_t *version)
{
	CLEANUP(free) char *head = malloc(HEAD_SIZE);
	ssize_t got = head ? read_full(put->fd, head, HEAD_SIZE) : -1;
	size_t length = (size_t)got;
	int error;

	if (got < 0) {
		error = head ? errno : ENOMEM;
		progress_hide(put->progress);
		return report_local("cannot read", put->source_name, error);
	}
	if (length < HEAD_SIZE)
		return put_whole(put, head, length, version);
	return put_streamed(put, head, length, version);
}
