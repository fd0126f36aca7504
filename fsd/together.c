#include "fsd/together.h"

#include "far/clock.h"

#define TOGETHER FAR_READS_MAX
#define WRITE_MAX (2 * FAR_PAGE_SIZE) // larger ones do not fit a message
static_assert(FAR_WRITES_MAX == FAR_READS_MAX, "one size for both");

// A request that is put off.
struct companion {
	fuse_req_t request;
	struct fuse_file_info file;
	struct channel_later *later;
};

#define APPENDS_MAX 256
#define PREDECESSOR_NS 1000000000ULL // so long an append waits for those before it

// An append past the cache, with the place that the kernel means it to have.
struct append {
	struct companion companion;
	struct far_write write;
	uint64_t deadline_ns;
};

static _Thread_local struct {
	unsigned reads_count, writes_count, appends_count;
	struct companion readers[TOGETHER], writers[TOGETHER];
	struct append appends[APPENDS_MAX];
	struct far_read reads[TOGETHER];
	struct far_write writes[TOGETHER];
} together;

// Adds a request to those that wait, if there are others to wait for. NULL: not.
static struct companion *join(struct companion *list, unsigned count, fuse_req_t request, const struct fuse_file_info *file)
{
	bool may_join = count < TOGETHER && !far_is_mapped(filesystem_lane());
	struct channel_later *later = may_join ? channel_defer(false) : NULL;

	if (!later)
		return NULL;
	list[count] = (struct companion){request, *file, later};
	return &list[count];
}

bool together_read(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, const struct fuse_file_info *file)
{
	if (!join(together.readers, together.reads_count, request, file))
		return false;
	together.reads[together.reads_count++] =
	        (struct far_read){.id = ino, .buffer = channel_place(), .length = size, .offset = (uint64_t)offset};
	return true;
}

bool together_write(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t size, off_t offset, const struct fuse_file_info *file)
{
	if (size > WRITE_MAX || !join(together.writers, together.writes_count, request, file))
		return false;
	together.writes[together.writes_count++] =
	        (struct far_write){.id = ino, .buffer = bytes, .length = size, .offset = (uint64_t)offset};
	return true;
}

bool together_append(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t size, off_t offset, const struct fuse_file_info *file)
{
	struct channel_later *later = together.appends_count < APPENDS_MAX ? channel_defer(true) : NULL;

	if (!later)
		return false;
	together.appends[together.appends_count++] = (struct append){
	        .companion = {request, *file, later},
	        .write = {.id = ino, .buffer = bytes, .length = size, .offset = (uint64_t)offset},
	        .deadline_ns = clock_now_ns() + PREDECESSOR_NS,
	};
	return true;
}

// Whether all that shall be before it is there, or will never be.
static bool is_due(const struct append *append)
{
	struct far_attr attr;

	return clock_now_ns() >= append->deadline_ns || far_getattr(filesystem_lane(), append->write.id, &attr) ||
	       attr.size >= append->write.offset;
}

static void finish_append(const struct append *append)
{
	struct far_write write = append->write;

	write.result = far_write(filesystem_lane(), write.id, write.buffer, write.length, write.offset, FAR_WRITE_APPEND);
	channel_resume(append->companion.later);
	filesystem_reply_written(append->companion.request, &append->companion.file, &write);
}

// The one of those that are due that has the lowest place; NULL: none is.
static struct append *first_due(void)
{
	struct append *first = NULL;

	for (unsigned i = 0; i < together.appends_count; i++) {
		struct append *append = &together.appends[i];

		if ((!first || append->write.offset < first->write.offset) && is_due(append))
			first = append;
	}
	return first;
}

static void finish_appends(void)
{
	struct append *append;

	while ((append = first_due())) {
		struct append due = *append;

		*append = together.appends[--together.appends_count];
		finish_append(&due);
	}
}

static void finish_reads(void)
{
	unsigned count = together.reads_count;

	far_read_many(filesystem_lane(), together.reads, count);
	together.reads_count = 0;
	for (unsigned i = 0; i < count; i++) {
		const struct companion *reader = &together.readers[i];
		const struct far_read *read = &together.reads[i];

		channel_resume(reader->later);
		filesystem_reply_read(reader->request, read->id, &reader->file, read->result, read->buffer);
	}
}

static void finish_writes(void)
{
	unsigned count = together.writes_count;

	far_write_many(filesystem_lane(), together.writes, count);
	together.writes_count = 0;
	for (unsigned i = 0; i < count; i++) {
		const struct companion *writer = &together.writers[i];

		channel_resume(writer->later);
		filesystem_reply_written(writer->request, &writer->file, &together.writes[i]);
	}
}

void together_finish(void)
{
	if (together.reads_count > 0)
		finish_reads();
	if (together.writes_count > 0)
		finish_writes();
	if (together.appends_count > 0)
		finish_appends();
}
