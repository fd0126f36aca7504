// server/check*.c: each kind of damage is named, and a server without any is clean. Damage is done to one structure at a time and undone again, so that the server can be closed.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "far/check.h"
#include "served.h"
#include "server/check.h"
#include "server/directory_inside.h"
#include "server/eviction.h"
#include "server/expiry_inside.h"
#include "server/extent_leaf_inside.h"
#include "server/index_inside.h"
#include "server/pool_inside.h"
#include "server/reclaim_inside.h"
#include "server/record.h"
#include "server/space.h"
#include "server/xattr.h"
#include "testing.h"

#define POOL (32U << 20)

// A small world of all that there is.
struct world {
	struct server *server;
	struct pool *pool;
	struct served_lane *client;
	struct far_record *directory; // "d", which has all below
	struct far_record *inner;     // "d/inner", empty
	struct far_record *small;     // "d/small", its value in the record
	struct far_record *block;     // "d/block"
	struct far_record *paged;     // "d/paged", one extent
	struct far_record *sparse;    // "d/sparse", extents with holes
	struct far_record *linked;    // "d/linked", also "d/second" and "d/third"
	struct far_record *orphan;    // removed, but held
};

static struct world world;

static struct far_record *record_of(const char *key)
{
	struct far_attr attr;

	assert_int_equal(served_stat(world.client, key, &attr), FAR_STATUS_OK);
	return record_by_id(world.pool, attr.id);
}

static struct far_record *file(const char *name, uint32_t length)
{
	static uint8_t bytes[FAR_MESSAGE_SIZE_DEFAULT];
	struct far_attr attr;

	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(served_create(world.client, world.directory->id, name, S_IFREG | 0644, &attr), FAR_STATUS_OK);
	for (uint32_t at = 0; at < length; at += 4096)
		assert_int_equal(served_write(world.client, attr.id, at, bytes, length - at < 4096 ? length - at : 4096, 0), FAR_STATUS_OK);
	served_forget(world.client, attr.id, 1);
	return record_by_id(world.pool, attr.id);
}

// In the pages of a grant: one extent.
static struct far_record *paged_file(void)
{
	static uint8_t bytes[10000];
	struct far_range range = served_fill(world.client, bytes, sizeof(bytes));
	struct far_put_request put = {.value_length = sizeof(bytes), .ranges = 1, .key_length = 7};

	assert_int_equal(served_call(world.client, FAR_OP_PUT, FAR_PUT_RANGES, &put, sizeof(put),
	                         (struct served_parts){"d/paged", 7, &range, sizeof(range)}),
	        FAR_STATUS_OK);
	return record_of("d/paged");
}

static void make_files(void)
{
	struct far_attr attr;
	char bytes[100] = "bytes";

	assert_int_equal(served_put(world.client, "d/small", bytes, sizeof(bytes)), FAR_STATUS_OK);
	world.small = record_of("d/small");
	world.block = file("block", 3000);
	world.paged = paged_file();
	world.sparse = file("sparse", 0);
	for (uint32_t page = 1; page < 20; page += 2)
		assert_int_equal(served_write(world.client, world.sparse->id, page * 4096, bytes, sizeof(bytes), 0), FAR_STATUS_OK);
	world.linked = file("linked", 5);
	assert_int_equal(served_link(world.client, world.linked->id, world.directory->id, "second", &attr), FAR_STATUS_OK);
	assert_int_equal(served_link(world.client, world.linked->id, world.directory->id, "third", &attr), FAR_STATUS_OK);
	served_forget(world.client, world.linked->id, 2);
	assert_int_equal(served_create(world.client, world.directory->id, "gone", S_IFREG | 0644, &attr), FAR_STATUS_OK);
	world.orphan = record_by_id(world.pool, attr.id);
	assert_int_equal(served_unlink(world.client, FAR_OP_UNLINK, world.directory->id, "gone"), FAR_STATUS_OK);
}

