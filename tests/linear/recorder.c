#include "tests/linear/recorder.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

int recorder_init(struct recorder *recorder, const char *folder, uint32_t worker)
{
	struct history_header header = {HISTORY_MAGIC, worker, sizeof(struct history_op)};
	char path[4096];

	memset(recorder, 0, sizeof(*recorder));
	if ((size_t)snprintf(path, sizeof(path), "%s/history.%u", folder, worker) >= sizeof(path))
		return -ENAMETOOLONG;
	recorder->file = fopen(path, "wb");
	if (!recorder->file)
		return -errno;
	setvbuf(recorder->file, NULL, _IOFBF, 1U << 20);
	return fwrite(&header, sizeof(header), 1, recorder->file) == 1 ? 0 : -EIO;
}

static void write_op(struct recorder *recorder, const struct history_op *op)
{
	fwrite(op, sizeof(*op), 1, recorder->file); // errors show at the end
	recorder->written++;
}

static void end_run(struct recorder *recorder, struct recorder_run *run)
{
	if (run->length > 1)
		write_op(recorder, &run->last);
	run->length = 0;
}

void record(struct recorder *recorder, const struct history_op *op)
{
	struct recorder_run *run = &recorder->runs[op->key];
	bool is_get = op->kind == HISTORY_GET && op->outcome == HISTORY_OK;

	if (is_get && run->length > 0 && op->value == run->last.value && op->version == run->last.version) {
		run->last = *op;
		run->length++;
		return;
	}
	end_run(recorder, run);
	write_op(recorder, op);
	run->last = *op;
	run->length = is_get;
}

int recorder_fini(struct recorder *recorder)
{
	bool is_bad;

	for (unsigned i = 0; i < HISTORY_KEYS_MAX; i++)
		end_run(recorder, &recorder->runs[i]);
	is_bad = ferror(recorder->file);
	return fclose(recorder->file) || is_bad ? -EIO : 0;
}
