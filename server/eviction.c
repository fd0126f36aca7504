#include "server/eviction.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "far/least.h"
#include "far/log.h"
#include "server/eviction_inside.h"
#include "server/holds.h"
#include "server/locks.h"
#include "server/namespace.h"
#include "server/quota.h"
#include "server/record.h"
#include "server/session.h"

#define STAYING_MAX 4096U              // items that turned out to have to stay, in a row: from then on any other is welcome
#define NAMES_MAX 16U                  // an object with more stays: they would all go at once
#define FREED_BEFORE_SLABS (64U << 10) // bytes, a slab (block.c), hardly any in pages: from then on slabs are emptied
#define SLABS_IN_VAIN 16U              // none of them could be: as many bytes go by turn before the next are tried
#define ENDED_MAX 4096U                // objects of one try of a request that can be carried out again
#define ENDED_IN_ALL (1U << 17)        // of one that cannot: it is to end within a second

// From this part on requests wait before they begin, and from this one those that can be carried out again are, later; but at most for so long while nothing of it comes back, and each for so long in all.
#define PATIENT_PART 8U
#define SOON_PART 64U
#define PATIENCE_NS 2000000000U
#define PATIENCE_IN_ALL_NS 10000000000U

// --- what the policy asks ---

static uint8_t *state_of(void *context, uint64_t id)
{
	struct server *server = context;
	struct far_record *object = record_by_id(server->pool, id);

	return object ? &object->eviction : NULL;
}

// Sessions that hold it may do so for no reason but that their kernel remembers the name. False: one of them is asked for so many that this one finds no place.
static bool ask_holders(struct server *server, const struct far_record *object)
{
	bool are_asked = true;

	for (uint32_t place = 0, left = server->session_count; place < FAR_SESSIONS_MAX && left > 0; place++) {
		struct session *session = server->sessions[place];

		if (!session)
			continue;
		left--;
		if (!hold_exists(session, object->id))
			continue;
		if (session->let_go_count < SESSION_LET_GO_MAX)
			session->let_go[session->let_go_count++] = object->id;
		else
			are_asked = false;
	}
	return are_asked;
}

// What another word would not be right for is not read one-sidedly by key either, or is under way.
static void recall(void *context, uint64_t id)
{
	struct server *server = context;
	struct far_record *object = record_by_id(server->pool, id);

	if (object && object->holds > 0)
		ask_holders(server, object);
	if (object && FAR_WORD_STATE(atomic_load_explicit(&object->word, memory_order_relaxed)) == FAR_RECORD_LIVE)
		record_renew(object);
}

static uint32_t hash_of(void *context, uint64_t id)
{
	struct server *server = context;

	return record_by_id(server->pool, id)->name_hash;
}

static void expect(void *context, uint64_t id, enum eviction_step step)
{
	struct server *server = context;

	if (step == EVICTION_STEP_ITEM) {
		record_expect(record_at(server->pool, FAR_ID_POSITION(id) * FAR_GRANULE));
	} else if (step == EVICTION_STEP_NAME) {
		index_expect(server->index, hash_of(server, id));
		eviction_policy_expect(server->eviction->policy, hash_of(server, id));
	} else {
		index_expect_rest(server->index, hash_of(server, id));
	}
}

int eviction_new(struct server *server)
{
	const struct eviction_items items = {server, state_of, recall, hash_of, expect};
	struct eviction *eviction = calloc(1, sizeof(*eviction));
	int error;

	if (!eviction)
		return -ENOMEM;
	eviction->server = server;
	eviction->ahead = EVICTION_AHEAD;
	eviction_effort_begin(&eviction->request);
	error = eviction_policy_new(&items, pool_length(server->pool) / sizeof(struct far_record), &eviction->policy);
	if (error)
		free(eviction);
	else
		server->eviction = eviction;
	return error;
}

void eviction_free(struct eviction *eviction)
{
	if (!eviction)
		return;
	eviction_policy_free(eviction->policy);
	free(eviction);
}

// --- objects come and go ---

// Without memory for a place in a queue an object stays until it is deleted.
static bool has_place(struct eviction *eviction)
{
	if (eviction_policy_reserve(eviction->policy) == 0)
		return true;
	log_error("no memory to remember an object for eviction: it stays until it is deleted");
	return false;
}

void eviction_add(struct server *server, const struct far_record *object)
{
	eviction_meet(server, object);
	if (server->eviction && S_ISREG(object->mode) && has_place(server->eviction))
		eviction_policy_add(server->eviction->policy, object->id);
}

void eviction_drop(struct server *server, struct far_record *object)
{
	if (server->eviction)
		eviction_policy_drop(server->eviction->policy, &object->eviction);
}

void eviction_consider(struct server *server, const struct far_record *object)
{
	bool is_kept = object->holds > 0 || object->flags & FAR_RECORD_PINNED;

	if (!server->eviction || is_kept || object->nlink == 0 || !S_ISREG(object->mode))
		return;
	quota_offer(server, object);
	if (EVICTION_QUEUE(object->eviction) == EVICTION_QUEUE_NONE && has_place(server->eviction))
		eviction_policy_return(server->eviction->policy, object->id);
}

