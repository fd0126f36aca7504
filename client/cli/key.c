#include "client/cli/key.h"

#include <stdlib.h>
#include <string.h>

struct key key_of_argument(const char *argument)
{
	struct key key = {.bytes = argument + strspn(argument, "/")};

	key.length = strlen(key.bytes);
	while (key.length > 0 && key.bytes[key.length - 1] == '/')
		key.length--;
	key.is_directory = key.bytes[key.length] == '/' || (key.length == 0 && argument[0] == '/');
	return key;
}

char *key_join(struct key directory, const char *name, size_t name_length)
{
	size_t slash = directory.length > 0 && name_length > 0;
	char *joined = malloc(directory.length + slash + name_length + 1);

	if (!joined)
		return NULL;
	memcpy(joined, directory.bytes, directory.length);
	if (slash)
		joined[directory.length] = '/';
	memcpy(joined + directory.length + slash, name, name_length);
	joined[directory.length + slash + name_length] = '\0';
	return joined;
}

const char *name_of_path(const char *path, size_t *length)
{
	size_t end = strlen(path);
	size_t begin;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (begin = end; begin > 0 && path[begin - 1] != '/'; begin--)
		;
	*length = end - begin;
	return path + begin;
}

bool key_is_below(const char *key, size_t key_length, const char *directory, size_t directory_length)
{
	if (directory_length == 0)
		return key_length > 0;
	return key_length > directory_length && key[directory_length] == '/' && memcmp(key, directory, directory_length) == 0;
}
