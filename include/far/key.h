// Keys: an object's path from the root without the leading slash. Checked once, where they enter the process.
#ifndef FAR_KEY_H
#define FAR_KEY_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "far/limits.h"

// A borrowed run of bytes; does not outlive what it points into.
struct far_span {
	const void *bytes;
	uint32_t length;
};

// Checks one component. Returns 0, -ENAMETOOLONG above FAR_NAME_MAX bytes, or -EINVAL for an empty one, `.`, `..`, or one with NUL or slash.
static inline int far_name_check(const void *bytes, size_t length)
{
	const char *name = bytes;

	if (length > FAR_NAME_MAX)
		return -ENAMETOOLONG;
	if (length == 0 || (length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.'))
		return -EINVAL;
	if (memchr(name, '\0', length) || memchr(name, '/', length))
		return -EINVAL;
	return 0;
}

// Cuts the next component off `rest`. Returns 1 and the component, or 0 at the end. `rest` must not begin with a slash.
static inline int far_key_next(struct far_span *rest, struct far_span *component)
{
	const char *bytes = rest->bytes;
	const char *slash;
	uint32_t length;

	if (rest->length == 0)
		return 0;
	slash = memchr(bytes, '/', rest->length);
	length = slash ? (uint32_t)(slash - bytes) : rest->length;
	*component = (struct far_span){bytes, length};
	rest->bytes = slash ? slash + 1 : bytes + length;
	rest->length -= slash ? length + 1 : length;
	return 1;
}

// Checks a whole key: 1..FAR_KEY_MAX bytes, components of 1..FAR_NAME_MAX bytes, none of them empty, `.` or `..`, no NUL,
// no slash at either end. Returns 0, -EINVAL or -ENAMETOOLONG.
static inline int far_key_check(const void *bytes, size_t length)
{
	struct far_span rest = {bytes, (uint32_t)length};
	struct far_span component;

	if (length == 0)
		return -EINVAL;
	if (length > FAR_KEY_MAX)
		return -ENAMETOOLONG;
	if (((const char *)bytes)[length - 1] == '/')
		return -EINVAL;
	while (far_key_next(&rest, &component)) {
		int error = far_name_check(component.bytes, component.length);

		if (error)
			return error;
	}
	return 0;
}

// Checks the beginning of keys: a key of which the last component may be cut off anywhere, or nothing at all. Returns 0, -EINVAL or -ENAMETOOLONG.
static inline int far_beginning_check(const void *bytes, size_t length)
{
	const char *slash;
	size_t directory;

	if (length == 0)
		return 0;
	if (length > FAR_KEY_MAX)
		return -ENAMETOOLONG;
	slash = memrchr(bytes, '/', length);
	directory = slash ? (size_t)(slash - (const char *)bytes) : 0;
	if (length - directory - (slash != NULL) > FAR_NAME_MAX)
		return -ENAMETOOLONG;
	if (memchr(bytes, '\0', length))
		return -EINVAL;
	return slash ? far_key_check(bytes, directory) : 0;
}

#endif
