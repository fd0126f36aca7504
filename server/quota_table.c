// The quotas that there are: a list in the order in which they were set first, and a table by directory. The directory's record has FAR_RECORD_QUOTA, so that the way up from an object looks into the table only there.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/object.h"
#include "server/quota.h"
#include "server/record.h"

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

static uint64_t parent_of(const struct server *server, const struct far_record *directory)
{
	return directory != server->root ? directory->parent : 0;
}

// Behind each change of which directories have quotas.
static void forget_near(struct server *server)
{
	memset(server->quotas->near, 0, sizeof(server->quotas->near));
}

static struct quota_near *near_at(const struct server *server, uint64_t id)
{
	return &server->quotas->near[id * 0x9e3779b97f4a7c15ULL >> (64 - QUOTA_NEAR_BITS)];
}

// The way up ends where it has been before.
static struct quota *find_above(const struct server *server, uint64_t id)
{
	struct quota *quota = NULL;

	while (id && !quota) {
		const struct far_record *directory = object_peek(server, id);

		if (near_at(server, id)->directory == id)
			return near_at(server, id)->quota;
		if (!directory)
			return NULL;
		quota = quota_of(server, directory);
		id = parent_of(server, directory);
	}
	return quota;
}

struct quota *quota_next_above(const struct server *server, uint64_t *id)
{
	struct quota *quota = find_above(server, *id);

	if (*id)
		*near_at(server, *id) = (struct quota_near){*id, quota};
	*id = quota ? parent_of(server, object_peek(server, quota->id)) : 0;
	return quota;
}

struct quota *quota_nearest(const struct server *server, uint64_t directory)
{
	return server->quotas ? quota_next_above(server, &directory) : NULL;
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
	while ((quota = quota_next_above(server, &at)) != NULL) {
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
	forget_near(server);
	(*quota)->hand.directory = (*quota)->id;
	quota_count_begin(server, *quota);
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
	forget_near(server);
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
