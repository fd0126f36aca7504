#include "server/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "server/pool_inside.h"

// Making a pool: memory mapped (pool_map.c), formatted, and sealed so that nobody can map it writable after us (P3), unless it is to be shared.

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

static int check_length(struct pool *pool, const struct pool_options *options, char *reason)
{
	uint64_t available = pool_memory_available(options);
	uint64_t length = options->length;
	uint64_t segment;

	if (length < FAR_POOL_MIN || length > FAR_POOL_MAX) {
		snprintf(reason, POOL_REASON_SIZE, "a pool of %llu bytes: it must have 8 MiB to 16 TiB: give another --pool",
		        (unsigned long long)length);
		return -EINVAL;
	}
	pool->segment_shift = segment_shift_for(length);
	segment = 1ULL << pool->segment_shift;
	pool->length = (length + segment - 1) / segment * segment;
	if (available > 0 && pool->length > available) {
		snprintf(reason, POOL_REASON_SIZE,
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

// Touches every page where that is asked for. Hugepages of one node are taken in any case: the kernel has promised them for the whole machine, and who touches one later
// that the node has not would be killed.
static int take_pages(struct pool *pool, const struct pool_options *options, char *reason)
{
	bool is_promised = pool->has_hugetlb && options->numa == POOL_NUMA_BIND;

	if (!options->is_prefaulted && !is_promised)
		return 0;
	if (madvise(pool->base, pool->length, MADV_POPULATE_WRITE) == 0 || !is_promised)
		return 0;
	snprintf(reason, POOL_REASON_SIZE, "NUMA node %d has not enough hugepages: %s: reserve more on it, or use --hugepages never",
	        options->numa_node, strerror(errno));
	return -ENOMEM;
}

int pool_open(const struct pool_options *options, struct pool **out, char *reason)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	int error;

	if (!pool)
		return -ENOMEM;
	pool->fd = -1;
	pool->is_shared = options->is_shared;
	error = check_length(pool, options, reason);
	if (error)
		goto fail;
	error = pool_map(pool, options, reason);
	if (error)
		goto fail;
	error = pages_init(&pool->pages, pool->length, pool->segment_shift);
	if (error == 0)
		error = slabs_init(&pool->slabs, pool->length);
	if (error) {
		snprintf(reason, POOL_REASON_SIZE, "no memory for the page tables of the pool: choose a smaller --pool");
		goto fail;
	}
	// A child of ours has no business with it, and a core dump would hold all of it.
	madvise(pool->base, pool->length, MADV_DONTFORK);
	madvise(pool->base, pool->length, MADV_DONTDUMP);
	error = take_pages(pool, options, reason);
	if (error)
		goto fail;
	if (fcntl(pool->fd, F_ADD_SEALS, (options->is_shared ? 0 : F_SEAL_FUTURE_WRITE) | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		error = -errno;
		snprintf(reason, POOL_REASON_SIZE, "cannot seal the pool's memory against writing: %s: Linux 5.1 or newer is needed",
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
