#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/put.h"
#include "far/least.h"

// Grants are filled front to back; a range begins at a page boundary. Memory the fabric must know (caps.is_registered_only) is copied through staging, unless it lies in
// the lane's buffer already.

// One part of staging: copied and posted while the server takes over the one before. A put of 1 MiB over shm, both sides on one CPU, median of 3000: 124..126 us
// with parts of 512 KiB, 141 of 1 MiB, 128..131 of 256 KiB, 144 of 128 KiB. On two CPUs no difference could be told.
#define PART (512U << 10)

uint64_t put_granted(const struct far_lane *lane)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < lane->grant_count; i++) {
		const struct lane_grant *grant = &lane->grants[(lane->grant_first + i) % FAR_GRANTS_PER_LANE];

		bytes += grant->length - grant->used;
	}
	return bytes;
}

void put_gather_grants(struct far_lane *lane, uint64_t length)
{
	uint64_t before = UINT64_MAX;

	while (put_granted(lane) < length && put_granted(lane) != before) {
		struct far_request message;
		struct call request = {.op = FAR_OP_PING, .flags = FAR_PING_WANT_GRANT, .message = &message, .length = sizeof(message)};
		struct reply reply;
		int error;

		before = put_granted(lane);
		error = call(lane, &request, sizeof(struct far_reply), &reply);
		reply_release(lane, &reply);
		if (error)
			return; // the write will meet it, too
	}
}

// Where the grant is mapped, if the pool is shared with this process; else NULL.
static char *grant_stores(const struct far_lane *lane, const struct lane_grant *grant)
{
	bool is_inside = grant->length <= lane->pool.length && grant->pool_offset <= lane->pool.length - grant->length;

	return lane->pool.stores && is_inside ? (char *)lane->pool.stores + grant->pool_offset : NULL;
}

static int post_write(struct far_lane *lane, const char *bytes, const struct lane_grant *grant, uint64_t offset, uint64_t length)
{
	for (;;) {
		int error = fabric_post_write(lane->connection, bytes, grant->rkey, offset, length, 1);

		if (error != -EAGAIN) {
			lane->posts += error == 0;
			return error;
		}
		error = fabric_flush(lane->connection);
		if (!error)
			error = call_poll(lane);
		if (error)
			return error;
	}
}

// Waits until one of staging's parts is free: parts leave in the order in which they were posted.
static int wait_for_part(struct far_lane *lane)
{
	int error = 0;

	while (!error && lane->posts - lane->posts_done >= LANE_STAGING / PART) {
		error = fabric_flush(lane->connection);
		if (!error)
			error = call_poll(lane);
	}
	return error;
}

// Fills one grant. Memory that must be copied goes by parts of staging, each flushed at once, so that it is taken over while the next is copied.
static int fill(struct far_lane *lane, const char *bytes, const struct lane_grant *grant, uint64_t offset, uint64_t length)
{
	char *stores = grant_stores(lane, grant);

	if (stores) {
		memcpy(stores + offset, bytes, length);
		return 0;
	}
	if (lane_can_post(lane, bytes, length))
		return post_write(lane, bytes, grant, offset, length);
	for (uint64_t done = 0; done < length;) {
		uint64_t part = least(length - done, PART);
		int error = wait_for_part(lane);
		char *staged = lane_staging(lane) + lane->posts % (LANE_STAGING / PART) * PART;

		if (error)
			return error;
		memcpy(staged, bytes + done, part);
		error = post_write(lane, staged, grant, offset + done, part);
		done += part;
		if (!error && done < length)
			error = fabric_flush(lane->connection);
		if (error)
			return error;
	}
	return 0;
}

int64_t put_into_grants(struct far_lane *lane, const void *bytes, uint64_t length, struct put_ranges *ranges)
{
	uint64_t done = 0;

	ranges->count = 0;
	while (done < length && lane->grant_count > 0) {
		struct lane_grant *grant = &lane->grants[lane->grant_first];
		uint64_t part = least(length - done, grant->length - grant->used);
		int error = fill(lane, (const char *)bytes + done, grant, grant->used, part);

		if (error) {
			if (lane->connection)
				error = call_lost(lane, error);
			return error;
		}
		ranges->ranges[ranges->count++] = (struct far_range){.grant = grant->id, .offset = grant->used, .length = (uint32_t)part};
		grant->used += (uint32_t)((part + FAR_PAGE_SIZE - 1) & ~(uint64_t)(FAR_PAGE_SIZE - 1));
		done += part;
		if (grant->used == grant->length) {
			lane->grant_first = (lane->grant_first + 1) % FAR_GRANTS_PER_LANE;
			lane->grant_count--;
		}
	}
	return (int64_t)done;
}