int eviction_pin(struct server *server, struct far_record *object)
{
	int error = object_require_value(object);

	if (error)
		return error;
	object->flags |= FAR_RECORD_PINNED;
	object_touch_status(server, object);
	return 0;
}

int eviction_unpin(struct server *server, struct far_record *object)
{
	int error = object_require_value(object);

	if (error)
		return error;
	if (!(object->flags & FAR_RECORD_PINNED))
		return -ENODATA;
	object->flags &= ~FAR_RECORD_PINNED & FAR_RECORD_FLAGS;
	object_touch_status(server, object);
	eviction_consider(server, object);
	return 0;
}

// --- evicting ---

enum fate {
	FATE_GOES,
	FATE_STAYS_FOR_NOW,
	FATE_IS_KEPT, // until eviction_consider
};

static enum fate fate_of(const struct eviction *eviction, const struct far_record *object)
{
	const struct server *server = eviction->server;

	if (object->holds > 0 || object->flags & FAR_RECORD_PINNED)
		return FATE_IS_KEPT;
	for (uint32_t i = 0; i < EVICTION_MET; i++)
		if (eviction->met[i] == object)
			return FATE_STAYS_FOR_NOW;
	if (FAR_WORD_STATE(atomic_load_explicit(&object->word, memory_order_relaxed)) != FAR_RECORD_LIVE)
		return FATE_STAYS_FOR_NOW;
	return object->nlink > NAMES_MAX || locks_exist(&server->locks, object->id) ? FATE_STAYS_FOR_NOW : FATE_GOES;
}

static void end(struct eviction *eviction, struct eviction_effort *effort, struct far_record *object)
{
	struct server *server = eviction->server;
	uint64_t before = reclaim_bytes_retired(server->reclaim);
	uint64_t bytes;

	if (object->value_kind >= FAR_VALUE_EXTENT)
		effort->freed_pages += (uint64_t)object->u.value.pages << FAR_PAGE_SHIFT;
	eviction_policy_remember(eviction->policy, object->id);
	namespace_remove_names(server, object, NAMES_MAX);
	bytes = reclaim_bytes_retired(server->reclaim) - before;
	effort->freed += bytes;
	effort->ended++;
	server->figures.evicted++;
	server->figures.evicted_bytes += bytes;
}

// An object that must not go is out of the queues. One that is kept comes back when that ends; one that nobody could be asked for, when its turn comes again.
static void pass_over(struct eviction *eviction, const struct far_record *object, enum fate fate)
{
	bool is_held = fate == FATE_IS_KEPT && !(object->flags & FAR_RECORD_PINNED);

	if (fate == FATE_STAYS_FOR_NOW || (is_held && !ask_holders(eviction->server, object)))
		eviction_policy_return(eviction->policy, object->id);
}

// The next one by the policy, out of the queues. Where many have to stay each that is queued is looked at once more, used or not. NULL: there is none.
static struct far_record *choose(struct eviction *eviction)
{
	struct eviction_policy *policy = eviction->policy;
	uint64_t items = eviction_policy_items(policy);
	uint64_t by_turn = least(items, STAYING_MAX);
	uint64_t id;

	for (uint64_t staying = 0; staying < by_turn + items; staying++) {
		struct far_record *object;
		enum fate fate;

		if (eviction_policy_reserve(policy) || !eviction_policy_take(policy, staying >= by_turn, &id))
			return NULL;
		object = record_by_id(eviction->server->pool, id);
		fate = fate_of(eviction, object);
		if (fate == FATE_GOES)
			return object;
		pass_over(eviction, object, fate);
	}
	return NULL;
}

bool eviction_one(struct eviction *eviction, struct eviction_effort *effort)
{
	struct far_record *victim = choose(eviction);

	if (victim)
		end(eviction, effort, victim);
	return victim;
}

static bool evict_few(struct eviction *eviction, struct eviction_effort *effort)
{
	uint32_t count = 0;

	while (count < EVICTION_AT_ONCE && eviction_one(eviction, effort))
		count++;
	return count > 0;
}

// --- slabs ---

static struct far_record *slab_record(const struct eviction *eviction, const struct pool_slab *slab, uint32_t number)
{
	return record_at(eviction->server->pool, slab->offset + (uint64_t)number * slab->size);
}

static bool is_in_use(const struct far_record *record)
{
	return FAR_WORD_STATE(atomic_load_explicit(&record->word, memory_order_relaxed)) != FAR_RECORD_FREE;
}

static bool can_be_emptied(const struct eviction *eviction, const struct pool_slab *slab)
{
	for (uint32_t i = 0; i < slab->records; i++) {
		const struct far_record *record = slab_record(eviction, slab, i);

		if (is_in_use(record) && (!S_ISREG(record->mode) || fate_of(eviction, record) != FATE_GOES))
			return false;
	}
	return true;
}

