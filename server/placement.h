// Where the server runs, and where its memory lies: the CPUs of its I/O threads and the NUMA node of its pool. What the machine has is read below `nodes`,
// PLACEMENT_NODES but for tests. `reason` (256 bytes) gets what failed and what to do.
#ifndef SERVER_PLACEMENT_H
#define SERVER_PLACEMENT_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define PLACEMENT_NODES "/sys/devices/system/node"

// Numbers and ranges, such as `2` or `0-3,8`. 0, or -EINVAL: not such a list, or a number of CPU_SETSIZE or more.
int placement_parse_cpus(const char *text, cpu_set_t *cpus);

// The calling thread, and those that it starts from now on, run on these CPUs alone. -EINVAL: some are not there, or not this process's to use.
int placement_pin(const cpu_set_t *cpus, char *reason);

// The calling thread runs on one of these CPUs alone, and others with other numbers on the next ones.
void placement_settle(const cpu_set_t *cpus, unsigned number);

// How many these are; of an empty set, how many this thread may use.
unsigned placement_count_cpus(const cpu_set_t *cpus);

// The node that all these CPUs belong to. -ENOENT: to several, or there is but one in all.
int placement_find_node(const char *nodes, const cpu_set_t *cpus);

// Whether pages for `length` bytes can lie on the node at all. -ENODEV: no such node, or none with memory; -ENOMEM: it has less.
int placement_check_node(const char *nodes, int node, uint64_t length, char *reason);

// Mapped memory that is touched from now on lies on this node: nowhere else if is_strict, else as long as it has some. A negative errno of mbind(2).
int placement_bind(void *base, uint64_t length, int node, bool is_strict);

#endif
