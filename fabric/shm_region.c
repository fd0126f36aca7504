#include "fabric/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

// Registered memory. An rkey is {random, slot}: finding is one array access and one compare, and knowing some rkeys does not help to guess
// another. The random part has 44 bits: over a life of a billion grants an rkey comes back by chance once in a thousand lives.
//
// A region of a client is told to the server of each of its lanes with its memfd, which the server maps (shm_import.c): that is how the server
// can take the bytes of a large write, or push a value.

#define SHM_SLOT_BITS 20
#define SHM_SLOTS_MAX (1U << SHM_SLOT_BITS) // above the grants of all lanes that limits.h allows at once in one fabric

static uint32_t shm_rkey_slot(uint64_t rkey)
{
	return (uint32_t)(rkey & (SHM_SLOTS_MAX - 1));
}

// Grants are made on the way of requests: random numbers come in batches, one system call for many.
static int shm_rkey_new(uint32_t slot, uint64_t *rkey)
{
	static _Thread_local uint64_t numbers[32];
	static _Thread_local unsigned left;

	if (left == 0) {
		if (getrandom(numbers, sizeof(numbers), 0) != sizeof(numbers))
			return -EIO;
		left = sizeof(numbers) / sizeof(numbers[0]);
	}
	*rkey = numbers[--left] << SHM_SLOT_BITS | slot;
	return 0;
}

static int shm_region_table_grow(struct shm_region_table *table)
{
	uint32_t capacity = table->capacity ? 2 * table->capacity : 16;
	struct shm_region **slots;
	uint32_t *free_slots;

	if (capacity > SHM_SLOTS_MAX)
		return -EMFILE;
	slots = realloc(table->slots, capacity * sizeof(struct shm_region *));
	if (!slots)
		return -ENOMEM;
	table->slots = slots;
	free_slots = realloc(table->free_slots, capacity * sizeof(uint32_t));
	if (!free_slots)
		return -ENOMEM;
	table->free_slots = free_slots;
	for (uint32_t slot = capacity; slot-- > table->capacity;) {
		slots[slot] = NULL;
		free_slots[table->free_count++] = slot;
	}
	table->capacity = capacity;
	return 0;
}

static int shm_region_tell(struct shm_lane *lane, const struct shm_region *region)
{
	struct shm_note note = {.magic = SHM_MAGIC, .version = SHM_VERSION, .kind = SHM_NOTE_REGION_ADD};
	const struct fabric_memory *memory = &region->base.memory;

	if (memory->fd < 0 || region->slot >= FAR_REGIONS_PER_LANE)
		return memory->fd < 0 ? -EINVAL : -EMFILE;
	note.rkey = region->base.rkey;
	note.length = memory->length;
	note.fd_offset = memory->fd_offset;
	note.rights = region->base.rights;
	return shm_lane_tell(lane, &note, memory->fd);
}

static bool shm_region_is_for(const struct shm_region *region, const struct shm_lane *lane)
{
	return !lane->is_server && lane->state == SHM_OPEN && (region->base.scope == 0 || region->base.scope == lane->base.scope);
}

int shm_lane_tell_regions(struct shm_lane *lane)
{
	const struct shm_region_table *table = &shm_lane_fabric(lane)->regions;

	for (uint32_t slot = 0; slot < table->capacity; slot++) {
		const struct shm_region *region = table->slots[slot];
		int result = region && shm_region_is_for(region, lane) ? shm_region_tell(lane, region) : 0;

		if (result < 0)
			return result;
	}
	return 0;
}

// A lane on which telling fails for its own sake is ended; the region stays good for the others.
static int shm_region_tell_all(struct shm_fabric *fabric, const struct shm_region *region)
{
	for (unsigned i = 0; i < fabric->lane_count; i++) {
		struct shm_lane *lane = fabric->lanes[i];
		int result = shm_region_is_for(region, lane) ? shm_region_tell(lane, region) : 0;

		if (result == -EINVAL || result == -EMFILE)
			return result;
		if (result < 0)
			shm_lane_end(lane, result);
	}
	return 0;
}

