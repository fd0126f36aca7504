#include <errno.h>

#include "client/call.h"
#include "client/fetch.h"
#include "client/file_location.h"
#include "client/files.h"

// Reads of several requests that came together: those whose place is remembered are posted one behind the other, and wait once. The others, and those whose place turns out to be another by now, are read by
// themselves.

#define NOT_READ (-EAGAIN)

// True: it is under way.
static bool post(struct far_lane *lane, struct far_read *read, unsigned number, struct fetch_post *fetched)
{
	uint64_t part = read->length;
	const struct located *located = file_find(lane, read->id, read->offset, &part);

	if (!located || part == 0 || located->size <= FAR_INLINE_MAX)
		return false;
	if (fetch_post(lane, located, read->buffer, read->offset, part, number, fetched))
		return false;
	read->result = (ssize_t)part;
	return true;
}

static void read_at_once(struct far_lane *lane, struct far_read *reads, unsigned number_of)
{
	struct fetch_post posts[FAR_READS_MAX];
	bool is_posted[FAR_READS_MAX] = {false};

	for (unsigned i = 0; i < number_of && lane->connection; i++)
		is_posted[i] = post(lane, &reads[i], i, &posts[i]);
	if (call_wait_posts(lane) || !lane->connection) {
		for (unsigned i = 0; i < number_of; i++)
			reads[i].result = NOT_READ;
		return;
	}
	for (unsigned i = 0; i < number_of; i++) {
		if (!is_posted[i])
			continue;
		if (!fetch_post_holds(lane, i, &posts[i])) {
			locate_drop_file(lane, reads[i].id, reads[i].offset);
			count(&lane->statistics.one_sided_retries, 1);
			reads[i].result = NOT_READ;
			continue;
		}
		count(&lane->statistics.one_sided, 1);
		count(&lane->statistics.bytes_read, (uint64_t)reads[i].result);
	}
}

bool far_is_mapped(const struct far_lane *lane)
{
	return lane->caps->has_loads;
}

void far_read_many(struct far_lane *lane, struct far_read *reads, unsigned number_of)
{
	for (unsigned i = 0; i < number_of; i++)
		reads[i].result = NOT_READ;
	call_notice(lane);
	if (!lane->caps->has_loads && call_ready(lane) == 0)
		read_at_once(lane, reads, number_of);
	for (unsigned i = 0; i < number_of; i++)
		if (reads[i].result == NOT_READ)
			reads[i].result = far_read(lane, reads[i].id, reads[i].buffer, reads[i].length, reads[i].offset);
}