static int set_up_on(struct server *server)
{
	world.server = server;
	world.pool = world.server->pool;
	world.client = served_join(world.server);
	assert_int_equal(served_mkdir(world.client, "d"), FAR_STATUS_OK);
	world.directory = record_of("d");
	assert_int_equal(served_mkdir(world.client, "d/inner"), FAR_STATUS_OK);
	world.inner = record_of("d/inner");
	make_files();
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_on(served_open(POOL));
}

static int set_up_evicting(void **state)
{
	(void)state;
	return set_up_on(served_open_evicting(POOL));
}

static int tear_down(void **state)
{
	(void)state;
	served_leave(world.client);
	served_close(world.server);
	return 0;
}

// --- what a check finds ---

struct found {
	unsigned of_kind[FAR_CHECK_LIMIT];
	char texts[4000];
};

static struct found found;

static void check_all(uint64_t budget_ns)
{
	const struct check_finding *finding;
	struct check *check;
	size_t at = 0;

	memset(&found, 0, sizeof(found));
	assert_int_equal(check_begin(world.server, world.client->lane.session, &check), 0);
	while (!check_step(check, budget_ns))
		;
	for (; (finding = check_peek(check)) != NULL; check_pop(check)) {
		found.of_kind[finding->kind]++;
		at += (size_t)snprintf(found.texts + at, sizeof(found.texts) - at, "%s: %.*s\n", far_check_name(finding->kind),
		        (int)finding->length, finding->text);
		at = at < sizeof(found.texts) ? at : sizeof(found.texts) - 1;
	}
	check_end(check);
}

static void is_clean(void)
{
	check_all(UINT64_MAX);
	assert_string_equal(found.texts, "");
	check_all(0);
	assert_string_equal(found.texts, "");
}

// Found both when all is looked at in one step and in the smallest steps.
static void finds(enum far_check_kind kind, const char *part)
{
	check_all(0);
	assert_true(found.of_kind[kind] > 0);
	check_all(UINT64_MAX);
	if (found.of_kind[kind] == 0 || !strstr(found.texts, part))
		fail_msg("no %s with \"%s\" in: %s", far_check_name(kind), part, found.texts);
}

static void test_check__sound_server_is_clean(void **state)
{
	(void)state;
	is_clean();
}

static void test_check__root_alone_is_clean(void **state)
{
	struct server *alone = served_open(POOL);
	struct server *other = world.server;

	(void)state;
	world.server = alone;
	is_clean();
	world.server = other;
	served_close(alone);
}

// --- records ---

static void test_check__finds_id_that_is_not_its_place(void **state)
{
	uint64_t id = world.block->id;

	(void)state;
	world.block->id++;
	finds(FAR_CHECK_RECORD, "not its place");
	world.block->id = id;
	is_clean();
}

static void test_check__finds_record_left_busy(void **state)
{
	uint64_t word = atomic_load(&world.block->word);

	(void)state;
	atomic_store(&world.block->word, FAR_WORD_MAKE(FAR_WORD_CHANGE(word), FAR_RECORD_BUSY));
	finds(FAR_CHECK_RECORD, "left in state 4 (/d/block)");
	atomic_store(&world.block->word, word);
	is_clean();
}

static void test_check__finds_mode_without_type_and_version_0(void **state)
{
	uint32_t mode = world.linked->mode;

	(void)state;
	world.linked->mode = 0644;
	finds(FAR_CHECK_RECORD, "no type");
	world.linked->mode = mode;
	atomic_store(&world.paged->version, 0);
	finds(FAR_CHECK_RECORD, "version is 0");
	atomic_store(&world.paged->version, 1);
	is_clean();
}

static void test_check__finds_room_that_is_not_the_blocks(void **state)
{
	(void)state;
	world.block->granules += 4;
	finds(FAR_CHECK_RECORD, "in a block of");
	world.block->granules -= 4;
	is_clean();
}

// --- names ---

static void test_check__finds_wrong_name(void **state)
{
	char *name = (char *)(world.block + 1);

	(void)state;
	name[0] = '/';
	finds(FAR_CHECK_NAME, "cannot be");
	name[0] = 'c';
	finds(FAR_CHECK_NAME, "not that of its name");
	finds(FAR_CHECK_INDEX, "0 slots");
	name[0] = 'b';
	is_clean();
}

