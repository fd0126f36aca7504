// The check, records: slab by slab, each record that was handed out and what belongs to it.
#include <stdatomic.h>
#include <sys/stat.h>

#include "server/check_inside.h"
#include "server/object.h"
#include "server/record.h"
#include "server/session.h"
#include "server/window_inside.h"

// --- further names ---

// The link record at an offset that a chain leads to, or NULL.
static const struct far_record *link_at(const struct check *check, uint64_t offset)
{
	const struct far_record *link = offset ? check_record_at(check->server->pool, offset) : NULL;

	return link && check_state(link) == FAR_RECORD_LINK ? link : NULL;
}

// The chain of an object's further names has one record each, linked both ways.
static void check_further_names(struct check *check, const struct far_record *object)
{
	const uint64_t *head = id_table_find(&check->server->links, object->id);
	uint64_t offset = head ? *head : 0;
	uint64_t previous = 0;
	uint32_t names = 1;

	for (; offset && names <= FAR_LINK_MAX; names++) {
		const struct far_record *link = link_at(check, offset);

		if (!link || link->u.special.target != object->id || atomic_load_explicit(&link->size, memory_order_relaxed) != previous) {
			check_found(check, FAR_CHECK_LINK, object, "the chain of its further names is broken at %llu",
			        (unsigned long long)offset);
			return;
		}
		previous = offset;
		offset = link->u.special.device;
	}
	if (object->nlink > 0 && names != object->nlink)
		check_found(check, FAR_CHECK_NLINK, object, "its link count is %u, but it has %u names", object->nlink, names);
	if (object->nlink == 0 && head)
		check_found(check, FAR_CHECK_LINK, object, "it has no name, but a chain of further names");
}

static void check_link(struct check *check, const struct far_record *link)
{
	const struct far_record *object = check_object(check, link->u.special.target);
	uint64_t previous = atomic_load_explicit(&link->size, memory_order_relaxed);
	uint64_t offset = record_offset(check->server->pool, link);
	const uint64_t *head;

	check_name(check, link);
	if (!object || S_ISDIR(object->mode) || check_state(object) == FAR_RECORD_ORPHAN) {
		check_found(check, FAR_CHECK_LINK, link, "it is a further name of %llx, which cannot have any",
		        (unsigned long long)link->u.special.target);
		return;
	}
	head = id_table_find(&check->server->links, object->id);
	if (previous ? !link_at(check, previous) || link_at(check, previous)->u.special.device != offset : !head || *head != offset)
		check_found(check, FAR_CHECK_LINK, link, "it is not in the chain of names of %llx", (unsigned long long)object->id);
}

// The heads, which have no record: each leads to a chain of an object that is there.
bool check_links(struct check *check)
{
	uint32_t position = (uint32_t)check->at[0];
	struct id_slot head;

	while (!check_is_due(check)) {
		if (!id_table_next(&check->server->links, &position, &head))
			return true;
		if (!check_object(check, head.id) || !link_at(check, head.number))
			check_found(check, FAR_CHECK_LINK, NULL, "a chain of further names of %llx leads from nothing or to nothing",
			        (unsigned long long)head.id);
		check->at[0] = position;
	}
	return false;
}

// --- holds and windows ---

static void check_holders(struct check *check, const struct far_record *object)
{
	const struct server *server = check->server;
	uint64_t id = object_id(server, object);
	uint32_t holders = 0;

	for (uint32_t place = 0, left = server->session_count; place < FAR_SESSIONS_MAX && left > 0; place++) {
		const struct session *session = server->sessions[place];

		if (!session)
			continue;
		left--;
		holders += id_table_find(&session->holds, id) != NULL;
	}
	if (holders != object->holds)
		check_found(check, FAR_CHECK_HOLD, object, "%u sessions are counted that hold it, but %u do", object->holds, holders);
	if (object->nlink == 0 && holders == 0)
		check_found(check, FAR_CHECK_ORPHAN, object, "it has no name, and no session holds it");
}

static bool check_holds_of(struct check *check, const struct session *session)
{
	uint32_t position = (uint32_t)check->at[1];
	struct id_slot hold;

	while (!check_is_due(check)) {
		const struct far_record *object;

		if (!id_table_next(&session->holds, &position, &hold))
			return true;
		check->at[1] = position;
		object = check_object(check, hold.id);
		if (!object || object->holds == 0 || hold.number == 0)
			check_found(check, FAR_CHECK_HOLD, object, "a session has %llu holds on %llx, which is %s",
			        (unsigned long long)hold.number, (unsigned long long)hold.id, object ? "held by none" : "not there");
	}
	return false;
}

bool check_sessions(struct check *check)
{
	for (; check->at[0] < FAR_SESSIONS_MAX; check->at[0]++) {
		const struct session *session = check->server->sessions[check->at[0]];

		if (session && !check_holds_of(check, session))
			return false;
		check->at[1] = 0;
	}
	return true;
}

