#include "server/quota.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "far/log.h"
#include "server/key_path.h"
#include "server/object.h"
#include "server/record.h"

// --- the table ---

uint32_t quota_count_all(const struct server *server)
{
	return server->quotas ? server->quotas->by_directory.used : 0;
}

struct quota *quota_of(const struct server *server, const struct far_record *directory)
{
	const uint64_t *place;

	if (!(directory->flags & FAR_RECORD_QUOTA))
		return NULL;
	place = id_table_find(&server->quotas->by_directory, object_id(server, directory));
	return place ? (struct quota *)(uintptr_t)*place : NULL;
}

struct quota *quota_behind(const struct server *server, uint64_t number)
{
	struct quota *quota = server->quotas ? server->quotas->first : NULL;

	while (quota && quota->number <= number)
		quota = quota->next;
	return quota;
}

// The next one at or above the directory *id, which becomes the id of what is above that; 0: nothing is.
static struct quota *next_above(const struct server *server, uint64_t *id)
{
	struct quota *quota = NULL;

	while (*id && !quota) {
		const struct far_record *directory = object_peek(server, *id);

		quota = directory ? quota_of(server, directory) : NULL;
		*id = directory && directory != server->root ? directory->parent : 0;
	}
	return quota;
}

struct quota *quota_nearest(const struct server *server, uint64_t directory)
{
	return server->quotas ? next_above(server, &directory) : NULL;
}

static const struct quota *tighter(const struct quota *one, const struct quota *other, uint64_t (*left)(const struct quota *quota))
{
	return !one || left(other) < left(one) ? other : one;
}

void quota_tightest(
        const struct server *server, const struct far_record *object, const struct quota **of_bytes, const struct quota **of_objects)
{
	uint64_t at = object_is_directory(object) ? object_id(server, object) : object->parent;
	const struct quota *quota;

	*of_bytes = *of_objects = NULL;
	if (!server->quotas || object->nlink == 0)
		return;
	while ((quota = next_above(server, &at)) != NULL) {
		if (quota->limits.bytes != UINT64_MAX)
			*of_bytes = tighter(*of_bytes, quota, quota_bytes_left);
		if (quota->limits.objects != UINT64_MAX)
			*of_objects = tighter(*of_objects, quota, quota_objects_left);
	}
}

// Nobody has any: requests are not looked at any more.
static void free_table_if_empty(struct server *server)
{
	if (server->quotas->first)
		return;
	id_table_fini(&server->quotas->by_directory);
	free(server->quotas);
	server->quotas = NULL;
}

static struct quota *new_quota(struct server *server, uint64_t id)
{
	struct quota *quota = calloc(1, sizeof(*quota));
	uint64_t *place = quota ? id_table_add(&server->quotas->by_directory, id) : NULL;

	if (!place) {
		free(quota);
		return NULL;
	}
	*place = (uintptr_t)quota;
	quota->number = ++server->quota_last;
	quota->id = id;
	server->quotas->counting++;
	if (server->quotas->last)
		server->quotas->last->next = quota;
	else
		server->quotas->first = quota;
	server->quotas->last = quota;
	return quota;
}

static int add_quota(struct server *server, struct far_record *directory, struct quota **quota)
{
	if (quota_count_all(server) == FAR_QUOTAS_MAX)
		return -EMFILE;
	if (!server->quotas)
		server->quotas = calloc(1, sizeof(*server->quotas));
	if (!server->quotas)
		return -ENOMEM;
	*quota = new_quota(server, object_id(server, directory));
	if (!*quota) {
		free_table_if_empty(server);
		return -ENOMEM;
	}
	directory->flags |= FAR_RECORD_QUOTA;
	quota_walk_restart(*quota);
	quota_count_begin(*quota);
	return 0;
}

