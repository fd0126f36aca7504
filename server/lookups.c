#include "server/lookups.h"

#include <string.h>

#include "server/index.h"
#include "server/object.h"
#include "server/record.h"

void lookups_begin(const struct server *server, struct lookups *lookups)
{
	lookups->folder = (struct far_span){"", 0};
	lookups->parent = object_id(server, server->root);
	lookups->count = 0;
}

// The object that a path with a slash behind it leads to; 0: none.
static uint64_t id_of(const struct server *server, struct far_span folder)
{
	uint64_t id = object_id(server, server->root);
	struct far_span name;

	while (id && far_key_next(&folder, &name)) {
		uint64_t offset = index_find(server->index, id, name);

		id = offset ? record_at(server->pool, offset)->id : 0;
	}
	return id;
}

static void set_folder(const struct server *server, struct lookups *lookups, struct far_span folder)
{
	if (folder.length == lookups->folder.length && memcmp(folder.bytes, lookups->folder.bytes, folder.length) == 0)
		return;
	lookups->folder = folder;
	lookups->parent = id_of(server, folder);
}

void lookups_add(const struct server *server, struct lookups *lookups, struct far_span key)
{
	const char *slash = key.length ? memrchr(key.bytes, '/', key.length) : NULL;
	uint32_t folder = slash ? (uint32_t)(slash - (const char *)key.bytes) + 1 : 0;
	uint64_t hash;

	if (lookups->count == LOOKUPS_MAX)
		return;
	set_folder(server, lookups, (struct far_span){key.bytes, folder});
	if (lookups->parent == 0)
		return;
	hash = index_hash(server->index, lookups->parent, (struct far_span){(const char *)key.bytes + folder, key.length - folder});
	index_expect(server->index, (uint32_t)hash);
	lookups->hashes[lookups->count++] = hash;
}

void lookups_follow(const struct server *server, struct lookups *lookups)
{
	uint64_t records[LOOKUPS_MAX];

	for (uint32_t i = 0; i < lookups->count; i++)
		records[i] = index_expect_entry(server->index, lookups->hashes[i]);
	for (uint32_t i = 0; i < lookups->count; i++)
		if (records[i])
			record_expect_value(record_at(server->pool, records[i]));
	lookups->count = 0;
}
