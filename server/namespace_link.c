// Further names of an object, and the removal of names. Each name beyond the first is a record of state LINK. The link records of one object form a doubly linked chain, headed in
// server->links by the object's id, so that an object whose first name goes can take over another one. In a link record u.special.target is the object's id, u.special.device the next
// record of the chain and `size` the one before (pool offsets, 0 = none): fields that a link has no other use for.
#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "server/directory.h"
#include "server/eviction.h"
#include "server/expiry.h"
#include "server/namespace.h"
#include "server/quota.h"
#include "server/record.h"
#include "server/space.h"
#include "server/watchers.h"

static bool is_link(const struct far_record *record)
{
	return FAR_WORD_STATE(atomic_load_explicit(&record->word, memory_order_relaxed)) == FAR_RECORD_LINK;
}

static uint64_t chain_previous(const struct far_record *link)
{
	return atomic_load_explicit(&link->size, memory_order_relaxed);
}

static void chain_set_previous(struct far_record *link, uint64_t offset)
{
	atomic_store_explicit(&link->size, offset, memory_order_relaxed);
}

static void chain_push(struct server *server, struct far_record *link, uint64_t *head)
{
	uint64_t offset = record_offset(server->pool, link);

	link->u.special.device = *head;
	if (*head)
		chain_set_previous(record_at(server->pool, *head), offset);
	*head = offset;
}

static void chain_take(struct server *server, struct far_record *link)
{
	uint64_t id = link->u.special.target;
	uint64_t next = link->u.special.device;
	uint64_t previous = chain_previous(link);

	if (next)
		chain_set_previous(record_at(server->pool, next), previous);
	if (previous)
		record_at(server->pool, previous)->u.special.device = next;
	else if (next)
		*id_table_find(&server->links, id) = next;
	else
		id_table_remove(&server->links, id);
}

static int make_link(
        struct server *server, struct far_record *object, struct far_record *directory, struct far_span name, struct far_record **out)
{
	uint64_t parent = object_id(server, directory);
	uint64_t offset = space_new_record(server, parent, name, 0);
	int error;

	if (!offset)
		return -ENOSPC;
	*out = record_at(server->pool, offset);
	(*out)->name_hash = (uint32_t)index_hash(server->index, parent, name);
	(*out)->u.special.target = object->id;
	SPACE_TRY(server, error, index_insert(server->index, offset));
	if (error)
		goto fail;
	SPACE_TRY(server, error, directory_insert(server->pool, directory, offset));
	if (error) {
		index_remove(server->index, offset);
		goto fail;
	}
	return 0;
fail:
	object_destroy(server, *out);
	return error;
}

// The first name of an object that began without one: it becomes its own name record. Behind the reserve there is nothing to undo.
static int give_name(struct server *server, struct far_record *object, struct far_record *directory, struct far_span name)
{
	uint64_t parent = object_id(server, directory);
	uint64_t offset = record_offset(server->pool, object);
	uint64_t old_block = 0; // there is no old name
	uint32_t old_size = 0;
	int error = quota_require_object(server, parent, object);

	if (error)
		return error;
	if (space_keep_reserve(server))
		return -ENOSPC;
	record_publish(object, FAR_RECORD_BUSY); // R6
	SPACE_MUST(server, record_rename(server->pool, object, parent, name, &old_block, &old_size));
	object->name_hash = (uint32_t)index_hash(server->index, parent, name);
	SPACE_MUST(server, index_insert(server->index, offset));
	SPACE_MUST(server, directory_insert(server->pool, directory, offset));
	object->nlink = 1;
	server->figures.objects++;
	object_touch_status(server, object);
	record_publish(object, FAR_RECORD_LIVE);
	object_touch_content(server, directory);
	watchers_note_name(server, FAR_EVENT_CREATED, object, object);
	eviction_add(server, object);
	quota_add(server, object);
	return 0;
}

int namespace_link(struct server *server, struct far_record *object, struct far_record *directory, struct far_span name)
{
	struct far_record *link;
	uint64_t *head;
	int error;

	if (directory->nlink == 0)
		return -ENOENT;
	if (object_is_nameless(object))
		return give_name(server, object, directory, name);
	if (object->nlink == 0)
		return -ENOENT;
	if (object->nlink >= FAR_LINK_MAX)
		return -EMLINK;
	error = quota_may_link(server, object->parent, object_id(server, directory));
	if (!error)
		error = quota_require(server, object->parent, sizeof(*link), 0);
	if (error)
		return error;
	error = make_link(server, object, directory, name, &link);
	if (error)
		return error;
	head = id_table_add(&server->links, object->id);
	if (!head) {
		index_remove(server->index, record_offset(server->pool, link));
		directory_remove(server->pool, directory, record_offset(server->pool, link));
		object_destroy(server, link);
		return -ENOMEM;
	}
	chain_push(server, link, head);
	record_publish(link, FAR_RECORD_LINK);
	object->nlink++;
	object_touch_status(server, object);
	object_touch_content(server, directory);
	record_publish(object, FAR_RECORD_LIVE);
	watchers_note_name(server, FAR_EVENT_CREATED, link, object);
	return 0;
}

