// Rename. All checks come first; then the reserve stands by (space.h), so that the change, once begun, is always brought to its end and there is nothing to undo.
//
// Remote readers: a renamed object gets a new word (R1, R6 while the name changes), a renamed directory raises location_epoch (R3), since the keys of all below it change.
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "server/directory.h"
#include "server/namespace.h"
#include "server/quota.h"
#include "server/record.h"
#include "server/space.h"
#include "server/watchers.h"
#include "server/window.h"

// The names that a rename works on.
struct parties {
	struct far_record *source;
	struct far_record *source_object;
	struct far_record *victim; // the name that is replaced or exchanged, or NULL
	struct far_record *victim_object;
};

// True if `directory` is `ancestor` or lies below it.
static bool is_below(struct server *server, const struct far_record *directory, const struct far_record *ancestor)
{
	while (directory != ancestor) {
		if (directory == server->root)
			return false;
		directory = object_by_id(server, directory->parent);
		if (!directory)
			return false;
	}
	return true;
}

static int check_replace(struct server *server, const struct parties *parties)
{
	bool source_is_directory = object_is_directory(parties->source_object);
	bool victim_is_directory = object_is_directory(parties->victim_object);

	if (source_is_directory && !victim_is_directory)
		return -ENOTDIR;
	if (!source_is_directory && victim_is_directory)
		return -EISDIR;
	return victim_is_directory ? namespace_require_empty(server, parties->victim_object) : 0;
}

static int find_parties(struct server *server, const struct namespace_rename *rename, struct parties *parties)
{
	memset(parties, 0, sizeof(*parties));
	parties->source = namespace_find(server, rename->from, rename->name);
	if (!parties->source)
		return -ENOENT;
	parties->source_object = namespace_target(server, parties->source);
	parties->victim = namespace_find(server, rename->to, rename->new_name);
	if (parties->victim)
		parties->victim_object = namespace_target(server, parties->victim);
	if (!rename->to->nlink)
		return -ENOENT;
	return rename->expected && (!parties->victim || object_id(server, parties->victim_object) != rename->expected) ? -ESTALE : 0;
}

// 1: nothing is to be done.
static int check(struct server *server, const struct namespace_rename *rename, const struct parties *parties)
{
	bool is_exchange = rename->flags & FAR_RENAME_EXCHANGE;

	if (is_exchange && rename->flags & FAR_RENAME_NOREPLACE)
		return -EINVAL;
	if (parties->victim && rename->flags & FAR_RENAME_NOREPLACE)
		return -EEXIST;
	if (!parties->victim && is_exchange)
		return -ENOENT;
	if (object_is_directory(parties->source_object) && is_below(server, rename->to, parties->source_object))
		return -EINVAL;
	if (!parties->victim)
		return 0;
	if (parties->victim_object == parties->source_object)
		return 1;
	if (is_exchange && object_is_directory(parties->victim_object) && is_below(server, rename->from, parties->victim_object))
		return -EINVAL;
	return is_exchange ? 0 : check_replace(server, parties);
}

// Gives a name record, which is out of the index, another name, and puts it back in.
static void set_name(struct server *server, struct far_record *name, const struct far_record *directory, struct far_span new_name)
{
	unsigned state = FAR_WORD_STATE(atomic_load_explicit(&name->word, memory_order_relaxed));
	uint64_t parent = object_id(server, directory);
	uint64_t old_block = 0;
	uint32_t old_size = 0;

	record_publish(name, FAR_RECORD_BUSY);
	SPACE_MUST(server, record_rename(server->pool, name, parent, new_name, &old_block, &old_size));
	name->name_hash = (uint32_t)index_hash(server->index, parent, new_name);
	SPACE_MUST(server, index_insert(server->index, record_offset(server->pool, name)));
	record_publish(name, (enum far_record_state)state);
	if (old_block)
		reclaim_block(server->reclaim, old_block, old_size);
}

// Puts the source's entry where the victim's is, or adds it, and takes it out where it was. Within one directory an entry without a victim keeps its place.
static void move_entry(struct server *server, const struct namespace_rename *rename, const struct parties *parties)
{
	uint64_t source = record_offset(server->pool, parties->source);
	uint64_t old_cookie = parties->source->cookie;
	uint64_t new_cookie;

	if (parties->victim)
		directory_replace(server->pool, rename->to, record_offset(server->pool, parties->victim), source);
	else if (rename->from != rename->to)
		SPACE_MUST(server, directory_insert(server->pool, rename->to, source));
	else
		return;
	new_cookie = parties->source->cookie;
	parties->source->cookie = old_cookie;
	directory_remove(server->pool, rename->from, source);
	parties->source->cookie = new_cookie;
}

static void exchange_entries(struct server *server, const struct namespace_rename *rename, const struct parties *parties)
{
	uint64_t source = record_offset(server->pool, parties->source);
	uint64_t victim = record_offset(server->pool, parties->victim);
	uint64_t source_cookie = parties->source->cookie;
	uint64_t victim_cookie = parties->victim->cookie;

	directory_replace(server->pool, rename->from, source, victim);
	parties->victim->cookie = victim_cookie; // its old entry is still found by this
	directory_replace(server->pool, rename->to, victim, source);
	parties->victim->cookie = source_cookie;
}

static void raise_epoch(struct server *server)
{
	struct far_pool_header *header = pool_header(server->pool);

	atomic_fetch_add_explicit(&header->location_epoch, 1, memory_order_acq_rel); // before the names that are stored behind it
}

