#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "far/clock.h"
#include "tests/linear/fire.h"
#include "tests/linear/fire_value.h"
#include "tests/linear/recorder.h"

// One worker: draws operations, makes them, records them. Even workers mostly change, odd ones mostly read. Every fourth key has values of pages, the others small ones, so that small ones change
// at full speed.

#define MOUNT_READ 4096U // the first page of a file: what is larger may be read page by page

struct work {
	const struct fire_worker *worker;
	struct fire_shared *shared;
	struct recorder recorder;
	uint64_t random;
	uint64_t sequence;
	uint64_t seen[HISTORY_KEYS_MAX]; // versions last met
	unsigned generation;             // of the worker's own key: another one behind a change without an answer
	char *buffer;                    // of VALUE_LENGTH_MAX bytes
	char key[FIRE_KEY_MAX];          // the operation's
	size_t key_length;
	char own_key[FIRE_KEY_MAX]; // what is renamed comes from and goes to here
	size_t own_key_length;
};

uint64_t fire_now_ns(void)
{
	return clock_now_ns();
}

// xorshift64* (G. Marsaglia, 2003; S. Vigna, 2016).
static uint64_t draw(struct work *work)
{
	work->random ^= work->random >> 12;
	work->random ^= work->random << 25;
	work->random ^= work->random >> 27;
	return work->random * 0x2545f4914f6cdd1dULL >> 16;
}

// The kernel takes a file's size and its bytes at two moments, even with O_DIRECT: where files are read through a mount, all of a key's values have one size.
static unsigned draw_size(struct work *work, uint16_t key)
{
	unsigned random = (unsigned)(draw(work) % 100);

	if (work->worker->options->mount)
		return key % VALUE_SIZES;
	if (key % 4 != 3)
		return random % (VALUE_SIZE_PAGED + 2);
	if (random < 90)
		return VALUE_SIZE_PAGED + random % (VALUE_SIZE_EXTENTS - VALUE_SIZE_PAGED);
	return random < 97 ? VALUE_SIZE_EXTENTS : VALUE_SIZE_UPLOAD;
}

static uint64_t make_value(struct work *work, uint16_t key)
{
	uint64_t name = value_name(work->worker->number, ++work->sequence, draw_size(work, key));

	value_fill(work->buffer, name);
	return name;
}

static void name_own_key(struct work *work)
{
	work->own_key_length = (size_t)snprintf(work->own_key, sizeof(work->own_key), "%s/own-%u-%u", work->worker->options->prefix,
	        work->worker->number, work->generation++);
}

static void invoked(struct history_op *op)
{
	op->invoked_ns = fire_now_ns();
}

static void responded(struct history_op *op)
{
	op->responded_ns = fire_now_ns();
}

static bool is_unanswered(int error)
{
	return error == -EIO || error == -ETIMEDOUT || error == -EPROTO;
}

static void failed(struct work *work, const char *what)
{
	if (atomic_fetch_add_explicit(&work->shared->errors, 1, memory_order_relaxed) < 10)
		fprintf(stderr, "fire: worker %u: %s %s: %s\n", work->worker->number, what, work->key, far_last_error());
}

static void finish(struct work *work, const struct history_op *op)
{
	record(&work->recorder, op);
	atomic_fetch_add_explicit(&work->shared->operations[op->kind], 1, memory_order_relaxed);
	if (op->outcome == HISTORY_TORN)
		atomic_fetch_add_explicit(&work->shared->torn, 1, memory_order_relaxed);
	if (op->outcome == HISTORY_UNKNOWN)
		atomic_fetch_add_explicit(&work->shared->unknown, 1, memory_order_relaxed);
	if (op->outcome == HISTORY_OK || op->outcome == HISTORY_REFUSED)
		work->seen[op->key] = op->version;
}

// Records a change by how it went; 0 and the errors that `outcomes` allows are outcomes, a missing answer is unknown, other errors changed nothing.
static void finish_change(struct work *work, struct history_op *op, int error, const char *what)
{
	bool may_be_absent = op->kind == HISTORY_DELETE || op->kind == HISTORY_DELETE_VERSION || op->kind == HISTORY_RENAME_OUT;
	bool may_be_refused = op->kind == HISTORY_CAS || op->kind == HISTORY_DELETE_VERSION;

	if (error == 0)
		op->outcome = HISTORY_OK;
	else if (error == -ENOENT && may_be_absent)
		op->outcome = HISTORY_ABSENT;
	else if (error == -ECANCELED && may_be_refused)
		op->outcome = HISTORY_REFUSED;
	else if (is_unanswered(error))
		op->outcome = HISTORY_UNKNOWN;
	if (error && op->outcome == HISTORY_OK)
		failed(work, what);
	else
		finish(work, op);
}

// --- reads ---