// The object's own name is gone: the newest link record's name becomes the object's own, in the same place of index and directory.
static void take_over_link(struct server *server, struct far_record *object)
{
	struct far_record *link = record_at(server->pool, *id_table_find(&server->links, object->id));
	uint64_t link_offset = record_offset(server->pool, link);
	uint64_t object_offset = record_offset(server->pool, object);
	struct far_record *directory = object_by_id(server, link->parent);
	uint64_t old_block = 0;
	uint32_t old_size = 0;

	chain_take(server, link);
	index_remove(server->index, link_offset);
	record_publish(object, FAR_RECORD_BUSY); // R6: the name, and with it perhaps an inline value, moves
	SPACE_MUST(server, record_rename(server->pool, object, link->parent, record_name(server->pool, link), &old_block, &old_size));
	object->name_hash = link->name_hash;
	directory_replace(server->pool, directory, link_offset, object_offset);
	SPACE_MUST(server, index_insert(server->index, object_offset));
	record_publish(object, FAR_RECORD_LIVE);
	if (old_block)
		reclaim_block(server->reclaim, old_block, old_size);
	object_destroy(server, link);
}

void namespace_drop_name(struct server *server, struct far_record *name)
{
	struct far_record *object = namespace_target(server, name);

	quota_meet(server, object); // also of what no request has found
	object_note_version(server, object);
	if (object_is_directory(object))
		object->nlink = 0;
	else
		object->nlink--;
	if (object->nlink == 0) {
		server->figures.objects--;
		eviction_drop(server, object);
		quota_drop(server, object);
	}
	object_touch_status(server, object);
	if (is_link(name)) {
		chain_take(server, name);
		object_destroy(server, name);
	} else if (object->nlink > 0) {
		take_over_link(server, object);
	}
	object_settle(server, object);
}

bool namespace_remove_names(struct server *server, struct far_record *object, uint32_t most)
{
	for (uint32_t removed = 0; removed < most; removed++) {
		const uint64_t *head = id_table_find(&server->links, object->id);
		struct far_record *name = head ? record_at(server->pool, *head) : object;
		bool is_last = name == object;

		watchers_note_name(server, FAR_EVENT_EXPIRED, name, object);
		namespace_take_out(server, object_by_id(server, name->parent), name);
		if (is_last)
			return true;
	}
	return false;
}

#define EXPIRED_PER_REQUEST 256U // about 0.3 ms: others wait no longer

int namespace_require_empty(struct server *server, struct far_record *directory)
{
	uint32_t removed = 0;

	while (atomic_load_explicit(&directory->size, memory_order_relaxed) > 0) {
		struct far_record *name = record_at(server->pool, directory_next(server->pool, directory, 0));
		struct far_record *object = namespace_target(server, name);

		if (!expiry_is_over(server, object))
			return -ENOTEMPTY;
		if (removed++ == EXPIRED_PER_REQUEST)
			return -ERESTART;
		namespace_remove_names(server, object, UINT32_MAX);
	}
	return 0;
}

void namespace_take_out(struct server *server, struct far_record *directory, struct far_record *name)
{
	uint64_t offset = record_offset(server->pool, name);

	index_remove(server->index, offset);
	directory_remove(server->pool, directory, offset);
	if (object_is_directory(namespace_target(server, name)))
		directory->nlink--;
	object_touch_content(server, directory);
	namespace_drop_name(server, name);
}

int namespace_remove(struct server *server, struct far_record *directory, struct far_record *name)
{
	struct far_record *object = namespace_target(server, name);
	bool is_taking_over = name == object && !object_is_directory(object) && object->nlink > 1;
	int error = object_is_directory(object) ? namespace_require_empty(server, object) : 0;

	if (error)
		return error;
	if (is_taking_over && space_keep_reserve(server))
		return -ENOSPC;
	watchers_note_name(server, FAR_EVENT_DELETED, name, object);
	namespace_take_out(server, directory, name);
	return 0;
}