int quota_set(struct server *server, struct far_record *directory, const struct quota_amount *limits)
{
	struct quota *quota;
	int error;

	if (!object_is_directory(directory))
		return -ENOTDIR;
	if (directory->nlink == 0)
		return -ENOENT;
	if ((!limits->bytes && !limits->objects) || limits->bytes > FAR_QUOTA_LIMIT_MAX || limits->objects > FAR_QUOTA_LIMIT_MAX)
		return -EINVAL;
	quota = quota_of(server, directory);
	error = quota ? 0 : add_quota(server, directory, &quota);
	if (error)
		return error;
	quota->limits.bytes = limits->bytes ? limits->bytes : UINT64_MAX;
	quota->limits.objects = limits->objects ? limits->objects : UINT64_MAX;
	quota->was_exceeded = false;
	if (!quota->is_counted)
		quota_count_step(server, quota, FAR_QUOTA_STEP_NS);
	return 0;
}

static void remove_quota(struct server *server, struct quota *quota)
{
	struct quotas *quotas = server->quotas;
	struct quota *before = NULL;

	for (struct quota *at = quotas->first; at != quota; at = at->next)
		before = at;
	if (before)
		before->next = quota->next;
	else
		quotas->first = quota->next;
	if (quotas->last == quota)
		quotas->last = before;
	if (quotas->short_of == quota)
		quotas->short_of = NULL;
	if (!quota->is_counted)
		quotas->counting--;
	id_table_remove(&quotas->by_directory, quota->id);
	free(quota);
	free_table_if_empty(server);
}

int quota_remove(struct server *server, struct far_record *directory)
{
	struct quota *quota = quota_of(server, directory);

	if (!quota)
		return -ENODATA;
	directory->flags &= ~FAR_RECORD_QUOTA & FAR_RECORD_FLAGS;
	remove_quota(server, quota);
	return 0;
}

void quota_free_all(struct server *server)
{
	while (server->quotas)
		remove_quota(server, server->quotas->first);
}

// --- charges ---

uint64_t quota_value_bytes(const struct far_record *value)
{
	if (value->value_kind == FAR_VALUE_BLOCK)
		return value->u.value.extents;
	return value->value_kind >= FAR_VALUE_EXTENT ? (uint64_t)value->u.value.pages << FAR_PAGE_SHIFT : 0;
}

struct quota_charge quota_charge_of(const struct far_record *object)
{
	bool has_value = S_ISREG(object->mode) || S_ISLNK(object->mode);
	uint64_t further_names = !S_ISDIR(object->mode) && object->nlink > 1 ? object->nlink - 1 : 0;

	return (struct quota_charge){
	        .bytes = record_size(object) + further_names * sizeof(*object) + (has_value ? quota_value_bytes(object) : 0),
	        .parent = object->parent,
	        .cookie = object->cookie,
	};
}

static void change(struct quota_amount *amount, const struct quota_charge *charge, bool is_added)
{
	amount->bytes += is_added ? charge->bytes : -charge->bytes;
	amount->objects += is_added ? 1 : (uint64_t)-1;
}

