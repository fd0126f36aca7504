#include "server/quota.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "far/log.h"
#include "server/key_path.h"
#include "server/object.h"
#include "server/record.h"
#include "server/xattr.h"

// --- charges ---

uint64_t quota_value_bytes(const struct far_record *value)
{
	if (value->value_kind == FAR_VALUE_BLOCK)
		return value->u.value.extents;
	return value->value_kind >= FAR_VALUE_EXTENT ? (uint64_t)value->u.value.pages << FAR_PAGE_SHIFT : 0;
}

struct quota_charge quota_charge_of(const struct server *server, const struct far_record *object)
{
	bool has_value = S_ISREG(object->mode) || S_ISLNK(object->mode);
	uint64_t further_names = !S_ISDIR(object->mode) && object->nlink > 1 ? object->nlink - 1 : 0;

	return (struct quota_charge){
	        .bytes = record_size(object) + further_names * sizeof(*object) + (has_value ? quota_value_bytes(object) : 0) +
	                 xattr_memory(server, object),
	        .parent = object != server->root ? object->parent : 0,
	        .cookie = object->cookie,
	};
}

static void change(struct quota_amount *amount, const struct quota_amount *more)
{
	amount->bytes += more->bytes;
	amount->objects += more->objects;
}

// What a count under way has not come to, it will. `more` may be less: numbers that wrap.
static void account_to(struct quota *quota, bool is_counted_now, const struct quota_amount *more)
{
	if (is_counted_now)
		change(&quota->count.met, more);
	if (quota->is_counted)
		change(&quota->used, more);
	else
		quota->used = quota->count.met;
}

// To all that the charge is on account of.
static void account_above(struct server *server, const struct quota_charge *charge, const struct quota_amount *more)
{
	uint64_t at = charge->bytes ? charge->parent : 0;
	struct quota *quota;

	while ((quota = quota_next_above(server, &at)) != NULL)
		account_to(quota, quota->count.is_under_way && quota_count_has(server, quota, charge), more);
}

static void account(struct server *server, const struct quota_charge *charge, bool is_added)
{
	const struct quota_amount more = {is_added ? charge->bytes : -charge->bytes, is_added ? 1 : (uint64_t)-1};

	account_above(server, charge, &more);
}

// A directory that quotas know.
static bool is_charged_directory(const struct far_record *object)
{
	unsigned state = FAR_WORD_STATE(atomic_load_explicit(&object->word, memory_order_relaxed));

	return S_ISDIR(object->mode) && object->nlink > 0 && state != FAR_RECORD_FREE;
}

void quotas_attributes_changed(struct server *server, const struct far_record *object, uint64_t before)
{
	const struct quota_amount more = {xattr_memory(server, object) - before, 0};
	struct quota_charge charge;
	struct quota *own;

	if (!is_charged_directory(object))
		return; // it has been met, or nobody can find it yet, or any more
	charge = quota_charge_of(server, object);
	account_above(server, &charge, &more);
	own = quota_of(server, object);
	if (own)
		account_to(own, own->count.is_under_way, &more);
}

static bool is_same(const struct quota_charge *a, const struct quota_charge *b)
{
	return a->bytes == b->bytes && a->parent == b->parent && a->cookie == b->cookie;
}

// --- what the request under way has met ---

static void settle(struct server *server, struct quota_met *met)
{
	struct quota_charge now = {0};

	if (!met->object)
		return;
	if (met->object->nlink > 0)
		now = quota_charge_of(server, met->object);
	if (is_same(&now, &met->before))
		return;
	account(server, &met->before, false);
	account(server, &now, true);
	met->before = now;
}

static struct quota_met *find_met(struct quotas *quotas, const struct far_record *object)
{
	for (uint32_t i = 0; i < QUOTA_MET; i++)
		if (quotas->met[i].object == object)
			return &quotas->met[i];
	return NULL;
}

// A free place, or that of the one found longest ago: what is found again keeps its own, and what ends leaves its, so that many may.
static struct quota_met *place_for_next(struct quotas *quotas)
{
	struct quota_met *oldest = &quotas->met[0];