static void finish_get(struct work *work, struct history_op *op, const struct value_part *part)
{
	int64_t wrong = value_check(part, &op->value);

	if (wrong >= 0) {
		op->outcome = HISTORY_TORN;
		op->expected = (uint64_t)wrong;
	}
	finish(work, op);
}

static void finish_missed(struct work *work, struct history_op *op, int error, const char *what)
{
	op->outcome = HISTORY_ABSENT;
	if (error == -ENOENT)
		finish(work, op);
	else
		failed(work, what);
}

static void get_whole(struct work *work, struct history_op *op, far_session *session)
{
	struct value_part part = {0};
	void *value;
	int error;

	invoked(op);
	error = far_get(session, work->key, work->key_length, &value, &part.length, &op->version);
	responded(op);
	if (error) {
		finish_missed(work, op, error, "get");
		return;
	}
	part.bytes = value;
	part.size = part.length;
	finish_get(work, op, &part);
	free(value);
}

static void get_range(struct work *work, struct history_op *op, far_session *session)
{
	bool is_whole = draw(work) % 2;
	struct value_part part = {.bytes = work->buffer, .offset = is_whole ? 0 : draw(work) % (op->key % 4 == 3 ? 20000 : 1500)};
	size_t length = is_whole ? VALUE_LENGTH_MAX : 32 + draw(work) % 10000;
	ssize_t got;

	invoked(op);
	got = far_get_into(session, work->key, work->key_length, work->buffer, length, part.offset, &part.size, &op->version);
	responded(op);
	if (got < 0) {
		finish_missed(work, op, (int)got, "get");
		return;
	}
	part.length = (size_t)got;
	finish_get(work, op, &part);
}

static void do_get(struct work *work, struct history_op *op)
{
	far_session *session = draw(work) % 8 ? work->worker->warm : work->worker->cold;

	if (draw(work) % 2)
		get_whole(work, op, session);
	else
		get_range(work, op, session);
}

static void do_stat(struct work *work, struct history_op *op)
{
	struct far_stat stat;
	int error;

	invoked(op);
	error = far_stat(work->worker->warm, work->key, work->key_length, &stat);
	responded(op);
	if (error) {
		finish_missed(work, op, error, "stat");
		return;
	}
	op->version = stat.version;
	finish(work, op);
}

// A file of the mount: opened, its first page read, closed.
static void do_read_file(struct work *work, struct history_op *op)
{
	struct value_part part = {.bytes = work->buffer, .size = UINT64_MAX};
	char path[4096];
	ssize_t got = -1;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", work->worker->options->mount, work->key);
	op->version = HISTORY_ANY;
	invoked(op);
	fd = open(path, O_RDONLY | O_CLOEXEC | (draw(work) % 2 ? O_DIRECT : 0));
	if (fd >= 0)
		got = pread(fd, work->buffer, MOUNT_READ, 0);
	if (got < 0)
		got = -errno;
	responded(op);
	if (fd >= 0)
		close(fd);
	if (got < 0) {
		finish_missed(work, op, (int)got, strerror((int)-got));
		return;
	}
	part.length = (size_t)got;
	if (got < MOUNT_READ)
		part.size = part.length;
	finish_get(work, op, &part);
}

// --- changes ---

static void do_put(struct work *work, struct history_op *op)
{
	int error;

	op->value = make_value(work, op->key);
	invoked(op);
	error = far_put(work->worker->warm, work->key, work->key_length, work->buffer, value_length(op->value), &op->version);
	responded(op);
	finish_change(work, op, error, "put");
}

static void do_cas(struct work *work, struct history_op *op)
{
	int error;

	op->value = make_value(work, op->key);
	op->expected = work->seen[op->key];
	invoked(op);
	error = far_cas(work->worker->warm, work->key, work->key_length, work->buffer, value_length(op->value), op->expected, &op->version);
	responded(op);
	finish_change(work, op, error, "compare-and-swap");
}

static void do_delete(struct work *work, struct history_op *op)
{
	int error;

	invoked(op);
	error = far_delete(work->worker->warm, work->key, work->key_length);
	responded(op);
	finish_change(work, op, error, "delete");
}

static void do_delete_version(struct work *work, struct history_op *op)
{
	int error;

	op->expected = work->seen[op->key] ? work->seen[op->key] : 1;
	invoked(op);
	error = far_delete_version(work->worker->warm, work->key, work->key_length, op->expected, &op->version);
	responded(op);
	finish_change(work, op, error, "delete of a version");
}

static void do_rename_in(struct work *work, struct history_op *op)
{
	far_session *session = work->worker->warm;
	int error;

	op->value = make_value(work, op->key);
	if (far_put(session, work->own_key, work->own_key_length, work->buffer, value_length(op->value), &op->version)) {
		failed(work, "put before rename to");
		return;
	}
	invoked(op);
	error = far_rename(session, work->own_key, work->own_key_length, work->key, work->key_length);
	responded(op);
	finish_change(work, op, error, "rename to");
	if (error)
		name_own_key(work);
}

