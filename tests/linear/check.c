// Judges the histories that fire.c recorded: `check FOLDER` or `check FILE...`. Exit status 0: linearizable; 1: not, with the shortest part of the history that shows it; 2: no usable input, or
// more operations at a time than can be decided.
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/linear/judge.h"
#include "tests/linear/model.h"

#define SHOWN 40U // operations of a violation; of a longer one its ends

struct history {
	struct history_op *ops;
	size_t count;
	size_t capacity;
	uint64_t workers; // a bit each
};

static _Noreturn void bad_input(const char *what, const char *name)
{
	fprintf(stderr, "check: %s: %s\n", name, what);
	exit(2);
}

static void grow(struct history *history)
{
	history->capacity = history->capacity ? history->capacity * 2 : 65536;
	history->ops = realloc(history->ops, history->capacity * sizeof(history->ops[0]));
	if (!history->ops)
		bad_input(strerror(errno), "operations");
}

static void read_file(struct history *history, const char *name)
{
	struct history_header header;
	FILE *file = fopen(name, "rb");
	struct stat stat;

	if (!file || fstat(fileno(file), &stat))
		bad_input(strerror(errno), name);
	if (fread(&header, sizeof(header), 1, file) != 1 || header.magic != HISTORY_MAGIC || header.op_size != sizeof(struct history_op))
		bad_input("is no history", name);
	if (header.worker >= HISTORY_WORKERS_MAX || history->workers & 1ULL << header.worker)
		bad_input("its worker has another history, or a number out of range", name);
	if (((uint64_t)stat.st_size - sizeof(header)) % sizeof(struct history_op))
		bad_input("ends within an operation", name);
	history->workers |= 1ULL << header.worker;
	for (;;) {
		struct history_op *op;

		if (history->count == history->capacity)
			grow(history);
		op = &history->ops[history->count];
		if (fread(op, sizeof(*op), 1, file) != 1)
			break;
		if (op->worker != header.worker || op->key >= HISTORY_KEYS_MAX)
			bad_input("has an operation of another worker, or on a key out of range", name);
		history->count++;
	}
	fclose(file);
}

static void read_folder(struct history *history, const char *name)
{
	DIR *folder = opendir(name);
	const struct dirent *entry;
	char path[4096];

	if (!folder)
		bad_input(strerror(errno), name);
	while ((entry = readdir(folder)) != NULL) {
		if (strncmp(entry->d_name, "history.", 8) != 0)
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", name, entry->d_name) >= sizeof(path))
			bad_input("is too long a name", name);
		read_file(history, path);
	}
	closedir(folder);
}

static int by_key(const void *left, const void *right)
{
	const struct history_op *a = left, *b = right;

	return a->key < b->key ? -1 : a->key > b->key;
}

// --- telling what is wrong ---

static void show_value(uint64_t value)
{
	if (value == HISTORY_ANY)
		printf(" value=?");
	else
		printf(" value=%" PRIx64, value);
}

static void show(const struct history_op *op, uint64_t base_ns)
{
	static const char *const kinds[] = {"get", "stat", "put", "cas", "delete", "delete-version", "rename-in", "rename-out"};
	static const char *const outcomes[] = {"ok", "absent", "refused", "torn", "unknown"};
	bool has_value = op->kind == HISTORY_PUT || op->kind == HISTORY_CAS || op->outcome == HISTORY_OK || op->outcome == HISTORY_TORN;

	printf("  worker %2u  [%12.3f .. ", op->worker, ((double)op->invoked_ns - (double)base_ns) / 1000);
	if (op->outcome == HISTORY_UNKNOWN)
		printf("         ...] us  ");
	else
		printf("%12.3f] us  ", ((double)op->responded_ns - (double)base_ns) / 1000);
	printf("%s", kinds[op->kind]);
	if (op->kind == HISTORY_CAS || op->kind == HISTORY_DELETE_VERSION)
		printf(" expected=%" PRIu64, op->expected);
	if (has_value && op->kind != HISTORY_DELETE && op->kind != HISTORY_DELETE_VERSION && op->kind != HISTORY_STAT)
		show_value(op->value);
	printf(" -> %s", outcomes[op->outcome]);
	if (op->outcome == HISTORY_TORN)
		printf(" from byte %" PRIu64, op->expected);
	if (op->version != HISTORY_ANY && op->kind != HISTORY_DELETE &&
	        (op->outcome == HISTORY_OK || op->outcome == HISTORY_REFUSED || op->outcome == HISTORY_TORN))
		printf(" version=%" PRIu64, op->version);
	printf("\n");
}

static const struct history_op *writer_of(const struct history_op *ops, size_t count, uint64_t value)
{
	for (size_t i = 0; i < count; i++)
		if (model_writes(&ops[i]) && ops[i].value == value)
			return &ops[i];
	return NULL;
}

