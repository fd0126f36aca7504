#include "fsd/last_lookups.h"

#include <pthread.h>
#include <string.h>

#include <xxhash.h>

#define PLACES 4096U // threads have consecutive numbers mostly, and each its own place
#define MUTEXES 64U
#define REMEMBERED 2U

static struct {
	pid_t thread;
	unsigned next;
	struct {
		uint64_t key; // of parent and name
		uint64_t id;
	} lookups[REMEMBERED];
} places[PLACES];

static pthread_mutex_t mutexes[MUTEXES] = {[0 ... MUTEXES - 1] = PTHREAD_MUTEX_INITIALIZER};

static uint64_t key_of(uint64_t parent, const char *name)
{
	return XXH3_64bits_withSeed(name, strlen(name), parent * 0x9e3779b97f4a7c15ULL);
}

// Which of a thread's lookups was of that name; REMEMBERED: none.
static unsigned find(unsigned place, pid_t thread, uint64_t key)
{
	unsigned i = 0;

	while (i < REMEMBERED && !(places[place].thread == thread && places[place].lookups[i].key == key))
		i++;
	return i;
}

static void note(unsigned place, pid_t thread, uint64_t key, uint64_t id)
{
	unsigned at = find(place, thread, key);

	if (places[place].thread != thread) {
		memset(&places[place], 0, sizeof(places[place]));
		places[place].thread = thread;
	}
	if (at == REMEMBERED)
		at = places[place].next++ % REMEMBERED;
	else
		places[place].next = at + 1; // the other one is the older now
	places[place].lookups[at].key = key;
	places[place].lookups[at].id = id;
}

void last_lookups_note(pid_t thread, uint64_t parent, const char *name, uint64_t id)
{
	unsigned place = (unsigned)thread % PLACES;

	pthread_mutex_lock(&mutexes[place % MUTEXES]);
	note(place, thread, key_of(parent, name), id);
	pthread_mutex_unlock(&mutexes[place % MUTEXES]);
}

uint64_t last_lookup(pid_t thread, uint64_t parent, const char *name)
{
	unsigned place = (unsigned)thread % PLACES;
	uint64_t id = 0;
	unsigned at;

	pthread_mutex_lock(&mutexes[place % MUTEXES]);
	at = find(place, thread, key_of(parent, name));
	if (at < REMEMBERED)
		id = places[place].lookups[at].id;
	pthread_mutex_unlock(&mutexes[place % MUTEXES]);
	return id;
}
