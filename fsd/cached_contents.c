#include "fsd/cached_contents.h"

#include <pthread.h>
#include <sys/stat.h>

#define PLACES_SHIFT 13U
#define MUTEXES 64U

// Each file has the one place that its id hashes to.
static struct {
	uint64_t id;
	uint64_t epoch;
	uint64_t latest; // version, of all that were seen
	uint64_t cached; // the version that what is in the cache has at least; 0: none is known
	bool must_be_read;
} places[1U << PLACES_SHIFT];

static pthread_mutex_t mutexes[MUTEXES] = {[0 ... MUTEXES - 1] = PTHREAD_MUTEX_INITIALIZER};

static size_t place_of(uint64_t id)
{
	return id * 0x9e3779b97f4a7c15U >> (64 - PLACES_SHIFT);
}

// Attributes arrive by several threads, so an older version may be told later.
static void see(size_t place, const struct far_attr *attr, uint64_t epoch, bool must_be_read)
{
	if (places[place].id != attr->id || places[place].epoch < epoch) {
		places[place].id = attr->id;
		places[place].epoch = epoch;
		places[place].latest = attr->version;
		places[place].cached = 0;
	}
	if (places[place].epoch > epoch)
		return;
	if (attr->version > places[place].latest)
		places[place].latest = attr->version;
	places[place].must_be_read = must_be_read;
}

void cached_contents_see(const struct far_attr *attr, uint64_t epoch, bool must_be_read)
{
	size_t place = place_of(attr->id);

	if (!S_ISREG(attr->mode))
		return;
	pthread_mutex_lock(&mutexes[place % MUTEXES]);
	see(place, attr, epoch, must_be_read);
	pthread_mutex_unlock(&mutexes[place % MUTEXES]);
}

bool cached_contents_open(uint64_t id, uint64_t epoch)
{
	size_t place = place_of(id);
	bool is_kept = false;

	pthread_mutex_lock(&mutexes[place % MUTEXES]);
	if (places[place].id == id && places[place].epoch == epoch) {
		is_kept = places[place].cached == places[place].latest && !places[place].must_be_read;
		places[place].cached = places[place].latest;
	}
	pthread_mutex_unlock(&mutexes[place % MUTEXES]);
	return is_kept;
}
