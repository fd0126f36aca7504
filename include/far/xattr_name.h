// Names of extended attributes: a namespace and something behind it, or one of two whole names. Checked by the server where they enter, and by a client that answers without it.
#ifndef FAR_XATTR_NAME_H
#define FAR_XATTR_NAME_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "far/limits.h"

// What an object has of itself: no attribute is stored there.
#define FAR_XATTR_FACTS_NAMESPACE "user.far."

// Of those what only root changes.
#define FAR_XATTR_QUOTA FAR_XATTR_FACTS_NAMESPACE "quota"

static inline bool far_xattr_begins(const char *name, size_t length, const char *with)
{
	return length >= strlen(with) && memcmp(name, with, strlen(with)) == 0;
}

// 0, -EINVAL (empty, NUL in it, nothing behind the namespace), -ENAMETOOLONG, -EOPNOTSUPP (no such namespace).
static inline int far_xattr_check_name(const void *bytes, size_t length)
{
	static const char *const namespaces[] = {"user.", "trusted.", "security."};
	static const char *const whole[] = {"system.posix_acl_access", "system.posix_acl_default"};

	if (length > FAR_XATTR_NAME_MAX)
		return -ENAMETOOLONG;
	if (length == 0 || memchr(bytes, '\0', length))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++)
		if (far_xattr_begins(bytes, length, namespaces[i]))
			return length > strlen(namespaces[i]) ? 0 : -EINVAL;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (length == strlen(whole[i]) && memcmp(bytes, whole[i], length) == 0)
			return 0;
	return -EOPNOTSUPP;
}

#endif
