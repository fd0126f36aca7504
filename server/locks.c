#include "server/locks.h"

#include <errno.h>
#include <stdlib.h>

#include "far/limits.h"
#include "server/locks_inside.h"

// Who has locked what. A file's locks are a list by first byte: it is short in practice, bounded by limits.h, and a search ends behind the range's end.

static void *pointer_in(const struct id_table *table, uint64_t id)
{
	const uint64_t *number = id_table_find(table, id);

	return number ? (void *)(uintptr_t)*number : NULL;
}

static int put_pointer(struct id_table *table, uint64_t id, const void *pointer)
{
	uint64_t *number = id_table_add(table, id);

	if (!number)
		return -ENOMEM;
	*number = (uintptr_t)pointer;
	return 0;
}

// --- owners and files: made when first needed ---

static struct lock_owner *owner_of(struct lock_client *client, const struct lock_request *request)
{
	struct lock_owner *owner = pointer_in(&client->owners[request->kind], request->owner);

	if (owner)
		return owner;
	owner = calloc(1, sizeof(*owner));
	if (!owner)
		return NULL;
	owner->client = client;
	owner->number = request->owner;
	owner->kind = request->kind;
	if (put_pointer(&client->owners[request->kind], request->owner, owner)) {
		free(owner);
		return NULL;
	}
	return owner;
}

static struct lock_file *file_of(struct locks *locks, uint64_t id)
{
	struct lock_file *file = pointer_in(&locks->files, id);

	if (file)
		return file;
	file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->id = id;
	for (int kind = 0; kind < LOCK_KINDS; kind++) {
		TAILQ_INIT(&file->held[kind]);
		TAILQ_INIT(&file->waiting[kind]);
	}
	if (put_pointer(&locks->files, id, file)) {
		free(file);
		return NULL;
	}
	return file;
}

void locks_settle_owner(struct lock_owner *owner)
{
	if (owner->is_in_use || !LIST_EMPTY(&owner->locks) || !LIST_EMPTY(&owner->waits))
		return;
	id_table_remove(&owner->client->owners[owner->kind], owner->number);
	free(owner);
}

void locks_settle_file(struct locks *locks, struct lock_file *file)
{
	for (int kind = 0; kind < LOCK_KINDS; kind++)
		if (!TAILQ_EMPTY(&file->held[kind]) || !TAILQ_EMPTY(&file->waiting[kind]))
			return;
	if (file->is_changed || file->is_in_use)
		return;
	id_table_remove(&locks->files, file->id);
	free(file);
}

void locks_mark_changed(struct locks *locks, struct lock_file *file)
{
	if (file->is_changed)
		return;
	file->is_changed = true;
	file->next_changed = locks->changed;
	locks->changed = file;
}

// --- changing one owner's ranges ---

static void lock_insert(struct lock *lock)
{
	struct lock_list *held = &lock->file->held[lock->owner->kind];
	struct lock *behind;

	TAILQ_FOREACH(behind, held, in_file)
	{
		if (behind->start > lock->start)
			break;
	}
	if (behind)
		TAILQ_INSERT_BEFORE(behind, lock, in_file);
	else
		TAILQ_INSERT_TAIL(held, lock, in_file);
}

static void lock_begin(struct locks *locks, struct lock *lock)
{
	LIST_INSERT_HEAD(&lock->owner->locks, lock, in_owner);
	lock_insert(lock);
	lock->owner->client->count++;
	locks->count++;
}

void locks_end(struct locks *locks, struct lock *lock)
{
	TAILQ_REMOVE(&lock->file->held[lock->owner->kind], lock, in_file);
	LIST_REMOVE(lock, in_owner);
	lock->owner->client->count--;
	locks->count--;
	free(lock);
}

// A lock that stays in part: [start, end] is taken out of it. `spare` becomes the part behind if there are two. True if spare was used.
static bool lock_cut(struct locks *locks, struct lock *lock, uint64_t start, uint64_t end, struct lock *spare)
{
	bool has_front = lock->start<start, has_back = lock->end> end;

	if (has_front && has_back && spare) { // locks_change has seen to it that there is one
		*spare = *lock;
		spare->start = end + 1;
		lock_begin(locks, spare);
		lock->end = start - 1;
		return true;
	}
	if (has_front) {
		lock->end = start - 1;
	} else if (has_back) {
		lock->start = end + 1;
		TAILQ_REMOVE(&lock->file->held[lock->owner->kind], lock, in_file);
		lock_insert(lock);
	} else {
		locks_end(locks, lock);
	}
	return false;
}

