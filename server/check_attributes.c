// The check, extended attributes: the list of an object's, each a block with a name and a small value, or one stored as files' values are.
#include "server/check_inside.h"
#include "server/object.h"
#include "server/xattr.h"

#define ATTRIBUTES_MAX 65536U // of one object: names of one byte fill FAR_XATTR_LIST_MAX before that

// The attribute that begins there, or NULL.
static const struct xattr *attribute_at(const struct pool *pool, uint64_t offset)
{
	uint32_t room = check_block_size(pool, offset);
	const struct xattr *attribute = room >= sizeof(*attribute) ? pool_at(pool, offset) : NULL;

	return attribute && attribute->name_length && check_is_block(pool, offset, xattr_block_size(attribute)) ? attribute : NULL;
}

static void check_attribute(struct check *check, const struct far_record *object, const struct xattr *attribute)
{
	struct far_record value = xattr_value_record(attribute);

	if (value.value_kind != FAR_VALUE_INLINE)
		check_place_of_value(check, &value);
	if (xattr_is_named(xattr_name(attribute), XATTR_CAPABILITY) && !object_is_directory(object) &&
	        !(object->flags & FAR_RECORD_CAPABLE))
		check_found(check, FAR_CHECK_ATTRIBUTE, object, "it has file capabilities, but says that it has none");
}

void check_attributes(struct check *check, const struct far_record *object)
{
	uint64_t offset = (uint64_t)object->attributes * FAR_GRANULE;
	uint64_t memory = 0;

	for (uint32_t i = 0; offset && i < ATTRIBUTES_MAX; i++) {
		const struct xattr *attribute = attribute_at(check->server->pool, offset);

		if (!attribute) {
			check_found(check, FAR_CHECK_ATTRIBUTE, object, "no extended attribute is at %llu", (unsigned long long)offset);
			return;
		}
		if (!check_own_block(check, object, offset, xattr_block_size(attribute), "attribute"))
			return;
		check_attribute(check, object, attribute);
		memory += xattr_memory_of(attribute);
		offset = attribute->next;
	}
	if (offset)
		check_found(check, FAR_CHECK_ATTRIBUTE, object, "its list of extended attributes has no end");
	else if (memory != xattr_memory(check->server, object))
		check_found(check, FAR_CHECK_ATTRIBUTE, object, "its extended attributes are said to have %llu bytes, but have %llu",
		        (unsigned long long)xattr_memory(check->server, object), (unsigned long long)memory);
}
