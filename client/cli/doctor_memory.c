#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/doctor.h"
#include "client/cli/doctor_text.h"
#include "client/cli/doctor_tree.h"
#include "client/cli/number.h"
#include "far/cleanup.h"

// The pool's memory: is there enough, in large pages, on one node, and may it be locked for an adapter?

#define HUGEPAGE (2ULL << 20)
#define CAP_IPC_LOCK 14           // linux/capability.h: locks as much as it likes
#define LIMIT_NONE (1ULL << 62)   // version 1 says LONG_MAX, cut to whole pages, for no limit
#define LOCKED_BESIDE (64U << 20) // queues and receive buffers beside the pool, generously

// A line of /proc/meminfo in bytes. 0 if there is none.
static uint64_t meminfo(const struct doctor *doctor, const char *name)
{
	char text[DOCTOR_TEXT];

	return doctor_read_field(doctor, "proc/meminfo", name, text) == 0 ? strtoull(text, NULL, 10) << 10 : 0;
}

static void check_available(struct doctor *doctor)
{
	uint64_t available = meminfo(doctor, "MemAvailable");
	uint64_t total = meminfo(doctor, "MemTotal");
	struct doctor_finding *finding;
	char texts[3][32];

	if (total == 0)
		return;
	size_format(available, true, texts[0]);
	size_format(total, true, texts[1]);
	size_format(doctor->pool, true, texts[2]);
	if (available >= doctor->pool) {
		doctor_add(doctor, DOCTOR_OK, "memory", "%s of %s available for a pool of %s", texts[0], texts[1], texts[2]);
		return;
	}
	finding = doctor_add(doctor, total < doctor->pool ? DOCTOR_FAIL : DOCTOR_WARN, "memory",
	        "%s of %s available, less than a pool of %s (unless its server runs already)", texts[0], texts[1], texts[2]);
	doctor_advise(finding, "give the server a smaller pool: far-server --pool %lluM", (unsigned long long)(available / 10 * 8 >> 20));
}

static void check_hugepages(struct doctor *doctor)
{
	uint64_t needed = (doctor->pool + HUGEPAGE - 1) / HUGEPAGE;
	struct doctor_finding *finding;
	char modes[DOCTOR_TEXT];
	char mode[32];
	int64_t there;

	if (doctor_read_number(doctor, &there, "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"))
		there = 0;
	doctor_read(doctor, modes, "sys/kernel/mm/transparent_hugepage/shmem_enabled");
	chosen_word(modes, mode);
	if ((uint64_t)there >= needed) {
		doctor_add(doctor, DOCTOR_OK, "hugepages", "%lld free, a pool takes %llu", (long long)there, (unsigned long long)needed);
		return;
	}
	if (mode[0] && strcmp(mode, "never") != 0 && strcmp(mode, "deny") != 0)
		finding = doctor_add(doctor, DOCTOR_NOTE, "hugepages",
		        "%lld free of the %llu that a pool takes: it gets transparent ones (shmem_enabled=%s)", (long long)there,
		        (unsigned long long)needed, mode);
	else
		finding = doctor_add(doctor, DOCTOR_WARN, "hugepages",
		        "%lld free of the %llu that a pool takes, and no transparent ones (shmem_enabled=%s): it gets "
		        "pages of 4 KiB",
		        (long long)there, (unsigned long long)needed, mode[0] ? mode : "unknown");
	doctor_advise(finding, "sysctl -w vm.nr_hugepages=%llu%s", (unsigned long long)needed,
	        finding->status == DOCTOR_NOTE ? "" : ", or: echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled");
}

// --- locked memory ---

static bool may_lock_anything(const struct doctor *doctor)
{
	char effective[DOCTOR_TEXT];

	return doctor_read_field(doctor, "proc/self/status", "CapEff", effective) == 0 && strtoull(effective, NULL, 16) >> CAP_IPC_LOCK & 1;
}

void doctor_check_memlock(struct doctor *doctor, enum doctor_status status)
{
	uint64_t needed = doctor->pool + LOCKED_BESIDE;
	struct doctor_finding *finding;
	char limits[DOCTOR_TEXT];
	char texts[2][32];
	uint64_t soft;
	uint64_t hard;

	if (doctor_read_field(doctor, "proc/self/limits", "Max locked memory", limits) || limit_parse(limits, &soft, &hard))
		return;
	size_format(soft, true, texts[0]);
	size_format(needed, true, texts[1]);
	if (soft == UINT64_MAX) {
		doctor_add(doctor, DOCTOR_OK, "locked memory", "unlimited");
	} else if (soft >= needed) {
		doctor_add(doctor, DOCTOR_OK, "locked memory", "%s, RDMA registers %s", texts[0], texts[1]);
	} else if (may_lock_anything(doctor)) {
		doctor_add(doctor, DOCTOR_OK, "locked memory", "%s, which does not bind this user (CAP_IPC_LOCK)", texts[0]);
	} else {
		finding = doctor_add(doctor, status, "locked memory", "%s: RDMA registers %s, the pool and %u MiB for queues", texts[0],
		        texts[1], LOCKED_BESIDE >> 20);
		doctor_advise(finding,
		        "%s; for good: echo '* - memlock unlimited' >/etc/security/limits.d/farfs.conf and log in again; for the service: "
		        "LimitMEMLOCK=infinity by systemctl edit far-server",
		        hard >= needed ? "ulimit -l unlimited || ulimit -l $(ulimit -Hl)" : "as root: ulimit -l unlimited");
	}
}