static void test_check__finds_wrong_hash(void **state)
{
	(void)state;
	world.block->name_hash ^= 1U << 31;
	finds(FAR_CHECK_NAME, "hash");
	world.block->name_hash ^= 1U << 31;
	is_clean();
}

static void test_check__finds_wrong_parent(void **state)
{
	uint64_t parent = world.block->parent;

	(void)state;
	world.block->parent = world.small->id;
	finds(FAR_CHECK_PARENT, "no directory");
	world.block->parent = world.small->id + (1ULL << 50);
	finds(FAR_CHECK_PARENT, "not there");
	world.block->parent = world.inner->id;
	finds(FAR_CHECK_ENTRY, "not this one");
	world.block->parent = parent;
	is_clean();
}

static void test_check__finds_name_missing_in_the_index(void **state)
{
	uint64_t offset = record_offset(world.pool, world.block);

	(void)state;
	index_remove(world.server->index, offset);
	finds(FAR_CHECK_INDEX, "0 slots of the index lead to it by its name (/d/block)");
	assert_int_equal(index_insert(world.server->index, offset), 0);
	is_clean();
}

static void test_check__finds_name_twice_in_the_index(void **state)
{
	uint64_t offset = record_offset(world.pool, world.block);

	(void)state;
	assert_int_equal(index_insert(world.server->index, offset), 0);
	finds(FAR_CHECK_INDEX, "2 slots");
	index_remove(world.server->index, offset);
	is_clean();
}

static void test_check__finds_index_that_leads_nowhere(void **state)
{
	struct index *index = world.server->index;
	const uint64_t *table = pool_at(world.pool, index->table);
	struct far_bucket *bucket = pool_at(world.pool, table[0]);
	uint64_t before = atomic_load(&bucket->slots[6]);

	(void)state;
	assert_int_equal(before, 0);
	atomic_store(&bucket->slots[6], 0x123400000000ULL + record_offset(world.pool, world.orphan) / FAR_GRANULE);
	finds(FAR_CHECK_INDEX, "no record with a name is");
	finds(FAR_CHECK_COUNT, "names");
	atomic_store(&bucket->slots[6], 0x1234ffffffffffffULL);
	finds(FAR_CHECK_INDEX, "no record with a name is");
	atomic_store(&bucket->slots[6], 0);
	atomic_store(&bucket->overflow, 4096);
	finds(FAR_CHECK_OUTSIDE, "index");
	atomic_store(&bucket->overflow, 0);
	is_clean();
}

static void test_check__finds_entry_of_another_record(void **state)
{
	struct node *node = pool_at(world.pool, world.directory->u.directory.tree);
	uint64_t first = node->children[0];

	(void)state;
	node->children[0] = node->children[1];
	finds(FAR_CHECK_ENTRY, "its directory has the record");
	node->children[0] = 12345;
	finds(FAR_CHECK_ENTRY, "no record with a name is");
	node->children[0] = first;
	is_clean();
}

static void test_check__finds_broken_tree(void **state)
{
	uint64_t tree = world.directory->u.directory.tree;
	struct node *node = pool_at(world.pool, tree);
	uint32_t level = node->level;

	(void)state;
	node->level = 1;
	finds(FAR_CHECK_TREE, "child that is none of its own");
	node->level = level;
	world.directory->u.directory.tree = 4096;
	finds(FAR_CHECK_TREE, "no node");
	world.directory->u.directory.tree = tree;
	is_clean();
}

static void test_check__finds_directory_below_itself(void **state)
{
	uint64_t parent = world.directory->parent;

	(void)state;
	world.directory->parent = world.inner->id;
	finds(FAR_CHECK_CYCLE, "never comes to the root");
	world.directory->parent = parent;
	is_clean();
}

// --- counts ---

static void test_check__finds_wrong_link_count_of_a_file(void **state)
{
	(void)state;
	world.linked->nlink++;
	finds(FAR_CHECK_NLINK, "its link count is 4, but it has 3 names (/d/linked)");
	world.linked->nlink--;
	is_clean();
}

