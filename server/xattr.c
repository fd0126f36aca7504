#include "server/xattr.h"

#include <errno.h>
#include <string.h>

#include "server/object.h"
#include "server/quota.h"
#include "server/space.h"
#include "server/value.h"

static bool is_same(const struct xattr *attribute, struct far_span name)
{
	return attribute->name_length == name.length && memcmp(attribute + 1, name.bytes, name.length) == 0;
}

// --- the list ---

static struct xattr *at(const struct server *server, uint64_t offset)
{
	return offset ? pool_at(server->pool, offset) : NULL;
}

struct xattr *xattr_first(const struct server *server, const struct far_record *object)
{
	return at(server, (uint64_t)object->attributes * FAR_GRANULE);
}

struct xattr *xattr_next(const struct server *server, const struct xattr *attribute)
{
	return at(server, attribute->next);
}

// Where a name is in the list, or would be.
struct place {
	struct xattr *attribute; // NULL: the name is not there
	struct xattr *before;    // NULL: the first place
	uint32_t names_length;   // of all names passed, each with its NUL
};

static struct place find(const struct server *server, const struct far_record *object, struct far_span name)
{
	struct place place = {.attribute = xattr_first(server, object)};

	while (place.attribute && !is_same(place.attribute, name)) {
		place.names_length += place.attribute->name_length + 1U;
		place.before = place.attribute;
		place.attribute = xattr_next(server, place.attribute);
	}
	return place;
}

struct xattr *xattr_find(const struct server *server, const struct far_record *object, struct far_span name)
{
	return object->attributes ? find(server, object, name).attribute : NULL;
}

static uint64_t offset_of(const struct server *server, const struct xattr *attribute)
{
	return (uint64_t)((const char *)attribute - (const char *)pool_base(server->pool));
}

static void link_behind(struct far_record *object, struct xattr *before, uint64_t offset)
{
	if (before)
		before->next = offset;
	else
		object->attributes = FAR_ID_POSITION(offset / FAR_GRANULE);
}

// --- values ---

struct far_record xattr_value_record(const struct xattr *attribute)
{
	struct far_record value = {
	        .value_kind = attribute->value_kind,
	        .u.value = {attribute->block, attribute->pages, attribute->extents},
	};

	atomic_store_explicit(&value.size, attribute->value_length, memory_order_relaxed);
	return value;
}

static char *bytes_behind_name(struct xattr *attribute)
{
	return (char *)(attribute + 1) + attribute->name_length;
}

void *xattr_bytes(const struct server *server, struct xattr *attribute)
{
	return attribute->value_kind == FAR_VALUE_BLOCK ? pool_at(server->pool, attribute->block) : bytes_behind_name(attribute);
}

void xattr_read(const struct server *server, const struct xattr *attribute, uint32_t offset, uint32_t length, void *to)
{
	struct far_record value = xattr_value_record(attribute);

	if (attribute->value_kind == FAR_VALUE_INLINE)
		memcpy(to, (const char *)(attribute + 1) + attribute->name_length + offset, length);
	else
		value_read(server->pool, &value, offset, length, to);
}

uint32_t xattr_block_size(const struct xattr *attribute)
{
	uint32_t inside = attribute->value_kind == FAR_VALUE_INLINE ? attribute->value_length : 0;

	return (uint32_t)sizeof(*attribute) + attribute->name_length + inside;
}

uint64_t xattr_memory_of(const struct xattr *attribute)
{
	const struct far_record value = xattr_value_record(attribute);

	return pool_block_round(xattr_block_size(attribute)) + quota_value_bytes(&value);
}

uint64_t xattr_memory(const struct server *server, const struct far_record *object)
{
	return object->attributes ? xattr_first(server, object)->memory : 0;
}

// The first attribute may be another one now; all have so much memory, and had `before`.
static void list_changed(struct server *server, struct far_record *object, uint64_t before, uint64_t memory)
{
	if (object->attributes)
		xattr_first(server, object)->memory = memory;
	quota_attributes_changed(server, object, before);
}

static void free_block(struct server *server, struct xattr *attribute)
{
	pool_block_free(server->pool, offset_of(server, attribute), xattr_block_size(attribute));
}