static bool is_split(const struct lock_file *file, const struct lock_owner *owner, const struct lock_request *request, bool is_same_kept)
{
	const struct lock *lock;

	TAILQ_FOREACH(lock, &file->held[owner->kind], in_file)
	{
		if (lock->start >= request->start)
			break;
		if (lock->owner == owner && lock->end > request->end)
			return !(is_same_kept && lock->is_exclusive == request->is_exclusive);
	}
	return false;
}

// Room for `wanted` more locks: one may be made for the range, one by a split.
static int reserve(const struct locks *locks, const struct lock_client *client, unsigned wanted, struct lock *spares[2])
{
	if (client->count + wanted > FAR_LOCKS_PER_SESSION || locks->count + wanted > FAR_LOCKS_MAX)
		return -ENOLCK;
	for (unsigned i = 0; i < wanted; i++) {
		spares[i] = calloc(1, sizeof(*spares[i]));
		if (!spares[i])
			return -ENOMEM;
	}
	return 0;
}

static void free_spares(struct lock *spares[2])
{
	free(spares[0]);
	free(spares[1]);
}

// Takes the owner's locks out of the range; `merged`, if any, grows by those that are alike and touch it. True if others may find more free than before.
static bool clear_range(struct locks *locks, const struct lock_owner *owner, struct lock_file *file, const struct lock_request *request,
        struct lock *merged, struct lock **split)
{
	bool is_freed = false;
	struct lock *lock, *next;

	for (lock = TAILQ_FIRST(&file->held[owner->kind]); lock && lock->start <= request->end + 1; lock = next) {
		bool is_alike = merged && lock->is_exclusive == merged->is_exclusive;
		bool overlaps = lock->start <= request->end && lock->end >= request->start;

		next = TAILQ_NEXT(lock, in_file);
		if (lock->owner != owner || lock->end + 1 < request->start || !(overlaps || is_alike))
			continue;
		if (is_alike) {
			merged->start = lock->start < merged->start ? lock->start : merged->start;
			merged->end = lock->end > merged->end ? lock->end : merged->end;
			locks_end(locks, lock);
			continue;
		}
		is_freed |= !merged || lock->is_exclusive;
		if (lock_cut(locks, lock, request->start, request->end, *split))
			*split = NULL;
	}
	return is_freed;
}

// Who gets its first lock may pass others in the queues where it waits, by other threads.
static void mark_waits(struct locks *locks, const struct lock_owner *owner)
{
	const struct lock_wait *wait;

	if (!LIST_EMPTY(&owner->locks))
		return;
	LIST_FOREACH(wait, &owner->waits, in_owner)
	{
		locks_mark_changed(locks, wait->file);
	}
}

int locks_change(
        struct locks *locks, struct lock_owner *owner, struct lock_file *file, const struct lock_request *request, enum lock_change change)
{
	bool is_set = change == LOCK_SET;
	struct lock *spares[2] = {NULL, NULL};
	unsigned wanted = (unsigned)is_set + is_split(file, owner, request, is_set);
	int error = reserve(locks, owner->client, wanted, spares);
	struct lock **split = is_set ? &spares[1] : &spares[0];

	if (error) {
		free_spares(spares);
		return error;
	}
	if (is_set) {
		*spares[0] = (struct lock){.owner = owner,
		        .file = file,
		        .start = request->start,
		        .end = request->end,
		        .pid = request->pid,
		        .is_exclusive = request->is_exclusive};
	}
	if (clear_range(locks, owner, file, request, is_set ? spares[0] : NULL, split))
		locks_mark_changed(locks, file);
	if (is_set) {
		mark_waits(locks, owner);
		lock_begin(locks, spares[0]);
		spares[0] = NULL;
	}
	free_spares(spares);
	return 0;
}

// --- asking ---

