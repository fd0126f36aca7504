// The check, values: where their bytes are, and whether that fits what the record says.
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "server/check_inside.h"
#include "server/extent_leaf_inside.h"
#include "server/record.h"
#include "server/value.h"
#include "server/watch.h"

// What is added up over the extents of one value.
struct map {
	struct check *check;
	const struct far_record *object;
	uint64_t pages, extents;
	uint64_t end; // file page behind the last extent
};

static void own_extent(struct map *map, const struct far_extent *extent)
{
	if (extent->file_page < map->end)
		check_found(map->check, FAR_CHECK_VALUE, map->object,
		        "the extent of file page %u lies before the end of the one before it, page %llu", extent->file_page,
		        (unsigned long long)map->end);
	map->end = (uint64_t)extent->file_page + extent->pages;
	map->pages += extent->pages;
	map->extents++;
	check_own_pages(map->check, map->object, extent->pool_page, extent->pages, "extent");
}

// A leaf that may be looked at, or NULL.
static const struct leaf *leaf_at(const struct pool *pool, uint64_t offset)
{
	const struct leaf *leaf = pool_at(pool, offset);

	for (uint32_t capacity = LEAF_CAPACITY_MIN; capacity <= LEAF_CAPACITY_MAX; capacity = capacity * 2 + 1)
		if (check_is_block(pool, offset, leaf_size(capacity)) && leaf->capacity == capacity)
			return leaf->count <= capacity ? leaf : NULL;
	return NULL;
}

static void own_leaf(struct map *map, uint64_t offset)
{
	const struct leaf *leaf = leaf_at(map->check->server->pool, offset);

	if (!leaf) {
		check_found(map->check, FAR_CHECK_OUTSIDE, map->object, "extent map: no leaf is at %llu", (unsigned long long)offset);
		return;
	}
	check_own_block(map->check, map->object, offset, leaf_size(leaf->capacity), "extent map");
	for (uint32_t i = 0; i < leaf->count; i++)
		own_extent(map, &leaf->extents[i]);
}

// A root that may be looked at, or NULL. One of whole pages begins at a page's start, smaller ones are blocks.
static const struct root *root_at(const struct pool *pool, uint64_t offset)
{
	const struct root *root = pool_at(pool, offset);
	bool is_block = false;

	for (uint32_t bytes = 128; bytes <= FAR_BLOCK_MAX && !is_block; bytes *= 2)
		is_block = check_is_block(pool, offset, bytes) && root->bytes == bytes;
	if (!is_block && (offset % FAR_PAGE_SIZE || offset >= pool->length || pool->slabs.of_page[offset >> FAR_PAGE_SHIFT] ||
	                         root->bytes <= FAR_BLOCK_MAX || root->bytes % FAR_PAGE_SIZE || root->bytes > pool->length - offset))
		return NULL;
	return root->capacity == (root->bytes - sizeof(*root)) / sizeof(root->entries[0]) && root->count <= root->capacity ? root : NULL;
}

static void own_root(struct map *map, uint64_t offset)
{
	const struct root *root = root_at(map->check->server->pool, offset);

	if (!root) {
		check_found(map->check, FAR_CHECK_OUTSIDE, map->object, "extent map: no root is at %llu", (unsigned long long)offset);
		return;
	}
	if (root->bytes <= FAR_BLOCK_MAX)
		check_own_block(map->check, map->object, offset, (uint32_t)root->bytes, "extent map");
	else
		check_own_pages(map->check, map->object, offset >> FAR_PAGE_SHIFT, root->bytes >> FAR_PAGE_SHIFT, "extent map");
	for (uint32_t i = 0; i < root->count; i++)
		own_leaf(map, root->entries[i].leaf);
}

static void check_extents(struct check *check, const struct far_record *object)
{
	uint64_t handle = object->u.value.block;
	struct map map = {.check = check, .object = object};

	if (handle & ROOT_BIT)
		own_root(&map, handle & ~ROOT_BIT);
	else
		own_leaf(&map, handle);
	if (map.pages != object->u.value.pages || map.extents != object->u.value.extents)
		check_found(check, FAR_CHECK_VALUE, object, "%u pages in %u extents are counted, but there are %llu in %llu",
		        object->u.value.pages, object->u.value.extents, (unsigned long long)map.pages, (unsigned long long)map.extents);
}

static void check_inline(struct check *check, const struct far_record *object)
{
	const char *bytes = (const char *)(object + 1) + far_record_name_room(object);
	uint64_t size = value_size(object);

	if (size > record_inline_room(object)) {
		check_found(check, FAR_CHECK_SIZE, object, "%llu bytes are in the record, which has room for %u", (unsigned long long)size,
		        record_inline_room(object));
		return;
	}
	if (XXH3_64bits_withSeed(bytes, size, atomic_load_explicit(&object->version, memory_order_relaxed)) != object->u.behind.checksum)
		check_found(check, FAR_CHECK_CHECKSUM, object, "the checksum of the %llu bytes in the record is not theirs",
		        (unsigned long long)size);
}

