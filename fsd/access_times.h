// Access times of what a mount reads. The kernel leaves them to the file system. The server moves them; the mount tells it of a read only where that may move one, which it knows
// from attributes that pass by anyway: a read costs a look at a table, and a message that nobody waits for where the access time is due.
#ifndef FSD_ACCESS_TIMES_H
#define FSD_ACCESS_TIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "far/wire.h"

enum access_times_rule {
	ACCESS_TIMES_RELATIVE, // include/far/access_time.h
	ACCESS_TIMES_STRICT,   // each read
	ACCESS_TIMES_NEVER,
};

struct access_times;

// *out is NULL for ACCESS_TIMES_NEVER, which all calls below take. -ENOMEM.
int access_times_new(enum access_times_rule rule, bool are_directories_left_out, struct access_times **out);
void access_times_free(struct access_times *times);

// An object's attributes came by. Any thread. Whether the next read moves its access time, as far as is known.
bool access_times_see(struct access_times *times, const struct far_attr *attr);

// It has been written to. Any thread.
void access_times_see_written(struct access_times *times, uint64_t id);

// An object is read. Whether the server is to be told (by the relative rule not again within some 10 ms: a later read is), and *is_always whatever its times are. Any thread; of several that ask at once for one object more than one may be told so.
bool access_times_take(struct access_times *times, uint64_t id, bool is_directory, bool *is_always);

#endif
