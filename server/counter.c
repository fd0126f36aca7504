#include "server/counter.h"

#include <sys/stat.h>

#include "server/object.h"
#include "server/value.h"

bool counter_is(const struct far_record *object)
{
	return S_ISREG(object->mode) && value_size(object) == sizeof(int64_t);
}

int64_t counter_get(const struct server *server, const struct far_record *object)
{
	int64_t value;

	value_read(server->pool, object, 0, sizeof(value), &value);
	return value;
}

int counter_set(struct server *server, struct far_record *object, int64_t value)
{
	struct value_source source = {.bytes = &value, .length = sizeof(value)};
	int error = value_write_whole(server, object, 0, &source, 1);

	if (!error)
		object_touch_content(server, object);
	return error;
}