static void test_check__finds_wrong_link_count_of_a_directory(void **state)
{
	(void)state;
	world.directory->nlink--;
	finds(FAR_CHECK_NLINK, "its link count is 2, but it has 1 directories (/d)");
	world.directory->nlink++;
	is_clean();
}

static void test_check__finds_wrong_size_of_a_directory(void **state)
{
	(void)state;
	atomic_fetch_add(&world.directory->size, 1);
	finds(FAR_CHECK_SIZE, "entries");
	atomic_fetch_sub(&world.directory->size, 1);
	is_clean();
}

static void test_check__finds_wrong_count_of_objects(void **state)
{
	(void)state;
	world.server->figures.objects++;
	finds(FAR_CHECK_COUNT, "objects");
	world.server->figures.objects--;
	is_clean();
}

static void test_check__finds_broken_chain_of_names(void **state)
{
	uint64_t *head = id_table_find(&world.server->links, world.linked->id);
	struct far_record *link = record_at(world.pool, *head);
	uint64_t next = link->u.special.device;
	uint64_t target = link->u.special.target;

	(void)state;
	link->u.special.device = 0;
	finds(FAR_CHECK_NLINK, "it has 2 names");
	link->u.special.device = *head; // round and round
	finds(FAR_CHECK_LINK, "broken");
	link->u.special.device = next;
	link->u.special.target = world.directory->id;
	finds(FAR_CHECK_LINK, "cannot have any");
	link->u.special.target = target;
	is_clean();
}

// --- orphans and holds ---

static void test_check__finds_orphan_that_nobody_holds(void **state)
{
	struct id_table *holds = &world.client->lane.session->holds;

	(void)state;
	id_table_remove(holds, world.orphan->id);
	finds(FAR_CHECK_HOLD, "1 sessions are counted that hold it, but 0 do");
	world.orphan->holds = 0;
	finds(FAR_CHECK_ORPHAN, "no session holds it");
	world.orphan->holds = 1;
	*id_table_add(holds, world.orphan->id) = 1;
	is_clean();
}

static void test_check__finds_hold_on_nothing(void **state)
{
	struct id_table *holds = &world.client->lane.session->holds;

	(void)state;
	*id_table_add(holds, 987654321) = 1;
	finds(FAR_CHECK_HOLD, "not there");
	id_table_remove(holds, 987654321);
	is_clean();
}

// --- eviction ---

static void test_check__finds_object_that_is_in_no_queue(void **state)
{
	uint8_t before = world.small->eviction;

	(void)state;
	assert_int_equal(EVICTION_QUEUE(before), EVICTION_QUEUE_OLD);
	is_clean();
	world.small->eviction = 0;
	finds(FAR_CHECK_EVICTION, "it is in no queue, and nothing keeps it (/d/small)");
	finds(FAR_CHECK_EVICTION, "2 objects say that they are in the old queue; it leads to 2, and counts 3");
	world.small->flags |= FAR_RECORD_PINNED;
	finds(FAR_CHECK_EVICTION, "counts 3");
	assert_int_equal(found.of_kind[FAR_CHECK_EVICTION], 1);
	world.small->flags ^= FAR_RECORD_PINNED;
	world.small->eviction = before;
	is_clean();
}

static void test_check__finds_object_in_a_queue_where_nothing_is_evicted(void **state)
{
	(void)state;
	world.small->eviction = EVICTION_QUEUE_OLD << 2;
	finds(FAR_CHECK_EVICTION, "it is in the old queue, but is never evicted (/d/small)");
	world.small->eviction = 0;
	is_clean();
}

static void test_check__finds_orphan_and_directory_in_a_queue(void **state)
{
	(void)state;
	world.orphan->eviction = world.inner->eviction = EVICTION_QUEUE_MAIN << 2;
	finds(FAR_CHECK_EVICTION, "it is in the main queue, but is never evicted (/d/inner)");
	world.orphan->eviction = world.inner->eviction = 0;
	is_clean();
}

