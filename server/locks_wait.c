#include <errno.h>
#include <stdlib.h>

#include "far/limits.h"
#include "server/locks_inside.h"

// Who waits for what. A queue for each file and kind, by arrival. Whatever may let somebody through marks the file as changed, and at the end of each request those files' queues are gone
// through from the front.

static bool are_in_conflict(const struct lock_request *one, const struct lock_request *other)
{
	return one->start <= other->end && other->start <= one->end && (one->is_exclusive || other->is_exclusive);
}

bool locks_is_behind(
        const struct lock_file *file, const struct lock_owner *owner, const struct lock_request *request, const struct lock_wait *wait)
{
	const struct lock_wait *earlier;

	if (!LIST_EMPTY(&owner->locks))
		return false; // who is ahead may be waiting for this owner
	TAILQ_FOREACH(earlier, &file->waiting[request->kind], in_file)
	{
		if (earlier == wait)
			break;
		if (earlier->owner != owner && are_in_conflict(&earlier->request, request))
			return true;
	}
	return false;
}

int locks_begin_wait(struct locks *locks, struct lock_owner *owner, struct lock_file *file, const struct lock_request *request)
{
	struct lock_client *client = owner->client;
	struct lock_wait *wait;
	uint64_t *ticket;

	if (client->count == FAR_LOCKS_PER_SESSION || locks->count == FAR_LOCKS_MAX)
		return -ENOLCK;
	wait = calloc(1, sizeof(*wait));
	ticket = wait ? id_table_add(&client->tickets, request->ticket) : NULL;
	if (!ticket) {
		free(wait);
		return -ENOMEM;
	}
	*ticket = (uintptr_t)wait;
	wait->owner = owner;
	wait->file = file;
	wait->request = *request;
	TAILQ_INSERT_TAIL(&file->waiting[request->kind], wait, in_file);
	LIST_INSERT_HEAD(&owner->waits, wait, in_owner);
	client->count++;
	locks->count++;
	return 1;
}

// --- deadlocks ---

struct search {
	uint64_t mark;
	struct lock_owner *found; // not searched yet
	unsigned steps;           // left; a search that takes more finds nothing
};

static void search_locks(
        struct search *search, const struct lock_file *file, const struct lock_owner *owner, const struct lock_request *request)
{
	struct lock *lock = TAILQ_FIRST(&file->held[LOCK_RECORD]);

	for (; lock && lock->start <= request->end && search->steps > 0; lock = TAILQ_NEXT(lock, in_file), search->steps--) {
		if (lock->owner->mark == search->mark || !lock_is_in_way(lock, owner, request))
			continue;
		lock->owner->mark = search->mark;
		lock->owner->next_to_search = search->found;
		search->found = lock->owner;
	}
}

bool locks_is_deadlock(struct locks *locks, struct lock_owner *owner, const struct lock_file *file, const struct lock_request *request)
{
	struct search search = {.mark = ++locks->mark, .steps = FAR_DEADLOCK_STEPS};

	if (request->kind != LOCK_RECORD || LIST_EMPTY(&owner->locks))
		return false;
	search_locks(&search, file, owner, request);
	while (search.found) {
		struct lock_owner *other = search.found;
		const struct lock_wait *wait;

		if (other == owner)
			return true;
		search.found = other->next_to_search;
		LIST_FOREACH(wait, &other->waits, in_owner)
		{
			search_locks(&search, wait->file, other, &wait->request);
		}
	}
	return false;
}

// --- the end of a wait ---

// Unlinks it from all but its client's count.
static void wait_unlink(struct locks *locks, struct lock_wait *wait)
{
	TAILQ_REMOVE(&wait->file->waiting[wait->request.kind], wait, in_file);
	LIST_REMOVE(wait, in_owner);
	id_table_remove(&wait->owner->client->tickets, wait->request.ticket);
	locks_mark_changed(locks, wait->file); // who stood behind it may go on
}

static void wait_free(struct locks *locks, struct lock_client *client, struct lock_wait *wait)
{
	client->count--;
	locks->count--;
	free(wait);
}