	for (uint32_t i = 0; i < QUOTA_MET; i++) {
		if (!quotas->met[i].object)
			return &quotas->met[i];
		if (quotas->met[i].turn < oldest->turn)
			oldest = &quotas->met[i];
	}
	return oldest;
}

void quotas_meet(struct server *server, const struct far_record *object)
{
	struct quotas *quotas = server->quotas;
	struct quota_met *place;

	if (S_ISDIR(object->mode) || object->nlink == 0)
		return;
	place = find_met(quotas, object);
	if (!place) {
		place = place_for_next(quotas);
		settle(server, place);
		*place = (struct quota_met){.object = object, .before = quota_charge_of(server, object)};
	}
	place->turn = ++quotas->turns;
}

void quotas_settle(struct server *server)
{
	for (uint32_t i = 0; i < QUOTA_MET; i++) {
		settle(server, &server->quotas->met[i]);
		server->quotas->met[i].object = NULL;
	}
	server->quotas->looked_at = 0;
}

// So that the accounts are what they are at this moment.
static void settle_so_far(struct server *server)
{
	for (uint32_t i = 0; i < QUOTA_MET; i++)
		settle(server, &server->quotas->met[i]);
}

void quotas_add(struct server *server, const struct far_record *object)
{
	struct quota_charge charge = quota_charge_of(server, object);

	account(server, &charge, true);
	quotas_meet(server, object);
	quotas_offer(server, object);
}

static void drop_directory(struct server *server, struct far_record *directory)
{
	struct quota_charge charge = quota_charge_of(server, directory);
	uint64_t at = charge.parent;
	struct quota *quota;

	account(server, &charge, false);
	while ((quota = quota_next_above(server, &at)) != NULL)
		quota_walk_leave(quota, directory);
	quota_remove(server, directory); // if it has one
}

void quotas_drop(struct server *server, struct far_record *object)
{
	struct quota_met *met;

	if (S_ISDIR(object->mode)) {
		drop_directory(server, object);
		return;
	}
	met = find_met(server->quotas, object);
	settle(server, met);
	met->object = NULL;
}

// --- limits ---

// How much more one is than the other.
static uint64_t above(uint64_t larger, uint64_t smaller)
{
	return larger > smaller ? larger - smaller : 0;
}

static bool has_room(const struct quota *quota, const struct quota_amount *more)
{
	return more->bytes <= quota_bytes_left(quota) && more->objects <= quota_objects_left(quota);
}

static bool can_have_room(const struct quota *quota, const struct quota_amount *more)
{
	return more->bytes <= quota->limits.bytes && more->objects <= quota->limits.objects;
}

// What is asked of the quotas at or above a directory, up to one that is not asked (NULL: of all).
struct demand {
	uint64_t directory;
	const struct quota *until;
	struct quota_amount more;
};

// The first of them that does not allow it, or NULL.
static struct quota *find_refusing(const struct server *server, const struct demand *demand,
        bool (*allows)(const struct quota *quota, const struct quota_amount *more))
{
	uint64_t at = demand->directory;
	struct quota *quota;

	while ((quota = quota_next_above(server, &at)) != demand->until)
		if (!allows(quota, &demand->more))
			return quota;
	return NULL;
}

// Makes room by eviction, unless one of them could not have it whatever goes. The one that is in the way, or NULL.
static struct quota *find_in_the_way(struct server *server, const struct demand *demand)
{
	struct quota *quota = find_refusing(server, demand, has_room);
	struct quota *too_small = quota ? find_refusing(server, demand, can_have_room) : NULL;

	while (quota && !too_small && quota_evict(server, quota))
		quota = find_refusing(server, demand, has_room);
	if (too_small)
		quota = too_small;
	if (quota)
		server->quotas->short_of = quota;
	return quota;
}