static void check_block(struct check *check, const struct far_record *object)
{
	if (value_size(object) > object->u.value.extents || object->u.value.pages)
		check_found(check, FAR_CHECK_SIZE, object, "%llu bytes are in a block of %u, and %u pages",
		        (unsigned long long)value_size(object), object->u.value.extents, object->u.value.pages);
	check_own_block(check, object, object->u.value.block, object->u.value.extents, "value");
}

static void check_extent(struct check *check, const struct far_record *object)
{
	if (object->u.value.block % FAR_PAGE_SIZE || object->u.value.extents != 1)
		check_found(check, FAR_CHECK_VALUE, object, "the value's only extent is %u extents, at %llu", object->u.value.extents,
		        (unsigned long long)object->u.value.block);
	check_own_pages(check, object, object->u.value.block >> FAR_PAGE_SHIFT, object->u.value.pages, "extent");
}

// Growing a file shows what is behind its end. While a session writes by itself, or may still be at it, a store behind the end may be under way (window.h).
static void check_tail(struct check *check, const struct far_record *object)
{
	uint64_t size = value_size(object);
	uint64_t end = (size | (FAR_PAGE_SIZE - 1)) + 1;
	struct value_piece piece;
	const char *bytes;

	if (size % FAR_PAGE_SIZE == 0 || object->flags & FAR_RECORD_WINDOW || check->server->lingering_windows)
		return;
	piece = value_piece_at(check->server->pool, object, size, end);
	bytes = piece.pool_offset ? pool_at(check->server->pool, piece.pool_offset) : NULL;
	for (uint64_t i = 0; bytes && i < piece.length; i++) {
		if (bytes[i]) {
			check_found(
			        check, FAR_CHECK_TAIL, object, "byte %llu is behind the end, but not zero", (unsigned long long)size + i);
			return;
		}
	}
}

void check_place_of_value(struct check *check, const struct far_record *object)
{
	uint64_t found = check->figures.findings;

	switch (object->value_kind) {
	case FAR_VALUE_EMPTY:
		return;
	case FAR_VALUE_INLINE:
		check_inline(check, object);
		return;
	case FAR_VALUE_BLOCK:
		check_block(check, object);
		return;
	case FAR_VALUE_EXTENT:
		check_extent(check, object);
		break;
	case FAR_VALUE_EXTENTS:
		check_extents(check, object);
		break;
	default:
		check_found(check, FAR_CHECK_VALUE, object, "there is no kind %u of values", object->value_kind);
		return;
	}
	if (check->figures.findings == found)
		check_tail(check, object);
}

void check_value(struct check *check, const struct far_record *object)
{
	uint64_t size = value_size(object);

	if (!S_ISREG(object->mode) && !S_ISLNK(object->mode)) {
		if (object->value_kind != FAR_VALUE_EMPTY)
			check_found(check, FAR_CHECK_VALUE, object, "it is no file, but has a value of kind %u", object->value_kind);
		return;
	}
	if (size > FAR_FILE_MAX || (S_ISLNK(object->mode) && (size == 0 || size > FAR_SYMLINK_MAX)))
		check_found(check, FAR_CHECK_SIZE, object, "%llu bytes cannot be", (unsigned long long)size);
	check_place_of_value(check, object);
}

// --- a value that changes its record ---

static void note_leaf(struct pool *pool, uint64_t offset)
{
	const struct leaf *leaf = pool_at(pool, offset);

	watch_note_block(pool, offset);
	for (uint32_t i = 0; i < leaf->count; i++)
		watch_note_pages(pool, leaf->extents[i].pool_page, leaf->extents[i].pages);
}

static void note_root(struct pool *pool, uint64_t offset)
{
	const struct root *root = pool_at(pool, offset);

	if (root->bytes <= FAR_BLOCK_MAX)
		watch_note_block(pool, offset);
	else
		watch_note_pages(pool, (uint32_t)(offset >> FAR_PAGE_SHIFT), (uint32_t)(root->bytes >> FAR_PAGE_SHIFT));
	for (uint32_t i = 0; i < root->count; i++)
		note_leaf(pool, root->entries[i].leaf);
}

void check_note_move(struct server *server, const struct far_record *value)
{
	uint64_t place = value->u.value.block;

	if (!server->check)
		return;
	if (value->value_kind == FAR_VALUE_BLOCK)
		watch_note_block(server->pool, place);
	else if (value->value_kind == FAR_VALUE_EXTENT)
		watch_note_pages(server->pool, (uint32_t)(place >> FAR_PAGE_SHIFT), value->u.value.pages);
	else if (value->value_kind == FAR_VALUE_EXTENTS && place & ROOT_BIT)
		note_root(server->pool, place & ~ROOT_BIT);
	else if (value->value_kind == FAR_VALUE_EXTENTS)
		note_leaf(server->pool, place);
}
