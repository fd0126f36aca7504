#include "client/get_many_load.h"

#include <errno.h>

#include "client/call.h"
#include "client/get.h"
#include "client/locate.h"

// A block of items goes through three steps, so that what one of them waits for from memory comes while the others are looked at: where its entry is, what the entry leads to, the copy with its check. A key that is remembered was
// checked before it was sent: the hash that stands for it stands for no other.

#define BLOCK_ITEMS 16U // as many lines as a processor of today fetches at a time
#define LOOK_ITEMS 64U  // between two looks whether the server is still there: loads would not tell

struct wanted {
	struct far_get_item *item;
	struct locate_hash hash;
	const struct located *located;
	uint64_t good_until_ns;
	uint64_t length;
};

struct block {
	struct wanted wanted[BLOCK_ITEMS];
	unsigned count;
	uint64_t bytes; // of what was found
	unsigned found;
};

static void add(struct far_lane *lane, struct block *block, struct far_get_item *item)
{
	struct wanted *wanted = &block->wanted[block->count];

	if (item->key_length == 0 || item->key_length > FAR_KEY_MAX)
		return;
	wanted->item = item;
	wanted->hash = locate_hash_key(lane, item->key, item->key_length);
	locate_prefetch(lane, wanted->hash);
	block->count++;
}

static void find(const struct far_lane *lane, struct wanted *wanted)
{
	const struct located *located = locate_find_key(lane, wanted->hash);

	wanted->located = NULL;
	if (!located)
		return;
	wanted->good_until_ns = located->good_until_ns;
	wanted->length = wanted->item->room < located->size ? wanted->item->room : located->size;
	wanted->located = locate_find_range(lane, located, 0, wanted->length);
	if (wanted->located)
		fetch_prefetch(lane, wanted->located);
}

static void load(struct far_lane *lane, struct block *block, const struct wanted *wanted)
{
	const struct located *located = wanted->located;
	struct far_get_item *item = wanted->item;

	if (fetch(lane, located, get_rule(item->key, item->key_length), item->buffer, 0, wanted->length) != 1) {
		locate_drop_file(lane, located->id, 0);
		locate_drop_key(lane, wanted->hash);
		count(&lane->statistics.one_sided_retries, 1);
	} else if (locate_is_over(wanted->good_until_ns)) {
		locate_drop_key(lane, wanted->hash);
	} else {
		item->size = located->size;
		item->version = located->version;
		item->result = 0;
		block->bytes += wanted->length;
		block->found++;
	}
}

static void load_block(struct far_lane *lane, struct block *block)
{
	for (unsigned i = 0; i < block->count; i++)
		find(lane, &block->wanted[i]);
	for (unsigned i = 0; i < block->count; i++)
		if (block->wanted[i].located)
			load(lane, block, &block->wanted[i]);
	count(&lane->statistics.one_sided, block->found);
	count(&lane->statistics.bytes_read, block->bytes);
}

size_t get_many_load(struct far_lane *lane, struct far_get_item *items, size_t number)
{
	size_t found = 0;

	for (size_t next = 0; next < number;) {
		size_t end = number - next > BLOCK_ITEMS ? next + BLOCK_ITEMS : number;
		struct block block;

		if (next % LOOK_ITEMS == 0)
			call_notice(lane);
		if (!lane->connection)
			break; // what was remembered is void
		block.count = block.found = 0;
		block.bytes = 0;
		for (; next < end; next++)
			if (items[next].result > 0)
				add(lane, &block, &items[next]);
		load_block(lane, &block);
		found += block.found;
	}
	return found;
}
