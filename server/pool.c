#include "server/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "server/pool_inside.h"

// Mapping and formatting: one memfd, hugepages where they are to be had, sealed so that nobody can map it writable after us (P3), unless it is to be shared.

#define HUGEPAGE_SIZE (2ULL << 20)
#define REASON_SIZE 256
#define SEGMENTS_WANTED 512 // segments of a pool of middling size: enough owners, few regions

static unsigned segment_shift_for(uint64_t length)
{
	uint64_t size = FAR_SEGMENT_MIN;
	unsigned shift = 21;

	while (size < FAR_SEGMENT_MAX && size * SEGMENTS_WANTED < length) {
		size *= 2;
		shift++;
	}
	return shift;
}

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

static int map_pool(struct pool *pool, enum pool_hugepages hugepages, char *reason)
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
		snprintf(reason, REASON_SIZE,
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
		snprintf(reason, REASON_SIZE, "cannot map %llu bytes: %s: choose a smaller --pool", (unsigned long long)pool->length,
		        strerror(-error));
	return error;
}

static int check_length(struct pool *pool, uint64_t length, char *reason)
{
	uint64_t available = meminfo("MemAvailable") + meminfo("HugePages_Free") * HUGEPAGE_SIZE;
	uint64_t segment;

	if (length < FAR_POOL_MIN || length > FAR_POOL_MAX) {
		snprintf(reason, REASON_SIZE, "a pool of %llu bytes: it must have 8 MiB to 16 TiB: give another --pool",
		        (unsigned long long)length);
		return -EINVAL;
	}
	pool->segment_shift = segment_shift_for(length);
	segment = 1ULL << pool->segment_shift;
	pool->length = (length + segment - 1) / segment * segment;
	if (available > 0 && pool->length > available) {
		snprintf(reason, REASON_SIZE,
		        "a pool of %llu bytes does not fit the %llu bytes of memory available: choose a smaller --pool",
		        (unsigned long long)pool->length, (unsigned long long)available);
		return -ENOMEM;
	}
	return 0;
}

static void format_header(struct pool *pool)
{
	struct far_pool_header *header = pool_header(pool);

	header->layout_version = FAR_LAYOUT_VERSION;
	header->segment_shift = pool->segment_shift;
	header->pool_length = pool->length;
	if (getrandom(&header->boot_id, sizeof(header->boot_id), 0) != sizeof(header->boot_id))
		header->boot_id = (uint64_t)(uintptr_t)pool ^ (uint64_t)getpid() << 32;
	atomic_store_explicit(&header->location_epoch, 1, memory_order_relaxed);
	header->magic = FAR_POOL_MAGIC;
}

int pool_open(const struct pool_options *options, struct pool **out, char *reason)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	int error;

	if (!pool)
		return -ENOMEM;
	pool->fd = -1;
	pool->is_shared = options->is_shared;
	error = check_length(pool, options->length, reason);
	if (error)
		goto fail;
	error = map_pool(pool, options->hugepages, reason);
	if (error)
		goto fail;
	error = pages_init(&pool->pages, pool->length, pool->segment_shift);
	if (error == 0)
		error = slabs_init(&pool->slabs, pool->length);
	if (error) {
		snprintf(reason, REASON_SIZE, "no memory for the page tables of the pool: choose a smaller --pool");
		goto fail;
	}
	// A child of ours has no business with it, and a core dump would hold all of it.
	madvise(pool->base, pool->length, MADV_DONTFORK);
	madvise(pool->base, pool->length, MADV_DONTDUMP);
	if (options->is_prefaulted)
		madvise(pool->base, pool->length, MADV_POPULATE_WRITE);
	if (fcntl(pool->fd, F_ADD_SEALS, (options->is_shared ? 0 : F_SEAL_FUTURE_WRITE) | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		error = -errno;
		snprintf(reason, REASON_SIZE, "cannot seal the pool's memory against writing: %s: Linux 5.1 or newer is needed",
		        strerror(errno));
		goto fail;
	}
	format_header(pool);
	*out = pool;
	return 0;
fail:
	pool_close(pool);
	return error;
}

void pool_close(struct pool *pool)
{
	if (!pool)
		return;
	slabs_fini(&pool->slabs, pool->length);
	pages_fini(&pool->pages);
	if (pool->base)
		munmap(pool->base, pool->length);
	if (pool->fd >= 0)
		close(pool->fd);
	free(pool);
}

void *pool_base(const struct pool *pool)
{
	return pool->base;
}

uint64_t pool_length(const struct pool *pool)
{
	return pool->length;
}

int pool_fd(const struct pool *pool)
{
	return pool->fd;
}

bool pool_is_shared(const struct pool *pool)
{
	return pool->is_shared;
}

unsigned pool_segment_shift(const struct pool *pool)
{
	return pool->segment_shift;
}

struct far_pool_header *pool_header(const struct pool *pool)
{
	return (struct far_pool_header *)pool->base;
}

const char *pool_backing(const struct pool *pool)
{
	return pool->backing;
}
