#include "fsd/lock_holders.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define BUCKETS 1024U

// One for each inode, owner, kind of lock and open file.
struct entry {
	struct entry *next;
	struct lock_holder holder;
	uint64_t epoch;    // of its locks, 0: it has none that we know of
	bool is_closed_by; // somebody has closed the open file, perhaps the last one who had it
	bool is_unlocking; // its open file has ended, and the server is being told
};

struct lock_holders {
	_Atomic uint64_t count;
	_Atomic uint64_t epoch; // no entry has locks of an earlier one; later ones may have none lost either
	pthread_mutex_t mutex;  // guards what follows, and writing of the above
	pthread_cond_t unlocked;
	struct entry *buckets[BUCKETS];
};

struct lock_holders *lock_holders_new(void)
{
	struct lock_holders *holders = calloc(1, sizeof(*holders));

	if (!holders)
		return NULL;
	pthread_mutex_init(&holders->mutex, NULL);
	pthread_cond_init(&holders->unlocked, NULL);
	return holders;
}

static void entry_free(struct lock_holders *holders, struct entry **link)
{
	struct entry *entry = *link;

	*link = entry->next;
	free(entry);
	atomic_fetch_sub_explicit(&holders->count, 1, memory_order_relaxed);
}

static struct entry **bucket_of(struct lock_holders *holders, uint64_t ino)
{
	return &holders->buckets[(ino * 0x9e3779b97f4a7c15ULL >> 32) % BUCKETS];
}

void lock_holders_free(struct lock_holders *holders)
{
	if (!holders)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		while (holders->buckets[i])
			entry_free(holders, &holders->buckets[i]);
	pthread_cond_destroy(&holders->unlocked);
	pthread_mutex_destroy(&holders->mutex);
	free(holders);
}

// Relaxed is enough: who closes a file that he has locked, or reads it, does so after his lock call has returned.
static bool is_empty(struct lock_holders *holders)
{
	return atomic_load_explicit(&holders->count, memory_order_relaxed) == 0;
}

static bool is_owners(const struct entry *entry, uint64_t ino, uint64_t owner, bool is_flock)
{
	return entry->holder.ino == ino && entry->holder.owner == owner && entry->holder.is_flock == is_flock;
}

static bool is_lost(const struct entry *entry, uint64_t epoch)
{
	return entry->epoch != 0 && entry->epoch < epoch;
}

static struct entry *find(struct lock_holders *holders, const struct lock_holder *holder)
{
	struct entry *entry = *bucket_of(holders, holder->ino);

	while (entry && !(is_owners(entry, holder->ino, holder->owner, holder->is_flock) && entry->holder.file == holder->file))
		entry = entry->next;
	return entry;
}

static struct entry *find_or_add(struct lock_holders *holders, const struct lock_holder *holder, uint64_t epoch)
{
	struct entry **bucket = bucket_of(holders, holder->ino);
	struct entry *entry = find(holders, holder);

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->holder = *holder;
	entry->next = *bucket;
	*bucket = entry;
	if (atomic_fetch_add_explicit(&holders->count, 1, memory_order_relaxed) == 0)
		atomic_store_explicit(&holders->epoch, epoch, memory_order_relaxed);
	return entry;
}

// An owner has lost locks of the inode if it has by any open file.
static bool has_owner_lost(struct lock_holders *holders, const struct lock_holder *holder, uint64_t epoch)
{
	for (const struct entry *entry = *bucket_of(holders, holder->ino); entry; entry = entry->next)
		if (is_owners(entry, holder->ino, holder->owner, holder->is_flock) && is_lost(entry, epoch))
			return true;
	return false;
}

// Under the mutex.
static int note(struct lock_holders *holders, const struct lock_holder *holder, uint64_t epoch, bool has_lock)
{
	struct entry *entry = find_or_add(holders, holder, epoch);
	int error = 0;

	if (!entry) {
		error = -ENOLCK;
	} else if (has_owner_lost(holders, holder, epoch)) {
		error = -EIO;
	} else if (has_lock) {
		entry->epoch = epoch;
		entry->is_closed_by = false;
	}
	return error;
}

static bool is_unlocking(struct lock_holders *holders, const struct lock_holder *holder)
{
	for (const struct entry *entry = *bucket_of(holders, holder->ino); entry; entry = entry->next)
		if (entry->is_unlocking && is_owners(entry, holder->ino, holder->owner, holder->is_flock))
			return true;
	return false;
}

int lock_holders_note(struct lock_holders *holders, const struct lock_holder *holder, uint64_t epoch)
{
	int error;

	pthread_mutex_lock(&holders->mutex);
	while (is_unlocking(holders, holder))
		pthread_cond_wait(&holders->unlocked, &holders->mutex);
	error = note(holders, holder, epoch, false);
	pthread_mutex_unlock(&holders->mutex);
	return error;
}