static int shm_memory_check(const struct fabric_memory *memory, unsigned rights)
{
	if (memory->fd < 0)
		return rights ? -EINVAL : 0; // memory of one's own only
	// A peer that maps it must not be killed by a page that went away.
	return fcntl(memory->fd, F_GET_SEALS) & F_SEAL_SHRINK && memory->fd_offset % FAR_PAGE_SIZE == 0 ? 0 : -EINVAL;
}

static void shm_region_drop(struct shm_fabric *fabric, struct shm_region *region)
{
	fabric->regions.slots[region->slot] = NULL;
	fabric->regions.free_slots[fabric->regions.free_count++] = region->slot;
	free(region);
}

int shm_add_region(struct fabric *base, const struct fabric_memory *memory, unsigned rights, uint64_t scope, struct fabric_region **out)
{
	struct shm_fabric *fabric = shm_fabric_of(base);
	struct shm_region_table *table = &fabric->regions;
	struct shm_region *region;
	int result = shm_memory_check(memory, rights);

	if (result == 0 && table->free_count == 0)
		result = shm_region_table_grow(table);
	if (result < 0)
		return result;
	region = calloc(1, sizeof(*region));
	if (!region)
		return -ENOMEM;
	region->base = (struct fabric_region){.fabric = base, .memory = *memory, .scope = scope, .rights = rights};
	region->slot = table->free_slots[--table->free_count];
	table->slots[region->slot] = region;
	result = shm_rkey_new(region->slot, &region->base.rkey);
	if (result == 0)
		result = shm_region_tell_all(fabric, region);
	if (result < 0) {
		shm_region_drop(fabric, region);
		return result;
	}
	*out = &region->base;
	return 0;
}

// A server's region is out of reach once it is out of the table: its accesses run on this thread. A client's is reached by the server's thread, so
// the server is asked to stop, and has stopped when it answers.
void shm_remove_region(struct fabric_region *base)
{
	struct shm_region *region = (struct shm_region *)base;
	struct shm_fabric *fabric = shm_fabric_of(base->fabric);
	struct shm_note question = {.magic = SHM_MAGIC, .version = SHM_VERSION, .kind = SHM_NOTE_REGION_REMOVE, .rkey = base->rkey};

	for (unsigned i = 0; i < fabric->lane_count; i++) {
		struct shm_note answer;
		int fd = -1;

		if (shm_region_is_for(region, fabric->lanes[i]) && base->memory.fd >= 0)
			shm_lane_ask(fabric->lanes[i], &question, &answer, &fd);
		if (fd >= 0)
			close(fd);
	}
	shm_region_drop(fabric, region);
}

void shm_regions_free(struct shm_fabric *fabric)
{
	for (uint32_t slot = 0; slot < fabric->regions.capacity; slot++)
		free(fabric->regions.slots[slot]);
	free(fabric->regions.slots);
	free(fabric->regions.free_slots);
}

struct shm_region *shm_region_find(struct shm_fabric *fabric, uint64_t rkey, uint64_t scope)
{
	uint32_t slot = shm_rkey_slot(rkey);
	struct shm_region *region = slot < fabric->regions.capacity ? fabric->regions.slots[slot] : NULL;

	if (!region || region->base.rkey != rkey)
		return NULL;
	return region->base.scope == 0 || region->base.scope == scope ? region : NULL;
}

const struct shm_region *shm_region_of_memory(const struct shm_fabric *fabric, const void *local, uint64_t length)
{
	for (uint32_t slot = 0; slot < fabric->regions.capacity; slot++) {
		const struct shm_region *region = fabric->regions.slots[slot];
		uint64_t offset;

		if (!region || region->base.memory.fd < 0)
			continue;
		offset = (uint64_t)((uintptr_t)local - (uintptr_t)region->base.memory.base);
		if (offset < region->base.memory.length && length <= region->base.memory.length - offset)
			return region;
	}
	return NULL;
}