static void test_check__finds_queue_that_leads_elsewhere(void **state)
{
	uint8_t before = world.small->eviction;

	(void)state;
	world.small->eviction = EVICTION_QUEUE_MAIN << 2;
	finds(FAR_CHECK_EVICTION, "1 objects say that they are in the main queue; it leads to 0, and counts 0");
	world.small->eviction = before;
	is_clean();
}

static void test_check__finds_wrong_count_of_a_queue(void **state)
{
	uint8_t copy = world.small->eviction;

	(void)state;
	eviction_policy_drop(world.server->eviction->policy, &copy);
	finds(FAR_CHECK_EVICTION, "3 objects say that they are in the old queue; it leads to 3, and counts 2");
}

static void test_check__finds_window_by_halves(void **state)
{
	(void)state;
	world.paged->flags |= FAR_RECORD_WINDOW;
	finds(FAR_CHECK_WINDOW, "its flags");
	world.paged->flags ^= FAR_RECORD_WINDOW;
	is_clean();
}

// --- deadlines ---

static void give_deadlines(void)
{
	assert_int_equal(expiry_set(world.server, world.small, 60000), 0);
	assert_int_equal(expiry_set(world.server, world.block, 60000), 0);
	assert_int_equal(expiry_set(world.server, world.linked, 60000), 0);
	is_clean();
}

static void test_check__finds_deadline_by_halves(void **state)
{
	(void)state;
	give_deadlines();
	world.paged->flags |= FAR_RECORD_EXPIRES;
	finds(FAR_CHECK_DEADLINE, "its flags");
	world.paged->flags ^= FAR_RECORD_EXPIRES;
	world.small->flags ^= FAR_RECORD_EXPIRES;
	finds(FAR_CHECK_DEADLINE, "knows nothing of it");
	world.small->flags ^= FAR_RECORD_EXPIRES;
	is_clean();
}

static void test_check__finds_deadline_of_nobody(void **state)
{
	struct expiry_entry *entry;

	(void)state;
	give_deadlines();
	entry = expiry_table_at(&world.server->expiry->table, 1);
	entry->id ^= 1;
	finds(FAR_CHECK_DEADLINE, "is not there");
	entry->id ^= 1;
	is_clean();
}

static void test_check__finds_wheel_that_does_not_hold_together(void **state)
{
	struct expiry_entry *entry;

	(void)state;
	give_deadlines();
	entry = expiry_table_at(&world.server->expiry->table, 1);
	entry->next ^= 3;
	finds(FAR_CHECK_DEADLINE, "its place in the wheel is broken");
	entry->next ^= 3;
	entry->deadline_ns += 3600 * 1000000000ULL;
	finds(FAR_CHECK_DEADLINE, "at another time");
	entry->deadline_ns -= 3600 * 1000000000ULL;
	is_clean();
}

// --- values ---

static void test_check__finds_wrong_checksum(void **state)
{
	char *value = pool_at(world.pool, record_inline_offset(world.pool, world.small));

	(void)state;
	assert_int_equal(world.small->value_kind, FAR_VALUE_INLINE);
	value[3] ^= 1;
	finds(FAR_CHECK_CHECKSUM, "(/d/small)");
	value[3] ^= 1;
	is_clean();
}

static void test_check__finds_size_that_its_place_does_not_have(void **state)
{
	uint64_t size = atomic_load(&world.block->size);

	(void)state;
	atomic_store(&world.block->size, 5000);
	finds(FAR_CHECK_SIZE, "in a block of");
	atomic_store(&world.block->size, size);
	size = atomic_load(&world.small->size);
	atomic_store(&world.small->size, 2000);
	finds(FAR_CHECK_SIZE, "room for");
	atomic_store(&world.small->size, size);
	is_clean();
}

static void test_check__finds_unknown_kind_of_value(void **state)
{
	uint8_t kind = world.paged->value_kind;

	(void)state;
	world.paged->value_kind = 9;
	finds(FAR_CHECK_VALUE, "no kind 9");
	finds(FAR_CHECK_LEAK, "3 pages");
	world.paged->value_kind = kind;
	is_clean();
}