// False: not this one; or all that was in it waits in reclaim.
static bool empty_slab(struct eviction *eviction, struct eviction_effort *effort)
{
	uint64_t before = effort->ended;
	struct pool_slab slab;

	if (!pool_records_sparse(eviction->server->pool, &eviction->slabs_at, &slab) || !can_be_emptied(eviction, &slab))
		return false;
	for (uint32_t i = 0; i < slab.records; i++)
		if (is_in_use(slab_record(eviction, &slab, i)))
			end(eviction, effort, slab_record(eviction, &slab, i));
	return effort->ended > before;
}

// What was freed so far was small objects, and did not help.
static bool is_wanting_pages(const struct eviction_effort *effort)
{
	return effort->freed >= effort->slabs_from && effort->freed_pages < effort->freed / 2;
}

// One that can be, of the next ones.
static bool empty_some_slab(struct eviction *eviction, struct eviction_effort *effort)
{
	for (uint32_t tries = 0; tries < SLABS_IN_VAIN; tries++)
		if (empty_slab(eviction, effort))
			return true;
	effort->slabs_from = effort->freed + FREED_BEFORE_SLABS;
	return false;
}

void eviction_effort_begin(struct eviction_effort *effort)
{
	*effort = (struct eviction_effort){.slabs_from = FREED_BEFORE_SLABS};
}

// --- when there is need ---

// A reader that does not end is not to stop the others: behind it nothing comes back (reclaim.c gives back in order), however often it is asked for and by whomever. Something waits.
static bool has_patience(struct eviction *eviction)
{
	const struct reclaim *reclaim = eviction->server->reclaim;
	uint64_t returned = reclaim_bytes_retired(reclaim) - reclaim_bytes(reclaim);
	uint64_t now_ns = eviction->server->monotonic_ns();

	if (eviction->waiting_since_ns == 0 || eviction->returned != returned) {
		eviction->waiting_since_ns = now_ns;
		eviction->returned = returned;
	}
	return now_ns - eviction->waiting_since_ns < PATIENCE_NS;
}

bool eviction_has_to_wait(struct server *server)
{
	if (eviction_is_waiting(server, PATIENT_PART))
		reclaim_run(server->reclaim);
	return eviction_is_waiting(server, PATIENT_PART) && has_patience(server->eviction);
}

void eviction_let_wait(struct server *server, bool can_wait, uint64_t late_since_ns)
{
	struct eviction *eviction = server->eviction;

	if (!eviction)
		return;
	eviction->is_short = false;
	eviction->can_wait = can_wait && (late_since_ns == 0 || server->monotonic_ns() - late_since_ns < PATIENCE_IN_ALL_NS);
}

// Evicted memory is on its way back: no use in evicting more.
static bool is_enough(struct eviction *eviction)
{
	if (eviction->can_wait && eviction_is_waiting(eviction->server, SOON_PART) && has_patience(eviction)) {
		eviction->is_short = true;
		return true;
	}
	return eviction_is_waiting(eviction->server, EVICTION_WAITING_PART);
}

// So much has gone at once that others are to have their turn; who can come again is short till then.
static bool has_ended_many(struct eviction *eviction)
{
	if (eviction->request.ended < (eviction->can_wait ? ENDED_MAX : ENDED_IN_ALL))
		return false;
	eviction->is_short = eviction->can_wait;
	return true;
}

bool eviction_make_room(struct server *server)
{
	struct eviction *eviction = server->eviction;
	bool has_gone;

	if (!eviction || eviction->is_evicting || is_enough(eviction) || has_ended_many(eviction))
		return false;
	eviction->is_evicting = true;
	has_gone = is_wanting_pages(&eviction->request) && empty_some_slab(eviction, &eviction->request);
	if (!has_gone)
		has_gone = evict_few(eviction, &eviction->request);
	eviction->is_evicting = false;
	eviction->is_level_due |= has_gone;
	reclaim_run(server->reclaim);
	return has_gone;
}

bool eviction_may_take(struct server *server)
{
	struct eviction *eviction = server->eviction;

	return eviction && !eviction->is_evicting && !has_ended_many(eviction);
}

bool eviction_take(struct server *server, struct far_record *name, bool is_any)
{
	struct eviction *eviction = server->eviction;
	enum fate fate;

	if (!S_ISREG(name->mode) || FAR_WORD_STATE(atomic_load_explicit(&name->word, memory_order_relaxed)) == FAR_RECORD_LINK)
		return false;
	if (!is_any && EVICTION_USES(name->eviction)) {
		eviction_policy_unuse(&name->eviction);
		recall(server, name->id);
		return false;
	}
	fate = fate_of(eviction, name);
	if (fate == FATE_IS_KEPT && !(name->flags & FAR_RECORD_PINNED))
		ask_holders(server, name);
	if (fate != FATE_GOES)
		return false;
	eviction->is_evicting = true;
	end(eviction, &eviction->request, name);
	eviction->is_evicting = false;
	return true;
}
