#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fabric/verbs.h"
#include "far/clock.h"

// Regions: 64-bit names for what a device reaches by 32-bit keys. Peers are told which key belongs to a name (verbs_wire.h), so a name is never reused although keys are.
//
// How a peer reaches a region, with the least rights that serve:
// - what a client registers, and what a server lets everybody read: by the key of its memory, which has just the region's rights;
// - what a server lets a peer write, or one scope reach: by a memory window on that lane's queue pair, so the key is of no use to anybody else, and revoking is one work request. The
//   memory below it, most often the pool, was registered long before. Devices without such windows register the memory anew for each region instead; so does Soft-RoCE, which has
//   windows but checks accesses by them against the bounds of the memory below (Linux 6.1).

#define IMPORT_NS 2000000000ULL

int verbs_access(unsigned rights)
{
	int access = 0;

	if (rights & FABRIC_REMOTE_READ)
		access |= IBV_ACCESS_REMOTE_READ;
	if (rights & FABRIC_REMOTE_WRITE)
		access |= IBV_ACCESS_REMOTE_WRITE;
	if (rights & FABRIC_REMOTE_ATOMIC)
		access |= IBV_ACCESS_REMOTE_ATOMIC;
	return access;
}

static struct verbs_memory *memory_find(const struct verbs_device *device, const char *bytes, uint64_t length)
{
	for (struct verbs_memory *memory = device->memories; memory; memory = memory->next)
		if (bytes >= memory->base && length <= memory->length && (uint64_t)(bytes - memory->base) <= memory->length - length)
			return memory;
	return NULL;
}

int verbs_local_key(const struct verbs_device *device, const void *bytes, uint64_t length, uint32_t *lkey)
{
	const struct verbs_memory *memory = memory_find(device, bytes, length);

	if (!memory)
		return -ENOENT;
	*lkey = memory->mr->lkey;
	return 0;
}

// Behind those there are: what was registered first is found first, and that is what is most used.
static void memory_append(struct verbs_device *device, struct verbs_memory *memory)
{
	struct verbs_memory **end = &device->memories;

	while (*end)
		end = &(*end)->next;
	*end = memory;
}

uint64_t verbs_sealed_part(const struct verbs_region *region)
{
	return region->base.rights == FABRIC_REMOTE_WRITE && region->base.sealed < region->base.memory.length ? region->base.sealed : 0;
}

static struct verbs_memory *memory_new(
        struct verbs_device *device, const struct verbs_region *region, bool is_windowed, struct fabric_error *error)
{
	struct verbs_memory *memory = calloc(1, sizeof(*memory));
	uint64_t front = verbs_sealed_part(region);
	int remote = is_windowed ? 0 : verbs_access(region->base.rights);
	int local = IBV_ACCESS_LOCAL_WRITE | (device->has_windows && device->verbs->is_server ? IBV_ACCESS_MW_BIND : 0);

	if (!memory)
		return NULL;
	memory->base = (char *)region->base.memory.base + front;
	memory->length = region->base.memory.length - front;
	memory->is_bindable = local & IBV_ACCESS_MW_BIND;
	memory->users = 1;
	if (!region->base.rights) // may be memory that nobody can write: then it is registered for being read here only
		memory->mr = ibv_reg_mr(device->pd, memory->base, memory->length, local);
	if (!memory->mr && !region->base.rights) {
		memory->is_bindable = false;
		local = 0;
	}
	if (!memory->mr)
		memory->mr = verbs_register(device, memory->base, memory->length, local | remote, error);
	if (!memory->mr) {
		free(memory);
		return NULL;
	}
	memory_append(device, memory);
	return memory;
}

static void memory_put(struct verbs_device *device, struct verbs_memory *memory)
{
	struct verbs_memory **link = &device->memories;

	if (--memory->users > 0)
		return;
	while (*link != memory)
		link = &(*link)->next;
	*link = memory->next;
	ibv_dereg_mr(memory->mr);
	free(memory);
}

int verbs_region_attach(struct verbs_device *device, struct verbs_region *region, struct fabric_error *error)
{
	struct verbs_attachment *attachment = &region->attachments[device->index];
	const struct fabric_region *base = &region->base;
	struct verbs_memory *around = memory_find(device, base->memory.base, base->memory.length);
	bool needs_window = base->scope != 0 || (base->rights & (FABRIC_REMOTE_WRITE | FABRIC_REMOTE_ATOMIC));

	attachment->is_windowed = device->verbs->is_server && device->has_windows && base->rights && needs_window;
	if (attachment->is_windowed && around && around->is_bindable && !device->has_loose_windows) {
		around->users++;
		attachment->memory = around;
		return 0;
	}
	attachment->memory = memory_new(device, region, attachment->is_windowed, error);
	return attachment->memory ? 0 : errno ? -errno : -ENOMEM;
}

void verbs_region_detach(struct verbs_device *device, struct verbs_region *region)
{
	struct verbs_attachment *attachment = &region->attachments[device->index];

	if (attachment->memory)
		memory_put(device, attachment->memory);
	attachment->memory = NULL;
}