void locks_end_wait(struct locks *locks, struct lock_wait *wait)
{
	struct lock_client *client = wait->owner->client;

	wait_unlink(locks, wait);
	wait_free(locks, client, wait);
}

static void finish(struct locks *locks, struct lock_wait *wait, int error)
{
	struct lock_client *client = wait->owner->client;
	struct lock_owner *owner = wait->owner;

	wait_unlink(locks, wait);
	wait->error = error;
	if (client->finished_last)
		client->finished_last->next_finished = wait;
	else
		client->finished_first = wait;
	client->finished_last = wait;
	locks_settle_owner(owner);
	if (locks->finished)
		locks->finished(client);
}

static void serve_file(struct locks *locks, struct lock_file *file, enum lock_kind kind)
{
	struct lock_wait *wait, *next;

	for (wait = TAILQ_FIRST(&file->waiting[kind]); wait; wait = next) {
		next = TAILQ_NEXT(wait, in_file);
		if (locks_find_conflict(file, wait->owner, &wait->request) || locks_is_behind(file, wait->owner, &wait->request, wait))
			continue;
		finish(locks, wait, locks_change(locks, wait->owner, file, &wait->request, LOCK_SET));
	}
}

void locks_serve(struct locks *locks)
{
	while (locks->changed) {
		struct lock_file *file = locks->changed;

		locks->changed = file->next_changed;
		file->is_changed = false;
		for (int kind = 0; kind < LOCK_KINDS; kind++)
			serve_file(locks, file, (enum lock_kind)kind);
		locks_settle_file(locks, file);
	}
}

bool locks_take_ticket(struct locks *locks, struct lock_client *client, uint64_t ticket, int *error)
{
	struct lock_wait *before = NULL, *wait = client->finished_first;

	for (; wait && wait->request.ticket != ticket; wait = wait->next_finished)
		before = wait;
	if (!wait)
		return false;
	if (before)
		before->next_finished = wait->next_finished;
	else
		client->finished_first = wait->next_finished;
	if (client->finished_last == wait)
		client->finished_last = before;
	*error = wait->error;
	wait_free(locks, client, wait);
	return true;
}

int locks_cancel(struct locks *locks, struct lock_client *client, uint64_t ticket)
{
	const uint64_t *number = id_table_find(&client->tickets, ticket);
	struct lock_wait *wait;
	struct lock_owner *owner;
	int error;

	if (!number && locks_take_ticket(locks, client, ticket, &error))
		return error ? error : -EEXIST;
	if (!number)
		return -ENOENT;
	wait = (struct lock_wait *)(uintptr_t)*number;
	owner = wait->owner;
	locks_end_wait(locks, wait);
	locks_settle_owner(owner);
	locks_serve(locks);
	return 0;
}

bool locks_take_finished(struct locks *locks, struct lock_client *client, uint64_t *ticket, int *error)
{
	struct lock_wait *wait = client->finished_first;

	if (!wait)
		return false;
	*ticket = wait->request.ticket;
	return locks_take_ticket(locks, client, *ticket, error); // the first in the list
}

// Ends what the owner has; the owner itself stays, for the caller.
static void drop_owner(struct locks *locks, struct lock_owner *owner)
{
	while (!LIST_EMPTY(&owner->waits))
		locks_end_wait(locks, LIST_FIRST(&owner->waits));
	while (!LIST_EMPTY(&owner->locks)) {
		struct lock *lock = LIST_FIRST(&owner->locks);

		locks_mark_changed(locks, lock->file);
		locks_end(locks, lock);
	}
}

void locks_drop_client(struct locks *locks, struct lock_client *client)
{
	uint64_t ticket;
	int error;

	for (int kind = 0; kind < LOCK_KINDS; kind++) {
		struct id_slot slot;
		uint32_t position = 0;

		while (id_table_next(&client->owners[kind], &position, &slot)) {
			struct lock_owner *owner = (struct lock_owner *)(uintptr_t)slot.number;

			drop_owner(locks, owner);
			free(owner);
		}
		id_table_fini(&client->owners[kind]);
	}
	id_table_fini(&client->tickets);
	while (locks_take_finished(locks, client, &ticket, &error))
		;
	locks_serve(locks);
}