// --- control groups ---

// The smallest limit from a group up to the root of its hierarchy. UINT64_MAX if there is none.
static uint64_t limit_of_group(const struct doctor *doctor, const char *top, const char *group, const char *file)
{
	uint64_t least = UINT64_MAX;
	char path[DOCTOR_TEXT];

	snprintf(path, sizeof(path), "%s", group);
	for (;;) {
		int64_t limit;
		char *slash;

		if (doctor_read_number(doctor, &limit, "%s%s/%s", top, path, file) == 0 && limit >= 0 && (uint64_t)limit < least)
			least = (uint64_t)limit;
		slash = strrchr(path, '/');
		if (!slash)
			return least;
		*slash = '\0';
	}
}

// Lines are HIERARCHY:CONTROLLERS:PATH; version 2 has no controllers.
static uint64_t group_limit(const struct doctor *doctor)
{
	uint64_t least = UINT64_MAX;
	char path[4096];
	char line[4096];
	FILE *file = fopen(doctor_path(doctor, path, "proc/self/cgroup"), "re");

	while (file && fgets(line, sizeof(line), file)) {
		char *controllers = strchr(line, ':');
		char *group = controllers ? strchr(controllers + 1, ':') : NULL;
		uint64_t limit = UINT64_MAX;

		if (!group)
			continue;
		*group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		if (strcmp(group, "/") == 0)
			group[0] = '\0';
		if (strcmp(controllers, ":") == 0)
			limit = limit_of_group(doctor, "sys/fs/cgroup", group, "memory.max");
		else if (strcmp(controllers, ":memory") == 0)
			limit = limit_of_group(doctor, "sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
		if (limit < least)
			least = limit;
	}
	if (file)
		fclose(file);
	return least;
}

static void check_group(struct doctor *doctor)
{
	uint64_t limit = group_limit(doctor);
	struct doctor_finding *finding;
	char texts[2][32];

	if (limit > LIMIT_NONE) {
		doctor_add(doctor, DOCTOR_OK, "control group", "no memory limit");
		return;
	}
	size_format(limit, true, texts[0]);
	size_format(doctor->pool, true, texts[1]);
	if (limit > doctor->pool) {
		doctor_add(doctor, DOCTOR_OK, "control group", "memory limit %s, above the pool's %s", texts[0], texts[1]);
		return;
	}
	finding = doctor_add(doctor, DOCTOR_FAIL, "control group",
	        "memory limit %s: a server started here is killed before its pool of %s is full", texts[0], texts[1]);
	doctor_advise(finding,
	        "raise the limit (systemctl set-property UNIT MemoryMax=%lluM, docker run --memory), or give far-server a smaller --pool",
	        (unsigned long long)((doctor->pool + doctor->pool / 4) >> 20));
}

// --- NUMA ---

// Distances are ACPI's: 10 is the node itself, 20 twice as far.
static void check_nodes(struct doctor *doctor)
{
	CLEANUP(doctor_names) struct doctor_names entries = {0};
	struct doctor_finding *finding;
	unsigned farthest = 0;
	int nodes = 0;

	doctor_list(doctor, &entries, "sys/devices/system/node");
	for (int i = 0; i < entries.count; i++) {
		const char *name = entries.entries[i]->d_name;
		char distances[DOCTOR_TEXT];
		char *at = distances;
		char *end;

		if (strncmp(name, "node", 4) != 0 || doctor_read(doctor, distances, "sys/devices/system/node/%s/distance", name))
			continue;
		nodes++;
		for (unsigned long distance = strtoul(at, &end, 10); end != at; at = end, distance = strtoul(at, &end, 10))
			if (distance > farthest)
				farthest = (unsigned)distance;
	}
	if (nodes <= 1) {
		doctor_add(doctor, DOCTOR_OK, "NUMA", "one node");
		return;
	}
	finding = doctor_add(doctor, DOCTOR_NOTE, "NUMA", "%d nodes, the farthest at distance %u (10 is near)", nodes, farthest);
	doctor_advise(finding, "keep the server's CPUs and pool on one node, the adapter's if there is one: numactl --cpunodebind=0 "
	                       "--membind=0 far-server ...");
}

void doctor_check_memory(struct doctor *doctor)
{
	doctor->group = DOCTOR_MEMORY;
	check_available(doctor);
	check_hugepages(doctor);
	if (!doctor_exists(doctor, "sys/class/infiniband"))
		doctor_check_memlock(doctor, DOCTOR_NOTE);
	else
		doctor_check_memlock(doctor, DOCTOR_WARN);
	check_group(doctor);
	check_nodes(doctor);
}