static void show_all(const struct history_op *ops, size_t count, uint64_t base_ns)
{
	for (size_t i = 0; i < count; i++) {
		if (count > SHOWN && i == SHOWN / 4) {
			printf("  ... %zu operations ...\n", count - SHOWN);
			i = count - (SHOWN - SHOWN / 4);
		}
		show(&ops[i], base_ns);
	}
}

// What was got, and where it came from.
static void show_culprit(const struct history_op *ops, size_t count, const struct history_op *culprit)
{
	const struct history_op *writer;

	show(culprit, culprit->invoked_ns);
	if (culprit->outcome != HISTORY_OK || culprit->kind == HISTORY_DELETE || culprit->kind == HISTORY_DELETE_VERSION ||
	        culprit->kind == HISTORY_STAT)
		return;
	writer = writer_of(ops, count, culprit->value);
	if (!writer)
		printf("a value that was never put to this key\n");
	else if (!model_writes(culprit)) {
		printf("a value that came from\n");
		show(writer, culprit->invoked_ns);
	}
}

static void show_refused(struct history_op *ops, size_t count, size_t at)
{
	struct history_op culprit = ops[at];

	printf("key %u: not linearizable: no order explains\n", culprit.key);
	show_culprit(ops, count, &culprit);
	count = judge_shrink(ops, count, at);
	printf("the shortest part of the history that shows it, %zu operations:\n", count);
	show_all(ops, count, culprit.invoked_ns);
}

static void show_torn(const struct history_op *ops, size_t count, size_t at)
{
	const struct history_op *torn = &ops[at];

	printf("key %u: bytes that are no value that was ever put\n", torn->key);
	show(torn, torn->invoked_ns);
	printf("changes under way meanwhile:\n");
	for (size_t i = 0; i < count && ops[i].invoked_ns <= torn->responded_ns; i++)
		if (!model_is_read(&ops[i]) && (ops[i].responded_ns >= torn->invoked_ns || ops[i].outcome == HISTORY_UNKNOWN))
			show(&ops[i], torn->invoked_ns);
}

static size_t drop_torn(struct history_op *ops, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (ops[i].outcome != HISTORY_TORN)
			ops[kept++] = ops[i];
	return kept;
}

// Returns the exit status for one key. Behind a torn get the rest is judged, too.
static int judge_key(struct history_op *ops, size_t count, size_t *configurations)
{
	struct verdict verdict = judge(ops, count);

	if (verdict.configurations > *configurations)
		*configurations = verdict.configurations;
	switch (verdict.kind) {
	case VERDICT_LINEARIZABLE:
		return 0;
	case VERDICT_TORN:
		show_torn(ops, count, verdict.at);
		judge_key(ops, drop_torn(ops, count), configurations);
		return 1;
	case VERDICT_REFUSED:
		show_refused(ops, count, verdict.at);
		return 1;
	case VERDICT_UNDECIDED:
		printf("key %u: undecided: too many operations at a time\n", ops[0].key);
		return 2;
	default:
		printf("key %u: an operation that cannot be: kind %u, outcome %u\n", ops[0].key, ops[verdict.at].kind,
		        ops[verdict.at].outcome);
		return 2;
	}
}

static int judge_all(struct history *history)
{
	size_t configurations = 0;
	size_t keys = 0;
	int worst = 0;

	qsort(history->ops, history->count, sizeof(history->ops[0]), by_key);
	for (size_t from = 0, to; from < history->count; from = to, keys++) {
		int status;

		for (to = from; to < history->count && history->ops[to].key == history->ops[from].key; to++)
			;
		status = judge_key(&history->ops[from], to - from, &configurations);
		if (status == 1 || (status == 2 && worst == 0))
			worst = status;
	}
	printf("%zu operations of %d workers on %zu keys: %s (at most %zu configurations)\n", history->count,
	        __builtin_popcountll(history->workers), keys,
	        worst == 0   ? "linearizable"
	        : worst == 1 ? "NOT LINEARIZABLE"
	                     : "undecided",
	        configurations);
	return worst;
}

int main(int argc, char **argv)
{
	struct history history = {0};
	struct stat stat_buffer;
	int status;

	if (argc < 2) {
		fprintf(stderr, "usage: check FOLDER|FILE...\n");
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &stat_buffer))
			bad_input(strerror(errno), argv[i]);
		if (S_ISDIR(stat_buffer.st_mode))
			read_folder(&history, argv[i]);
		else
			read_file(&history, argv[i]);
	}
	if (history.count == 0)
		bad_input("no operations: that proves nothing", argv[1]);
	status = judge_all(&history);
	free(history.ops);
	return status;
}
