// What the kernel's requests cost, by kind and by stage (client/profile.h), while somebody wants to know; and which of them took long, always.
#ifndef FSD_PROFILING_H
#define FSD_PROFILING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// From now on, from zero; or no longer. Any thread.
void profiling_set(bool is_on);

// Around each request, on its thread. Returns when it began, for profiling_end. slow_ms: one that took so long is logged (0: none is); `opcode` and `id` are the request's, 0 for several that are answered together.
uint64_t profiling_begin(void);
void profiling_end(uint64_t begun, unsigned slow_ms, uint32_t opcode, uint64_t id);

// Lines of a kind's name, how many, and nanoseconds of all of them in each stage: "read 3 work 1 post 2 wait 3 copy 4 reply 5". Returns the length, or a negative errno.
ssize_t profiling_write(char *text, size_t room);

#endif