int lock_holders_result(struct lock_holders *holders, const struct lock_holder *holder, int error, uint64_t epoch)
{
	int result;

	pthread_mutex_lock(&holders->mutex);
	result = note(holders, holder, epoch, error == 0);
	pthread_mutex_unlock(&holders->mutex);
	return error && result != -EIO ? error : result;
}

static bool forget_owner(struct lock_holders *holders, uint64_t ino, uint64_t owner, bool is_flock)
{
	struct entry **link = bucket_of(holders, ino);
	bool is_any = false;

	while (*link) {
		if (is_owners(*link, ino, owner, is_flock) && !(*link)->is_unlocking) {
			entry_free(holders, link);
			is_any = true;
		} else {
			link = &(*link)->next;
		}
	}
	return is_any;
}

void lock_holders_unlock(struct lock_holders *holders, const struct lock_holder *holder)
{
	pthread_mutex_lock(&holders->mutex);
	forget_owner(holders, holder->ino, holder->owner, holder->is_flock);
	pthread_mutex_unlock(&holders->mutex);
}

bool lock_holders_flush(struct lock_holders *holders, uint64_t ino, uint64_t owner, uint64_t file)
{
	bool is_any;

	if (is_empty(holders))
		return false;
	pthread_mutex_lock(&holders->mutex);
	is_any = forget_owner(holders, ino, owner, false);
	for (struct entry *entry = *bucket_of(holders, ino); entry; entry = entry->next)
		if (entry->holder.ino == ino && entry->holder.file == file)
			entry->is_closed_by = true;
	pthread_mutex_unlock(&holders->mutex);
	return is_any;
}

static bool has_other_file(struct lock_holders *holders, const struct lock_holder *holder)
{
	for (const struct entry *entry = *bucket_of(holders, holder->ino); entry; entry = entry->next)
		if (is_owners(entry, holder->ino, holder->owner, holder->is_flock) && entry->holder.file != holder->file)
			return true;
	return false;
}

// The server has been told of it: who asks for a lock as the same owner goes on.
static void end_unlocking(struct lock_holders *holders, struct entry **link)
{
	entry_free(holders, link);
	pthread_cond_broadcast(&holders->unlocked);
}

// A process's record locks have ended by its FLUSH, which came before: what is left are the open file's own. The kernel names an open file anew as soon as it is closed: an owner who is
// known by another open file too has what it has by that one from now on. That is seen and settled at once, or of two that end at one time each would leave it to the other.
bool lock_holders_release(struct lock_holders *holders, uint64_t ino, uint64_t file, uint64_t *owner)
{
	struct entry **link, *told = NULL;

	if (is_empty(holders))
		return false;
	pthread_mutex_lock(&holders->mutex);
	link = bucket_of(holders, ino);
	while (*link && !told) {
		struct entry *entry = *link;

		if (entry->holder.ino != ino || entry->holder.file != file || entry->holder.is_flock)
			link = &entry->next;
		else if (entry->is_unlocking)
			end_unlocking(holders, link);
		else if (has_other_file(holders, &entry->holder))
			entry_free(holders, link);
		else
			told = entry;
	}
	if (told) {
		told->is_unlocking = true;
		*owner = told->holder.owner;
	}
	pthread_mutex_unlock(&holders->mutex);
	return told != NULL;
}

void lock_holders_forget(struct lock_holders *holders, uint64_t ino, uint64_t file)
{
	struct entry **link;

	if (is_empty(holders))
		return;
	pthread_mutex_lock(&holders->mutex);
	link = bucket_of(holders, ino);
	while (*link) {
		if ((*link)->holder.ino == ino && (*link)->holder.file == file)
			entry_free(holders, link);
		else
			link = &(*link)->next;
	}
	pthread_mutex_unlock(&holders->mutex);
}

bool lock_holders_is_ending(struct lock_holders *holders, const struct lock_holder *holder)
{
	bool is_ending = false;

	if (is_empty(holders))
		return false;
	pthread_mutex_lock(&holders->mutex);
	for (const struct entry *entry = *bucket_of(holders, holder->ino); entry; entry = entry->next)
		is_ending |= entry->holder.ino == holder->ino && entry->holder.owner != holder->owner &&
		             entry->holder.is_flock == holder->is_flock && entry->epoch && entry->is_closed_by;
	pthread_mutex_unlock(&holders->mutex);
	return is_ending;
}

bool lock_holders_has_lost(struct lock_holders *holders, uint64_t ino, uint64_t file, uint64_t epoch)
{
	bool has_lost = false;

	if (is_empty(holders) || atomic_load_explicit(&holders->epoch, memory_order_relaxed) == epoch)
		return false;
	pthread_mutex_lock(&holders->mutex);
	for (const struct entry *entry = *bucket_of(holders, ino); entry; entry = entry->next)
		has_lost |= entry->holder.ino == ino && entry->holder.file == file && is_lost(entry, epoch);
	pthread_mutex_unlock(&holders->mutex);
	return has_lost;
}
