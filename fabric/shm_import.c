#include "fabric/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "far/cleanup.h"

// The other side's memory. A client maps a server's memfd, read-only unless it is shared with this user, and loads from it; a server maps a client's buffers, after a check that
// the client cannot take the pages away from under it. Loads of a region that was unregistered meanwhile still work: what they fetch
// is judged by the rules of layout.h.

// --- server ---

// Only a memfd that cannot shrink: reading behind the end of one that did would kill this process. Not one of hugepages: a hole punched into it
// may not be filled again. (F_GET_SEALS fails on all that is not a memfd.)
static int shm_peer_check(const struct shm_note *note, int fd)
{
	struct statfs system;
	struct stat found;
	int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1;

	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EPROTO;
	if (fstatfs(fd, &system) < 0 || system.f_type != TMPFS_MAGIC || fstat(fd, &found) < 0)
		return -EPROTO;
	if (note->length == 0 || note->length > (uint64_t)found.st_size || note->fd_offset > (uint64_t)found.st_size - note->length)
		return -EPROTO;
	return note->fd_offset % FAR_PAGE_SIZE == 0 ? 0 : -EPROTO;
}

static struct shm_peer_region *shm_peer_slot(struct shm_lane *lane, uint64_t rkey)
{
	return &lane->peer_regions[rkey % FAR_REGIONS_PER_LANE]; // the slot is the rkey's low part, see shm_region.c
}

static int shm_peer_add(struct shm_lane *lane, const struct shm_note *note, int fd)
{
	struct shm_peer_region *peer = shm_peer_slot(lane, note->rkey);
	bool is_writable = note->rights & (FABRIC_REMOTE_WRITE | FABRIC_REMOTE_ATOMIC);
	int result = peer->base ? -EPROTO : shm_peer_check(note, fd);
	void *map;

	if (result < 0)
		return result;
	map = mmap(NULL, note->length, is_writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, (off_t)note->fd_offset);
	if (map == MAP_FAILED)
		return -errno;
	*peer = (struct shm_peer_region){.base = map, .length = note->length, .rkey = note->rkey, .rights = note->rights};
	return 0;
}

static int shm_peer_remove(struct shm_lane *lane, const struct shm_note *note)
{
	struct shm_peer_region *peer = shm_peer_slot(lane, note->rkey);
	struct shm_note answer = {.magic = SHM_MAGIC, .version = SHM_VERSION, .kind = SHM_NOTE_ANSWER};

	if (!peer->base || peer->rkey != note->rkey)
		return -EPROTO;
	munmap(peer->base, peer->length);
	*peer = (struct shm_peer_region){0};
	return shm_note_send(lane->socket, &answer, -1);
}

// A descriptor of our memory that cannot be mapped writable, for one that is not sealed because others may. The mode keeps other users from opening it again.
static int shm_export_read_only(int fd)
{
	char path[32];
	int result;

	if (fchmod(fd, 0600) < 0)
		return -EACCES;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	result = open(path, O_RDONLY | O_CLOEXEC);
	return result < 0 ? -EACCES : result;
}

// A descriptor for the peer, to be closed. Memory goes out writable only to those it is shared with; where it is shared with nobody it is sealed against that.
static int shm_export_descriptor(const struct shm_lane *lane, const struct shm_region *region)
{
	const int is_protected = F_SEAL_FUTURE_WRITE | F_SEAL_WRITE;
	int fd = region->base.memory.fd;

	if (fd < 0)
		return -EACCES;
	if (fcntl(fd, F_GET_SEALS) & is_protected || lane->is_sharing)
		return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (lane->base.fabric->options.is_sharing)
		return shm_export_read_only(fd);
	return fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) < 0 ? -EACCES : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int shm_export(struct shm_lane *lane, const struct shm_note *note)
{
	struct shm_note answer = {.magic = SHM_MAGIC, .version = SHM_VERSION, .kind = SHM_NOTE_ANSWER};
	const struct shm_region *region = shm_region_find(shm_lane_fabric(lane), note->rkey, lane->base.scope);
	CLEANUP(close) int fd = -1;

	if (!region || note->length > region->base.memory.length) {
		answer.status = -EKEYREJECTED;
	} else {
		answer.rights = region->base.rights;
		answer.fd_offset = region->base.memory.fd_offset;
		if (answer.rights & FABRIC_REMOTE_READ) {
			fd = shm_export_descriptor(lane, region);
			answer.status = fd < 0 ? -EACCES : 0;
			answer.rights |= lane->is_sharing ? SHM_RIGHT_STORES : 0;
		}
	}
	return shm_note_send(lane->socket, &answer, fd);
}

