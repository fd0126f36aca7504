#include "client/cli/get_value.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/interrupt.h"
#include "client/cli/report.h"
#include "far/cleanup.h"
#include "far/least.h"

// One call of libfar delivers bytes of one version. A value that needs several calls is held together here: each must report the version that a stat before the first found,
// and a stat behind the last must find the same object unchanged. The version alone would not do: a key deleted and put again begins with version 1 anew.

#define FIRST_SIZE (1U << 20) // larger values: asked for again, as a whole
#define PIECE_SIZE (4U << 20)
#define TRIES 16

// A result that is neither success nor an errno: the value changed on the way.
#define CHANGED 1

static int write_full(const struct get_value *get, const char *bytes, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t put = write(get->fd, bytes + done, length - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0) {
			int error_number = errno;

			progress_hide(get->progress);
			return get->fd == STDOUT_FILENO ? -report_output(error_number)
			                                : -report_local("cannot write", get->target_name, error_number);
		}
		done += (size_t)put;
	}
	progress_add(get->progress, length);
	return 0;
}

static int fail(const struct get_value *get, int error)
{
	progress_hide(get->progress);
	return -report_error(error);
}

static int look(const struct get_value *get, struct far_stat *stat)
{
	int error = far_stat(get->session, get->key.bytes, get->key.length, stat);

	return error ? fail(get, error) : 0;
}

// Times are compared too: a rename back and forth leaves id and version, but not the time of the last change.
static bool is_same(const struct far_stat *a, const struct far_stat *b)
{
	return a->id == b->id && a->version == b->version && a->size == b->size && a->btime_ns == b->btime_ns && a->ctime_ns == b->ctime_ns;
}

// Fetches all pieces. Returns 0, CHANGED, or minus an exit status.
static int get_pieces(const struct get_value *get, char *buffer)
{
	struct far_stat before;
	struct far_stat after;
	uint64_t end;
	int error = look(get, &before);

	if (error)
		return error;
	end = get->offset + least(get->length, before.size - least(get->offset, before.size));
	for (uint64_t at = get->offset; at < end;) {
		uint64_t version;
		uint64_t size;
		uint64_t wanted = least(PIECE_SIZE, end - at);
		ssize_t got = far_get_into(get->session, get->key.bytes, get->key.length, buffer, wanted, at, &size, &version);

		if (interrupt_is_noted()) {
			progress_hide(get->progress);
			return -report("interrupted");
		}
		if (got == -ENOENT)
			return CHANGED;
		if (got < 0)
			return fail(get, (int)got);
		if (version != before.version || size != before.size || (uint64_t)got != wanted)
			return CHANGED;
		error = write_full(get, buffer, (size_t)got);
		if (error)
			return error;
		at += (uint64_t)got;
	}
	error = look(get, &after);
	return error ? error : is_same(&before, &after) ? 0 : CHANGED;
}

static int get_large(const struct get_value *get, char *buffer)
{
	uint64_t done = get->progress->done;

	for (int try = 0; try < TRIES; try++) {
		off_t start = get->is_rewindable ? lseek(get->fd, 0, SEEK_CUR) : 0;
		int result = get_pieces(get, buffer);

		if (result <= 0)
			return -result;
		progress_hide(get->progress);
		if (!get->is_rewindable)
			return report(
			        "get %s: the value changed while it was written out; what was written is incomplete: get it into a file",
			        get->key.bytes);
		get->progress->done = done;
		if (start < 0 || lseek(get->fd, start, SEEK_SET) < 0 || ftruncate(get->fd, start) < 0)
			return report_local("cannot write", get->target_name, errno);
	}
	return report("get %s: the value changes faster than it can be read", get->key.bytes);
}

int get_value(const struct get_value *get)
{
	CLEANUP(free) char *buffer = NULL;
	uint64_t size;
	uint64_t left;
	ssize_t got;

	if (posix_memalign((void **)&buffer, 4096, PIECE_SIZE))
		return report_local("cannot get", get->key.bytes, ENOMEM);
	got = far_get_into(get->session, get->key.bytes, get->key.length, buffer, least(FIRST_SIZE, get->length), get->offset, &size, NULL);
	if (got < 0)
		return -fail(get, (int)got);
	left = size - least(get->offset, size);
	if ((uint64_t)got < least(left, get->length))
		return get_large(get, buffer);
	return -write_full(get, buffer, (size_t)got);
}