static uint64_t new_rkey(struct verbs *verbs)
{
	uint64_t rkey = 0;

	while (rkey == 0)
		if (getrandom(&rkey, sizeof(rkey), 0) != sizeof(rkey))
			rkey = clock_now_ns() * 0x9e3779b97f4a7c15ULL ^ (uintptr_t)verbs;
	return rkey;
}

static void link_region(struct verbs *verbs, struct verbs_region *region)
{
	region->link = verbs->regions_end;
	*verbs->regions_end = region;
	verbs->regions_end = &region->next;
}

static void unlink_region(struct verbs *verbs, struct verbs_region *region)
{
	*region->link = region->next;
	if (region->next)
		region->next->link = region->link;
	else
		verbs->regions_end = region->link;
}

// Lanes that are being connected learn of it when they are open, with all others.
static int expose_to_lanes(struct verbs *verbs, struct verbs_region *region)
{
	int result = 0;

	if (!region->base.rights)
		return 0;
	for (struct verbs_lane *lane = verbs->lanes; lane && !result; lane = lane->next)
		if (verbs_is_open(lane) && (region->base.scope == 0 || region->base.scope == lane->bound_scope))
			result = verbs_region_expose(lane, region);
	return result;
}

int verbs_add_region(struct fabric *fabric, const struct fabric_memory *memory, unsigned rights, uint64_t scope, struct fabric_region **out)
{
	struct verbs *verbs = verbs_of(fabric);
	struct verbs_region *region = calloc(1, sizeof(*region));
	int result = 0;

	if (!region)
		return -ENOMEM;
	region->base = (struct fabric_region){
	        .fabric = fabric,
	        .memory = *memory,
	        .rkey = new_rkey(verbs),
	        .scope = scope,
	        .rights = rights,
	};
	link_region(verbs, region);
	for (unsigned i = 0; i < VERBS_DEVICES && !result; i++)
		if (verbs->devices[i])
			result = verbs_region_attach(verbs->devices[i], region, NULL);
	if (!result)
		result = expose_to_lanes(verbs, region);
	if (result) {
		verbs_remove_region(&region->base);
		return result;
	}
	*out = &region->base;
	return 0;
}

void verbs_remove_region(struct fabric_region *base)
{
	struct verbs_region *region = (struct verbs_region *)base;
	struct verbs *verbs = verbs_of(base->fabric);

	verbs_region_revoke(verbs, region);
	for (unsigned i = 0; i < VERBS_DEVICES; i++)
		if (verbs->devices[i])
			verbs_region_detach(verbs->devices[i], region);
	unlink_region(verbs, region);
	free(region);
}

// --- the peer's regions ---

const struct verbs_remote *verbs_remote_find(struct verbs_lane *lane, uint64_t rkey)
{
	if (lane->last_remote < lane->remote_count && lane->remotes[lane->last_remote].rkey == rkey)
		return &lane->remotes[lane->last_remote];
	for (uint32_t i = lane->remote_count; i-- > 0;) {
		if (lane->remotes[i].rkey == rkey) {
			lane->last_remote = i;
			return &lane->remotes[i];
		}
	}
	return NULL;
}

static void forget_remote(struct verbs_lane *lane, uint64_t rkey)
{
	for (uint32_t i = 0; i < lane->remote_count; i++) {
		if (lane->remotes[i].rkey == rkey) {
			lane->remotes[i] = lane->remotes[--lane->remote_count];
			return;
		}
	}
}

int verbs_take_records(struct verbs_lane *lane, const char *records, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct verbs_record record;

		memcpy(&record, records + i * sizeof(record), sizeof(record));
		forget_remote(lane, record.rkey);
		if (record.kind == VERBS_REGION_WAS)
			continue;
		if (record.kind != VERBS_REGION_IS || lane->remote_count == VERBS_REMOTES)
			return -EPROTO;
		lane->remotes[lane->remote_count++] =
		        (struct verbs_remote){.rkey = record.rkey, .base = record.base, .length = record.length, .key = record.key};
	}
	return 0;
}

bool verbs_ask(struct verbs_lane *lane, uint64_t deadline_ns)
{
	struct verbs *verbs = verbs_of(lane->base.fabric);
	uint32_t answers = lane->answers;
	bool is_asked = false;

	while (verbs_is_open(lane) && lane->answers == answers && clock_now_ns() < deadline_ns) {
		if (!is_asked)
			is_asked = verbs_send_control(lane, VERBS_ASK);
		verbs_flush_dirty(verbs);
		if (verbs_progress(verbs) == 0)
			sched_yield();
	}
	return verbs_is_open(lane) && lane->answers != answers;
}

int verbs_import(struct fabric_lane *base, uint64_t rkey, uint64_t length, struct fabric_remote *remote)
{
	struct verbs_lane *lane = verbs_lane_of(base);
	const struct verbs_remote *found = verbs_remote_find(lane, rkey);

	if (!found) {
		verbs_ask(lane, clock_now_ns() + IMPORT_NS); // its answer may already have come with a message; then the rkey is known
		found = verbs_remote_find(lane, rkey);
	}
	if (lane->state == VERBS_CLOSED)
		return -ENOTCONN;
	if (!found || length > found->length)
		return -EKEYREJECTED;
	*remote = (struct fabric_remote){.rkey = rkey, .length = length};
	return 0;
}
