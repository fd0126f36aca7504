#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fabric/tcp.h"

// Regions: a table in the context. An rkey is the region's place in it (16 bits) and 48 bits nobody can guess, new for each region.

#define INDEX_BITS 16
#define INDEX_MASK ((1U << INDEX_BITS) - 1)

static uint64_t new_rkey(struct tcp *tcp, uint32_t index)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = ++tcp->rkey_count * 0x9e3779b97f4a7c15ULL;
	return random << INDEX_BITS | index;
}

static int free_index(struct tcp *tcp, uint32_t *index)
{
	for (*index = 0; *index < tcp->region_count; ++*index)
		if (!tcp->regions[*index])
			return 0;
	if (tcp->region_count <= INDEX_MASK) {
		uint32_t count = tcp->region_count ? tcp->region_count * 2 : 64;
		struct tcp_region **grown = realloc(tcp->regions, count * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		memset(grown + tcp->region_count, 0, (count - tcp->region_count) * sizeof(*grown));
		*index = tcp->region_count;
		tcp->regions = grown;
		tcp->region_count = count;
		return 0;
	}
	return -ENOSPC;
}

int tcp_add_region(struct fabric *fabric, const struct fabric_memory *memory, unsigned rights, uint64_t scope, struct fabric_region **out)
{
	struct tcp *tcp = tcp_of(fabric);
	struct tcp_region *region = calloc(1, sizeof(*region));
	int error;

	if (!region)
		return -ENOMEM;
	error = free_index(tcp, &region->index);
	if (error) {
		free(region);
		return error;
	}
	region->base = (struct fabric_region){
	        .fabric = fabric,
	        .memory = *memory,
	        .rkey = new_rkey(tcp, region->index),
	        .scope = scope,
	        .rights = rights,
	};
	tcp->regions[region->index] = region;
	*out = &region->base;
	return 0;
}

// Replies that are on their way out of the region may still be sent: its memory stays mapped, and what its bytes are by then the reader checks.
void tcp_remove_region(struct fabric_region *region)
{
	struct tcp_region *mine = (struct tcp_region *)region;

	tcp_of(region->fabric)->regions[mine->index] = NULL;
	free(mine);
}

int tcp_import(struct fabric_lane *lane, uint64_t rkey, uint64_t length, struct fabric_remote *remote)
{
	(void)lane;
	*remote = (struct fabric_remote){.rkey = rkey, .length = length};
	return 0;
}

char *tcp_reach(const struct tcp_lane *lane, uint64_t rkey, uint64_t offset, uint64_t length, enum fabric_right right)
{
	const struct tcp *tcp = tcp_of(lane->base.fabric);
	uint32_t index = (uint32_t)rkey & INDEX_MASK;
	const struct fabric_region *region;

	if (index >= tcp->region_count || !tcp->regions[index])
		return NULL;
	region = &tcp->regions[index]->base;
	if (region->rkey != rkey || !(region->rights & right) || (region->scope && region->scope != lane->base.scope))
		return NULL;
	if (offset > region->memory.length || length > region->memory.length - offset)
		return NULL;
	if (right != FABRIC_REMOTE_READ && offset < region->sealed)
		return NULL;
	return (char *)region->memory.base + offset;
}