static void test_check__finds_extent_outside_the_pool(void **state)
{
	uint64_t place = world.paged->u.value.block;

	(void)state;
	world.paged->u.value.block = POOL;
	finds(FAR_CHECK_OUTSIDE, "not inside one segment");
	world.paged->u.value.block = POOL - 4096;
	finds(FAR_CHECK_OUTSIDE, "not inside one segment");
	world.paged->u.value.block = place;
	is_clean();
}

static void test_check__finds_block_that_is_none(void **state)
{
	uint64_t place = world.block->u.value.block;

	(void)state;
	world.block->u.value.block += 16;
	finds(FAR_CHECK_OUTSIDE, "no block");
	world.block->u.value.block = place;
	is_clean();
}

static struct leaf *sparse_leaf(void)
{
	assert_int_equal(world.sparse->value_kind, FAR_VALUE_EXTENTS);
	assert_int_equal(world.sparse->u.value.block & ROOT_BIT, 0);
	return pool_at(world.pool, world.sparse->u.value.block);
}

static void test_check__finds_extents_out_of_order(void **state)
{
	struct leaf *leaf = sparse_leaf();
	struct far_extent first = leaf->extents[0];

	(void)state;
	leaf->extents[0].file_page = leaf->extents[1].file_page;
	finds(FAR_CHECK_VALUE, "lies before the end");
	leaf->extents[0] = first;
	is_clean();
}

static void test_check__finds_wrong_sums_of_extents(void **state)
{
	(void)state;
	world.sparse->u.value.pages++;
	finds(FAR_CHECK_VALUE, "are counted");
	world.sparse->u.value.pages--;
	world.sparse->u.value.extents++;
	finds(FAR_CHECK_VALUE, "are counted");
	world.sparse->u.value.extents--;
	is_clean();
}

static void test_check__finds_extent_with_two_owners(void **state)
{
	struct leaf *leaf = sparse_leaf();
	struct far_extent first = leaf->extents[0];

	(void)state;
	leaf->extents[0].pool_page = (uint32_t)(world.paged->u.value.block >> FAR_PAGE_SHIFT);
	finds(FAR_CHECK_TWICE, "another owner");
	finds(FAR_CHECK_LEAK, "1 pages from page"); // the one that it had
	leaf->extents[0] = first;
	is_clean();
}

static void test_check__finds_extent_that_is_free(void **state)
{
	uint32_t page = (uint32_t)(world.paged->u.value.block >> FAR_PAGE_SHIFT);

	(void)state;
	pool_pages_free(world.pool, page, 2);
	finds(FAR_CHECK_FREED, "2 of 3 pages are free");
	world.pool->pages.bitmap[page / 64] |= 1ULL << (page % 64);
	world.pool->pages.bitmap[(page + 1) / 64] |= 1ULL << ((page + 1) % 64);
	world.pool->pages.segments[page >> world.pool->pages.segment_pages_shift].free -= 2;
	world.pool->pages.free -= 2;
	is_clean();
}

static void test_check__finds_bytes_behind_the_end(void **state)
{
	char *page = pool_at(world.pool, world.paged->u.value.block);

	(void)state;
	page[10001] = 'y';
	finds(FAR_CHECK_TAIL, "byte 10001");
	page[10001] = 0;
	is_clean();
}

static void test_check__finds_extent_map_that_is_none(void **state)
{
	uint64_t place = world.sparse->u.value.block;

	(void)state;
	world.sparse->u.value.block = 4096 * 3 + 16;
	finds(FAR_CHECK_OUTSIDE, "no leaf");
	world.sparse->u.value.block = (POOL * 2ULL) | ROOT_BIT;
	finds(FAR_CHECK_OUTSIDE, "no root");
	world.sparse->u.value.block = place;
	is_clean();
}

static void test_check__finds_value_of_a_directory(void **state)
{
	(void)state;
	world.inner->value_kind = FAR_VALUE_BLOCK;
	finds(FAR_CHECK_VALUE, "is no file");
	world.inner->value_kind = FAR_VALUE_EMPTY;
	is_clean();
}

// --- extended attributes ---