static void destroy(struct server *server, struct xattr *attribute)
{
	struct far_record value = xattr_value_record(attribute);

	value_release(server, &value); // an inline one has nothing of its own
	free_block(server, attribute);
}

// Where the value comes to be: behind the name where that makes one block, else in memory of its own.
static int store(struct server *server, struct far_span name, const struct xattr_value *value, struct far_record *stored)
{
	if (value->stored) {
		*stored = *value->stored;
		return 0;
	}
	if (sizeof(struct xattr) + name.length + value->length > FAR_BLOCK_MAX)
		return value_build(server, value->bytes, value->length, stored);
	*stored = (struct far_record){.value_kind = FAR_VALUE_INLINE};
	return 0;
}

static int make(struct server *server, struct far_span name, const struct xattr_value *value, struct xattr **out)
{
	struct far_record stored;
	struct xattr header = {.value_length = value->length, .name_length = (uint8_t)name.length};
	int error = store(server, name, value, &stored);
	uint64_t offset;

	if (error)
		return error;
	header.value_kind = stored.value_kind;
	header.block = stored.u.value.block;
	header.pages = stored.u.value.pages;
	header.extents = stored.u.value.extents;
	offset = space_alloc_block(server, xattr_block_size(&header));
	if (!offset) {
		if (!value->stored)
			value_release(server, &stored);
		return -ENOSPC;
	}
	header.stamp = ++server->xattr_stamp;
	*out = at(server, offset);
	**out = header;
	memcpy(*out + 1, name.bytes, name.length);
	if (header.value_kind == FAR_VALUE_INLINE && value->length)
		memcpy(bytes_behind_name(*out), value->bytes, value->length);
	return 0;
}

// --- changes ---

int xattr_set(struct server *server, struct far_record *object, struct far_span name, const struct xattr_value *value, unsigned flags)
{
	struct place place = find(server, object, name);
	uint64_t before = xattr_memory(server, object);
	uint64_t kept = before - (place.attribute ? xattr_memory_of(place.attribute) : 0);
	struct xattr *made;
	uint64_t memory;
	int error;

	if (place.attribute && flags & FAR_XATTR_CREATE)
		return -EEXIST;
	if (!place.attribute && flags & FAR_XATTR_REPLACE)
		return -ENODATA;
	if (!place.attribute && place.names_length + name.length + 1 > FAR_XATTR_LIST_MAX)
		return -ENOSPC;
	error = make(server, name, value, &made);
	if (error)
		return error;
	memory = kept + xattr_memory_of(made);
	error = memory > before ? quota_require_attributes(server, object, memory - before) : 0;
	if (error) {
		if (value->stored)
			free_block(server, made);
		else
			destroy(server, made);
		return error;
	}
	made->next = place.attribute ? place.attribute->next : 0;
	link_behind(object, place.before, offset_of(server, made));
	if (place.attribute)
		destroy(server, place.attribute);
	list_changed(server, object, before, memory);
	if (xattr_is_named(name, XATTR_CAPABILITY) && !object_is_directory(object))
		object->flags |= FAR_RECORD_CAPABLE;
	return 0;
}

int xattr_remove(struct server *server, struct far_record *object, struct far_span name)
{
	struct place place = find(server, object, name);
	uint64_t before = xattr_memory(server, object);
	uint64_t memory;

	if (!place.attribute)
		return -ENODATA;
	memory = before - xattr_memory_of(place.attribute);
	link_behind(object, place.before, place.attribute->next);
	destroy(server, place.attribute);
	list_changed(server, object, before, memory);
	if (xattr_is_named(name, XATTR_CAPABILITY))
		object->flags &= ~FAR_RECORD_CAPABLE & FAR_RECORD_FLAGS;
	return 0;
}

void xattr_remove_all(struct server *server, struct far_record *object)
{
	struct xattr *attribute = xattr_first(server, object);
	uint64_t before = xattr_memory(server, object);

	object->attributes = 0;
	object->flags &= ~FAR_RECORD_CAPABLE & FAR_RECORD_FLAGS;
	while (attribute) {
		struct xattr *next = xattr_next(server, attribute);

		destroy(server, attribute);
		attribute = next;
	}
	list_changed(server, object, before, 0);
}
