#include "server/key_path.h"

#include <string.h>

#include "server/object.h"
#include "server/record.h"

struct far_span key_path_span(const struct key_path *path)
{
	return (struct far_span){path->bytes + path->start, FAR_KEY_MAX - path->start};
}

static bool prepend(struct key_path *path, struct far_span name)
{
	bool is_last = path->start == FAR_KEY_MAX;

	if (name.length + (is_last ? 0 : 1) > path->start)
		return false;
	if (!is_last)
		path->bytes[--path->start] = '/';
	path->start -= name.length;
	memcpy(path->bytes + path->start, name.bytes, name.length);
	return true;
}

bool key_path_make(const struct server *server, const struct far_record *directory, struct far_span name, struct key_path *path)
{
	path->start = FAR_KEY_MAX;
	while (directory && prepend(path, name)) {
		if (directory == server->root)
			return true;
		name = record_name(server->pool, directory);
		directory = object_peek(server, directory->parent);
	}
	return false;
}

bool key_path_of(const struct server *server, const struct far_record *object, struct key_path *path)
{
	path->start = FAR_KEY_MAX;
	return object == server->root ||
	       key_path_make(server, object_peek(server, object->parent), record_name(server->pool, object), path);
}
