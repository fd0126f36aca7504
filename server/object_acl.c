#include "server/object_acl.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "server/acl.h"
#include "server/record.h"

static const struct far_span access_name = {XATTR_ACL_ACCESS, sizeof(XATTR_ACL_ACCESS) - 1};
static const struct far_span default_name = {XATTR_ACL_DEFAULT, sizeof(XATTR_ACL_DEFAULT) - 1};

static bool is_access(struct far_span name)
{
	return xattr_is_named(name, XATTR_ACL_ACCESS);
}

bool object_acl_is_name(struct far_span name)
{
	return is_access(name) || xattr_is_named(name, XATTR_ACL_DEFAULT);
}

// R6: a client that looks at the record itself sees the old mode or the new one.
static void change_mode(struct far_record *object, uint32_t mode)
{
	unsigned state = FAR_WORD_STATE(atomic_load_explicit(&object->word, memory_order_relaxed));

	if (object->mode == mode)
		return;
	record_publish(object, FAR_RECORD_BUSY);
	object->mode = mode;
	record_publish(object, (enum far_record_state)state);
}

static int check(const struct far_record *object, struct far_span name, const struct xattr_value *value)
{
	if (S_ISLNK(object->mode))
		return -EOPNOTSUPP;
	if (value->stored)
		return -E2BIG;
	if (!is_access(name) && !S_ISDIR(object->mode) && !acl_is_empty(value->length))
		return -EINVAL;
	return acl_check(value->bytes, value->length);
}

// What is not stored must not be there, either.
static int store(struct server *server, struct far_record *object, struct far_span name, const struct xattr_value *value, bool is_stored,
        unsigned flags)
{
	bool is_there = xattr_find(server, object, name) != NULL;

	if (is_stored)
		return xattr_set(server, object, name, value, flags);
	if (is_there && flags & FAR_XATTR_CREATE)
		return -EEXIST;
	if (!is_there && flags & FAR_XATTR_REPLACE)
		return -ENODATA;
	if (is_there)
		xattr_remove(server, object, name);
	return 0;
}

int object_acl_set(struct server *server, struct far_record *object, struct far_span name, const struct xattr_value *value, unsigned flags)
{
	bool is_empty = acl_is_empty(value->length);
	bool sets_mode = is_access(name) && !is_empty;
	uint32_t mode = object->mode;
	bool is_stored = !is_empty;
	int error = check(object, name, value);

	if (error)
		return error;
	if (sets_mode) {
		is_stored = !acl_to_mode(value->bytes, value->length, &mode);
		if (flags & FAR_XATTR_KILL_SGID)
			mode &= ~(uint32_t)S_ISGID;
	}
	error = store(server, object, name, value, is_stored, flags);
	if (!error && sets_mode)
		change_mode(object, mode);
	return error;
}

void object_acl_follow_mode(const struct server *server, struct far_record *object)
{
	struct xattr *list = xattr_find(server, object, access_name);

	if (list)
		acl_set_mode(xattr_bytes(server, list), list->value_length, object->mode);
}

static int inherit(struct server *server, struct xattr *list, struct far_record *object)
{
	char own[ACL_LENGTH_MAX];
	const struct xattr_value as_default = {.bytes = xattr_bytes(server, list), .length = list->value_length};
	const struct xattr_value as_access = {.bytes = own, .length = list->value_length};
	uint32_t mode = object->mode;
	int error = 0;

	memcpy(own, as_default.bytes, as_default.length);
	if (!acl_create(own, as_access.length, &mode))
		error = xattr_set(server, object, access_name, &as_access, 0);
	if (!error && S_ISDIR(object->mode))
		error = xattr_set(server, object, default_name, &as_default, 0);
	if (error)
		xattr_remove_all(server, object);
	else
		object->mode = mode;
	return error;
}

int object_acl_inherit(struct server *server, const struct far_record *directory, struct far_record *object, uint32_t umask)
{
	struct xattr *list;

	if (S_ISLNK(object->mode))
		return 0;
	list = directory ? xattr_find(server, directory, default_name) : NULL;
	if (list)
		return inherit(server, list, object);
	object->mode &= ~(umask & 0777U);
	return 0;
}
