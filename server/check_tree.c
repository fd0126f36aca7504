// The check, directories: the nodes of their trees, and a count of what the trees hold, which may take several steps.
//
// While a tree is walked over several steps it changes. A node is met when the walk comes into the range of its cookies for the first time, so it is noted as owned once: cookies
// only grow, and a node made later over a range that was passed is new memory, which is not judged.
#include <stdatomic.h>
#include <sys/stat.h>

#include "server/check_inside.h"
#include "server/directory_inside.h"
#include "server/object.h"
#include "server/record.h"

#define LEVELS 11U // 64-bit cookies, 6 bits a level

static bool is_node(const struct pool *pool, uint64_t offset)
{
	const struct node *node = pool_at(pool, offset < pool->length ? offset : 0);

	for (uint32_t capacity = CAPACITY_MIN; capacity <= CAPACITY_MAX; capacity *= 2)
		if (check_is_block(pool, offset, node_size(capacity)) && node->capacity == capacity)
			return node->level < LEVELS && node->present && children_of(node) <= capacity;
	return false;
}

// The lowest and highest cookie that the node can have.
static uint64_t first_cookie(const struct node *node)
{
	unsigned shift = (node->level + 1) * BITS;

	return shift < 64 ? node->prefix << shift : 0;
}

static uint64_t last_cookie(const struct node *node)
{
	unsigned shift = (node->level + 1) * BITS;

	return shift < 64 ? first_cookie(node) | ((1ULL << shift) - 1) : UINT64_MAX;
}

// The child of an inner node, or NULL if it is none that can be there.
static const struct node *child_node(const struct pool *pool, const struct node *node, uint32_t rank)
{
	uint64_t offset = node->children[rank];
	const struct node *child;

	if (!is_node(pool, offset))
		return NULL;
	child = pool_at(pool, offset);
	if (child->level >= node->level || prefix_at(first_cookie(child), node->level) != node->prefix)
		return NULL;
	return rank_of(node, digit_at(first_cookie(child), node->level)) == rank &&
	                       node->present >> digit_at(first_cookie(child), node->level) & 1
	               ? child
	               : NULL;
}

uint64_t check_tree_find(const struct check *check, const struct far_record *directory, uint64_t cookie)
{
	const struct pool *pool = check->server->pool;
	const struct node *node;
	unsigned digit;

	if (!is_node(pool, directory->u.directory.tree))
		return 0;
	for (node = pool_at(pool, directory->u.directory.tree); node; node = child_node(pool, node, rank_of(node, digit))) {
		digit = digit_at(cookie, node->level);
		if (node->prefix != prefix_at(cookie, node->level) || !(node->present >> digit & 1))
			return 0;
		if (node->level == 0)
			return node->children[rank_of(node, digit)];
	}
	return 0;
}

// --- counting ---

static void remember(struct check_walk *walk, const struct far_record *directory)
{
	walk->wanted = walk->entries = walk->subdirectories = 0;
	walk->is_over = false;
	walk->size = atomic_load_explicit(&directory->size, memory_order_relaxed);
	walk->next_cookie = directory->u.directory.next_cookie;
	walk->ctime_ns = directory->ctime_ns;
	walk->nlink = directory->nlink;
}

// Entries added give cookies, entries removed change the size, exchanged ones the time.
static bool is_as_it_was(const struct check_walk *walk, const struct far_record *directory)
{
	return walk->size == atomic_load_explicit(&directory->size, memory_order_relaxed) &&
	       walk->next_cookie == directory->u.directory.next_cookie && walk->ctime_ns == directory->ctime_ns &&
	       walk->nlink == directory->nlink;
}

void check_tree_begin(struct check *check, const struct far_record *directory)
{
	check->walk = (struct check_walk){.id = object_id(check->server, directory)};
	remember(&check->walk, directory);
}

static void meet_node(struct check *check, const struct far_record *directory, const struct node *node)
{
	uint64_t offset = (uint64_t)((const char *)node - (const char *)pool_base(check->server->pool));

	if (check->walk.tries == 0 && check->walk.wanted <= first_cookie(node))
		check_own_block(check, directory, offset, node_size(node->capacity), "directory");
}

static void break_walk(struct check *check, const struct far_record *directory, const char *what)
{
	check_found(check, FAR_CHECK_TREE, directory, "%s", what);
	check->walk.is_broken = true;
}