int shm_take_note(struct shm_lane *lane, const struct shm_note *note, int fd)
{
	int result = -EPROTO;

	lane->notes++;
	if (note->kind == SHM_NOTE_REGION_ADD)
		result = shm_peer_add(lane, note, fd);
	else if (note->kind == SHM_NOTE_REGION_REMOVE)
		result = shm_peer_remove(lane, note);
	else if (note->kind == SHM_NOTE_IMPORT)
		result = shm_export(lane, note);
	if (fd >= 0)
		close(fd);
	return result;
}

unsigned char *shm_peer_memory(const struct shm_lane *lane, uint64_t rkey, uint64_t offset, uint64_t length, unsigned right)
{
	const struct shm_peer_region *peer = &lane->peer_regions[rkey % FAR_REGIONS_PER_LANE];

	if (!peer->base || peer->rkey != rkey || (peer->rights & right) != right)
		return NULL;
	if (length > peer->length || offset > peer->length - length)
		return NULL;
	return peer->base + offset;
}

// --- client ---

// Maps the memfd, or finds the map of it that is there already.
static int shm_map_find(struct shm_lane *lane, int fd, bool is_writable, const struct shm_map **out)
{
	struct shm_map *maps;
	struct stat found;
	void *base;

	if (fstat(fd, &found) < 0)
		return -errno;
	for (unsigned i = 0; i < lane->map_count; i++) {
		if (lane->maps[i].device == found.st_dev && lane->maps[i].inode == found.st_ino &&
		        lane->maps[i].is_writable == is_writable) {
			*out = &lane->maps[i];
			return 0;
		}
	}
	maps = realloc(lane->maps, (lane->map_count + 1) * sizeof(*maps));
	if (!maps)
		return -ENOMEM;
	lane->maps = maps;
	base = mmap(NULL, (size_t)found.st_size, is_writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	maps[lane->map_count] = (struct shm_map){found.st_dev, found.st_ino, base, (size_t)found.st_size, is_writable};
	*out = &maps[lane->map_count++];
	return 0;
}

static int shm_import_add(struct shm_lane *lane, const struct shm_import *import)
{
	struct shm_import *imports = realloc(lane->imports, (lane->import_count + 1) * sizeof(*imports));

	if (!imports)
		return -ENOMEM;
	lane->imports = imports;
	imports[lane->import_count++] = *import;
	return 0;
}

static int shm_import_map(struct shm_lane *lane, const struct shm_note *answer, int fd, struct shm_import *import)
{
	bool is_writable = answer->rights & SHM_RIGHT_STORES;
	const struct shm_map *map = NULL;
	int result;

	if (!(answer->rights & FABRIC_REMOTE_READ))
		return 0;
	result = fd >= 0 ? shm_map_find(lane, fd, is_writable, &map) : -EPROTO;
	if (result < 0 || !map)
		return result < 0 ? result : -EPROTO;
	if (answer->fd_offset > map->length || import->length > map->length - answer->fd_offset)
		return -EPROTO;
	import->loads = (const unsigned char *)map->base + answer->fd_offset;
	import->stores = is_writable ? (unsigned char *)map->base + answer->fd_offset : NULL;
	return 0;
}

int shm_import(struct fabric_lane *base, uint64_t rkey, uint64_t length, struct fabric_remote *remote)
{
	struct shm_lane *lane = shm_lane_of(base);
	struct shm_note question = {.magic = SHM_MAGIC, .version = SHM_VERSION, .kind = SHM_NOTE_IMPORT, .rkey = rkey, .length = length};
	struct shm_import import = {.rkey = rkey, .length = length};
	const struct shm_import *known = shm_import_find(lane, rkey);
	struct shm_note answer;
	int fd = -1;
	int result = lane->is_server ? -ENOTSUP : 0;

	if (result == 0 && (!known || known->length < length)) {
		result = shm_lane_ask(lane, &question, &answer, &fd);
		if (result == 0)
			result = answer.status < 0 ? answer.status : shm_import_map(lane, &answer, fd, &import);
		if (result == 0)
			result = shm_import_add(lane, &import);
		if (fd >= 0)
			close(fd);
		known = shm_import_find(lane, rkey);
	}
	if (result == 0)
		*remote = (struct fabric_remote){.rkey = rkey, .length = length, .loads = known->loads, .stores = known->stores};
	return result;
}

// The last one imported wins: it is the longest.
const struct shm_import *shm_import_find(const struct shm_lane *lane, uint64_t rkey)
{
	for (unsigned i = lane->import_count; i-- > 0;)
		if (lane->imports[i].rkey == rkey)
			return &lane->imports[i];
	return NULL;
}

void shm_imports_free(struct shm_lane *lane)
{
	for (unsigned i = 0; i < FAR_REGIONS_PER_LANE; i++)
		if (lane->peer_regions[i].base)
			munmap(lane->peer_regions[i].base, lane->peer_regions[i].length);
	for (unsigned i = 0; i < lane->map_count; i++)
		munmap(lane->maps[i].base, lane->maps[i].length);
	free(lane->maps);
	free(lane->imports);
}
