#include "server/acl.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

// The kernel's posix_acl_valid, _equiv_mode, _chmod and _create_masq on bytes. Values stand anywhere in memory, so entries are copied out and in.

#define VERSION 2U
#define HEADER sizeof(uint32_t)

enum tag { TAG_USER_OBJ = 1, TAG_USER = 2, TAG_GROUP_OBJ = 4, TAG_GROUP = 8, TAG_MASK = 16, TAG_OTHER = 32 };

struct entry {
	uint16_t tag;
	uint16_t permissions;
	uint32_t id;
};
static_assert(sizeof(struct entry) == 8, "as acl(5) has it");

#define ALL 7U

static uint32_t entry_count(uint32_t length)
{
	return (uint32_t)((length - HEADER) / sizeof(struct entry));
}

static struct entry entry_get(const void *bytes, uint32_t position)
{
	struct entry entry;

	memcpy(&entry, (const char *)bytes + HEADER + position * sizeof(entry), sizeof(entry));
	return entry;
}

static void set_permissions(void *bytes, uint32_t position, uint32_t permissions)
{
	struct entry entry = entry_get(bytes, position);

	entry.permissions = (uint16_t)permissions;
	memcpy((char *)bytes + HEADER + position * sizeof(entry), &entry, sizeof(entry));
}

// The tags that may come behind one, and those that a list can end with, in order: owner, users, group, groups, mask, others. With users or groups there must be a mask.
static int check_order(const void *bytes, uint32_t length)
{
	uint32_t allowed = TAG_USER_OBJ;
	bool needs_mask = false;

	for (uint32_t i = 0; i < entry_count(length); i++) {
		struct entry entry = entry_get(bytes, i);

		if (!(entry.tag & allowed) || (entry.tag & (entry.tag - 1U)) || entry.permissions > ALL)
			return -EINVAL;
		if (entry.tag == TAG_USER || entry.tag == TAG_GROUP) {
			needs_mask = true;
			if (entry.id == UINT32_MAX)
				return -EINVAL;
		}
		switch (entry.tag) {
		case TAG_USER_OBJ:
		case TAG_USER:
			allowed = TAG_USER | TAG_GROUP_OBJ;
			break;
		case TAG_GROUP_OBJ:
		case TAG_GROUP:
			allowed = TAG_GROUP | TAG_MASK | (needs_mask ? 0 : TAG_OTHER);
			break;
		case TAG_MASK:
			allowed = TAG_OTHER;
			break;
		default:
			allowed = 0;
			if (i + 1 != entry_count(length))
				return -EINVAL;
			break;
		}
	}
	return allowed == 0 || entry_count(length) == 0 ? 0 : -EINVAL;
}

int acl_check(const void *bytes, uint32_t length)
{
	uint32_t version;

	if (length == 0)
		return 0;
	if (length > ACL_LENGTH_MAX)
		return -E2BIG;
	if (length < HEADER || (length - HEADER) % sizeof(struct entry))
		return -EINVAL;
	memcpy(&version, bytes, sizeof(version));
	return version == VERSION ? check_order(bytes, length) : -EINVAL;
}

bool acl_is_empty(uint32_t length)
{
	return length <= HEADER;
}

// How far to the left a tag's permissions are in a mode; the group's bits are the mask's where there is one. -1: they are not in it.
static int shift_of(unsigned tag, bool has_mask)
{
	switch (tag) {
	case TAG_USER_OBJ:
		return 6;
	case TAG_GROUP_OBJ:
		return has_mask ? -1 : 3;
	case TAG_MASK:
		return 3;
	case TAG_OTHER:
		return 0;
	default:
		return -1;
	}
}

static bool has_mask(const void *bytes, uint32_t length)
{
	for (uint32_t i = 0; i < entry_count(length); i++)
		if (entry_get(bytes, i).tag == TAG_MASK)
			return true;
	return false;
}

bool acl_to_mode(const void *bytes, uint32_t length, uint32_t *mode)
{
	bool is_masked = has_mask(bytes, length);

	*mode &= ~0777U;
	for (uint32_t i = 0; i < entry_count(length); i++) {
		struct entry entry = entry_get(bytes, i);
		int shift = shift_of(entry.tag, is_masked);

		if (shift >= 0)
			*mode |= (uint32_t)entry.permissions << shift;
	}
	return !is_masked; // which named users and groups have always
}

void acl_set_mode(void *bytes, uint32_t length, uint32_t mode)
{
	bool is_masked = has_mask(bytes, length);

	for (uint32_t i = 0; i < entry_count(length); i++) {
		int shift = shift_of(entry_get(bytes, i).tag, is_masked);

		if (shift >= 0)
			set_permissions(bytes, i, mode >> shift & ALL);
	}
}

bool acl_create(void *bytes, uint32_t length, uint32_t *mode)
{
	bool is_masked = has_mask(bytes, length);

	for (uint32_t i = 0; i < entry_count(length); i++) {
		struct entry entry = entry_get(bytes, i);
		int shift = shift_of(entry.tag, is_masked);
		uint32_t both;

		if (shift < 0)
			continue;
		both = entry.permissions & (*mode >> shift & ALL);
		set_permissions(bytes, i, both);
		*mode = (*mode & ~(ALL << shift)) | both << shift;
	}
	return !is_masked;
}
