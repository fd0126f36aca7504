#include "server/expiry.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "far/clock.h"
#include "far/limits.h"
#include "server/expiry_inside.h"
#include "server/namespace.h"
#include "server/quota.h"
#include "server/record.h"

#define NAMES_PER_STEP 16U // of one object that has many
#define MOVES_PER_STEP 128U
#define STEPS_PER_LOOK 8U // at the clock

static_assert(FAR_TTL_MAX_MS < UINT64_MAX / 4 / WHEEL_TICK_NS, "no sum of a time and a TTL overflows");

int expiry_new(struct server *server, struct expiry **out)
{
	struct expiry *expiry = calloc(1, sizeof(*expiry));

	if (!expiry)
		return -ENOMEM;
	expiry->table.server = server;
	expiry->next = UINT64_MAX;
	wheel_init(&expiry->wheel, 0);
	*out = expiry;
	return 0;
}

void expiry_free(struct expiry *expiry)
{
	if (!expiry)
		return;
	expiry_table_fini(&expiry->table);
	free(expiry);
}

uint64_t expiry_now_ns(struct server *server)
{
	if (server->monotonic_now_ns == 0)
		server->monotonic_now_ns = server->monotonic_ns();
	return server->monotonic_now_ns;
}

int expiry_reserve(struct server *server)
{
	return expiry_table_reserve(&server->expiry->table);
}

void expiry_unreserve(struct server *server)
{
	expiry_table_trim(&server->expiry->table);
}

// --- deadlines ---

static uint32_t find(const struct server *server, const struct far_record *object)
{
	return object->flags & FAR_RECORD_EXPIRES ? expiry_table_find(&server->expiry->table, object->id) : EXPIRY_NONE;
}

// The entry of an object that has none, or out of the wheel.
static int take_entry(struct server *server, struct far_record *object, uint32_t *number)
{
	struct expiry *expiry = server->expiry;
	int error;

	*number = find(server, object);
	if (*number != EXPIRY_NONE) {
		wheel_take(&expiry->wheel, &expiry->table, *number);
		expiry_unreserve(server);
		return 0;
	}
	error = expiry_reserve(server);
	if (error)
		return error;
	if (expiry->table.count == 0) // nothing is in the wheel: it need not be turned to now
		expiry->wheel.now = expiry_now_ns(server) / WHEEL_TICK_NS;
	*number = expiry_table_add(&expiry->table, object->id);
	return 0;
}

int expiry_set(struct server *server, struct far_record *object, uint64_t ttl_ms)
{
	struct expiry *expiry = server->expiry;
	unsigned state = FAR_WORD_STATE(atomic_load_explicit(&object->word, memory_order_relaxed));
	uint32_t number;
	int error;

	if (ttl_ms == 0 || ttl_ms > FAR_TTL_MAX_MS)
		return -EINVAL;
	if (S_ISDIR(object->mode))
		return -EISDIR;
	if (object->nlink == 0)
		return -ENOENT;
	error = take_entry(server, object, &number);
	if (error)
		return error;
	expiry_table_at(&expiry->table, number)->deadline_ns = expiry_now_ns(server) + ttl_ms * 1000000U;
	wheel_add(&expiry->wheel, &expiry->table, number);
	expiry->next = wheel_next(&expiry->wheel);
	object->flags |= FAR_RECORD_EXPIRES;
	if (state != FAR_RECORD_FREE) // R10; what nobody can see yet needs none
		record_publish(object, (enum far_record_state)state);
	return 0;
}

static void drop_entry(struct expiry *expiry, uint32_t number)
{
	wheel_take(&expiry->wheel, &expiry->table, number);
	if (expiry_table_remove(&expiry->table, number) != EXPIRY_NONE)
		wheel_renumber(&expiry->wheel, &expiry->table, number);
}

void expiry_clear(struct server *server, struct far_record *object)
{
	uint32_t number = find(server, object);

	if (number == EXPIRY_NONE)
		return;
	drop_entry(server->expiry, number);
	object->flags &= (unsigned)~FAR_RECORD_EXPIRES & FAR_RECORD_FLAGS;
}

uint64_t expiry_left_ns(struct server *server, const struct far_record *object)
{
	uint32_t number = find(server, object);
	uint64_t now = expiry_now_ns(server);
	uint64_t deadline;

	if (number == EXPIRY_NONE)
		return UINT64_MAX;
	deadline = expiry_table_at(&server->expiry->table, number)->deadline_ns;
	return deadline > now ? deadline - now : 0;
}

uint64_t expiry_left_ms(struct server *server, const struct far_record *object)
{
	uint64_t left = object->flags & FAR_RECORD_EXPIRES ? expiry_left_ns(server, object) : UINT64_MAX;

	return left == UINT64_MAX ? 0 : left / 1000000U + (left % 1000000U != 0);
}

// --- the sweep ---

// One that has many names loses some of them; it stays in the wheel, and is due again. An object that is not there any more cannot be in the wheel; if it were, it would be due for ever.
static void end_one(struct server *server, uint32_t number)
{
	struct far_record *object = record_by_id(server->pool, expiry_table_at(&server->expiry->table, number)->id);

	if (object)
		namespace_remove_names(server, object, NAMES_PER_STEP);
	else
		drop_entry(server->expiry, number);
}

static bool sweep(struct server *server, uint64_t until_ns)
{
	struct expiry *expiry = server->expiry;
	uint64_t now = expiry_now_ns(server) / WHEEL_TICK_NS;
	uint32_t number;

	for (unsigned step = 1;; step++) {
		switch (wheel_turn(&expiry->wheel, &expiry->table, now, MOVES_PER_STEP, &number)) {
		case WHEEL_NONE:
			return false;
		case WHEEL_DUE:
			end_one(server, number);
			break;
		case WHEEL_AGAIN:
			break;
		}
		if (step % STEPS_PER_LOOK == 0 && clock_now_ns() >= until_ns)
			return true;
	}
}

bool expiry_sweep(struct server *server, uint64_t budget_ns)
{
	struct expiry *expiry = server->expiry;
	bool is_more;

	if (expiry->table.count == 0)
		return false;
	server_begin(server);
	if (expiry_now_ns(server) / WHEEL_TICK_NS < expiry->next)
		return false;
	is_more = sweep(server, clock_now_ns() + budget_ns);
	index_settle(server->index);
	quota_settle(server);
	expiry->next = wheel_next(&expiry->wheel);
	return is_more;
}

uint64_t expiry_due_ns(const struct server *server)
{
	const struct expiry *expiry = server->expiry;

	return expiry->table.count > 0 ? expiry->next * WHEEL_TICK_NS : UINT64_MAX;
}

uint64_t expiry_wait_ns(const struct server *server)
{
	uint64_t due = expiry_due_ns(server), now;

	if (due == UINT64_MAX)
		return UINT64_MAX;
	now = server->monotonic_ns();
	return due > now ? due - now : 0;
}
