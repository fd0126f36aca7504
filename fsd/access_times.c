#include "fsd/access_times.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "far/access_time.h"

// The table is a memory of objects whose access time is due, each in the one place that its id hashes to. Nothing depends on it: what another object has displaced is noticed with the
// next attributes, and the server looks at the times itself before it moves one. So single atomic loads and stores do, in any order.
//
// Where reads and writes of one object alternate each read is due. For these a message each would be most of the cost (over shared memory, where neither needs the server), so within
// TELL_AGAIN_NS of the last one the object stays due, and a later read tells of it.

#define PLACES_SHIFT 12U
#define TELL_AGAIN_NS 10000000 // about what the times of other file systems are exact to

struct place {
	_Atomic uint64_t due;  // id, 0 = none
	_Atomic uint64_t told; // id that was told last
	_Atomic int64_t told_at_ns;
};

struct access_times {
	enum access_times_rule rule;
	bool are_directories_left_out;
	struct place places[1U << PLACES_SHIFT];
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

static struct place *place_of(struct access_times *times, uint64_t id)
{
	return &times->places[id * 0x9e3779b97f4a7c15U >> (64 - PLACES_SHIFT)];
}

// Stores only what is new: the line stays shared among threads that see the same objects again and again.
static void set_due(struct access_times *times, uint64_t id, bool is_due)
{
	struct place *place = place_of(times, id);
	bool was_due = atomic_load_explicit(&place->due, memory_order_relaxed) == id;

	if (was_due != is_due)
		atomic_store_explicit(&place->due, is_due ? id : 0, memory_order_relaxed);
}

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool access_times_see(struct access_times *times, const struct far_attr *attr)
{
	bool is_due;

	if (!times || times->rule != ACCESS_TIMES_RELATIVE)
		return times != NULL;
	if (!S_ISREG(attr->mode) && !S_ISLNK(attr->mode) && (!S_ISDIR(attr->mode) || times->are_directories_left_out))
		return false;
	is_due = far_access_time_is_due(attr->atime_ns, attr->mtime_ns, attr->ctime_ns, now_ns(CLOCK_REALTIME_COARSE));
	set_due(times, attr->id, is_due);
	return is_due;
}

void access_times_see_written(struct access_times *times, uint64_t id)
{
	if (times && times->rule == ACCESS_TIMES_RELATIVE)
		set_due(times, id, true);
}

static bool was_just_told(const struct place *place, uint64_t id, int64_t now)
{
	return atomic_load_explicit(&place->told, memory_order_relaxed) == id &&
	       now - atomic_load_explicit(&place->told_at_ns, memory_order_relaxed) < TELL_AGAIN_NS;
}

// What is due is no hot path: it may look at the clock.
static bool tell(struct place *place, uint64_t id)
{
	int64_t now = now_ns(CLOCK_MONOTONIC_COARSE);

	if (was_just_told(place, id, now))
		return false;
	atomic_store_explicit(&place->told, id, memory_order_relaxed);
	atomic_store_explicit(&place->told_at_ns, now, memory_order_relaxed);
	atomic_store_explicit(&place->due, 0, memory_order_relaxed);
	return true;
}

bool access_times_take(struct access_times *times, uint64_t id, bool is_directory, bool *is_always)
{
	if (!times || (is_directory && times->are_directories_left_out))
		return false;
	*is_always = times->rule == ACCESS_TIMES_STRICT;
	if (*is_always)
		return true;
	if (atomic_load_explicit(&place_of(times, id)->due, memory_order_relaxed) != id)
		return false;
	return tell(place_of(times, id), id);
}
