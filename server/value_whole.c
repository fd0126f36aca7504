// Bytes put into a value all at once, or none of them: memory for all is there before the first byte is changed (the small value's, or pages of zeros behind the end and in holes, which nobody tells from none). From then on nothing can
// fail, and readers of the record find it BUSY (layout.h R6) until the last byte has its place, so that none takes a part of them for the whole.
#include "server/value_inside.h"

static int make_room(struct value_change *change, uint64_t offset, uint64_t length)
{
	uint64_t size = value_size(change->record);
	uint64_t end = offset + length;

	if (value_is_small(change->record, end))
		return value_small_reserve(change, end > size ? end : size);
	return value_fill(change, offset, end);
}

int value_write_whole(struct server *server, struct far_record *record, uint64_t offset, const struct value_source *sources, uint32_t count)
{
	struct value_change change = {.server = server, .record = record, .stays_hidden = true};
	uint64_t length = 0;
	int error;

	for (uint32_t i = 0; i < count; i++)
		length += sources[i].length;
	if (length == 0)
		return 0;
	error = make_room(&change, offset, length);
	if (!error)
		value_hide(&change);
	for (uint32_t i = 0; i < count && !error; i++) {
		int64_t written = value_write(&change, offset, &sources[i]);

		error = written < 0 ? (int)written : 0;
		offset += sources[i].length;
	}
	change.stays_hidden = false;
	value_show(&change);
	return error;
}
