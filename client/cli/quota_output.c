#include "client/cli/quota_output.h"

#include "client/cli/number.h"
#include "client/cli/report.h"

const char *quota_limit_format(uint64_t limit, bool is_for_people, char text[32])
{
	return limit ? size_format(limit, is_for_people, text) : "-";
}

void quota_print_directory(FILE *to, const char *key, size_t key_length, const struct far_quota *quota)
{
	fputc('/', to);
	print_key(to, key, key_length);
	fprintf(to, "%s\n", quota->flags & FAR_QUOTA_COUNTING ? " (counting)" : "");
}

// No limit is null.
static void add_limit(struct json_object *object, const char *name, uint64_t limit)
{
	if (limit)
		json_add_u64(object, name, limit);
	else
		json_object_object_add(object, name, NULL);
}

struct json_object *json_of_quota(const char *key, size_t key_length, const struct far_quota *quota)
{
	struct json_object *object = json_object_new_object();

	json_add_key(object, "key", key, key_length);
	json_add_u64(object, "bytes", quota->bytes);
	add_limit(object, "bytes_limit", quota->bytes_limit);
	json_add_u64(object, "objects", quota->objects);
	add_limit(object, "objects_limit", quota->objects_limit);
	json_add_u64(object, "refusals", quota->refusals);
	json_object_object_add(object, "counting", json_object_new_boolean((quota->flags & FAR_QUOTA_COUNTING) != 0));
	return object;
}
