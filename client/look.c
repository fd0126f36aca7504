#include "client/look.h"

#include <errno.h>
#include <string.h>

#include "client/fetch.h"

// All parts of one look are fetched in their order: posted together, or loaded with fences between. They land in the last page of the lane's staging, behind what fetch.c keeps there.

static bool is_inside(const struct far_lane *lane, uint64_t offset, uint64_t length)
{
	return offset <= lane->pool_length && length <= lane->pool_length - offset;
}

static bool has_readable_state(uint64_t word)
{
	unsigned state = FAR_WORD_STATE(word);

	return state == FAR_RECORD_LIVE || state == FAR_RECORD_ORPHAN;
}

int look_at(struct far_lane *lane, uint64_t offset, uint32_t behind, const struct look **out)
{
	struct look *look = fetch_scratch(lane);
	uint64_t length = sizeof(look->record) + behind;
	int error;

	if (!is_inside(lane, offset, sizeof(look->record)))
		return 0;
	if (!is_inside(lane, offset, length))
		length = lane->pool_length - offset;
	{
		const struct fetch_part parts[] = {
		        {&look->before, offset, sizeof(look->before)},
		        {&look->record, offset, length},
		        {&look->word, offset, 3 * sizeof(uint64_t)},
		        {&look->epoch, offsetof(struct far_pool_header, location_epoch), 2 * sizeof(uint64_t)},
		};

		error = fetch_parts(lane, parts, sizeof(parts) / sizeof(parts[0]));
	}
	if (error)
		return error;
	lane_note_probing(lane, look->probing);
	*out = look;
	return look->before == look->word && has_readable_state(look->word);
}
static_assert(offsetof(struct far_pool_header, probing) == offsetof(struct far_pool_header, location_epoch) + 8, "fetched together");
static_assert(offsetof(struct look, behind) == offsetof(struct look, record) + sizeof(struct far_record), "fetched together");
static_assert(sizeof(struct look) <= FETCH_SCRATCH, "fits");
static_assert(sizeof(struct look_bucket) <= FETCH_SCRATCH, "fits");

int look_at_bucket(struct far_lane *lane, uint64_t bucket, uint64_t entry, const struct look_bucket **out)
{
	struct look_bucket *look = fetch_scratch(lane);
	struct fetch_part parts[3];
	unsigned count = 0;
	int error;

	if (!is_inside(lane, bucket, sizeof(look->slots)) || !is_inside(lane, entry, sizeof(look->chunk)))
		return 0;
	if (bucket)
		parts[count++] = (struct fetch_part){look->slots, bucket, sizeof(look->slots)};
	parts[count++] = (struct fetch_part){&look->chunk, entry, sizeof(look->chunk)};
	parts[count++] = (struct fetch_part){&look->header, 0, sizeof(look->header)};
	error = fetch_parts(lane, parts, count);
	if (error)
		return error;
	lane_note_probing(lane, atomic_load_explicit(&look->header.probing, memory_order_relaxed));
	*out = look;
	return 1;
}
