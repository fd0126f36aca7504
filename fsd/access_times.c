#include "fsd/access_times.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "far/access_time.h"

// The table is a memory of objects whose access time is due, each in the one place that its id hashes to. Nothing depends on it: what another object has displaced is noticed with the
// next attributes, and the server looks at the times itself before it moves one. So single atomic loads and stores do, in any order.

#define PLACES_SHIFT 12U

struct access_times {
	enum access_times_rule rule;
	bool are_directories_left_out;
	_Atomic uint64_t due[1U << PLACES_SHIFT]; // ids, 0 = none
};

int access_times_new(enum access_times_rule rule, bool are_directories_left_out, struct access_times **out)
{
	*out = NULL;
	if (rule == ACCESS_TIMES_NEVER)
		return 0;
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->rule = rule;
	(*out)->are_directories_left_out = are_directories_left_out;
	return 0;
}

void access_times_free(struct access_times *times)
{
	free(times);
}

static _Atomic uint64_t *place_of(struct access_times *times, uint64_t id)
{
	return &times->due[id * 0x9e3779b97f4a7c15U >> (64 - PLACES_SHIFT)];
}

// Stores only what is new: the line stays shared among threads that see the same objects again and again.
static void set_due(struct access_times *times, uint64_t id, bool is_due)
{
	_Atomic uint64_t *place = place_of(times, id);

	bool was_due = atomic_load_explicit(place, memory_order_relaxed) == id;

	if (was_due != is_due)
		atomic_store_explicit(place, is_due ? id : 0, memory_order_relaxed);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void access_times_see(struct access_times *times, const struct far_attr *attr)
{
	if (!times || times->rule != ACCESS_TIMES_RELATIVE)
		return;
	if (!S_ISREG(attr->mode) && !S_ISLNK(attr->mode) && (!S_ISDIR(attr->mode) || times->are_directories_left_out))
		return;
	set_due(times, attr->id, far_access_time_is_due(attr->atime_ns, attr->mtime_ns, attr->ctime_ns, now_ns()));
}

void access_times_see_written(struct access_times *times, uint64_t id)
{
	if (times && times->rule == ACCESS_TIMES_RELATIVE)
		set_due(times, id, true);
}

bool access_times_take(struct access_times *times, uint64_t id, bool is_directory, bool *is_always)
{
	if (!times || (is_directory && times->are_directories_left_out))
		return false;
	*is_always = times->rule == ACCESS_TIMES_STRICT;
	if (*is_always)
		return true;
	if (atomic_load_explicit(place_of(times, id), memory_order_relaxed) != id)
		return false;
	set_due(times, id, false);
	return true;
}