int quotas_require(struct server *server, uint64_t directory, uint64_t bytes, uint64_t objects)
{
	const struct demand demand = {.directory = directory, .more = {bytes, objects}};

	settle_so_far(server);
	return find_in_the_way(server, &demand) ? -EDQUOT : 0;
}

uint64_t quotas_room(struct server *server, const struct far_record *object, uint64_t wanted)
{
	// What nobody can find yet is not charged.
	struct demand demand = {.directory = find_met(server->quotas, object) ? object->parent : 0, .more.bytes = wanted};
	struct quota *quota;

	settle_so_far(server);
	while ((quota = find_in_the_way(server, &demand)) != NULL)
		demand.more.bytes = quota_bytes_left(quota);
	return demand.more.bytes;
}

int quotas_require_value(struct server *server, const struct far_record *object, const struct far_record *value)
{
	uint64_t more = above(quota_value_bytes(value), quota_value_bytes(object));

	return quota_room(server, object, more) < more ? -EDQUOT : 0;
}

int quotas_require_attributes(struct server *server, const struct far_record *object, uint64_t more)
{
	if (is_charged_directory(object))
		return quotas_require(server, object_id(server, object), more, 0);
	return quotas_room(server, object, more) < more ? -EDQUOT : 0;
}

static void tell_exceeded(struct server *server, const struct quota *quota)
{
	struct key_path path;
	struct far_span key = {"", 0};

	if (key_path_of(server, object_peek(server, quota->id), &path))
		key = key_path_span(&path);
	log_warning("quota exceeded: what needs more is refused bytes=%llu objects=%llu directory=\"/%.*s\"",
	        (unsigned long long)quota->used.bytes, (unsigned long long)quota->used.objects, (int)key.length, (const char *)key.bytes);
}

struct quota *quota_refuse(struct server *server)
{
	struct quota *quota = server->quotas ? server->quotas->short_of : NULL;

	server->figures.quota_refusals++;
	if (!quota)
		return NULL;
	quota->refusals++;
	if (!quota->was_exceeded)
		tell_exceeded(server, quota);
	quota->was_exceeded = true;
	return quota;
}

// --- moving ---

static bool is_above(const struct server *server, const struct quota *quota, uint64_t directory)
{
	const struct quota *at;

	while ((at = quota_next_above(server, &directory)) != NULL)
		if (at == quota)
			return true;
	return false;
}

// A count that has come to one of the places and not to the other, or to a part of what is below the directory, would count some of it twice, or not at all. A second count begins anew; the first one is
// what there is, so nobody is to keep it from its end.
static int may_move_directory(struct server *server, const struct quota_move *move)
{
	const struct quota_charge before = quota_charge_of(server, move->object);
	const struct quota_charge behind = {.bytes = before.bytes, .parent = move->to, .cookie = move->cookie};
	uint64_t at = move->to;
	struct quota *quota;

	while ((quota = quota_next_above(server, &at)) != NULL) {
		if (!quota->count.is_under_way)
			continue;
		if (!quota_count_is_in(server, quota, move->object) &&
		        quota_count_has(server, quota, &before) == quota_count_has(server, quota, &behind))
			continue;
		if (!quota->is_counted)
			return -EXDEV;
		quota_count_begin(server, quota);
	}
	return 0;
}

int quotas_may_move(struct server *server, const struct quota_move *move)
{
	struct quota_charge charge = quota_charge_of(server, move->object);
	uint64_t freed = move->goes ? quota_charge_of(server, move->goes).bytes : 0;
	struct demand demand = {.directory = move->to, .more = {above(charge.bytes, freed), move->goes ? 0 : 1}};
	uint64_t at = move->to;

	if (quota_nearest(server, move->from) == quota_nearest(server, move->to))
		return S_ISDIR(move->object->mode) ? may_move_directory(server, move) : 0;
	if (S_ISDIR(move->object->mode))
		return -EXDEV;
	settle_so_far(server);
	do
		demand.until = quota_next_above(server, &at);
	while (demand.until && !is_above(server, demand.until, move->from));
	return find_in_the_way(server, &demand) ? -EDQUOT : 0;
}
