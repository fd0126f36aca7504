#include <errno.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/placement.h"
#include "server/pool_inside.h"

// Mapping the pool: one memfd, with hugepages where they are to be had, on the NUMA node that it was told.

#define WHY_SIZE 128

// Sizes of hugepages, the largest first. Those of a size that is wanted in vain are followed by smaller ones.
static const struct hugepage {
	uint64_t size;
	unsigned memfd_flag;
	const char *name;
	const char *folder;
	const char *how;
} hugepages[] = {
        {1ULL << 30, MFD_HUGE_1GB, "1 GiB", "hugepages-1048576kB",
                "reserve some on the kernel's command line with hugepagesz=1G hugepages=N"},
        {2ULL << 20, MFD_HUGE_2MB, "2 MiB", "hugepages-2048kB", "raise vm.nr_hugepages"},
};

#define SIZES (sizeof(hugepages) / sizeof(hugepages[0]))

// Bytes of memory available, from /proc/meminfo, or 0.
static uint64_t memory_available(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return (uint64_t)kib * 1024;
}

static uint64_t read_count(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long long count = 0;

	if (file && fscanf(file, "%llu", &count) != 1)
		count = 0;
	if (file)
		fclose(file);
	return count;
}

// Free pages that nobody else was promised. (The kernel promises them for the machine, not for a node.)
static uint64_t hugepages_free(const struct hugepage *page, const struct pool_options *options)
{
	char path[128];
	uint64_t there, promised;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/resv_hugepages", page->folder);
	promised = read_count(path);
	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages", page->folder);
	if (options->numa == POOL_NUMA_BIND)
		snprintf(path, sizeof(path), PLACEMENT_NODES "/node%d/hugepages/%s/free_hugepages", options->numa_node, page->folder);
	there = read_count(path);
	return there > promised ? there - promised : 0;
}

static bool is_wanted(const struct hugepage *page, const struct pool_options *options)
{
	uint64_t size = options->hugepage_size ? options->hugepage_size : 2ULL << 20;

	if (options->hugepages == POOL_HUGEPAGES_NEVER)
		return false;
	return options->hugepages == POOL_HUGEPAGES_REQUIRE ? page->size == size : page->size <= size;
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

// False: not mapped, and `why` says more.
static bool map_huge(struct pool *pool, const struct hugepage *page, const struct pool_options *options, char *why)
{
	uint64_t needed = (pool->length + page->size - 1) / page->size;
	uint64_t there = hugepages_free(page, options);
	size_t used = strlen(why);
	int error = 0;

	if (pool->length % page->size == 0 && there >= needed) {
		error = map_memfd(pool, MFD_HUGETLB | page->memfd_flag);
		if (error == 0) {
			pool->has_hugetlb = true;
			snprintf(pool->backing, sizeof(pool->backing), "%s hugepages (hugetlb)", page->name);
			return true;
		}
	}
	if (pool->length % page->size)
		snprintf(why + used, WHY_SIZE - used, "%sthe pool is no multiple of %s", used ? "; " : "", page->name);
	else if (error)
		snprintf(why + used, WHY_SIZE - used, "%s%s hugepages: %s", used ? "; " : "", page->name, strerror(-error));
	else
		snprintf(why + used, WHY_SIZE - used, "%s%llu of %llu hugepages of %s free", used ? "; " : "", (unsigned long long)there,
		        (unsigned long long)needed, page->name);
	return false;
}

static int map_pages(struct pool *pool, const struct pool_options *options, char *reason)
{
	const struct hugepage *wanted = NULL;
	char why[WHY_SIZE] = "";
	int error;

	for (unsigned i = 0; i < SIZES; i++) {
		if (!is_wanted(&hugepages[i], options))
			continue;
		wanted = wanted ? wanted : &hugepages[i];
		if (map_huge(pool, &hugepages[i], options, why))
			return 0;
	}
	if (options->hugepages == POOL_HUGEPAGES_REQUIRE && wanted) {
		snprintf(reason, POOL_REASON_SIZE, "%s: %s, or use --hugepages try", why,
		        pool->length % wanted->size ? "choose another --pool" : wanted->how);
		return -ENOMEM;
	}
	error = map_plain(pool, options->hugepages == POOL_HUGEPAGES_TRY, why[0] ? why : "hugepages not asked for");
	if (error)
		snprintf(reason, POOL_REASON_SIZE, "cannot map %llu bytes: %s: choose a smaller --pool", (unsigned long long)pool->length,
		        strerror(-error));
	return error;
}

// A node that is only preferred may be refused, as containers do by default: the pool lies elsewhere then, and the log says so.
static int place(struct pool *pool, const struct pool_options *options, char *reason)
{
	size_t used = strlen(pool->backing);
	int error;

	if (options->numa == POOL_NUMA_ANY)
		return 0;
	error = placement_bind(pool->base, pool->length, options->numa_node, options->numa == POOL_NUMA_BIND);
	if (error && options->numa == POOL_NUMA_BIND) {
		snprintf(reason, POOL_REASON_SIZE,
		        "cannot bind it to NUMA node %d: %s: containers need CAP_SYS_NICE for this, or start without --numa",
		        options->numa_node, strerror(-error));
		return error;
	}
	if (error)
		snprintf(pool->backing + used, sizeof(pool->backing) - used, ", on any NUMA node (%d would be near: %s)",
		        options->numa_node, strerror(-error));
	else
		snprintf(pool->backing + used, sizeof(pool->backing) - used, ", %s NUMA node %d",
		        options->numa == POOL_NUMA_BIND ? "on" : "preferably on", options->numa_node);
	return 0;
}

int pool_map(struct pool *pool, const struct pool_options *options, char *reason)
{
	int error = options->numa == POOL_NUMA_BIND ? placement_check_node(PLACEMENT_NODES, options->numa_node, pool->length, reason) : 0;

	if (!error)
		error = map_pages(pool, options, reason);
	return error ? error : place(pool, options, reason);
}

uint64_t pool_memory_available(const struct pool_options *options)
{
	uint64_t bytes = memory_available();

	for (unsigned i = 0; i < SIZES && bytes > 0; i++)
		if (is_wanted(&hugepages[i], options))
			bytes += hugepages_free(&hugepages[i], options) * hugepages[i].size;
	return bytes;
}
