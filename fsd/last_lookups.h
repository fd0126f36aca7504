#ifndef FSD_LAST_LOOKUPS_H
#define FSD_LAST_LOOKUPS_H

#include <stdint.h>
#include <sys/types.h>

// Which directory the kernel means by a name that it asks to remove or to replace: it has looked the name up for the same thread just before. The last two lookups of each thread are remembered, as many as a rename needs,
// of some thousand threads. Any thread may call.

// id: the directory that the lookup has found, or 0: something else, or nothing.
void last_lookups_note(pid_t thread, uint64_t parent, const char *name, uint64_t id);

// 0: not known.
uint64_t last_lookup(pid_t thread, uint64_t parent, const char *name);

#endif