// Nobody else knows the own key: what stands there afterwards is what was taken.
static int take_own(struct work *work, struct history_op *op)
{
	far_session *session = draw(work) % 2 ? work->worker->warm : work->worker->cold;
	struct value_part part = {.bytes = work->buffer};
	ssize_t got =
	        far_get_into(session, work->own_key, work->own_key_length, work->buffer, VALUE_LENGTH_MAX, 0, &part.size, &op->version);

	if (got < 0)
		return (int)got;
	part.length = (size_t)got;
	if (value_check(&part, &op->value) >= 0)
		op->value = 0; // of no put: refused by the check
	return far_delete(session, work->own_key, work->own_key_length);
}

static void do_rename_out(struct work *work, struct history_op *op)
{
	int error;

	invoked(op);
	error = far_rename(work->worker->warm, work->key, work->key_length, work->own_key, work->own_key_length);
	responded(op);
	if (error == 0 && take_own(work, op)) {
		failed(work, "what was renamed is not there:");
		error = -EIO;
	}
	finish_change(work, op, error, "rename of");
	if (error && error != -ENOENT)
		name_own_key(work);
}

// --- the load ---

struct share {
	void (*run)(struct work *work, struct history_op *op);
	unsigned char kind;
	unsigned char of_writers; // in a hundred
	unsigned char of_readers;
};

static const struct share shares[] = {
        {do_get, HISTORY_GET, 27, 90},
        {do_stat, HISTORY_STAT, 2, 4},
        {do_put, HISTORY_PUT, 33, 2},
        {do_cas, HISTORY_CAS, 20, 2},
        {do_delete, HISTORY_DELETE, 6, 1},
        {do_delete_version, HISTORY_DELETE_VERSION, 4, 1},
        {do_rename_in, HISTORY_RENAME_IN, 5, 0},
        {do_rename_out, HISTORY_RENAME_OUT, 3, 0},
};
static const struct share mount_share = {do_read_file, HISTORY_GET, 100, 100};

static const struct share *draw_share(struct work *work)
{
	unsigned random = (unsigned)(draw(work) % 100);
	const struct share *share = shares;

	if (!work->worker->warm)
		return &mount_share;
	for (;; share++) {
		unsigned part = work->worker->number % 2 ? share->of_readers : share->of_writers;

		if (random < part)
			return share;
		random -= part;
	}
}

static void step(struct work *work)
{
	struct history_op op = {.worker = work->worker->number};
	const struct share *share = draw_share(work);

	op.key = (uint16_t)(draw(work) % work->worker->options->keys);
	op.kind = share->kind;
	work->key_length = (size_t)snprintf(work->key, sizeof(work->key), "%s/%u", work->worker->options->prefix, op.key);
	share->run(work, &op);
}

// The last worker to be ready says when it ends. False: somebody cannot take part.
static bool wait_for_start(struct work *work)
{
	const struct fire_options *options = work->worker->options;
	uint32_t all = options->processes * options->threads + options->mount_readers;
	struct timespec pause = {0, 1000000};

	if (atomic_fetch_add(&work->shared->ready, 1) + 1 == all)
		atomic_store(&work->shared->ends_ns, fire_now_ns() + (uint64_t)(options->seconds * 1e9));
	while (atomic_load(&work->shared->ends_ns) == 0 && atomic_load(&work->shared->failures) == 0)
		nanosleep(&pause, NULL);
	return atomic_load(&work->shared->ends_ns) != 0;
}

void *fire_worker_run(void *argument)
{
	const struct fire_worker *worker = argument;
	struct work *work = calloc(1, sizeof(*work));
	int error = work ? recorder_init(&work->recorder, worker->options->folder, worker->number) : -ENOMEM;

	if (error) {
		fprintf(stderr, "fire: worker %u: %s: %s\n", worker->number, worker->options->folder, strerror(-error));
		atomic_fetch_add(&worker->shared->failures, 1);
		free(work);
		return NULL;
	}
	work->worker = worker;
	work->shared = worker->shared;
	work->random = worker->options->seed * 0x9e3779b97f4a7c15ULL + worker->number + 1;
	work->buffer = malloc(VALUE_LENGTH_MAX);
	name_own_key(work);
	if (work->buffer && wait_for_start(work))
		while (fire_now_ns() < atomic_load_explicit(&work->shared->ends_ns, memory_order_relaxed))
			step(work);
	if (recorder_fini(&work->recorder) || !work->buffer)
		atomic_fetch_add(&worker->shared->failures, 1);
	atomic_fetch_add(&work->shared->written, work->recorder.written);
	free(work->buffer);
	free(work);
	return NULL;
}