struct lock *locks_find_conflict(const struct lock_file *file, const struct lock_owner *owner, const struct lock_request *request)
{
	struct lock *lock = TAILQ_FIRST(&file->held[request->kind]);

	for (; lock && lock->start <= request->end; lock = TAILQ_NEXT(lock, in_file))
		if (lock_is_in_way(lock, owner, request))
			return lock;
	return NULL;
}

bool locks_exist(const struct locks *locks, uint64_t file)
{
	return id_table_find(&locks->files, file) != NULL;
}

bool locks_test(const struct locks *locks, const struct lock_client *client, const struct lock_request *request, struct lock_found *found)
{
	const struct lock_file *file = pointer_in(&locks->files, request->file);
	const struct lock_owner *owner = pointer_in(&client->owners[request->kind], request->owner);
	const struct lock *lock = file ? locks_find_conflict(file, owner, request) : NULL;

	if (!lock)
		return false;
	*found = (struct lock_found){lock->owner->client, lock->start, lock->end, lock->pid, lock->is_exclusive};
	return true;
}

// A flock lock that cannot be changed at once is given up, whatever comes of the request: flock(2).
static bool gives_up(struct locks *locks, struct lock_owner *owner, struct lock_file *file, const struct lock_request *request)
{
	const struct lock *lock;

	if (request->kind != LOCK_FLOCK)
		return false;
	LIST_FOREACH(lock, &owner->locks, in_owner)
	{
		if (lock->file == file)
			break;
	}
	if (!lock)
		return false;
	locks_change(locks, owner, file, request, LOCK_CLEAR);
	locks_serve(locks);
	return true;
}

static int set_or_wait(
        struct locks *locks, struct lock_owner *owner, struct lock_file *file, const struct lock_request *request, bool is_waiting)
{
	for (bool has_given_up = false;; has_given_up = true) {
		bool is_free = !locks_find_conflict(file, owner, request);

		if (is_free && !(is_waiting && locks_is_behind(file, owner, request, NULL)))
			return locks_change(locks, owner, file, request, LOCK_SET);
		if (has_given_up || !gives_up(locks, owner, file, request))
			break;
	}
	if (!is_waiting)
		return -EAGAIN;
	return locks_is_deadlock(locks, owner, file, request) ? -EDEADLK : locks_begin_wait(locks, owner, file, request);
}

// Between the two neither the owner nor the file goes, whoever is served meanwhile.
static void begin_use(struct lock_owner *owner, struct lock_file *file)
{
	if (owner)
		owner->is_in_use = true;
	if (file)
		file->is_in_use = true;
}

static void end_use(struct locks *locks, struct lock_owner *owner, struct lock_file *file)
{
	locks_serve(locks);
	if (owner) {
		owner->is_in_use = false;
		locks_settle_owner(owner);
	}
	if (file) {
		file->is_in_use = false;
		locks_settle_file(locks, file);
	}
}

static int change(struct locks *locks, struct lock_client *client, const struct lock_request *request, bool is_waiting)
{
	struct lock_owner *owner = owner_of(client, request);
	struct lock_file *file = file_of(locks, request->file);
	int result = -ENOMEM;

	begin_use(owner, file);
	if (owner && file)
		result = set_or_wait(locks, owner, file, request, is_waiting);
	end_use(locks, owner, file);
	return result;
}

int locks_set(struct locks *locks, struct lock_client *client, const struct lock_request *request)
{
	return change(locks, client, request, false);
}

int locks_wait(struct locks *locks, struct lock_client *client, const struct lock_request *request)
{
	int error;

	if (id_table_find(&client->tickets, request->ticket))
		return 1;
	if (locks_take_ticket(locks, client, request->ticket, &error))
		return error;
	return change(locks, client, request, true);
}

int locks_clear(struct locks *locks, struct lock_client *client, const struct lock_request *request)
{
	struct lock_owner *owner = pointer_in(&client->owners[request->kind], request->owner);
	struct lock_file *file = pointer_in(&locks->files, request->file);
	int error;

	if (!owner || !file)
		return 0;
	begin_use(owner, file);
	error = locks_change(locks, owner, file, request, LOCK_CLEAR);
	end_use(locks, owner, file);
	return error;
}
