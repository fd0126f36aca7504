// The attributes of an object as its record tells them: one derivation for the server and for clients that map the pool.
#ifndef FAR_ATTR_H
#define FAR_ATTR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "far/layout.h"
#include "far/wire.h"

// Occupied units of 512 bytes. A value in its record counts its bytes: 0 would make tar and cp take it for a hole.
static inline uint64_t far_record_blocks(const struct far_record *record)
{
	if (!S_ISREG(record->mode) && !S_ISLNK(record->mode))
		return 0;
	switch (record->value_kind) {
	case FAR_VALUE_EMPTY:
		return 0;
	case FAR_VALUE_INLINE:
		return (atomic_load_explicit(&record->size, memory_order_relaxed) + 511) / 512;
	case FAR_VALUE_BLOCK:
		return (record->u.value.extents + 511) / 512;
	default:
		return (uint64_t)record->u.value.pages * (FAR_PAGE_SIZE / 512);
	}
}

// All but the id, which the server's root has by another name.
static inline void far_record_attr(const struct far_record *record, struct far_attr *attr)
{
	bool is_device = S_ISCHR(record->mode) || S_ISBLK(record->mode);

	*attr = (struct far_attr){
	        .id = record->id,
	        .version = atomic_load_explicit(&record->version, memory_order_relaxed),
	        .size = atomic_load_explicit(&record->size, memory_order_relaxed),
	        .blocks = far_record_blocks(record),
	        .atime_ns = record->atime_ns,
	        .mtime_ns = record->mtime_ns,
	        .ctime_ns = record->ctime_ns,
	        .btime_ns = record->btime_ns,
	        .device = is_device ? record->u.special.device : 0,
	        .mode = record->mode,
	        .uid = record->uid,
	        .gid = record->gid,
	        .nlink = record->nlink,
	        .generation = (uint32_t)FAR_ID_GENERATION(record->id),
	        .flags = record->flags & FAR_RECORD_PINNED ? FAR_ATTR_PINNED : 0,
	};
}

#endif