static void set_attribute(struct far_record *object, const char *name, uint32_t length)
{
	static char bytes[6000];
	struct far_xattr_set_request request = {.id = object->id, .value_length = length, .name_length = (uint16_t)strlen(name)};

	assert_int_equal(served_call(world.client, FAR_OP_XATTR_SET, 0, &request, sizeof(request),
	                         (struct served_parts){name, request.name_length, bytes, length}),
	        FAR_STATUS_OK);
}

static void test_check__finds_broken_list_of_attributes(void **state)
{
	struct xattr *first;
	uint64_t next;

	(void)state;
	set_attribute(world.small, "user.small", 10);
	set_attribute(world.small, "user.large", 4090);
	set_attribute(world.directory, "user.of-a-directory", 100);
	set_attribute(world.orphan, "user.of-an-orphan", 5);
	is_clean();
	first = xattr_first(world.server, world.small);
	next = first->next;
	first->next = next + 16;
	finds(FAR_CHECK_ATTRIBUTE, "no extended attribute is at");
	first->next = (uint64_t)world.small->attributes * FAR_GRANULE;
	finds(FAR_CHECK_TWICE, "attribute");
	first->next = 0;
	finds(FAR_CHECK_LEAK, "belongs to nothing");
	first->next = next;
	((struct xattr *)pool_at(world.pool, next))->block += 16;
	finds(FAR_CHECK_OUTSIDE, "value: no block");
	((struct xattr *)pool_at(world.pool, next))->block -= 16;
	first->memory += 16;
	finds(FAR_CHECK_ATTRIBUTE, "are said to have 4256 bytes, but have 4240");
	first->memory -= 16;
	is_clean();
}

// --- memory ---

static void test_check__finds_leaked_pages(void **state)
{
	uint32_t page = pool_pages_alloc(world.pool, 5);

	(void)state;
	finds(FAR_CHECK_LEAK, "5 pages from page");
	pool_pages_free(world.pool, page, 5);
	is_clean();
}

static void test_check__finds_leaked_block_and_record(void **state)
{
	uint64_t block = pool_block_alloc(world.pool, 100);
	uint64_t record;

	(void)state;
	finds(FAR_CHECK_LEAK, "block of 112 bytes");
	pool_block_free(world.pool, block, 100);
	record = pool_record_alloc(world.pool, 160);
	finds(FAR_CHECK_LEAK, "record of 160 bytes");
	pool_record_free(world.pool, record, 160);
	is_clean();
}

static void test_check__finds_block_in_use_that_is_free(void **state)
{
	uint64_t place = world.block->u.value.block;

	(void)state;
	pool_block_alloc(world.pool, world.block->u.value.extents); // so that the slab stays
	pool_block_free(world.pool, place, world.block->u.value.extents);
	finds(FAR_CHECK_FREED, "in use, but free by its slab");
	assert_int_equal(pool_block_alloc(world.pool, world.block->u.value.extents), place);
}

static void test_check__finds_broken_slab(void **state)
{
	struct slab *slab =
	        &world.pool->slabs.slabs[world.pool->slabs.of_page[record_offset(world.pool, world.block) >> FAR_PAGE_SHIFT] - 1];
	uint16_t head = slab->free_head;

	(void)state;
	slab->used--;
	finds(FAR_CHECK_SLAB, "chain of free blocks is broken");
	slab->used++;
	slab->free_head = 4000;
	finds(FAR_CHECK_SLAB, "chain of free blocks is broken");
	slab->free_head = head;
	slab->capacity++;
	finds(FAR_CHECK_SLAB, "do not fit together");
	slab->capacity--;
	slab->previous = 3;
	finds(FAR_CHECK_SLAB, "not in the list");
	slab->previous = SLAB_NONE;
	is_clean();
}

