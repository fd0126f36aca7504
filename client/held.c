#include "client/held.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "far/layout.h"

#define SET 8U
#define SETS (1U << 17)   // a million objects, 24 MiB when all of it is used
#define NEIGHBOURS_BITS 6 // a set for each KiB of records: it has room for all that lie there
#define MUTEXES 64U

// id 0 = empty. An entry says that the server counts a hold at least.
struct entry {
	uint64_t id;
	uint64_t here; // holds that only this table has
	uint64_t epoch;
};

struct held {
	struct entry *entries;
	pthread_mutex_t mutexes[MUTEXES]; // each guards every MUTEXES-th set
};

#define TABLE_BYTES ((size_t)SETS * SET * sizeof(struct entry))

struct held *held_new(void)
{
	struct held *held = malloc(sizeof(*held));

	if (!held)
		return NULL;
	held->entries = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (held->entries == MAP_FAILED) {
		free(held);
		return NULL;
	}
	for (unsigned i = 0; i < MUTEXES; i++)
		pthread_mutex_init(&held->mutexes[i], NULL);
	return held;
}

void held_free(struct held *held)
{
	if (!held)
		return;
	for (unsigned i = 0; i < MUTEXES; i++)
		pthread_mutex_destroy(&held->mutexes[i]);
	munmap(held->entries, TABLE_BYTES);
	free(held);
}

// Records that lie side by side, as those of one folder mostly do, share pages of the table.
static uint32_t set_of(uint64_t id)
{
	return (uint32_t)(FAR_ID_POSITION(id) >> NEIGHBOURS_BITS) % SETS;
}
static_assert(FAR_GRANULE << NEIGHBOURS_BITS <= SET * sizeof(struct far_record), "a set has room for all records that lie there");

// The entry in a set, or, with id 0, an empty one. NULL: none.
static struct entry *find(const struct held *held, uint32_t set, uint64_t id)
{
	struct entry *entries = &held->entries[(size_t)set * SET];

	for (unsigned i = 0; i < SET; i++)
		if (entries[i].id == id)
			return &entries[i];
	return NULL;
}

static void note(const struct held *held, uint32_t set, uint64_t id, uint64_t epoch)
{
	struct entry *entry = find(held, set, id);

	if (entry && entry->epoch >= epoch) // a note of an earlier session may come late
		return;
	if (!entry)
		entry = find(held, set, 0);
	if (entry) // of an earlier epoch: the server has forgotten those holds, and takes back no more than it counts
		*entry = (struct entry){.id = id, .epoch = epoch};
}

void held_note(struct held *held, uint64_t id, uint64_t epoch)
{
	uint32_t set = set_of(id);

	pthread_mutex_lock(&held->mutexes[set % MUTEXES]);
	note(held, set, id, epoch);
	pthread_mutex_unlock(&held->mutexes[set % MUTEXES]);
}

bool held_add(struct held *held, uint64_t id, uint64_t epoch)
{
	uint32_t set = set_of(id);
	struct entry *entry;
	bool is_held;

	pthread_mutex_lock(&held->mutexes[set % MUTEXES]);
	entry = find(held, set, id);
	is_held = entry && entry->epoch == epoch;
	if (is_held)
		entry->here++;
	pthread_mutex_unlock(&held->mutexes[set % MUTEXES]);
	return is_held;
}

static uint64_t drop(const struct held *held, uint32_t set, uint64_t id, uint64_t count)
{
	struct entry *entry = find(held, set, id);

	if (!entry)
		return count;
	if (count <= entry->here) {
		entry->here -= count;
		return 0;
	}
	count -= entry->here;
	entry->id = 0; // whether the server still counts one is not known any more
	return count;
}

uint64_t held_drop(struct held *held, uint64_t id, uint64_t count)
{
	uint32_t set = set_of(id);

	pthread_mutex_lock(&held->mutexes[set % MUTEXES]);
	count = drop(held, set, id, count);
	pthread_mutex_unlock(&held->mutexes[set % MUTEXES]);
	return count;
}