// What a count under way has not come to, it will.
static void account(struct server *server, const struct quota_charge *charge, bool is_added)
{
	uint64_t at = charge->bytes ? charge->parent : 0;
	struct quota *quota;

	while ((quota = next_above(server, &at)) != NULL) {
		if (quota->count.is_under_way && quota_count_has(server, quota, charge))
			change(&quota->count.met, charge, is_added);
		if (quota->is_counted)
			change(&quota->used, charge, is_added);
		else
			quota->used = quota->count.met;
	}
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
		now = quota_charge_of(met->object);
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

// A free place, or that of the one met longest ago. What ends leaves its place, so that many may, and nothing that stays loses its own.
static void remember(struct server *server, const struct far_record *object)
{
	struct quotas *quotas = server->quotas;
	struct quota_met *place = NULL;

	for (uint32_t i = 0; i < QUOTA_MET && !place; i++)
		if (!quotas->met[i].object)
			place = &quotas->met[i];
	if (!place) {
		place = &quotas->met[quotas->met_next++ % QUOTA_MET];
		settle(server, place);
	}
	*place = (struct quota_met){object, quota_charge_of(object)};
}

void quotas_meet(struct server *server, const struct far_record *object)
{
	if (!S_ISDIR(object->mode) && object->nlink > 0 && !find_met(server->quotas, object))
		remember(server, object);
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
	struct quota_charge charge = quota_charge_of(object);

	account(server, &charge, true);
	quotas_meet(server, object);
}

static void drop_directory(struct server *server, const struct far_record *directory)
{
	struct quota_charge charge = quota_charge_of(directory);
	uint64_t at = charge.parent;
	struct quota *quota;

	account(server, &charge, false);
	while ((quota = next_above(server, &at)) != NULL)
		quota_walk_leave(quota, directory);
	quota = quota_of(server, directory);
	if (quota)
		remove_quota(server, quota);
}

void quotas_drop(struct server *server, const struct far_record *object)
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

// Room is made by eviction, if that can be enough. False: it is in the way.
static bool make_room(struct server *server, struct quota *quota, const struct quota_amount *more)
{
	while (!has_room(quota, more))
		if (more->bytes > quota->limits.bytes || more->objects > quota->limits.objects || !quota_evict(server, quota)) {
			server->quotas->short_of = quota;
			return false;
		}
	return true;
}

int quotas_require(struct server *server, uint64_t directory, uint64_t bytes, uint64_t objects)
{
	const struct quota_amount more = {bytes, objects};
	struct quota *quota;

	settle_so_far(server);
	while ((quota = next_above(server, &directory)) != NULL)
		if (!make_room(server, quota, &more))
			return -EDQUOT;
	return 0;
}

uint64_t quotas_room(struct server *server, const struct far_record *object, uint64_t wanted)
{
	uint64_t at = find_met(server->quotas, object) ? object->parent : 0; // what nobody can find yet is not charged
	struct quota *quota;

	settle_so_far(server);
	while ((quota = next_above(server, &at)) != NULL)
		if (!make_room(server, quota, &(struct quota_amount){.bytes = wanted}))
			wanted = quota_bytes_left(quota);
	return wanted;
}

int quotas_require_value(struct server *server, const struct far_record *object, const struct far_record *value)
{
	uint64_t more = above(quota_value_bytes(value), quota_value_bytes(object));

	return quota_room(server, object, more) < more ? -EDQUOT : 0;
}

static void tell_exceeded(struct server *server, const struct quota *quota)
{
	struct key_path path;
	struct far_span key = {"", 0};

	if (key_path_of(server, object_peek(server, quota->id), &path))
		key = key_path_span(&path);
	log_warning("quota exceeded: what needs more is refused directory=\"/%.*s\" bytes=%llu objects=%llu refusals=%llu", (int)key.length,
	        (const char *)key.bytes, (unsigned long long)quota->used.bytes, (unsigned long long)quota->used.objects,
	        (unsigned long long)quota->refusals);
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

	while ((at = next_above(server, &directory)) != NULL)
		if (at == quota)
			return true;
	return false;
}

int quotas_may_move(struct server *server, const struct quota_move *move)
{
	struct quota_charge charge = quota_charge_of(move->object);
	uint64_t freed = move->goes ? quota_charge_of(move->goes).bytes : 0;
	struct quota_amount more = {above(charge.bytes, freed), move->goes ? 0 : 1};
	uint64_t at = move->to;
	struct quota *quota;

	if (quota_nearest(server, move->from) == quota_nearest(server, move->to))
		return 0;
	if (S_ISDIR(move->object->mode))
		return -EXDEV;
	settle_so_far(server);
	while ((quota = next_above(server, &at)) != NULL)
		if (!is_above(server, quota, move->from) && !make_room(server, quota, &more))
			return -EDQUOT;
	return 0;
}

void quotas_directory_moved(struct server *server, const struct far_record *directory)
{
	uint64_t at = directory->parent;
	struct quota *quota;

	while ((quota = next_above(server, &at)) != NULL)
		quota_walk_restart(quota);
}