static void test_check__finds_wrong_sums_of_space(void **state)
{
	(void)state;
	world.pool->pages.free++;
	finds(FAR_CHECK_SPACE, "free in the segments");
	world.pool->pages.free--;
	world.pool->pages.segments[0].free++;
	finds(FAR_CHECK_SPACE, "segment 0");
	world.pool->pages.segments[0].free--;
	world.server->granted_pages++;
	finds(FAR_CHECK_SPACE, "granted");
	world.server->granted_pages--;
	world.pool->slabs.empty[SLAB_RECORDS]++;
	finds(FAR_CHECK_SPACE, "empty");
	world.pool->slabs.empty[SLAB_RECORDS]--;
	world.server->reclaim->bytes++;
	finds(FAR_CHECK_SPACE, "reclaim");
	world.server->reclaim->bytes--;
	is_clean();
}

static void test_check__finds_reserve_that_is_free(void **state)
{
	uint32_t page = world.server->reserve_page;

	(void)state;
	pool_pages_free(world.pool, page, SPACE_RESERVE_PAGES);
	finds(FAR_CHECK_FREED, "reserve");
	world.server->reserve_page = 0;
	is_clean();
	assert_int_equal(space_keep_reserve(world.server), 0);
}

#define DAMAGE(name) cmocka_unit_test_setup_teardown(test_check__##name, set_up, tear_down)
#define DAMAGE_EVICTING(name) cmocka_unit_test_setup_teardown(test_check__##name, set_up_evicting, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        DAMAGE(sound_server_is_clean),
	        DAMAGE(root_alone_is_clean),
	        DAMAGE(finds_id_that_is_not_its_place),
	        DAMAGE(finds_record_left_busy),
	        DAMAGE(finds_mode_without_type_and_version_0),
	        DAMAGE(finds_room_that_is_not_the_blocks),
	        DAMAGE(finds_wrong_name),
	        DAMAGE(finds_wrong_hash),
	        DAMAGE(finds_wrong_parent),
	        DAMAGE(finds_name_missing_in_the_index),
	        DAMAGE(finds_name_twice_in_the_index),
	        DAMAGE(finds_index_that_leads_nowhere),
	        DAMAGE(finds_entry_of_another_record),
	        DAMAGE(finds_broken_tree),
	        DAMAGE(finds_directory_below_itself),
	        DAMAGE(finds_wrong_link_count_of_a_file),
	        DAMAGE(finds_wrong_link_count_of_a_directory),
	        DAMAGE(finds_wrong_size_of_a_directory),
	        DAMAGE(finds_wrong_count_of_objects),
	        DAMAGE(finds_broken_chain_of_names),
	        DAMAGE(finds_orphan_that_nobody_holds),
	        DAMAGE(finds_hold_on_nothing),
	        DAMAGE(finds_deadline_by_halves),
	        DAMAGE(finds_deadline_of_nobody),
	        DAMAGE(finds_wheel_that_does_not_hold_together),
	        DAMAGE_EVICTING(finds_object_that_is_in_no_queue),
	        DAMAGE(finds_object_in_a_queue_where_nothing_is_evicted),
	        DAMAGE_EVICTING(finds_orphan_and_directory_in_a_queue),
	        DAMAGE_EVICTING(finds_queue_that_leads_elsewhere),
	        DAMAGE_EVICTING(finds_wrong_count_of_a_queue),
	        DAMAGE(finds_window_by_halves),
	        DAMAGE(finds_wrong_checksum),
	        DAMAGE(finds_size_that_its_place_does_not_have),
	        DAMAGE(finds_unknown_kind_of_value),
	        DAMAGE(finds_extent_outside_the_pool),
	        DAMAGE(finds_block_that_is_none),
	        DAMAGE(finds_extents_out_of_order),
	        DAMAGE(finds_wrong_sums_of_extents),
	        DAMAGE(finds_extent_with_two_owners),
	        DAMAGE(finds_extent_that_is_free),
	        DAMAGE(finds_bytes_behind_the_end),
	        DAMAGE(finds_extent_map_that_is_none),
	        DAMAGE(finds_value_of_a_directory),
	        DAMAGE(finds_broken_list_of_attributes),
	        DAMAGE(finds_leaked_pages),
	        DAMAGE(finds_leaked_block_and_record),
	        DAMAGE(finds_block_in_use_that_is_free),
	        DAMAGE(finds_broken_slab),
	        DAMAGE(finds_wrong_sums_of_space),
	        DAMAGE(finds_reserve_that_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