// The leaf with the next entries from walk.wanted on; NULL: there are none, or the tree is broken.
static const struct node *next_leaf(struct check *check, const struct far_record *directory)
{
	const struct pool *pool = check->server->pool;
	uint64_t wanted = check->walk.wanted;
	const struct node *behind = NULL; // the nearest subtree behind the path
	const struct node *node = pool_at(pool, directory->u.directory.tree);
	uint32_t behind_rank = 0;

	for (;;) {
		bool is_inside = node && wanted > first_cookie(node);
		uint32_t rank;

		if (!node) {
			break_walk(check, directory, "a node of its tree has a child that is none of its own");
			return NULL;
		}
		meet_node(check, directory, node);
		if (last_cookie(node) < wanted || (is_inside && node->present >> digit_at(wanted, node->level) == 0)) {
			if (!behind)
				return NULL;
			node = child_node(pool, behind, behind_rank);
			behind = NULL;
			continue;
		}
		if (node->level == 0)
			return node;
		rank = is_inside ? rank_of(node, digit_at(wanted, node->level)) : 0;
		if (is_inside && node->present >> digit_at(wanted, node->level) & 1 && rank + 1 < children_of(node)) {
			behind = node;
			behind_rank = rank + 1;
		}
		node = child_node(pool, node, rank);
	}
}

static void check_entry(struct check *check, const struct far_record *directory, uint64_t offset, uint64_t cookie)
{
	const struct far_record *record = check_record_at(check->server->pool, offset);
	unsigned state = record ? check_state(record) : FAR_RECORD_FREE;

	if (state != FAR_RECORD_LIVE && state != FAR_RECORD_LINK && state != FAR_RECORD_WRITTEN) {
		check_found(check, FAR_CHECK_ENTRY, directory, "its entry with cookie %llu leads to %llu, where no record with a name is",
		        (unsigned long long)cookie, (unsigned long long)offset);
		return;
	}
	if (record->parent != object_id(check->server, directory) || record->cookie != cookie)
		check_found(check, FAR_CHECK_ENTRY, record, "directory %llx has it under cookie %llu; it says %llx and %llu",
		        (unsigned long long)directory->id, (unsigned long long)cookie, (unsigned long long)record->parent,
		        (unsigned long long)record->cookie);
	if (cookie > directory->u.directory.next_cookie)
		check_found(check, FAR_CHECK_ENTRY, record, "its cookie %llu was not given yet", (unsigned long long)cookie);
	check->walk.subdirectories += state != FAR_RECORD_LINK && S_ISDIR(record->mode);
}

static void walk_leaf(struct check *check, const struct far_record *directory, const struct node *leaf)
{
	uint64_t present = leaf->present;
	uint64_t first = first_cookie(leaf);

	for (uint32_t rank = 0; present; rank++, present &= present - 1) {
		uint64_t cookie = first + (unsigned)__builtin_ctzll(present);

		// What a step before has met in this leaf is counted.
		if (cookie < check->walk.wanted)
			continue;
		check->walk.entries++;
		if (check->walk.tries == 0)
			check_entry(check, directory, leaf->children[rank], cookie);
		else if (check_record_at(check->server->pool, leaf->children[rank]))
			check->walk.subdirectories += S_ISDIR(record_at(check->server->pool, leaf->children[rank])->mode);
	}
	check->walk.wanted = last_cookie(leaf) + 1;
	check->walk.is_over = check->walk.wanted == 0;
}

static void judge(struct check *check, const struct far_record *directory)
{
	struct check_walk *walk = &check->walk;

	if (walk->is_broken)
		return;
	if (walk->entries != walk->size)
		check_found(check, FAR_CHECK_SIZE, directory, "it counts %llu entries, but has %llu", (unsigned long long)walk->size,
		        (unsigned long long)walk->entries);
	if (walk->nlink > 0 && walk->nlink != walk->subdirectories + 2)
		check_found(check, FAR_CHECK_NLINK, directory, "its link count is %u, but it has %llu directories", walk->nlink,
		        (unsigned long long)walk->subdirectories);
}

// The directory was walked, or is not there any more. True: that is all for it.
static bool walk_over(struct check *check, const struct far_record *directory)
{
	struct check_walk *walk = &check->walk;

	if (directory && !walk->is_broken && !is_as_it_was(walk, directory)) {
		if (++walk->tries < CHECK_TRIES) {
			remember(walk, directory);
			return false;
		}
		check->figures.unsettled++;
	} else if (directory) {
		judge(check, directory);
	}
	walk->id = 0;
	return true;
}

bool check_tree_go_on(struct check *check)
{
	struct check_walk *walk = &check->walk;

	while (walk->id) {
		const struct far_record *directory = check_object(check, walk->id);
		uint64_t tree = directory ? directory->u.directory.tree : 0;
		const struct node *leaf = NULL;

		if (tree && !walk->is_over && !is_node(check->server->pool, tree))
			break_walk(check, directory, "its tree has no node");
		else if (tree && !walk->is_over)
			leaf = next_leaf(check, directory);
		if (leaf)
			walk_leaf(check, directory, leaf);
		else
			walk_over(check, directory);
		if (walk->id && check_is_due(check))
			return false;
	}
	return true;
}
