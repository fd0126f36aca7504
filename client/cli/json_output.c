#include "client/cli/json_output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/number.h"
#include "client/cli/utf8.h"
#include "far/cleanup.h"

void json_add_u64(struct json_object *object, const char *name, uint64_t value)
{
	json_object_object_add(object, name, json_object_new_uint64(value));
}

void json_add_double(struct json_object *object, const char *name, double value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.9g", value);
	json_object_object_add(object, name, json_object_new_double_s(value, text));
}

void json_add_text(struct json_object *object, const char *name, const char *value)
{
	json_object_object_add(object, name, json_object_new_string(value));
}

// Puts U+FFFD in the place of each byte that is not UTF-8. NULL without memory.
static char *replace_invalid(const char *bytes, size_t length)
{
	char *text = malloc(3 * length + 1);
	char *to = text;

	while (text && length > 0) {
		size_t step = utf8_length(bytes, length);

		if (step == 0) {
			to = mempcpy(to, "\xef\xbf\xbd", 3);
			step = 1;
		} else {
			to = mempcpy(to, bytes, step);
		}
		bytes += step;
		length -= step;
	}
	if (text)
		*to = '\0';
	return text;
}

void json_add_key(struct json_object *object, const char *name, const char *key, size_t length)
{
	char hex_name[32];
	CLEANUP(free) char *text = NULL;
	CLEANUP(free) char *hex = NULL;

	if (utf8_is_valid(key, length)) {
		json_object_object_add(object, name, json_object_new_string_len(key, (int)length));
		return;
	}
	text = replace_invalid(key, length);
	hex = malloc(2 * length + 1);
	if (!text || !hex)
		return;
	for (size_t i = 0; i < length; i++)
		sprintf(hex + 2 * i, "%02x", (unsigned char)key[i]);
	json_add_text(object, name, text);
	snprintf(hex_name, sizeof(hex_name), "%s_hex", name);
	json_add_text(object, hex_name, hex);
}

void json_add_bytes(struct json_object *object, const char *name, const char *bytes, size_t length)
{
	CLEANUP(free) char *text = replace_invalid(bytes, length);

	if (text)
		json_add_text(object, name, text);
}

static void add_time(struct json_object *object, const char *name, int64_t time_ns)
{
	json_object_object_add(object, name, json_object_new_int64(time_ns));
}

struct json_object *json_of_object(const char *key, size_t length, const struct far_stat *stat)
{
	struct json_object *object = json_object_new_object();
	char text[32];

	json_add_key(object, "key", key, length);
	json_add_text(object, "type", type_of_mode(stat->mode));
	json_add_u64(object, "size", stat->size);
	json_add_u64(object, "version", stat->version);
	json_add_u64(object, "blocks", stat->blocks);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)stat->id);
	json_add_text(object, "id", text);
	snprintf(text, sizeof(text), "%04o", stat->mode & 07777);
	json_add_text(object, "mode", text);
	json_add_u64(object, "uid", stat->uid);
	json_add_u64(object, "gid", stat->gid);
	json_add_u64(object, "nlink", stat->nlink);
	add_time(object, "atime_ns", stat->atime_ns);
	add_time(object, "mtime_ns", stat->mtime_ns);
	add_time(object, "ctime_ns", stat->ctime_ns);
	add_time(object, "btime_ns", stat->btime_ns);
	return object;
}

void json_print(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}