// Who reads the index by himself must not find the name's new record while the old one still says that the name is its own. Link records are not taken for anything by
// such readers.
static void hide_from_readers(struct server *server, const struct parties *parties)
{
	// Nor a directory that has its new name beneath the epoch of the old one.
	if (object_is_directory(parties->source_object) || (parties->victim && object_is_directory(parties->victim_object)))
		raise_epoch(server);
	if (parties->victim && parties->victim == parties->victim_object)
		record_publish(parties->victim, FAR_RECORD_BUSY);
}

static void move_subdirectory(struct far_record *object, struct far_record *from, struct far_record *to)
{
	if (!object_is_directory(object) || from == to)
		return;
	from->nlink--;
	to->nlink++;
}

// R1 for the objects (a link record's own word is not what locations depend on), R3 for what is below directories.
static void publish(struct server *server, struct far_record *object)
{
	object_touch_status(server, object);
	record_publish(object, FAR_RECORD_LIVE);
	if (object_is_directory(object))
		raise_epoch(server);
}

static void exchange(struct server *server, const struct namespace_rename *rename, const struct parties *parties)
{
	char buffer[FAR_NAME_MAX];
	struct far_span old_name = record_name(server->pool, parties->source);

	// The names are in the records and in the request; the request's stay as they are while the records' change.
	memcpy(buffer, old_name.bytes, old_name.length);
	old_name.bytes = buffer;
	index_remove(server->index, record_offset(server->pool, parties->source));
	index_remove(server->index, record_offset(server->pool, parties->victim));
	exchange_entries(server, rename, parties);
	hide_from_readers(server, parties);
	set_name(server, parties->source, rename->to, rename->new_name);
	set_name(server, parties->victim, rename->from, old_name);
	move_subdirectory(parties->source_object, rename->from, rename->to);
	move_subdirectory(parties->victim_object, rename->to, rename->from);
	publish(server, parties->victim_object);
}

static void move(struct server *server, const struct namespace_rename *rename, const struct parties *parties)
{
	index_remove(server->index, record_offset(server->pool, parties->source));
	if (parties->victim)
		index_remove(server->index, record_offset(server->pool, parties->victim));
	object_note_version(server, parties->source_object);
	move_entry(server, rename, parties);
	hide_from_readers(server, parties);
	set_name(server, parties->source, rename->to, rename->new_name);
	move_subdirectory(parties->source_object, rename->from, rename->to);
	if (!parties->victim)
		return;
	if (object_is_directory(parties->victim_object))
		rename->to->nlink--;
	namespace_drop_name(server, parties->victim);
}

static uint64_t cookie_behind(const struct namespace_rename *rename, const struct parties *parties)
{
	if (parties->victim)
		return parties->victim->cookie;
	return rename->from == rename->to ? parties->source->cookie : rename->to->u.directory.next_cookie + 1;
}

// Objects are charged by their first names; further ones stay in the domain that they are in.
static int check_quota(struct server *server, const struct namespace_rename *rename, const struct parties *parties)
{
	bool is_exchange = rename->flags & FAR_RENAME_EXCHANGE;
	bool is_first = parties->source == parties->source_object;
	bool is_victim_first = parties->victim && parties->victim == parties->victim_object;
	struct quota_move move = {
	        .object = parties->source_object,
	        .from = object_id(server, rename->from),
	        .to = object_id(server, rename->to),
	        .cookie = cookie_behind(rename, parties),
	        .goes = is_victim_first && (is_exchange || parties->victim_object->nlink == 1) ? parties->victim_object : NULL,
	};
	struct quota_move back = {
	        .object = parties->victim_object,
	        .from = move.to,
	        .to = move.from,
	        .cookie = parties->source->cookie,
	        .goes = is_first ? parties->source_object : NULL,
	};
	int error = is_first ? quota_may_move(server, &move) : quota_may_link(server, move.from, move.to);

	if (error || !is_exchange)
		return error;
	return is_victim_first ? quota_may_move(server, &back) : quota_may_link(server, back.from, back.to);
}

static void tell(struct server *server, const struct namespace_rename *rename, const struct parties *parties)
{
	bool is_exchange = rename->flags & FAR_RENAME_EXCHANGE;
	const struct watch_rename renamed = {
	        .kind = is_exchange ? FAR_EVENT_EXCHANGED : FAR_EVENT_RENAMED,
	        .from = rename->from,
	        .to = rename->to,
	        .name = rename->name,
	        .new_name = rename->new_name,
	        .version = atomic_load_explicit(&parties->source_object->version, memory_order_relaxed),
	        .is_directory = object_is_directory(parties->source_object) || (is_exchange && object_is_directory(parties->victim_object)),
	};

	watchers_tell_rename(server, &renamed);
	if (renamed.is_directory) // what is in it may be watched from now on
		window_close_watched(server, NULL);
}

int namespace_rename(struct server *server, const struct namespace_rename *rename, struct far_record **moved)
{
	struct parties parties;
	int error = find_parties(server, rename, &parties);

	if (!error)
		error = check(server, rename, &parties);
	if (error < 0)
		return error;
	*moved = parties.source_object;
	if (error)
		return 0;
	error = check_quota(server, rename, &parties);
	if (error)
		return error;
	if (space_keep_reserve(server))
		return -ENOSPC;
	if (rename->flags & FAR_RENAME_EXCHANGE)
		exchange(server, rename, &parties);
	else
		move(server, rename, &parties);
	publish(server, parties.source_object);
	object_touch_content(server, rename->from);
	if (rename->to != rename->from)
		object_touch_content(server, rename->to);
	if (server->watch_count > 0)
		tell(server, rename, &parties);
	return 0;
}
