#include "server/quota_count.h"

#include <stdatomic.h>

#include "far/clock.h"
#include "server/directory.h"
#include "server/object.h"
#include "server/quota.h"
#include "server/record.h"
#include "server/xattr.h"

#define ENTRIES_PER_LOOK 16U // at the clock

void quota_count_begin(const struct server *server, struct quota *quota)
{
	quota->count = (struct quota_count){.is_under_way = true, .place.directory = quota->id};
	quota->count.met.bytes = xattr_memory(server, object_peek(server, quota->id));
	if (!quota->is_counted)
		quota->used = quota->count.met;
}

// --- places ---

static void leave(struct quota_place *place, const struct far_record *directory)
{
	if (place->directory == directory->id)
		*place = (struct quota_place){directory->parent, directory->cookie};
}

void quota_walk_leave(struct quota *quota, const struct far_record *directory)
{
	leave(&quota->count.place, directory);
	leave(&quota->hand, directory);
}

// How many directories are above it, up to the top.
static uint64_t depth_of(const struct server *server, const struct quota_place *place, uint64_t top)
{
	const struct far_record *directory;
	uint64_t depth = 0;

	for (uint64_t id = place->directory; id != top && (directory = object_peek(server, id)) != NULL; id = directory->parent)
		depth++;
	return depth;
}

// The entry of the directory that the place is in.
static void go_up(const struct server *server, struct quota_place *place)
{
	const struct far_record *directory = object_peek(server, place->directory);

	*place = (struct quota_place){directory->parent, directory->cookie};
}

bool quota_count_has(const struct server *server, const struct quota *quota, const struct quota_charge *charge)
{
	struct quota_place name = {charge->parent, charge->cookie};
	struct quota_place walk = quota->count.place;
	uint64_t name_depth = depth_of(server, &name, quota->id);
	uint64_t walk_depth = depth_of(server, &walk, quota->id);

	for (; name_depth > walk_depth; name_depth--)
		go_up(server, &name);
	for (; walk_depth > name_depth; walk_depth--)
		go_up(server, &walk);
	while (name.directory != walk.directory) {
		go_up(server, &name);
		go_up(server, &walk);
	}
	return name.cookie <= walk.cookie; // a directory that the walk is in has been counted itself
}

bool quota_count_is_in(const struct server *server, const struct quota *quota, const struct far_record *directory)
{
	struct quota_place walk = quota->count.place;

	while (walk.directory != directory->id) {
		if (walk.directory == quota->id)
			return false;
		go_up(server, &walk);
	}
	return true;
}

// --- the walk ---

struct far_record *quota_walk_next(const struct server *server, const struct quota *quota, struct quota_place *place)
{
	struct far_record *name;
	uint64_t offset;

	while ((offset = directory_next(server->pool, object_peek(server, place->directory), place->cookie)) == 0) {
		if (place->directory == quota->id)
			return NULL;
		go_up(server, place);
	}
	name = record_at(server->pool, offset);
	place->cookie = name->cookie;
	if (object_is_directory(name))
		*place = (struct quota_place){name->id, 0};
	return name;
}

// A further name is charged with its object's first.
static void count_one(const struct server *server, struct quota_count *count, const struct far_record *name)
{
	if (FAR_WORD_STATE(atomic_load_explicit(&name->word, memory_order_relaxed)) == FAR_RECORD_LINK)
		return;
	count->met.bytes += quota_charge_of(server, name).bytes;
	count->met.objects++;
}

bool quota_count_step(struct server *server, struct quota *quota, uint64_t budget_ns)
{
	uint64_t until_ns = budget_ns > UINT64_MAX / 2 ? UINT64_MAX : clock_now_ns() + budget_ns;

	quota_settle(server);
	for (uint32_t entries = 1; quota->count.is_under_way; entries++) {
		const struct far_record *name = quota_walk_next(server, quota, &quota->count.place);

		if (name)
			count_one(server, &quota->count, name);
		else
			quota->count.is_under_way = false;
		if (entries % ENTRIES_PER_LOOK == 0 && quota->count.is_under_way && clock_now_ns() >= until_ns)
			break;
	}
	if (!quota->is_counted) {
		quota->used = quota->count.met;
		quota->is_counted = !quota->count.is_under_way;
		server->quotas->counting -= quota->is_counted;
	}
	return !quota->count.is_under_way;
}

bool quota_is_counting(const struct server *server)
{
	return server->quotas && server->quotas->counting > 0;
}

bool quota_sweep(struct server *server, uint64_t budget_ns)
{
	struct quota *quota;

	if (!quota_is_counting(server))
		return false;
	for (quota = server->quotas->first; quota->is_counted;)
		quota = quota->next;
	quota_count_step(server, quota, budget_ns);
	return quota_is_counting(server);
}