static void check_window(struct check *check, const struct far_record *object)
{
	const uint64_t *entry = id_table_find(&check->server->windows, object->id);
	const struct window *window = entry ? (const struct window *)(uintptr_t)*entry : NULL;
	bool is_flagged = object->flags & FAR_RECORD_WINDOW;
	bool is_written = check_state(object) == FAR_RECORD_WRITTEN;

	if (is_flagged != is_written || is_flagged != (window != NULL) || (window && window->object != object))
		check_found(check, FAR_CHECK_WINDOW, object, "a write window is open by %s%s%s only", is_flagged ? "its flags " : "",
		        is_written ? "its state " : "", window ? "the table " : "");
}

// --- objects ---

static bool is_type(uint32_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode) || S_ISCHR(mode) || S_ISBLK(mode);
}

static void check_state_of(struct check *check, const struct far_record *object)
{
	bool is_orphan = check_state(object) == FAR_RECORD_ORPHAN;

	if (is_orphan != (object->nlink == 0))
		check_found(check, FAR_CHECK_NLINK, object, "its link count is %u in state %u", object->nlink, check_state(object));
	if (!is_type(object->mode))
		check_found(check, FAR_CHECK_RECORD, object, "its mode is 0%o, which has no type", object->mode);
	if (atomic_load_explicit(&object->version, memory_order_relaxed) == 0)
		check_found(check, FAR_CHECK_RECORD, object, "its version is 0");
}

static void check_one(struct check *check, const struct far_record *object)
{
	bool has_name = check_state(object) != FAR_RECORD_ORPHAN && object != check->server->root;

	check->figures.objects++;
	check_state_of(check, object);
	check_holders(check, object);
	check_window(check, object);
	check_deadline(check, object);
	check_eviction(check, object);
	check_own_quota(check, object);
	if (has_name)
		check_name(check, object);
	check_value(check, object);
	if (!S_ISDIR(object->mode)) {
		check_further_names(check, object);
		return;
	}
	check_ancestors(check, object);
	check_tree_begin(check, object);
}

static void check_record(struct check *check, const struct far_record *record, const struct slab *slab)
{
	uint64_t position = record_offset(check->server->pool, record) / FAR_GRANULE;
	unsigned state = check_state(record);

	if (state == FAR_RECORD_FREE)
		return; // it waits in reclaim, and is met there
	check_own_record(check, record);
	if (FAR_ID_POSITION(record->id) != position || FAR_ID_GENERATION(record->id) == 0)
		check_found(check, FAR_CHECK_RECORD, record, "the record at %llu has the id %llx, which is not its place",
		        (unsigned long long)record_offset(check->server->pool, record), (unsigned long long)record->id);
	if (record_size(record) != slab->size || far_record_name_room(record) > far_record_room(record)) {
		check_found(check, FAR_CHECK_RECORD, record, "it has room for %u and %u bytes in a block of %u", far_record_room(record),
		        far_record_name_room(record), slab->size);
		return;
	}
	check_own_name(check, record);
	if (state != FAR_RECORD_LINK)
		check_attributes(check, record);
	switch (state) {
	case FAR_RECORD_LIVE:
	case FAR_RECORD_ORPHAN:
	case FAR_RECORD_WRITTEN:
		check_one(check, record);
		break;
	case FAR_RECORD_LINK:
		check_link(check, record);
		break;
	default:
		check_found(check, FAR_CHECK_RECORD, record, "it was left in state %u", state);
	}
}

// --- slabs ---

// The records of one slab from at[1] on. What is free by its chain is looked at when memory is judged.
static bool check_slab(struct check *check, const struct slab *slab)
{
	const struct pool *pool = check->server->pool;
	uint64_t free[CHECK_SLAB_WORDS];
	uint64_t base = (uint64_t)slab->page << FAR_PAGE_SHIFT;

	if (!check_slab_chain(pool, slab, free))
		return true; // told there, too
	for (; check->at[1] < slab->fresh; check->at[1]++) {
		if (check->walk.id && !check_tree_go_on(check))
			return false;
		if (check_is_due(check))
			return false;
		if (!(free[check->at[1] / 64] >> (check->at[1] % 64) & 1))
			check_record(check, record_at(pool, base + check->at[1] * slab->size), slab);
	}
	return true;
}

// A directory's count may go on when its slab has changed: the walk is by id.
bool check_records(struct check *check)
{
	const struct slabs *slabs = &check->server->pool->slabs;

	if (!check_tree_go_on(check))
		return false;
	for (; check->at[0] < slabs->count; check->at[0]++) {
		const struct slab *slab = &slabs->slabs[check->at[0]];

		if (slab->size && slab->kind == SLAB_RECORDS && !check_slab(check, slab))
			return false;
		check->at[1] = 0;
	}
	return check_tree_go_on(check);
}
