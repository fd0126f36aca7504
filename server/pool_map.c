#include <errno.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/pool_inside.h"

// Mapping the pool: one memfd, hugepages where they are to be had.

#define HUGEPAGE_SIZE (2ULL << 20)

// A number from a line `name: value kB` of /proc/meminfo, in bytes (counts: as they are), or 0.
static uint64_t meminfo(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long value = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		size_t length = strlen(name);

		if (strncmp(line, name, length) == 0 && line[length] == ':') {
			value = strtoull(line + length + 1, NULL, 10);
			if (strstr(line, " kB"))
				value *= 1024;
			break;
		}
	}
	if (file)
		fclose(file);
	return value;
}

// True if the kernel gives shared memory transparent hugepages when asked by madvise.
static bool has_transparent_hugepages(void)
{
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "re");
	char modes[128] = "";

	if (!file)
		return false;
	if (!fgets(modes, sizeof(modes), file))
		modes[0] = '\0';
	fclose(file);
	return strstr(modes, "[advise]") || strstr(modes, "[always]") || strstr(modes, "[within_size]") || strstr(modes, "[force]");
}

static int map_memfd(struct pool *pool, unsigned flags)
{
	pool->fd = memfd_create("farfs-pool", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	if (pool->fd < 0)
		return -errno;
	if (ftruncate(pool->fd, (off_t)pool->length) == 0) {
		pool->base = mmap(NULL, pool->length, PROT_READ | PROT_WRITE, MAP_SHARED, pool->fd, 0);
		if (pool->base != MAP_FAILED)
			return 0;
		pool->base = NULL;
	}
	int error = -errno;
	close(pool->fd);
	pool->fd = -1;
	return error;
}

static int map_plain(struct pool *pool, bool is_transparent_wanted, const char *why)
{
	int error = map_memfd(pool, 0);

	if (error)
		return error;
	if (is_transparent_wanted && has_transparent_hugepages() && madvise(pool->base, pool->length, MADV_HUGEPAGE) == 0)
		snprintf(pool->backing, sizeof(pool->backing), "transparent 2 MiB hugepages (%s)", why);
	else
		snprintf(pool->backing, sizeof(pool->backing), "4 KiB pages (%s%s)", why,
		        is_transparent_wanted ? "; transparent_hugepage/shmem_enabled does not allow advise" : "");
	return 0;
}

int pool_map(struct pool *pool, enum pool_hugepages hugepages, char *reason)
{
	uint64_t needed = (pool->length + HUGEPAGE_SIZE - 1) / HUGEPAGE_SIZE;
	uint64_t there = meminfo("HugePages_Free");
	char why[96];
	int error;

	if (hugepages != POOL_HUGEPAGES_NEVER && there >= needed && map_memfd(pool, MFD_HUGETLB | MFD_HUGE_2MB) == 0) {
		snprintf(pool->backing, sizeof(pool->backing), "2 MiB hugepages (hugetlb)");
		return 0;
	}
	if (hugepages == POOL_HUGEPAGES_REQUIRE) {
		snprintf(reason, POOL_REASON_SIZE,
		        "%llu free 2 MiB hugepages are needed, %llu are there: raise vm.nr_hugepages, or use --hugepages try",
		        (unsigned long long)needed, (unsigned long long)there);
		return -ENOMEM;
	}
	if (hugepages == POOL_HUGEPAGES_TRY)
		snprintf(why, sizeof(why), "%llu of %llu hugetlb pages free", (unsigned long long)there, (unsigned long long)needed);
	else
		snprintf(why, sizeof(why), "hugepages not asked for");
	error = map_plain(pool, hugepages == POOL_HUGEPAGES_TRY, why);
	if (error)
		snprintf(reason, POOL_REASON_SIZE, "cannot map %llu bytes: %s: choose a smaller --pool", (unsigned long long)pool->length,
		        strerror(-error));
	return error;
}

uint64_t pool_memory_available(void)
{
	return meminfo("MemAvailable") + meminfo("HugePages_Free") * HUGEPAGE_SIZE;
}
