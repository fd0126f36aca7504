#include "server/placement.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "far/log.h"

// The kernel tells of CPUs and nodes by lists of ranges, the form that users give them in, too: one parser for both. Node numbers fit a set of CPUs.

#define REASON_SIZE 256
#define PATH_SIZE 512

static int parse_number(const char **text, unsigned long *number)
{
	char *end;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	*number = strtoul(*text, &end, 10);
	*text = end;
	return *number < CPU_SETSIZE ? 0 : -EINVAL;
}

int placement_parse_cpus(const char *text, cpu_set_t *cpus)
{
	unsigned long first, last;

	CPU_ZERO(cpus);
	do {
		if (parse_number(&text, &first))
			return -EINVAL;
		last = first;
		if (*text == '-') {
			text++;
			if (parse_number(&text, &last) || last < first)
				return -EINVAL;
		}
		for (unsigned long cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, cpus);
	} while (*text++ == ',');
	return text[-1] == '\0' ? 0 : -EINVAL;
}

// The reverse: as many ranges as `text` has room for.
static void format_list(const cpu_set_t *set, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int first = 0; first < CPU_SETSIZE && used + 16 < size; first++) {
		int last = first;

		if (!CPU_ISSET(first, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		used += (size_t)snprintf(text + used, size - used, first == last ? "%s%d" : "%s%d-%d", used ? "," : "", first, last);
		first = last;
	}
}

int placement_pin(const cpu_set_t *cpus, char *reason)
{
	cpu_set_t allowed, missing;
	char have[80], lack[80];

	if (sched_getaffinity(0, sizeof(allowed), &allowed)) {
		snprintf(reason, REASON_SIZE, "cannot ask for the CPUs that there are: %s", strerror(errno));
		return -errno;
	}
	CPU_AND(&missing, cpus, &allowed);
	CPU_XOR(&missing, &missing, cpus);
	if (CPU_COUNT(&missing) > 0) {
		format_list(&missing, lack, sizeof(lack));
		format_list(&allowed, have, sizeof(have));
		snprintf(reason, REASON_SIZE, "CPU %s is not there, or not for this process: choose from %s", lack, have);
		return -EINVAL;
	}
	if (sched_setaffinity(0, sizeof(*cpus), cpus)) {
		snprintf(reason, REASON_SIZE, "cannot be set: %s", strerror(errno));
		return -errno;
	}
	format_list(cpus, have, sizeof(have));
	log_info("pinned cpus=%s", have);
	return 0;
}

void placement_settle(const cpu_set_t *cpus, unsigned number)
{
	unsigned skip = number % (unsigned)CPU_COUNT(cpus);
	cpu_set_t own;

	CPU_ZERO(&own);
	for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&own) == 0; cpu++)
		if (CPU_ISSET(cpu, cpus) && skip-- == 0)
			CPU_SET(cpu, &own);
	sched_setaffinity(0, sizeof(own), &own); // of a set that placement_pin has found allowed
}

unsigned placement_count_cpus(const cpu_set_t *cpus)
{
	cpu_set_t allowed;

	if (CPU_COUNT(cpus) > 0)
		return (unsigned)CPU_COUNT(cpus);
	return sched_getaffinity(0, sizeof(allowed), &allowed) ? 1 : (unsigned)CPU_COUNT(&allowed);
}

// --- nodes ---

// The first line of a file below the folder of nodes.
static int read_line(const char *nodes, const char *name, char *line, int size)
{
	char path[PATH_SIZE];
	FILE *file;
	bool is_read;

	snprintf(path, sizeof(path), "%s/%s", nodes, name);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	is_read = fgets(line, size, file) != NULL;
	fclose(file);
	if (!is_read)
		return -ENODATA;
	line[strcspn(line, "\n")] = '\0';
	return 0;
}

static int read_list(const char *nodes, const char *name, cpu_set_t *set)
{
	char line[1024] = "";
	int error = read_line(nodes, name, line, sizeof(line));

	return error ? error : placement_parse_cpus(line, set);
}

int placement_find_node(const char *nodes, const cpu_set_t *cpus)
{
	cpu_set_t online, here, common;
	char name[40];

	if (read_list(nodes, "online", &online) || CPU_COUNT(&online) < 2)
		return -ENOENT;
	for (int node = 0; node < CPU_SETSIZE; node++) {
		snprintf(name, sizeof(name), "node%d/cpulist", node);
		if (!CPU_ISSET(node, &online) || read_list(nodes, name, &here))
			continue;
		CPU_AND(&common, &here, cpus);
		if (CPU_COUNT(&common) > 0)
			return CPU_EQUAL(&common, cpus) ? node : -ENOENT;
	}
	return -ENOENT;
}

int placement_check_node(const char *nodes, int node, uint64_t length, char *reason)
{
	cpu_set_t with_memory;
	unsigned long long total = 0;
	char line[256], name[40];

	if (read_list(nodes, "has_memory", &with_memory)) {
		snprintf(reason, REASON_SIZE, "this kernel knows no NUMA nodes: start without --numa");
		return -ENODEV;
	}
	if (!CPU_ISSET(node, &with_memory)) {
		format_list(&with_memory, line, 80);
		snprintf(reason, REASON_SIZE, "there is no NUMA node %d with memory: choose from %.80s with --numa", node, line);
		return -ENODEV;
	}
	snprintf(name, sizeof(name), "node%d/meminfo", node);
	if (read_line(nodes, name, line, sizeof(line)) == 0 && sscanf(line, "Node %*d MemTotal: %llu kB", &total) == 1 &&
	        length / 1024 > total) {
		snprintf(reason, REASON_SIZE,
		        "a pool of %llu bytes does not fit NUMA node %d, which has %llu: choose a smaller --pool, or no --numa",
		        (unsigned long long)length, node, total * 1024);
		return -ENOMEM;
	}
	return 0;
}

int placement_bind(void *base, uint64_t length, int node, bool is_strict)
{
	unsigned long mask[CPU_SETSIZE / (8 * sizeof(unsigned long))] = {0};

	mask[(size_t)node / (8 * sizeof(*mask))] = 1UL << (size_t)node % (8 * sizeof(*mask));
	// The kernel takes the number of bits for one more than it is.
	return syscall(SYS_mbind, base, length, is_strict ? MPOL_BIND : MPOL_PREFERRED, mask, CPU_SETSIZE + 1UL, 0UL) ? -errno : 0;
}
