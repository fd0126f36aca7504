// Extended attributes: names with values, kept with an object of any type. Each is a block of the pool: a header, the name and a small value; a larger value
// is stored as files' values are. The blocks form a list that begins in the record (far_record.attributes), in the order in which the names came; an object that has none costs
// nothing. No client reads this memory by itself, so it is freed at once (what a large value has goes to reclaim, as pages may come from a grant).
//
// What they have of the pool is charged to quotas with their object (quota.h), so each change of a list ends in list_changed.
//
// What a name means is the business of others: object_acl.h, xattr_facts.h. Only security.capability is known here, for a flag in the record tells of it (FAR_RECORD_CAPABLE).
// Writer thread only.
#ifndef SERVER_XATTR_H
#define SERVER_XATTR_H

#include <assert.h>
#include <string.h>

#include "far/key.h"
#include "server/server.h"

struct xattr {
	uint64_t next;   // pool offset, 0 = the last
	uint64_t memory; // bytes that all attributes of the object have of the pool: in the first one
	uint64_t stamp;  // of this setting: no other has it
	uint64_t block;  // the value's place by its kind, as in a record
	uint32_t pages, extents;
	uint32_t value_length;
	uint8_t value_kind; // FAR_VALUE_INLINE: behind the name
	uint8_t name_length;
	uint16_t reserved;
};
static_assert(sizeof(struct xattr) == 48, "the name is behind it");

#define XATTR_CAPABILITY "security.capability"

static inline struct far_span xattr_name(const struct xattr *attribute)
{
	return (struct far_span){attribute + 1, attribute->name_length};
}

static inline bool xattr_is_named(struct far_span name, const char *text)
{
	return name.length == strlen(text) && memcmp(name.bytes, text, name.length) == 0;
}

// The attribute, or NULL. The first, and the one behind: all of them, in order.
struct xattr *xattr_find(const struct server *server, const struct far_record *object, struct far_span name);
struct xattr *xattr_first(const struct server *server, const struct far_record *object);
struct xattr *xattr_next(const struct server *server, const struct xattr *attribute);

// Copies a range that lies within the value.
void xattr_read(const struct server *server, const struct xattr *attribute, uint32_t offset, uint32_t length, void *to);

// The bytes of a value of up to FAR_BLOCK_MAX, which lie in one piece.
void *xattr_bytes(const struct server *server, struct xattr *attribute);

// What an attribute has of the pool: a block of so many bytes, and what a record with this value would have (an inline one: nothing).
uint32_t xattr_block_size(const struct xattr *attribute);
struct far_record xattr_value_record(const struct xattr *attribute);

// Both together, as pool_block_round and quotas count them; and that of all attributes of an object, without a look at each.
uint64_t xattr_memory_of(const struct xattr *attribute);
uint64_t xattr_memory(const struct server *server, const struct far_record *object);

// A value to be set: bytes, or one that is stored already and becomes the attribute's own on success.
struct xattr_value {
	const void *bytes;
	uint32_t length;
	struct far_record *stored; // NULL: the bytes
};

// Sets the attribute; flags: FAR_XATTR_CREATE, FAR_XATTR_REPLACE. -EEXIST, -ENODATA, -ENOSPC (also when the names would be too many), -EDQUOT change nothing.
// The object's times are the caller's to move.
int xattr_set(struct server *server, struct far_record *object, struct far_span name, const struct xattr_value *value, unsigned flags);

// -ENODATA.
int xattr_remove(struct server *server, struct far_record *object, struct far_span name);

// The object ends: all that its attributes have is freed.
void xattr_remove_all(struct server *server, struct far_record *object);

// The value or the owner changes: file capabilities were given to what was there before.
static inline void xattr_drop_capability(struct server *server, struct far_record *object)
{
	if (object->flags & FAR_RECORD_CAPABLE)
		xattr_remove(server, object, (struct far_span){XATTR_CAPABILITY, sizeof(XATTR_CAPABILITY) - 1});
}

#endif
