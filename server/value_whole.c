// Bytes put into a value all at once: what may want memory is done first and is not seen (pages of zeros behind the end, or in a hole); then the bytes find their place, and readers of the record meanwhile find it
// BUSY (layout.h R6), so that none takes a part of them for the whole.
#include <stdatomic.h>

#include "server/record.h"
#include "server/value_inside.h"

// Memory for all bytes, a change of its own: it may move the value, and readers may meet it there before the bytes are.
static int make_room(struct server *server, struct far_record *object, uint64_t offset, uint64_t length)
{
	struct value_change change = {.server = server, .record = object};

	if (length == 0 || value_is_small(object, offset + length))
		return 0; // small values are changed whole or not at all
	return value_fill(&change, offset, offset + length);
}

int value_write_whole(struct server *server, struct far_record *record, uint64_t offset, const struct value_source *sources, uint32_t count)
{
	struct value_change change = {.server = server, .record = record};
	enum far_record_state state = (enum far_record_state)FAR_WORD_STATE(atomic_load_explicit(&record->word, memory_order_relaxed));
	uint64_t length = 0;
	int64_t written = 0;
	int error;

	for (uint32_t i = 0; i < count; i++)
		length += sources[i].length;
	error = make_room(server, record, offset, length);
	if (state != FAR_RECORD_FREE)
		record_publish(record, FAR_RECORD_BUSY);
	for (uint32_t i = 0; i < count && !error && written >= 0; i++) {
		written = value_write(&change, offset, &sources[i]);
		offset += sources[i].length;
	}
	if (state != FAR_RECORD_FREE)
		record_publish(record, state);
	return error ? error : written < 0 ? (int)written : 0;
}
